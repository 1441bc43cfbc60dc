"""Locks, rollback and isolation for the backends that keep their data in the process.

A :class:`MemoryStore` owns one write lock and one undo journal; a :class:`TransactionalMap` is a
dictionary whose changes go through that journal. Together they give the memory backends the
transactions that a database gives the others:

- one writer at a time, from its first write until the end of its request;
- readers never wait for a writer, and see the last committed state;
- a request that fails, or a savepoint that is rolled back, leaves nothing behind.

This module knows nothing of records or permissions.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from transaction import Transaction

from cliquet.connections.attempts import result_of
from cliquet.core.forks import in_child
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import scope
from cliquet.transactions.scope import DataManager

__all__ = ["MemoryStore", "TransactionalMap"]

K = TypeVar("K")
V = TypeVar("V")

# Two requests that write to the storage and to the permissions of one process in opposite order
# wait for each other. One of them gives up after this time, and is run again or answered with 503.
LOCK_TIMEOUT_SECONDS = 5.0


class MemoryStore:
    """The write lock and the undo journal of one backend instance.

    Parameters
    ----------
    name : name of the backend in messages about a busy lock.
    commits_last : give the lock to the next writer only after the other stores have published the
        changes of the request, so that this writer sees all of them.
    """

    def __init__(
        self,
        name: str,
        *,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
        commits_last: bool = False,
    ) -> None:
        self._name = name
        self.commits_last = commits_last
        self._lock_timeout_seconds = lock_timeout_seconds
        self._write_lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0
        self._joined: Transaction | None = None
        # The part of the transaction that is about to commit, until its changes are published.
        self._committing: _MemoryDataManager | None = None
        self._journal: list[tuple[TransactionalMap[Any, Any], Any, Any]] = []
        # They are kept apart from the journal, because an undo empties the journal while the maps
        # still have to be published.
        self._touched: set[TransactionalMap[Any, Any]] = set()
        self.latch = threading.RLock()
        """Held for the duration of one read or one change of the dictionaries, never longer."""
        self._told: frozenset[threading.Event] = frozenset()
        in_child(self, MemoryStore._forget_parent)

    def _forget_parent(self) -> None:
        """In the child of a fork, undo what another thread of the parent was about to change."""
        self.latch = threading.RLock()
        # Those who want to be told are other threads of the parent, too.
        self._told = frozenset()
        if self.is_owner:
            return
        self._write_lock = threading.RLock()
        self.undo_to(0)
        self._publish()
        self._owner, self._depth = None, 0
        self._joined = self._committing = None

    def tell_of_commits(self, event: threading.Event) -> None:
        """Set an event after each commit from now on."""
        with self.latch:
            self._told |= {event}

    def tell_of_commits_no_more(self, event: threading.Event) -> None:
        """Forget an event."""
        with self.latch:
            self._told -= {event}

    def write(self) -> AbstractContextManager[None]:
        """Hold the write lock; undo the changes of the block if it raises.

        Inside a request, the lock is held, and the changes can be undone, until the transaction of
        the request ends. Outside, the end of the outermost block commits.

        Raises
        ------
        BackendError : the thread did not get the lock in time; the error is retryable.
        """
        return _Writing(self)

    @property
    def is_owner(self) -> bool:
        """Whether the calling thread holds the write lock, and therefore sees its own changes."""
        return self._owner == threading.get_ident()

    def announce_commit(self, part: _MemoryDataManager) -> None:
        """Let others wait for the end of the present transaction, which is about to commit."""
        if self._committing is None:
            self._committing = part

    def wait_for_commit(self) -> None:
        """Wait for the end of the transaction that is about to commit, if there is one.

        Raises
        ------
        BackendError : it took too long; the error is retryable.
        """
        part = self._committing
        if part is not None and not self.is_owner:
            result_of(
                lambda: None if self._committing is part else True, self._lock_timeout_seconds
            )

    def mark(self) -> int:
        """Return the present position in the journal, for :meth:`undo_to`."""
        return len(self._journal)

    def undo_to(self, mark: int) -> None:
        """Undo every change made since `mark`, the latest first."""
        with self.latch:
            while len(self._journal) > mark:
                changed, key, previous = self._journal[-1]
                changed.restore(key, previous)
                # A fork in between leaves it to the child.
                self._journal.pop()

    def log(self, changed: TransactionalMap[K, V], key: K, previous: V | None) -> None:
        """Remember the value of a key before a change. The caller holds the latch."""
        if self._owner != threading.get_ident():
            raise RuntimeError(f"{self._name} was changed outside `write()`.")
        self._journal.append((changed, key, previous))
        self._touched.add(changed)

    def _acquire(self) -> None:
        if not self._write_lock.acquire(timeout=self._lock_timeout_seconds):
            raise BackendError(
                message=f"{self._name} is locked by another request.", retryable=True
            )
        self._owner = threading.get_ident()
        self._depth += 1

    def _release(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._publish()
            self._owner = None
            self._committing = None
        self._write_lock.release()

    def _join(self, transaction: Transaction) -> None:
        # Only the thread that owns the lock can find its own transaction here.
        if self._joined is transaction:
            return
        self._acquire()
        try:
            transaction.join(_MemoryDataManager(self, transaction, self._joined))
        except BaseException:
            self._release()
            raise
        self._joined = transaction

    def end(self, former: Transaction | None, mark: int, *, rollback: bool) -> None:
        """End the part of a transaction in this store, and give the lock to the next writer.

        Parameters
        ----------
        former : transaction of the request, if it had written before an operation inside it began.
        mark : position in the journal where the transaction began.
        """
        if rollback:
            self.undo_to(mark)
        self._joined = former
        self._release()

    def _publish(self) -> None:
        with self.latch:
            for changed in self._touched:
                changed.publish()
            self._touched.clear()
            self._journal.clear()
        for event in self._told:
            event.set()


class _Writing:
    """A block in which the calling thread holds the write lock of a store."""

    __slots__ = ("_is_joined", "_mark", "_store")

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        store, transaction = self._store, scope.current()
        self._is_joined = transaction is not None
        if transaction is not None:
            store._join(transaction)
        else:
            store._acquire()
        self._mark = store.mark()

    def __exit__(self, kind: object, *_error: object) -> None:
        try:
            if kind is not None:
                self._store.undo_to(self._mark)
        finally:
            if not self._is_joined:
                self._store._release()


class _MemoryDataManager(DataManager):
    """Takes part in a transaction for a :class:`MemoryStore`."""

    is_short = True

    def __init__(
        self, store: MemoryStore, transaction: Transaction, former: Transaction | None
    ) -> None:
        self._store: MemoryStore | None = store
        self._former = former
        self._mark = store.mark()
        self.sort_key = f"cliquet.memory:{store.commits_last:d}:{id(store)}"
        self.transaction_manager = transaction._manager

    def _end(self, *, rollback: bool) -> None:
        # The transaction may call both abort() and tpc_abort() for one failure.
        store, self._store = self._store, None
        if store is not None:
            store.end(self._former, self._mark, rollback=rollback)

    def abort(self, transaction: Transaction) -> None:
        self._end(rollback=True)

    def commit(self, transaction: Transaction) -> None:
        if self._store is not None:
            self._store.announce_commit(self)

    # A short commit begins with this step: databases come after it.
    tpc_vote = commit

    def tpc_finish(self, transaction: Transaction) -> None:
        self._end(rollback=False)

    def savepoint(self) -> _MemorySavepoint:
        assert self._store is not None  # noqa: S101 - the transaction is still active
        return _MemorySavepoint(self._store)


class _MemorySavepoint:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._mark = store.mark()

    def rollback(self) -> None:
        self._store.undo_to(self._mark)


class TransactionalMap(Generic[K, V]):
    """A dictionary that shows its uncommitted changes only to the writing thread.

    Values are never ``None`` and are never changed in place, so that a value that was read stays
    valid.

    Parameters
    ----------
    store : store whose lock must be held to change the map.
    """

    __slots__ = ("_committed", "_data", "_store")

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._data: dict[K, V] = {}
        # The former values of the keys that the present writer has changed. Other threads see
        # these.
        self._committed: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or ``None``."""
        with self._store.latch:
            if key in self._committed and not self._store.is_owner:
                return self._committed[key]
            return self._data.get(key)

    def latest(self, key: K) -> V | None:
        """Return the value of `key`, with uncommitted changes of any thread."""
        with self._store.latch:
            return self._data.get(key)

    def items(self) -> list[tuple[K, V]]:
        """Return a copy of the items, in no promised order."""
        with self._store.latch:
            return list(self._visible().items())

    def values(self) -> list[V]:
        """Return a copy of the values, in no promised order."""
        with self._store.latch:
            return list(self._visible().values())

    def __len__(self) -> int:
        with self._store.latch:
            return len(self._visible())

    def _visible(self) -> dict[K, V]:
        """Return the content that the calling thread sees, perhaps the dictionary itself.

        The caller holds the latch.
        """
        if not self._committed or self._store.is_owner:
            return self._data
        visible = self._data.copy()
        for key, value in self._committed.items():
            if value is None:
                visible.pop(key, None)
            else:
                visible[key] = value
        return visible

    def set(self, key: K, value: V) -> None:
        """Give `key` a value. The caller holds the write lock."""
        with self._store.latch:
            previous = self._data.get(key)
            self._store.log(self, key, previous)
            self._committed.setdefault(key, previous)
            self._data[key] = value

    def delete(self, key: K) -> None:
        """Remove `key`, if it exists. The caller holds the write lock."""
        with self._store.latch:
            previous = self._data.get(key)
            if previous is not None:
                self._store.log(self, key, previous)
                self._committed.setdefault(key, previous)
                del self._data[key]

    def clear(self) -> None:
        """Remove every key. The caller holds the write lock."""
        for key in [key for key, _ in self.items()]:
            self.delete(key)

    def restore(self, key: K, previous: V | None) -> None:
        """Put the former value of `key` back. The caller holds the latch."""
        if previous is None:
            self._data.pop(key, None)
        else:
            self._data[key] = previous

    def publish(self) -> None:
        """Show the present content to every thread. The caller holds the latch."""
        self._committed.clear()
