"""One resource in three forms: by colander, by a model of pydantic, and by a JSON Schema."""

from __future__ import annotations

import datetime
from typing import Any

import colander
import pytest
from pydantic import BaseModel, Field
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("E-8.15", "E-8.16")

AUTH = basic_auth("picker")
ID = "00000000-0000-4000-8000-000000000001"
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
OPTIONS: Any = {
    "unique_fields": ("code",),
    "readonly_fields": ("found",),
    "indexed_fields": ("size",),
}


class ColanderFields(resource.ResourceSchema):
    class Options:
        unique_fields = OPTIONS["unique_fields"]
        readonly_fields = OPTIONS["readonly_fields"]
        indexed_fields = OPTIONS["indexed_fields"]

    name = colander.SchemaNode(colander.String(), validator=colander.Length(max=20))
    size = colander.SchemaNode(
        colander.Integer(), missing=3, validator=colander.Range(min=1, max=100)
    )
    weight = colander.SchemaNode(colander.Float(), missing=colander.drop)
    edible = colander.SchemaNode(colander.Boolean(), missing=colander.drop)
    code = colander.SchemaNode(colander.String(), missing=colander.drop)
    found = colander.SchemaNode(colander.Date(), missing=colander.drop)

    @colander.instantiate(missing=colander.drop)
    class tags(colander.SequenceSchema):  # noqa: N801 - the name of a field
        tag = colander.SchemaNode(colander.String())

    @colander.instantiate(missing=colander.drop)
    class place(colander.MappingSchema):  # noqa: N801 - the name of a field
        town = colander.SchemaNode(colander.String())
        height = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    @colander.instantiate(missing=colander.drop)
    class visits(colander.SequenceSchema):  # noqa: N801 - the name of a field
        @colander.instantiate()
        class visit(colander.MappingSchema):  # noqa: N801 - the name of a field
            day = colander.SchemaNode(colander.Integer())


class Place(BaseModel):
    town: str
    height: int | None = None


class Visit(BaseModel):
    day: int


class Fields(BaseModel):
    name: str = Field(max_length=20)
    size: int = Field(3, ge=1, le=100)
    weight: float | None = None
    edible: bool | None = None
    code: str | None = None
    found: datetime.date | None = None
    tags: list[str] | None = None
    place: Place | None = None
    visits: list[Visit] | None = None


DESCRIBED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
        "weight": {"type": "number"},
        "edible": {"type": "boolean"},
        "code": {"type": "string"},
        "found": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"$ref": "#/$defs/Place"},
        "visits": {"type": "array", "items": {"$ref": "#/$defs/Visit"}},
    },
    "required": ["name"],
    "$defs": {
        "Place": {
            "type": "object",
            "properties": {"town": {"type": "string"}, "height": {"type": "integer"}},
            "required": ["town"],
        },
        "Visit": {
            "type": "object",
            "properties": {"day": {"type": "integer"}},
            "required": ["day"],
        },
    },
}

SCHEMAS: dict[str, Any] = {
    "colander": ColanderFields(),
    "pydantic": resource.PydanticSchema(Fields, **OPTIONS),
    "jsonschema": resource.JSONSchema(DESCRIBED, **OPTIONS),
}


class Plain:
    """Kinds of resources of each schema, which differ in it alone."""

    kinds = {
        name: type("Morel", (resource.UserResource,), {"mapping": schema})
        for name, schema in SCHEMAS.items()
    }
    shared = {
        name: type("Shared", (resource.ShareableResource,), {"mapping": schema})
        for name, schema in SCHEMAS.items()
    }


@pytest.fixture(params=list(SCHEMAS))
def app(request: pytest.FixtureRequest) -> Any:
    settings = {
        "strict_filters": "true",
        "shared_create_principals": "system.Authenticated",
    }
    return make_app([Plain.kinds[request.param], Plain.shared[request.param]], settings=settings)


def send(
    app: Any, method: str, body: Any, media_type: str = JSON, url: str = f"/v0/morels/{ID}"
) -> Any:
    """Return the status and the body of the answer to a request."""
    if method == "POST":
        url = url.rpartition("/")[0]
    call = getattr(app, f"{method.lower()}_json")
    answer = call(url, body, headers={**AUTH, "Content-Type": media_type}, status="*")
    return answer.status_int, answer.json


def attributes(body: Any) -> Any:
    return {
        name: value for name, value in body["data"].items() if name not in ("id", "last_modified")
    }


def names(body: Any) -> list[tuple[str, str]]:
    return [(one["location"], one["name"]) for one in body["details"]]


