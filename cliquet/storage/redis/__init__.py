"""The storage in Redis, and the client of Redis under its published names (P-29.5)."""

from typing import Any

from cliquet import settings
from cliquet.connections.redis.client import create_from_config
from cliquet.connections.redis.client import translated_errors as wrap_redis_error
from cliquet.connections.redis.connecting import connect
from cliquet.storage.redis.storage import Storage

__all__ = ["Storage", "create_from_config", "load_from_config", "wrap_redis_error"]


def load_from_config(config: Any) -> Storage:
    """Return the storage that the settings describe (B-10.2).

    The server is not contacted yet.

    Raises
    ------
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Storage(
        connect(config, prefix="storage_"),
        is_readonly=settings.read(config.get_settings(), "readonly"),
    )
