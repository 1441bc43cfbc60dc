-- The keys get byte order instead of the collation of the database, and the lookups get indexes.

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

-- This drops the indexes on a single column, whatever their names are: the key and the index above
-- replace them.
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
