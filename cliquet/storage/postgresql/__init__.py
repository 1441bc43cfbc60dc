"""The storage in PostgreSQL, its client and its pool."""

from typing import Any

from cliquet import settings
from cliquet.connections.postgresql import config as postgresql_config
from cliquet.storage.postgresql import client as _client
from cliquet.storage.postgresql.storage import Storage

__all__ = ["Storage", "load_from_config"]


def load_from_config(config: Any) -> Storage:
    """Return the storage that the settings describe; nothing is connected yet (B-12.1).

    Raises
    ------
    ImportWarning : the packages of the extra ``postgresql`` are not installed (S-12.4).
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Storage(
        _client.create_from_config(config, prefix="storage_"),
        is_readonly=settings.read(config.get_settings(), "readonly"),
        replica=postgresql_config.create_replica(config, "storage_"),
    )
