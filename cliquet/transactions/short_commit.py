"""The transaction of a request, which commits in a few steps if only backends have joined it.

The package ``transaction`` takes its participants through five phases, and tells synchronizers,
hooks and a log of each transaction. Most requests that write have the participants of the library
alone, and nobody who listens. For anything else, the transaction is that of the package.
"""

from __future__ import annotations

import logging
import sys
import threading
from operator import methodcaller
from typing import Any, Final

from transaction import Transaction, TransactionManager

from cliquet.transactions import scope

__all__ = ["RequestTransaction", "begun_in"]

# What a transaction of the package consists of; the last one is an attribute of its class.
_PARTS: Final = frozenset(
    {
        "status",
        "_resources",
        "_synchronizers",
        "_manager",
        "_adapters",
        "_voted",
        "extension",
        "log",
        "_failure_traceback",
        "_before_commit",
        "_after_commit",
        "_before_abort",
        "_after_abort",
    }
)
_LEAVING: Final[tuple[Any, ...]] = (scope.leave_on_end, (), {})

# Of a later version that consists of something else, the transaction is used as it is.
_STATUS: Final[Any] = getattr(sys.modules[Transaction.__module__], "Status", None)
_IS_KNOWN: Final = (
    _STATUS is not None
    and vars(Transaction()).keys() == _PARTS
    and hasattr(Transaction, "_description")
)
_log: Final = logging.getLogger("txn")


class RequestTransaction(Transaction):  # type: ignore[misc]  # the package has no types
    """A transaction that the backends of the library leave when it ends.

    Parameters
    ----------
    description : what its attribute of this name is.

    Attributes
    ----------
    parts : what was set by :meth:`set_data`, by the identity of its owner.
    """

    def __init__(self, manager: TransactionManager, description: str) -> None:
        # Its base would make a logger for each.
        self.status = _STATUS.ACTIVE
        self._resources: list[Any] = []
        self._synchronizers = manager._synchs
        self._manager = manager
        self._adapters: dict[Any, Any] = {}
        self._voted: dict[int, bool] = {}
        self.extension: dict[str, Any] = {}
        self._failure_traceback = None
        self._before_commit: list[Any] = []
        self._after_commit = [_LEAVING]
        self._before_abort: list[Any] = []
        self._after_abort = [_LEAVING]
        self._description = description
        self.parts: dict[int, Any] = {}

    @property
    def log(self) -> logging.Logger:
        """The logger of the package for this thread."""
        return logging.getLogger(f"txn.{threading.get_ident()}")

    def data(self, ob: object) -> Any:
        try:
            return self.parts[id(ob)]
        except KeyError:
            raise KeyError(ob) from None

    def set_data(self, ob: object, ob_data: Any) -> None:
        self.parts[id(ob)] = ob_data

    def commit(self) -> None:
        if (
            self.status is not _STATUS.ACTIVE
            or self._before_commit
            or self._savepoint2index
            or self._synchronizers
        ):
            super().commit()
            return
        participants = self._resources
        for one in participants:
            if not getattr(one, "is_short", False):
                super().commit()
                return
        self.status = _STATUS.COMMITTING
        if len(participants) > 1:
            participants = sorted(participants, key=methodcaller("sortKey"))
        try:
            for one in participants:
                one.tpc_vote(self)
            for one in participants:
                one.tpc_finish(self)
        except BaseException:
            # These are the steps of the package for a commit that has failed.
            self._cleanup(participants)
            self._saveAndGetCommitishError()
            self._callAfterCommitHooks(status=False)
            raise
        self.status = _STATUS.COMMITTED
        if len(self._after_commit) == 1:
            scope.leave()
        else:
            self._callAfterCommitHooks(status=True)
        self._free()

    def _free(self) -> None:
        super()._free()
        self.parts.clear()


def begun_in(manager: TransactionManager, description: str) -> Transaction:
    """Begin and return the transaction of a request in the manager of a thread, which has none."""
    if not _IS_KNOWN or manager.explicit or _log.isEnabledFor(logging.DEBUG):
        # The log of the package has a line for each step.
        begun = manager.get()
        begun.description = description
        begun.addAfterCommitHook(scope.leave_on_end)
        begun.addAfterAbortHook(scope.leave_on_end)
        return begun
    begun = manager._txn = RequestTransaction(manager, description)
    return begun
