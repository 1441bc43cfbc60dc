"""The permission backend in the memory of the process."""

from cliquet.permission.memory.permission import (
    Permission,
    load_from_config,
)

__all__ = [
    "Permission",
    "load_from_config",
]
