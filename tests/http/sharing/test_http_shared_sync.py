"""Clients that synchronise records that are shared with them one by one (E-11, E-12)."""

import json
from typing import Any

import pytest
from support.listings import items, walk
from support.sharing import COLLECTION, URL, grant, make_sharing_app, object_id, store, user_id
from webtest import TestApp

from cliquet.testing.web import basic_auth

OWNER = basic_auth("owner")
READER = basic_auth("reader")
OTHER = basic_auth("other")


@pytest.fixture
def app() -> TestApp:
    return make_sharing_app(
        {"sync_enabled": "true", "toadstool_create_principals": "system.Authenticated"}
    )


def sync(app: TestApp, headers: Any, token: str = "", *, url: str = URL, **more: Any) -> Any:
    """Read all pages, and return the items and the token of the last page."""
    glue = "&" if "?" in url else "?"
    pages = walk(app, headers, f"{url}{glue}_sync={token}", **more)
    return items(pages), pages[-1].headers["Sync-Token"]


def outdated(app: TestApp, headers: Any, token: str) -> Any:
    response = app.get(f"{URL}?_sync={token}", headers=headers, status=410)
    return response.json["details"]["reason"]


def bare(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "url"}


@pytest.mark.clause("E-11.1", "H-5.12")
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_client_starts_with_the_records_that_are_shared_with_it(app: TestApp, limit: int) -> None:
    shared = [store(app, n=n) for n in range(3)]
    store(app, n=3)
    for record in shared:
        grant(app, object_id(record["url"]), "read", user_id(app, READER))

    found, token = sync(app, READER, url=f"{URL}?_limit={limit}")

    assert found == [bare(record) for record in shared]
    store(app, n=4)
    assert sync(app, READER, token)[0] == []


@pytest.mark.clause("E-11.1", "E-12.4", "H-6.4")
def test_who_has_no_record_yet_gets_none_and_a_token(app: TestApp) -> None:
    store(app)
    found, token = sync(app, READER)
    assert found == []
    assert sync(app, READER, token) == ([], token)

    app.get(URL, headers=READER, status=403)
    app.get(f"{URL}?_since=0", headers=READER, status=403)
    app.delete(f"{URL}?_sync=", headers=READER, status=403)
    app.get(f"{URL}?_sync=", status=401)


@pytest.mark.clause("E-12.4")
@pytest.mark.setting("{resource_name}_sync_departures")
def test_a_poll_of_who_has_no_record_is_empty_if_a_setting_says_so() -> None:
    app = make_sharing_app({"toadstool_sync_departures": "true"})
    store(app)

    assert app.get(f"{URL}?_since=0", headers=READER, status=200).json == {"data": []}
    assert app.get(URL, headers=READER, status=200).json == {"data": []}
    app.get("/v0/amanitas?_since=0", headers=READER, status=403)


@pytest.mark.clause("E-11.5")
def test_another_extent_of_the_view_begins_another_copy(app: TestApp) -> None:
    record = store(app)
    me = user_id(app, READER)
    grant(app, object_id(record["url"]), "read", me)
    _, token = sync(app, READER)
    grant(app, COLLECTION, "read", me)

    assert outdated(app, READER, token) == "view"
    found, whole = sync(app, READER)
    assert found == [bare(record)]

    app.app.registry.permission.remove_principal_from_ace(COLLECTION, "read", me)
    assert outdated(app, READER, whole) == "view"
    assert sync(app, READER, token)[0] == []


@pytest.mark.clause("E-11.5")
def test_other_groups_begin_another_copy(app: TestApp) -> None:
    permission = app.app.registry.permission
    record = store(app)
    grant(app, object_id(record["url"]), "read", "group:pickers")
    found, token = sync(app, READER)
    assert found == []

    permission.add_user_principal(user_id(app, READER), "group:pickers")

    assert outdated(app, READER, token) == "view"
    found, joined = sync(app, READER)
    assert found == [bare(record)]
    assert outdated(app, OTHER, joined) == "view"


@pytest.mark.clause("E-11.2", "H-10.8")
def test_a_condition_says_nothing_of_a_part_of_the_collection(app: TestApp) -> None:
    record = store(app)
    grant(app, object_id(record["url"]), "read", user_id(app, READER))
    first = app.get(f"{URL}?_sync=", headers=READER)

    conditional = {**READER, "If-None-Match": first.headers["ETag"]}

    url = f"{URL}?_sync={first.headers['Sync-Token']}"
    assert app.get(url, headers=conditional, status=200).json == {"data": []}
    app.get(url, headers={**READER, "If-Match": '"1"'}, status=412)


@pytest.mark.clause("E-11.7")
def test_permissions_are_never_selected(app: TestApp) -> None:
    record = store(app)
    grant(app, object_id(record["url"]), "read", user_id(app, READER))

    found, _ = sync(app, READER, url=f"{URL}?_fields=name&name=fly%20agaric")

    assert found == [{name: record[name] for name in ("name", "id", "last_modified")}]


# Departures


def share(app: TestApp, *names: str, permission: str = "read", **data: Any) -> Any:
    """Create a record that is shared with principals; return it with its URL."""
    body = {"data": {"name": "a", **data}, "permissions": {permission: list(names)}}
    record = app.post_json(URL, body, headers=OWNER, status=201).json["data"]
    return {**record, "url": f"{URL}/{record['id']}"}


