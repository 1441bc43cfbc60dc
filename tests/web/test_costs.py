"""The functions in Python that reads and batches call: nothing may be added to them unnoticed."""

from __future__ import annotations

import gc
import sys
import uuid
from typing import Any

import colander
import pytest
from pyramid.request import Request
from support.shared_apps import make_app
from support.sharing import Toadstool

from cliquet import resource
from cliquet.testing.web import basic_auth

USER = "system.Authenticated"
OPENED = {
    "compiled_endpoints": "true",
    "toadstool_create_principals": USER,
    "toadstool_read_principals": USER,
    **{f"puffball_{name}_principals": USER for name in ("create", "read", "write")},
}
# What a request called when this was written; fewer are welcome.
BOUNDS = {"hello": 105, "record": 170, "list": 270, "unmodified": 157}


class Puffball(resource.ShareableResource):
    """A resource without hooks."""

    class PuffballSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = PuffballSchema()


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings of a test count, whichever way the other tests go (``make uncompiled``)."""
    monkeypatch.delenv("CLIQUET_COMPILED_ENDPOINTS", raising=False)


def calls_of(app: Any, path: str, headers: dict[str, str], status: int, body: Any = None) -> int:
    """Return how many functions the second of two equal requests calls.

    Parameters
    ----------
    body : that of a POST; without it, the request is a GET.
    """
    number = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal number
        number += event == "call"

    for _ in range(2):
        request = Request.blank(path, headers={**basic_auth(), **headers})
        if body is not None:
            request.method, request.json_body = "POST", body
            request.content_type = "application/json"
        number, former = 0, sys.getprofile()
        sys.setprofile(count)
        try:
            status_line, _, _ = request.call_application(app)
        finally:
            sys.setprofile(former)
        assert status_line.startswith(str(status))
    return number


def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    """Otherwise each request takes memory that the processor has not used for long."""
    app = make_app([Toadstool], settings=OPENED)
    auth = basic_auth()
    record = app.post_json("/v0/toadstools", {"data": {"name": "Fly agaric"}}, headers=auth)
    tag = app.get("/v0/toadstools", headers=auth).headers["ETag"]
    path = f"/v0/toadstools/{record.json['data']['id']}"
    requests = (
        ("/v0/", {}),
        (path, {}),
        ("/v0/toadstools?_limit=10&min_name=A", {}),
        ("/v0/toadstools", {"If-None-Match": tag}),
        (path, {"If-None-Match": tag}),
    )

    left = {}
    for url, headers in requests:
        for _ in range(2):
            request = Request.blank(url, headers={**auth, **headers})
            environ = request.environ
            gc.collect()
            gc.disable()
            try:
                app.app(environ, lambda status, headers: None)
            finally:
                gc.enable()
            left[url, tuple(headers)] = gc.collect()

    assert set(left.values()) == {0}, left


def test_a_read_calls_few_functions() -> None:
    app = make_app([Toadstool], settings=OPENED)
    auth = basic_auth()
    record = app.post_json("/v0/toadstools", {"data": {"name": "Fly agaric"}}, headers=auth)
    tag = app.get("/v0/toadstools", headers=auth).headers["ETag"]
    path = f"/v0/toadstools/{record.json['data']['id']}"

    found = {
        "hello": calls_of(app.app, "/v0/", {}, 200),
        "record": calls_of(app.app, path, {}, 200),
        "list": calls_of(app.app, "/v0/toadstools?_limit=10", {}, 200),
        "unmodified": calls_of(app.app, "/v0/toadstools", {"If-None-Match": tag}, 304),
    }

    assert {name: number for name, number in found.items() if number > BOUNDS[name]} == {}


# Of 25 requests, of which the first is one like any other.
BATCH_BOUNDS = {"POST": 3280, "GET": 1370, "PUT": 3850, "PATCH": 3960}


def test_a_batch_calls_few_functions() -> None:
    app = make_app([Puffball], settings=OPENED).app
    paths = [f"/puffballs/{uuid.uuid4()}" for _ in range(25)]
    # Each batch comes twice: PUT makes what the others read and change.
    parts = {
        "PUT": [{"path": path, "body": {"data": {"name": "Fly agaric"}}} for path in paths],
        "GET": [{"path": path} for path in paths],
        "PATCH": [{"path": path, "body": {"data": {"name": "Panther cap"}}} for path in paths],
        "POST": [{"path": "/puffballs", "body": {"data": {"name": "Death cap"}}}] * 25,
    }

    found = {}
    for method, items in parts.items():
        body = {"defaults": {"method": method}, "requests": items}
        found[method] = calls_of(app, "/v0/batch", {}, 200, body)

    assert {name: number for name, number in found.items() if number > BATCH_BOUNDS[name]} == {}
