-- The tables of the permission backend. Texts are compared byte by byte, so that a prefix is a
-- range of an index, whatever the collation of the database is.

CREATE TABLE user_principals (
    user_id TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, principal)
);

CREATE INDEX user_principals_by_principal ON user_principals (principal, user_id);

CREATE TABLE access_control_entries (
    object_id TEXT COLLATE "C" NOT NULL,
    permission TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (object_id, permission, principal)
);

-- The objects that a principal may access, by permission.
CREATE INDEX access_control_entries_by_principal
    ON access_control_entries (principal, permission, object_id);
