"""Responses below 400 commit what their request did, raised as well as returned (X-31)."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from processes.backends import FAMILIES, fresh_backends
from pyramid import httpexceptions
from pyramid.httpexceptions import HTTPCreated, HTTPFound, HTTPNoContent, HTTPNotModified
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Spore

from cliquet import Service
from cliquet.events import ACTIONS, AfterResourceChanged, ResourceChanged
from cliquet.transactions.tweens import BeforeCommit
from cliquet.web.requests import build_request

RAISED = [HTTPNoContent, HTTPCreated, HTTPFound, HTTPNotModified]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def backends(family: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with fresh_backends(family, postgresql_server) as settings:
        yield settings


@pytest.fixture
def parent_id() -> str:
    """A user whose records no other test has seen."""
    return uuid.uuid4().hex


def view_app(
    backends: Any, view: Any, *, subscribers: Any = (), settings: Any = None, configure: Any = None
) -> Any:
    """Return a client of an application with a view at /v0/view."""

    def configured(config: Any) -> None:
        service(config, "view", view)
        for subscriber, event_class in subscribers:
            config.add_subscriber(subscriber, event_class)
        if configure is not None:
            configure(config)

    client = make_app([Spore], settings={**backends, **(settings or {})}, configure=configured)
    for kind in ("storage", "permission"):
        getattr(client.app.registry, kind).initialize_schema()
    return client


def service(config: Any, name: Any, view: Any) -> None:
    added = Service(name=name, path=f"/{name}")
    added.add_view("POST", view, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(added)


def writing(parent_id: Any, error_class: Any, told: bool = True) -> Any:
    """Return a view that writes a record and gives a permission, then raises."""

    def view(request: Any) -> None:
        request.registry.storage.create("spore", parent_id, {"id": "a"})
        request.registry.permission.add_principal_to_ace(f"/{parent_id}", "read", "me")
        if told:
            request.notify_resource_event(1, {"id": "a"}, ACTIONS.CREATE)
        raise error_class

    return view


def written(client: Any, parent_id: Any) -> Any:
    """Return whether the record, and the permission, are there for other requests."""
    registry = client.app.registry
    return (
        registry.storage.count_all("spore", parent_id) == 1,
        registry.permission.object_permission_principals(f"/{parent_id}", "read") == {"me"},
    )


@pytest.mark.clause("X-31")
@pytest.mark.parametrize("error_class", RAISED)
def test_what_a_request_wrote_is_kept_when_it_raises_a_response_below_400(
    backends: object, parent_id: str, error_class: Any
) -> None:
    client = view_app(backends, writing(parent_id, error_class))

    client.post("/v0/view", status=error_class.code)

    assert written(client, parent_id) == (True, True)


@pytest.mark.clause("X-31", "X-23")
@pytest.mark.parametrize("error_class", [HTTPNoContent, HTTPCreated, HTTPNotModified])
def test_it_is_kept_in_a_batch_too(backends: object, parent_id: str, error_class: Any) -> None:
    client = view_app(backends, writing(parent_id, error_class))

    (response,) = client.post_json(
        "/v0/batch", {"requests": [{"method": "POST", "path": "/view"}]}
    ).json["responses"]

    assert response["status"] == error_class.code
    assert written(client, parent_id) == (True, True)


@pytest.mark.clause("X-31", "X-23")
def test_a_redirection_that_is_raised_in_a_batch_keeps_what_came_before(
    backends: dict[str, Any], parent_id: str
) -> None:
    def redirecting(request: Any) -> None:
        request.registry.storage.create("spore", parent_id, {"id": "a"})
        raise HTTPFound("/v0/other")

    client = view_app(
        backends,
        redirecting,
        configure=lambda config: service(config, "other", lambda request: {"arrived": True}),
    )

    (response,) = client.post_json(
        "/v0/batch", {"requests": [{"method": "POST", "path": "/view"}]}
    ).json["responses"]

    assert response["body"] == {"arrived": True}
    assert client.app.registry.storage.count_all("spore", parent_id) == 1


@pytest.mark.clause("X-31")
def test_what_an_error_of_400_and_more_wrote_is_undone_as_before(
    backends: dict[str, Any], family: str, parent_id: str
) -> None:
    client = view_app(backends, writing(parent_id, httpexceptions.HTTPConflict))

    client.post("/v0/view", status=409)

    if family != "redis":
        assert written(client, parent_id) == (False, False)


@pytest.mark.clause("X-31", "P-22.1")
def test_events_are_those_of_a_response_that_is_returned(parent_id: str) -> None:
    def returning(request: Any) -> Any:
        try:
            raised_view(request)
        except HTTPNoContent as response:
            return response

    raised_view = writing(parent_id, HTTPNoContent)
    told = {}
    for view in (raised_view, returning):
        events = told[view] = []
        client = view_app(
            {},
            view,
            subscribers=[
                (events.append, one)
                for one in (ResourceChanged, AfterResourceChanged, BeforeCommit)
            ],
        )
        client.post("/v0/view", status=204)

    kinds = [[type(event) for event in events] for events in told.values()]
    assert kinds[0] == kinds[1]
    assert set(kinds[0]) == {BeforeCommit, ResourceChanged, AfterResourceChanged}


asked = []


def veto(request: Any, response: Any) -> bool:
    """Note the response that is judged, and let what is no creation be committed."""
    asked.append(response.status_code)
    return response.status_code == 201


@pytest.mark.clause("X-31", "S-14.4")
@pytest.mark.setting("tm.{option}")
@pytest.mark.parametrize(("error_class", "is_kept"), [(HTTPNoContent, True), (HTTPCreated, False)])
def test_the_veto_is_asked_about_what_is_raised(
    parent_id: str, error_class: Any, is_kept: bool
) -> None:
    asked.clear()
    told = []
    client = view_app(
        {},
        writing(parent_id, error_class),
        settings={"tm.commit_veto": f"{__name__}.veto"},
        subscribers=[(told.append, AfterResourceChanged)],
    )

    client.post("/v0/view", status=error_class.code)

    assert set(asked) == {error_class.code}
    assert written(client, parent_id) == (is_kept, is_kept)
    assert len(told) == is_kept


@pytest.mark.clause("X-31")
@pytest.mark.parametrize("has_parent", [True, False])
def test_a_request_within_a_request_that_raises_a_success_keeps_what_it_did(
    parent_id: str, has_parent: bool
) -> None:
    def outer(request: Any) -> dict[str, Any]:
        inner = (
            build_request(request, {"method": "POST", "path": "/inner"})
            if has_parent
            else Request.blank("/v0/inner", method="POST")
        )
        response = request.invoke_subrequest(inner, use_tweens=True)
        return {"status": response.status_code}

    client = view_app(
        {},
        outer,
        configure=lambda config: service(config, "inner", writing(parent_id, HTTPNoContent)),
    )

    assert client.post("/v0/view").json == {"status": 204}
    assert written(client, parent_id) == (True, True)


class Interrupted(Exception):
    """An error of the application, which it answers with a redirection."""


@pytest.mark.clause("X-31", "P-22.2")
@pytest.mark.parametrize("error", [Interrupted, httpexceptions.HTTPGone])
def test_an_error_that_is_answered_with_a_redirection_is_undone_all_the_same(
    parent_id: str, error: type
) -> None:
    client = view_app(
        {},
        writing(parent_id, error),
        configure=lambda config: config.add_exception_view(
            lambda context, request: Response(status=302, location="/"), context=error
        ),
    )

    client.post("/v0/view", status=302)

    assert written(client, parent_id) == (False, False)


@pytest.mark.clause("X-31", "P-22.2")
def test_a_success_that_an_application_answers_with_an_error_is_undone(parent_id: str) -> None:
    client = view_app(
        {},
        writing(parent_id, HTTPNoContent),
        configure=lambda config: config.add_exception_view(
            lambda context, request: Response(status=409), context=HTTPNoContent
        ),
    )

    client.post("/v0/view", status=409)

    assert written(client, parent_id) == (False, False)
