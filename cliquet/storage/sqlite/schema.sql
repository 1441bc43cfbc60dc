-- The tables of the storage, which are the same as in PostgreSQL (see postgresql/schema.sql), with
-- JSON as text.

CREATE TABLE records (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    id TEXT NOT NULL,
    last_modified INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    data TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (parent_id, collection_id, id)
);

CREATE INDEX records_in_time
    ON records (parent_id, collection_id, last_modified, id);
CREATE INDEX records_live_in_time
    ON records (parent_id, collection_id, last_modified, id)
    WHERE NOT deleted;

CREATE TABLE timestamps (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified INTEGER NOT NULL,
    live INTEGER NOT NULL DEFAULT 0,
    purged INTEGER NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL DEFAULT (lower(hex(randomblob(4)))),
    PRIMARY KEY (parent_id, collection_id)
) WITHOUT ROWID;

CREATE INDEX timestamps_by_collection ON timestamps (collection_id, parent_id);

CREATE TABLE departures (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    id TEXT NOT NULL,
    principal TEXT NOT NULL,
    last_modified INTEGER NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (parent_id, collection_id, id, principal)
) WITHOUT ROWID;

CREATE INDEX departures_by_time ON departures (parent_id, collection_id, last_modified);
