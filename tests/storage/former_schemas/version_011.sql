-- What B-12.2 to B-12.6 say of version 11 (release 3.1), but for the functions and triggers, which
-- are at the end of steps.sql.

CREATE TABLE records (
    id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    data JSONB NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, parent_id, collection_id)
);
CREATE TABLE deleted (
    id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    PRIMARY KEY (id, parent_id, collection_id)
);
CREATE TABLE timestamps (
    parent_id TEXT NOT NULL,
    collection_id TEXT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    PRIMARY KEY (parent_id, collection_id)
);
CREATE TABLE metadata (name VARCHAR(128) NOT NULL, value VARCHAR(512) NOT NULL);
INSERT INTO metadata VALUES ('created_at', now()::text), ('storage_schema_version', '11');

CREATE FUNCTION as_epoch(moment TIMESTAMP) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT (EXTRACT(EPOCH FROM moment) * 1000)::BIGINT
$$;
CREATE FUNCTION from_epoch(epoch BIGINT) RETURNS TIMESTAMP LANGUAGE sql IMMUTABLE AS $$
    SELECT TIMESTAMP 'epoch' + epoch * INTERVAL '1 ms'
$$;
CREATE UNIQUE INDEX records_order ON records (parent_id, collection_id, last_modified DESC);
CREATE UNIQUE INDEX deleted_order ON deleted (parent_id, collection_id, last_modified DESC);
CREATE INDEX records_epoch ON records (as_epoch(last_modified));
CREATE INDEX deleted_epoch ON deleted (as_epoch(last_modified));
