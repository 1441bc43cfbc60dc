-- The table of the cache, which is the same as in PostgreSQL (see postgresql/schema.sql).

CREATE TABLE cache (
    key TEXT NOT NULL PRIMARY KEY,
    -- JSON.
    value TEXT NOT NULL,
    -- The time when the entry expires, in milliseconds since the Epoch.
    ttl INTEGER
);

CREATE INDEX cache_by_expiry ON cache (ttl) WHERE ttl IS NOT NULL;
