"""The comparison of responses with the description of their service finds what differs."""

from collections.abc import Callable
from typing import Any

import pytest
from support.described_responses import deviations
from testapp import RESOURCES
from webtest import TestApp, TestRequest

from cliquet.testing.web import basic_auth, make_app

Change = Callable[[Any], None]


def body(text: bytes) -> Change:
    return lambda response: setattr(response, "body", text)


def header(name: str, value: str) -> Change:
    return lambda response: response.headers.__setitem__(name, value)


def status(code: int) -> Change:
    return lambda response: setattr(response, "status_int", code)


@pytest.fixture(scope="module")
def client() -> TestApp:
    return make_app(RESOURCES)


def judged(client: TestApp, change: Change | None, url: str, **kwargs: Any) -> list[str]:
    request = TestRequest.blank(url, headers=basic_auth(), **kwargs)
    response = client.do_request(request, expect_errors=True)
    if change is not None:
        change(response)
    return deviations(client.app, request, response)


@pytest.mark.parametrize(
    "url", ["/v0/", "/v0/mushrooms", "/v0/mushrooms?_limit=x", "/v0/unknown", "/v0/__api__"]
)
def test_true_responses_have_no_deviations(client: TestApp, url: str) -> None:
    assert judged(client, None, url) == []


@pytest.mark.clause("E-5.4")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (body(b'{"data": {}}'), "$.data {} is not of type 'array'"),
        (body(b'{"data": [{"id": 1}]}'), "not valid under any of the given schemas"),
        (header("ETag", "weak"), "ETag"),
        (header("Location", "/"), "the header location is not described"),
        (header("Content-Type", "text/html"), "'text/html' is not described"),
        (status(409), "the status is not described"),
        (status(404), "$ 'code' is a required property"),
    ],
)
def test_a_wrong_response_is_told(client: TestApp, change: Change, told: str) -> None:
    found = judged(client, change, "/v0/mushrooms")

    assert any(told in one for one in found), found


def test_an_unknown_number_of_an_error_is_told(client: TestApp) -> None:
    change = body(b'{"code": 400, "errno": 42, "error": "Bad"}')

    assert "errno 42" in judged(client, change, "/v0/mushrooms?_limit=x")[0]


def test_the_answers_of_a_batch_are_compared_too(client: TestApp) -> None:
    sent = b'{"requests": [{"path": "/v0/mushrooms"}]}'
    answer = b'{"responses": [{"status": 409, "path": "/v0/mushrooms", "headers": {}, "body": {}}]}'
    options: dict[str, Any] = {"POST": sent, "content_type": "application/json"}

    assert judged(client, None, "/v0/batch", **options) == []
    assert "409" in judged(client, body(answer), "/v0/batch", **options)[0]
