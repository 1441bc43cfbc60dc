"""The cache in Memcached."""

from cliquet.cache.memcached.cache import (
    Cache,
    load_from_config,
)

__all__ = [
    "Cache",
    "load_from_config",
]
