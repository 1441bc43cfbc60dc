"""The cache in PostgreSQL."""

from typing import Any

from cliquet import settings
from cliquet.cache.postgresql.cache import Cache
from cliquet.connections.postgresql import config as postgresql_config

__all__ = ["Cache", "load_from_config"]


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe; nothing is connected yet.

    It has its own connections, even if its URL is that of the storage (B-22.33).

    Raises
    ------
    ImportWarning : the packages of the extra ``postgresql`` are not installed.
    cliquet.settings.SettingError : the URL, a number, or the prefix cannot be used.
    """
    return Cache(
        postgresql_config.create_from_config(config, prefix="cache_", is_shared=False),
        cache_prefix=settings.read(config.get_settings(), "cache_prefix"),
    )
