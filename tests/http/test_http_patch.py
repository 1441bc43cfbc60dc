"""Modification by PATCH (H-20)."""

from collections.abc import Callable
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import events, resource

UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"


class Badge(resource.UserResource):
    """Two fields that only creation and replacement may set."""

    class BadgeSchema(resource.ResourceSchema):
        class Options:
            readonly_fields = ("serial", "maker")

        serial = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        maker = colander.SchemaNode(colander.String(), missing=colander.drop)
        label = colander.SchemaNode(colander.String(), missing="none")

    mapping = BadgeSchema()


class Mossy(resource.UserResource):
    """What is stored is not what was sent, and one member goes away."""

    class MossySchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = MossySchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        new = super().process_record(new, old)
        new.pop("secret", None)
        if "title" in new:
            new["title"] = new["title"].lower()
        return new


@pytest.fixture(scope="module")
def seen() -> list[Any]:
    """Return the list to which the events of changes are added."""
    return []


@pytest.fixture(scope="module")
def app(seen: list[Any]) -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(
        [*RESOURCES, Badge, Mossy],
        configure=lambda config: config.add_subscriber(seen.append, events.ResourceChanged),
    )


@pytest.fixture
def stored(app: TestApp, headers: dict[str, str]) -> Any:
    """Store a record, and return it and its URL."""

    def stored(path: str, data: Any) -> Any:
        record = app.post_json(f"/v0{path}", {"data": data}, headers=headers).json["data"]
        return record, f"/v0{path}/{record['id']}"

    return stored


def patch(
    app: TestApp, url: Any, headers: Any, data: Any, behavior: Any = None, status: int | str = 200
) -> Any:
    if behavior is not None:
        headers = {**headers, "Response-Behavior": behavior}
    return app.patch_json(url, {"data": data}, headers=headers, status=status)


def fetch(app: TestApp, url: Any, headers: Any) -> Any:
    return app.get(url, headers=headers).json["data"]


def collection_etag(app: TestApp, url: Any, headers: Any) -> Any:
    return app.get(url.rpartition("/")[0], headers=headers).headers["ETag"]


@pytest.mark.clause("H-20.1")
def test_members_are_merged_at_the_root_only(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1, "o": {"x": 1, "y": 2}})

    response = patch(app, url, headers, {"o": {"z": 3}, "b": [1]})

    modified = response.json["data"]
    assert modified == {
        "id": record["id"],
        "last_modified": modified["last_modified"],
        "a": 1,
        "o": {"z": 3},
        "b": [1],
    }
    assert modified["last_modified"] > record["last_modified"]
    assert fetch(app, url, headers) == modified


@pytest.mark.clause("X-27", "H-6.6")
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json-seq", "application/jsonx"]
)
def test_other_media_types_are_415_as_for_put(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], content_type: str
) -> None:
    _, url = stored("/spores", {"a": 1})

    response = app.patch(
        url,
        '{"data": {"a": 2}}',
        headers={**headers, "Content-Type": content_type},
        status=415,
    )

    text = "Content-Type header should be one of ['application/json']"
    assert response.json == {
        "code": 415,
        "errno": 107,
        "error": "Invalid parameters",
        "message": text,
        "details": [{"location": "header", "name": "Content-Type", "description": text}],
    }


@pytest.mark.clause("H-20.1")
def test_a_list_of_operations_is_no_body_of_type_json(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1})

    operations = [{"op": "remove", "path": "/a"}]
    response = app.patch_json(url, operations, headers=headers, status=400)

    assert response.json["message"].startswith("body: Invalid JSON: Should be a JSON object, got [")
    assert fetch(app, url, headers) == record


