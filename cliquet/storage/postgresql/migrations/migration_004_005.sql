-- The tables get composite primary keys. Before, only the timestamp had to be unique: of several
-- rows with one id, the last one counts.

DELETE FROM records AS former USING records AS latter
    WHERE (former.user_id, former.resource_name, former.id)
        = (latter.user_id, latter.resource_name, latter.id)
    AND (former.last_modified, former.ctid) < (latter.last_modified, latter.ctid);

DELETE FROM deleted AS former USING deleted AS latter
    WHERE (former.user_id, former.resource_name, former.id)
        = (latter.user_id, latter.resource_name, latter.id)
    AND (former.last_modified, former.ctid) < (latter.last_modified, latter.ctid);

ALTER TABLE records ADD PRIMARY KEY (id, user_id, resource_name);
ALTER TABLE deleted ADD PRIMARY KEY (id, user_id, resource_name);

-- This version also dropped indexes on a single column; migration 011_012 drops the remaining ones.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '5');
