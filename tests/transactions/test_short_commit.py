"""The transaction of a request commits in a few steps, and behaves as one of the package."""

import importlib.util
import logging
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import transaction
from pyramid.config import Configurator
from testapp import Mushroom
from transaction import Transaction, TransactionManager
from transaction.interfaces import InvalidSavepointRollbackError, TransactionFailedError

from cliquet.testing.web import basic_auth, make_app
from cliquet.transactions import scope, short_commit
from cliquet.transactions.scope import DataManager
from cliquet.transactions.short_commit import RequestTransaction, begun_in

pytestmark = pytest.mark.clause("S-14.1")

Begin = Callable[[TransactionManager], Transaction]


def of_package(manager: TransactionManager) -> Transaction:
    """Begin a transaction of the package, which the backends leave when it ends."""
    begun = manager.get()
    begun.addAfterCommitHook(scope.leave_on_end)
    begun.addAfterAbortHook(scope.leave_on_end)
    return begun


def of_request(manager: TransactionManager) -> Transaction:
    return begun_in(manager, "/path")


both = pytest.mark.parametrize("begin", [of_package, of_request])


class Part(DataManager):
    """A participant like those of the backends, which notes what it is told."""

    is_short = True

    def __init__(self, begun: Transaction, told: list[str], name: str, failing: str = "") -> None:
        self.transaction_manager = begun._manager
        self.sort_key = self.name = name
        self.told = told
        self.failing = failing
        begun.join(self)

    def _note(self, step: str) -> None:
        self.told.append(f"{step} {self.name}")
        if step == self.failing:
            raise ValueError(step)

    def tpc_vote(self, transaction: Transaction) -> None:
        self._note("vote")

    def tpc_finish(self, transaction: Transaction) -> None:
        self._note("finish")

    def tpc_abort(self, transaction: Transaction) -> None:
        self._note("undo")

    def savepoint(self) -> "Part":
        return self

    def rollback(self) -> None:
        self._note("rollback")


