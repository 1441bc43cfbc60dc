"""Code that nothing would await is refused at the start, with its file and its line."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import colander
import pytest
from pyramid.events import NewRequest, subscriber
from pyramid.exceptions import ConfigurationError

from cliquet import Service, resource
from cliquet.events import ResourceChanged
from cliquet.testing.web import make_app

AWAIT = "is async, and nothing would await it; allowed: a function with def."


async def on_change(event: Any) -> None:
    raise AssertionError


@subscriber(ResourceChanged, for_resources=["mushroom"])  # type: ignore[untyped-decorator, unused-ignore]
async def declared(event: Any) -> None:
    raise AssertionError


class Told:
    async def __call__(self, event: Any) -> None:
        raise AssertionError

    async def tell(self, event: Any) -> None:
        raise AssertionError


async def answer(request: Any) -> dict[str, Any]:
    return {}


class Views:
    def __init__(self, request: Any) -> None:
        self.request = request

    async def get(self) -> dict[str, Any]:
        return {}


def validate(request: Any, **kwargs: Any) -> None:
    """Do nothing."""


async def check(request: Any, **kwargs: Any) -> None:
    raise AssertionError


def place(code: Any) -> str:
    return f"{__file__}:{inspect.getsourcelines(code)[1]}: "


def refusal(configure: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make_app(configure=configure)
    return str(caught.value)


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        (on_change, on_change, "on_change"),
        (Told(), Told.__call__, "Told"),
        (Told().tell, Told.tell, "Told.tell"),
    ],
)
@pytest.mark.parametrize("event", [ResourceChanged, NewRequest])
def test_subscribers_are_refused(given: object, code: object, name: str, event: object) -> None:
    said = refusal(lambda config: config.add_subscriber(given, event))

    assert said == f"{place(code)}the subscriber {name} {AWAIT}"


@pytest.mark.clause("E-8.19")
def test_subscribers_that_a_decorator_declares_are_refused() -> None:
    said = refusal(lambda config: config.scan(__name__))

    assert said == f"{place(declared)}the subscriber declared {AWAIT}"


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        ({"view": answer}, answer, "answer"),
        ({"view": Views, "attr": "get"}, Views.get, "Views.get"),
    ],
)
def test_plain_views_are_refused(given: Any, code: object, name: str) -> None:
    def configure(config: Any) -> None:
        config.add_route("plain", "/plain")
        config.add_view(route_name="plain", renderer="json", **given)

    assert refusal(configure) == f"{place(code)}the view {name} {AWAIT}"


@pytest.mark.clause("E-8.19")
def test_views_that_something_of_the_application_awaits_are_allowed() -> None:
    def awaiting(view: Any) -> Any:
        @functools.wraps(view)
        def wrapper(context: Any, request: Any) -> Any:
            return view(context, request)

        return wrapper

    def configure(config: Any) -> None:
        config.add_route("plain", "/plain")
        config.add_view(answer, route_name="plain", renderer="json", decorator=awaiting)

    make_app(configure=configure)


@pytest.mark.clause("E-8.19")
def test_views_that_a_deriver_awaits_are_allowed() -> None:
    def awaiting(view: Any, info: Any) -> Any:
        return view

    def configure(config: Any) -> None:
        config.add_view_deriver(awaiting, name="awaiting")
        config.add_route("plain", "/plain")
        config.add_view(answer, route_name="plain", renderer="json")

    make_app(configure=configure)


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize("kind", ["validators", "filters", "factory"])
def test_helpers_of_services_are_refused(kind: str) -> None:
    given: Any = {kind: check} if kind == "factory" else {}
    service = Service(name="hello", path="/hello", **given)
    service.add_view("GET", lambda request: {}, **({} if given else {kind: [validate, check]}))

    said = refusal(lambda config: config.add_cornice_service(service))

    assert said == f"{place(check)}service 'hello': check of {kind} {AWAIT}"


async def is_short(node: Any, value: Any) -> None:
    raise AssertionError


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("validator", is_short),
        ("validator", colander.All(colander.Length(1), is_short)),
        ("preparer", [is_short]),
        ("missing", colander.deferred(is_short)),
    ],
)
def test_functions_of_fields_are_refused(kind: str, given: object) -> None:
    class MossSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), **{kind: given})

    class Moss(resource.UserResource):
        mapping = MossSchema()

    with pytest.raises(ConfigurationError) as caught:
        make_app([Moss])

    assert f"{place(is_short)}the {kind} of the field 'name' {AWAIT}" in str(caught.value)


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize("introspection", [True, False])
def test_applications_without_introspection_start(introspection: bool) -> None:
    make_app(configure=lambda config: setattr(config, "introspection", introspection))
