-- The table of the timestamps of collections, also of empty ones. It stays empty: 011_012 computes
-- the missing timestamps from the records and their tombstones.

CREATE TABLE timestamps (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    PRIMARY KEY (parent_id, collection_id)
);

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '10');