@pytest.mark.clause("H-20.2", "P-11.3")
@pytest.mark.parametrize(
    ("path", "data", "changes", "message"),
    [
        ("/mushrooms", {"name": "cep"}, {"name": None}, "data.name in body: Required"),
        ("/mushrooms", {"name": "cep"}, {"name": ""}, "data.name in body: Required"),
        ("/psilos", {}, {"rank": "first"}, 'data.rank in body: "first" is not a number'),
    ],
)
def test_the_merged_record_must_fit_the_schema(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    path: str,
    data: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    record, url = stored(path, data)

    response = patch(app, url, headers, changes, status=400)

    assert response.json["message"] == message
    (item,) = response.json["details"]
    assert (item["location"], item["name"]) == ("body", message.split()[0])
    assert fetch(app, url, headers) == record


@pytest.mark.clause("H-20.2")
def test_null_restores_the_default_of_a_field(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    for path, sent, field, default in [
        ("/psilos", {"edible": True}, "edible", False),
        ("/badges", {"label": "gold"}, "label", "none"),
    ]:
        _, url = stored(path, sent)

        assert patch(app, url, headers, {field: None}).json["data"][field] == default


@pytest.mark.clause("H-20.2")
def test_null_removes_a_field_that_is_dropped_when_missing(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/psilos", {"rank": 3})

    assert "rank" not in patch(app, url, headers, {"rank": None}).json["data"]
    assert "rank" not in fetch(app, url, headers)


@pytest.mark.clause("H-20.2")
def test_null_is_stored_where_unknown_fields_are(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1})

    patch(app, url, headers, {"a": None, "b": None})

    record = fetch(app, url, headers)
    assert (record["a"], record["b"]) == (None, None)


@pytest.mark.clause("H-20.2")
def test_undeclared_fields_are_dropped_from_a_patch(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/mushrooms", {"name": "cep"})

    assert patch(app, url, headers, {"colour": "brown"}).json["data"] == record


@pytest.mark.clause("H-20.4", "H-20.5", "P-10.6")
@pytest.mark.parametrize(
    ("path", "data", "changes"),
    [
        ("/spores", {"a": 1, "o": {"x": [1]}}, {}),
        ("/spores", {"a": 1, "o": {"x": [1]}}, {"a": 1, "o": {"x": [1]}}),
        ("/mushrooms", {"name": "cep"}, {"name": "cep", "colour": "brown"}),
        ("/psilos", {"rank": 3}, {"rank": "3"}),
        ("/mossys", {"title": "a"}, {"title": "A"}),
    ],
)
def test_a_patch_that_changes_nothing_writes_nothing(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    path: str,
    data: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    record, url = stored(path, data)
    before = collection_etag(app, url, headers)

    response = patch(app, url, headers, changes)

    assert response.json["data"] == record
    assert response.headers["ETag"] == f'"{record["last_modified"]}"'
    assert collection_etag(app, url, headers) == before


@pytest.mark.clause("H-20.4")
@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), ("1", 1), (None, 0)])
def test_values_of_different_types_differ(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    before: int | str | None,
    after: bool | int,
) -> None:
    record, url = stored("/spores", {"a": before})

    modified = patch(app, url, headers, {"a": after}).json["data"]

    assert modified["a"] is after
    assert modified["last_modified"] > record["last_modified"]


@pytest.mark.clause("H-20.4")
@pytest.mark.parametrize("path", ["/mushrooms", "/spores"])
def test_another_timestamp_is_a_change_even_if_it_is_ignored(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], path: str
) -> None:
    record, url = stored(path, {"name": "cep"})

    older = patch(app, url, headers, {"last_modified": record["last_modified"] - 5}).json["data"]
    same = patch(app, url, headers, {"last_modified": older["last_modified"]}).json["data"]

    assert older["last_modified"] > record["last_modified"]
    assert same["last_modified"] == older["last_modified"]


@pytest.mark.clause("H-20.7", "P-11.3", "P-17.5")
def test_a_read_only_field_cannot_be_changed(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/badges", {"serial": 7})

    # The label does not fit, but the read-only field is looked at first.
    response = patch(app, url, headers, {"label": 5, "serial": 8}, status=400)

    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": "Cannot modify serial",
        "details": [{"location": "body", "name": "serial", "description": "Cannot modify serial"}],
    }
    assert fetch(app, url, headers) == record


