"""Copies of permissions out of Redis and into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cliquet.connections.redis.client import translated_errors
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.permission.redis.changes import Change, ObjectChange, UserChange
from cliquet.permission.redis.joining import Changes
from cliquet.permission.redis.keys import OBJECTS, PERMISSIONS, USER, USERS, ace_key, key_of
from cliquet.permission.redis.reading import texts_of

__all__ = ["GrantCopies"]


class GrantCopies:
    """Reads and writes all the principals of users and of ACEs.

    Parameters
    ----------
    client : client of the server.
    changes : makes the changes.
    """

    def __init__(self, client: Any, changes: Changes) -> None:
        self._client = client
        self._changes = changes

    def export(self) -> Iterator[Grant]:
        """Yield every principal of every user, and then of every ACE."""
        for user_id in self._sorted(key_of(USERS)):
            for principal in self._sorted(key_of(USER, user_id)):
                yield UserPrincipal(user_id, principal)
        for object_id in self._sorted(key_of(OBJECTS)):
            for permission in self._sorted(key_of(PERMISSIONS, object_id)):
                for principal in self._sorted(ace_key(object_id, permission)):
                    yield ACEPrincipal(object_id, permission, principal)

    @translated_errors
    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        """Add and remove principals at once."""
        changes: list[Change] = []
        for grants, names in ((added, ("join", "add")), (removed, ("leave", "remove"))):
            for grant in grants:
                if isinstance(grant, UserPrincipal):
                    changes.append(UserChange(names[0], *grant))
                else:
                    ace = (grant.object_id, grant.permission, (grant.principal,))
                    changes.append(ObjectChange(names[1], *ace))
        self._changes.make(changes)

    @translated_errors
    def _sorted(self, key: bytes) -> list[str]:
        return sorted(texts_of(self._client.smembers(key)))
