-- A collection gets its horizon, the latest deletion that was forgotten, and its epoch, which changes
-- when its data are lost otherwise. All present collections get the same epoch, so that no row is
-- written.

ALTER TABLE timestamps ADD COLUMN purged BIGINT NOT NULL DEFAULT 0;

DO $$
BEGIN
    EXECUTE format(
        'ALTER TABLE timestamps ADD COLUMN epoch TEXT NOT NULL DEFAULT %L',
        lpad(to_hex(floor(random() * 4294967296)::bigint), 8, '0')
    );
END
$$;

ALTER TABLE timestamps ALTER COLUMN epoch
    SET DEFAULT lpad(to_hex(floor(random() * 4294967296)::bigint), 8, '0');

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '13');
