"""What principals may do, as the server says it, with the changes of the present transaction."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cliquet.connections.redis.names import to_bytes
from cliquet.connections.redis.partitions import Partitions, routing_keys
from cliquet.core.globs import as_published, compile_pattern
from cliquet.permission.redis import scripts
from cliquet.permission.redis.changes import (
    Flush,
    aces_of,
    change_of_aces,
    changed_objects,
)
from cliquet.permission.redis.joining import Changes, wait_for
from cliquet.permission.redis.keys import ACCESSIBLE, key_of, read_held
from cliquet.types import BoundPermission

__all__ = ["ACEReader", "to_texts"]


class ACEReader:
    """Reads the ACEs of objects.

    Parameters
    ----------
    client : client of the server.
    changes : changes that are not written yet.
    partitions : parts of the keys. What is in one part is read at one moment.
    """

    def __init__(self, client: Any, changes: Changes, partitions: Partitions) -> None:
        self._client = client
        self._partitions = partitions
        self._changes = changes
        self._read_aces = client.register_script(scripts.READ_ACES)

    def read(
        self, object_ids: Sequence[str], names: Sequence[str] | None, *, is_guarded: bool = False
    ) -> list[dict[str, set[str]]]:
        """Return ACEs of objects, with the changes of the present transaction.

        Parameters
        ----------
        names : permissions that limit the read; they do not limit the changes of the transaction.
        is_guarded : whether to wait until nobody is about to write one of the objects.
        """
        pending = self._changes.pending()
        limits = to_texts(*names or ())
        found: dict[str, Any] = {}
        for part, ids in self._partitions.grouped(object_ids, to_bytes).items():
            arguments = [len(limits), *limits, int(is_guarded), *to_texts(*ids)]
            answers = wait_for(functools.partial(self._read_aces, routing_keys(part), arguments))
            found.update(zip(ids, answers, strict=True))
        return change_of_aces(pending, object_ids, [aces_of(found[one]) for one in object_ids])

    def authorized(
        self, granting: Sequence[BoundPermission], *, is_guarded: bool = False
    ) -> set[str]:
        """Return the principals that have one of the bound permissions."""
        object_ids = list(dict.fromkeys(object_id for object_id, _ in granting))
        known = dict(
            zip(object_ids, self.read(object_ids, None, is_guarded=is_guarded), strict=True)
        )
        return set().union(*(known[one].get(name, ()) for one, name in granting))

    def held_by(self, principals: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the permissions and object ids of the principals, those of a part at one moment."""
        names = dict.fromkeys(principals)
        pending = self._changes.pending()
        changed = sorted(changed_objects(pending))
        if not any(isinstance(change, Flush) for change in pending):
            pipe = self._client.pipeline(transaction=False)
            for part in self._partitions.all if names else ():
                pipe.sunion([key_of(part, ACCESSIBLE, principal) for principal in names])
            for members in pipe.execute():
                held = map(read_held, members)
                yield from (one for one in held if not changed or one[1] not in changed)
        if changed:
            for object_id, aces in zip(changed, self.read(changed, None), strict=True):
                for permission, given in aces.items():
                    if not given.isdisjoint(names):
                        yield permission, object_id

    def accessible(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission],
        *,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        """Return the objects on which principals have permissions, with these permissions."""
        held: dict[str, set[str]] = {}
        for permission, object_id in self.held_by(principals):
            held.setdefault(permission, set()).add(object_id)
        accessible: dict[str, set[str]] = {}
        for pattern, permission in bound_permissions:
            matches = compile_pattern(as_published(pattern))
            depth = pattern.count("/")
            for object_id in held.get(permission, ()):
                is_near = with_children or object_id.count("/") <= depth
                if is_near and matches(object_id):
                    accessible.setdefault(object_id, set()).add(permission)
        return accessible


def to_texts(*texts: str) -> list[bytes]:
    """Return texts in the form of the server."""
    return [to_bytes(text) for text in texts]
