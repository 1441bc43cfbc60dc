"""What an application adds to requests: as Pyramid promises it, in one class for all of them."""

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from webtest import TestApp

from cliquet.web.registrations import SharedExtensions


class OwnRequest(Request):
    """A request that an application makes, with an attribute of its own."""

    def __init__(self, environ: Any, **kwargs: Any) -> None:
        super().__init__(environ, **kwargs)
        self.origin = "class"


def from_function(environ: Any) -> Any:
    return OwnRequest(environ)


def of_new_class(environ: Any) -> Any:
    return type("Fleeting", (OwnRequest,), {})(environ)


FACTORIES = {
    "pyramid": None,
    "class": OwnRequest,
    "function": from_function,
    "new-class": of_new_class,
}


class Additions:
    """Request methods of an application, and how often each was asked."""

    def __init__(self) -> None:
        self.asked = []

    def add_to(self, config: Any) -> None:
        def note(name: Any) -> Any:
            def function(request: Any, *args: Any) -> str:
                self.asked.append(name)
                return f"{name} of {request.path}"

            return function

        config.add_request_method(note("called"), "called")
        config.add_request_method(note("anew"), "anew", property=True)
        config.add_request_method(note("once"), "once", reify=True)
        config.add_request_method(property(note("fixed")), "fixed", property=True)
        # Of the library: an application may replace it (P-3.2), once the former is committed.
        config.add_request_method(lambda request: {"id": "nobody"}, "get_user_info")
        config.commit()
        config.add_request_method(note("called now"), "called")
        config.add_request_method(note("anew as method"), "anew")


def asked_of(request: Any) -> list[Any]:
    """Return what a request answers, to all that may be asked of it."""
    answers = [
        request.called(),
        request.once,
        request.once,
        request.fixed,
        request.anew(),
        request.get_user_info(),
    ]
    request.once = "set"
    answers += [request.once, getattr(request, "origin", None), request.bound_data]
    request.set_property(lambda request: "its own", "own")
    return [*answers, request.own, isinstance(request, Request), type(request).__name__]


def service(*, factory: Any = None, ask: Any = asked_of, configure: Any = None) -> Any:
    """Return an application with a view that asks its request, and the answers that it got."""
    answers = []

    def view(request: Any) -> dict[Any, Any]:
        answers.append(ask(request))
        return {}

    def set_up(config: Any) -> None:
        if factory is not None:
            config.set_request_factory(factory)
        if configure is not None:
            configure(config)
        config.add_route("probe", "/probe")
        config.add_view(
            view, route_name="probe", renderer="json", permission=NO_PERMISSION_REQUIRED
        )

    return make_app(configure=set_up), answers


def as_pyramid_does(app: TestApp) -> Any:
    """Have an application add to each request anew, as if the library left it alone."""
    app.app.request_extensions = app.app.request_extensions._extensions
    app.app.registry.shared_extensions = None
    return app


def in_batch(app: TestApp) -> None:
    app.post_json("/v0/batch", {"requests": [{"path": "/probe"}, {"path": "/probe"}]})


def by_hand(app: TestApp) -> None:
    """Have a view send a request that was made by hand, and one of a class of its own."""
    for cls in (Request, OwnRequest):
        app.app.invoke_subrequest(cls.blank("/v0/probe"))


ORIGINS = {"client": lambda app: app.get("/v0/probe"), "batch": in_batch, "hand": by_hand}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.clause("P-5", "P-3.2")
def test_requests_have_what_pyramid_would_add_to_each(factory: str, origin: str) -> None:
    shared, apart = Additions(), Additions()
    app, answers = service(factory=FACTORIES[factory], configure=shared.add_to)
    other, expected = service(factory=FACTORIES[factory], configure=apart.add_to)

    ORIGINS[origin](app)
    ORIGINS[origin](as_pyramid_does(other))

    assert answers == expected
    assert shared.asked == apart.asked
    assert "once of /v0/probe" in expected[0]


def test_a_property_that_replaces_a_method_is_one() -> None:
    def configure(config: Any) -> None:
        config.add_request_method(lambda request: "method", "replaced")
        config.commit()
        config.add_request_method(property(lambda request: "property"), "replaced", property=True)

    app, answers = service(ask=lambda request: request.replaced, configure=configure)
    app.get("/v0/probe")
    in_batch(app)

    assert answers == ["property"] * 3


def test_requests_of_one_class_share_what_is_added() -> None:
    app, classes = service(ask=type)

    app.get("/v0/probe")
    app.get("/v0/probe")
    in_batch(app)

    assert len(set(classes)) == 1
    assert issubclass(classes[0], Request)
    assert (classes[0].__module__, classes[0].__name__) == ("pyramid.request", "Request")


def test_what_is_added_to_one_request_is_not_added_to_the_others() -> None:
    def ask(request: Any) -> Any:
        had = hasattr(request, "own")
        request.set_property(lambda request: "its own", "own", reify=True)
        return had, request.own

    app, answers = service(ask=ask)
    app.get("/v0/probe")
    app.get("/v0/probe")

    assert answers == [(False, "its own"), (False, "its own")]


@pytest.mark.parametrize("is_property", [True, False], ids=["property", "method"])
def test_what_is_added_to_a_running_application_counts(is_property: bool) -> None:
    kept = []

    def configure(config: Any) -> None:
        kept.append(config)
        config.add_request_method(lambda request: "before", "added", property=is_property)
        config.add_route("probe", "/probe")
        config.add_view(
            lambda request: {"added": request.added if is_property else request.added()},
            route_name="probe",
            renderer="json",
            permission=NO_PERMISSION_REQUIRED,
        )

    app = make_app(configure=configure)
    before = app.get("/v0/probe").json
    kept[0].add_request_method(lambda request: "after", "added", property=is_property)
    kept[0].commit()

    assert before == {"added": "before"}
    assert app.get("/v0/probe").json == {"added": "after"}


def test_two_applications_add_each_their_own() -> None:
    first, answers = service(
        configure=Additions().add_to, ask=lambda request: request.get_user_info()
    )
    second, others = service(ask=lambda request: request.get_user_info())

    for app in (first, second, first):
        app.get("/v0/probe")
    # Sent from one to the other, it is a request of both.
    request = Request.blank("/v0/probe")
    first.app.invoke_subrequest(request)
    second.app.invoke_subrequest(request)

    assert answers == [{"id": "nobody"}] * 3
    assert others == [{"id": None}] * 2


def test_classes_of_requests_that_come_and_go_are_not_kept() -> None:
    app, _ = service(factory=of_new_class, ask=type)

    for _ in range(100):
        app.get("/v0/probe")

    shared = app.app.registry.shared_extensions
    assert isinstance(shared, SharedExtensions)
    assert len(shared.classes) <= 64


def test_classes_of_requests_that_were_looked_up_are_freed() -> None:
    """What Pyramid looks up for a request does not keep its class alive."""
    root = SimpleNamespace(__name__="", __parent__=None)

    def ask(request: Any) -> Any:
        assert request.resource_url(root) == "http://localhost/"
        return weakref.ref(type(request))

    app, classes = service(factory=of_new_class, ask=ask)

    for _ in range(100):
        app.get("/v0/probe")

    gc.collect()
    assert sum(cls() is not None for cls in classes) <= 64
