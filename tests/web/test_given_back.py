"""A 304 that nobody but the library would look at is not looked up among exception views."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.httpexceptions import HTTPNotModified
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.tweens import EXCVIEW
from pyramid_retry import mark_error_retryable
from support.shared_apps import make_app
from testapp import RESOURCES

from cliquet import Service
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.usefixtures("own_settings")

FUTURE = {"If-None-Match": '"253402300799999"'}
Configure = Callable[[Configurator], None]


@pytest.fixture(params=["true", "false"], ids=["compiled", "layers"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Response]:
    """Return what makes an application, on one of both ways, and sends a conditional request."""

    def asked(configure: Configure | None = None, path: str = "/v0/mushrooms") -> Response:
        settings = {"compiled_endpoints": request.param}
        app = make_app(RESOURCES, settings=settings, configure=configure)
        sent = Request.blank(path, headers={**basic_auth(), **FUTURE})
        return sent.get_response(app.app)

    return asked


@pytest.mark.clause("H-10.8")
def test_no_exception_view_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(RESOURCES, settings={"compiled_endpoints": "true"})
    for headers in ({**basic_auth(), **FUTURE},) * 2:
        request = Request.blank("/v0/mushrooms", headers=headers)
        called = set()

        def watch(frame: Any, event: str, arg: Any, called: set[str] = called) -> None:
            if event == "call":
                called.add(frame.f_code.co_name)

        former = sys.getprofile()
        sys.setprofile(watch)
        try:
            response = request.get_response(app.app)
        finally:
            sys.setprofile(former)

    assert response.status == "304 Not Modified"
    assert "invoke_exception_view" not in called


def test_a_304_that_the_application_wants_to_be_tried_again_is(
    ask: Callable[..., Response],
) -> None:
    attempts: list[int] = []

    def declare(config: Configurator) -> None:
        service = Service(name="things", path="/things")

        def view(request: Request) -> Any:
            attempts.append(request.environ["retry.attempt"])
            unmodified = HTTPNotModified()
            mark_error_retryable(unmodified)
            raise unmodified

        service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    ask(declare, "/v0/things")

    assert attempts == [0, 1, 2]


def test_the_error_stays_on_the_request(ask: Callable[..., Response]) -> None:
    seen: list[Any] = []

    def note(event: NewResponse) -> None:
        seen.extend((event.response, event.request.exception, event.request.exc_info))

    response = ask(lambda config: config.add_subscriber(note, NewResponse))

    assert (response.status, response.body) == ("304 Not Modified", b"")
    assert {"Content-Type", "Content-Length"}.isdisjoint(response.headers)
    answered, raised, exc_info = seen
    assert isinstance(raised, HTTPNotModified)
    assert raised is answered
    assert exc_info is None


@pytest.mark.parametrize(
    "options",
    [{}, {"route_name": "mushroom-collection"}, {"header": "If-None-Match"}],
    ids=["all", "one route", "predicate"],
)
def test_an_exception_view_of_the_application_answers(
    ask: Callable[..., Response], options: dict[str, str]
) -> None:
    def add(config: Configurator) -> None:
        config.add_exception_view(
            lambda context, request: Response(f"own {context.status}"),
            HTTPNotModified,
            **options,
        )

    assert ask(add).text == "own 304 Not Modified"


def test_a_tween_below_exception_views_sees_what_is_raised(ask: Callable[..., Response]) -> None:
    def add(config: Configurator) -> None:
        config.add_tween(f"{__name__}.answering_tween_factory", under=EXCVIEW)

    assert ask(add).text == "caught 304 Not Modified"


def answering_tween_factory(handler: Any, registry: Any) -> Any:
    """Answer a raised 304 with a text."""

    def answering(request: Request) -> Response:
        try:
            return handler(request)
        except HTTPNotModified as error:
            return Response(f"caught {error.status}")

    return answering


def test_a_tween_above_exception_views_sees_their_error(ask: Callable[..., Response]) -> None:
    def add(config: Configurator) -> None:
        config.add_tween(
            f"{__name__}.noting_tween_factory",
            over=EXCVIEW,
            under="cliquet.transactions.tweens.scope_tween_factory",
        )

    assert ask(add).headers["X-Raised"] == "HTTPNotModified"


def noting_tween_factory(handler: Any, registry: Any) -> Any:
    """Name the error of a request in a header."""

    def noting(request: Request) -> Response:
        response = handler(request)
        kinds = [cls.__name__ for cls in request.exc_info[0].__mro__]
        response.headers["X-Raised"] = next(kind for kind in kinds if kind.startswith("HTTP"))
        return response

    return noting


def test_a_request_without_tweens_raises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def around(request: Request) -> dict[str, str]:
        inner = Request.blank("/v0/mushrooms", headers={**basic_auth(), **FUTURE})
        try:
            request.invoke_subrequest(inner)
        except HTTPNotModified as error:
            return {"raised": error.status}
        return {}

    def add(config: Configurator) -> None:
        service = Service(name="around", path="/around")
        service.add_view("GET", around, permission="__no_permission_required__")
        config.add_cornice_service(service)

    app = make_app(RESOURCES, settings={"compiled_endpoints": "true"}, configure=add)

    assert app.get("/v0/around").json == {"raised": "304 Not Modified"}
