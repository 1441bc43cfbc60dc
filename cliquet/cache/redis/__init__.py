"""The cache in Redis."""

from cliquet.cache.redis.cache import Cache, load_from_config
from cliquet.connections.redis.client import create_from_config
from cliquet.connections.redis.client import translated_errors as wrap_redis_error

__all__ = [
    "Cache",
    "create_from_config",
    "load_from_config",
    "wrap_redis_error",
]
