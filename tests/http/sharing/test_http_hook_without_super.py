"""A hook that does not call the one of the library loses nothing that the library does there."""

from __future__ import annotations

from typing import Any

import colander
import pytest
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth, make_app

HEADERS = basic_auth()
ID = "00000000-0000-4000-8000-000000000001"
SHARED = {"read": ["system.Everyone"]}


class LoudSchema(resource.ResourceSchema):
    title = colander.SchemaNode(colander.String(), missing="")


class Loud(resource.ShareableResource):
    """What many write first: they return the record, and nothing more."""

    mapping = LoudSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        return {**new, "title": new.get("title", "").upper()}


class Shout(resource.UserResource):
    mapping = LoudSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        return {**new, "title": new.get("title", "").upper()}


class Meek(resource.ShareableResource):
    """The permissions of clients are taken away on purpose, as in the original."""

    mapping = LoudSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        record = resource.ShareableResource.process_record(self, new, old)
        record.pop("__permissions__", None)
        return record


class Dated(Shout):
    """The hook writes a date of its own."""

    def process_record(self, new: Any, old: Any = None) -> Any:
        return new if old is None else {**new, "last_modified": old["last_modified"] - 5000}


@pytest.fixture
def app() -> TestApp:
    everybody = {f"{name}_create_principals": "system.Authenticated" for name in ("loud", "meek")}
    return make_app([Loud, Shout, Meek, Dated], settings=everybody)


@pytest.mark.clause("P-12.5", "H-24.5", "H-24.6")
def test_the_permissions_of_the_body_are_written(app: TestApp) -> None:
    body = {"data": {"title": "a"}, "permissions": SHARED}
    posted = app.post_json("/v0/louds", body, headers=HEADERS, status=201).json
    url = f"/v0/louds/{ID}"
    put = app.put_json(url, body, headers=HEADERS, status=201).json
    more = {"permissions": {"write": ["group:friends"]}}
    patched = app.patch_json(url, more, headers=HEADERS, status=200).json
    replaced = app.put_json(url, {**body, **more}, headers=HEADERS, status=200).json

    assert posted["permissions"]["read"] == put["permissions"]["read"] == ["system.Everyone"]
    assert posted["data"]["title"] == replaced["data"]["title"] == "A"
    assert "group:friends" in patched["permissions"]["write"]
    assert patched["permissions"]["read"] == ["system.Everyone"]
    # A replacement removes those that it does not mention.
    assert "read" not in replaced["permissions"]
    assert "group:friends" in replaced["permissions"]["write"]


@pytest.mark.clause("P-12.5", "H-24.6", "E-4.1")
def test_the_permissions_of_a_patch_in_its_own_format_are_written(app: TestApp) -> None:
    body = {"data": {"title": "a"}, "permissions": SHARED}
    url = f"/v0/louds/{ID}"
    app.put_json(url, body, headers=HEADERS, status=201)
    headers = {**HEADERS, "Content-Type": "application/merge-patch+json"}

    patched = app.patch(url, b'{"permissions": {"read": null}}', headers=headers, status=200).json

    assert "read" not in patched["permissions"]


@pytest.mark.clause("P-12.5")
def test_a_hook_that_calls_the_one_of_the_library_decides_about_permissions(app: TestApp) -> None:
    body = {"data": {"title": "a"}, "permissions": SHARED}

    created = app.post_json("/v0/meeks", body, headers=HEADERS, status=201).json

    assert "read" not in created["permissions"]


@pytest.mark.clause("P-11.2", "H-9.1")
@pytest.mark.parametrize("name", ["louds", "shouts"])
def test_a_timestamp_that_is_sent_back_does_not_hide_the_change(app: TestApp, name: str) -> None:
    url = f"/v0/{name}/{ID}"
    created = app.put_json(url, {"data": {}}, headers=HEADERS, status=201).json["data"]
    # Another write, because a timestamp that equals that of the collection is bumped anyway.
    app.post_json(f"/v0/{name}", {"data": {}}, headers=HEADERS, status=201)

    # A client changes the record that it has read, and sends all of it.
    body = {"data": {**created, "title": "b"}}
    changed = app.put_json(url, body, headers=HEADERS, status=200).json["data"]

    assert changed["title"] == "B"
    assert changed["last_modified"] > created["last_modified"]
    since = app.get(f"/v0/{name}?_since={created['last_modified']}", headers=HEADERS).json["data"]
    assert ID in [record["id"] for record in since]


@pytest.mark.clause("P-11.2")
def test_a_timestamp_that_a_hook_sets_itself_is_kept(app: TestApp) -> None:
    url = f"/v0/dateds/{ID}"
    created = app.put_json(url, {"data": {}}, headers=HEADERS, status=201).json["data"]

    body = {"data": {"last_modified": created["last_modified"]}}
    changed = app.put_json(url, body, headers=HEADERS, status=200).json["data"]

    assert changed["last_modified"] == created["last_modified"] - 5000
