"""How permissions in Redis take part in the transaction of a request (X-30).

What a request changes waits here, and is seen by the request alone. It is written once everything
else has committed: a server without rollback can only be the last one. Just before anything
commits, the objects to be changed are locked, so that of two requests which commit one after the
other the later one writes later; and a server that is down is noticed while nothing is written yet.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from transaction import Transaction

from cliquet.connections import scope
from cliquet.connections.redis.client import wrap_redis_error
from cliquet.monitoring import logs
from cliquet.permission.redis import scripts
from cliquet.permission.redis.changes import Change, Flush, ObjectChange
from cliquet.permission.redis.keys import from_bytes, to_bytes
from cliquet.storage.exceptions import BackendError

__all__ = ["BATCH", "Changes", "wait_for"]

# Changes made by one run of a script: the server does nothing else meanwhile.
BATCH = 500

# Between the lock and the change there is the commit of the storage. Who takes longer finds that
# others went ahead; who dies in between is not waited for beyond it.
LEASE_MS = 10_000
MAX_WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.001
MAX_PAUSE_SECONDS = 0.02


def wait_for(attempt: Callable[[], Any]) -> Any:
    """Return the first answer of a function that is not ``None``.

    Raises
    ------
    BackendError : there was none in time; the error is retryable.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    pause_seconds = PAUSE_SECONDS
    while (answer := attempt()) is None:
        if time.monotonic() > deadline:
            raise BackendError(
                message="The permissions are being changed by another request.", retryable=True
            )
        # Not all at once.
        time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)
    return answer


class Changes:
    """What the transactions under way want to change, and how it is done in the end.

    Parameters
    ----------
    client : of the server.
    """

    def __init__(self, client: Any) -> None:
        self._change = client.register_script(scripts.CHANGE)
        self._lock = client.register_script(scripts.LOCK)
        self._unlock = client.register_script(scripts.UNLOCK)
        self._flush = client.register_script(scripts.FLUSH)

    def pending(self) -> Sequence[Change]:
        """Return what the transaction under way has changed so far, that of its request first."""
        transaction = scope.current()
        if transaction is None:
            return ()
        found: list[Change] = []
        for one in (scope.outer(), transaction):
            part = self._part_of(one)
            if part is not None:
                found += part.changes
        return found

    def make(self, changes: Sequence[Change]) -> None:
        """Make changes with the transaction under way; at once where there is none."""
        transaction = scope.current()
        if transaction is None:
            self.write(changes)
            return
        part = self._part_of(transaction)
        if part is None:
            part = _Part(self, transaction)
            transaction.join(part)
            transaction.set_data(self, part)
        part.changes += changes

    @wrap_redis_error
    def exchange(self, object_ids: Sequence[str], changes: Sequence[ObjectChange]) -> list[Any]:
        """Change objects at once; return the ACEs that each had, as the server answers them."""
        before: list[Any] = []
        for start in range(0, len(object_ids), BATCH):
            some = dict.fromkeys(object_ids[start : start + BATCH])
            arguments: list[Any] = ["", 0, 0]
            for object_id in some:
                arguments += ["list", to_bytes(object_id)]
            for change in changes:
                if change.object_id in some:
                    arguments += change.arguments()
            listed, _ = self._change(args=arguments)
            before += listed
        return before

    def _part_of(self, transaction: Transaction | None) -> _Part | None:
        if transaction is None:
            return None
        try:
            part: _Part | None = transaction.data(self)
        except KeyError:
            return None
        return part

    @wrap_redis_error
    def lock(self, token: str, object_ids: Sequence[str]) -> None:
        """Keep others from changing objects, for ten seconds at most.

        In the order of the ids: nobody waits in a circle. Without any, it only asks the server.
        """
        names = sorted(map(to_bytes, object_ids))
        for start in range(0, max(1, len(names)), BATCH):
            some = names[start : start + BATCH]
            wait_for(lambda some=some: self._lock(args=[token, LEASE_MS, *some]) or None)  # type: ignore[misc]

    @wrap_redis_error
    def unlock(self, token: str, object_ids: Sequence[str]) -> None:
        """Let others change objects again."""
        for start in range(0, len(object_ids), BATCH):
            some = object_ids[start : start + BATCH]
            self._unlock(args=[token, *map(to_bytes, some)])

    @wrap_redis_error
    def write(
        self, changes: Sequence[Change], token: str = "", guarded: Sequence[str] = ()
    ) -> list[str]:
        """Make changes at once, and release what was locked for them.

        Returns
        -------
        The objects that were left alone, since they were no longer locked by the token.
        """
        for rank in [n for n, change in enumerate(changes) if isinstance(change, Flush)][-1:]:
            self._flush()
            changes = changes[rank + 1 :]
        lost: list[str] = []
        # Once more than nothing, to release what is locked.
        for start in range(0, max(len(changes), min(1, len(guarded))), BATCH):
            some = [one for one in changes[start : start + BATCH] if not isinstance(one, Flush)]
            is_last = start + BATCH >= len(changes)
            changed = {one.object_id for one in some if isinstance(one, ObjectChange)}
            names = guarded if is_last else [name for name in guarded if name in changed]
            arguments = [token, len(names), *map(to_bytes, names), int(is_last)]
            for change in some:
                arguments += change.arguments()
            _, left = self._change(args=arguments)
            lost += map(from_bytes, left)
        return lost


class _Part:
    """The part of the permissions in one transaction."""

    def __init__(self, owner: Changes, transaction: Transaction) -> None:
        self.changes: list[Change] = []
        self._owner = owner
        self._token = ""
        self._guarded: list[str] = []
        # Part of the IDataManager interface.
        self.transaction_manager = transaction._manager

    def abort(self, transaction: Transaction) -> None:
        transaction.set_data(self._owner, None)
        self.changes.clear()
        if self._token:
            token, self._token = self._token, ""
            # What cannot be released expires.
            with contextlib.suppress(BackendError):
                self._owner.unlock(token, self._guarded)

    def tpc_begin(self, transaction: Transaction) -> None:
        pass

    def commit(self, transaction: Transaction) -> None:
        # Who adds or removes single principals disturbs nobody.
        self._guarded = sorted(
            {
                change.object_id
                for change in self.changes
                if isinstance(change, ObjectChange) and change.action in ("replace", "clear")
            }
        )
        if self.changes:
            self._token = uuid.uuid4().hex
            self._owner.lock(self._token, self._guarded)

    def tpc_vote(self, transaction: Transaction) -> None:
        # The last moment when a failure still makes the request fail (B-18.9).
        token, self._token = self._token, ""
        lost = self._owner.write(self.changes, token, self._guarded) if self.changes else []
        if lost:
            logs.logger.error("permission.overtaken", objects=lost[:10], number=len(lost))

    def tpc_finish(self, transaction: Transaction) -> None:
        transaction.set_data(self._owner, None)

    def tpc_abort(self, transaction: Transaction) -> None:
        self.abort(transaction)

    def sortKey(self) -> str:  # noqa: N802 - name of the interface
        # After those of the databases, whose commits come last of all others.
        return "~~~cliquet.redis"

    def savepoint(self) -> _Savepoint:
        return _Savepoint(self)


class _Savepoint:
    def __init__(self, part: _Part) -> None:
        self._part = part
        self._length = len(part.changes)

    def rollback(self) -> None:
        del self._part.changes[self._length :]