FULL = {
    "name": "Morel",
    "size": 9,
    "weight": 1.5,
    "edible": True,
    "code": "m",
    "found": "2015-01-22",
    "tags": ["a", "b"],
    "place": {"town": "Bern", "height": 540},
    "visits": [{"day": 1}, {"day": 2}],
}
ACCEPTED = [
    ({"name": "Morel"}, {"name": "Morel", "size": 3}),
    (FULL, FULL),
    ({"name": "x", "colour": "red"}, {"name": "x", "size": 3}),
    (
        {"name": "x", "place": {"town": "Bern", "street": "y"}},
        {"name": "x", "size": 3, "place": {"town": "Bern"}},
    ),
    # Null counts as absent, whatever the type is.
    (
        {"name": "x", **dict.fromkeys(FULL.keys() - {"name"})},
        {"name": "x", "size": 3},
    ),
    (
        {"name": "x", "place": {"town": "Bern", "height": None}},
        {"name": "x", "size": 3, "place": {"town": "Bern"}},
    ),
    ({"name": "x", "deleted": True}, {"name": "x", "size": 3}),
]


@pytest.mark.parametrize(("given", "stored"), ACCEPTED)
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", ["morels", "shareds"])
def test_records_are_stored_alike(
    app: TestApp, kind: str, method: str, given: object, stored: object
) -> None:
    status, body = send(app, method, {"data": given}, url=f"/v0/{kind}/{ID}")

    assert status == 201, body
    assert attributes(body) == stored
    read = app.get(f"/v0/{kind}/{body['data']['id']}", headers=AUTH).json
    assert attributes(read) == stored


REFUSED = [
    ({}, ["data.name"]),
    ({"name": None}, ["data.name"]),
    ({"name": 5.5, "size": "many"}, None),
    ({"name": "x", "size": 0}, ["data.size"]),
    ({"name": "x", "size": 101}, ["data.size"]),
    ({"name": "x" * 21}, ["data.name"]),
    ({"name": "x", "size": "many"}, ["data.size"]),
    ({"name": "x", "weight": "heavy"}, ["data.weight"]),
    ({"name": "x", "found": "soon"}, ["data.found"]),
    ({"name": "x", "tags": "a"}, ["data.tags"]),
    ({"name": "x", "place": 5}, ["data.place"]),
    ({"name": "x", "place": {}}, ["data.place.town"]),
    ({"name": "x", "place": {"town": "y", "height": "z"}}, ["data.place.height"]),
    ({"name": "x", "visits": [{"day": 1}, {}]}, ["data.visits.1.day"]),
    ({"name": "x", "visits": [{"day": "z"}, {"day": 1}]}, ["data.visits.0.day"]),
    ({"size": 0, "visits": [{}]}, ["data.name", "data.size", "data.visits.0.day"]),
]


@pytest.mark.parametrize(("given", "expected"), REFUSED)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_faults_are_told_alike(app: TestApp, method: str, given: object, expected: object) -> None:
    status, body = send(app, method, {"data": given})

    assert status == 400
    assert body["errno"] == 107
    assert all(one["location"] == "body" and one["description"] for one in body["details"])
    if expected is not None:
        assert sorted(name for _, name in names(body)) == expected
    first = body["details"][0]
    assert body["message"] == f"{first['name']} in body: {first['description']}"


@pytest.mark.parametrize("given", [5, [], "x", None])
def test_what_is_no_object_is_refused_alike(app: TestApp, given: object) -> None:
    status, body = send(app, "POST", {"data": given})

    assert status == 400
    assert names(body) == [("body", "data")]
    if given is not None:
        assert "is not a mapping type: an object is expected" in body["message"]


def test_a_missing_member_is_required_in_the_same_words(app: TestApp) -> None:
    _, body = send(app, "POST", {"data": {}})

    assert body["message"] == "data.name in body: Required"


PATCHES = [
    (JSON, {"data": {"size": 5}}, {**FULL, "size": 5}),
    (JSON, {"data": {"place": {"town": "Uri"}}}, {**FULL, "place": {"town": "Uri"}}),
    (
        JSON,
        {"data": {"weight": None}},
        {name: value for name, value in FULL.items() if name != "weight"},
    ),
    (JSON, {"data": {"found": "2015-01-22", "colour": 1}}, FULL),
    (MERGE, {"size": 5}, {**FULL, "size": 5}),
    (MERGE, {"size": None}, {**FULL, "size": 3}),
    (MERGE, {"place": {"height": None}}, {**FULL, "place": {"town": "Bern"}}),
    (
        JSON_PATCH,
        [{"op": "replace", "path": "/data/visits/0/day", "value": 7}],
        {**FULL, "visits": [{"day": 7}, {"day": 2}]},
    ),
    (
        JSON_PATCH,
        [{"op": "remove", "path": "/data/tags"}],
        {name: value for name, value in FULL.items() if name != "tags"},
    ),
]


