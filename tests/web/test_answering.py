"""What happens around the tweens: the callbacks of Cornice, those of applications, the response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.events import NewRequest, NewResponse
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth

SHORT, LONG = {"compiled_endpoints": "true"}, {"compiled_endpoints": "false"}
both = pytest.mark.parametrize("way", [SHORT, LONG], ids=["compiled", "layers"])

Way = Mapping[str, str]
NO_SNIFFING = "X-Content-Type-Options"


pytestmark = pytest.mark.usefixtures("own_settings")


def served(way: Way, configure: Callable[[Configurator], None], **arguments: Any) -> TestApp:
    """Return a client of an application with a service."""

    def add(config: Configurator) -> None:
        configure(config)
        service = Service(name="things", path="/things")
        options = {"permission": NO_PERMISSION_REQUIRED, **arguments}
        service.add_view("GET", lambda request: {"name": "a"}, **options)
        config.add_cornice_service(service)

    return make_app(RESOURCES, settings=way, configure=add)


def noting(seen: list[str], name: str) -> Callable[[Request, Response], None]:
    """Return a callback that notes whether that of Cornice has been called before it."""

    def note(request: Request, response: Response) -> None:
        seen.append(f"{name} {'after' if NO_SNIFFING in response.headers else 'before'} Cornice")

    return note


@both
@pytest.mark.parametrize("path", ["/v0/", "/v0/unknown", "/v0/mushrooms"])
def test_answers_forbid_to_guess_their_type_once(way: Way, path: str) -> None:
    response = make_app(RESOURCES, settings=way).get(path, status="*")

    assert response.headers.getall(NO_SNIFFING) == ["nosniff"]


@both
def test_a_view_may_allow_to_guess(way: Way) -> None:
    def allow(response: Response, request: Request) -> Response:
        response.headers[NO_SNIFFING.lower()] = "allowed"
        return response

    # Filters come before the callback that adds the header.
    response = served(way, lambda config: None, filters=[allow]).get("/v0/things")

    assert response.headers.getall(NO_SNIFFING) == ["allowed"]


@both
def test_callbacks_of_an_application_come_in_their_order(way: Way) -> None:
    seen: list[str] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(
            lambda event: event.request.add_response_callback(noting(seen, "subscriber")),
            NewRequest,
        )
        config.add_tween(f"{__name__}.calling_tween_factory")
        config.registry.seen = seen
        config.add_subscriber(lambda event: seen.append("response"), NewResponse)

    served(way, configure).get("/v0/things")

    assert seen == ["tween before Cornice", "subscriber after Cornice", "response"]


def calling_tween_factory(handler: Callable[[Request], Response], registry: Any) -> Any:
    """Return a tween that adds a callback before Cornice does."""

    def calling_tween(request: Request) -> Response:
        request.add_response_callback(noting(registry.seen, "tween"))
        return handler(request)

    return calling_tween


@both
def test_a_class_of_requests_may_keep_its_callbacks_in_its_own_way(way: Way) -> None:
    seen: list[str] = []

    class Own(Request):
        @property
        def response_callbacks(self) -> Any:
            return self.environ.setdefault("callbacks", [])

        def add_response_callback(self, callback: Any) -> None:
            self.response_callbacks.append(callback)

        def _process_response_callbacks(self, response: Response) -> None:
            seen.append(f"{len(self.response_callbacks)} callbacks")

    served(way, lambda config: config.set_request_factory(Own)).get("/v0/things")

    assert seen == ["2 callbacks"]


@both
def test_subscribers_with_predicates_are_asked(way: Way) -> None:
    seen: list[str] = []

    class OnlyAt:
        def __init__(self, value: str, config: Configurator) -> None:
            self.value = value

        def text(self) -> str:
            return self.value

        phash = text

        def __call__(self, event: Any) -> bool:
            return bool(event.request.path == self.value)

    def configure(config: Configurator) -> None:
        config.add_subscriber_predicate("only_at", OnlyAt)
        for event in (NewRequest, NewResponse):
            config.add_subscriber(
                lambda event: seen.append(type(event).__name__), event, only_at="/v0/things"
            )

    app = served(way, configure)
    app.get("/v0/")
    app.get("/v0/things")

    assert seen == ["NewRequest", "NewResponse"]


@both
def test_a_subscriber_may_be_an_object_without_a_hash(way: Way) -> None:
    @dataclass
    class Noting:
        seen: list[str]

        def __call__(self, event: Any) -> None:
            self.seen.append(type(event).__name__)

    noting = Noting([])

    def configure(config: Configurator) -> None:
        config.add_subscriber(noting, NewRequest)
        config.add_subscriber(noting, NewResponse)

    served(way, configure).get("/v0/things")

    assert noting.seen == ["NewRequest", "NewResponse"]


@both
def test_a_refused_request_of_a_batch_is_filtered_too(way: Way) -> None:
    app = make_app(RESOURCES, settings=way)
    requests = [{"path": "/mushrooms/none-such"}, {"path": "/mushrooms"}]
    batch = app.post_json("/v0/batch", {"requests": requests}, headers=basic_auth())

    assert [one["headers"][NO_SNIFFING] for one in batch.json["responses"]] == ["nosniff"] * 2


@both
def test_errors_that_no_view_answers_end_the_request(way: Way) -> None:
    seen: list[str] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(
            lambda event: event.request.add_finished_callback(lambda r: seen.append("end")),
            NewRequest,
        )

    assert served(way, configure).get("/v0/unknown", status=404)
    assert seen == ["end"]
