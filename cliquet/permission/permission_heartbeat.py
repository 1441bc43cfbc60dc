"""The health check of the permission backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cliquet import permission, settings
from cliquet.permission.base import PermissionBase

__all__ = ["heartbeat"]

USER_ID = "__heartbeat__"
OBJECT_ID = "__heartbeat__"
PERMISSION = "read"
PRINCIPAL = "alive"


def heartbeat(backend: PermissionBase) -> Callable[[Any], bool]:
    """Return a function that checks whether `backend` works.

    The function takes the request, grants a permission on an object of its own and takes it back;
    if the setting ``readonly`` is true, it only reads. It leaves no trace and never raises: it logs
    an exception and returns ``False``.

    It does not write the groups of users: a distributed database has them on each of its servers,
    and could not write them while one server is down.
    """

    def ping(request: Any) -> bool:
        try:
            if settings.read(request.registry.settings, "readonly"):
                backend.user_principals(USER_ID)
            else:
                backend.add_principal_to_ace(OBJECT_ID, PERMISSION, PRINCIPAL)
                backend.remove_principal_from_ace(OBJECT_ID, PERMISSION, PRINCIPAL)
        except Exception:
            # It is looked up in the package at each call, because tests replace it (B-24).
            permission.logger.exception("Heartbeat Error")
            return False
        return True

    return ping
