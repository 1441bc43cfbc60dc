"""What a refused or failed write tells and leaves on shareable resources."""

from typing import Any

import pytest
from support.sharing import (
    BODY,
    COLLECTION,
    UNKNOWN_ID,
    URL,
    contents,
    error,
    grant,
    make_sharing_app,
    object_id,
    permissions_of,
    send,
    store,
    user_id,
)
from webtest import TestApp

from cliquet.authorization import AuthorizationPolicy
from cliquet.storage.exceptions import BackendError
from cliquet.testing.faults import FaultyBackend

# Preconditions, conflicts and failures


@pytest.mark.clause("D-50", "B-22.39")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_anonymous_creation_gives_nobody_the_write_permission(app: TestApp, method: str) -> None:
    grant(app, COLLECTION, "toadstool:create", "system.Everyone")
    url = URL if method == "POST" else f"{URL}/{UNKNOWN_ID}"

    created = send(app, method, url, status=201)

    uri = f"{COLLECTION}/{created.json['data']['id']}"
    assert created.json["permissions"] == {}
    assert permissions_of(app, uri) == {}
    app.patch_json(f"/v0{uri}", BODY, status=401)


@pytest.fixture
def colliding(app: TestApp, me: Any) -> Any:
    """Store a record that the user knows nothing of, and let the user create others."""
    grant(app, COLLECTION, "toadstool:create", me)
    return store(app, name="a secret", code="taken")


@pytest.mark.clause("D-49", "P-34.19", "X-11", "H-23.5")
@pytest.mark.parametrize("field", ["id", "code"])
def test_a_creation_that_collides_with_a_hidden_record_is_a_bare_conflict(
    app: TestApp, headers: dict[str, str], colliding: dict[str, Any], field: str
) -> None:
    body = {"data": {"name": "mine", field: colliding[field]}}
    before = contents(app)

    response = app.post_json(URL, body, headers=headers, status=409)

    assert error(response)[1:3] == (122, "Conflict")
    assert response.json["message"] == f"Conflict of field {field} on record {colliding['id']}"
    assert response.json["details"] == {"field": field, "existing": {"id": colliding["id"]}}
    assert "ETag" not in response.headers
    assert contents(app) == before


@pytest.mark.clause("D-49", "X-11", "H-23.5")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("mine", ["mine", "new"])
def test_a_write_that_collides_with_a_hidden_record_is_a_bare_conflict(
    app: TestApp, headers: dict[str, str], colliding: dict[str, Any], method: str, mine: str
) -> None:
    url = f"{URL}/{UNKNOWN_ID}"
    if mine == "mine" or method == "PATCH":
        app.put_json(url, BODY, headers=headers, status=201)
    before = contents(app)

    response = send(
        app, method, url, headers, {"data": {"name": "mine", "code": "taken"}}, status=409
    )

    assert response.json["details"] == {"field": "code", "existing": {"id": colliding["id"]}}
    assert "secret" not in response.text
    assert contents(app) == before


@pytest.mark.clause("H-23.5", "H-24.10", "H-16.3", "H-16.4", "D-49")
@pytest.mark.parametrize("permission", ["read", "write"])
def test_a_collision_with_a_record_that_may_be_read_shows_it(
    app: TestApp, headers: dict[str, str], me: str, colliding: dict[str, Any], permission: str
) -> None:
    grant(app, object_id(colliding["url"]), permission, me)
    existing = {name: value for name, value in colliding.items() if name != "url"}
    body = {"data": {"name": "mine", "code": "taken"}}

    posted = app.post_json(URL, body, headers=headers, status=200)
    put = app.put_json(f"{URL}/{UNKNOWN_ID}", body, headers=headers, status=409)

    assert posted.json == {"data": existing}
    assert put.json["details"] == {"field": "code", "existing": existing}


@pytest.mark.clause("X-11", "D-49")
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_a_conditional_creation_does_not_tell_the_version_of_a_hidden_record(
    app: TestApp, headers: dict[str, str], colliding: dict[str, Any], name: str
) -> None:
    body = {"data": {"name": "mine", "id": colliding["id"]}}
    statuses = set()
    for value in ('"1"', f'"{colliding["last_modified"]}"', '"253402300799999"', "*"):
        response = app.post_json(URL, body, headers={**headers, name: value}, status="*")
        statuses.add((value == "*", response.status_code))
        assert "ETag" not in response.headers
        assert "Last-Modified" not in response.headers
        assert str(colliding["last_modified"]) not in response.text
        assert response.json["details"]["existing"] == {"id": colliding["id"]}

    # The answer does not depend on the timestamp that was guessed.
    star = 412 if name == "If-None-Match" else 409
    assert statuses == {(False, 409), (True, star)}


