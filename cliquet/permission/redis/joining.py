"""The part of permissions in Redis in the transaction of a request.

The changes of a request wait here, and only the request itself sees them. They are written after
everything else has committed, because a server without rollback must be the last one. Just before
anything commits, the objects are locked: if two requests commit one after the other, they also
write their permissions in this order, and a server that is down is noticed before anything is
written.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from transaction import Transaction

from cliquet.connections.attempts import ATTEMPTS, MAX_WAIT_SECONDS, result_of
from cliquet.connections.redis.client import translated_errors
from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.connections.redis.partitions import Partitions, routing_keys
from cliquet.monitoring import logs
from cliquet.permission.base import ACEChange
from cliquet.permission.redis import scripts
from cliquet.permission.redis.changes import Change, Flush, ObjectChange, UserChange, aces_of
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import scope
from cliquet.transactions.scope import DataManager

__all__ = ["BATCH", "Changes", "wait_for"]

# Number of changes in one run of a script, during which the server does nothing else.
BATCH = 500

# Lifetime of a lock. The storage commits between the lock and the change. Nobody waits longer for a
# request that has died.
LEASE_MS = 10_000
# A request that takes longer writes nevertheless, unless others have locked the object meanwhile.
# This is for how long it is known whether they have.
CLAIM_MS = 86_400_000


def wait_for(attempt: Callable[[], Any]) -> Any:
    """Call a function until its result is not ``None``, and return the result.

    Raises
    ------
    BackendError : there was no such result in time; the error is retryable.
    """
    return result_of(attempt, MAX_WAIT_SECONDS)


class Changes:
    """The changes of the present transactions, and the way to write them at the end.

    Parameters
    ----------
    client : client of the server.
    partitions : parts of the keys. What belongs to one part is written in one step.

    Attributes
    ----------
    tell_of_late : is called after a commit with what was changed by then so late that nobody waited
        for it any more; ``None`` if nobody wants to know.
    """

    tell_of_late: Callable[[Mapping[str, ACEChange]], None] | None = None

    def __init__(self, client: Any, partitions: Partitions) -> None:
        self._client = client
        self._partitions = partitions
        self._change = client.register_script(scripts.CHANGE)
        self._lock = client.register_script(scripts.LOCK)
        self._renew = client.register_script(scripts.RENEW)
        self._unlock = client.register_script(scripts.UNLOCK)
        self._flush = client.register_script(scripts.FLUSH)

    def pending(self) -> Sequence[Change]:
        """Return the changes of the present transaction so far, after those of its request."""
        transaction = scope.begun()
        if transaction is None:
            return ()
        found: list[Change] = []
        for one in (scope.outer(), transaction):
            part = self._part_of(one)
            if part is not None:
                found += part.changes
        return found

    def make(self, changes: Sequence[Change], guarded: Sequence[str] = ()) -> None:
        """Make changes with the present transaction, or at once if there is none.

        Parameters
        ----------
        guarded : objects that are written together with their records. They are locked, and so are
            their members, whatever the changes are: a record that is written later has the last
            word on its permissions. Objects of which all is removed, or an ACE is replaced, are
            locked in any case.
        """
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
        part.guarded += guarded

    @translated_errors
    def exchange(self, object_ids: Sequence[str], changes: Sequence[ObjectChange]) -> list[Any]:
        """Change objects at once; return their former ACEs in the form of the server."""
        found: dict[str, Any] = {}
        for part, ids in self._partitions.grouped(object_ids, to_bytes).items():
            for start in range(0, len(ids), BATCH):
                some = list(dict.fromkeys(ids[start : start + BATCH]))
                arguments: list[Any] = ["", 0, 0]
                for object_id in some:
                    arguments += ["list", to_bytes(object_id)]
                names = set(some)
                for change in changes:
                    if change.object_id in names:
                        arguments += change.arguments()
                listed, _ = self._change(keys=routing_keys(part), args=arguments)
                found.update(zip(some, listed, strict=True))
        return [found[object_id] for object_id in object_ids]

    def _part_of(self, transaction: Transaction | None) -> _Part | None:
        if transaction is None:
            return None
        try:
            part: _Part | None = transaction.data(self)
        except KeyError:
            return None
        return part

    @translated_errors
    def wait_for_commits(self) -> None:
        """Wait until the requests that are about to write have written.

        Their records may already be visible. Requests that come later are not waited for.

        Raises
        ------
        BackendError : one of them took too long; the error is retryable.
        """
        waiting = self._committing()
        if waiting:
            wait_for(lambda: None if waiting.intersection(self._committing()) else True)

    def _committing(self) -> set[bytes]:
        pipe = self._client.pipeline(transaction=False)
        for part in self._partitions.all:
            keys = routing_keys(part)
            pipe.eval(scripts.COMMITTING, len(keys), *keys)
        return set().union(*pipe.execute())

    @translated_errors
    def lock(self, token: str, object_ids: Collection[str], changes: Sequence[Change] = ()) -> None:
        """Keep others from changing objects, for at most ten seconds.

        The locks are taken in the order of the parts, and of the ids in each, so that there is no
        deadlock. This also sees whether the servers answer that the changes need.
        """
        guarded = self._guarded(object_ids, changes)
        groups = self._partitions.grouped(_without_flushes(changes), _name_of)
        for part in sorted({*groups, *guarded}):
            names = guarded.get(part, [])
            for start in range(0, max(1, len(names)), BATCH):
                some = names[start : start + BATCH]
                wait_for(partial(self._locked, part, token, some))

    def _guarded(
        self, object_ids: Collection[str], changes: Sequence[Change]
    ) -> dict[bytes, list[bytes]]:
        """Return the names of the locks of objects, by the parts where somebody may hold them.

        An object that is a group is also locked where its users are, so that one script checks the
        lock and changes what it protects.
        """
        locks = {(self._partitions.of(name), name) for name in map(to_bytes, object_ids)}
        for change in changes:
            if isinstance(change, UserChange) and change.principal in object_ids:
                locks.add((self._partitions.of(_name_of(change)), to_bytes(change.principal)))
        guarded: dict[bytes, list[bytes]] = {}
        for part, name in sorted(locks):
            guarded.setdefault(part, []).append(name)
        return guarded

    def _locked(self, part: bytes, token: str, names: Sequence[bytes]) -> Any:
        return self._lock(keys=routing_keys(part), args=[token, LEASE_MS, CLAIM_MS, *names]) or None

    @translated_errors
    def unlock(
        self, token: str, object_ids: Collection[str], changes: Sequence[Change] = ()
    ) -> None:
        """Let others change objects again."""
        for part, names in self._guarded(object_ids, changes).items():
            for start in range(0, len(names), BATCH):
                some = names[start : start + BATCH]
                self._unlock(keys=routing_keys(part), args=[token, *some])

    def _let_go(self, token: str, object_ids: Collection[str], changes: Sequence[Change]) -> None:
        """Unlock objects, if that is possible: a lock that cannot be released expires."""
        with contextlib.suppress(BackendError):
            self.unlock(token, object_ids, changes)

    @translated_errors
    def write_locked(
        self, changes: Sequence[Change], token: str, guarded: Collection[str]
    ) -> tuple[list[str], dict[str, ACEChange]]:
        """Make changes of objects that a token has locked, and release their locks.

        A lock may have expired: then the object is changed if nobody else has locked it meanwhile.

        Returns
        -------
        The objects that others have locked, as from :meth:`write`; and what was changed although
        its lock had expired.
        """
        lost = late = self.write(changes, token, guarded)
        if not lost:
            return [], {}
        for rank in [n for n, change in enumerate(changes) if isinstance(change, Flush)][-1:]:
            changes = changes[rank + 1 :]
        overtaken: set[str] = set()
        before = dict(zip(lost, self.exchange(lost, ()), strict=True))
        for _ in range(ATTEMPTS):
            theirs = [change for change in changes if _guard_of(change) in late]
            overtaken |= self._renewed(token, late, theirs)
            late = [name for name in late if name not in overtaken]
            if late:
                theirs = [change for change in theirs if _guard_of(change) in late]
                late = self.write(theirs, token, late)
            if not late:
                break
        overtaken.update(late)
        # Others may have it in one part, whatever is known of it in those of its users.
        self._let_go(token, overtaken, changes)
        written = [name for name in lost if name not in overtaken]
        after = self.exchange(written, ())
        return [name for name in lost if name in overtaken], {
            name: ACEChange(aces_of(before[name]), aces_of(aces))
            for name, aces in zip(written, after, strict=True)
        }

    def _renewed(
        self, token: str, object_ids: Collection[str], changes: Sequence[Change]
    ) -> set[str]:
        """Lock objects again whose locks have expired; return those that others have locked."""
        overtaken: set[str] = set()
        for part, names in self._guarded(object_ids, changes).items():
            for start in range(0, len(names), BATCH):
                arguments = [token, LEASE_MS, CLAIM_MS, *names[start : start + BATCH]]
                found = self._renew(keys=routing_keys(part), args=arguments)
                overtaken.update(map(from_bytes, found))
        return overtaken

    @translated_errors
    def write(
        self, changes: Sequence[Change], token: str = "", guarded: Collection[str] = ()
    ) -> list[str]:
        """Make changes at once, and release their locks.

        Returns
        -------
        The objects that were left unchanged, because the token did not lock them any more. Of their
        members, those who leave have left.
        """
        names = self._guarded(guarded, changes)
        for rank in [n for n, change in enumerate(changes) if isinstance(change, Flush)][-1:]:
            self._flush_parts()
            changes = changes[rank + 1 :]
        lost: list[str] = []
        groups = self._partitions.grouped(_without_flushes(changes), _name_of)
        # An object that is locked in several parts is locked until all is written.
        is_spread = sum(map(len, names.values())) > len(set(guarded))
        # Without changes, it still runs once to release the locks.
        for part in sorted({*groups, *names}):
            in_part = groups.get(part, []), names.get(part, [])
            lost += self._write_in(part, *in_part, token, releases=not is_spread)
        if is_spread:
            self._let_go(token, set(guarded).difference(lost), changes)
        return list(dict.fromkeys(lost))

    def _write_in(
        self,
        part: bytes,
        changes: Sequence[UserChange | ObjectChange],
        guarded: Sequence[bytes],
        token: str,
        *,
        releases: bool,
    ) -> list[str]:
        lost: list[str] = []
        for start in range(0, max(len(changes), min(1, len(guarded))), BATCH):
            some = changes[start : start + BATCH]
            is_last = start + BATCH >= len(changes)
            changed = {
                to_bytes(one.object_id if isinstance(one, ObjectChange) else one.principal)
                for one in some
            }
            names = guarded if is_last else [name for name in guarded if name in changed]
            arguments = [token, len(names), *names, int(is_last and releases)]
            for change in some:
                arguments += change.arguments()
            _, left = self._change(keys=routing_keys(part), args=arguments)
            lost += map(from_bytes, left)
        return lost

    def _flush_parts(self) -> None:
        for part in self._partitions.all:
            self._flush(keys=routing_keys(part))


def _without_flushes(changes: Sequence[Change]) -> list[UserChange | ObjectChange]:
    return [change for change in changes if not isinstance(change, Flush)]


def _guard_of(change: Change) -> str:
    """Return the object whose lock is needed for a change."""
    if isinstance(change, Flush):
        return ""
    return change.object_id if isinstance(change, ObjectChange) else change.principal


def _name_of(change: UserChange | ObjectChange) -> bytes:
    """Return the name of the user or of the object, which decides the part of the keys."""
    return to_bytes(change.user_id if isinstance(change, UserChange) else change.object_id)


class _Part(DataManager):
    """The participant of one transaction for the permissions."""

    # It comes after the databases, whose commits come after all others.
    sort_key = "~~~cliquet.redis"

    def __init__(self, owner: Changes, transaction: Transaction) -> None:
        self.changes: list[Change] = []
        self.guarded: list[str] = []
        self._owner = owner
        self._token = ""
        self._locked: set[str] = set()
        self.transaction_manager = transaction._manager

    def abort(self, transaction: Transaction) -> None:
        transaction.set_data(self._owner, None)
        if self._token:
            token, self._token = self._token, ""
            self._owner._let_go(token, self._locked, self.changes)
        self.changes.clear()

    def commit(self, transaction: Transaction) -> None:
        # Additions and removals of single principals need no lock by themselves.
        replaced = {
            change.object_id
            for change in self.changes
            if isinstance(change, ObjectChange) and change.action in ("replace", "clear")
        }
        self._locked = replaced.union(self.guarded)
        if self.changes:
            self._token = uuid.uuid4().hex
            self._owner.lock(self._token, self._locked, self.changes)

    def tpc_vote(self, transaction: Transaction) -> None:
        # This is the last moment when a failure still makes the request fail.
        token, self._token = self._token, ""
        if not self.changes:
            return
        lost, late = self._owner.write_locked(self.changes, token, self._locked)
        tell = self._owner.tell_of_late
        if late and tell is not None:
            transaction.addAfterCommitHook(lambda is_kept: tell(late))
        if lost:
            logs.logger.error("permission.overtaken", objects=lost[:10], number=len(lost))

    def tpc_finish(self, transaction: Transaction) -> None:
        transaction.set_data(self._owner, None)

    def savepoint(self) -> _Savepoint:
        return _Savepoint(self)


class _Savepoint:
    def __init__(self, part: _Part) -> None:
        self._part = part
        self._length = len(part.changes)
        self._guarded = len(part.guarded)

    def rollback(self) -> None:
        del self._part.changes[self._length :]
        del self._part.guarded[self._guarded :]
