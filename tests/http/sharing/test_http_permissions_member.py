"""The ``permissions`` member of bodies (H-24)."""

from typing import Any

import colander
import pytest
from support.sharing import (
    AMANITAS,
    BODY,
    COLLECTION,
    UNKNOWN_ID,
    URL,
    Amanita,
    Toadstool,
    contents,
    grant,
    make_sharing_app,
    object_id,
    permissions_of,
    send_content,
    store,
    user_id,
)
from webtest import TestApp

from cliquet import resource
from cliquet.testing.faults import FaultyBackend

NAMES = ("toadstool", "amanita", "puffball")


class Puffball(resource.ShareableResource):
    """Has permissions of its own, and everything is kept."""

    class PuffballSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

        colour = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = PuffballSchema()
    permissions = ("read", "write", "spore:create")


def make_open_app() -> Any:
    """Return a client of an application where any user may create."""
    return make_sharing_app(
        {f"{name}_create_principals": "system.Authenticated" for name in NAMES},
        resources=[Toadstool, Amanita, Puffball],
    )


@pytest.fixture
def app() -> TestApp:
    return make_open_app()


@pytest.fixture
def url(app: TestApp, headers: dict[str, str]) -> str:
    """Store a record that friends may read, and return its URL."""
    body = {**BODY, "permissions": {"read": ["group:friends"]}}
    created = app.post_json(URL, body, headers=headers, status=201).json
    return f"{URL}/{created['data']['id']}"


def as_sets(response: Any) -> dict[Any, Any]:
    """Return the permissions of a body, whose order means nothing; each principal is there once."""
    permissions = response.json["permissions"]
    for principals in permissions.values():
        assert len(set(principals)) == len(principals)
    return {name: set(principals) for name, principals in permissions.items()}


METHODS = ["POST", "PUT", "PATCH"]
SUCCESS = {"POST": 201, "PUT": 200, "PATCH": 200}


def target(method: str, url: Any) -> Any:
    return URL if method == "POST" else url


# What is accepted


@pytest.mark.clause("H-24.1", "P-16.3", "H-8.1")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["create", "toadstool:create", "admin", "", "READ", "a:create"])
def test_an_unknown_permission_is_refused(
    app: TestApp, headers: dict[str, str], url: str, method: str, name: str
) -> None:
    before = contents(app)
    # Reported alone, before the other checks (H-24.2).
    body = {**BODY, "permissions": {"read": "book", name: ["group:friends"]}}

    response = send_content(app, method, target(method, url), body, headers, 400)

    description = f'"{name}" is not one of read, write'
    assert response.json["errno"] == 107
    assert response.json["message"] == f"permissions in body: {description}"
    assert response.json["details"] == [
        {"location": "body", "name": "permissions", "description": description}
    ]
    assert contents(app) == before


@pytest.mark.clause("H-24.1", "P-12.1")
def test_a_resource_may_accept_other_permissions(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    body = {"data": {}, "permissions": {"spore:create": ["group:friends"]}}

    created = app.post_json("/v0/puffballs", body, headers=headers, status=201)
    body = {"permissions": {"spore": []}}
    refused = app.post_json("/v0/puffballs", body, headers=headers, status=400)

    assert as_sets(created) == {"spore:create": {"group:friends"}, "write": {me}}
    message = 'permissions in body: "spore" is not one of read, write, spore:create'
    assert refused.json["message"] == message


@pytest.mark.clause("H-24.2")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("permissions", "name", "description"),
    [
        ({"read": "book"}, "permissions.read", '"book" is not iterable'),
        ({"write": "book"}, "permissions.write", '"book" is not iterable'),
        ({"read": 42}, "permissions.read", '"42" is not iterable'),
        ({"read": {"a": "b"}}, "permissions.read", None),
        ({"read": None}, "permissions.read", None),
        ({"read": ["a", 42]}, "permissions.read.1", None),
        ({"read": [["a"]]}, "permissions.read.0", None),
        ({"read": [{}]}, "permissions.read.0", None),
        ({"read": [None]}, "permissions.read.0", None),
        ({"read": [""]}, "permissions.read.0", "Required"),
        ({"read": ["a", "b", ""]}, "permissions.read.2", "Required"),
    ],
)
def test_principals_are_a_list_of_texts(
    app: TestApp,
    headers: dict[str, str],
    url: str,
    method: str,
    permissions: dict[str, Any],
    name: str,
    description: str | None,
) -> None:
    before = contents(app), permissions_of(app, object_id(url))
    body = {**BODY, "permissions": permissions}

    response = send_content(app, method, target(method, url), body, headers, 400)

    (detail,) = response.json["details"]
    assert (detail["location"], detail["name"]) == ("body", name)
    if description is not None:
        assert detail["description"] == description
        assert response.json["message"] == f"{name} in body: {description}"
    assert (contents(app), permissions_of(app, object_id(url))) == before


