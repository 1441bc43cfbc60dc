-- In this version, triggers read the wall clock instead of the time of the transaction. Migration
-- 011_012 drops them, and no step before that writes a row for which they would run.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '8');
