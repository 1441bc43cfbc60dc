"""One of the two backends fails: neither a record without its permissions, nor the reverse.

With a transaction per request, and without: each operation is then one of its own (X-24).
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from support.combinations import running_combination
from support.sharing import BODY, URL, contents, object_id, permissions_of, user_id
from webtest import TestApp

from cliquet.storage.exceptions import BackendError
from cliquet.testing.faults import FaultyBackend
from cliquet.testing.web import basic_auth

OWNER = basic_auth("owner", "0")
PUBLIC = {**BODY, "permissions": {"read": ["system.Everyone"]}}


@pytest.fixture(scope="module", params=[True, False], ids=["per request", "without"])
def combined_app(request: pytest.FixtureRequest, combination: Any) -> Iterator[Any]:
    settings = {"transaction_per_request": request.param}
    with running_combination(combination, request, **settings) as app:
        yield app


@pytest.fixture
def app(app: Any) -> Iterator[Any]:
    registry = app.app.registry
    backends = registry.storage, registry.permission
    yield app
    registry.storage, registry.permission = backends


@pytest.fixture
def url(app: Any) -> Any:
    """A record."""
    url = f"{URL}/{uuid.uuid4()}"
    app.put_json(url, BODY, headers=OWNER, status=201)
    return url


def fail(*_args: Any, **_kwargs: Any) -> None:
    raise BackendError(message="out of order")


def send(app: TestApp, name: Any, url: Any) -> Any:
    if name == "POST":
        return app.post_json(URL, PUBLIC, headers=OWNER, status=503)
    if name == "PUT of a new record":
        url = f"{URL}/{uuid.uuid4()}"
    if name == "DELETE":
        return app.delete(url, headers=OWNER, status=503)
    method = app.patch_json if name == "PATCH" else app.put_json
    return method(url, PUBLIC, headers=OWNER, status=503)


def held(app: TestApp) -> Any:
    names = [user_id(app, OWNER), "system.Everyone"]
    return app.app.registry.permission.get_accessible_objects(names)


REQUESTS = ["POST", "PUT of a new record", "PUT", "PATCH", "DELETE"]


@pytest.mark.clause("X-30", "X-24", "B-18.5")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_record_whose_permissions_cannot_be_written_is_not_either(
    app: TestApp, url: str, name: str
) -> None:
    before = contents(app)[0], permissions_of(app, object_id(url)), held(app)
    registry = app.app.registry
    registry.permission = FaultyBackend(
        registry.permission, add_principal_to_ace=fail, delete_object_permissions=fail
    )

    send(app, name, url)

    assert (contents(app)[0], permissions_of(app, object_id(url)), held(app)) == before


@pytest.mark.clause("X-30", "X-24", "B-18.5")
@pytest.mark.parametrize("name", REQUESTS)
def test_permissions_whose_record_cannot_be_written_are_not_either(
    app: TestApp, url: str, name: str
) -> None:
    before = contents(app)[0], permissions_of(app, object_id(url)), held(app)
    registry = app.app.registry
    registry.storage = FaultyBackend(registry.storage, create=fail, update=fail, delete=fail)

    send(app, name, url)

    assert (contents(app)[0], permissions_of(app, object_id(url)), held(app)) == before


@pytest.mark.clause("X-30", "X-24")
def test_all_requests_work_and_leave_nothing_in_the_end(app: TestApp, url: str) -> None:
    created = app.post_json(URL, PUBLIC, headers=OWNER, status=201).json["data"]
    app.put_json(url, PUBLIC, headers=OWNER, status=200)
    app.patch_json(url, {"permissions": {"read": []}}, headers=OWNER, status=200)
    me = user_id(app, OWNER)
    other = f"{URL}/{created['id']}"
    assert permissions_of(app, object_id(url)) == {"write": {me}}
    assert permissions_of(app, object_id(other)) == {"write": {me}, "read": {"system.Everyone"}}

    for one in (url, other):
        app.delete(one, headers=OWNER, status=200)
    assert held(app) == {}