@pytest.mark.clause("H-24.2", "H-8.5")
def test_all_wrong_principals_are_reported_together(app: TestApp, headers: dict[str, str]) -> None:
    body = {"data": {"name": 42}, "permissions": {"read": "book", "write": ["a", ""]}}

    response = app.post_json(URL, body, headers=headers, status=400)

    names = {detail["name"] for detail in response.json["details"]}
    assert names == {"data.name", "permissions.read", "permissions.write.1"}


@pytest.mark.clause("H-24.1", "H-24.2")
@pytest.mark.parametrize("permissions", [[], "read", 42, True, ["read"]])
def test_permissions_are_an_object(
    app: TestApp, headers: dict[str, str], permissions: int | list[Any] | str
) -> None:
    body = {**BODY, "permissions": permissions}

    response = app.post_json(URL, body, headers=headers, status=400)

    assert response.json["details"][0]["name"] == "permissions"


@pytest.mark.clause("P-34.13")
def test_names_of_permissions_are_not_kept_from_one_request_to_the_next(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    for permissions in ({"read": ["a"]}, {"write": ["b"]}, {"read": ["c"]}, {}):
        created = app.post_json(
            URL, {**BODY, "permissions": permissions}, headers=headers, status=201
        )
        expected = {name: set(principals) for name, principals in permissions.items()}
        expected.setdefault("write", set()).add(me)
        assert as_sets(created) == expected


# What is stored


@pytest.mark.clause("H-24.3", "H-24.7")
@pytest.mark.parametrize("body", [{}, {"permissions": None}, {"permissions": {}}])
@pytest.mark.parametrize("method", METHODS)
def test_without_permissions_those_stored_are_left(
    app: TestApp, headers: dict[str, str], me: str, url: str, method: str, body: dict[str, Any]
) -> None:
    response = send_content(
        app,
        method,
        target(method, url),
        {**BODY, **body},
        headers,
        SUCCESS[method],
    )

    stored = {} if method == "POST" else {"read": {"group:friends"}}
    assert as_sets(response) == {**stored, "write": {me}}


@pytest.mark.clause("H-24.4", "H-24.7", "H-24.9")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_creation_stores_permissions_as_given(
    app: TestApp, headers: dict[str, str], me: str, method: str
) -> None:
    permissions = {"read": ["group:friends", "system.Everyone"], "write": ["group:o'neil"]}
    body = {**BODY, "permissions": permissions}
    path = URL if method == "POST" else f"{URL}/{UNKNOWN_ID}"

    created = send_content(app, method, path, body, headers, 201)

    expected = {"read": {"group:friends", "system.Everyone"}, "write": {"group:o'neil", me}}
    assert as_sets(created) == expected
    assert permissions_of(app, f"{COLLECTION}/{created.json['data']['id']}") == expected


@pytest.mark.clause("H-24.5", "P-12.5")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"read": ["a"]}, {"read": {"a"}}),
        ({"write": ["b"]}, {"write": {"b"}}),
        ({"read": []}, {}),
        ({"write": []}, {}),
        ({"read": ["a"], "write": ["b"]}, {"read": {"a"}, "write": {"b"}}),
    ],
)
def test_put_replaces_all_entries(
    app: TestApp,
    headers: dict[str, str],
    me: str,
    url: str,
    given: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    grant(app, object_id(url), "write", "group:writers")
    expected.setdefault("write", set()).add(me)

    response = app.put_json(url, {**BODY, "permissions": given}, headers=headers, status=200)

    assert as_sets(response) == expected
    assert permissions_of(app, object_id(url)) == expected


@pytest.mark.clause("H-24.5")
def test_put_leaves_entries_of_permissions_that_bodies_do_not_know(
    app: TestApp, headers: dict[str, str], me: str, url: str
) -> None:
    grant(app, object_id(url), "toadstool:taste", "group:chefs")

    response = app.put_json(
        url, {**BODY, "permissions": {"read": ["a"]}}, headers=headers, status=200
    )

    expected = {"read": {"a"}, "write": {me}, "toadstool:taste": {"group:chefs"}}
    assert as_sets(response) == expected


@pytest.mark.clause("H-24.6", "P-12.5")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"read": ["a"]}, {"read": {"a"}, "write": {"group:writers"}}),
        ({"write": ["b"]}, {"read": {"group:friends"}, "write": {"b"}}),
        ({"read": []}, {"write": {"group:writers"}}),
        ({"write": []}, {"read": {"group:friends"}}),
    ],
)
@pytest.mark.parametrize("data", [{}, {"data": {"name": "x"}}])
def test_patch_replaces_the_entries_it_mentions(
    app: TestApp,
    headers: dict[str, str],
    me: str,
    url: str,
    given: dict[str, Any],
    expected: dict[str, Any],
    data: dict[str, Any],
) -> None:
    grant(app, object_id(url), "write", "group:writers")
    wanted = {name: set(principals) for name, principals in expected.items()}
    wanted.setdefault("write", set()).add(me)

    response = app.patch_json(url, {**data, "permissions": given}, headers=headers, status=200)

    assert as_sets(response) == wanted
    assert permissions_of(app, object_id(url)) == wanted


