"""Models of pydantic and JSON Schemas as schemas: what each of the two libraries has of its own."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import inspect
import sys
import time
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

import colander
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field
from pyramid.exceptions import ConfigurationError
from servers.starting import run_program
from support.shared_apps import make_app

from cliquet import resource
from cliquet.resource import JSONSchema, PydanticSchema
from cliquet.testing.web import basic_auth

HEADERS = basic_auth()


def faults(schema: Any, value: Any) -> dict[str, str]:
    """Return the faults of a value by their paths."""
    with pytest.raises(colander.Invalid) as caught:
        schema.deserialize(value)
    found: dict[str, str] = caught.value.asdict(translate=None)
    return found


def of(**properties: Any) -> JSONSchema:
    return JSONSchema({"type": "object", "properties": properties})


# Models of pydantic


class Colour(enum.Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Node(BaseModel):
    value: int
    below: list[Node] = []


class Strict(BaseModel, strict=True):
    at: datetime.datetime
    day: datetime.date | None = None
    key: uuid.UUID | None = None
    price: decimal.Decimal | None = None
    colours: set[Colour] = set()


class Zoo(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    either: int | list[str] | None = None
    node: Node | None = None
    label: str | None = "none"
    needed: str | None
    counts: dict[str, int] = {}
    long_name: str = Field("x", alias="longName")

    @pydantic.field_validator("label")
    @classmethod
    def not_bad(cls, value: str | None) -> str | None:
        if value == "bad":
            raise ValueError("Too bad")
        return value

    @pydantic.computed_field
    def loud(self) -> str:
        return self.long_name.upper()

    @pydantic.model_validator(mode="after")
    def whole(self) -> Zoo:
        if self.long_name == "whole":
            raise ValueError("Not as a whole")
        return self


@pytest.mark.clause("E-8.15")
def test_values_are_stored_as_json() -> None:
    schema = PydanticSchema(Strict)
    given = {
        "at": "2015-01-22T10:00:00Z",
        "day": "2015-01-22",
        "key": "3f0c1c4e-6a0d-4b0f-9d3e-5f6a7b8c9d0e",
        "price": "1.50",
        "colours": ["red"],
    }

    record = schema.deserialize(given)

    assert record == given
    # What is stored is accepted again.
    assert schema.deserialize(record) == record


@pytest.mark.clause("E-8.15")
@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"needed": None}, {"needed": None}),
        ({"needed": "a", "label": None}, {"needed": "a", "label": None}),
        ({"needed": "a", "pet": None}, {"needed": "a"}),
        ({"needed": "a", "longName": None}, {"needed": "a"}),
    ],
)
def test_null_is_kept_only_where_it_differs_from_absence(given: object, stored: Any) -> None:
    record = PydanticSchema(Zoo).deserialize(given)

    assert record == {"label": "none", "longName": "x", "counts": {}, **stored}


@pytest.mark.clause("E-8.15")
def test_fields_have_their_names_in_json_and_computed_ones_are_not_stored() -> None:
    schema = PydanticSchema(Zoo)

    record = schema.deserialize({"needed": "a", "longName": "y"})

    assert record["longName"] == "y"
    assert {"loud", "long_name"}.isdisjoint(record)
    assert "longName" in [node.name for node in schema.children]


@pytest.mark.clause("E-8.15")
@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"needed": "a", "pet": {"kind": "cat", "lives": "z"}}, ["pet.lives"]),
        ({"needed": "a", "pet": {"kind": "dog"}}, ["pet.name"]),
        ({"needed": "a", "pet": {"kind": "cow"}}, ["pet"]),
        ({"needed": "a", "either": "z"}, ["either"]),
        ({"needed": "a", "either": [1]}, ["either", "either.0"]),
        ({"needed": "a", "counts": {"x": "z"}}, ["counts.x"]),
        ({"needed": "a", "node": {"value": 1, "below": [{"value": "z"}]}}, ["node.below.0.value"]),
        ({"needed": "a", "longName": 5}, ["longName"]),
        ({}, ["needed"]),
    ],
)
def test_paths_lead_to_the_members_that_the_client_has_sent(
    given: object, paths: list[str]
) -> None:
    assert sorted(faults(PydanticSchema(Zoo), given)) == paths


@pytest.mark.clause("E-8.15")
def test_faults_have_the_words_of_the_application() -> None:
    schema = PydanticSchema(Zoo)

    assert faults(schema, {"needed": "a", "label": "bad"}) == {"label": "Too bad"}
    assert faults(schema, {"needed": "a", "longName": "whole"}) == {"": "Not as a whole"}
    assert faults(schema, {}) == {"needed": "Required"}
    assert faults(schema, colander.null) == {"": "Required"}


@pytest.mark.clause("E-8.15")
def test_members_of_nested_models_follow_these_models() -> None:
    class Inner(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    class Outer(BaseModel):
        inner: Inner

    schema = PydanticSchema(Outer)

    assert faults(schema, {"inner": {"a": 1, "b": 2}}) == {"inner.b": "Unknown member"}


@pytest.mark.clause("E-8.15")
def test_numbers_that_no_storage_keeps_are_refused() -> None:
    class Wide(BaseModel):
        n: int
        x: float = 0.0

    schema = PydanticSchema(Wide)

    assert faults(schema, {"n": "9" * 30}) == {"n": "Number out of range"}
    assert faults(schema, {"n": 1, "x": "NaN"}) == {"x": "Number out of range"}


@pytest.mark.clause("E-8.15")
def test_a_model_that_refers_to_itself_is_described() -> None:
    described = PydanticSchema(Zoo).json_schema()

    assert "$ref" not in str(described)
    assert described["properties"]["node"]["properties"]["below"]["items"] == {}


@pytest.mark.clause("E-8.15")
@pytest.mark.parametrize("base", [resource.UserResource, resource.ShareableResource])
def test_a_bare_model_is_accepted_as_a_mapping(base: type) -> None:
    class Article(BaseModel):
        title: str

        class Options:
            unique_fields = ("title",)

    moss = type("Moss", (base,), {"mapping": Article})
    app = make_app([moss], settings={"moss_create_principals": "system.Authenticated"})

    made = app.post_json("/v0/mosss", {"data": {"title": "a"}}, headers=HEADERS, status=201)
    again = app.post_json("/v0/mosss", {"data": {"title": "a"}}, headers=HEADERS, status=200)
    app.post_json("/v0/mosss", {"data": {}}, headers=HEADERS, status=400)

    assert again.json["data"] == made.json["data"]


# JSON Schemas


@pytest.mark.clause("E-8.16")
@pytest.mark.parametrize(
    ("described", "value", "text"),
    [
        ({"type": "integer"}, "z", '"z" is not an integer'),
        ({"type": ["boolean", "null"]}, 5, '"5" is not a boolean: true or false is expected or '),
        ({"enum": ["a", 1]}, "b", '"b" is not one of a, 1'),
        ({"const": "a"}, "b", '"b" is not "a"'),
        ({"minimum": 1}, 0, "0 is less than minimum value 1"),
        ({"maximum": 1}, 2, "2 is greater than maximum value 1"),
        ({"exclusiveMinimum": 1}, 1, "1 is not greater than 1"),
        ({"exclusiveMaximum": 1}, 1, "1 is not less than 1"),
        ({"multipleOf": 2}, 3, "3 is not a multiple of 2"),
        ({"minLength": 2}, "a", "Shorter than minimum length 2"),
        ({"maxLength": 1}, "ab", "Longer than maximum length 1"),
        ({"minItems": 1}, [], "Fewer than 1 items"),
        ({"maxItems": 1}, [1, 2], "More than 1 items"),
        ({"minProperties": 1}, {}, "Fewer than 1 members"),
        ({"maxProperties": 0}, {"a": 1}, "More than 0 members"),
        ({"uniqueItems": True}, [{"a": [1]}, {"a": [1.0]}], "Two items are equal"),
        ({"pattern": "^a"}, "b", "String does not match expected pattern"),
        ({"format": "uuid"}, "b", '"b" is no uuid'),
        ({"format": "regex"}, "a{99999999999999}", '"a{99999999999999}" is no regex'),
        ({"format": "date-time"}, "2015-01-22", '"2015-01-22" is no date-time'),
        ({"format": "date-time"}, "2015-13-22T10:00:00Z", '"2015-13-22T10:00:00Z" is no date-time'),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, 5, '"5" has none of the allowed'),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 5, '"5" does not have one of the allowed'),
        ({"contains": {"const": 1}}, [2], '"[2]" does not fit (contains)'),
        ({"type": "string"}, list(range(1000)), '"[0,1,2,'),
    ],
)
def test_verdicts_are_in_the_words_of_json(
    described: dict[str, Any], value: object, text: str
) -> None:
    found = faults(of(x=described), {"x": value})

    assert list(found) == ["x"]
    assert found["x"].startswith(text)
    assert len(found["x"]) < 200


@pytest.mark.clause("E-8.16")
@pytest.mark.parametrize(
    ("described", "value"),
    [
        ({"format": "date-time"}, "2015-01-22T10:00:00.123456789+01:00"),
        ({"format": "date-time"}, 5),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}, {"a": True}]),
        ({"uniqueItems": True}, "aa"),
        ({"uniqueItems": False}, [1, 1]),
        ({"type": ["string", "null"]}, None),
        ({"enum": ["a", None]}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ({}, None),
    ],
)
def test_values_that_fit_are_stored_as_they_are(described: dict[str, Any], value: object) -> None:
    assert of(x=described).deserialize({"x": value}) == {"x": value}


@pytest.mark.clause("E-8.16")
def test_absent_members_get_their_defaults_also_in_objects_within() -> None:
    place = {"type": "object", "properties": {"town": {"default": "Bern"}}}
    schema = of(tags={"default": []}, place=place, places={"type": "array", "items": place})

    record = schema.deserialize({"place": {}, "places": [{"x": 1}]})

    assert record == {"tags": [], "place": {"town": "Bern"}, "places": [{"town": "Bern"}]}
    record["tags"].append("changed")
    assert schema.deserialize({}) == {"tags": []}


@pytest.mark.clause("E-8.16")
def test_a_long_array_of_objects_is_compared_in_linear_time() -> None:
    schema = of(x={"uniqueItems": True})
    items = [{"a": number} for number in range(20_000)]

    start = time.process_time()
    schema.deserialize({"x": items})

    # All pairs would take minutes.
    assert time.process_time() - start < 20


def nested(depth: int, innermost: Any) -> Any:
    """Return a value within so many objects."""
    for _ in range(depth):
        innermost = {"below": innermost}
    return innermost


def of_trees(*ways: str) -> JSONSchema:
    """Return a schema of objects that refers to itself on two ways, by each of the keywords."""
    below = {"properties": {"below": {"$ref": "#/$defs/Node"}}}
    node = {"type": "object", **below, **{keyword: [below] for keyword in ways}}
    properties = {"x": {"$ref": "#/$defs/Node"}}
    return JSONSchema({"type": "object", "properties": properties, "$defs": {"Node": node}})


@pytest.mark.usefixtures("usual_recursion")
@pytest.mark.clause("E-8.16")
def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    assert faults(of_trees(), {"x": nested(900, {})}) == {"": "Nested too deeply"}


@pytest.mark.clause("E-8.16", "X-34")
@pytest.mark.parametrize("ways", [("anyOf",), ("allOf",), ("oneOf", "anyOf")])
def test_schemas_that_refer_to_themselves_twice_take_linear_time(ways: tuple[str, ...]) -> None:
    """Each level doubled the work: 100 of them, which JSON may have, would never end."""
    schema = of_trees(*ways)
    wrong = {"below": "text", "also": 1}

    assert schema.deserialize({"x": nested(90, {})}) == {"x": nested(90, {})}
    found = faults(schema, {"x": nested(90, wrong)})

    assert found["x" + 91 * ".below"] == '"text" is not an object'
    assert len(found) <= 91 * len(ways) + 1


@pytest.mark.clause("E-8.16")
def test_equal_values_in_several_places_have_a_fault_each() -> None:
    schema = JSONSchema(
        {
            "type": "object",
            "properties": {name: {"$ref": "#/$defs/Node"} for name in "abc"},
            "$defs": {"Node": {"type": "array", "items": {"type": "integer"}}},
        }
    )
    same = ["x"]

    found = faults(schema, {"a": same, "b": same, "c": ["x"]})

    assert found == {f"{name}.0": '"x" is not an integer' for name in "abc"}


@pytest.mark.clause("E-8.16")
def test_patterns_of_names_declare_members() -> None:
    schema = JSONSchema(
        {
            "type": "object",
            "properties": {"a": {}},
            "patternProperties": {"^x_": {"type": "integer"}},
            "additionalProperties": False,
        }
    )

    assert schema.deserialize({"a": 1, "x_a": 2}) == {"a": 1, "x_a": 2}
    assert faults(schema, {"x_a": "z"}) == {"x_a": '"z" is not an integer'}
    assert faults(schema, {"zz": 1}) == {"zz": "Unknown member"}


@pytest.mark.clause("E-8.16")
def test_the_schema_of_the_application_may_change_afterwards() -> None:
    described: Any = {"type": "object", "properties": {"a": {"type": "integer"}}}
    schema = JSONSchema(described)
    described["properties"]["a"]["type"] = "string"

    assert schema.deserialize({"a": 1}) == {"a": 1}
    assert copy.copy(schema).json_schema()["properties"]["a"] == {"type": "integer"}


# Mistakes of the author


def here(offset: int) -> str:
    frame: Any = inspect.currentframe()
    return f"{__file__}:{frame.f_back.f_lineno + offset}: JSONSchema"


@pytest.mark.clause("E-8.16")
@pytest.mark.parametrize(
    ("described", "text"),
    [
        ({"type": "objekt"}, "it is no JSON Schema (draft 2020-12): 'objekt' is not valid"),
        ({"type": "array"}, "its type is 'array'; allowed: 'object'."),
        ({}, "its type is None; allowed: 'object'."),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/Plcae"}}},
            "it refers to '#/$defs/Plcae'; allowed: what the schema itself has",
        ),
        (
            {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}},
            "it refers to 'https://example.com/a.json'; allowed: what the schema itself has",
        ),
    ],
)
def test_a_wrong_json_schema_names_its_place(described: dict[str, Any], text: str) -> None:
    place = here(2)
    with pytest.raises(ConfigurationError) as caught:
        JSONSchema(described)

    assert str(caught.value).startswith(f"{place}: {text}")


class Renamed(BaseModel):
    name: str = Field(validation_alias="read", serialization_alias="written")


class Called(BaseModel):
    name: Any = Field(default=None)
    call: Callable[[], int]


class Items(pydantic.RootModel[list[int]]):
    pass


def place_of(cls: type) -> str:
    return f"{__file__}:{inspect.getsourcelines(cls)[1]}: class {cls.__qualname__}"


@pytest.mark.clause("E-8.15")
@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Renamed, "name is read as 'read' and written as 'written'; allowed: one name"),
        (Called, "it cannot be described as JSON: Cannot generate a JsonSchema"),
        (Items, "it is no object; allowed: a model with fields."),
    ],
)
def test_a_model_that_cannot_be_a_schema_names_its_place(model: type, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PydanticSchema(model)

    assert str(caught.value).startswith(f"{place_of(model)}: {text}")


@pytest.mark.clause("E-8.15")
@pytest.mark.parametrize("model", [int, "Model", Cat(kind="cat", lives=9)])
def test_something_else_than_a_model_is_refused(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="allowed: a class that derives from pydantic"):
        PydanticSchema(model)


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"unique_fields": ("livs",)}, "unique_fields has 'livs', which is no field; allowed: deleted"),
    ({"readonly_fields": "kind"}, "readonly_fields is the text 'kind'; allowed: a tuple"),
    ({"indexed_fields": ("live",)}, "did you mean 'lives'?"),
    ({"unknown": "rise"}, "unknown is 'rise'; allowed: 'ignore' or 'raise'"),
    ({"uniqe_fields": ("kind",)}, "Options has no option 'uniqe_fields'; allowed: "),
]


@pytest.mark.clause("E-8.6", "E-8.8", "E-8.15", "E-8.16")
@pytest.mark.parametrize(("options", "text"), OPTIONS)
def test_wrong_options_name_the_place_of_the_schema(options: Any, text: str) -> None:
    place = here(3)
    described = {"type": "object", "properties": {"kind": {}, "lives": {}}}
    pairs = [
        (JSONSchema(described, **options), place),
        (PydanticSchema(Cat, **options), place_of(Cat)),
    ]
    for schema, where in pairs:
        with pytest.raises(ConfigurationError) as caught:
            make_app([type("Moss", (resource.UserResource,), {"mapping": schema})])

        assert f"{where}: " in str(caught.value)
        assert text in str(caught.value)


@pytest.mark.clause("E-8.15", "E-8.16")
@pytest.mark.parametrize(
    ("extra", "use"),
    [
        ("pydantic", "resource.PydanticSchema(int)"),
        ("jsonschema", "resource.JSONSchema({'type': 'object'})"),
    ],
)
def test_a_missing_extra_is_told_in_one_line(processes: None, extra: str, use: str) -> None:
    program = f"import sys; sys.modules[{extra!r}] = None; from cliquet import resource; {use}"

    command = [sys.executable, "-W", "ignore", "-c", program]
    run = run_program(command, capture_output=True, text=True)

    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1
    assert f"needs the extra '{extra}' (pip install 'cliquet[{extra}]')" in last


@pytest.mark.clause("E-8.16")
def test_a_json_schema_that_requires_what_it_forbids_is_refused() -> None:
    described: dict[str, Any] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["nme"],
        "additionalProperties": False,
    }

    place = here(2)
    with pytest.raises(ConfigurationError) as refused:
        JSONSchema(described)

    assert str(refused.value) == (
        f"{place}: required has 'nme', which is not among its properties, and additionalProperties "
        "is false, so that no record fits; allowed: name, size; did you mean 'name'?"
    )
    JSONSchema({**described, "additionalProperties": True})
    JSONSchema({**described, "patternProperties": {"^n": {}}})
    JSONSchema({**described, "required": ["name", "id"]})
