"""The base of the clients of PostgreSQL and SQLite: sessions, and the transaction of a request.

A *session* sends the statements of one transaction to the database. Inside a request, the first
write opens the session, which lasts until the transaction of the request ends; earlier reads have
no transaction. Outside of a request, each call is a transaction by itself.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

from transaction import Transaction

from cliquet.connections.participants import PartOfSession, SQLDataManager, session_in
from cliquet.transactions import scope

__all__ = ["SQL", "Cursor", "SQLClient", "Session"]

Parameters = Sequence[Any]


class SQL(NamedTuple):
    """A statement or a piece of one, and the values of its placeholders in their order."""

    text: str
    parameters: tuple[Any, ...] = ()


class Cursor(Protocol):
    """The methods of a cursor that the backends use."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Session(abc.ABC):
    """A connection that is lent for one transaction or, in autocommit, for a few statements.

    Attributes
    ----------
    is_autocommit : whether each statement commits by itself.
    has_written : whether a statement was sent that may have changed something.
    locked : keys of the locks that the transaction holds; only the backends know their meaning.
    memo : values that were read under a lock and are still true; code that changes one empties it.
    ahead : values that were read under a lock for later use; what changes one of them removes it.
    """

    # Most sessions send one statement, and set none of these.
    has_written = False
    locked: frozenset[Any] = frozenset()
    _savepoints = 0
    _last_name = 0

    def __init__(self, *, is_autocommit: bool) -> None:
        self.is_autocommit = is_autocommit
        self.memo: dict[Any, Any] = {}
        self.ahead: dict[Any, Any] = {}

    def __enter__(self) -> Session:
        # The block takes part in a transaction that goes on after it, whatever happens there.
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    @abc.abstractmethod
    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        """Send one statement, whose placeholders are ``%s``, and return its result.

        Raises
        ------
        BackendError : the database refused it, or cannot be reached.
        """

    def defer(self, statement: str, parameters: Parameters = ()) -> None:
        """Send a statement whose result does not matter.

        It may wait for the next statement or the commit, and travel with that. Its errors are then
        those of the other one.
        """
        self.execute(statement, parameters)

    @abc.abstractmethod
    def commit(self) -> None:
        """Commit all changes so far; later statements are another transaction.

        Raises
        ------
        BackendError : nothing was committed, or the server is gone and the result is unknown.
        """

    @abc.abstractmethod
    def rollback(self) -> None:
        """Undo all changes that were not committed. This never raises."""

    def wrote(self, *changed: Any) -> None:
        """Remember that `changed` was changed; without it, all that was read ahead may have."""
        self.has_written = True
        self.memo.clear()
        for key in (changed or tuple(self.ahead)) if self.ahead else ():
            self.ahead.pop(key, None)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was changed yet, and no savepoint was taken."""
        return not self.has_written and not self._savepoints

    @abc.abstractmethod
    def _set_savepoint(self, name: str) -> None: ...

    @abc.abstractmethod
    def _undo_to(self, name: str) -> None: ...

    @abc.abstractmethod
    def _forget_savepoint(self, name: str) -> None: ...

    def savepoint(self) -> Savepoint:
        """Return a mark; later changes can be undone up to it."""
        self._last_name += 1
        name = f"cliquet_{self._last_name}"
        self._savepoints += 1
        self._set_savepoint(name)
        return Savepoint(self, name, self.locked)

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Undo the changes of the block, and no others, if it raises."""
        mark = self.savepoint()
        try:
            yield
        except BaseException:
            mark.rollback()
            raise
        self._forget_savepoint(mark.name)
        self._savepoints -= 1

    def _reset(self) -> None:
        """Forget the state of the transaction that has just ended."""
        self.has_written = False
        self.locked = frozenset()
        self.memo.clear()
        self.ahead.clear()
        self._savepoints = 0


class Savepoint:
    """A mark in a transaction, as the package ``transaction`` defines it."""

    def __init__(self, session: Session, name: str, locked: frozenset[Any]) -> None:
        self.name = name
        self._session = session
        self._locked = locked

    def rollback(self) -> None:
        """Undo the changes since the mark; locks that were taken since then are released."""
        self._session._undo_to(self.name)
        self._session.locked = self._locked
        self._session.memo.clear()
        self._session.ahead.clear()


