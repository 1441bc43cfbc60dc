-- In this version, the conversion to milliseconds was declared immutable. Migration 011_012 drops
-- it with its indexes, and no step in between needs them.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '2');
