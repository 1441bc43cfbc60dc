"""The cache in the memory of the process."""

from cliquet.cache.memory.cache import (
    Cache,
    load_from_config,
)

__all__ = [
    "Cache",
    "load_from_config",
]