@pytest.mark.clause("H-24.7")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_whoever_writes_may_write_from_then_on(
    app: TestApp,
    headers: dict[str, str],
    other_headers: dict[str, str],
    me: str,
    url: str,
    method: str,
) -> None:
    other = user_id(app, other_headers)
    app.app.registry.permission.add_user_principal(other, "group:writers")
    grant(app, object_id(url), "write", "group:writers")

    response = send_content(app, method, url, BODY, other_headers, 200)

    assert as_sets(response)["write"] == {me, "group:writers", other}


@pytest.mark.clause("H-24.7")
def test_an_anonymous_change_adds_no_principal(app: TestApp, me: str, url: str) -> None:
    grant(app, object_id(url), "write", "system.Everyone")

    response = app.patch_json(url, BODY, status=200)

    assert as_sets(response)["write"] == {me, "system.Everyone"}


@pytest.mark.clause("H-24.8")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changing_permissions_needs_write(
    app: TestApp, other_headers: dict[str, str], url: str, method: str
) -> None:
    other = user_id(app, other_headers)
    grant(app, object_id(url), "read", other)
    grant(app, COLLECTION, "write", other)
    before = permissions_of(app, object_id(url))

    body = {**BODY, "permissions": {"write": [other]}}
    send_content(app, method, url, body, other_headers, 403)

    assert permissions_of(app, object_id(url)) == before


@pytest.mark.clause("D-65", "B-22.38", "H-24.9")
@pytest.mark.parametrize("method", METHODS)
def test_empty_lists_and_repeated_principals_do_no_harm(
    app: TestApp, headers: dict[str, str], me: str, url: str, method: str
) -> None:
    body = {**BODY, "permissions": {"read": ["a", "a", "b", "a"], "write": []}}

    response = send_content(app, method, target(method, url), body, headers, SUCCESS[method])

    assert as_sets(response) == {"read": {"a", "b"}, "write": {me}}


# What is shown


@pytest.mark.clause("H-24.9", "H-1.5", "H-16.1", "H-18.1", "H-19.3", "P-12.6", "P-14.2")
def test_responses_about_one_record_have_its_permissions(
    app: TestApp, headers: dict[str, str], me: str, url: str
) -> None:
    expected = {"read": {"group:friends"}, "write": {me}}

    assert as_sets(app.get(url, headers=headers)) == expected
    assert as_sets(app.put_json(url, BODY, headers=headers, status=200)) == expected
    assert as_sets(app.patch_json(url, BODY, headers=headers, status=200)) == expected
    assert as_sets(app.put_json(f"{URL}/{UNKNOWN_ID}", BODY, headers=headers, status=201)) == {
        "write": {me}
    }
    assert set(app.get(url, headers=headers).json["data"]) == {"id", "last_modified", "name"}


