"""Lists, deletions and odd URLs of shareable resources (H-5)."""

import uuid
from typing import Any

import pytest
from support.sharing import (
    BODY,
    COLLECTION,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHORIZED,
    UNKNOWN_ID,
    URL,
    contents,
    error,
    grant,
    ids,
    make_sharing_app,
    object_id,
    permissions_of,
    send,
    store,
    user_id,
)
from webtest import TestApp

from cliquet.testing.web import basic_auth

# Shared listings (H-5.12 to H-5.15)


@pytest.fixture
def shared(app: TestApp, me: Any) -> list[Any]:
    """Store five records of which three are shared with the user, and return these."""
    records = [store(app, name=f"n{n}", code=str(n)) for n in range(5)]
    grant(app, object_id(records[0]["url"]), "read", me)
    grant(app, object_id(records[2]["url"]), "write", me)
    grant(app, object_id(records[4]["url"]), "read", "system.Authenticated")
    return [records[0], records[2], records[4]]


@pytest.mark.clause("H-5.12", "H-5.13", "P-12.4", "B-20.8", "H-9.8")
def test_a_shared_listing_has_the_shared_records_only(
    app: TestApp, headers: dict[str, str], shared: list[Any]
) -> None:
    whole_timestamp = contents(app)[1]

    response = app.get(URL, headers=headers, status=200)

    assert ids(response) == {record["id"] for record in shared}
    assert response.headers["Total-Records"] == "3"
    assert response.headers["ETag"] == f'"{whole_timestamp}"'
    assert response.headers["Last-Modified"]
    head = app.head(URL, headers=headers, status=200)
    assert head.headers["Total-Records"] == "3"
    assert head.headers["ETag"] == response.headers["ETag"]


@pytest.mark.clause("H-5.12")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=n0", {"n0"}),
        ("name=n1", set()),
        ("not_name=n0", {"n2", "n4"}),
        ("in_name=n0,n1,n2", {"n0", "n2"}),
        ("_since=0", {"n0", "n2", "n4"}),
        ("_sort=name&_limit=3", {"n0", "n2", "n4"}),
    ],
)
def test_query_filters_apply_on_top_of_sharing(
    app: TestApp, headers: dict[str, str], shared: list[Any], query: str, names: set[Any]
) -> None:
    response = app.get(f"{URL}?{query}", headers=headers, status=200)

    assert {record["name"] for record in response.json["data"]} == names
    assert response.headers["Total-Records"] == str(len(names))
    assert "Next-Page" not in response.headers


@pytest.mark.clause("H-5.12", "H-5.13", "H-14.7")
def test_a_shared_listing_is_paginated(
    app: TestApp, headers: dict[str, str], shared: list[Any]
) -> None:
    url, names, totals = f"{URL}?_sort=name&_limit=2", [], []
    while url:
        response = app.get(url, headers=headers, status=200)
        names += [record["name"] for record in response.json["data"]]
        totals.append(response.headers["Total-Records"])
        url = response.headers.get("Next-Page")

    assert names == ["n0", "n2", "n4"]
    assert totals == ["3", "3"]


@pytest.mark.clause("H-5.12", "H-17.4", "H-17.3")
def test_a_shared_deletion_deletes_what_the_user_may_write(
    app: TestApp, headers: dict[str, str], me: str, shared: list[Any]
) -> None:
    another = store(app, name="n5")
    grant(app, object_id(another["url"]), "write", me)

    response = app.delete(f"{URL}?name=n2", headers=headers, status=200)
    assert ids(response) == {shared[1]["id"]}
    assert set(response.json) == {"data"}
    response = app.delete(URL, headers=headers, status=200)
    assert ids(response) == {another["id"]}

    records, _ = contents(app)
    assert {item["name"] for item in records if "deleted" not in item} == {"n0", "n1", "n3", "n4"}
    # Nothing that may be written is left.
    app.delete(URL, headers=headers, status=403)


@pytest.mark.clause("H-5.14")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_without_a_shared_record_there_is_no_listing(
    app: TestApp, headers: dict[str, str], record: dict[str, Any], method: str
) -> None:
    assert error(send(app, method, URL, headers)) == FORBIDDEN
    assert error(send(app, method, URL)) == UNAUTHORIZED


