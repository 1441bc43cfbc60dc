-- The conversion to milliseconds was declared immutable. Migration 011_012 drops it, with the
-- indexes on it: nothing that comes between relies on either.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '2');
