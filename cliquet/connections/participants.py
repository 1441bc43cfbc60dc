"""The parts of the sessions of databases in a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transaction import Transaction

from cliquet.transactions.scope import DataManager
from cliquet.transactions.short_commit import RequestTransaction

if TYPE_CHECKING:
    from cliquet.connections.sql import Savepoint, Session, SQLClient

__all__ = ["PartOfSession", "SQLDataManager", "session_in"]


def session_in(transaction: Transaction, client: SQLClient) -> Session | None:
    """Return the session of a client in a transaction, if there is one."""
    if type(transaction) is RequestTransaction:
        return transaction.parts.get(id(client))
    try:
        session: Session | None = transaction.data(client)
    except KeyError:
        return None
    return session


class SQLDataManager(DataManager):
    """Takes part in a transaction for a client."""

    is_short = True

    def __init__(self, client: SQLClient, session: Session, transaction: Transaction) -> None:
        self._client = client
        self._session: Session | None = session
        self._transaction = transaction
        self.transaction_manager = transaction._manager
        # A commit here cannot be undone, unlike those of the others, so that it comes last. Of
        # several databases, the one of the records comes first.
        self.sort_key = f"~~cliquet.sql:{not client.holds_records:d}:{id(client):x}"
        if client.commit_notice is not None and client.is_late:
            self.is_short = False

    def _end(self, *, rollback: bool) -> None:
        # The transaction may call abort() and tpc_abort() for one failure.
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if rollback:
                session.rollback()
        finally:
            self._client.end(session, self._transaction)

    def abort(self, transaction: Transaction) -> None:
        self._end(rollback=True)

    def commit(self, transaction: Transaction) -> None:
        # Nobody has committed yet, not even a storage that decides with its vote.
        if self._session is not None:
            _give_notice(self._client, self._session)

    def tpc_vote(self, transaction: Transaction) -> None:
        if self._session is not None:
            self._session.commit()

    def tpc_finish(self, transaction: Transaction) -> None:
        self._end(rollback=False)

    def savepoint(self) -> Savepoint:
        assert self._session is not None  # noqa: S101 - the transaction is still active
        return self._session.savepoint()


class PartOfSession(DataManager):
    """Takes part in the transaction of an operation with the session of the request around it.

    The changes of the operation are undone with the operation, and committed with the request.
    """

    sort_key = "~~cliquet.sql"

    def __init__(self, client: SQLClient, session: Session, transaction: Transaction) -> None:
        self._client = client
        self._session = session
        self._mark: Savepoint | None = session.savepoint()
        self.transaction_manager = transaction._manager

    def abort(self, transaction: Transaction) -> None:
        mark, self._mark = self._mark, None
        if mark is not None:
            mark.rollback()

    def commit(self, transaction: Transaction) -> None:
        # The storage commits at the end of the operation, and these changes with the request.
        _give_notice(self._client, self._session)

    def tpc_finish(self, transaction: Transaction) -> None:
        self._mark = None


def _give_notice(client: SQLClient, session: Session) -> None:
    """Tell those who see the records that their permissions are about to be committed."""
    if client.commit_notice is not None and client.is_late and session.has_written:
        session.execute(*client.commit_notice)
