"""The responses of the library are sent as those of WebOb."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.response import Response

from cliquet.web.plain_responses import PLAIN_CLASSES, new_response

ENVIRON = {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost", "SCRIPT_NAME": "/mushrooms"}


def sent_by(response: Response, method: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the status, the headers and the body that a response sends."""
    started: list[Any] = []
    environ = {**ENVIRON, "REQUEST_METHOD": method, "PATH_INFO": "/v1/"}
    body = b"".join(response(environ, lambda *told: started.extend(told)))
    return started[0], started[1], body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("200 OK", []),
        ("200 OK", [("ETag", '"1"'), ("X-Request-Id", "a")]),
        ("201 Created", [("location", "/v1/mushrooms/1")]),
        ("307 Temporary Redirect", [("Location", "http://example.org/")]),
    ],
)
def test_it_sends_what_one_of_webob_sends(
    status: str, more: list[tuple[str, str]], method: str
) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Length", "2"), *more]
    one, other = (
        new_response([*headers], [b"{}"]),
        Response(headerlist=[*headers], app_iter=[b"{}"]),
    )
    one.status = other.status = status

    assert sent_by(one, method) == sent_by(other, method)
    assert isinstance(one, Response)
    assert {type(one), type(other)} == set(PLAIN_CLASSES)


def test_it_answers_conditions_if_it_should() -> None:
    one = new_response([("Content-Type", "text/plain"), ("ETag", '"1"')], [b"text"])
    one.conditional_response = True
    environ = {**ENVIRON, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_IF_NONE_MATCH": '"1"'}
    started: list[Any] = []

    list(one(environ, lambda *told: started.extend(told)))

    assert started[0] == "304 Not Modified"


def test_a_server_may_change_the_headers_that_it_gets() -> None:
    one = new_response([("Content-Length", "0")], [b""])

    _, headers, _ = sent_by(one, "GET")
    headers.clear()

    assert one.headerlist == [("Content-Length", "0")]
