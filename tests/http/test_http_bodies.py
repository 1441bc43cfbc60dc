"""Validation of request bodies (H-8)."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webob.request import BaseRequest
from webtest import TestApp

from cliquet import resource, utils
from cliquet.resource.schema import TimeStamp
from cliquet.testing.web import basic_auth

MISSING = ("body", "data", "data is missing")
NOT_AN_OBJECT = "Invalid JSON: Should be a JSON object, got "
NOT_JSON = "Invalid JSON request body: "
LAST_GIVEN = 253370764799999


class Basket(resource.UserResource):
    """Fields of every kind, all optional."""

    class BasketSchema(resource.ResourceSchema):
        label = colander.SchemaNode(colander.String(), missing="none")
        size = colander.SchemaNode(colander.Integer(), missing=3)
        full = colander.SchemaNode(colander.Boolean(), missing=False)
        weight = colander.SchemaNode(colander.Float(), missing=colander.drop)
        tags = colander.SchemaNode(
            colander.Sequence(), colander.SchemaNode(colander.String()), missing=colander.drop
        )
        place = colander.SchemaNode(
            colander.Mapping(),
            colander.SchemaNode(colander.Boolean(), name="shady", missing=False),
            missing=colander.drop,
        )

    mapping = BasketSchema()


class Harvest(resource.UserResource):
    """Two mandatory fields, and a rule on the whole."""

    class HarvestSchema(resource.ResourceSchema):
        place = colander.SchemaNode(colander.String())
        count = colander.SchemaNode(colander.Integer())
        wet = colander.SchemaNode(colander.Boolean(), missing=colander.drop)

        def validator(self, node: Any, value: Any) -> None:
            if value["count"] == 13:
                raise colander.Invalid(node, "Thirteen is unlucky")

    mapping = HarvestSchema()


class Imported(resource.UserResource):
    """Declares the members that every record has."""

    class ImportedSchema(resource.ResourceSchema):
        id = colander.SchemaNode(colander.String(), missing=colander.drop)
        last_modified = TimeStamp()

    mapping = ImportedSchema()


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app([*RESOURCES, Basket, Harvest, Imported])


@pytest.fixture
def send(app: TestApp, headers: Any) -> Any:
    """Send a body as it is, text or bytes; expect a status if one is given."""

    def send(method: Any, path: Any, body: Any, status: Any = None) -> Any:
        return app.request(
            f"/v0{path}",
            method=method,
            body=body if isinstance(body, bytes) else body.encode(),
            headers={**headers, "Content-Type": "application/json"},
            status=status or "*",
        )

    return send


@pytest.fixture
def create(app: TestApp, headers: Any) -> Any:
    """Store a record and return it."""

    def create(path: Any, data: Any) -> Any:
        return app.post_json(f"/v0{path}", {"data": data}, headers=headers).json["data"]

    return create


def check_refused(response: Any, message: Any, *items: Any) -> None:
    """Check the whole body of a 400; items are (location, name, description)."""
    members = ("location", "name", "description")
    assert response.status_code == 400
    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": message,
        "details": [dict(zip(members, item, strict=True)) for item in items],
    }


def every_write(create: Any, path: str, data: Any) -> list[Any]:
    """Return what to send a body to: creation, replacement and modification."""
    existing = create(path, data)
    return [
        ("POST", path),
        ("PUT", f"{path}/{uuid.uuid4()}"),
        ("PUT", f"{path}/{existing['id']}"),
        ("PATCH", f"{path}/{existing['id']}"),
    ]


@pytest.mark.clause("H-8.1", "H-8.2", "H-8.3", "H-26.4")
@pytest.mark.parametrize(
    ("body", "message", "items"),
    [
        ("", "data is missing", [MISSING]),
        ("{}", "data is missing", [MISSING]),
        (
            "{bad",
            f"body: {NOT_JSON}Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
            [
                (
                    "body",
                    None,
                    f"{NOT_JSON}Expecting property name enclosed in double quotes: "
                    "line 1 column 2 (char 1)",
                ),
                MISSING,
            ],
        ),
        (
            '{"data": ',
            f"body: {NOT_JSON}Expecting value: line 1 column 10 (char 9)",
            [("body", None, f"{NOT_JSON}Expecting value: line 1 column 10 (char 9)"), MISSING],
        ),
        ("[]", f"body: {NOT_AN_OBJECT}[]", [("body", None, f"{NOT_AN_OBJECT}[]"), MISSING]),
        ('"a"', f'body: {NOT_AN_OBJECT}"a"', [("body", None, f'{NOT_AN_OBJECT}"a"'), MISSING]),
        ("42", f"body: {NOT_AN_OBJECT}42", [("body", None, f"{NOT_AN_OBJECT}42"), MISSING]),
        ("null", f"body: {NOT_AN_OBJECT}null", [("body", None, f"{NOT_AN_OBJECT}null"), MISSING]),
        ('{"data": null}', "data in body: Required", [("body", "data", "Required")]),
    ],
)
def test_a_body_without_object_in_data_is_refused_by_every_method(
    send: Callable[..., Any], create: Callable[..., Any], body: str, message: str, items: list[Any]
) -> None:
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        check_refused(send(method, path, body), message, *items)


@pytest.mark.clause("H-8.3")
@pytest.mark.parametrize("value", ["[]", '"text"', "5", "true"])
def test_data_that_is_no_object_is_refused(
    send: Callable[..., Any], create: Callable[..., Any], value: str
) -> None:
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        response = send(method, path, f'{{"data": {value}}}', 400)

        item = response.json["details"][0]
        assert (item["location"], item["name"]) == ("body", "data")
        assert "is not a mapping type: " in item["description"]
        assert response.json["message"] == f"data in body: {item['description']}"


@pytest.mark.clause("H-8.3", "H-8.5")
@pytest.mark.parametrize("data", ["{}", '{"name": null}', '{"name": ""}'])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_mandatory_field_absent_null_or_empty_is_required(
    send: Callable[..., Any], method: str, data: str
) -> None:
    path = "/mushrooms" if method == "POST" else f"/mushrooms/{uuid.uuid4()}"

    response = send(method, path, f'{{"data": {data}}}')

    check_refused(response, "data.name in body: Required", ("body", "data.name", "Required"))


@pytest.mark.clause("H-8.3")
def test_a_field_of_the_wrong_type_is_shown(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        check_refused(
            send(method, path, '{"data": {"name": 42}}'),
            "data.name in body: 42 is not a string: {'name': ''}",
            ("body", "data.name", "42 is not a string: {'name': ''}"),
        )


@pytest.mark.clause("H-8.3", "H-8.6")
@pytest.mark.parametrize("member", ["datta", "permissions"])
def test_other_root_members_are_refused(
    send: Callable[..., Any], create: Callable[..., Any], member: str
) -> None:
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        check_refused(
            send(method, path, f'{{"data": {{"name": "a"}}, "{member}": {{}}}}'),
            f"{member} is not allowed",
            ("body", member, f"{member} is not allowed"),
        )


@pytest.mark.clause("H-8.4", "X-25", "D-13")
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{'foo>}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (r'{"data": "\u12"}', "escape sequence: line 1 column 12 (char 11)"),
        ('{"data":\n {"name": x}}', "Expecting value: line 2 column 11 (char 19)"),
        ('{"data": {}} {}', "Extra data: line 1 column 14 (char 13)"),
    ],
)
def test_the_parser_says_what_is_wrong_and_where(
    send: Callable[..., Any], body: str, detail: str
) -> None:
    response = send("POST", "/mushrooms", body, 400)

    assert response.json["message"].startswith(f"body: {NOT_JSON}")
    assert response.json["message"].endswith(detail)


@pytest.mark.clause("H-8.5")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_all_failing_fields_are_reported_together_each_once(
    send: Callable[..., Any], method: str
) -> None:
    path = "/harvests" if method == "POST" else f"/harvests/{uuid.uuid4()}"

    response = send(method, path, '{"data": {"place": 5, "count": "x"}}')

    assert [item["name"] for item in response.json["details"]] == ["data.place", "data.count"]
    # The first by name makes the message (H-26.5).
    assert response.json["message"] == 'data.count in body: "x" is not a number'


@pytest.mark.clause("H-8.7")
def test_query_parameters_of_a_write_are_refused_except_those_named_as_the_body_s(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    body = '{"data": {"name": "a"}}'
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        check_refused(
            send(method, f"{path}?data=1&_since=2&b=3", body),
            "_since is not allowed",
            ("querystring", "_since", "_since is not allowed"),
            ("querystring", "b", "b is not allowed"),
        )
        assert send(method, f"{path}?data=5", body).status_code in (200, 201)


@pytest.mark.clause("H-8.7")
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_unknown_query_parameters_of_a_record_are_ignored(
    app: TestApp, headers: dict[str, str], create: Callable[..., Any], method: str
) -> None:
    record = create("/mushrooms", {"name": "cep"})

    response = app.request(
        f"/v0/mushrooms/{record['id']}?colour=red&_unknown=1", method=method, headers=headers
    )

    assert response.status_code == 200


@pytest.mark.clause("H-8.8", "P-15.5")
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", ["", "{}", '{"data": {}}'])
def test_without_mandatory_field_data_is_optional_and_defaults_apply(
    send: Callable[..., Any], method: str, body: str
) -> None:
    path = "/baskets" if method == "POST" else f"/baskets/{uuid.uuid4()}"

    response = send(method, path, body, 201)

    stored = response.json["data"]
    assert stored == {
        "id": stored["id"],
        "last_modified": stored["last_modified"],
        "label": "none",
        "size": 3,
        "full": False,
    }


@pytest.mark.clause("H-8.8")
@pytest.mark.parametrize("path", ["/baskets", "/spores"])
def test_null_data_is_refused_even_where_data_is_optional(
    send: Callable[..., Any], path: str
) -> None:
    response = send("POST", path, '{"data": null}')

    check_refused(response, "data in body: Required", ("body", "data", "Required"))


@pytest.mark.clause("H-8.9")
@pytest.mark.parametrize("body", ["", "{}"])
def test_patch_needs_data_even_where_it_is_optional(
    send: Callable[..., Any], create: Callable[..., Any], body: str
) -> None:
    record = create("/baskets", {})

    response = send("PATCH", f"/baskets/{record['id']}", body)

    check_refused(response, "data is missing", MISSING)


@pytest.mark.clause("H-8.9")
def test_patch_with_empty_data_changes_nothing(
    app: TestApp, send: Callable[..., Any], headers: dict[str, str], create: Callable[..., Any]
) -> None:
    record = create("/mushrooms", {"name": "cep"})

    response = send("PATCH", f"/mushrooms/{record['id']}", '{"data": {}}', 200)

    assert response.json["data"] == record
    assert app.get(f"/v0/mushrooms/{record['id']}", headers=headers).json["data"] == record


@pytest.mark.clause("H-8.10", "P-17.3")
def test_undeclared_fields_are_dropped_in_silence(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    for method, path in every_write(create, "/mushrooms", {"name": "cep"}):
        response = send(method, path, '{"data": {"name": "a", "size": 3}}')

        assert response.json["data"].keys() == {"id", "last_modified", "name"}


@pytest.mark.clause("H-8.10", "P-17.3")
def test_undeclared_fields_are_kept_as_sent_where_the_schema_preserves_them(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    sent = {"n": None, "t": " x ", "list": [1, {"a": [False]}], "o": {"é": {}}, "": 1, "x": 2.5}
    for method, path in every_write(create, "/spores", {}):
        stored = send(method, path, json.dumps({"data": sent})).json["data"]

        assert {name: stored[name] for name in sent} == sent
        assert stored.keys() == {*sent, "id", "last_modified"}


@pytest.mark.clause("H-8.11")
@pytest.mark.parametrize("collection", ["/mushrooms", "/spores"])
def test_deleted_is_no_field_of_a_live_record(
    app: TestApp,
    send: Callable[..., Any],
    headers: dict[str, str],
    create: Callable[..., Any],
    collection: str,
) -> None:
    for method, path in every_write(create, collection, {"name": "cep"}):
        response = send(method, path, '{"data": {"name": "a", "deleted": true}}')

        assert "deleted" not in response.json["data"]
    listed = app.get(f"/v0{collection}?_since=0", headers=headers).json["data"]
    assert all("deleted" not in record for record in listed)


@pytest.mark.clause("H-8.11")
@pytest.mark.parametrize("value", ['"abc"', "null", "4", '"6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"'])
def test_an_undeclared_id_in_a_body_is_dropped_and_the_url_s_is_used(
    send: Callable[..., Any], create: Callable[..., Any], value: str
) -> None:
    record = create("/mushrooms", {"name": "cep"})

    for method in ("PUT", "PATCH"):
        response = send(
            method, f"/mushrooms/{record['id']}", f'{{"data": {{"name": "a", "id": {value}}}}}', 200
        )

        assert response.json["data"]["id"] == record["id"]


@pytest.mark.clause("H-8.12")
@pytest.mark.parametrize("path", ["/mushrooms", "/spores", "/importeds"])
def test_post_reads_the_id_of_the_body_whatever_the_schema(
    create: Callable[..., Any], path: str
) -> None:
    record_id = str(uuid.uuid4())

    record = create(path, {"id": record_id, "name": "cep"})

    assert record["id"] == record_id


@pytest.mark.clause("X-5", "H-8.11", "H-8.13")
@pytest.mark.parametrize("path", ["/mushrooms", "/spores", "/importeds"])
def test_the_timestamp_of_a_body_is_honoured_declared_or_not(
    send: Callable[..., Any], create: Callable[..., Any], path: str
) -> None:
    for number, (method, url) in enumerate(every_write(create, path, {"name": "cep"})):
        future = utils.msec_time() + 1_000_000 + number

        response = send(method, url, json.dumps({"data": {"name": "a", "last_modified": future}}))

        assert response.json["data"]["last_modified"] == future


@pytest.mark.clause("D-3", "D-4", "X-5", "H-8.11")
@pytest.mark.parametrize("path", ["/mushrooms", "/spores", "/importeds"])
@pytest.mark.parametrize(
    "value",
    ['"abc"', '"1448323200123"', "true", "1.5", "1e3", "2.0", "[]", "{}", "-1", LAST_GIVEN + 1],
)
def test_a_timestamp_that_is_no_instant_is_refused(
    app: TestApp,
    send: Callable[..., Any],
    headers: dict[str, str],
    create: Callable[..., Any],
    path: str,
    value: int | str,
) -> None:
    targets = every_write(create, path, {"name": "cep"})
    before = app.get(f"/v0{path}", headers=headers)

    for method, url in targets:
        response = send(method, url, f'{{"data": {{"name": "a", "last_modified": {value}}}}}', 400)

        assert [item["name"] for item in response.json["details"]] == ["data.last_modified"]
        assert response.json["errno"] == 107
    after = app.get(f"/v0{path}", headers=headers)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


@pytest.mark.clause("D-3")
def test_a_null_timestamp_counts_as_absent(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    for number, (method, path) in enumerate(every_write(create, "/spores", {"a": -1})):
        before = utils.msec_time()
        # Another value each time: a change that changes nothing keeps the timestamp.
        body = {"data": {"a": number, "last_modified": None}}

        response = send(method, path, json.dumps(body))

        assert response.json["data"]["last_modified"] >= before


@pytest.mark.clause("D-5")
@pytest.mark.parametrize("path", ["/mushrooms", "/spores"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_timestamp_of_zero_is_ignored_like_any_that_is_not_newer(
    send: Callable[..., Any], create: Callable[..., Any], path: str, method: str
) -> None:
    record = create(path, {"name": "cep"})

    response = send(
        method, f"{path}/{record['id']}", '{"data": {"name": "a", "last_modified": 0}}', 200
    )

    assert response.json["data"]["last_modified"] > record["last_modified"]


@pytest.mark.clause("H-8.14", "H-8.3")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_null_counts_as_absent_for_fields_of_any_type(
    send: Callable[..., Any], method: str
) -> None:
    path = "/baskets" if method == "POST" else f"/baskets/{uuid.uuid4()}"
    nulls = dict.fromkeys(("label", "size", "full", "weight", "tags", "place"))

    response = send(method, path, json.dumps({"data": nulls}), 201)

    stored = response.json["data"]
    assert (stored["label"], stored["size"], stored["full"]) == ("none", 3, False)
    assert stored.keys().isdisjoint({"weight", "tags", "place"})


@pytest.mark.clause("H-8.14")
def test_null_counts_as_absent_inside_declared_objects(create: Callable[..., Any]) -> None:
    assert create("/baskets", {"place": {"shady": None}})["place"] == {"shady": False}


@pytest.mark.clause("H-8.15")
@pytest.mark.parametrize(
    ("sent", "stored"), [("12", 12), (12.7, 12), (-0.5, 0), (True, 1), (False, 0), (5, 5)]
)
def test_integer_fields_take_what_can_be_read_as_a_number(
    create: Callable[..., Any], sent: float | str, stored: int
) -> None:
    size = create("/baskets", {"size": sent})["size"]

    assert size == stored
    assert type(size) is int


@pytest.mark.clause("H-8.15")
@pytest.mark.parametrize("value", [42, True, 1.5, [], {"a": 1}, ["a"]])
def test_string_fields_take_strings_only(
    send: Callable[..., Any], value: dict[str, Any] | float | list[Any]
) -> None:
    response = send("POST", "/mushrooms", json.dumps({"data": {"name": value}}), 400)

    assert response.json["details"][0]["name"] == "data.name"


@pytest.mark.clause("H-8.16", "P-17.7")
def test_a_timestamp_field_is_filled_with_the_present_time(
    send: Callable[..., Any], create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = every_write(create, "/psilos", {"edible": True})[:3]
    now = utils.msec_time() + 60_000
    monkeypatch.setattr(utils, "msec_time", lambda: now)

    for method, path in targets:
        response = send(method, path, '{"data": {"edible": true}}')
        assert response.json["data"]["picked_at"] == now


@pytest.mark.clause("H-8.16", "P-17.7")
@pytest.mark.parametrize(("sent", "stored"), [(1_448_323_200_123, 1_448_323_200_123), (None, None)])
def test_a_timestamp_field_keeps_what_was_sent(
    create: Callable[..., Any], sent: int | None, stored: int | None
) -> None:
    assert create("/psilos", {"picked_at": sent})["picked_at"] == stored


@pytest.mark.clause("H-8.16")
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("http://example.org", "http://example.org"),
        ("  https://example.org/a?b=c#d \n", "https://example.org/a?b=c#d"),
        ("ftp://example.org/" + "x" * 2030, "ftp://example.org/" + "x" * 2030),
    ],
)
def test_a_url_field_takes_absolute_urls_and_trims_them(
    create: Callable[..., Any], sent: str, stored: str
) -> None:
    assert create("/psilos", {"link": sent})["link"] == stored


@pytest.mark.clause("H-8.16")
@pytest.mark.parametrize(
    "value", ["example", "example/path", "/path", "   ", "http://", "http://a b", 4]
)
def test_a_url_field_refuses_the_rest(send: Callable[..., Any], value: int | str) -> None:
    response = send("POST", "/psilos", json.dumps({"data": {"link": value}}), 400)

    assert response.json["details"][0]["name"] == "data.link"


@pytest.mark.clause("H-8.16")
def test_a_url_field_takes_2048_characters_at_most(send: Callable[..., Any]) -> None:
    link = "http://example.org/" + "x" * 2030

    response = send("POST", "/psilos", json.dumps({"data": {"link": link}}), 400)

    assert response.json["details"][0]["name"] == "data.link"


@pytest.mark.clause("H-8.17", "P-17.5")
def test_put_may_change_a_read_only_field(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    record = create("/truffles", {"name": "black", "age": 1})

    response = send(
        "PUT", f"/truffles/{record['id']}", '{"data": {"name": "black", "age": 2}}', 200
    )

    assert (record["age"], response.json["data"]["age"]) == (1, 2)


@pytest.mark.clause("H-8.18")
def test_patch_reports_a_single_error(send: Callable[..., Any], create: Callable[..., Any]) -> None:
    record = create("/harvests", {"place": "wood", "count": 1})

    response = send("PATCH", f"/harvests/{record['id']}", '{"data": {"place": 5, "count": "x"}}')

    assert [item["name"] for item in response.json["details"]] == ["data.place"]


@pytest.mark.clause("H-8.2", "H-8.18")
def test_a_rule_on_the_whole_record_names_data(
    send: Callable[..., Any], create: Callable[..., Any]
) -> None:
    for method, path in every_write(create, "/harvests", {"place": "wood", "count": 1}):
        check_refused(
            send(method, path, '{"data": {"place": "wood", "count": 13}}'),
            "data in body: Thirteen is unlucky",
            ("body", "data", "Thirteen is unlucky"),
        )


@pytest.mark.clause("D-9")
@pytest.mark.parametrize("value", [{"write": ["system.Everyone"]}, "text", None, [1]])
def test_a_member_named_like_an_internal_one_is_plain_data(
    app: TestApp,
    send: Callable[..., Any],
    headers: dict[str, str],
    other_headers: dict[str, str],
    create: Callable[..., Any],
    value: object,
) -> None:
    body = json.dumps({"data": {"__permissions__": value}})
    for method, path in every_write(create, "/spores", {}):
        response = send(method, path, body)

        record = response.json["data"]
        assert record["__permissions__"] == value
        assert "permissions" not in response.json
        url = f"/v0/spores/{record['id']}"
        assert app.get(url, headers=headers).json["data"] == record
        app.get(url, headers=other_headers, status=404)


@pytest.mark.clause("D-10")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_does_not_know_are_400(
    send: Callable[..., Any], create: Callable[..., Any], number: str
) -> None:
    for method, path in every_write(create, "/spores", {}):
        response = send(method, path, f'{{"data": {{"n": {number}}}}}', 400)

        assert response.json["errno"] == 107
        assert NOT_JSON in response.json["message"]


@pytest.mark.clause("D-10", "X-25")
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("weight", "NaN"),
        ("weight", "-inf"),
        ("weight", "1e999"),
        ("size", "18446744073709551616"),
        ("size", "9" * 30),
    ],
)
def test_text_that_is_coerced_to_such_a_number_is_400_too(
    send: Callable[..., Any], create: Callable[..., Any], field: str, text: str
) -> None:
    for method, path in every_write(create, "/baskets", {}):
        response = send(method, path, json.dumps({"data": {field: text}}))

        check_refused(
            response,
            f"data.{field} in body: Number out of range",
            ("body", f"data.{field}", "Number out of range"),
        )


@pytest.mark.clause("D-11", "X-25")
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551615",
        "-9223372036854775808",
        "9007199254740993",
        "0.1234567890123456",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "-0.5",
    ],
)
def test_an_accepted_number_comes_back_exactly(
    app: TestApp, headers: dict[str, str], send: Callable[..., Any], number: str
) -> None:
    record_id = uuid.uuid4()

    send("PUT", f"/spores/{record_id}", f'{{"data": {{"n": {number}}}}}', 201)

    body = app.get(f"/v0/spores/{record_id}", headers=headers).body
    assert json.loads(body)["data"]["n"] == json.loads(number)


@pytest.mark.clause("D-11", "X-25")
@pytest.mark.parametrize(
    "number",
    [
        "123456789012345678901234567890",
        "18446744073709551616",
        "-9223372036854775809",
        "0.12345678901234567",
        "3.14159265358979323846",
        "1e-400",
    ],
)
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{{"data": {{"n": {}}}}}', "data.n"),
        ('{{"data": {{"l": [1, {{"x": {}}}]}}}}', "data.l.1.x"),
    ],
)
def test_a_number_that_would_not_come_back_is_400_and_its_place_named(
    send: Callable[..., Any], create: Callable[..., Any], number: str, body: str, place: str
) -> None:
    # Mandatory fields do not hide the fault: what they hold is known to be there.
    for path, data in (("/spores", {}), ("/mushrooms", {"name": "cep"})):
        for method, url in every_write(create, path, data):
            response = send(method, url, body.format(number), 400)

            (item,) = response.json["details"]
            assert (item["location"], item["name"]) == ("body", place)
            assert item["description"].startswith(NOT_JSON)
            assert response.json["message"] == item["description"]


@pytest.mark.clause("X-25")
def test_a_float_of_integral_value_keeps_its_value(create: Callable[..., Any]) -> None:
    assert create("/spores", {"n": 1.0})["n"] == 1


@pytest.mark.clause("D-12")
@pytest.mark.parametrize(
    "data",
    [
        r'{"t": "\ud800"}',
        r'{"t": "a\udfffb"}',
        r'{"\ud800": 1}',
        '{"t": "\\u0000"}',
        '{"a\\u0000": 1}',
        '{"t": ' + "[" * 150 + "]" * 150 + "}",
        '{"t": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}",
        '{"t": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=["surrogate", "low", "name", "nul", "nul name", "arrays", "objects", "deep"],
)
def test_text_and_nesting_that_not_every_backend_can_keep_are_400(
    send: Callable[..., Any], create: Callable[..., Any], data: str
) -> None:
    for method, path in every_write(create, "/spores", {}):
        response = send(method, path, f'{{"data": {data}}}', 400)

        assert response.json["errno"] == 107


@pytest.mark.clause("D-12")
def test_surrogate_pairs_and_reasonable_nesting_are_kept(
    app: TestApp, headers: dict[str, str], send: Callable[..., Any]
) -> None:
    record_id = uuid.uuid4()
    nested = "[" * 50 + "]" * 50

    send(
        "PUT", f"/spores/{record_id}", f'{{"data": {{"t": "\\ud83c\\udf44", "l": {nested}}}}}', 201
    )

    record = app.get(f"/v0/spores/{record_id}", headers=headers).json["data"]
    assert (record["t"], record["l"]) == ("\N{MUSHROOM}", json.loads(nested))


@pytest.mark.clause("D-13")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/baskets", '{"data": {"tags": 5}}'),
        ("/baskets", '{"data": {"tags": [1, null]}}'),
        ("/baskets", '{"data": {"place": [1]}}'),
        ("/baskets", '{"data": {"size": [1]}}'),
        ("/baskets", '{"data": {"weight": {"a": 1}}}'),
        ("/harvests", '{"data": {"place": null, "count": null}}'),
        ("/psilos", '{"data": {"link": 5, "picked_at": "x", "rank": "y"}}'),
        ("/mushrooms", '{"data": [null]}'),
        ("/mushrooms", "[true, null]"),
        ("/mushrooms", '{"data": {"name": \x00}}'),
    ],
)
def test_messages_show_nothing_of_the_language(
    send: Callable[..., Any], path: str, body: str
) -> None:
    text = send("POST", path, body, 400).text

    for internal in ("<class", "<built-in", "object at", "Error", "NoneType", "locals", "colander"):
        assert internal not in text


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_webob_never_reads_a_body(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app([Mushroom])
    reads: list[str] = []
    read = BaseRequest.body

    def noting(request: Any) -> Any:
        reads.append(method)
        return read.fget(request)

    url = "/v0/mushrooms"
    if method == "PATCH":
        created = app.post_json(url, {"data": {"name": "a"}}, headers=basic_auth())
        url = f"{url}/{created.json['data']['id']}"
    monkeypatch.setattr(BaseRequest, "body", read.getter(noting))

    body = "" if method == "GET" else '{"data": {"name": "b"}}'
    headers = basic_auth() | ({"Content-Type": "application/json"} if body else {})
    app.request(url, method=method, body=body.encode(), headers=headers)

    assert reads == []
