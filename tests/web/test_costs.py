"""The functions in Python that reads and batches call: nothing may be added to them unnoticed."""

from __future__ import annotations

import gc
import sys
import uuid
from pathlib import Path
from typing import Any

import colander
import pytest
from pyramid.request import Request
from support.garbage import uncollected
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
BOUNDS = {"hello": 97, "record": 159, "list": 298, "unmodified": 145, "unmodified record": 154}


class Puffball(resource.ShareableResource):
    """A resource without hooks."""

    class PuffballSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())
        size = colander.SchemaNode(colander.Integer())
        edible = colander.SchemaNode(colander.Boolean())
        tags = colander.SchemaNode(colander.List())
        place = colander.SchemaNode(colander.Mapping(unknown="preserve"))

    mapping = PuffballSchema()


def puffball(name: str) -> dict[str, Any]:
    """Return the body of a request with a record that has members of several types."""
    place = {"country": "FR", "region": "Ardèche"}
    record = {"name": name, "size": 3, "edible": True, "tags": ["autumn", "forest"]}
    return {"data": {**record, "place": place}}


pytestmark = pytest.mark.usefixtures("own_settings")


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
        with uncollected():
            sys.setprofile(count)
            try:
                status_line, _, _ = request.call_application(app)
            finally:
                sys.setprofile(former)
        assert status_line.startswith(str(status))
    return number


@pytest.fixture
def reads() -> tuple[Any, dict[str, tuple[str, dict[str, str]]]]:
    """Return an application with a record, and requests that read: their path and their headers."""
    app = make_app([Toadstool], settings=OPENED)
    auth = basic_auth()
    record = app.post_json("/v0/toadstools", {"data": {"name": "Fly agaric"}}, headers=auth)
    tag = app.get("/v0/toadstools", headers=auth).headers["ETag"]
    path = f"/v0/toadstools/{record.json['data']['id']}"
    return app.app, {
        "hello": ("/v0/", {}),
        "record": (path, {}),
        "list": ("/v0/toadstools?_limit=10&min_name=A", {}),
        "unmodified": ("/v0/toadstools", {"If-None-Match": tag}),
        "unmodified record": (path, {"If-None-Match": tag}),
    }


def test_a_request_leaves_nothing_for_the_garbage_collector(reads: Any) -> None:
    """Otherwise each request takes memory that the processor has not used for long."""
    app, requests = reads

    left = {}
    for name, (url, headers) in requests.items():
        found = []
        for _ in range(4):
            environ = Request.blank(url, headers={**basic_auth(), **headers}).environ
            with uncollected():
                # To look through all that the tests have made would take seconds: the youngest
                # objects are those of the request.
                gc.collect(0)
                app(environ, lambda status, headers: None)
                found.append(gc.collect(0))
        # The first one fills caches, and threads of other tests may end meanwhile.
        left[name] = min(found[1:])

    assert set(left.values()) == {0}, left


def test_a_read_calls_few_functions(reads: Any) -> None:
    app, requests = reads

    found = {
        name: calls_of(app, url, headers, 304 if "If-None-Match" in headers else 200)
        for name, (url, headers) in requests.items()
    }

    assert {name: number for name, number in found.items() if number > BOUNDS[name]} == {}


def test_a_list_calls_no_function_for_each_record() -> None:
    app = make_app([Toadstool], settings=OPENED)
    found = []
    for _ in range(2):
        for _ in range(10):
            app.post_json("/v0/toadstools", {"data": {"name": "Agaric"}}, headers=basic_auth())
        found.append(calls_of(app.app, "/v0/toadstools?_limit=100", {}, 200))

    assert found[0] == found[1]


@pytest.mark.parametrize(
    "query", ["name=Milkcap", "size=3", "last_modified=3", "min_size=99", "_before=3", "gt_name=Z"]
)
def test_a_filter_for_one_value_calls_two_functions_for_each_record(query: str) -> None:
    app = make_app([Puffball], settings=OPENED)
    found = []
    for _ in range(2):
        for number in range(10):
            body = {"data": {**puffball("Agaric")["data"], "size": 10 + number}}
            app.post_json("/v0/puffballs", body, headers=basic_auth())
        found.append(calls_of(app.app, f"/v0/puffballs?{query}&_limit=100", {}, 200))

    assert found[1] - found[0] <= 20


def test_a_read_from_sqlite_calls_few_more(tmp_path: Path) -> None:
    settings = dict(OPENED)
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        settings[f"{kind}_url"] = f"sqlite:///{tmp_path}/it.db"
    app = make_app([Toadstool], settings=settings)
    body = {"data": {"name": "Fly agaric"}}
    record = app.post_json("/v0/toadstools", body, headers=basic_auth()).json["data"]

    found = calls_of(app.app, f"/v0/toadstools/{record['id']}", {}, 200)

    assert found <= 165


def test_a_list_of_shared_records_in_sqlite_calls_few(tmp_path: Path) -> None:
    settings = {"compiled_endpoints": "true", "toadstool_create_principals": USER}
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        settings[f"{kind}_url"] = f"sqlite:///{tmp_path}/it.db"
    app = make_app([Toadstool], settings=settings)
    reader = app.get("/v0/", headers=basic_auth()).json["user"]["id"]
    body = {"data": {"name": "Fly agaric"}, "permissions": {"read": [reader]}}
    path = app.post_json("/v0/toadstools", body, headers=basic_auth("another")).json["data"]["id"]
    tag = app.get("/v0/toadstools", headers=basic_auth()).headers["ETag"]

    found = {
        "list": calls_of(app.app, "/v0/toadstools?_limit=10", {}, 200),
        "unmodified": calls_of(app.app, "/v0/toadstools", {"If-None-Match": tag}, 304),
        "record": calls_of(app.app, f"/v0/toadstools/{path}", {}, 200),
    }

    bounds = {"list": 550, "unmodified": 345, "record": 253}
    assert {name: number for name, number in found.items() if number > bounds[name]} == {}


# Of 25 requests, of which the first is one like any other.
BATCH_BOUNDS = {
    "memory": {"POST": 2860, "GET": 1225, "PUT": 3230, "PATCH": 3690},
    "sqlite": {"POST": 2310, "GET": 1125, "PUT": 2645, "PATCH": 3075},
}


@pytest.mark.parametrize("backend", BATCH_BOUNDS)
def test_a_batch_calls_few_functions(backend: str, tmp_path: Path) -> None:
    settings = dict(OPENED)
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.{backend}"
        settings[f"{kind}_url"] = f"sqlite:///{tmp_path}/it.db" if backend == "sqlite" else ""
    app = make_app([Puffball], settings=settings).app
    for kind in ("storage", "permission"):
        getattr(app.registry, kind).initialize_schema()
    paths = [f"/puffballs/{uuid.uuid4()}" for _ in range(25)]
    # Each batch comes twice: PUT makes what the others read and change.
    parts = {
        "PUT": [{"path": path, "body": puffball("Fly agaric")} for path in paths],
        "GET": [{"path": path} for path in paths],
        "PATCH": [{"path": path, "body": puffball("Panther cap")} for path in paths],
        "POST": [{"path": "/puffballs", "body": puffball("Death cap")}] * 25,
    }

    found = {}
    for method, items in parts.items():
        body = {"defaults": {"method": method}, "requests": items}
        found[method] = calls_of(app, "/v0/batch", {}, 200, body)

    bounds = BATCH_BOUNDS[backend]
    assert {name: number for name, number in found.items() if number > bounds[name]} == {}