@pytest.mark.clause("D-52", "H-24.9")
def test_a_permission_without_principals_is_not_shown(
    app: TestApp, headers: dict[str, str], me: str, url: str
) -> None:
    cleared = {"permissions": {"read": []}}

    for response in (
        app.patch_json(url, cleared, headers=headers),
        app.get(url, headers=headers),
        app.put_json(url, {**BODY, **cleared}, headers=headers),
        app.post_json(URL, {**BODY, **cleared}, headers=headers),
    ):
        assert response.json["permissions"] == {"write": [me]}


@pytest.mark.clause("D-52", "H-24.9")
def test_the_shape_does_not_depend_on_the_backend(
    app: TestApp, headers: dict[str, str], url: str
) -> None:
    backend = app.app.registry.permission

    def object_permissions(object_id: Any, permissions: Any = None) -> dict[Any, Any]:
        # As a backend of somebody else may answer.
        return {"read": set(), **backend.object_permissions(object_id, permissions), "taste": []}

    backend.replace_object_permissions(object_id(url), {"read": []})
    app.app.registry.permission = FaultyBackend(backend, object_permissions=object_permissions)

    assert list(app.get(url, headers=headers).json["permissions"]) == ["write"]


@pytest.mark.clause("H-24.10", "H-11.1", "H-17.3", "H-21.1", "P-12.6")
def test_no_permissions_in_lists_deletions_and_errors(
    app: TestApp, headers: dict[str, str], me: str, url: str
) -> None:
    grant(app, COLLECTION, "read", me)
    grant(app, COLLECTION, "write", me)
    body = {"data": {"name": "x", "code": "1"}}
    other = app.post_json(URL, body, headers=headers, status=201).json["data"]

    responses = [
        app.get(URL, headers=headers),
        app.get(f"{URL}?_since=0", headers=headers),
        app.get(f"{URL}?_fields=name", headers=headers),
        app.post_json(URL, body, headers=headers, status=200),
        app.put_json(url, body, headers=headers, status=409),
        app.patch_json(url, body, headers=headers, status=409),
        app.put_json(url, BODY, headers={**headers, "If-Match": '"1"'}, status=412),
        app.get(url, headers={**headers, "If-Match": '"1"'}, status=412),
        app.delete(url, headers=headers),
        app.delete(URL, headers=headers),
    ]

    assert responses[3].json == {"data": other}
    for response in responses:
        assert "permissions" not in response.text
        assert "group:friends" not in response.text
        assert me not in response.text


@pytest.mark.clause("H-24.11")
def test_a_reader_sees_all_permissions(
    app: TestApp, other_headers: dict[str, str], me: str, url: str
) -> None:
    other = user_id(app, other_headers)
    app.app.registry.permission.add_user_principal(other, "group:friends")

    response = app.get(url, headers=other_headers, status=200)

    assert as_sets(response) == {"read": {"group:friends"}, "write": {me}}


@pytest.mark.clause("H-15.7")
@pytest.mark.parametrize(
    "fields", ["name", "id", "__permissions__", "permissions", "__permissions__.read"]
)
def test_a_partial_record_has_no_permissions(
    app: TestApp, headers: dict[str, str], fields: str
) -> None:
    created = app.post_json(AMANITAS, {"data": {"name": "x"}}, headers=headers).json["data"]
    url = f"{AMANITAS}/{created['id']}"

    response = app.get(f"{url}?_fields={fields}", headers=headers, status=200)

    assert set(response.json) == {"data"}
    assert set(response.json["data"]) <= {"id", "last_modified", "name"}


# PATCH


@pytest.mark.clause("H-20.3", "H-8.9", "P-16.3")
@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"permissions": {}}, {"permissions": {"read": ["a"]}}, BODY]
)
def test_patch_takes_data_or_permissions_or_both(
    app: TestApp, headers: dict[str, str], url: str, body: dict[str, Any]
) -> None:
    name = body.get("data", {}).get("name", "death cap")

    assert app.patch_json(url, body, headers=headers, status=200).json["data"]["name"] == name


