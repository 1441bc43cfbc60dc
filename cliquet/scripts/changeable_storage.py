"""The storage of a service, for the commands that change what it holds collection by collection."""

from __future__ import annotations

from typing import Any

from cliquet import settings
from cliquet.initialization.backends import is_in_memory, module_of
from cliquet.scripts.command import CommandError
from cliquet.storage.base import StorageBase

__all__ = ["changeable_storage"]


def changeable_storage(
    registry: Any, *, in_memory: str, writes: bool = True, lists: bool = True
) -> StorageBase:
    """Return the storage of a service, if a command can change it.

    Parameters
    ----------
    in_memory : what to tell if the storage is in the memory of the service.
    writes : whether the command changes something this time.
    lists : whether the command has to know which collections there are.

    Raises
    ------
    CommandError : the storage cannot be changed.
    """
    storage = getattr(registry, "storage", None)
    if storage is None:
        raise CommandError("the service has no storage: its setting storage_backend is empty")
    if is_in_memory(storage):
        raise CommandError(f"the storage is in the memory of the service{in_memory}")
    if lists and not storage.is_transferable:
        raise CommandError(
            f"the storage backend {module_of(storage)} does not list its collections: it has"
            " no export_timestamps()"
        )
    if writes and settings.read(registry.settings, "readonly"):
        raise CommandError("the service is read-only: its setting readonly is true")
    checked: StorageBase = storage
    return checked
