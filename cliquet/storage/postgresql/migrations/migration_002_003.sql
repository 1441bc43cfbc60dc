-- The unique constraints on four columns made room for an ordered unique index on the timestamp.
-- Migration 011_012 drops that index, and sees to the unicity by itself.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '3');
