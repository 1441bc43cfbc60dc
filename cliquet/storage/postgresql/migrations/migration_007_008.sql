-- Triggers read the wall clock instead of the time of the transaction. Migration 011_012 drops them,
-- and no step until then writes a row that they would look at.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '8');