@pytest.mark.clause("H-20.3", "D-72")
def test_patch_with_an_empty_body_is_refused(
    app: TestApp, headers: dict[str, str], url: str
) -> None:
    json = {**headers, "Content-Type": "application/json"}

    response = app.patch(url, "", headers=json, status=400)

    description = "Provide at least one of data or permissions"
    assert response.json["message"].endswith(description)
    assert response.json["details"] == [
        {"location": "body", "name": "data", "description": description}
    ]


@pytest.mark.clause("D-7")
def test_patch_with_null_data_is_refused(app: TestApp, headers: dict[str, str], url: str) -> None:
    for body in ({"data": None}, {"data": None, "permissions": {"read": []}}):
        response = app.patch_json(url, body, headers=headers, status=400)
        assert response.json["message"] == "data in body: Required"


@pytest.mark.clause("H-20.6", "P-12.2", "H-9.2")
@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, BODY, {"permissions": {"read": ["group:friends"]}}]
)
def test_patch_always_writes(
    app: TestApp, headers: dict[str, str], url: str, body: dict[str, Any]
) -> None:
    before = app.get(url, headers=headers).json["data"]

    after = app.patch_json(url, body, headers=headers, status=200)

    assert after.json["data"]["last_modified"] > before["last_modified"]
    assert contents(app)[1] == after.json["data"]["last_modified"]
    assert after.headers["ETag"] == f'"{after.json["data"]["last_modified"]}"'


@pytest.mark.clause("H-20.11", "H-20.9", "H-20.10")
@pytest.mark.parametrize(("behavior", "data"), [("light", {"name": "x"}), ("diff", {})])
def test_a_short_response_has_no_permissions(
    app: TestApp, headers: dict[str, str], url: str, behavior: str, data: dict[str, Any]
) -> None:
    body = {"data": {"name": "x"}, "permissions": {"read": ["a"]}}
    short = {**headers, "Response-Behavior": behavior}

    response = app.patch_json(url, body, headers=short, status=200)

    assert response.json == {"data": data}
    assert permissions_of(app, object_id(url))["read"] == {"a"}


# Data that looks like permissions


@pytest.mark.clause("D-9")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [{"read": ["system.Everyone"]}, "x", None, [], {}])
def test_data_never_changes_permissions(
    app: TestApp, headers: dict[str, str], me: str, method: str, value: object
) -> None:
    created = app.post_json(AMANITAS, {"data": {"name": "x"}}, headers=headers).json["data"]
    url = f"{AMANITAS}/{created['id']}"
    before = contents(app, "amanita")

    path = AMANITAS if method == "POST" else url
    response = send_content(app, method, path, {"data": {"__permissions__": value}}, headers, 400)

    assert response.json["details"][0]["name"] == "data.__permissions__"
    assert permissions_of(app, object_id(url)) == {"write": {me}}
    assert contents(app, "amanita") == before


@pytest.mark.clause("D-9")
def test_a_member_of_data_may_be_called_permissions(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    data = {"permissions": {"read": ["system.Everyone"]}}

    created = app.post_json(AMANITAS, {"data": data}, headers=headers, status=201)

    assert created.json["data"]["permissions"] == data["permissions"]
    assert as_sets(created) == {"write": {me}}


@pytest.mark.clause("B-20.4", "P-14.2")
def test_permissions_never_reach_the_storage(
    app: TestApp, headers: dict[str, str], url: str
) -> None:
    app.put_json(url, {**BODY, "permissions": {"read": ["a"]}}, headers=headers, status=200)
    app.patch_json(url, {"permissions": {"read": ["b"]}}, headers=headers, status=200)

    (record,), _ = contents(app)
    assert set(record) == {"id", "last_modified", "name"}


@pytest.mark.clause("H-24.9")
@pytest.mark.clause("H-24.9")
def test_permissions_of_a_record_made_without_user_are_shown_to_readers(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    record = store(app)
    grant(app, object_id(record["url"]), "read", me)

    assert app.get(record["url"], headers=headers).json["permissions"] == {"read": [me]}