@pytest.mark.clause("H-20.7")
def test_only_the_first_read_only_field_is_reported(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/badges", {"serial": 7, "maker": "me"})

    response = patch(app, url, headers, {"maker": "you", "serial": 8}, status=400)

    assert len(response.json["details"]) == 1


@pytest.mark.clause("H-20.7", "P-11.3")
def test_a_read_only_field_may_be_repeated_or_set_where_it_was_not(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/badges", {"serial": 7})

    modified = patch(app, url, headers, {"serial": 7, "maker": "me", "label": "x"}).json["data"]

    assert (modified["serial"], modified["maker"], modified["label"]) == (7, "me", "x")
    patch(app, url, headers, {"maker": "you"}, status=400)


@pytest.mark.clause("H-20.8")
@pytest.mark.parametrize("record_id", [UUID, None, 5, ""])
def test_another_id_is_400_where_the_schema_keeps_it(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], record_id: int | str | None
) -> None:
    record, url = stored("/spores", {"a": 1})

    response = patch(app, url, headers, {"id": record_id, "a": 2}, status=400)

    description = "Record id does not match existing record"
    assert response.json["message"] == description
    assert response.json["details"] == [
        {"location": "body", "name": "id", "description": description}
    ]
    assert fetch(app, url, headers) == record


@pytest.mark.clause("H-20.8", "H-23.5", "P-17.4")
def test_a_unique_field_that_is_taken_is_409(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    holder, _ = stored("/truffles", {"name": "black", "code": 5})
    record, url = stored("/truffles", {"name": "white"})

    response = patch(app, url, headers, {"code": 5}, status=409)

    assert response.json == {
        "code": 409,
        "errno": 122,
        "error": "Conflict",
        "message": f"Conflict of field code on record {holder['id']}",
        "details": {"field": "code", "existing": holder},
    }
    assert fetch(app, url, headers) == record


@pytest.mark.clause("H-20.9", "H-20.10", "P-10.6")
@pytest.mark.parametrize(
    ("behavior", "shown"),
    [
        (None, None),
        ("full", None),
        ("FULL", None),
        ("whatever", None),
        ("", None),
        ("light", {"title": "new", "b": 2}),
        ("Light", {"title": "new", "b": 2}),
        ("diff", {"title": "new"}),
        ("DIFF", {"title": "new"}),
    ],
)
def test_the_client_chooses_what_the_response_shows(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    behavior: str | None,
    shown: dict[str, Any] | None,
) -> None:
    # `a` does not change, `b` is stored as sent, `title` is stored otherwise.
    _, url = stored("/mossys", {"title": "old", "a": 1, "b": 1})

    response = patch(app, url, headers, {"title": "NEW", "a": 1, "b": 2}, behavior)

    record = fetch(app, url, headers)
    assert (record["title"], record["a"], record["b"]) == ("new", 1, 2)
    assert response.json == {"data": record if shown is None else shown}


@pytest.mark.clause("H-20.10")
@pytest.mark.parametrize("behavior", ["light", "diff"])
def test_nothing_changed_shows_nothing(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], behavior: str
) -> None:
    _, url = stored("/spores", {"a": 1})

    assert patch(app, url, headers, {"a": 1}, behavior).json == {"data": {}}


@pytest.mark.clause("H-20.10")
@pytest.mark.parametrize("behavior", ["light", "diff"])
@pytest.mark.parametrize("path", ["/mushrooms", "/spores"])
def test_a_timestamp_that_was_ignored_is_corrected(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], path: str, behavior: str
) -> None:
    record, url = stored(path, {"name": "cep"})
    older = record["last_modified"] - 5

    response = patch(app, url, headers, {"last_modified": older}, behavior)

    current = fetch(app, url, headers)["last_modified"]
    assert current > record["last_modified"]
    assert response.json == {"data": {"last_modified": current}}


