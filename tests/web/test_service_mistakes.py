"""Mistakes in the services of an application, each met at the start, and named."""

from collections.abc import Callable
from inspect import getsourcelines
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError

from cliquet import Service
from cliquet.testing.web import make_app


def refusal(*services: Service, error: type[Exception] = ConfigurationError) -> str:
    """Return the message of the error at the start of an application with services."""

    def configure(config: Any) -> None:
        for service in services:
            config.add_cornice_service(service)

    with pytest.raises(error) as caught:
        make_app(configure=configure)
    return str(caught.value)


async def awaited(request: Any) -> dict[str, Any]:
    return {}


def without_request() -> dict[str, Any]:
    return {}


def view(request: Any) -> dict[str, Any]:
    return {}


class Views:
    def __init__(self, request: Any, context: Any = None) -> None:
        self.request = request

    async def get(self) -> dict[str, Any]:
        return {}


def place(function: Callable[..., Any]) -> str:
    return f"{__file__}:{getsourcelines(function)[1]}: service 'hello'"


def hello(path: str = "/hello", **arguments: Any) -> Service:
    return Service(name="hello", path=path, **arguments)


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (awaited, "the view of GET, awaited, is async, and nothing would await it; allowed: "),
        (without_request, "the view of GET, without_request, takes (), and is called with other "),
    ],
)
def test_a_view_that_cannot_be_called_is_refused(function: Any, said: str) -> None:
    service = hello()
    service.get()(function)

    assert f"{place(function)}: {said}" in refusal(service)


@pytest.mark.clause("E-8.19")
def test_a_method_of_a_class_of_views_is_judged_too() -> None:
    service = hello()
    service.add_view("GET", "get", klass=Views)

    assert f"{place(Views.get)}: the view of GET, Views.get, is async" in refusal(service)


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize("is_whole", [False, True])
def test_an_unknown_argument_is_named_with_its_place(is_whole: bool) -> None:
    wrong = {"permision": "private"}
    service = hello(**(wrong if is_whole else {}))
    service.get(**({} if is_whole else wrong))(view)

    message = refusal(service)

    assert f"{place(view)}: GET has no argument 'permision'; allowed: accept, " in message
    assert "; did you mean 'permission'?" in message


@pytest.mark.clause("E-8.19")
def test_two_services_with_one_name_are_both_named() -> None:
    first, second = hello(), hello(path="/other")
    first.get()(view)
    second.get()(without_context := lambda request: {})

    message = refusal(first, second, error=ConfigurationConflictError)

    assert "two services have the name 'hello'" in message
    assert place(view) in message
    assert place(without_context) in message


@pytest.mark.clause("E-8.19")
def test_arguments_of_derivers_of_the_application_are_known() -> None:
    def colouring(inner: Any, info: Any) -> Any:
        return inner

    colouring.options = ("colour",)  # type: ignore[attr-defined]  # read by Pyramid
    service = hello()
    service.get(colour="green")(view)

    def configure(config: Any) -> None:
        config.add_cornice_service(service)
        config.add_view_deriver(colouring)

    make_app(configure=configure).get("/v0/hello")
