-- What B-12.15 says of version 1 (release 1.6), under names of our own.

CREATE FUNCTION as_epoch(moment TIMESTAMP) RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
    RETURN (EXTRACT(EPOCH FROM moment) * 1000)::BIGINT;
END
$$;

CREATE TABLE records (
    id UUID NOT NULL DEFAULT uuid_generate_v4(),
    user_id VARCHAR(256) NOT NULL,
    resource_name VARCHAR(256) NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    data JSON NOT NULL DEFAULT '{}',
    UNIQUE (id, user_id, resource_name, last_modified)
);
CREATE INDEX records_id ON records (id);
CREATE INDEX records_user ON records (user_id);
CREATE INDEX records_resource ON records (resource_name);
CREATE INDEX records_moment ON records (last_modified);
CREATE INDEX records_epoch ON records (date_part('epoch', last_modified));

CREATE TABLE deleted (
    id UUID NOT NULL,
    user_id VARCHAR(256) NOT NULL,
    resource_name VARCHAR(256) NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    UNIQUE (id, user_id, resource_name, last_modified)
);
CREATE INDEX deleted_id ON deleted (id);
CREATE INDEX deleted_user ON deleted (user_id);
CREATE INDEX deleted_resource ON deleted (resource_name);
CREATE INDEX deleted_moment ON deleted (last_modified);
CREATE INDEX deleted_epoch ON deleted (date_part('epoch', last_modified));

CREATE FUNCTION resource_timestamp(owner VARCHAR, resource VARCHAR) RETURNS TIMESTAMP
LANGUAGE sql AS $$
    SELECT greatest(
        (SELECT max(last_modified) FROM records WHERE user_id = owner AND resource_name = resource),
        (SELECT max(last_modified) FROM deleted WHERE user_id = owner AND resource_name = resource)
    )
$$;

CREATE FUNCTION bump_timestamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_modified := greatest(
        localtimestamp, resource_timestamp(NEW.user_id, NEW.resource_name) + interval '1 ms'
    );
    RETURN NEW;
END
$$;
CREATE TRIGGER bump_records BEFORE INSERT OR UPDATE ON records
    FOR EACH ROW EXECUTE PROCEDURE bump_timestamp();
CREATE TRIGGER bump_deleted BEFORE INSERT OR UPDATE ON deleted
    FOR EACH ROW EXECUTE PROCEDURE bump_timestamp();

CREATE TABLE metadata (name VARCHAR(128) NOT NULL, value VARCHAR(512) NOT NULL);
INSERT INTO metadata VALUES ('created_at', now()::text);
