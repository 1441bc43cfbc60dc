-- The table of the cache (B-14.4). Lost entries cost time, nothing else; the table is logged all the
-- same, since an unlogged one is missing on the standby servers that reads may go to.

CREATE TABLE cache (
    -- Byte order: a prefix is a range of the index.
    key TEXT COLLATE "C" PRIMARY KEY,
    -- JSON.
    value TEXT NOT NULL,
    -- When the entry expires, in UTC.
    ttl TIMESTAMP
);

CREATE INDEX cache_by_expiry ON cache (ttl) WHERE ttl IS NOT NULL;
