-- Data becomes JSONB.

ALTER TABLE records
    ALTER COLUMN data DROP DEFAULT,
    ALTER COLUMN data TYPE JSONB USING data::jsonb,
    ALTER COLUMN data SET DEFAULT '{}';

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '6');
