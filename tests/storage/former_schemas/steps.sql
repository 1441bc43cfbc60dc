-- What B-12.15 says that each step did to an installation, with the indexes and triggers that our
-- migrations leave out.

-- 2
DROP INDEX records_epoch;
DROP INDEX deleted_epoch;
ALTER FUNCTION as_epoch(TIMESTAMP) IMMUTABLE;
CREATE INDEX records_epoch ON records (as_epoch(last_modified));
CREATE INDEX deleted_epoch ON deleted (as_epoch(last_modified));

-- 3
ALTER TABLE records DROP CONSTRAINT records_id_user_id_resource_name_last_modified_key;
ALTER TABLE deleted DROP CONSTRAINT deleted_id_user_id_resource_name_last_modified_key;
CREATE UNIQUE INDEX records_order ON records (user_id, resource_name, last_modified DESC);
CREATE UNIQUE INDEX deleted_order ON deleted (user_id, resource_name, last_modified DESC);

-- 4
ALTER TABLE records ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE TEXT,
    ALTER COLUMN user_id TYPE TEXT, ALTER COLUMN resource_name TYPE TEXT;
ALTER TABLE deleted ALTER COLUMN id TYPE TEXT,
    ALTER COLUMN user_id TYPE TEXT, ALTER COLUMN resource_name TYPE TEXT;
DROP EXTENSION IF EXISTS "uuid-ossp";

-- 5
DROP INDEX records_id, records_user, records_resource, records_moment;
DROP INDEX deleted_id, deleted_user, deleted_resource, deleted_moment;
ALTER TABLE records ADD PRIMARY KEY (id, user_id, resource_name);
ALTER TABLE deleted ADD PRIMARY KEY (id, user_id, resource_name);

-- 6
ALTER TABLE records ALTER COLUMN data DROP DEFAULT,
    ALTER COLUMN data TYPE JSONB USING data::text::jsonb, ALTER COLUMN data SET DEFAULT '{}';

-- 7
ALTER TABLE records RENAME COLUMN user_id TO parent_id;
ALTER TABLE records RENAME COLUMN resource_name TO collection_id;
ALTER TABLE deleted RENAME COLUMN user_id TO parent_id;
ALTER TABLE deleted RENAME COLUMN resource_name TO collection_id;
DROP FUNCTION resource_timestamp(VARCHAR, VARCHAR);
CREATE FUNCTION collection_timestamp(parent VARCHAR, collection VARCHAR) RETURNS TIMESTAMP
LANGUAGE sql AS $$
    SELECT greatest(
        (SELECT max(last_modified) FROM records WHERE parent_id = $1 AND collection_id = $2),
        (SELECT max(last_modified) FROM deleted WHERE parent_id = $1 AND collection_id = $2)
    )
$$;

-- 8
DROP TRIGGER bump_records ON records;
DROP TRIGGER bump_deleted ON deleted;
DROP FUNCTION bump_timestamp();

-- 9
CREATE FUNCTION from_epoch(epoch BIGINT) RETURNS TIMESTAMP LANGUAGE sql IMMUTABLE AS $$
    SELECT TIMESTAMP 'epoch' + epoch * INTERVAL '1 ms'
$$;

-- 10
CREATE TABLE timestamps (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    PRIMARY KEY (parent_id, collection_id)
);
INSERT INTO timestamps SELECT parent_id, collection_id, max(last_modified)
    FROM records GROUP BY parent_id, collection_id;
DROP FUNCTION collection_timestamp(VARCHAR, VARCHAR);
CREATE FUNCTION collection_timestamp(parent VARCHAR, collection VARCHAR) RETURNS TIMESTAMP
LANGUAGE plpgsql AS $$
DECLARE
    known TIMESTAMP;
BEGIN
    INSERT INTO timestamps VALUES (parent, collection, clock_timestamp() AT TIME ZONE 'UTC')
        ON CONFLICT DO NOTHING;
    SELECT last_modified INTO known FROM timestamps
        WHERE parent_id = parent AND collection_id = collection;
    RETURN known;
END
$$;

-- 11
CREATE FUNCTION bump_timestamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous TIMESTAMP;
    latest TIMESTAMP := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    SELECT last_modified INTO previous FROM timestamps
        WHERE parent_id = NEW.parent_id AND collection_id = NEW.collection_id;
    IF NEW.last_modified IS NULL THEN
        IF previous IS NOT NULL AND latest <= previous THEN
            latest := previous + INTERVAL '1 ms';
        END IF;
        NEW.last_modified := latest;
    ELSIF previous IS NULL OR NEW.last_modified > previous THEN
        latest := NEW.last_modified;
    END IF;
    INSERT INTO timestamps VALUES (NEW.parent_id, NEW.collection_id, latest)
        ON CONFLICT (parent_id, collection_id) DO UPDATE SET last_modified = latest;
    RETURN NEW;
END
$$;
CREATE TRIGGER bump_records BEFORE INSERT OR UPDATE ON records
    FOR EACH ROW EXECUTE PROCEDURE bump_timestamp();
CREATE TRIGGER bump_deleted BEFORE INSERT OR UPDATE ON deleted
    FOR EACH ROW EXECUTE PROCEDURE bump_timestamp();
