"""The storage in SQLite."""

from typing import Any

from cliquet import settings
from cliquet.connections.sqlite import config as sqlite_config
from cliquet.storage.sqlite.storage import Storage, prepare

__all__ = ["Storage", "load_from_config"]


def load_from_config(config: Any) -> Storage:
    """Return the storage that the settings describe; the file is not opened yet (E-1.2).

    Raises
    ------
    cliquet.settings.SettingError : the URL cannot be used.
    """
    return Storage(
        sqlite_config.create_from_config(config, prefix="storage_", prepare=prepare),
        is_readonly=settings.read(config.get_settings(), "readonly"),
    )
