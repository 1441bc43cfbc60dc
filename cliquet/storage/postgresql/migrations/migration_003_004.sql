-- Ids are texts that the application makes.

ALTER TABLE records
    ALTER COLUMN id DROP DEFAULT,
    ALTER COLUMN id TYPE TEXT,
    ALTER COLUMN user_id TYPE TEXT,
    ALTER COLUMN resource_name TYPE TEXT;

ALTER TABLE deleted
    ALTER COLUMN id DROP DEFAULT,
    ALTER COLUMN id TYPE TEXT,
    ALTER COLUMN user_id TYPE TEXT,
    ALTER COLUMN resource_name TYPE TEXT;

DO $$
BEGIN
    DROP EXTENSION IF EXISTS "uuid-ossp";
EXCEPTION
    WHEN dependent_objects_still_exist OR insufficient_privilege THEN
        RAISE NOTICE 'The extension uuid-ossp stays: %', SQLERRM;
END
$$;

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '4');