@pytest.mark.parametrize(("media_type", "patch", "stored"), PATCHES)
def test_patches_have_the_same_effect(
    app: TestApp, media_type: str, patch: object, stored: object
) -> None:
    send(app, "PUT", {"data": FULL})

    status, body = send(app, "PATCH", patch, media_type)

    assert status == 200, body
    assert attributes(body) == stored


WRONG_PATCHES = [
    (JSON, {"data": {"size": 0}}, "data.size"),
    (JSON, {"data": {"name": None}}, "data.name"),
    (JSON, {"data": {"place": {"height": 1}}}, "data.place.town"),
    (MERGE, {"size": "z"}, "data.size"),
    (MERGE, {"name": None}, "data.name"),
    (JSON_PATCH, [{"op": "remove", "path": "/data/visits/1/day"}], "data.visits.1.day"),
    # The field is read-only.
    (JSON, {"data": {"found": "2016-01-01"}}, "found"),
    (MERGE, {"found": None}, "found"),
    (JSON_PATCH, [{"op": "remove", "path": "/data/found"}], "found"),
]


@pytest.mark.parametrize(("media_type", "patch", "name"), WRONG_PATCHES)
def test_wrong_patches_are_refused_alike(
    app: TestApp, media_type: str, patch: object, name: str
) -> None:
    send(app, "PUT", {"data": FULL})

    status, body = send(app, "PATCH", patch, media_type)

    assert status == 400
    assert names(body) == [("body", name)]
    assert attributes(app.get(f"/v0/morels/{ID}", headers=AUTH).json) == FULL


def test_unique_fields_are_those_of_the_options(app: TestApp) -> None:
    _, first = send(app, "POST", {"data": {"name": "x", "code": "c"}})

    status, again = send(app, "POST", {"data": {"name": "y", "code": "c"}})
    conflict, _ = send(app, "PUT", {"data": {"name": "y", "code": "c"}})

    assert (status, again, conflict) == (200, first, 409)


LISTS = [
    ("name=Morel", 200, 1),
    ("min_size=9&max_size=9", 200, 1),
    ("place.town=Bern", 200, 1),
    ("contains_tags=a", 200, 1),
    ("_sort=-size,name", 200, 2),
    ("_fields=name,place.town", 200, 2),
    ("like_name=ore", 200, 1),
    ("colour=red", 400, 0),
    ("_sort=colour", 400, 0),
    ("_fields=colour", 400, 0),
    # The types of the fields are known (strict_filters).
    ("size=many", 400, 0),
    ("min_weight=heavy", 400, 0),
    ("edible=perhaps", 400, 0),
    ("min_place.height=high", 400, 0),
    ("like_size=9", 400, 0),
]


@pytest.mark.parametrize(("query", "status", "number"), LISTS)
def test_lists_know_the_fields(app: TestApp, query: str, status: int, number: int) -> None:
    send(app, "POST", {"data": FULL})
    send(app, "POST", {"data": {"name": "Truffle"}})

    answer = app.get(f"/v0/morels?{query}", headers=AUTH, status=status)

    assert status != 200 or len(answer.json["data"]) == number


def test_batches_create_the_same_records(app: TestApp) -> None:
    send(app, "PUT", {"data": FULL})
    requests = [{"body": {"data": {"name": f"n{i}", "colour": 1}}} for i in range(5)]
    requests.append({"body": {"data": {"size": 0}}})
    batch = {"defaults": {"method": "POST", "path": "/morels"}, "requests": requests}

    answers = app.post_json("/v0/batch", batch, headers=AUTH).json["responses"]

    assert [one["status"] for one in answers] == [201] * 5 + [400]
    assert attributes(answers[3]["body"]) == {"name": "n3", "size": 3}


def test_a_put_with_permissions_alone_keeps_the_record(app: TestApp) -> None:
    url = f"/v0/shareds/{ID}"
    refused, _ = send(app, "PUT", {"permissions": {"read": ["system.Everyone"]}}, url=url)
    send(app, "PUT", {"data": FULL}, url=url)

    status, body = send(app, "PUT", {"permissions": {"read": ["system.Everyone"]}}, url=url)

    assert (refused, status) == (400, 200)
    assert attributes(body) == FULL


