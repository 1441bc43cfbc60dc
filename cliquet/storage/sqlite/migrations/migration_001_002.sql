-- A collection gets its horizon, the latest deletion that was forgotten, and its epoch, which changes
-- when its data are lost otherwise. SQLite adds no column with such a default to a table.

ALTER TABLE timestamps RENAME TO former_timestamps;

CREATE TABLE timestamps (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified INTEGER NOT NULL,
    live INTEGER NOT NULL DEFAULT 0,
    purged INTEGER NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL DEFAULT (lower(hex(randomblob(4)))),
    PRIMARY KEY (parent_id, collection_id)
) WITHOUT ROWID;

INSERT INTO timestamps (parent_id, collection_id, last_modified, live)
    SELECT parent_id, collection_id, last_modified, live FROM former_timestamps;

DROP TABLE former_timestamps;

CREATE INDEX timestamps_by_collection ON timestamps (collection_id, parent_id);
