"""The view of a service is chosen by the method, and views of applications keep their rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyramid.config.views
import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IMultiView, IRouteRequest, IViewClassifier
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from webtest import TestApp
from zope.interface import Interface

from cliquet import Service

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

PATH = "/v0/things"


def text_view(text: str) -> Callable[..., Response]:
    """Return a view that answers a text."""
    return lambda *args: Response(text)


def serving(configure: Callable[[Configurator], None] = lambda config: None) -> TestApp:
    """Return a client of an application that has a service, and what `configure` adds."""

    def add(config: Configurator) -> None:
        service = Service(name="things", path="/things")
        for method in METHODS:
            service.add_view(method, text_view(method), permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        # What comes later is an override, and no conflict.
        config.commit()
        configure(config)

    return make_app(configure=add)


def texts(app: TestApp, path: str = PATH, **kwargs: Any) -> dict[str, str]:
    """Return what each method answers."""
    return {method: app.request(path, method=method, **kwargs).text for method in METHODS}


def test_no_error_is_made_for_the_views_of_other_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    app = serving()
    mismatches: list[Any] = []

    class Mismatch(pyramid.config.views.PredicateMismatch):
        def __init__(self, *args: Any) -> None:
            mismatches.append(args)
            super().__init__(*args)

    monkeypatch.setattr(pyramid.config.views, "PredicateMismatch", Mismatch)

    assert texts(app) == {method: method for method in METHODS}
    assert app.request(PATH, method="HEAD").status_code == 200
    assert mismatches == []


def test_other_methods_are_refused_and_nothing_is_kept_of_them() -> None:
    app = serving()
    registry = app.app.registry
    route = registry.getUtility(IRouteRequest, name="things")
    views = registry.adapters.registered((IViewClassifier, route, Interface), IMultiView)
    before = set(views._views_of)

    answer = Request.blank(PATH, method="BREW").get_response(app.app)

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {*METHODS, "HEAD", "OPTIONS"}
    assert set(views._views_of) == before == {*METHODS, "HEAD", "OPTIONS"}


def test_an_application_may_replace_the_view_of_a_method() -> None:
    app = serving(
        lambda config: config.add_view(text_view("own"), route_name="things", request_method="PUT")
    )

    assert texts(app) == {**{method: method for method in METHODS}, "PUT": "own"}


def test_an_application_may_add_a_view_with_a_predicate() -> None:
    def configure(config: Configurator) -> None:
        config.add_view(
            text_view("own"), route_name="things", request_method="GET", request_param="own"
        )
        config.add_view(text_view("any"), route_name="things", request_param="any")

    app = serving(configure)

    assert texts(app) == {method: method for method in METHODS}
    assert texts(app, f"{PATH}?own=1") == {**texts(app), "GET": "own"}
    assert texts(app, f"{PATH}?any=1") == dict.fromkeys(METHODS, "any")


def test_an_application_may_add_a_view_for_a_media_type() -> None:
    app = serving(
        lambda config: config.add_view(
            text_view("plain"), route_name="things", request_method="GET", accept="text/plain"
        )
    )

    plain = texts(app, headers={"Accept": "text/plain"})

    assert plain == {**{method: method for method in METHODS}, "GET": "plain"}
    assert texts(app, headers={"Accept": "text/html"})["GET"] == "GET"


def test_an_application_may_exclude_a_method() -> None:
    def configure(config: Configurator) -> None:
        config.add_view(
            text_view("read"),
            route_name="things",
            request_method=pyramid.config.not_(METHODS[1:]),
            request_param="own",
        )

    app = serving(configure)

    assert texts(app, f"{PATH}?own=1") == {**texts(app), "GET": "read"}


def test_view_derivers_of_an_application_see_each_view() -> None:
    derived: list[str] = []

    def deriver(view: Any, info: Any) -> Any:
        derived.extend(getattr(info.original_view, "__name__", "").split())
        return view

    def put(request: Any) -> Response:
        return Response("")

    def add(config: Configurator) -> None:
        config.add_view_deriver(deriver, name="mine")
        service = Service(name="things", path="/things")
        service.add_view("PUT", put, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    make_app(configure=add)

    assert "put" in derived


def test_a_service_may_use_a_route_that_is_added_later() -> None:
    def add(config: Configurator) -> None:
        service = Service(name="things", pyramid_route="own")
        service.add_view("GET", text_view("GET"), permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        config.add_route("own", "/own")

    app = make_app(configure=add)

    assert app.get("/v0/own").text == "GET"
    app.put("/v0/own", status=405)
