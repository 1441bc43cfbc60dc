-- Byte order instead of the collation of the database (B-21.30), and the indexes of the lookups.

ALTER TABLE user_principals
    ALTER COLUMN user_id TYPE TEXT COLLATE "C",
    ALTER COLUMN principal TYPE TEXT COLLATE "C";

ALTER TABLE access_control_entries
    ALTER COLUMN object_id TYPE TEXT COLLATE "C",
    ALTER COLUMN permission TYPE TEXT COLLATE "C",
    ALTER COLUMN principal TYPE TEXT COLLATE "C";

CREATE INDEX IF NOT EXISTS user_principals_by_principal ON user_principals (principal, user_id);
CREATE INDEX IF NOT EXISTS access_control_entries_by_principal
    ON access_control_entries (principal, permission, object_id);

-- The indexes on a single column, under whatever name: the key and the index above do their work.
DO $$
DECLARE
    superfluous TEXT;
BEGIN
    FOR superfluous IN
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = 'access_control_entries'::regclass
        AND indnatts = 1 AND NOT indisunique AND indpred IS NULL AND indexprs IS NULL
    LOOP
        EXECUTE 'DROP INDEX ' || superfluous;
    END LOOP;
END
$$;