@pytest.mark.clause("H-10.9", "H-10.10", "P-12.7", "D-76", "H-24.10")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
def test_a_412_shows_the_bare_record(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any], method: str
) -> None:
    grant(app, object_id(record["url"]), "write", me)
    stale = {**headers, "If-Match": f'"{record["last_modified"] - 1}"'}

    response = send(app, method, record["url"], stale, status=412)

    existing = {name: value for name, value in record.items() if name != "url"}
    assert response.json["details"] == {"existing": existing}
    assert response.headers["ETag"] == f'"{record["last_modified"]}"'


@pytest.mark.clause("X-11", "D-49")
def test_a_412_on_a_tombstone_tells_a_stranger_its_id_only(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    grant(app, COLLECTION, "toadstool:create", me)
    record = store(app)
    deleted = app.app.registry.storage.delete("toadstool", "", record["id"])

    stale = {**headers, "If-Match": '"1"'}
    response = app.put_json(record["url"], BODY, headers=stale, status=412)

    assert response.json["details"] == {"existing": {"id": record["id"]}}
    assert str(deleted["last_modified"]) not in f"{response.headers}{response.text}"


class WriteOnlyPolicy(AuthorizationPolicy):
    def get_bound_permissions(self, object_id: Any, permission: Any) -> list[Any]:
        return [(object_id, permission)]


@pytest.mark.clause("X-11")
def test_a_412_to_a_user_who_may_write_and_not_read_is_bare(headers: dict[str, str]) -> None:
    policy = f"{__name__}.WriteOnlyPolicy"
    app = make_sharing_app({"multiauth.authorization_policy": policy})
    record = store(app)
    grant(app, object_id(record["url"]), "write", user_id(app, headers))

    refused = {**headers, "If-None-Match": "*"}
    response = app.put_json(record["url"], BODY, headers=refused, status=412)

    assert response.json["details"] == {"existing": {"id": record["id"]}}
    assert "ETag" not in response.headers


@pytest.mark.clause("B-18.5", "H-26.8")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_record_whose_permissions_cannot_be_written_is_not_created(
    headers: dict[str, str], method: str
) -> None:
    app = make_sharing_app({"toadstool_create_principals": "system.Authenticated"})
    before = contents(app)
    app.app.registry.permission = out_of_order(app, "add_principal_to_ace")

    url = URL if method == "POST" else f"{URL}/{UNKNOWN_ID}"
    send(app, method, url, headers, status=503)

    assert contents(app) == before


@pytest.mark.clause("B-18.5")
@pytest.mark.parametrize("target", ["record", "collection"])
def test_a_record_whose_permissions_cannot_be_deleted_is_kept(
    headers: dict[str, str], target: str
) -> None:
    app = make_sharing_app({"toadstool_write_principals": "system.Authenticated"})
    record = store(app)
    before = contents(app)
    app.app.registry.permission = out_of_order(app, "delete_object_permissions")

    url = URL if target == "collection" else record["url"]
    app.delete(url, headers=headers, status=503)

    assert contents(app) == before


@pytest.mark.clause("B-18.5", "X-18")
def test_permissions_of_a_request_whose_storage_fails_are_not_kept(headers: dict[str, str]) -> None:
    app = make_sharing_app({"toadstool_create_principals": "system.Authenticated"})
    before = contents(app)
    app.app.registry.storage = FaultyBackend(app.app.registry.storage, update=fail)
    url = f"{URL}/{UNKNOWN_ID}"
    requests = [
        {"method": "PUT", "path": url, "body": BODY},
        {"method": "PATCH", "path": url, "body": BODY},
    ]

    app.post_json("/v0/batch", {"requests": requests}, headers=headers, status=503)

    # Redis keeps the record that the batch had created, and its permissions with it.
    is_kept = not app.app.registry.storage.joins_transactions
    assert (contents(app) != before) is is_kept
    assert bool(permissions_of(app, object_id(url))) is is_kept


def fail(*_args: Any, **_kwargs: Any) -> None:
    raise BackendError(message="out of order")


def out_of_order(app: TestApp, method: str) -> Any:
    """Return the permission backend of an application, with a method that fails."""
    return FaultyBackend(app.app.registry.permission, **{method: fail})
