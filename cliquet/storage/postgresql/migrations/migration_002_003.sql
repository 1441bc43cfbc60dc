-- In this version, an ordered unique index on the timestamp replaced the unique constraints on four
-- columns. Migration 011_012 drops that index, and makes the timestamps unique itself.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '3');
