"""The permission backend in PostgreSQL."""

from typing import Any

from cliquet.connections.postgresql import config as postgresql_config
from cliquet.permission.postgresql.permission import Permission

__all__ = ["Permission", "load_from_config"]


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that the settings describe; nothing is connected yet.

    Raises
    ------
    ImportWarning : the packages of the extra ``postgresql`` are not installed (S-12.4).
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Permission(
        postgresql_config.create_from_config(config, prefix="permission_"),
        replica=postgresql_config.create_replica(config, "permission_"),
    )
