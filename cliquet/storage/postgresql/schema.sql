-- The tables of the storage. Keys are compared byte by byte, hence ids are
-- in the order of their code points whatever the collation of the database (B-21.29). Every key
-- starts with the parent: the tables can be distributed by it (E-9.3).

CREATE TABLE records (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    -- In milliseconds since the Epoch.
    last_modified BIGINT NOT NULL,
    -- A tombstone: its data is an empty object.
    deleted BOOLEAN NOT NULL DEFAULT FALSE,
    -- Without the id and the timestamp.
    data JSONB NOT NULL DEFAULT '{}',
    PRIMARY KEY (parent_id, collection_id, id)
);

-- Everything, for clients that synchronise; the live records alone, for all other listings, whose
-- cost must not grow with the number of tombstones.
CREATE INDEX records_by_time
    ON records (parent_id, collection_id, last_modified DESC, id DESC);
CREATE INDEX records_live_by_time
    ON records (parent_id, collection_id, last_modified DESC, id DESC)
    WHERE NOT deleted;

-- One row per collection: its lock, its timestamp and the number of its live records.
CREATE TABLE timestamps (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    last_modified BIGINT NOT NULL,
    live BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (parent_id, collection_id)
-- Each write of a record updates this row: room for its next version in the same page.
) WITH (fillfactor = 50);

CREATE INDEX timestamps_by_collection ON timestamps (collection_id, parent_id);

-- Versions of the schemas, shared with the other backends; rows accumulate.
CREATE TABLE IF NOT EXISTS metadata (
    name VARCHAR(128) NOT NULL,
    value VARCHAR(512) NOT NULL
);

INSERT INTO metadata (name, value) VALUES
    ('created_at', now()::text),
    ('storage_schema_version', '12');
