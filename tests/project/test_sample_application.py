"""An application in the style of the original's users, driven from outside (issue 3)."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import sample
from support.batches import statuses
from support.shared_apps import SHARED
from webtest import TestApp

from cliquet.core.globs import Pattern
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth

BUCKET = "/buckets/garden"
COLLECTION = f"{BUCKET}/collections/herbs"
RECORDS = f"{COLLECTION}/records"
RECORD = f"{RECORDS}/basil"
GROUP = f"{BUCKET}/groups/gardeners"
NAMES = ("bucket", "collection", "group", "record")


def badge(name: Any) -> dict[str, Any]:
    return {"Authorization": f"Badge {name}"}


ANN, BOB, EVE = badge("ann"), badge("bob"), badge("eve")


def make_app(**settings: Any) -> TestApp:
    return TestApp(sample.main({}, **{**MEMORY_BACKENDS, **settings}))


class Client:
    """Sends JSON to the application, under its version."""

    def __init__(self, **settings: Any) -> None:
        self.web = make_app(**settings) if settings else SHARED.fresh(make_app)
        self.registry = self.web.app.registry

    def __call__(
        self, method: Any, path: Any, body: Any = None, user: Any = ANN, status: Any = None
    ) -> Any:
        send = getattr(self.web, method.lower() if body is None else f"{method.lower()}_json")
        args = () if body is None else (body,)
        return send(f"/v1{path}", *args, headers=dict(user or {}), status=status)

    def status(self, *args: Any, **kwargs: Any) -> Any:
        return self(*args, status="*", **kwargs).status_int  # type: ignore[misc]

    def batch(
        self, *requests: Any, user: Any = ANN, status: int | str = 200, **defaults: Any
    ) -> Any:
        body = {"requests": list(requests), "defaults": defaults}
        return self("POST", "/batch", body, user=user, status=status).json.get("responses")

    def stored(self) -> Any:
        """Return the URIs of everything that is stored, tombstones included."""
        found = set()
        for name in NAMES:
            records, _ = self.registry.storage.get_all(name, Pattern("*"), include_deleted=True)
            for record in records:
                found.add((name, record["id"], record.get("deleted", False)))
        return found

    def objects_with_permissions(self) -> set[Any]:
        everything = self.registry.permission.get_accessible_objects(
            ["badge:ann", "badge:bob", "badge:eve", GROUP, "system.Everyone"]
        )
        return set(everything)


def put(path: str, permissions: Any = None, **data: Any) -> dict[str, Any]:
    body = {"data": data}
    if permissions:
        body["permissions"] = permissions
    return {"method": "PUT", "path": path, "body": body}


@pytest.fixture
def client() -> Any:
    """A client of an application where ann has a garden."""
    client = Client()
    responses = client.batch(put(BUCKET), put(COLLECTION), put(RECORD, height=30), put(GROUP))
    assert statuses(responses) == [201] * 4
    return client


def add_to_group(client: Any, *members: Any, user: Any = ANN) -> None:
    client("PUT", GROUP, {"data": {"members": list(members)}}, user=user, status=200)


# URLs


@pytest.mark.clause("P-8.1", "P-15.13")
@pytest.mark.parametrize("path", [BUCKET, COLLECTION, GROUP, RECORD])
def test_nested_urls_serve_their_resource(client: Client, path: str) -> None:
    parent, _, object_id = path.rpartition("/")

    assert client("GET", path).json["data"]["id"] == object_id
    assert [r["id"] for r in client("GET", parent).json["data"]] == [object_id]


@pytest.mark.clause("P-18.1", "P-18.4")
def test_ids_are_those_of_the_application(client: Client) -> None:
    created = client("POST", RECORDS, {"data": {}}, status=201).json["data"]

    assert len(created["id"]) == 8
    assert client.status("PUT", f"{RECORDS}/a.b", {"data": {}}) == 400


@pytest.mark.parametrize(
    "path", ["/buckets/x/collections/a", "/buckets/x/groups/a", f"{BUCKET}/collections/x/records/a"]
)
@pytest.mark.clause("P-25.7", "H-5.17")
def test_what_is_above_must_exist(path: str) -> None:
    client = Client(bucket_write_principals="badge:ann")
    client("PUT", BUCKET, {"data": {}}, status=201)

    assert client.status("PUT", path, {"data": {}}) == 404
    assert client.status("PUT", path, {"data": {}}, user=EVE) == 403
    assert client.stored() == {("bucket", "garden", False)}


@pytest.mark.clause("H-5.4", "P-12.3")
def test_siblings_share_nothing(client: Client) -> None:
    other = "/buckets/orchard"
    client.batch(put(other), put(f"{other}/collections/herbs"), user=BOB)

    assert client("GET", f"{other}/collections/herbs/records", user=BOB).json["data"] == []
    assert client.status("GET", RECORD, user=BOB) == 403


# Permissions


@pytest.mark.clause("H-5.11", "P-25.4", "P-35.2")
@pytest.mark.parametrize("above", [BUCKET, COLLECTION, RECORD])
def test_permissions_hold_for_what_is_below(client: Client, above: str) -> None:
    assert client.status("GET", RECORD, user=BOB) == 403
    client("PATCH", above, {"permissions": {"read": ["badge:bob"]}})
    assert client.status("GET", RECORD, user=BOB) == 200
    assert client.status("PATCH", RECORD, {"data": {"a": 1}}, user=BOB) == 403

    client("PATCH", above, {"permissions": {"write": ["badge:bob"]}})
    assert client.status("PATCH", RECORD, {"data": {"a": 1}}, user=BOB) == 200
    assert client.status("GET", RECORD, user=EVE) == 403


@pytest.mark.clause("H-5.11", "H-5.12")
def test_permissions_below_do_not_hold_above(client: Client) -> None:
    client("PATCH", RECORD, {"permissions": {"write": ["badge:bob"]}})

    assert client.status("GET", COLLECTION, user=BOB) == 403
    assert client.status("GET", BUCKET, user=BOB) == 403
    client("PUT", f"{RECORDS}/mint", {"data": {}}, status=201)
    shared = client("GET", RECORDS, user=BOB)
    assert [record["id"] for record in shared.json["data"]] == ["basil"]
    assert shared.headers["Total-Records"] == "1"


@pytest.mark.clause("P-12.1", "P-25.8", "P-25.10")
@pytest.mark.parametrize(
    ("holder", "permission", "path", "refused"),
    [
        (BUCKET, "collection:create", f"{BUCKET}/collections", f"{BUCKET}/groups"),
        (BUCKET, "group:create", f"{BUCKET}/groups", f"{BUCKET}/collections"),
        (COLLECTION, "record:create", RECORDS, f"{BUCKET}/collections"),
    ],
)
def test_what_may_be_created_is_said_above(
    client: Client, holder: str, permission: str, path: str, refused: str
) -> None:
    client("PATCH", holder, {"permissions": {permission: ["badge:bob"]}}, status=200)

    assert client.status("POST", path, {"data": {}}, user=BOB) == 201
    assert client.status("PUT", f"{path}/new", {"data": {}}, user=BOB) == 201
    assert client.status("POST", refused, {"data": {}}, user=BOB) == 403
    assert client.status("POST", path, {"data": {}}, user=EVE) == 403


@pytest.mark.clause("D-62", "H-5.4")
def test_who_may_create_may_not_replace(client: Client) -> None:
    client("PATCH", COLLECTION, {"permissions": {"record:create": ["badge:bob"]}})

    assert client.status("PUT", RECORD, {"data": {}}, user=BOB) == 403
    assert client("GET", RECORD).json["data"]["height"] == 30


@pytest.mark.clause("P-25.6", "X-3")
def test_administrators_may_do_everything() -> None:
    client = Client(bucket_write_principals="badge:root, badge:eve")
    client.batch(put(BUCKET), put(COLLECTION), put(RECORD))

    for path in (RECORD, COLLECTION, BUCKET):
        assert client.status("PATCH", path, {"data": {"a": 1}}, user=EVE) == 200
        assert client.status("PATCH", path, {"data": {"a": 1}}, user=BOB) == 403
    assert client.status("POST", RECORDS, {"data": {}}, user=EVE) == 201


@pytest.mark.clause("H-5.15", "D-50")
def test_anonymous_users_may_be_let_in(client: Client) -> None:
    assert client.status("GET", RECORD, user=None) == 401
    everyone = ["system.Everyone"]
    client("PATCH", COLLECTION, {"permissions": {"read": everyone, "record:create": everyone}})

    assert client.status("GET", RECORD, user=None) == 200
    created = client("POST", RECORDS, {"data": {}}, user=None, status=201).json
    assert created["permissions"] == {}


@pytest.mark.clause("P-25.10")
def test_a_service_that_is_no_resource_has_its_context(client: Client) -> None:
    assert client("GET", f"{BUCKET}/summary").json == {"collection": 1, "group": 1, "record": 1}
    assert client.status("GET", f"{BUCKET}/summary", user=BOB) == 403
    client("PATCH", BUCKET, {"permissions": {"read": ["badge:bob"]}})
    assert client.status("GET", f"{BUCKET}/summary", user=BOB) == 200


# Authentication


@pytest.mark.clause("S-16.9", "H-4.3", "H-4.10")
def test_a_policy_of_its_own_stands_beside_the_built_in_one(client: Client) -> None:
    assert client("GET", "/", user=BOB).json["user"]["id"] == "badge:bob"
    assert client("GET", "/", user=basic_auth()).json["user"]["id"].startswith("basicauth:")
    challenges = client("GET", RECORD, user=None, status=401).headers.getall("WWW-Authenticate")
    assert set(challenges) == {"Badge", 'Basic realm="Realm"'}


@pytest.mark.clause("P-3.2", "P-5.8", "P-35.12")
def test_a_plugin_tells_more_of_the_user(client: Client) -> None:
    add_to_group(client, "badge:bob")

    assert client("GET", "/", user=BOB).json["user"] == {"id": "badge:bob", "groups": [GROUP]}
    assert "user" not in client("GET", "/", user=None).json


# Groups


@pytest.mark.clause("H-5.6", "P-21.11", "P-21.12")
def test_members_of_a_group_have_its_permissions(client: Client) -> None:
    client("PATCH", COLLECTION, {"permissions": {"read": [GROUP]}})
    assert client.status("GET", RECORD, user=BOB) == 403

    add_to_group(client, "badge:bob", "badge:eve")
    assert client.status("GET", RECORD, user=BOB) == 200

    add_to_group(client, "badge:eve")
    assert client.status("GET", RECORD, user=BOB) == 403
    assert client.status("GET", RECORD, user=EVE) == 200


@pytest.mark.clause("P-21.4", "P-21.12")
@pytest.mark.parametrize("path", [GROUP, f"{BUCKET}/groups", BUCKET, "/buckets"])
def test_members_lose_a_group_that_is_deleted(client: Client, path: str) -> None:
    add_to_group(client, "badge:bob")

    client("DELETE", path, status=200)

    assert client.registry.permission.user_principals("badge:bob") == set()


@pytest.mark.clause("P-21.5")
def test_a_refused_group_changes_no_principal(client: Client) -> None:
    body = {"data": {"members": ["badge:bob", "/buckets/garden/groups/other"]}}

    error = client("PUT", GROUP, body, status=400).json

    assert error["message"] == "data.members in body: Groups have no groups"
    assert client.registry.permission.user_principals("badge:bob") == set()


# Cascades


@pytest.mark.clause("P-21.11", "H-5.18", "B-21.36")
def test_a_deleted_bucket_takes_all_below_with_it(client: Client) -> None:
    client.batch(put("/buckets/gardens"), put("/buckets/gardens/collections/herbs"))
    client("DELETE", BUCKET, status=200)

    assert client.stored() == {
        ("bucket", "garden", True),
        ("bucket", "gardens", False),
        ("collection", "herbs", False),
    }
    assert client.objects_with_permissions() == {
        "/buckets/gardens",
        "/buckets/gardens/collections/herbs",
    }


@pytest.mark.clause("P-21.11", "H-5.18")
@pytest.mark.parametrize("path", [COLLECTION, f"{BUCKET}/collections"])
def test_a_deleted_collection_takes_its_records_with_it(client: Client, path: str) -> None:
    client("DELETE", path, status=200)

    assert client.stored() == {
        ("bucket", "garden", False),
        ("group", "gardeners", False),
        ("collection", "herbs", True),
    }
    assert client.objects_with_permissions() == {BUCKET, GROUP}
    client("PUT", COLLECTION, {"data": {}}, status=201)
    assert client("GET", RECORDS).json["data"] == []


# A plug-in that makes resources by hand


@pytest.mark.clause("P-35.13", "P-35.15", "P-25.10")
def test_a_plugin_writes_to_records(client: Client) -> None:
    url = f"{RECORD}/attachment"
    response = client.web.post(f"/v1{url}", b"\x89PNG", headers=ANN)

    stored = client("GET", RECORD).json["data"]
    assert stored == response.json["data"]
    assert stored["height"] == 30
    assert stored["attachment"]["size"] == 4
    files, _ = client.registry.storage.get_all("", "__attachments__")
    assert [file["size"] for file in files] == [4]

    client("DELETE", url, status=200)
    assert "attachment" not in client("GET", RECORD).json["data"]


@pytest.mark.clause("P-35.13")
def test_a_plugin_creates_records(client: Client) -> None:
    response = client.web.post(f"/v1{RECORDS}/mint/attachment", b"x", headers=ANN)

    stored = client("GET", f"{RECORDS}/mint").json
    assert stored == response.json
    assert stored["permissions"] == {"write": ["badge:ann"]}


@pytest.mark.clause("P-25.10", "P-35.13")
@pytest.mark.parametrize(("user", "status"), [(BOB, 403), ({}, 401)])
def test_a_plugin_asks_for_permission(client: Client, user: dict[str, Any], status: int) -> None:
    client.web.post(f"/v1{RECORD}/attachment", b"x", headers=user, status=status)

    assert client.registry.storage.get_all("", "__attachments__") == ([], 0)


@pytest.mark.clause("P-6.1", "P-6.3")
def test_a_plugin_tells_of_itself(client: Client) -> None:
    root = client("GET", "/").json

    assert root["settings"]["sample.attachments_url"] == "https://files.example"
    assert root["capabilities"] == {
        "attachments": {"description": "Files beside records", "url": ""}
    }


# Batches


@pytest.mark.clause("H-25.7", "H-25.12", "X-23")
def test_a_batch_builds_a_bucket_and_fills_it() -> None:
    client = Client()

    responses = client.batch(
        put(BUCKET),
        put(COLLECTION),
        {"path": RECORD, "body": {"data": {"height": 30}}},
        {"path": "/buckets/unknown/collections/herbs"},
        {"method": "GET", "path": f"{RECORDS}?min_height=20"},
        method="PUT",
    )

    assert statuses(responses) == [201, 201, 201, 403, 200]
    assert [record["id"] for record in responses[-1]["body"]["data"]] == ["basil"]
    assert client("GET", RECORD).json == responses[2]["body"]


@pytest.mark.clause("H-25.14", "H-4.13")
def test_a_batch_of_several_users(client: Client) -> None:
    item = {"path": RECORD}

    responses = client.batch(
        {**item, "headers": ANN},
        {**item, "headers": BOB},
        {**item, "headers": {"Authorization": ""}},
    )

    assert statuses(responses) == [200, 403, 401]


@pytest.mark.clause("X-9", "X-23", "P-21.12")
def test_groups_of_a_batch_have_their_members(client: Client) -> None:
    other = "/buckets/orchard"
    responses = client.batch(
        put(GROUP, members=["badge:bob"]),
        put(other),
        put(f"{other}/groups/pickers", members=["badge:bob"]),
        put(f"{BUCKET}/groups/refused", members=["badge:bob", "/buckets/x"]),
        {"method": "POST", "path": f"{other}/groups", "body": {"data": {"members": ["badge:eve"]}}},
    )

    assert statuses(responses) == [200, 201, 201, 400, 201]
    principals = client.registry.permission.user_principals
    assert principals("badge:bob") == {GROUP, f"{other}/groups/pickers"}
    assert principals("badge:eve") == {f"{other}/groups/{responses[-1]['body']['data']['id']}"}


@pytest.mark.clause("D-38", "H-25.24", "X-18")
def test_a_batch_that_fails_changes_neither_records_nor_principals(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.stored(), client.objects_with_permissions()

    def crash(*args: Any, **kwargs: Any) -> None:
        raise OSError

    # Deletions of permissions happen last, in the cascade.
    monkeypatch.setattr(client.registry.permission, "delete_object_permissions", crash)
    client.batch(
        put(GROUP, members=["badge:bob"]),
        put(f"{RECORDS}/mint"),
        {"method": "DELETE", "path": COLLECTION},
        status=500,
    )

    assert (client.stored(), client.objects_with_permissions()) == before
    assert client.registry.permission.user_principals("badge:bob") == set()


# The application itself


def test_it_uses_public_names_only() -> None:
    for path in Path(sample.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cliquet"):
                module = importlib.import_module(node.module)  # type: ignore[arg-type]
                for alias in node.names:
                    submodule = f"{node.module}.{alias.name}"
                    assert alias.name in module.__all__ or importlib.import_module(submodule)
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_") or node.attr.startswith("__")
