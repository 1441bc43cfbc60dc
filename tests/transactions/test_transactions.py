"""One transaction per request: what is kept, what is undone, what is run again (H-34, S-14)."""

import logging
from typing import Any

import pytest
import transaction
from pyramid.events import NewRequest
from pyramid.httpexceptions import HTTPConflict, HTTPInsufficientStorage
from pyramid.interfaces import ITweens
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet import Service, resource
from cliquet.events import ACTIONS, AfterResourceChanged, ResourceChanged
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread
from cliquet.testing.faults import FaultyBackend, fail
from cliquet.testing.web import basic_auth
from cliquet.transactions import scope
from cliquet.web.requests import build_request

AUTH = basic_auth()
USER = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
CEP = {"data": {"name": "cep"}}
EACH_ON_ITS_OWN = {"transaction_per_request": "false"}


class Shared(resource.ShareableResource):
    """A resource with permissions."""

    class SharedSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = SharedSchema()


def write(request: Any, name: str = "cep") -> Any:
    """Create a mushroom, with the storage and not through HTTP."""
    return request.registry.storage.create("mushroom", USER, {"name": name})


def service(config: Any, view: Any, path: str = "/view", method: str = "POST") -> None:
    added = Service(name=path.strip("/"), path=path)
    added.add_view(method, view, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(added)


def view_app(view: Any, *, subscribers: Any = (), settings: Any = None) -> TestApp:
    """Return a client of an application with a view at /v0/view.

    Parameters
    ----------
    subscribers : pairs of a function and the event that it subscribes to.
    """

    _views[:] = [view]

    def configure(config: Any) -> None:
        service(config, _view_of_this_test)
        for subscriber, event_class in subscribers:
            config.add_subscriber(subscriber, event_class)

    return make_app([Mushroom, Spore, Shared], configure=configure, settings=settings)


# Applications are shared if they have the same view.
_views: list[Any] = []


def _view_of_this_test(request: Any) -> Any:
    return _views[0](request)


def names(client: Any) -> list[Any]:
    """Return the names of the mushrooms that other requests see."""
    records = client.get("/v0/mushrooms?_sort=last_modified", headers=AUTH).json["data"]
    return [record["name"] for record in records]


def batch(client: Any, *requests: Any, status: int | str = 200) -> Any:
    body = {
        "requests": [dict(zip(("method", "path", "body"), item, strict=False)) for item in requests]
    }
    return client.post_json("/v0/batch", body, headers=AUTH, status=status)


def in_another_thread(function: Any) -> Any:
    """Return what a function returns in a thread of its own."""
    results = []
    thread = Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    (result,) = results
    return result


class DataManager:
    """What an application of its own has take part in transactions; without savepoints."""

    def __init__(self, name: str = "z", failure: Any = None) -> None:
        self.name = name
        self.failure = failure
        self.outcome = None
        self.transaction_manager = transaction.manager

    def join(self, request: Any) -> None:
        request.tm.get().join(self)

    def abort(self, transaction: Any) -> None:
        self.outcome = self.outcome or "aborted"  # type: ignore[assignment]

    def tpc_begin(self, transaction: Any) -> None:
        pass

    def commit(self, transaction: Any) -> None:
        pass

    def tpc_vote(self, transaction: Any) -> None:
        if self.failure is not None:
            raise self.failure

    def tpc_finish(self, transaction: Any) -> None:
        self.outcome = "committed"  # type: ignore[assignment]

    def tpc_abort(self, transaction: Any) -> None:
        self.outcome = "aborted"  # type: ignore[assignment]

    def sortKey(self) -> Any:  # noqa: N802 - name of the interface
        return self.name


# What is kept, and what is undone


# X-18 takes the place of H-34.4: memory takes part in transactions.
@pytest.mark.clause("H-34.1", "H-34.4", "S-14.2", "B-18.2", "X-18")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HTTPConflict(), 409),
        (HTTPInsufficientStorage(), 507),
        (BackendError(ValueError("x")), 503),
        (RuntimeError("x"), 500),
    ],
)
def test_what_a_request_wrote_is_undone_when_it_raises(error: Exception, status: int) -> None:
    def view(request: Any) -> None:
        write(request)
        raise error

    client = view_app(view)
    client.post("/v0/view", status=status)

    assert names(client) == []


