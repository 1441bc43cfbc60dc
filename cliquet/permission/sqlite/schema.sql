-- The tables of the permission backend, which are the same as in PostgreSQL (see
-- postgresql/schema.sql).

CREATE TABLE user_principals (
    user_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (user_id, principal)
) WITHOUT ROWID;

CREATE INDEX user_principals_by_principal ON user_principals (principal, user_id);

CREATE TABLE access_control_entries (
    object_id TEXT NOT NULL,
    permission TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (object_id, permission, principal)
) WITHOUT ROWID;

-- The objects that a principal may access, by permission.
CREATE INDEX access_control_entries_by_principal
    ON access_control_entries (principal, permission, object_id);