class Synchronizer:
    """Notes what it is told of transactions."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def newTransaction(self, transaction: Transaction) -> None:  # noqa: N802 - of the interface
        self.told.append("new")

    def beforeCompletion(self, transaction: Transaction) -> None:  # noqa: N802
        self.told.append("before")

    def afterCompletion(self, transaction: Transaction) -> None:  # noqa: N802
        self.told.append("after")


def test_it_consists_of_what_a_transaction_of_the_package_consists_of() -> None:
    ours, theirs = of_request(TransactionManager()), Transaction()

    assert type(ours) is RequestTransaction
    assert vars(ours).keys() - {"parts", "_description"} == vars(theirs).keys() - {"log"}
    assert ours.log is theirs.log


@both
def test_participants_vote_and_finish_in_their_order(begin: Begin) -> None:
    told = list[str]()
    begun = begin(manager := TransactionManager())
    scope.enter(begun, is_left=True)
    Part(begun, told, "b")
    Part(begun, told, "a")
    begun.addAfterCommitHook(lambda kept: told.append(f"kept {kept} {scope.current()}"))

    begun.commit()

    assert told == ["vote a", "vote b", "finish a", "finish b", "kept True None"]
    assert begun.status == "Committed"
    assert manager._txn is None
    assert scope.current() is None


@both
def test_a_vote_that_fails_undoes_all(begin: Begin) -> None:
    told = list[str]()
    begun = begin(TransactionManager())
    scope.enter(begun, is_left=True)
    Part(begun, told, "b", failing="vote")
    Part(begun, told, "a")
    begun.addAfterCommitHook(lambda kept: told.append(f"kept {kept} {scope.current()}"))

    with pytest.raises(ValueError, match="vote"):
        begun.commit()

    assert told == ["vote a", "vote b", "undo a", "undo b", "kept False None"]
    with pytest.raises(TransactionFailedError, match="ValueError: vote"):
        begun.commit()
    begun.abort()


@both
def test_data_belong_to_their_owner(begin: Begin) -> None:
    owner = object()
    begun = begin(TransactionManager())

    with pytest.raises(KeyError):
        begun.data(owner)
    begun.set_data(owner, 1)
    assert begun.data(owner) == 1

    begun.commit()
    with pytest.raises(KeyError):
        begun.data(owner)


@both
def test_its_savepoints_end_with_it(begin: Begin) -> None:
    told = list[str]()
    begun = begin(TransactionManager())
    Part(begun, told, "a")
    used, left = begun.savepoint(), begun.savepoint()
    used.rollback()

    begun.commit()

    assert told == ["rollback a", "vote a", "finish a"]
    for savepoint in (used, left):
        with pytest.raises(InvalidSavepointRollbackError):
            savepoint.rollback()


@both
@pytest.mark.parametrize("end", ["commit", "abort"])
def test_synchronizers_are_told_of_it(begin: Begin, end: str) -> None:
    told = list[str]()
    synchronizer = Synchronizer(told)
    manager = TransactionManager()
    manager.registerSynch(synchronizer)
    begun = begin(manager)

    getattr(begun, end)()

    assert told == ["before", "after"]


@both
def test_hooks_before_the_commit_may_join_it(begin: Begin) -> None:
    told = list[str]()
    begun = begin(TransactionManager())
    begun.addBeforeCommitHook(lambda: Part(begun, told, "late"))

    begun.commit()

    assert told == ["vote late", "finish late"]


@both
def test_other_participants_go_through_all_phases(begin: Begin) -> None:
    class Whole(Part):
        is_short = False

        def tpc_begin(self, transaction: Transaction) -> None:
            self._note("begin")

        def commit(self, transaction: Transaction) -> None:
            self._note("commit")

    told = list[str]()
    begun = begin(TransactionManager())
    Part(begun, told, "a")
    Whole(begun, told, "b")

    begun.commit()

    phases = ["begin b", "commit b", "vote a", "vote b", "finish a", "finish b"]
    assert told == phases


@both
def test_what_is_doomed_is_not_committed(begin: Begin) -> None:
    begun = begin(TransactionManager())
    begun.doom()

    with pytest.raises(transaction.interfaces.DoomedTransaction):
        begun.commit()
    begun.abort()


def test_whoever_reads_the_log_of_transactions_finds_their_steps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "txn")

    of_request(TransactionManager()).commit()

    assert caplog.messages == ["new transaction", "commit"]


def test_a_transaction_of_an_unknown_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(short_commit, "_IS_KNOWN", False)
    begun = of_request(TransactionManager())
    scope.enter(begun, is_left=True)

    assert type(begun) is Transaction
    assert begun.description == "/path"

    begun.abort()
    assert scope.current() is None


def test_a_version_without_the_names_of_its_inside_stops_no_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    specification = importlib.util.find_spec(short_commit.__name__)
    assert specification is not None
    assert specification.loader is not None
    loaded = importlib.util.module_from_spec(specification)
    with monkeypatch.context() as patch:
        patch.delattr("transaction._transaction.Status")
        patch.delattr("transaction._transaction.rm_key")
        specification.loader.exec_module(loaded)

    begun = loaded.begun_in(TransactionManager(), "/path")

    assert type(begun) is Transaction
    begun.abort()


def test_a_request_that_writes_calls_few_functions_of_the_package() -> None:
    def configure(config: Configurator) -> None:
        config.registry.settings["compiled_endpoints"] = True

    app = make_app([Mushroom], configure=configure)
    called = Counter[str]()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("transaction."):
            called[frame.f_code.co_name] += 1

    former = sys.getprofile()
    sys.setprofile(watch)
    try:
        app.post_json("/v0/mushrooms", {"data": {"name": "a"}}, headers=basic_auth())
    finally:
        sys.setprofile(former)

    # Each backend in memory joins by itself.
    assert called.pop("join") <= 2
    assert called.total() <= 10