@pytest.mark.clause("S-14.2", "B-18.2")
@pytest.mark.parametrize("status", [200, 404, 503])
def test_what_a_request_wrote_is_kept_when_it_returns(status: int) -> None:
    def view(request: Any) -> Any:
        write(request)
        return Response(status=status)

    client = view_app(view)
    client.post("/v0/view", status=status)

    assert names(client) == ["cep"]


@pytest.mark.clause("H-34.2", "B-18.4")
def test_a_request_sees_what_it_wrote() -> None:
    client = make_app([Mushroom])

    _, listed = batch(client, ("POST", "/mushrooms", CEP), ("GET", "/mushrooms")).json["responses"]

    assert [record["name"] for record in listed["body"]["data"]] == ["cep"]


@pytest.mark.clause("X-18")
def test_other_requests_do_not_see_what_is_not_committed() -> None:
    seen = []

    def view(request: Any) -> Any:
        write(request)
        storage = request.registry.storage
        seen.append(in_another_thread(lambda: storage.get_all("mushroom", USER)[1]))
        return {}

    client = view_app(view)
    client.post("/v0/view")

    assert seen == [0]
    assert names(client) == ["cep"]


@pytest.mark.clause("B-18.5", "X-18")
def test_a_failing_permission_backend_undoes_the_record() -> None:
    client = make_app([Shared], settings={"shared_create_principals": "system.Authenticated"})
    registry = client.app.registry
    working = registry.permission
    registry.permission = FaultyBackend(
        working, add_principal_to_ace=_break_down, replace_object_permissions=_break_down
    )
    client.post_json("/v0/shareds", {"data": {}}, headers=AUTH, status=503)

    assert registry.storage.get_all("shared", "")[1] == 0

    registry.permission = working
    client.post_json("/v0/shareds", {"data": {}}, headers=AUTH, status=201)
    assert registry.storage.get_all("shared", "")[1] == 1


def _break_down(*args: Any, **kwargs: Any) -> None:
    raise BackendError(ValueError("out of order"))


@pytest.mark.clause("B-18.5", "X-18")
def test_permissions_are_undone_with_the_request() -> None:
    def view(request: Any) -> None:
        request.registry.permission.add_principal_to_ace("/object", "read", "somebody")
        raise HTTPConflict

    client = view_app(view)
    client.post("/v0/view", status=409)

    permission = client.app.registry.permission
    assert permission.object_permission_principals("/object", "read") == set()


@pytest.mark.clause("B-18.10")
def test_what_a_health_check_wrote_is_kept_although_another_one_fails() -> None:
    def configure(config: Any) -> None:
        config.registry.heartbeats["writes"] = lambda request: bool(write(request))
        config.registry.heartbeats["sick"] = lambda request: False

    client = make_app([Mushroom], configure=configure)
    client.get("/v0/__heartbeat__", status=503)

    assert names(client) == ["cep"]


@pytest.mark.clause("X-22")
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"If-None-Match": '"253402300799999"'}, 304), ({"If-Match": '"1"'}, 412)],
)
def test_the_timestamp_of_a_first_access_survives_the_refusal_of_the_request(
    headers: dict[str, Any], status: int
) -> None:
    client = make_app([Mushroom])

    refused = client.get("/v0/mushrooms", headers={**AUTH, **headers}, status=status)

    assert client.get("/v0/mushrooms", headers=AUTH).headers["ETag"] == refused.headers["ETag"]


@pytest.mark.clause("X-22")
def test_the_timestamp_of_a_first_access_survives_a_failure() -> None:
    timestamps = []

    def view(request: Any) -> None:
        timestamps.append(request.registry.storage.collection_timestamp("mushroom", USER))
        raise RuntimeError

    client = view_app(view)
    client.post("/v0/view", status=500)
    client.post("/v0/view", status=500)

    assert timestamps[0] == timestamps[1]


# Operations on their own


@pytest.mark.clause("S-14.3", "H-34.3", "B-18.6")
@pytest.mark.setting("transaction_per_request")
@pytest.mark.parametrize("error", [HTTPConflict, RuntimeError])
def test_without_transaction_per_request_earlier_operations_stay(error: type) -> None:
    def view(request: Any) -> None:
        write(request, "first")
        write(request, "second")
        raise error

    client = view_app(view, settings=EACH_ON_ITS_OWN)
    client.post("/v0/view", status="*")

    assert names(client) == ["first", "second"]


@pytest.mark.clause("B-18.6")
def test_without_transaction_per_request_a_failing_batch_keeps_its_records() -> None:
    def view(request: Any) -> None:
        raise RuntimeError

    client = view_app(view, settings=EACH_ON_ITS_OWN)
    post = ("POST", "/mushrooms", CEP)
    batch(client, post, post, ("POST", "/view"), status=500)

    assert names(client) == ["cep", "cep"]


