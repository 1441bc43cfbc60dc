-- That records left what a principal may read has a table of its own.

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
