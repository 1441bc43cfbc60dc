"""The permission backend in Redis."""

from cliquet.connections.redis.client import create_from_config
from cliquet.connections.redis.client import translated_errors as wrap_redis_error
from cliquet.permission.redis.permission import Permission, load_from_config

__all__ = [
    "Permission",
    "create_from_config",
    "load_from_config",
    "wrap_redis_error",
]