class SQLClient(abc.ABC):
    """Lends sessions to the backends of one database.

    Backends that share a client share the transaction of a request.

    Attributes
    ----------
    holds_records : whether a storage uses the client. If a request writes to several databases,
        this one commits before the others.
    holds_permissions : whether a permission backend uses the client.
    commit_notice : statement that tells others that its transaction is about to commit, as long as
        it lasts; ``None`` if they know.
    """

    holds_records = False
    holds_permissions = False
    commit_notice: SQL | None = None

    def __init__(self) -> None:
        # It keeps the session of a transaction outside of requests, which ends in the thread where
        # it began.
        self._own = threading.local()

    @abc.abstractmethod
    def session_factory(self, *, is_autocommit: bool = False) -> Session:
        """Return a session on a connection that nobody else uses. Tests replace it (B-24).

        Raises
        ------
        BackendError : the database cannot be reached, or the pool is exhausted.
        """

    @abc.abstractmethod
    def _take_back(self, session: Session) -> None:
        """Make the connection of a session whose transaction has ended available again."""

    @property
    def is_late(self) -> bool:
        """Whether records are visible before the permissions that a request commits with them."""
        return self.holds_permissions and not self.holds_records

    @abc.abstractmethod
    def wait_for_commits(self) -> None:
        """Wait for the transactions that are about to commit, and for none that comes later.

        Raises
        ------
        BackendError : one of them took too long; the error is retryable.
        """

    def current(self) -> Session | None:
        """Return the session of the present transaction of this thread, or ``None``."""
        transaction = scope.begun()
        if transaction is None:
            session: Session | None = getattr(self._own, "session", None)
            return None if session is None or scope.is_waiting() else session
        return session_in(transaction, self) or self._session_around(transaction)

    def _session_around(self, transaction: Transaction) -> Session | None:
        """Let an operation take part in the session of the request around it, if that has one.

        A session of its own would wait for the locks of the request.
        """
        outer = scope.outer()
        session = None if outer is None else session_in(outer, self)
        if session is not None:
            transaction.join(PartOfSession(self, session, transaction))
            transaction.set_data(self, session)
        return session

    def connect(
        self, readonly: bool = False, force_commit: bool = False
    ) -> AbstractContextManager[Session]:
        """Give the session of the present transaction, or one for the block.

        Parameters
        ----------
        readonly : whether the block only reads, and needs no transaction of its own.
        force_commit : whether to commit at the end of the block, even earlier changes of the
            request.

        Raises
        ------
        BackendError : the database cannot be reached, or the pool is exhausted.
        """
        if force_commit:
            return self._committed(readonly=readonly)
        session = self.current()
        if session is not None:
            return session
        return self.autocommit() if readonly else self.begin()

    @contextmanager
    def _committed(self, *, readonly: bool) -> Iterator[Session]:
        """Give a session for a block whose changes are committed at its end."""
        present = self.current()
        with present or (self.autocommit() if readonly else self.begin()) as session:
            yield session
            if present is not None or not readonly:
                session.commit()

    def autocommit(self) -> AbstractContextManager[Session]:
        """Give a session whose statements commit by themselves, even if the request fails.

        This is for data outside of the transaction of the request, such as a cache (B-22.33).
        """
        return _Autocommit(self)

    def rows(self, statement: str, parameters: Parameters = (), *, raw: bool = False) -> list[Any]:
        """Return the rows of a query outside of transactions.

        Parameters
        ----------
        raw : whether a text may come as the bytes that the server sent, encoded in UTF-8.

        Raises
        ------
        BackendError : the database refused it, or cannot be reached.
        """
        with self.autocommit() as session:
            return session.execute(statement, parameters).fetchall()

    def read(self, statement: str, parameters: Parameters = ()) -> list[Any]:
        """Return the rows of a query, in the present transaction if there is one.

        Raises
        ------
        BackendError : the database refused it, or cannot be reached.
        """
        session = self.current()
        if session is None:
            return self.rows(statement, parameters)
        return session.execute(statement, parameters).fetchall()

    def begin(self, *, writes: bool = False) -> AbstractContextManager[Session]:
        """Give the transaction of the request, which is joined if necessary, or one for the block.

        Outside of a request, the end of the outermost block commits, or undoes everything if it
        raises.

        Parameters
        ----------
        writes : whether something is changed, even if a statement of several fails.
        """
        transaction = scope.current()
        if transaction is None:
            session: Session | None = getattr(self._own, "session", None)
            if session is None:
                return self._begun(writes=writes)
        else:
            session = session_in(transaction, self) or self._session_around(transaction)
            session = session or self._join(transaction)
        session.has_written |= writes
        return session

    @contextmanager
    def _begun(self, *, writes: bool) -> Iterator[Session]:
        """Give a session for a block outside of requests, which is a transaction by itself."""
        session = self._own.session = self.session_factory(is_autocommit=False)
        session.has_written = writes
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            self._own.session = None
            self._take_back(session)

    def _join(self, transaction: Transaction) -> Session:
        session = self.session_factory(is_autocommit=False)
        try:
            transaction.join(SQLDataManager(self, session, transaction))
        except BaseException:
            self._take_back(session)
            raise
        transaction.set_data(self, session)
        return session

    def end(self, session: Session, transaction: Transaction) -> None:
        """Give a session whose transaction has ended back."""
        transaction.set_data(self, None)
        self._take_back(session)


class _Autocommit:
    """Lends a session of a client to a block, whose statements commit by themselves."""

    def __init__(self, client: SQLClient) -> None:
        self._client = client

    def __enter__(self) -> Session:
        self._session = self._client.session_factory(is_autocommit=True)
        return self._session

    def __exit__(self, *_error: object) -> None:
        self._client._take_back(self._session)
