"""PATCH in the formats of RFC 7396 and RFC 6902 (E-4)."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from support.sharing import Amanita
from testapp import RESOURCES
from webtest import TestApp

from cliquet import events, resource
from cliquet.testing.web import basic_auth

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
THREE_TYPES = f"{JSON}, {MERGE_PATCH}, {JSON_PATCH}"
OTHER_ID = "00000000-0000-4000-8000-000000000001"


class Bracket(resource.UserResource):
    """A read-only field, a default, and a hook that decides about changes."""

    class BracketSchema(resource.ResourceSchema):
        class Options:
            readonly_fields = ("serial",)
            unique_fields = ("code",)

        serial = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        label = colander.SchemaNode(colander.String(), missing="none")
        name = colander.SchemaNode(colander.String())
        code = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = BracketSchema()

    def apply_changes(self, record: Any, changes: Any) -> Any:
        seen = dict(record)
        if "LOUD" in changes.values():
            seen["name"] = record["name"].upper()
        elif "SIGNED" in changes.values():
            seen["name"] = f"{record.get('id')} {record.get('last_modified')}"
        return super().apply_changes(seen, changes)


@pytest.fixture(scope="module")
def seen() -> list[Any]:
    """Return the list to which the events of changes are added."""
    return []


@pytest.fixture(scope="module")
def app(seen: list[Any]) -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(
        [*RESOURCES, Bracket, Amanita],
        settings={"amanita_create_principals": "system.Authenticated"},
        configure=lambda config: config.add_subscriber(seen.append, events.ResourceChanged),
    )


@pytest.fixture
def stored(app: TestApp, headers: dict[str, str]) -> Callable[..., Any]:
    """Store a record, and return it and its URL."""

    def stored(path: str, data: Any, **members: Any) -> Any:
        body = {"data": data, **members}
        record = app.post_json(f"/v0{path}", body, headers=headers).json["data"]
        return record, f"/v0{path}/{record['id']}"

    return stored


def patch(
    app: TestApp,
    url: Any,
    headers: Any,
    content_type: Any,
    body: Any,
    status: int | str = 200,
    **more: Any,
) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {**headers, **more, "Content-Type": content_type}
    return app.patch(url, text, headers=headers, status=status)


def merge(
    app: TestApp, url: Any, headers: Any, body: Any, status: int | str = 200, **more: Any
) -> Any:
    return patch(app, url, headers, MERGE_PATCH, body, status, **more)


def operate(
    app: TestApp, url: Any, headers: Any, *operations: Any, status: int | str = 200, **more: Any
) -> Any:
    return patch(app, url, headers, JSON_PATCH, list(operations), status, **more)


def details(response: Any) -> list[Any]:
    return [
        (item["location"], item["name"], item["description"]) for item in response.json["details"]
    ]


def content(record: Any) -> dict[Any, Any]:
    return {name: value for name, value in record.items() if name not in ("id", "last_modified")}


# User resources


@pytest.mark.clause("E-4.1")
def test_merge_patch_merges_at_every_depth_and_null_removes(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x", "f": None})

    response = merge(
        app, url, headers, {"a": {"b": None, "x": {"y": None, "z": 1}}, "d": [3], "e": None}
    )

    expected = {"a": {"c": 2, "x": {"z": 1}}, "d": [3], "f": None}
    assert content(response.json["data"]) == expected
    assert content(app.get(url, headers=headers).json["data"]) == expected
    assert response.json["data"]["last_modified"] > record["last_modified"]
    assert response.headers["ETag"] == f'"{response.json["data"]["last_modified"]}"'


@pytest.mark.clause("E-4.1")
def test_merge_patch_has_no_envelope_on_user_resources(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1})

    merge(app, url, headers, {"data": {"a": 2}})

    assert content(app.get(url, headers=headers).json["data"]) == {"a": 1, "data": {"a": 2}}


@pytest.mark.clause("E-4.1")
def test_json_patch_applies_its_operations_in_order(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": {"b": 1}, "l": [1, 2], "gone": 1, "old": "x"})

    response = operate(
        app,
        url,
        headers,
        {"op": "test", "path": "/data/a/b", "value": 1},
        {"op": "add", "path": "/data/l/-", "value": 3},
        {"op": "remove", "path": "/data/gone"},
        {"op": "replace", "path": "/data/a/b", "value": {"c": 2}},
        {"op": "move", "from": "/data/old", "path": "/data/new"},
        {"op": "copy", "from": "/data/a/b", "path": "/data/copied"},
    )

    expected = {"a": {"b": {"c": 2}}, "l": [1, 2, 3], "new": "x", "copied": {"c": 2}}
    assert content(response.json["data"]) == expected
    assert content(app.get(url, headers=headers).json["data"]) == expected


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"op": "test", "path": "/data/a", "value": 2}, "the value tested is another one"),
        ({"op": "test", "path": "/data/a", "value": True}, "the value tested is another one"),
        ({"op": "remove", "path": "/data/zz"}, "its path does not lead anywhere"),
        ({"op": "replace", "path": "/a", "value": 2}, "its path does not lead anywhere"),
        ({"op": "add", "path": "/data/zz/y", "value": 2}, "its path does not lead anywhere"),
        ({"op": "remove", "path": "/permissions"}, "its path does not lead anywhere"),
        ({"op": "frobnicate", "path": "/data/a"}, "it is not an operation of RFC 6902"),
    ],
)
def test_a_failing_operation_is_named_and_nothing_is_written(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    operation: dict[str, Any],
    reason: str,
) -> None:
    record, url = stored("/spores", {"a": 1})
    change = {"op": "replace", "path": "/data/a", "value": 1}

    response = operate(app, url, headers, change, change, operation, status=400)

    assert details(response) == [("body", "2", f"Operation 2 fails: {reason}")]
    assert response.json["message"] == f"Operation 2 fails: {reason}"
    assert response.json["errno"] == 107
    assert app.get(url, headers=headers).json["data"] == record


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("path", ["/permissions", "/other"])
def test_json_patch_of_a_user_resource_has_data_only(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], path: str
) -> None:
    _, url = stored("/spores", {"a": 1})

    response = operate(app, url, headers, {"op": "add", "path": path, "value": {}}, status=400)

    assert details(response) == [("body", path[1:], f"{path[1:]} is not allowed")]


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data"},
        {"op": "replace", "path": "/data", "value": [1]},
        {"op": "replace", "path": "", "value": {}},
    ],
)
def test_data_stays_an_object(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], operation: dict[str, Any]
) -> None:
    _, url = stored("/spores", {"a": 1})

    response = operate(app, url, headers, operation, status=400)

    assert details(response) == [("body", "data", "data is not an object after the patch")]


@pytest.mark.clause("E-4.1")
def test_the_whole_data_may_be_replaced(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1, "b": 2})

    operate(app, url, headers, {"op": "replace", "path": "/data", "value": {"c": 3}})

    patched = app.get(url, headers=headers).json["data"]
    assert content(patched) == {"c": 3}
    assert patched["id"] == record["id"]
    assert patched["last_modified"] > record["last_modified"]


# Bodies


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("text", ["", "{", "[1", '{"a": NaN}', '{"a": 18446744073709551616}'])
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_body_is_strict_json(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], content_type: str, text: str
) -> None:
    _, url = stored("/spores", {"a": 1})

    response = patch(app, url, headers, content_type, text, 400)

    assert response.json["errno"] == 107
    assert response.json["details"][0]["location"] == "body"
    assert response.json["details"][0]["description"].startswith("Invalid JSON request body: ")


@pytest.mark.clause("E-4.1", "H-20.13")
@pytest.mark.parametrize(
    ("content_type", "body", "fault"),
    [
        (MERGE_PATCH, [], (None, "A merge patch of a record is an object")),
        (MERGE_PATCH, "null", (None, "A merge patch of a record is an object")),
        (JSON_PATCH, {"data": {}}, (None, "A JSON patch is an array of operations")),
        (
            JSON_PATCH,
            [{"op": "add"}],
            ("0", "Operation 0 fails: it is not an operation of RFC 6902"),
        ),
    ],
)
def test_shape_is_judged_before_the_record_is_looked_up(
    app: TestApp,
    headers: dict[str, str],
    content_type: str,
    body: dict[str, Any] | list[Any] | str,
    fault: tuple[Any, ...],
) -> None:
    for record_id in (OTHER_ID, "not-an-id"):
        response = patch(app, f"/v0/spores/{record_id}", headers, content_type, body, 400)

        assert details(response) == [("body", *fault)]


@pytest.mark.clause("E-4.1", "H-20.13")
def test_a_fitting_patch_of_an_unknown_record_finds_nothing(
    app: TestApp, headers: dict[str, str]
) -> None:
    merge(app, f"/v0/spores/{OTHER_ID}", headers, {}, 404)
    operate(app, f"/v0/spores/{OTHER_ID}", headers, status=404)


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("suffix", ["; charset=utf-8", ";charset=latin-1"])
@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_media_types_are_compared_as_such(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], change: Any, suffix: str
) -> None:
    _, url = stored("/spores", {"a": "é"})

    patch(app, url, headers, change(MERGE_PATCH) + suffix, json.dumps({"b": "è"}))
    patch(app, url, headers, change(JSON_PATCH) + suffix, [{"op": "remove", "path": "/data/a"}])

    assert content(app.get(url, headers=headers).json["data"]) == {"b": "è"}


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_query_parameters_are_refused_as_with_json(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], content_type: str
) -> None:
    _, url = stored("/spores", {"a": 1})
    body = {} if content_type == MERGE_PATCH else []

    response = patch(app, f"{url}?_fields=a", headers, content_type, body, 400)

    assert details(response) == [("querystring", "_fields", "_fields is not allowed")]


# Reserved members


@pytest.mark.clause("E-4.1")
def test_id_and_timestamp_cannot_be_patched_away(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1})

    merge(app, url, headers, {"id": None, "last_modified": None})
    operate(
        app,
        url,
        headers,
        {"op": "remove", "path": "/data/id"},
        {"op": "remove", "path": "/data/last_modified"},
    )

    # Nothing has changed, hence nothing was written (H-20.5).
    assert app.get(url, headers=headers).json["data"] == record


@pytest.mark.clause("E-4.1", "H-19.5", "H-20.8")
@pytest.mark.parametrize("new_id", [OTHER_ID, 3, ""])
def test_id_cannot_be_changed(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], new_id: int | str
) -> None:
    _, url = stored("/spores", {"a": 1})
    operation = {"op": "replace", "path": "/data/id", "value": new_id}

    for response in (
        merge(app, url, headers, {"id": new_id}, 400),
        operate(app, url, headers, operation, status=400),
    ):
        assert details(response) == [("body", "id", "Record id does not match existing record")]


@pytest.mark.clause("E-4.1", "X-5", "H-9.1")
def test_timestamp_may_be_given(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1})
    later = record["last_modified"] + 100_000

    response = merge(app, url, headers, {"last_modified": later})
    assert response.json["data"]["last_modified"] == later

    operation = {"op": "replace", "path": "/data/last_modified", "value": later + 5}
    response = operate(app, url, headers, operation)
    assert response.json["data"]["last_modified"] == later + 5
    # One of the past is ignored, and the record is written all the same (H-20.4).
    response = merge(app, url, headers, {"last_modified": 12})
    assert response.json["data"]["last_modified"] > later + 5


@pytest.mark.clause("E-4.1", "D-3", "D-4")
@pytest.mark.parametrize("value", ["12", 1.5, True, -1, {}])
def test_timestamp_must_be_one(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    value: dict[str, Any] | float | str,
) -> None:
    _, url = stored("/spores", {"a": 1})
    operation = {"op": "replace", "path": "/data/last_modified", "value": value}

    response = operate(app, url, headers, operation, status=400)

    name = "data.last_modified"
    assert details(response) == [("body", name, "Invalid value for last_modified")]


@pytest.mark.clause("E-4.1", "H-12.19")
def test_no_patch_makes_a_record_look_deleted(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1})

    merge(app, url, headers, {"deleted": True})

    assert "deleted" not in app.get(url, headers=headers).json["data"]


# Schema, read-only fields, unicity


@pytest.mark.clause("E-4.1", "H-20.7")
@pytest.mark.parametrize("value", [None, 2])
def test_read_only_members_are_neither_changed_nor_removed(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], value: Any
) -> None:
    record, url = stored("/brackets", {"serial": 1, "name": "a"})
    operation = {"op": "remove", "path": "/data/serial"}
    if value is not None:
        operation = {"op": "add", "path": "/data/serial", "value": value}

    for response in (
        merge(app, url, headers, {"serial": value}, 400),
        operate(app, url, headers, operation, status=400),
    ):
        assert details(response) == [("body", "serial", "Cannot modify serial")]
    assert app.get(url, headers=headers).json["data"] == record


@pytest.mark.clause("E-4.1", "H-20.7")
def test_read_only_members_may_be_sent_again_or_set_once(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/brackets", {"name": "a"})

    merge(app, url, headers, {"serial": 1})
    merge(app, url, headers, {"serial": 1, "name": "b"})

    assert app.get(url, headers=headers).json["data"]["serial"] == 1


@pytest.mark.clause("E-4.1", "H-20.2", "H-8.18")
def test_result_must_fit_the_schema(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/brackets", {"name": "a", "label": "x"})

    for response in (
        merge(app, url, headers, {"name": None}, 400),
        operate(app, url, headers, {"op": "remove", "path": "/data/name"}, status=400),
    ):
        assert details(response) == [("body", "data.name", "Required")]
    response = merge(app, url, headers, {"serial": "x"}, 400)
    assert response.json["details"][0]["name"] == "data.serial"


@pytest.mark.clause("E-4.1", "H-20.2")
def test_removal_restores_the_default(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/brackets", {"name": "a", "label": "x"})

    response = operate(app, url, headers, {"op": "remove", "path": "/data/label"})

    assert response.json["data"]["label"] == "none"


@pytest.mark.clause("E-4.1", "H-20.2")
def test_unknown_members_are_dropped_or_kept_as_the_schema_says(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, bracket = stored("/brackets", {"name": "a"})
    _, spore = stored("/spores", {"name": "a"})

    for url, expected in [(bracket, set()), (spore, {"colour"})]:
        merge(app, url, headers, {"colour": "red"})
        record = app.get(url, headers=headers).json["data"]
        assert record.keys() & {"colour"} == expected


@pytest.mark.clause("E-4.1", "H-23.5")
def test_a_unique_value_that_is_taken_is_a_conflict(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    stored("/brackets", {"name": "a", "code": "x"})
    _, url = stored("/brackets", {"name": "b"})

    merge(app, url, headers, {"code": "x"}, 409)


@pytest.mark.clause("E-4.1", "P-11.3")
def test_the_hook_of_applications_decides_about_every_format(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    for send in (
        lambda url: app.patch_json(url, {"data": {"label": "LOUD"}}, headers=headers),
        lambda url: merge(app, url, headers, {"label": "LOUD"}),
        lambda url: operate(
            app, url, headers, {"op": "add", "path": "/data/label", "value": "LOUD"}
        ),
    ):
        _, url = stored("/brackets", {"name": "a"})

        send(url)

        assert app.get(url, headers=headers).json["data"]["name"] == "A"


@pytest.mark.clause("E-4.1", "P-11.3")
def test_the_hook_sees_which_record_it_is_whatever_is_patched_away(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/brackets", {"name": "a"})

    merge(app, url, headers, {"id": None, "last_modified": None, "label": "SIGNED"})

    assert app.get(url, headers=headers).json["data"]["name"] == (
        f"{record['id']} {record['last_modified']}"
    )


@pytest.mark.clause("E-4.1", "D-12")
def test_no_patch_makes_a_record_that_cannot_be_sent_back(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    deep = {}
    for _ in range(97):
        deep = {"a": deep}
    record, url = stored("/spores", {"deep": deep})
    add = {"op": "add", "path": "/data/deep/a/a/a", "value": deep}
    move = {"op": "move", "from": "/data/deep", "path": "/data/x"}

    operate(app, url, headers, move)
    moved = app.get(url, headers=headers).json["data"]
    app.put_json(url, {"data": moved}, headers=headers)
    for response in (
        merge(app, url, headers, {"y": {"z": deep}}, 400),
        operate(app, url, headers, {**add, "path": "/data/x/a/a"}, status=400),
    ):
        description = "The result of the patch has more than 100 levels of nesting"
        assert details(response) == [("body", None, description)]
    assert app.get(url, headers=headers).json["data"].keys() == record.keys() - {"deep"} | {"x"}


# What is changed, told and shown


@pytest.mark.clause("E-4.1", "H-20.5")
@pytest.mark.parametrize("body", [{}, {"a": 1.0}, {"zz": None}, {"b": {"c": None}}])
def test_a_merge_patch_without_effect_writes_nothing(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    seen: list[Any],
    body: dict[str, Any],
) -> None:
    record, url = stored("/spores", {"a": 1, "b": {}})
    etag = app.get(url, headers=headers).headers["ETag"]
    seen.clear()

    response = merge(app, url, headers, body)

    assert response.headers["ETag"] == etag
    assert response.json["data"] == record
    assert app.get("/v0/spores", headers=headers).headers["ETag"] == etag


@pytest.mark.clause("E-4.1", "H-20.9")
@pytest.mark.parametrize(
    ("behavior", "shown"),
    [("light", {"name": "b", "label": "none"}), ("diff", {"label": "none"})],
)
def test_response_may_be_less(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    behavior: str,
    shown: dict[str, Any],
) -> None:
    _, url = stored("/brackets", {"name": "a", "label": "x", "serial": 1, "code": "y"})
    operations = [
        {"op": "replace", "path": "/data/name", "value": "b"},
        {"op": "remove", "path": "/data/label"},
        {"op": "remove", "path": "/data/code"},
        {"op": "replace", "path": "/data/serial", "value": 1},
    ]

    response = operate(app, url, headers, *operations, **{"Response-Behavior": behavior})

    assert response.json == {"data": shown}


@pytest.mark.clause("E-4.1", "P-21.3")
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_subscribers_are_told_before_and_after(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    seen: list[Any],
    content_type: str,
) -> None:
    record, url = stored("/spores", {"a": 1, "b": 2})
    bodies = {MERGE_PATCH: {"a": None}, JSON_PATCH: [{"op": "remove", "path": "/data/a"}]}
    seen.clear()

    patch(app, url, headers, content_type, bodies[content_type])

    (event,) = seen
    (impacted,) = event.impacted_records
    assert impacted["old"] == record
    assert content(impacted["new"]) == {"b": 2}


@pytest.mark.clause("E-4.1", "H-10.6")
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_preconditions_hold_before_the_patch_is_applied(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], content_type: str
) -> None:
    _, url = stored("/spores", {"a": 1})
    bodies = {MERGE_PATCH: {"a": 2}, JSON_PATCH: [{"op": "remove", "path": "/data/zz"}]}

    patch(app, url, headers, content_type, bodies[content_type], 412, **{"If-Match": '"12"'})

    assert app.get(url, headers=headers).json["data"]["a"] == 1


# Shareable resources


@pytest.fixture
def shared(app: TestApp, headers: dict[str, str], stored: Callable[..., Any]) -> Any:
    """Store a shared record, and return it, its URL, and the id of its owner."""
    record, url = stored("/amanitas", {"a": 1}, permissions={"read": ["x", "y"]})
    owner = app.get("/v0/", headers=headers).json["user"]["id"]
    return record, url, owner


@pytest.mark.clause("E-4.1")
def test_merge_patch_has_data_and_permissions_on_shareable_resources(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, owner = shared

    response = merge(
        app, url, headers, {"data": {"a": None, "b": 2}, "permissions": {"read": ["z"]}}
    )

    assert content(response.json["data"]) == {"b": 2}
    assert response.json["permissions"] == {"read": ["z"], "write": [owner]}
    assert app.get(url, headers=headers).json == response.json


@pytest.mark.clause("E-4.1", "H-20.6")
def test_either_member_of_a_merge_patch_may_be_absent(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    record, url, owner = shared

    response = merge(app, url, headers, {"data": {"b": 2}})
    assert response.json["permissions"] == {"read": ["x", "y"], "write": [owner]}

    response = merge(app, url, headers, {"permissions": {"read": None}})
    assert content(response.json["data"]) == {"a": 1, "b": 2}
    assert response.json["permissions"] == {"write": [owner]}

    before = response.json["data"]["last_modified"]
    response = merge(app, url, headers, {})
    assert response.json["data"]["last_modified"] > before > record["last_modified"]


@pytest.mark.clause("E-4.1", "D-52")
def test_json_patch_sees_permissions_as_responses_show_them(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, owner = shared
    assert app.get(url, headers=headers).json["permissions"]["read"] == ["x", "y"]

    response = operate(
        app,
        url,
        headers,
        {"op": "test", "path": "/permissions/write", "value": [owner]},
        {"op": "test", "path": "/permissions/read/1", "value": "y"},
        {"op": "remove", "path": "/permissions/read/1"},
        {"op": "add", "path": "/permissions/read/-", "value": "z"},
        {"op": "add", "path": "/data/b", "value": 2},
    )

    assert response.json["permissions"] == {"read": ["x", "z"], "write": [owner]}
    assert content(response.json["data"]) == {"a": 1, "b": 2}
    assert app.get(url, headers=headers).json == response.json


@pytest.mark.clause("E-4.1")
def test_a_removed_permission_is_nobodys(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, owner = shared

    operate(app, url, headers, {"op": "remove", "path": "/permissions/read"})

    assert app.get(url, headers=headers).json["permissions"] == {"write": [owner]}


@pytest.mark.clause("E-4.1", "H-24.1")
@pytest.mark.parametrize("permissions", [{"fly": ["x"]}, {"read": "x"}, {"read": [["x"]]}])
def test_permissions_are_checked_as_in_other_bodies(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...], permissions: dict[str, Any]
) -> None:
    _, url, _ = shared
    before = app.get(url, headers=headers).json
    name, value = next(iter(permissions.items()))
    body = {"permissions": permissions}
    operation = {"op": "add", "path": f"/permissions/{name}", "value": value}

    expected = details(app.patch_json(url, body, headers=headers, status=400))
    assert details(merge(app, url, headers, body, 400)) == expected
    assert details(operate(app, url, headers, operation, status=400)) == expected
    assert app.get(url, headers=headers).json == before


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"a": 2}, ("body", "a", "a is not allowed")),
        ({"data": None}, ("body", "data", "data is not an object after the patch")),
        ({"data": [1]}, ("body", "data", "data is not an object after the patch")),
        (
            {"permissions": 1},
            ("body", "permissions", "permissions is not an object after the patch"),
        ),
    ],
)
def test_merge_target_of_shareable_resources_keeps_its_shape(
    app: TestApp,
    headers: dict[str, str],
    shared: tuple[Any, ...],
    body: dict[str, Any],
    fault: tuple[Any, ...],
) -> None:
    _, url, _ = shared

    assert details(merge(app, url, headers, body, 400)) == [fault]


@pytest.mark.clause("E-4.1", "D-9")
def test_permissions_cannot_be_smuggled_into_data(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, _ = shared
    path = "/data/__permissions__"

    response = operate(
        app, url, headers, {"op": "add", "path": path, "value": {"write": ["z"]}}, status=400
    )

    assert details(response) == [("body", "data.__permissions__", "__permissions__ is reserved")]


@pytest.mark.clause("E-4.1", "H-20.11")
def test_light_responses_have_no_permissions(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, _ = shared
    body = {"data": {"b": 2}, "permissions": {"read": None}}

    response = merge(app, url, headers, body, **{"Response-Behavior": "light"})

    assert response.json == {"data": {"b": 2}}


@pytest.mark.clause("E-4.1", "H-24.8")
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_patches_need_permission_to_write(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...], content_type: str
) -> None:
    _, url, _ = shared
    stranger = basic_auth(uuid.uuid4().hex)
    body = {} if content_type == MERGE_PATCH else []

    patch(app, url, stranger, content_type, body, 403)
    patch(app, url, {}, content_type, body, 401)


# Negotiation


@pytest.mark.clause("E-4.1", "X-27", "H-6.6")
@pytest.mark.parametrize("path", ["/spores", "/amanitas"])
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/patch+json"]
)
def test_another_type_is_refused_with_the_published_text_and_the_three_types(
    app: TestApp, headers: dict[str, str], path: str, content_type: str
) -> None:
    response = patch(app, f"/v0{path}/{OTHER_ID}", headers, content_type, {}, 415)

    text = "Content-Type header should be one of ['application/json']"
    assert response.json["message"] == text
    assert details(response) == [("header", "Content-Type", text)]
    assert response.headers["Accept-Patch"] == THREE_TYPES


@pytest.mark.clause("E-4.1", "H-6.5")
@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH])
def test_patches_are_for_patch_alone(
    app: TestApp, headers: dict[str, str], content_type: str
) -> None:
    typed = {**headers, "Content-Type": content_type}

    for response in (
        app.post("/v0/spores", "{}", headers=typed, status=415),
        app.put(f"/v0/spores/{OTHER_ID}", "{}", headers=typed, status=415),
    ):
        assert "Accept-Patch" not in response.headers


@pytest.mark.clause("E-4.1", "X-13")
def test_options_lists_the_three_types(app: TestApp) -> None:
    url = f"/v0/spores/{OTHER_ID}"
    preflight = {"Origin": "http://a.example", "Access-Control-Request-Method": "PATCH"}

    assert app.options(url).headers["Accept-Patch"] == THREE_TYPES
    assert app.options(url, headers=preflight).headers["Accept-Patch"] == THREE_TYPES
    assert "Accept-Patch" not in app.options("/v0/spores").headers
    assert "Accept-Patch" not in app.options("/v0/batch").headers


@pytest.mark.clause("E-20.5", "H-7.4")
def test_a_refused_method_is_told_what_patch_accepts(app: TestApp, headers: dict[str, str]) -> None:
    refused = app.post_json(f"/v0/spores/{OTHER_ID}", {}, headers=headers, status=405)
    assert "PATCH" in refused.headers["Allow"]
    assert refused.headers["Accept-Patch"] == THREE_TYPES
    # There is no PATCH of these.
    for url in ("/v0/spores", "/v0/batch"):
        refused = app.put_json(url, {}, headers=headers, status=405)
        assert "Accept-Patch" not in refused.headers


@pytest.mark.clause("E-20.5", "H-31.1")
@pytest.mark.parametrize("setting", ["readonly", "record_spore_patch_enabled"])
def test_where_patch_is_disabled_a_refused_method_is_told_nothing_of_it(setting: str) -> None:
    value = "true" if setting == "readonly" else "false"
    app = make_app(RESOURCES, settings={setting: value})

    refused = app.patch_json(f"/v0/spores/{OTHER_ID}", {}, status=405)

    assert "PATCH" not in refused.headers["Allow"]
    assert "Accept-Patch" not in refused.headers


@pytest.mark.clause("E-4.1")
def test_options_lists_nothing_where_patch_is_disabled() -> None:
    app = make_app(RESOURCES, settings={"record_spore_patch_enabled": "false"})

    assert "Accept-Patch" not in app.options(f"/v0/spores/{OTHER_ID}").headers
    assert "Accept-Patch" in app.options(f"/v0/lichens/{OTHER_ID}").headers


# Batch


def batch(
    app: TestApp, headers: Any, *requests: Any, status: int | str = 200, **members: Any
) -> Any:
    body = {"requests": list(requests), **members}
    return app.post_json("/v0/batch", body, headers=headers, status=status)


@pytest.mark.clause("E-4.1", "H-25.15")
@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
@pytest.mark.parametrize("suffix", ["", "; charset=utf-8"])
def test_both_formats_work_inside_a_batch(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], name: str, suffix: str
) -> None:
    _, url = stored("/spores", {"a": {"b": 1, "c": 2}, "d": 1})

    response = batch(
        app,
        headers,
        {
            "method": "PATCH",
            "path": url,
            "headers": {name: MERGE_PATCH + suffix},
            "body": {"a": {"b": None}},
        },
        {
            "method": "PATCH",
            "path": url,
            "headers": {name: JSON_PATCH + suffix},
            "body": [{"op": "test", "path": "/data/a", "value": {"c": 2}},
                     {"op": "remove", "path": "/data/d"}],
        },
        {"method": "PATCH", "path": url, "body": {"data": {"e": 1}}},
    )  # fmt: skip

    assert [item["status"] for item in response.json["responses"]] == [200, 200, 200]
    expected = {"a": {"c": 2}, "e": 1}
    assert content(response.json["responses"][2]["body"]["data"]) == expected
    assert content(app.get(url, headers=headers).json["data"]) == expected


@pytest.mark.clause("E-4.1", "H-25.7")
def test_type_and_method_may_be_defaults_of_the_batch(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    urls = [stored("/spores", {"a": n})[1] for n in range(2)]

    batch(
        app,
        headers,
        *({"path": url, "body": [{"op": "remove", "path": "/data/a"}]} for url in urls),
        defaults={"method": "PATCH", "headers": {"content-type": JSON_PATCH}},
    )

    assert [content(app.get(url, headers=headers).json["data"]) for url in urls] == [{}, {}]


@pytest.mark.clause("E-4.1", "H-25.19", "X-23")
def test_a_failing_operation_is_embedded(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1})
    typed = {"method": "PATCH", "path": url, "headers": {"Content-Type": JSON_PATCH}}

    response = batch(
        app,
        headers,
        {**typed, "body": [{"op": "test", "path": "/data/a", "value": 2}]},
        {**typed, "body": [{"op": "test", "path": "/data/a", "value": 1}]},
        {**typed, "body": {"data": {}}},
        typed,
    )

    assert [item["status"] for item in response.json["responses"]] == [400, 200, 400, 400]
    assert response.json["responses"][0]["body"]["details"][0]["name"] == "0"


@pytest.mark.clause("E-4.1")
def test_shareable_resources_take_patches_in_a_batch(
    app: TestApp, headers: dict[str, str], shared: tuple[Any, ...]
) -> None:
    _, url, owner = shared
    typed = {"method": "PATCH", "path": url, "headers": {"Content-Type": MERGE_PATCH}}

    batch(app, headers, {**typed, "body": {"permissions": {"read": None}}})

    assert app.get(url, headers=headers).json["permissions"] == {"write": [owner]}


@pytest.mark.clause("E-4.1", "P-34.30")
def test_patches_survive_a_redirection_inside_a_batch(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1, "b": 2})
    typed = {"method": "PATCH", "path": f"{url}/", "headers": {"Content-Type": JSON_PATCH}}

    response = batch(app, headers, {**typed, "body": [{"op": "remove", "path": "/data/a"}]})

    assert content(response.json["responses"][0]["body"]["data"]) == {"b": 2}


@pytest.mark.clause("H-25.15")
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_any_other_type_of_a_sub_request_is_overridden(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], content_type: str
) -> None:
    _, url = stored("/spores", {"a": 1})
    typed = {"path": url, "headers": {"Content-Type": content_type}, "body": {"data": {"b": 1}}}

    response = batch(app, headers, {**typed, "method": "PATCH"}, {**typed, "method": "PUT"})

    assert [item["status"] for item in response.json["responses"]] == [200, 200]


@pytest.mark.clause("H-25.15")
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_patch_types_of_other_methods_are_overridden(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], method: str
) -> None:
    _, url = stored("/spores", {"a": 1})
    path = url if method == "PUT" else "/spores"
    typed = {"method": method, "path": path, "headers": {"Content-Type": MERGE_PATCH}}

    response = batch(app, headers, {**typed, "body": {"data": {"b": 1}}})

    assert response.json["responses"][0]["status"] in (200, 201)
    assert content(response.json["responses"][0]["body"]["data"]) == {"b": 1}


@pytest.mark.clause("H-25.3", "H-25.5", "E-4.1")
@pytest.mark.parametrize("typed", [{}, {"Content-Type": JSON}, {"Content-Type": MERGE_PATCH}])
def test_an_array_is_no_body_without_its_type(
    app: TestApp, headers: dict[str, str], typed: dict[str, Any]
) -> None:
    item = {"method": "PATCH", "path": "/spores/x", "headers": typed, "body": []}

    response = batch(app, headers, {"path": "/"}, item, status=400)

    assert details(response) == [
        (
            "body",
            "requests.1.body",
            '"[]" is not a mapping type: an object is expected',
        )
    ]