@pytest.mark.clause("X-24")
def test_without_transaction_per_request_one_operation_is_still_undone_as_a_whole() -> None:
    class Fatal(Mushroom):
        def process_record(self, new: Any, old: Any = None) -> None:
            self.model.storage.create("mushroom", USER, {"name": "by the hook"})
            raise RuntimeError

    client = make_app([(Fatal, {"name": "mushroom"})], settings=EACH_ON_ITS_OWN)
    path = "/v0/mushrooms/00000000-0000-4000-8000-000000000001"
    client.put_json(path, CEP, headers=AUTH, status=500)

    assert names(client) == []


@pytest.mark.clause("P-22.4", "S-14.3")
@pytest.mark.parametrize("settings", [EACH_ON_ITS_OWN, {"tm.activate_hook": f"{__name__}.never"}])
def test_events_are_sent_without_transaction_too(settings: dict[str, Any]) -> None:
    told = []
    client = make_app(
        [Mushroom],
        settings=settings,
        configure=lambda config: [  # type: ignore[arg-type]
            config.add_subscriber(lambda event: told.append(type(event)), event_class)
            for event_class in (ResourceChanged, AfterResourceChanged)
        ],
    )
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=201)

    assert told == [ResourceChanged, AfterResourceChanged]


def never(request: Any) -> bool:
    """Switch the transaction manager off."""
    return False


# Subscribers and the commit


def refuse(event: Any) -> None:
    raise HTTPInsufficientStorage


@pytest.mark.clause("H-34.5", "P-21.9", "B-18.8")
def test_a_failing_subscriber_fails_the_batch_as_a_whole() -> None:
    client = view_app(lambda request: {}, subscribers=[(refuse, ResourceChanged)])

    response = batch(client, ("POST", "/mushrooms", CEP), ("POST", "/spores"), status=507)

    assert "responses" not in response.json
    assert names(client) == []


@pytest.mark.clause("H-34.5")
def test_the_error_of_a_subscriber_has_a_json_body() -> None:
    client = view_app(lambda request: {}, subscribers=[(refuse, ResourceChanged)])

    response = client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=507)

    assert response.json["code"] == 507
    assert "ETag" not in response.headers


@pytest.mark.clause("H-34.7", "B-18.9", "P-22.2")
@pytest.mark.parametrize(
    ("failure", "status"), [(ValueError("x"), 500), (BackendError(ValueError("x")), 503)]
)
def test_a_commit_that_fails_is_an_error_and_undoes_everything(
    failure: object, status: int
) -> None:
    told = []

    def view(request: Any) -> Any:
        DataManager(failure=failure).join(request)
        write(request)
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        return {}

    def subscriber(event: Any) -> None:
        event.request.registry.storage.create("spore", USER, {})

    client = view_app(
        view,
        subscribers=[
            (subscriber, ResourceChanged),
            (told.append, ResourceChanged),
            (told.append, AfterResourceChanged),
        ],
    )
    client.post("/v0/view", status=status)

    assert [type(event) for event in told] == [ResourceChanged]
    assert names(client) == []
    assert client.get("/v0/spores", headers=AUTH).json["data"] == []


@pytest.mark.clause("P-22.2")
def test_a_request_that_raises_sends_no_event() -> None:
    told = []

    def view(request: Any) -> None:
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        raise HTTPConflict

    subscribers = [(told.append, ResourceChanged), (told.append, AfterResourceChanged)]
    view_app(view, subscribers=subscribers).post("/v0/view", status=409)

    assert told == []


@pytest.mark.clause("P-22.2", "S-14.4")
@pytest.mark.parametrize("settings", [{}, {"tm.commit_veto": "pyramid_tm.default_commit_veto"}])
def test_a_request_that_will_not_be_committed_sends_no_event(settings: dict[str, Any]) -> None:
    told = []

    def view(request: Any) -> Any:
        write(request)
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        if not settings:
            request.tm.doom()
        return Response(status=404)

    subscribers = [(told.append, ResourceChanged), (told.append, AfterResourceChanged)]
    client = view_app(view, subscribers=subscribers, settings=settings)
    client.post("/v0/view", status=404)

    assert told == []
    assert names(client) == []


def veto_nothing(request: Any, response: Any) -> bool:
    """Let everything be committed."""
    return False


