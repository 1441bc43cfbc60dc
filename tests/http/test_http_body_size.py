"""No body is larger than the service wants to hold (X-34)."""

import gc
import io
import json
import tracemalloc
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom, Spore
from webob.request import DisconnectionError
from webtest import TestApp, TestRequest

from cliquet.testing.web import basic_auth

LIMIT = 200
REFUSAL = "The body is larger than 200 bytes (setting max_body_bytes)"


@pytest.fixture
def app() -> TestApp:
    return make_app([Mushroom, Spore], settings={"max_body_bytes": str(LIMIT)})


def body_of(size: Any) -> Any:
    """Return the body of a creation, of so many bytes."""
    empty = b'{"data": {"name": ""}}'
    return empty[:-3] + b"a" * (size - len(empty)) + empty[-3:]


class Stream(io.BytesIO):
    """A body that counts what is read of it."""

    given = 0

    def read(self, size: Any = -1) -> Any:
        piece = super().read(size)
        self.given += len(piece)
        return piece


def send(
    app: TestApp,
    stream: Any,
    *,
    length: Any = None,
    path: str = "/v0/mushrooms",
    method: str = "POST",
) -> Any:
    """Send a body, in chunks unless its length is told."""
    headers = {**basic_auth(), "Content-Type": "application/json"}
    request = TestRequest.blank(path, method=method, headers=headers)
    request.environ["wsgi.input"] = stream
    if length is None:
        request.environ.pop("CONTENT_LENGTH", None)
        request.environ["wsgi.input_terminated"] = True
    else:
        request.environ["CONTENT_LENGTH"] = str(length)
    return app.do_request(request, status="*")


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_body_bytes")
@pytest.mark.parametrize("is_told", [True, False], ids=["length", "chunks"])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413)])
def test_a_body_beyond_the_limit_is_413(
    app: TestApp, size: int, status: int, is_told: bool
) -> None:
    response = send(app, Stream(body_of(size)), length=size if is_told else None)

    assert response.status_code == status
    if status == 413:
        assert response.json == {
            "code": 413,
            "errno": 113,
            "error": "Request Entity Too Large",
            "message": REFUSAL,
        }
        assert {"X-Request-Id", "Access-Control-Expose-Headers"} <= set(response.headers)


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("length", ["999999999999", "0" * 30 + "201", "9" * 4000])
def test_a_declared_length_is_judged_before_the_body_is_read(app: TestApp, length: str) -> None:
    stream = Stream(b"a" * 10_000)

    assert send(app, stream, length=length).status_code == 413
    # Some is dropped, so that a client that is still sending gets to read the answer.
    assert stream.given == 8 * LIMIT


@pytest.mark.clause("X-34")
def test_chunks_are_counted_while_they_are_read(app: TestApp) -> None:
    stream = Stream(b"a" * 10_000)

    assert send(app, stream).status_code == 413
    assert stream.given == LIMIT + 1 + 8 * LIMIT


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v0/mushrooms", "/v0/", "/v0/batch", "/nowhere"])
def test_no_endpoint_takes_a_larger_body(app: TestApp, method: str, path: str) -> None:
    response = send(app, Stream(b"a" * 300), length=300, path=path, method=method)

    assert (response.status_code, response.json["errno"]) == (413, 113)


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_setting_any_body_is_taken(value: str) -> None:
    app = make_app([Mushroom], settings={"max_body_bytes": value})

    assert send(app, Stream(body_of(20_000)), length=20_000).status_code == 201
    assert send(app, Stream(body_of(20_000))).status_code == 201


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("is_told", [True, False], ids=["length", "chunks"])
def test_a_body_is_held_in_memory_rather_than_in_a_file(is_told: bool) -> None:
    app = make_app([Mushroom])

    # Where a file is left to the garbage collector, warnings are errors.
    response = send(app, Stream(body_of(20_000)), length=20_000 if is_told else None)

    assert response.status_code == 201
    assert isinstance(response.request.environ["wsgi.input"], io.BytesIO)


@pytest.mark.clause("X-34")
def test_a_body_that_ends_early_is_not_taken_for_a_whole_one() -> None:
    app = make_app([Mushroom])

    with pytest.raises(DisconnectionError):
        send(app, Stream(body_of(20_000)), length=30_000)


@pytest.mark.slow
@pytest.mark.clause("X-34")
@pytest.mark.parametrize("in_batch", [False, True])
def test_a_large_body_is_freed_when_its_request_is_over(in_batch: bool) -> None:
    app = make_app([Mushroom])
    # Ignored, hence not stored.
    item = {
        "method": "POST",
        "path": "/mushrooms",
        "body": {"data": {"name": "a", "x": "a" * 2**21}},
    }
    path, body = (
        ("/v0/batch", {"requests": [item] * 2}) if in_batch else (item["path"], item["body"])
    )
    request = (f"/v0{path.removeprefix('/v0')}", json.dumps(body).encode())  # type: ignore[attr-defined]
    headers = {**basic_auth(), "Content-Type": "application/json"}
    app.post(*request, headers=headers)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            app.app(
                TestRequest.blank(
                    request[0], method="POST", headers=headers, body=request[1]
                ).environ,
                lambda *args: None,
            )
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert kept < 2**20


CROWDS = {
    "numbers": "[" + "1," * 110_000 + "1]",
    "arrays": "[" + "[]," * 55_000 + "[]]",
    "objects": "[" + "{}," * 55_000 + "{}]",
    "members": "{" + ",".join(f'"{n}":1' for n in range(110_000)) + "}",
    "numbers that need care": "[" + "1e400," * 110_000 + "1]",
}


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("crowd", CROWDS.values(), ids=CROWDS)
@pytest.mark.parametrize(
    ("method", "content_type", "template"),
    [
        ("POST", "application/json", '{"data": {"a": %s}}'),
        ("PATCH", "application/json-patch+json", '[{"op": "add", "path": "/a", "value": %s}]'),
    ],
)
def test_many_small_values_are_400(
    method: str, content_type: str, template: str, crowd: str
) -> None:
    app = make_app([Spore])
    url = app.post_json("/v0/spores", {}, headers=basic_auth()).json["data"]["id"]
    path = "/v0/spores" if method == "POST" else f"/v0/spores/{url}"
    headers = {**basic_auth(), "Content-Type": content_type}

    response = app.request(
        path, method=method, body=(template % crowd).encode(), headers=headers, status=400
    )

    assert "More than 65536 values (setting max_body_bytes)" in response.json["message"]


@pytest.mark.clause("X-34")
def test_marks_in_texts_are_no_values() -> None:
    app = make_app([Spore])
    text = ',[{"\\' * 60_000

    created = app.post_json("/v0/spores", {"data": {"a": text}}, headers=basic_auth(), status=201)

    assert created.json["data"]["a"] == text


@pytest.mark.clause("X-34")
def test_larger_bodies_may_hold_more_values() -> None:
    app = make_app([Spore], settings={"max_body_bytes": "40000000"})
    body = {"data": {"a": [1] * 200_000}}

    app.post_json("/v0/spores", body, headers=basic_auth(), status=201)