@pytest.mark.clause("H-20.10")
def test_a_timestamp_that_was_taken_is_no_difference(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1})
    newer = record["last_modified"] + 1_000_000

    response = patch(app, url, headers, {"last_modified": newer}, "diff")

    assert response.json == {"data": {}}
    assert response.headers["ETag"] == f'"{newer}"'


@pytest.mark.clause("D-8")
@pytest.mark.parametrize("behavior", ["light", "diff"])
def test_a_member_that_is_gone_is_not_shown(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any], behavior: str
) -> None:
    _, psilo = stored("/psilos", {"rank": 3})
    _, mossy = stored("/mossys", {"title": "a"})

    dropped = patch(app, psilo, headers, {"rank": None}, behavior)
    processed = patch(app, mossy, headers, {"secret": 1, "b": 2}, behavior)

    assert dropped.json == {"data": {}}
    assert processed.json == {"data": {"b": 2} if behavior == "light" else {}}
    assert "rank" not in fetch(app, psilo, headers)


@pytest.mark.clause("H-20.12", "H-9.7")
@pytest.mark.parametrize("behavior", ["full", "light", "diff"])
@pytest.mark.parametrize("changes", [{"a": 1}, {"a": 2}])
def test_the_tag_of_the_resulting_version_is_always_there(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    behavior: str,
    changes: dict[str, Any],
) -> None:
    _, url = stored("/spores", {"a": 1})

    response = patch(app, url, headers, changes, behavior)

    fetched = app.get(url, headers=headers)
    for header in ("ETag", "Last-Modified"):
        assert response.headers[header] == fetched.headers[header]


@pytest.mark.clause("H-20.13")
@pytest.mark.parametrize("state", ["unknown", "deleted"])
def test_a_bad_body_comes_before_the_404(app: TestApp, headers: dict[str, str], state: str) -> None:
    url = f"/v0/mushrooms/{UUID}"
    if state == "deleted":
        app.put_json(url, {"data": {"name": "cep"}}, headers=headers)
        app.delete(url, headers=headers)
    json_headers = {**headers, "Content-Type": "application/json"}

    app.patch(url, "{bad", headers=json_headers, status=400)
    response = patch(app, url, headers, {"name": 5}, status=404)

    assert response.json["errno"] == 111


@pytest.mark.clause("D-72")
def test_an_empty_body_is_400(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    _, url = stored("/spores", {"a": 1})

    for content_type in ({"Content-Type": "application/json"}, {}):
        response = app.request(
            url, method="PATCH", body=b"", headers={**headers, **content_type}, status=400
        )
        assert response.json["message"] == "data is missing"


@pytest.mark.clause("D-72")
def test_if_match_alone_is_enough(
    app: TestApp, headers: dict[str, str], stored: Callable[..., Any]
) -> None:
    record, url = stored("/spores", {"a": 1})
    tag = {"If-Match": f'"{record["last_modified"]}"'}

    patch(app, url, {**headers, **tag}, {"a": 2}, status=200)
    patch(app, url, {**headers, **tag}, {"a": 3}, status=412)

    assert fetch(app, url, headers)["a"] == 2


@pytest.mark.clause("P-34.2")
@pytest.mark.parametrize("behavior", ["full", "light", "diff"])
def test_subscribers_get_the_whole_record_whatever_the_client_asked_for(
    app: TestApp,
    headers: dict[str, str],
    stored: Callable[..., Any],
    seen: list[Any],
    behavior: str,
) -> None:
    record, url = stored("/mossys", {"title": "old", "a": 1})

    patch(app, url, headers, {"title": "NEW"}, behavior)

    (change,) = seen[-1].impacted_records
    assert change == {"new": fetch(app, url, headers), "old": record}
