-- The version of the tables if no row has it: the former flush emptied the table of versions, and
-- the schema may have been loaded by hand. It follows from the columns and functions that the
-- migrations need; of versions that are the same for them, it is the lowest. NULL means tables of
-- another program.
SELECT CASE
    WHEN types ->> 'deleted' = 'boolean' AND types ->> 'last_modified' = 'bigint' THEN
        CASE
            WHEN NOT EXISTS (
                SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('timestamps')
                AND attname = 'epoch' AND NOT attisdropped
            ) THEN 12
            WHEN to_regclass('departures') IS NULL THEN 13
            WHEN to_regprocedure('cliquet_next(bigint)') IS NULL THEN 14
            ELSE 15
        END
    WHEN to_regclass('deleted') IS NULL THEN NULL
    WHEN types ? 'parent_id' AND types ? 'collection_id' THEN
        CASE WHEN to_regclass('timestamps') IS NULL THEN 7 ELSE 10 END
    WHEN NOT (types ? 'user_id' AND types ? 'resource_name') THEN NULL
    WHEN types ->> 'data' = 'jsonb' THEN 6
    WHEN EXISTS (
        SELECT 1 FROM pg_constraint WHERE conrelid = 'records'::regclass AND contype = 'p'
    ) THEN 5
    WHEN types ->> 'id' = 'text' THEN 4
    WHEN types ->> 'id' = 'uuid' THEN 1
END
FROM (
    SELECT jsonb_object_agg(attname, format_type(atttypid, NULL)) AS types
    FROM pg_attribute
    WHERE attrelid = 'records'::regclass AND attnum > 0 AND NOT attisdropped
) AS columns;
