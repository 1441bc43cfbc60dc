"""The part that a backend takes in a transaction of the package ``transaction``."""

from __future__ import annotations

from typing import Any

from transaction import Transaction

__all__ = ["DataManager"]


class DataManager:
    """A participant that has nothing to do in any phase; a subclass overrides those that matter.

    The names of the methods are those of the interface ``IDataManager``. A subclass sets both
    attributes: a call of a common ``__init__`` would be one more in each request.

    Attributes
    ----------
    transaction_manager : that of the transaction in which it takes part.
    sort_key : place among the participants: each phase goes through them in this order.
    """

    transaction_manager: Any
    sort_key: str

    def abort(self, transaction: Transaction) -> None:
        """Undo everything. The transaction may call this and `tpc_abort` for one failure."""

    def tpc_begin(self, transaction: Transaction) -> None:
        """Begin the commit."""

    def commit(self, transaction: Transaction) -> None:
        """Prepare what is to be committed."""

    def tpc_vote(self, transaction: Transaction) -> None:
        """Agree, or raise: this is the last moment when a failure makes the request fail."""

    def tpc_finish(self, transaction: Transaction) -> None:
        """Make what was prepared final; this must not fail."""

    def tpc_abort(self, transaction: Transaction) -> None:
        """Undo what was prepared."""
        self.abort(transaction)

    def sortKey(self) -> str:  # noqa: N802 - name of the interface
        return self.sort_key
