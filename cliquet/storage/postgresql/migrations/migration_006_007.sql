-- The names of the successor. The function that knows the former ones is dropped by 011_012.

ALTER TABLE records RENAME COLUMN user_id TO parent_id;
ALTER TABLE records RENAME COLUMN resource_name TO collection_id;
ALTER TABLE deleted RENAME COLUMN user_id TO parent_id;
ALTER TABLE deleted RENAME COLUMN resource_name TO collection_id;

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '7');