def described(app: Any) -> Any:
    return app.get("/v0/__api__").json


def test_the_description_of_the_service_has_the_fields(app: TestApp) -> None:
    document = described(app)
    schemas = document["components"]["schemas"]
    accepted, sent = schemas["MorelInput"], schemas["Morel"]
    parameters = [one.get("name") for one in document["components"]["parameters"].values()]

    assert accepted["required"] == ["name"]
    assert accepted["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 3,
    }
    assert sent["properties"]["size"] == {"type": "integer"}
    assert sent["properties"]["name"] == {"type": "string"}
    assert "default" not in str(sent)
    assert {"min_size", "like_place.town", "contains_tags", "in_code"} <= set(parameters)
    assert "#/$defs" not in str(document)


# Members that the schema does not declare


class Ignoring(BaseModel):
    name: str


class Allowing(BaseModel, extra="allow"):
    name: str


class Forbidding(BaseModel, extra="forbid"):
    name: str


def with_others(others: Any = None) -> dict[str, Any]:
    found = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return found if others is None else {**found, "additionalProperties": others}


P, J = resource.PydanticSchema, resource.JSONSchema
OTHERS = [
    (P(Ignoring), 201, False),
    (P(Allowing), 201, True),
    (P(Forbidding), 400, False),
    (P(Ignoring, preserve_unknown=True), 201, True),
    (P(Ignoring, unknown="raise"), 400, False),
    (P(Allowing, preserve_unknown=False), 201, False),
    (P(Allowing, unknown="raise"), 400, False),
    (P(Forbidding, unknown="ignore"), 201, False),
    (P(Forbidding, preserve_unknown=True), 201, True),
    (J(with_others()), 201, False),
    (J(with_others(True)), 201, True),
    (J(with_others({"type": "integer"})), 201, True),
    (J(with_others(False)), 400, False),
    (J({**with_others(), "patternProperties": {"^c": {}}}), 201, True),
    (J(with_others(), preserve_unknown=True), 201, True),
    (J(with_others(), unknown="raise"), 400, False),
    (J(with_others(True), preserve_unknown=False), 201, False),
    (J(with_others(False), unknown="ignore"), 201, False),
    (J(with_others(False), preserve_unknown=True), 201, True),
]


class Counted(resource.UserResource):
    """A hook gives it a member that the schema does not declare."""

    def process_record(self, new: Any, old: Any = None) -> Any:
        return {**super().process_record(new, old), "by": 7}


@pytest.mark.clause("E-17.4")
@pytest.mark.parametrize(("schema", "status", "is_kept"), OTHERS)
def test_members_that_are_not_declared(schema: object, status: int, is_kept: bool) -> None:
    app = make_app([type("Morel", (Counted,), {"mapping": schema})])

    given, body = send(app, "POST", {"data": {"name": "x", "colour": 1}})
    made, record = send(app, "PUT", {"data": {"name": "x", "id": ID, "last_modified": 1}})
    again, changed = send(app, "PUT", record)
    patched, _ = send(app, "PATCH", {"data": {"name": "y"}})
    refused, wrong = send(app, "PATCH", {"data": {"colour": 2}})
    merged, _ = send(app, "PATCH", {"colour": 2}, MERGE)
    listed = app.get("/v0/morels?_fields=colour", headers=AUTH, status="*")

    assert given == status, body
    assert (made, patched) == (201, 200)
    assert attributes(changed)["by"] == 7 if again == 200 else again == status
    assert (refused, merged) == ((400, 400) if status == 400 else (200, 200))
    if status == 400:
        assert body["message"] == "data.colour in body: Unknown member"
        assert names(wrong) == [("body", "data.colour")]
    else:
        assert attributes(body).get("colour") == (1 if is_kept else None)
    assert listed.status_int == (200 if is_kept else 400)
    accepted = described(app)["components"]["schemas"]["MorelInput"]
    assert (accepted.get("additionalProperties", False) is False) == (not is_kept) or (
        "patternProperties" in accepted
    )


def test_the_nearest_name_is_told() -> None:
    for schema in (P(Forbidding), J(with_others(False))):
        app = make_app([type("Morel", (resource.UserResource,), {"mapping": schema})])

        _, body = send(app, "POST", {"data": {"name": "x", "nmae": 1}})

        assert "did you mean 'name'" in body["message"]