def allow(app: TestApp, record: Any, **permissions: Any) -> Any:
    """Change the permissions of a record; return the record."""
    body = {"permissions": permissions}
    return app.patch_json(record["url"], body, headers=OWNER, status=200).json["data"]


def departed(app: TestApp, record: Any, position: int) -> dict[str, Any]:
    """Return the item that tells that a record left the view, after that position."""
    found = app.app.registry.storage.collection_timestamp("toadstool", "")
    assert found > position
    return {"id": record["id"], "last_modified": found, "deleted": True}


@pytest.mark.clause("E-12.1", "E-12.2", "E-11.2")
@pytest.mark.parametrize("way", ["PATCH", "PUT", "PUT with data", "patch of permissions"])
def test_who_loses_a_record_is_told(app: TestApp, way: str) -> None:
    reader = user_id(app, READER)
    record = share(app, reader)
    share(app, reader)
    _, token = sync(app, READER)
    _, other = sync(app, OTHER)

    if way == "patch of permissions":
        patch = [{"op": "remove", "path": "/permissions/read"}]
        typed = {**OWNER, "Content-Type": "application/json-patch+json"}
        changed = app.patch(record["url"], json.dumps(patch), headers=typed, status=200)
    else:
        data = {"data": {"name": "b"}} if way == "PUT with data" else {}
        send = app.put_json if way.startswith("PUT") else app.patch_json
        body = {**data, "permissions": {"read": []}}
        changed = send(record["url"], body, headers=OWNER, status=200)

    gone = departed(app, record, changed.json["data"]["last_modified"])
    found, after = sync(app, READER, token)
    assert found == [gone]
    assert sync(app, READER, after)[0] == []
    # Nobody else hears of the record; its owner hears of the change.
    assert sync(app, OTHER, other)[0] == []
    app.get(record["url"], headers=READER, status=403)


@pytest.mark.clause("E-12.2")
def test_who_can_still_read_it_is_not_told(app: TestApp) -> None:
    reader = user_id(app, READER)
    record = share(app, reader, "system.Authenticated")
    _, token = sync(app, READER)

    changed = allow(app, record, read=["system.Authenticated"])
    found, token = sync(app, READER, token)
    assert found == [changed]
    allow(app, record, read=[], write=[reader])
    changed = allow(app, record, write=[])
    assert sync(app, READER, token)[0] == [departed(app, record, changed["last_modified"])]


@pytest.mark.clause("E-12.2", "E-11.3")
def test_who_gets_it_back_is_told_the_record(app: TestApp) -> None:
    reader = user_id(app, READER)
    record = share(app, reader)
    _, token = sync(app, READER)
    allow(app, record, read=[])
    _, without = sync(app, READER, token)

    changed = allow(app, record, read=[reader])

    assert sync(app, READER, token)[0] == [changed]
    assert sync(app, READER, without)[0] == [changed]


@pytest.mark.clause("E-12.1", "E-12.3")
@pytest.mark.parametrize("way", ["one", "all", "a page", "late"])
def test_who_could_read_a_deleted_record_is_told(app: TestApp, way: str) -> None:
    reader = user_id(app, READER)
    record = share(app, reader)
    _, token = sync(app, READER)
    _, own = sync(app, OWNER)
    _, other = sync(app, OTHER)

    if way == "one":
        app.delete(record["url"], headers=OWNER)
    elif way == "late":
        for _ in range(3):
            share(app)
        time = record["last_modified"] + 1
        app.delete(f"{record['url']}?last_modified={time}", headers=OWNER)
    else:
        app.delete(f"{URL}{'?_limit=1' if way == 'a page' else ''}", headers=OWNER)

    for user, before in ((READER, token), (OWNER, own)):
        (item,) = [one for one in sync(app, user, before)[0] if one["id"] == record["id"]]
        assert item["deleted"] is True
    assert sync(app, OTHER, other)[0] == []


@pytest.mark.clause("E-12.1", "E-12.2", "B-4.7")
def test_a_write_of_the_past_is_told(app: TestApp) -> None:
    reader = user_id(app, READER)
    record = share(app, reader, n=1)
    for n in range(3):
        share(app, reader, n=n)
    _, token = sync(app, READER)
    _, other = sync(app, OTHER)

    data = {"name": "late", "last_modified": record["last_modified"] + 1}
    late = app.put_json(record["url"], {"data": data}, headers=OWNER).json["data"]
    body = {"data": {"name": "x", "last_modified": 1}, "permissions": {"read": [reader]}}
    created = app.post_json(URL, body, headers=OWNER, status=201).json["data"]

    assert late["last_modified"] == data["last_modified"]
    assert sync(app, READER, token)[0] == [late, created]
    assert sync(app, OTHER, other)[0] == []


@pytest.mark.clause("E-12.1", "E-11.1")
def test_nothing_is_recorded_where_nobody_synchronises() -> None:
    app = make_sharing_app({"toadstool_create_principals": "system.Authenticated"})
    record = share(app, user_id(app, READER))
    app.put_json(record["url"], {"data": {"name": "b", "last_modified": 1}}, headers=OWNER)
    allow(app, record, read=[])
    last = app.delete(record["url"], headers=OWNER).json["data"]["last_modified"]

    storage = app.app.registry.storage
    principals = [user_id(app, READER), user_id(app, OWNER)]
    assert storage.list_departures("toadstool", "", 0, principals) == []
    assert storage.collection_timestamp("toadstool", "") == last
