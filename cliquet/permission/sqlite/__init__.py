"""The permission backend in SQLite."""

from typing import Any

from cliquet.connections.sqlite import config as sqlite_config
from cliquet.permission.sqlite.permission import Permission

__all__ = ["Permission", "load_from_config"]


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that the settings describe; no file is opened yet (E-1.2).

    Raises
    ------
    cliquet.settings.SettingError : the URL cannot be used.
    """
    return Permission(sqlite_config.create_from_config(config, prefix="permission_"))