@pytest.mark.clause("S-14.4", "P-3.4")
@pytest.mark.parametrize("name", ["tm.commit_veto", "pyramid_tm.commit_veto"])
def test_with_a_veto_an_error_that_is_raised_undoes_all_the_same(name: str) -> None:
    def view(request: Any) -> None:
        write(request)
        raise HTTPConflict

    client = view_app(view, settings={name: f"{__name__}.veto_nothing"})
    client.post("/v0/view", status=409)

    assert names(client) == []


@pytest.mark.clause("S-14.4", "P-3.4")
@pytest.mark.setting("tm.{option}")
def test_with_a_veto_the_error_of_a_subscriber_undoes_all_the_same() -> None:
    settings = {"tm.commit_veto": f"{__name__}.veto_nothing"}
    client = view_app(
        lambda request: {}, subscribers=[(refuse, ResourceChanged)], settings=settings
    )
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=507)

    assert names(client) == []


@pytest.mark.clause("S-14.4")
def test_with_a_veto_what_it_allows_is_committed() -> None:
    def view(request: Any) -> Any:
        write(request)
        return {}

    client = view_app(view, settings={"tm.commit_veto": f"{__name__}.veto_nothing"})
    client.post("/v0/view")

    assert names(client) == ["cep"]


@pytest.mark.clause("B-18.9", "X-18")
def test_a_hook_of_the_application_that_fails_before_the_commit_undoes_everything() -> None:
    manager = DataManager()

    def view(request: Any) -> Any:
        manager.join(request)
        write(request)
        request.tm.get().addBeforeCommitHook(fail)
        return {}

    client = view_app(view)
    client.post("/v0/view", status=500)

    assert manager.outcome == "aborted"
    # In another thread: the lock is free, too.
    in_another_thread(lambda: client.app.registry.storage.create("mushroom", USER, {"name": "b"}))
    assert names(client) == ["b"]


@pytest.mark.clause("X-18")
@pytest.mark.parametrize("outcome", ["return", "raise"])
def test_the_transaction_is_forgotten_at_the_end_of_the_request(outcome: str) -> None:
    during = []

    def view(request: Any) -> Any:
        during.append(scope.current())
        if outcome == "raise":
            raise HTTPConflict
        return {}

    client = view_app(view)
    client.post("/v0/view", status="*")

    assert during[0] is not None
    assert scope.current() is None


@pytest.mark.clause("P-22.1", "X-18")
def test_what_is_written_after_the_commit_is_committed_by_itself() -> None:
    def journalize(event: Any) -> None:
        event.request.registry.storage.create("mushroom", USER, {"name": "late"})

    client = view_app(lambda request: {}, subscribers=[(journalize, AfterResourceChanged)])
    client.post_json("/v0/spores", {"data": {}}, headers=AUTH, status=201)

    assert in_another_thread(lambda: names(client)) == ["late"]


# Requests within a request


@pytest.mark.clause("B-18.3", "X-23")
def test_a_subrequest_that_is_refused_is_undone_and_keeps_the_others() -> None:
    def view(request: Any) -> None:
        write(request, "half")
        raise HTTPConflict

    client = view_app(view)
    post = ("POST", "/mushrooms", CEP)
    responses = batch(client, post, ("POST", "/view"), post).json["responses"]

    assert [response["status"] for response in responses] == [201, 409, 201]
    assert names(client) == ["cep", "cep"]


@pytest.mark.clause("X-23")
def test_a_subrequest_that_returns_an_error_keeps_its_effects() -> None:
    def view(request: Any) -> Any:
        write(request)
        return Response(status=404)

    client = view_app(view)
    (response,) = batch(client, ("POST", "/view")).json["responses"]

    assert response["status"] == 404
    assert names(client) == ["cep"]


@pytest.mark.clause("B-18.3", "S-14.2", "X-23")
@pytest.mark.parametrize(
    ("error", "status"),
    [(BackendError(ValueError("x")), 503), (HTTPInsufficientStorage(), 507), (KeyError("x"), 500)],
)
def test_a_subrequest_that_fails_undoes_the_batch(error: Exception, status: int) -> None:
    def view(request: Any) -> None:
        raise error

    client = view_app(view)
    post = ("POST", "/mushrooms", CEP)
    batch(client, post, ("POST", "/view"), post, status=status)

    assert names(client) == []


