-- That records left what a principal may read has a table of its own.

CREATE TABLE departures (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    last_modified BIGINT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (parent_id, collection_id, id, principal)
);

CREATE INDEX departures_by_time ON departures (parent_id, collection_id, last_modified);

-- The application may be another user of the database, who has rights on the records alone.
DO $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT privilege_type, grantee FROM aclexplode(
            (SELECT relacl FROM pg_class WHERE oid = 'records'::regclass)
        ) WHERE privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format(
            'GRANT %s ON departures TO %s', held.privilege_type,
            CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE held.grantee::regrole::text END
        );
    END LOOP;
END
$$;

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '14');
