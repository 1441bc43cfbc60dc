-- The columns get the names of the successor. Migration 011_012 drops the function that knows the
-- former names.

ALTER TABLE records RENAME COLUMN user_id TO parent_id;
ALTER TABLE records RENAME COLUMN resource_name TO collection_id;
ALTER TABLE deleted RENAME COLUMN user_id TO parent_id;
ALTER TABLE deleted RENAME COLUMN resource_name TO collection_id;

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '7');