@pytest.mark.clause("H-5.15")
def test_an_anonymous_request_lists_what_everyone_may_read(
    app: TestApp, record: dict[str, Any]
) -> None:
    hidden = store(app)
    grant(app, object_id(record["url"]), "read", "system.Everyone")
    grant(app, object_id(hidden["url"]), "read", "system.Authenticated")

    response = app.get(URL, status=200)

    assert ids(response) == {record["id"]}
    assert response.headers["Total-Records"] == "1"
    assert error(app.delete(URL, status=401)) == UNAUTHORIZED


@pytest.mark.clause("D-75")
def test_an_allowed_deletion_of_nothing_succeeds(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    grant(app, COLLECTION, "write", me)

    assert app.delete(URL, headers=headers, status=200).json == {"data": []}


@pytest.mark.clause("D-51", "B-16.1")
def test_objects_with_similar_uris_or_permissions_are_not_shared(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    hidden = store(app)
    uri = object_id(hidden["url"])
    for other_uri in (uri + "0", uri + "/parts/2", "/x" + uri, uri[:-1], uri.upper(), "/*", "*"):
        grant(app, other_uri, "read", me)
    for permission in ("xread", "toadstool:read", "read:x", "*", "READ"):
        grant(app, uri, permission, me)
    grant(app, f"/amanitas/{hidden['id']}", "read", me)

    app.get(hidden["url"], headers=headers, status=403)
    response = app.get(URL, headers=headers, status="*")
    # An entry on the URI of a record that is not there opens an empty listing, no more.
    assert response.status_code == 403 or response.json == {"data": []}


@pytest.mark.clause("D-48", "D-51", "X-29")
def test_a_star_in_the_url_is_no_pattern(headers: dict[str, str]) -> None:
    app = make_sharing_app({"cap_create_principals": "system.Authenticated"})
    cap_id = str(uuid.uuid4())
    app.app.registry.storage.create(
        "cap", "/forests/oak", {"id": cap_id, "name": "a secret of others"}
    )
    app.app.registry.storage.create("cap", "/forests/oak", {"name": "a secret of others"})
    before = contents(app, "cap", "/forests/oak")

    for star in ("*", "%2A", "o*k", "%2a%2a"):
        url = f"/v0/forests/{star}/caps"
        # Creation is open to all: then the creator may list and delete what it made there.
        for method, path, status in (
            ("GET", url, 403),
            ("DELETE", url, 403),
            ("GET", f"{url}/{cap_id}", 403),
            ("PATCH", f"{url}/{cap_id}", 403),
            ("DELETE", f"{url}/{cap_id}", 403),
            ("PUT", f"{url}/{cap_id}", 201),
            ("POST", url, 201),
            ("GET", url, 200),
            ("DELETE", f"{url}/{cap_id}", 200),
            ("DELETE", url, 200),
        ):
            response = send(app, method, path, headers, status=status)
            assert "secret" not in response.text

    assert contents(app, "cap", "/forests/oak") == before


@pytest.mark.clause("D-48", "X-29")
def test_a_star_in_the_url_of_a_resource_open_to_all_is_a_name(headers: dict[str, str]) -> None:
    app = make_sharing_app({"cap_write_principals": "system.Authenticated"})
    app.app.registry.storage.create("cap", "/forests/oak", {"name": "a cap"})

    assert app.get("/v0/forests/*/caps", headers=headers).json == {"data": []}
    assert app.delete("/v0/forests/*/caps", headers=headers).json == {"data": []}
    assert len(app.get("/v0/forests/oak/caps", headers=headers).json["data"]) == 1
    assert error(app.get("/v0/forests/*/caps", status=401)) == UNAUTHORIZED
    # Who may not create is told so first, as elsewhere (H-5.17).
    url = f"/v0/forests/*/caps/{UNKNOWN_ID}"
    assert error(app.put_json(url, BODY, headers=headers, status=403)) == FORBIDDEN
    assert error(app.put_json(url, BODY, status=401)) == UNAUTHORIZED


@pytest.mark.clause("D-48", "H-5.17", "H-7.8")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "odd", [":b", "a'b", "%27%20OR%201=1--", "%25", "*", "%00", ".", "_", "a:b:c", "%C3%A9", "{id}"]
)
def test_an_odd_id_is_data(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any], method: str, odd: str
) -> None:
    grant(app, object_id(record["url"]), "read", me)
    grant(app, object_id(record["url"]), "write", me)
    before = contents(app)

    response = send(app, method, f"{URL}/{odd}", headers)

    assert response.status_code in (400, 403, 404)
    assert send(app, method, f"{URL}/{odd}").status_code in (400, 401, 404)
    assert contents(app) == before


