"""The transaction of a request begins when somebody needs it, and is that of ``pyramid_tm``."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import transaction
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPConflict
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.tweens import EXCVIEW
from testapp import Mushroom
from transaction import Transaction
from transaction.interfaces import TransientError
from webtest import TestApp

from cliquet import Service
from cliquet.events import ResourceRead
from cliquet.testing.web import basic_auth, make_app
from cliquet.transactions.scope import DataManager
from cliquet.transactions.short_commit import RequestTransaction

pytestmark = [pytest.mark.clause("S-14.1"), pytest.mark.usefixtures("own_settings")]
both = pytest.mark.parametrize("way", ["true", "false"], ids=["one tween", "three tweens"])

MUSHROOM = "/v0/mushrooms/2f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4"
View = Callable[[Request], Any]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Let no test leave a transaction to the next one."""
    yield
    transaction.abort()


def served(
    view: View, way: str = "true", configure: Callable[[Configurator], None] | None = None
) -> TestApp:
    """Return a client of an application with a view, and with a resource."""

    def add(config: Configurator) -> None:
        if configure is not None:
            configure(config)
        service = Service(name="thing", path="/thing")
        service.add_view("POST", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    return make_app([Mushroom], settings={"compiled_endpoints": way}, configure=add)


def begun_by(app: TestApp, method: str, path: str, **kwargs: Any) -> int:
    """Return how many transactions a request begins."""
    called = Counter[Any]()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            called[frame.f_code] += 1

    former = sys.getprofile()
    sys.setprofile(watch)
    try:
        app.request(path, method=method, headers=basic_auth(), **kwargs)
    finally:
        sys.setprofile(former)
    return sum(called[kind.__init__.__code__] for kind in (Transaction, RequestTransaction))


class Journal(DataManager):
    """A data manager of an application, which notes how its transaction ends."""

    sort_key = "journal"

    def __init__(self) -> None:
        self.told: list[str] = []

    def join(self, joined: Transaction) -> None:
        self.transaction_manager = joined._manager
        joined.join(self)

    def tpc_finish(self, transaction: Transaction) -> None:
        self.told.append("committed")

    def abort(self, transaction: Transaction) -> None:
        self.told.append("aborted")


def create(request: Request) -> None:
    """Store a record by the storage of the application."""
    request.registry.storage.create("mushroom", "", {"id": "a"})


def records(app: TestApp) -> int:
    return len(app.app.registry.storage.list_all("mushroom", ""))


# Who begins it


def test_requests_that_only_read_begin_none() -> None:
    app = served(lambda request: {})
    app.put_json(MUSHROOM, {"data": {"name": "a"}}, headers=basic_auth())

    reads = [("GET", "/v0/"), ("GET", "/v0/mushrooms"), ("GET", MUSHROOM), ("POST", "/v0/thing")]
    assert [begun_by(app, *read) for read in reads] == [0] * 4
    assert begun_by(app, "GET", "/v0/nothing", status=404) == 0
    assert begun_by(app, "DELETE", MUSHROOM) == 1


def test_a_tween_between_those_of_the_transaction_is_within_it() -> None:
    seen: list[bool] = []

    def tween_factory(handler: Any, registry: Any) -> Any:
        def tween(request: Request) -> Any:
            seen.append(transaction.manager.manager._txn is not None)
            return handler(request)

        return tween

    sys.modules[__name__].__dict__["own_tween_factory"] = tween_factory

    def configure(config: Configurator) -> None:
        config.add_tween(
            f"{__name__}.own_tween_factory",
            under="pyramid_tm.tm_tween_factory",
            over="cliquet.transactions.tweens.scope_tween_factory",
        )

    served(lambda request: {}, configure=configure).post("/v0/thing")

    assert seen == [True]


@both
@pytest.mark.parametrize("first", ["write", "join"])
@pytest.mark.parametrize("is_asked", ["request.tm", "transaction"])
@pytest.mark.parametrize("fails", [False, True])
def test_who_asks_for_it_shares_it_with_the_backends(
    way: str, first: str, is_asked: str, fails: bool
) -> None:
    journal, hooks = Journal(), list[Any]()

    def view(request: Request) -> Any:
        def join() -> None:
            manager = request.tm if is_asked == "request.tm" else transaction
            manager.get().addAfterCommitHook(hooks.append)
            journal.join(manager.get())

        for step in (
            [lambda: create(request), join] if first == "write" else [join, lambda: create(request)]
        ):
            step()
        if fails:
            raise HTTPConflict
        return {}

    app = served(view, way)
    app.post("/v0/thing", status=409 if fails else 200)

    assert journal.told[:1] == ["aborted" if fails else "committed"]
    assert hooks == ([] if fails else [True])
    assert records(app) == (0 if fails else 1)


@both
@pytest.mark.parametrize("is_asked", ["request.tm", "transaction"])
def test_one_that_is_doomed_is_aborted(way: str, is_asked: str) -> None:
    journal = Journal()

    def view(request: Request) -> Any:
        create(request)
        manager = request.tm if is_asked == "request.tm" else transaction
        journal.join(manager.get())
        manager.doom()
        return {"answered": True}

    app = served(view, way)

    assert app.post("/v0/thing").json == {"answered": True}
    # The package calls it twice.
    assert set(journal.told) == {"aborted"}
    assert records(app) == 0


@both
def test_an_error_of_its_commit_is_answered_by_the_view_for_errors(way: str) -> None:
    class Refusing(Journal):
        def tpc_vote(self, transaction: Transaction) -> None:
            raise HTTPConflict

    def view(request: Request) -> Any:
        create(request)
        Refusing().join(transaction.get())
        return {}

    app = served(view, way)
    app.post("/v0/thing", status=409)

    assert records(app) == 0


@both
def test_an_error_that_a_data_manager_would_retry_is_tried_again(way: str) -> None:
    attempts: list[Any] = []

    class Retrying(Journal):
        def should_retry(self, error: BaseException) -> bool:
            return isinstance(error, KeyError)

    def view(request: Request) -> Any:
        attempts.append(request)
        create(request)
        Retrying().join(request.tm.get())
        if len(attempts) == 1:
            raise KeyError
        if len(attempts) == 2:
            raise TransientError
        return {}

    app = served(view, way)
    app.post("/v0/thing")

    assert len(attempts) == 3
    assert records(app) == 1


@both
def test_a_write_before_the_commit_belongs_to_it(way: str) -> None:
    def view(request: Request) -> Any:
        transaction.get().addBeforeCommitHook(lambda: create(request))
        transaction.get().addAfterCommitHook(
            lambda kept: request.registry.storage.create("mushroom", "", {"id": "b"})
        )
        return {}

    app = served(view, way)
    app.post("/v0/thing")

    assert records(app) == 2


@both
def test_a_subscriber_that_writes_when_a_record_is_read_writes_with_the_request(way: str) -> None:
    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda event: create(event.request), ResourceRead)

    app = served(lambda request: {}, way, configure)
    app.get("/v0/mushrooms", headers=basic_auth())

    assert records(app) == 1


