-- This version had a conversion from milliseconds, and triggers that keep the timestamps of
-- callers. Migration 011_012 drops all of them.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '9');
