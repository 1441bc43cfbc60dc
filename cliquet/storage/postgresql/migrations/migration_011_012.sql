-- Records and tombstones get one table, timestamps become integer milliseconds, keys are compared
-- byte by byte, and the timestamp of a collection is stored with the number of its live records.
-- The tables are altered and not replaced, so that their owner and privileges stay as they are.

-- Writes of other clients after this point would be lost.
LOCK TABLE records, deleted, timestamps IN ACCESS EXCLUSIVE MODE;

-- This drops all constraints, indexes and triggers, which have various names after so many steps.
DO $$
DECLARE
    tables CONSTANT regclass[] := ARRAY['records', 'timestamps'];
    statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY(
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
            FROM pg_constraint WHERE conrelid = ANY (tables) AND contype IN ('p', 'u')
        UNION ALL
        SELECT format('DROP INDEX %s', indexrelid::regclass)
            FROM pg_index WHERE indrelid = ANY (tables)
            AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
        UNION ALL
        SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
            FROM pg_trigger WHERE tgrelid = ANY (tables) AND NOT tgisinternal
    ) LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

-- If both exist, the record was created again with the id of the tombstone.
ALTER TABLE records ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE;
INSERT INTO records (parent_id, collection_id, id, last_modified, deleted, data)
    SELECT parent_id, collection_id, id, last_modified, TRUE, '{}' FROM deleted
    WHERE NOT EXISTS (
        SELECT 1 FROM records
        WHERE (records.parent_id, records.collection_id, records.id)
            = (deleted.parent_id, deleted.collection_id, deleted.id)
    );

-- Several may have been written in the same millisecond, or are rounded to it. Each gets a later
-- timestamp than the one before it, because clients that have the first do not have the others.
CREATE TEMPORARY TABLE cliquet_postponed ON COMMIT DROP AS
    SELECT parent_id, collection_id, id, place + lead AS last_modified
    FROM (
        SELECT *, max(rounded - place) OVER (
            PARTITION BY parent_id, collection_id ORDER BY place
        ) AS lead
        FROM (
            SELECT parent_id, collection_id, id,
                round(extract(epoch FROM last_modified) * 1000)::bigint AS rounded,
                row_number() OVER (
                    PARTITION BY parent_id, collection_id ORDER BY last_modified, id
                ) AS place
            FROM records
        ) AS ordered
    ) AS separated
    WHERE place + lead <> rounded;

-- The data may contain copies of the id and of a former timestamp.
ALTER TABLE records
    ALTER COLUMN parent_id TYPE TEXT COLLATE "C",
    ALTER COLUMN collection_id TYPE TEXT COLLATE "C",
    ALTER COLUMN id TYPE TEXT COLLATE "C",
    ALTER COLUMN last_modified DROP DEFAULT,
    ALTER COLUMN last_modified TYPE BIGINT
        USING round(extract(epoch FROM last_modified) * 1000)::bigint,
    ALTER COLUMN data TYPE JSONB USING data - 'id' - 'last_modified';

UPDATE records SET last_modified = postponed.last_modified
    FROM cliquet_postponed AS postponed
    WHERE (records.parent_id, records.collection_id, records.id)
        = (postponed.parent_id, postponed.collection_id, postponed.id);

ALTER TABLE records ADD PRIMARY KEY (parent_id, collection_id, id);
CREATE INDEX records_in_time
    ON records (parent_id, collection_id, last_modified, id);
CREATE INDEX records_live_in_time
    ON records (parent_id, collection_id, last_modified, id)
    WHERE NOT deleted;

ALTER TABLE timestamps SET (fillfactor = 50);
ALTER TABLE timestamps
    ALTER COLUMN parent_id TYPE TEXT COLLATE "C",
    ALTER COLUMN collection_id TYPE TEXT COLLATE "C",
    ALTER COLUMN last_modified DROP DEFAULT,
    ALTER COLUMN last_modified TYPE BIGINT
        USING round(extract(epoch FROM last_modified) * 1000)::bigint,
    ADD COLUMN live BIGINT NOT NULL DEFAULT 0;
ALTER TABLE timestamps ADD PRIMARY KEY (parent_id, collection_id);
CREATE INDEX timestamps_by_collection ON timestamps (collection_id, parent_id);

INSERT INTO timestamps (parent_id, collection_id, last_modified, live)
    SELECT parent_id, collection_id, max(last_modified), count(*) FILTER (WHERE is_live)
    FROM (
        SELECT parent_id, collection_id, last_modified, NOT deleted AS is_live FROM records
        UNION ALL
        -- Those that gave way to a record count too.
        SELECT parent_id, collection_id,
            round(extract(epoch FROM last_modified) * 1000)::bigint, FALSE
        FROM deleted
    ) AS entries
    GROUP BY parent_id, collection_id
    ON CONFLICT (parent_id, collection_id) DO UPDATE SET
        last_modified = greatest(timestamps.last_modified, EXCLUDED.last_modified),
        live = EXCLUDED.live;

DROP TABLE deleted;

-- This drops the functions of former versions, whatever their parameters are.
DO $$
DECLARE
    former regprocedure;
BEGIN
    FOREACH former IN ARRAY ARRAY(
        SELECT oid::regprocedure FROM pg_proc
        WHERE proname IN (
            'as_epoch', 'from_epoch', 'bump_timestamp', 'collection_timestamp',
            'resource_timestamp'
        ) AND pg_function_is_visible(oid)
    ) LOOP
        BEGIN
            EXECUTE format('DROP FUNCTION %s', former);
        EXCEPTION
            WHEN dependent_objects_still_exist OR insufficient_privilege THEN
                RAISE NOTICE 'The function % stays: %', former, SQLERRM;
        END;
    END LOOP;
END
$$;

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '12');

\ir ../functions.sql