@pytest.mark.clause("X-23")
def test_a_data_manager_without_savepoints_does_not_break_a_batch() -> None:
    manager = DataManager()

    def view(request: Any) -> Any:
        if manager.outcome is None:
            manager.outcome = "joined"  # type: ignore[assignment]
            manager.join(request)
            return {}
        write(request, "half")
        raise HTTPConflict

    client = view_app(view)
    responses = batch(
        client, ("POST", "/view"), ("POST", "/mushrooms", CEP), ("POST", "/view")
    ).json["responses"]

    assert [response["status"] for response in responses] == [200, 201, 409]
    assert names(client) == ["cep"]
    assert manager.outcome == "committed"


@pytest.mark.clause("S-14.1", "P-22.1")
@pytest.mark.parametrize("has_parent", [True, False])
def test_a_request_within_a_request_is_part_of_its_transaction(has_parent: bool) -> None:
    told = []

    def view(request: Any) -> Any:
        write(request, "outer")
        if has_parent:
            inner = build_request(request, {"method": "POST", "path": "/inner"})
        else:
            inner = Request.blank("/v0/inner", method="POST")
        request.invoke_subrequest(inner, use_tweens=True)
        write(request, "later")
        if request.GET.get("fails"):
            raise HTTPConflict
        return {}

    def inner_view(request: Any) -> dict[Any, Any]:
        write(request, "inner")
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        return {}

    def configure(config: Any) -> None:
        service(config, view)
        service(config, inner_view, path="/inner")
        config.add_subscriber(told.append, AfterResourceChanged)

    client = make_app([Mushroom], configure=configure)

    client.post("/v0/view?fails=1", status=409)
    assert names(client) == []
    assert told == []

    client.post("/v0/view")
    assert names(client) == ["outer", "inner", "later"]
    assert len(told) == 1


@pytest.mark.clause("X-23")
def test_a_request_within_a_request_that_fails_is_undone_alone() -> None:
    statuses = []

    def view(request: Any) -> Any:
        write(request, "outer")
        inner = build_request(request, {"method": "POST", "path": "/inner"})
        statuses.append(request.invoke_subrequest(inner, use_tweens=True).status_code)
        return {}

    def inner_view(request: Any) -> None:
        write(request, "inner")
        raise HTTPConflict

    def configure(config: Any) -> None:
        service(config, view)
        service(config, inner_view, path="/inner")

    client = make_app([Mushroom], configure=configure)
    client.post("/v0/view")

    assert statuses == [409]
    assert names(client) == ["outer"]


# Retries


class Deadlock(BackendError):
    """An error that another attempt may avoid."""

    def __init__(self) -> None:
        super().__init__(ValueError("deadlock"), retryable=True)


def failing(attempts: Any, view: Any = lambda request: {}) -> Any:
    """Return a view that writes and then ends in a deadlock, a number of times."""
    left = [attempts]

    def view_that_fails(request: Any) -> Any:
        write(request)
        if left[0]:
            left[0] -= 1
            raise Deadlock
        return view(request)

    return view_that_fails


def logged(caplog: Any, event: Any) -> list[Any]:
    return [record for record in caplog.records if f" {event} " in record.getMessage()]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="cliquet")
    return caplog


@pytest.mark.clause("X-23", "S-14.4")
@pytest.mark.parametrize("failures", [1, 2])
def test_a_request_that_ends_in_a_deadlock_is_run_again(
    failures: int, log: pytest.LogCaptureFixture
) -> None:
    client = view_app(failing(failures))
    log.clear()
    client.post("/v0/view", status=200)

    assert len(logged(log, "request.retry")) == failures
    # Nothing that an operator must look at has happened.
    assert [record for record in log.records if record.levelno > logging.INFO] == []
    assert {record.levelname for record in logged(log, "request.retry")} == {"INFO"}
    assert len(logged(log, "request.summary")) == 1
    assert names(client) == ["cep"]


@pytest.mark.clause("X-23", "S-14.4")
def test_after_three_attempts_the_answer_is_503(log: pytest.LogCaptureFixture) -> None:
    attempts = []
    client = view_app(failing(100), subscribers=[(attempts.append, NewRequest)])
    log.clear()
    response = client.post("/v0/view", status=503)

    assert len(attempts) == 3
    assert len(logged(log, "request.retry")) == 2
    assert len(logged(log, "request.summary")) == 1
    assert [record.levelname for record in log.records if record.exc_info] == ["CRITICAL"]
    assert response.headers["Retry-After"] == "30"
    assert response.json["errno"] == 201
    assert names(client) == []


