"""The storage in the memory of the process."""

from cliquet.storage.memory.storage import (
    MemoryBasedStorage,
    Storage,
    load_from_config,
)

__all__ = [
    "MemoryBasedStorage",
    "Storage",
    "load_from_config",
]
