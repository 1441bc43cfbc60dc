"""The permission backend in Redis."""

from cliquet.permission.redis.permission import (
    Permission,
    create_from_config,
    load_from_config,
    wrap_redis_error,
)

__all__ = [
    "Permission",
    "create_from_config",
    "load_from_config",
    "wrap_redis_error",
]