@pytest.mark.clause("X-23")
def test_the_body_can_be_read_by_every_attempt() -> None:
    bodies = []

    def view(request: Any) -> Any:
        bodies.append(request.json)
        if len(bodies) < 3:
            raise Deadlock
        return {}

    view_app(view).post_json("/v0/view", CEP)

    assert bodies == [CEP] * 3


@pytest.mark.clause("X-23")
def test_a_subrequest_that_ends_in_a_deadlock_has_the_batch_run_again(
    log: pytest.LogCaptureFixture,
) -> None:
    client = view_app(failing(1))
    log.clear()
    responses = batch(client, ("POST", "/mushrooms", CEP), ("POST", "/view")).json["responses"]

    assert [response["status"] for response in responses] == [201, 200]
    assert len(logged(log, "request.retry")) == 1
    assert [record for record in log.records if record.levelno > logging.INFO] == []
    assert len(logged(log, "request.summary")) == 1
    assert names(client) == ["cep", "cep"]


@pytest.mark.clause("X-23")
@pytest.mark.parametrize("when", ["subscriber", "commit"])
def test_a_deadlock_at_the_end_of_the_request_has_it_run_again(when: str) -> None:
    attempts = []

    def view(request: Any) -> Any:
        write(request)
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        attempts.append(request)
        if when == "commit" and len(attempts) == 1:
            DataManager(failure=Deadlock()).join(request)
        return {}

    def subscriber(event: Any) -> None:
        if when == "subscriber" and len(attempts) == 1:
            raise Deadlock

    client = view_app(view, subscribers=[(subscriber, ResourceChanged)])
    client.post("/v0/view", status=200)

    assert len(attempts) == 2
    assert names(client) == ["cep"]


@pytest.mark.clause("X-23", "P-34.6")
def test_who_acts_outside_the_transaction_is_told_once() -> None:
    told = []

    def view(request: Any) -> Any:
        request.notify_resource_event(1, {}, ACTIONS.CREATE)
        return failing_view(request)

    failing_view = failing(2)
    view_app(view, subscribers=[(told.append, AfterResourceChanged)]).post("/v0/view")

    assert len(told) == 1
    assert len(told[0].impacted_records) == 1


@pytest.mark.clause("X-23")
def test_another_failure_of_a_backend_is_not_run_again(log: pytest.LogCaptureFixture) -> None:
    def view(request: Any) -> None:
        raise BackendError(ValueError("x"))

    client = view_app(view)
    log.clear()
    client.post("/v0/view", status=503)

    assert logged(log, "request.retry") == []


@pytest.mark.clause("X-23", "S-14.4")
@pytest.mark.setting("retry.attempts")
def test_the_number_of_attempts_is_a_setting(log: pytest.LogCaptureFixture) -> None:
    client = view_app(failing(100), settings={"retry.attempts": "5"})
    log.clear()
    client.post("/v0/view", status=503)

    assert len(logged(log, "request.retry")) == 4


@pytest.mark.clause("S-14.4", "P-3.4")
def test_the_former_setting_of_attempts_is_mapped_with_a_warning(
    log: pytest.LogCaptureFixture,
) -> None:
    with pytest.warns(DeprecationWarning, match=r"tm\.attempts.*retry\.attempts"):
        client = view_app(failing(100), settings={"tm.attempts": "2"})
    log.clear()
    client.post("/v0/view", status=503)

    assert len(logged(log, "request.retry")) == 1


@pytest.mark.clause("S-14.4")
def test_a_number_of_attempts_that_is_none_fails_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"retry\.attempts.*'many'"):
        make_app(settings={"retry.attempts": "many"})


# Tweens


@pytest.mark.clause("P-3.4")
def test_the_transaction_is_around_the_exception_views() -> None:
    tweens = make_app().app.registry.queryUtility(ITweens)
    order = [name for name, _ in tweens.implicit()]

    expected = [
        "cliquet.initialization.web.end_of_service_tween_factory",
        "cliquet.transactions.tweens.guard_tween_factory",
        "pyramid_tm.tm_tween_factory",
        "cliquet.transactions.tweens.scope_tween_factory",
        "pyramid.tweens.excview_tween_factory",
    ]
    assert [name for name in order if name in expected] == expected


@pytest.mark.clause("S-14.4")
def test_the_transaction_authenticates_nobody() -> None:
    users = []

    def view(request: Any) -> Any:
        users.append(request.tm.get().user)
        return {}

    view_app(view).post("/v0/view", headers=AUTH)

    assert users == [""]
