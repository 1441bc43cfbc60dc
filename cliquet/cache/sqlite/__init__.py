"""The cache in SQLite."""

from typing import Any

from cliquet import settings
from cliquet.cache.sqlite.cache import Cache, prepare
from cliquet.connections.sqlite import config as sqlite_config

__all__ = ["Cache", "load_from_config"]


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe; no file is opened yet.

    Raises
    ------
    cliquet.settings.SettingError : the URL or the prefix cannot be used.
    """
    return Cache(
        # In the file of the storage, the cache would wait for the lock of its own request.
        sqlite_config.create_from_config(config, prefix="cache_", prepare=prepare, sibling="cache"),
        cache_prefix=settings.read(config.get_settings(), "cache_prefix"),
    )
