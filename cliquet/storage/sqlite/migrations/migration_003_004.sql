-- New records come last in these indexes, which fills their pages. In descending order, each page was
-- left half empty.

CREATE INDEX records_in_time
    ON records (parent_id, collection_id, last_modified, id);
CREATE INDEX records_live_in_time
    ON records (parent_id, collection_id, last_modified, id)
    WHERE NOT deleted;

DROP INDEX records_by_time;
DROP INDEX records_live_by_time;
