"""Requests are attempted as with ``pyramid_retry``, whichever policy an application has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.threadlocal import get_current_request
from pyramid_retry import BeforeRetry, RetryableException, RetryableExecutionPolicy
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service
from cliquet.web import attempts

pytestmark = pytest.mark.usefixtures("own_settings")


class Failing:
    """A view that fails some times before it succeeds, and what it has seen."""

    def __init__(self, failures: int, error: type[Exception] = RetryableException) -> None:
        self.failures, self.error = failures, error
        self.seen: list[tuple[int, bytes]] = []
        self.told: list[Any] = []

    def __call__(self, request: Any) -> dict[str, Any]:
        assert get_current_request() is request
        self.seen.append((request.environ["retry.attempt"], request.body))
        if len(self.seen) <= self.failures:
            raise self.error("again")
        return {}

    def app(self, configure: Any = None, **settings: Any) -> TestApp:
        """Return an application with the view."""

        def set_up(config: Any) -> None:
            service = Service(name="failing", path="/failing")
            view = lambda request: self(request)  # noqa: E731 - Cornice reads names of functions
            service.add_view("POST", view, permission=NO_PERMISSION_REQUIRED)
            config.add_cornice_service(service)
            config.add_subscriber(self.told.append, BeforeRetry)
            if configure is not None:
                configure(config)

        return make_app(settings=settings, configure=set_up)


def of_other_requests(config: Any) -> None:
    config.set_request_factory(type("Own", (Request,), {}))


def with_hook(config: Any) -> None:
    config.registry.settings["retry.activate_hook"] = lambda request: 4
    config.set_execution_policy(RetryableExecutionPolicy(3, lambda request: 4))


@pytest.mark.parametrize(("configure", "most"), [(None, 3), (of_other_requests, 3), (with_hook, 4)])
def test_failed_attempt_is_repeated_with_the_same_body(configure: object, most: int) -> None:
    """The last attempt answers, and subscribers are told of each that is repeated."""
    failing = Failing(most - 1)
    failing.app(configure).post("/v0/failing", "sent", status=200)
    assert failing.seen == [(number, b"sent") for number in range(most)]
    assert len(failing.told) == most - 1


def test_last_attempt_is_answered_with_its_error() -> None:
    """The error of the last attempt has an answer, as any other error has."""
    failing = Failing(9)
    failing.app().post("/v0/failing", "sent", status=500)
    assert len(failing.seen) == 3


def test_other_errors_are_not_attempted_again() -> None:
    """Nor is anything of the request left in the thread."""
    failing = Failing(9, ValueError)
    failing.app().post("/v0/failing", "sent", status=500)
    assert (len(failing.seen), failing.told, get_current_request()) == (1, [], None)


def test_policy_of_an_application_stays() -> None:
    """Only the policy of ``pyramid_retry`` without a hook is replaced."""
    registry = Failing(0).app().app.registry

    def own(environ: Any, router: Any) -> Any:
        raise NotImplementedError

    hooked = RetryableExecutionPolicy(3, lambda request: None)
    assert [attempts.in_short(one, registry) for one in (own, hooked)] == [own, hooked]
    assert attempts.in_short(RetryableExecutionPolicy(3), registry).__name__ == "attempting"


def test_body_that_is_made_later_finds_what_the_request_had() -> None:
    """Only the attribute ``context`` is gone by then, as with Pyramid."""
    found: list[Any] = []

    def pieces(request: Request) -> Iterator[bytes]:
        found.append((request.root, request.virtual_root, request.cornice_args[1]))
        yield b"text"

    class Streaming:
        def __init__(self, request: Request, context: Any = None) -> None:
            self.request = request

        def get(self) -> Response:
            found.append((self.request.root, self.request.virtual_root, self))
            return Response(app_iter=pieces(self.request))

    def configure(config: Any) -> None:
        service = Service(name="streaming", path="/streaming", klass=Streaming)
        service.add_view("GET", "get", klass=Streaming, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    assert make_app(configure=configure).get("/v0/streaming").body == b"text"
    assert found[1] == found[0]
