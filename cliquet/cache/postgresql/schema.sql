-- The table of the cache. Lost entries only cost time, but the table is logged nevertheless,
-- because an unlogged table does not exist on standby servers, where reads may go.

CREATE TABLE cache (
    -- Keys are in byte order, so that a prefix is a range of the index.
    key TEXT COLLATE "C" PRIMARY KEY,
    -- JSON.
    value TEXT NOT NULL,
    -- The time when the entry expires, in UTC.
    ttl TIMESTAMP
);

CREATE INDEX cache_by_expiry ON cache (ttl) WHERE ttl IS NOT NULL;