@pytest.mark.clause("H-5.17", "H-7.8")
def test_the_permission_is_checked_before_the_id_and_the_existence(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    unknown, malformed = f"{URL}/{UNKNOWN_ID}", f"{URL}/not-an-id"
    for method in ("GET", "PATCH", "DELETE"):
        for url in (unknown, malformed):
            assert error(send(app, method, url, headers)) == FORBIDDEN
            assert error(send(app, method, url)) == UNAUTHORIZED
    for url in (unknown, malformed):
        grant(app, object_id(url), "write", me)

    for method in ("GET", "PATCH", "DELETE"):
        assert error(send(app, method, unknown, headers)) == NOT_FOUND
        response = send(app, method, malformed, headers)
        assert error(response)[3] == "path: Invalid record id"
        assert response.status_code == 400


# Deletion (H-5.18)


@pytest.mark.clause("H-5.18", "P-14.4", "B-20.4")
@pytest.mark.parametrize("target", ["record", "collection"])
def test_permissions_go_away_with_their_record(
    app: TestApp, headers: dict[str, str], me: str, target: str
) -> None:
    grant(app, COLLECTION, "write", me)
    deleted, kept = store(app, name="deleted"), store(app, name="kept")
    for record in (deleted, kept):
        grant(app, object_id(record["url"]), "write", me)
        grant(app, object_id(record["url"]), "read", "group:friends")

    url = deleted["url"] if target == "record" else f"{URL}?name=deleted"
    app.delete(url, headers=headers, status=200)

    assert permissions_of(app, object_id(deleted["url"])) == {}
    kept_permissions = {"write": {me}, "read": {"group:friends"}}
    assert permissions_of(app, object_id(kept["url"])) == kept_permissions


@pytest.mark.clause("B-15.2", "H-5.17")
def test_permissions_know_nothing_of_the_storage(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any]
) -> None:
    grant(app, object_id(record["url"]), "read", me, "basicauth:nobody")
    grant(app, f"{COLLECTION}/{UNKNOWN_ID}", "read", me)

    app.app.registry.storage.delete("toadstool", "", record["id"])

    kept = {"read": {me, "basicauth:nobody"}}
    assert permissions_of(app, object_id(record["url"])) == kept
    app.get(f"{URL}/{UNKNOWN_ID}", headers=headers, status=404)
    assert app.get(URL, headers=headers, status=200).json == {"data": []}


@pytest.mark.clause("H-5.18", "H-19.1", "B-20.6")
def test_a_re_created_record_starts_with_fresh_permissions(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str]
) -> None:
    grant(app, COLLECTION, "toadstool:create", "system.Authenticated")
    url = f"{URL}/{UNKNOWN_ID}"
    friends = {**BODY, "permissions": {"read": ["system.Everyone"]}}
    app.put_json(url, friends, headers=headers, status=201)
    app.delete(url, headers=headers, status=200)

    created = app.put_json(url, BODY, headers=other_headers, status=201)

    assert created.json["permissions"] == {"write": [user_id(app, other_headers)]}
    app.get(url, headers=headers, status=403)
    app.get(url, status=401)


@pytest.mark.clause("H-22.5")
def test_tombstones_of_shared_records_are_not_seen_by_those_they_were_shared_with(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    gone, kept = store(app), store(app)
    for record in (gone, kept):
        grant(app, object_id(record["url"]), "read", me)
    admin = basic_auth("admin")
    grant(app, COLLECTION, "read", user_id(app, admin))
    grant(app, object_id(gone["url"]), "write", user_id(app, admin))

    app.delete(gone["url"], headers=admin, status=200)

    assert ids(app.get(f"{URL}?_since=0", headers=headers)) == {kept["id"]}
    assert ids(app.get(f"{URL}?_since=0", headers=admin)) == {gone["id"], kept["id"]}
