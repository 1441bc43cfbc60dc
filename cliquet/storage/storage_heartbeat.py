"""The health check of the storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cliquet import settings, storage
from cliquet.core.globs import Exact
from cliquet.storage.base import DEFAULT_ID_FIELD, StorageBase
from cliquet.storage.exceptions import RecordNotFoundError

__all__ = ["heartbeat"]

NAME = "__heartbeat__"
DELETION_RATE = 0.6


def heartbeat(backend: StorageBase) -> Callable[[Any], bool]:
    """Return a function that checks whether `backend` works.

    The function takes the request, and writes to a collection of its own, or only reads it if the
    setting ``readonly`` is true. It never raises: it logs an exception and returns ``False``. It
    leaves no record and no tombstone.
    """

    def read(**common: Any) -> None:
        backend.get_all(**common)

    def delete(*, parent_id: str, **common: Any) -> None:
        backend.delete_all(parent_id=Exact(parent_id), with_deleted=False, **common)

    def write(**common: Any) -> None:
        record = backend.create(record={NAME: True}, **common)
        try:
            backend.delete(object_id=record[DEFAULT_ID_FIELD], with_deleted=False, **common)
        except RecordNotFoundError:
            # Another process or thread has just emptied the collection.
            return

    def ping(request: Any) -> bool:
        check: Callable[..., None]
        try:
            # `random` and `logger` are looked up in the package at each call, where tests replace
            # them (B-24).
            if settings.read(request.registry.settings, "readonly"):
                check = read
            elif storage.random.random() < DELETION_RATE:
                check = delete
            else:
                check = write
            check(collection_id=NAME, parent_id=NAME, auth=request.headers.get("Authorization"))
        except Exception:
            storage.logger.exception("Heartbeat Error")
            return False
        return True

    return ping
