"""What requests leave in the permission backend, on every storage with every permission backend."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.sharing import BODY, COLLECTION, URL, grant, object_id, permissions_of, user_id
from webtest import TestApp

from cliquet.testing.web import basic_auth

OWNER = basic_auth("owner", "0")
STRANGER = basic_auth("stranger", "1")


@pytest.fixture
def url() -> str:
    return f"{URL}/{uuid.uuid4()}"


@pytest.fixture
def me(app: Any) -> Any:
    return user_id(app, OWNER)


# Creations


def put(app: TestApp, url: Any, body: Any) -> Any:
    return app.put_json(url, body, headers=OWNER, status=201)


def put_if_absent(app: TestApp, url: Any, body: Any) -> Any:
    return app.put_json(url, body, headers={**OWNER, "If-None-Match": "*"}, status=201)


def post(app: TestApp, url: Any, body: Any) -> Any:
    data = {**body["data"], "id": url.rsplit("/", 1)[1]}
    return app.post_json(URL, {**body, "data": data}, headers=OWNER, status=201)


def batch_of_put(app: TestApp, url: Any, body: Any) -> None:
    requests = [{"method": "PUT", "path": url, "body": body}]
    answer = app.post_json("/v0/batch", {"requests": requests}, headers=OWNER).json
    assert answer["responses"][0]["status"] == 201


@pytest.mark.clause("X-30", "H-5.18")
@pytest.mark.parametrize("create", [put, put_if_absent, post, batch_of_put])
@pytest.mark.parametrize("given", [{}, {"read": ["group:friends"]}])
def test_a_creation_leaves_the_permissions_that_it_gives_and_no_other(
    app: TestApp, url: str, me: str, create: Callable[..., Any], given: dict[str, Any]
) -> None:
    uri = object_id(url)
    stranger = user_id(app, STRANGER)
    for permission in ("read", "write", "toadstool:create"):
        grant(app, uri, permission, stranger)
    grant(app, f"{COLLECTION}/other", "read", stranger)

    create(app, url, {**BODY, "permissions": given})

    assert permissions_of(app, uri) == {"write": {me}, **{k: set(v) for k, v in given.items()}}
    accessible = app.app.registry.permission.get_accessible_objects([stranger])
    assert accessible == {f"{COLLECTION}/other": {"read"}}
    app.get(url, headers=STRANGER, status=403)


@pytest.mark.clause("X-30")
def test_a_replacement_keeps_who_else_may_write(app: TestApp, url: str, me: str) -> None:
    app.put_json(url, BODY, headers=OWNER, status=201)
    grant(app, object_id(url), "write", "group:friends")

    app.put_json(url, BODY, headers=OWNER, status=200)

    assert permissions_of(app, object_id(url)) == {"write": {me, "group:friends"}}