@both
def test_what_the_thread_had_begun_before_is_aborted(way: str) -> None:
    journal = Journal()

    def view(request: Request) -> Any:
        create(request)
        return {}

    app = served(view, way)
    journal.join(transaction.begin())

    app.post("/v0/thing")

    assert set(journal.told) == {"aborted"}
    assert records(app) == 1


@both
def test_a_request_within_a_request_shares_its_transaction(way: str) -> None:
    seen: list[Any] = []

    def view(request: Request) -> Any:
        if "inner" in request.GET:
            create(request)
            seen.append(request.tm.get())
            return {}
        inner = Request.blank("/v0/thing?inner", method="POST")
        request.invoke_subrequest(inner, use_tweens=True)
        seen.append(request.tm.get())
        raise HTTPConflict

    app = served(view, way)
    app.post("/v0/thing", status=409)

    assert seen[0] is seen[1]
    assert records(app) == 0


@both
def test_an_error_between_the_transaction_and_the_views_of_errors_undoes(way: str) -> None:
    def tween_factory(handler: Any, registry: Any) -> Any:
        def tween(request: Request) -> Any:
            handler(request)
            raise ValueError("a tween of the application")

        return tween

    sys.modules[__name__].__dict__["raising_tween_factory"] = tween_factory

    def configure(config: Configurator) -> None:
        config.add_tween(
            f"{__name__}.raising_tween_factory",
            under="cliquet.transactions.tweens.scope_tween_factory",
            over=EXCVIEW,
        )

    app = served(create, way, configure)

    with pytest.raises(ValueError, match="a tween of the application"):
        app.post("/v0/thing")
    assert records(app) == 0


@both
def test_an_error_at_the_end_is_answered_and_undoes(way: str) -> None:
    class Failing(Journal):
        def tpc_vote(self, transaction: Transaction) -> None:
            raise ValueError("the end")

    def join(request: Request) -> None:
        Failing().join(request.tm.get())
        create(request)

    app = served(join, way)

    assert app.post("/v0/thing", status=500).json["errno"] == 999
    assert records(app) == 0
