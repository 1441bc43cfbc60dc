"""Copies of permissions out of Redis and into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cliquet.connections.redis.client import translated_errors
from cliquet.connections.redis.names import to_bytes
from cliquet.connections.redis.partitions import Partitions
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.permission.redis.changes import Change, ObjectChange, UserChange, texts_of
from cliquet.permission.redis.joining import Changes
from cliquet.permission.redis.keys import OBJECTS, PERMISSIONS, USER, USERS, ace_key, key_of

__all__ = ["GrantCopies"]


class GrantCopies:
    """Reads and writes all the principals of users and of ACEs.

    Parameters
    ----------
    client : client of the server.
    changes : makes the changes.
    partitions : parts of the keys.
    """

    def __init__(self, client: Any, changes: Changes, partitions: Partitions) -> None:
        self._client = client
        self._partitions = partitions
        self._changes = changes

    def export(self) -> Iterator[Grant]:
        """Yield every principal of every user, and then of every ACE."""
        for user_id in self._sorted(*self._everywhere(USERS)):
            for principal in self._sorted(key_of(self._part(user_id), USER, user_id)):
                yield UserPrincipal(user_id, principal)
        for object_id in self._sorted(*self._everywhere(OBJECTS)):
            part = self._part(object_id)
            for permission in self._sorted(key_of(part, PERMISSIONS, object_id)):
                for principal in self._sorted(ace_key(part, object_id, permission)):
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

    def _part(self, name: str) -> bytes:
        return self._partitions.of(to_bytes(name))

    def _everywhere(self, kind: bytes) -> list[bytes]:
        return [key_of(part, kind) for part in self._partitions.all]

    @translated_errors
    def _sorted(self, *keys: bytes) -> list[str]:
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.smembers(key)
        return sorted(name for members in pipe.execute() for name in texts_of(members))
