-- The tables of the storage. Keys are compared byte by byte, so that ids are in the order of their
-- code points, whatever the collation of the database is. Every key begins with the parent, so that
-- the tables can be distributed by it.

CREATE TABLE records (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    -- In milliseconds since the Epoch.
    last_modified BIGINT NOT NULL,
    -- Whether it is a tombstone, whose data is an empty object.
    deleted BOOLEAN NOT NULL DEFAULT FALSE,
    -- The record without its id and its timestamp.
    data JSONB NOT NULL DEFAULT '{}',
    PRIMARY KEY (parent_id, collection_id, id)
);

-- The first index has all rows, for clients that synchronise. The second one only has live records,
-- for all other lists, whose cost must not grow with the number of tombstones. Both ascend, because
-- a new record is then the last one, and pages are filled (postgresql/time_indexes.py).
CREATE INDEX records_in_time
    ON records (parent_id, collection_id, last_modified, id);
CREATE INDEX records_live_in_time
    ON records (parent_id, collection_id, last_modified, id)
    WHERE NOT deleted;

-- A collection has one row, which is its lock, its timestamp and the number of its live records. It
-- also has the latest deletion that was forgotten, and the name of this life of its data.
CREATE TABLE timestamps (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    last_modified BIGINT NOT NULL,
    live BIGINT NOT NULL DEFAULT 0,
    purged BIGINT NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL DEFAULT lpad(to_hex(floor(random() * 4294967296)::bigint), 8, '0'),
    PRIMARY KEY (parent_id, collection_id)
-- Each write of a record updates this row, which needs space for its next version in the same page.
) WITH (fillfactor = 50);

CREATE INDEX timestamps_by_collection ON timestamps (collection_id, parent_id);

-- That a record left what a principal may read: the latest time for each. An empty principal stands
-- for everybody.
CREATE TABLE departures (
    parent_id TEXT COLLATE "C" NOT NULL,
    collection_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    last_modified BIGINT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (parent_id, collection_id, id, principal)
);

CREATE INDEX departures_by_time ON departures (parent_id, collection_id, last_modified);

-- The versions of the schemas, also of the other backends. Old rows stay.
CREATE TABLE IF NOT EXISTS metadata (
    name VARCHAR(128) NOT NULL,
    value VARCHAR(512) NOT NULL
);

INSERT INTO metadata (name, value) VALUES
    ('created_at', now()::text),
    ('storage_schema_version', '15');
