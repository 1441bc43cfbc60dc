"""Schemas of colander as JSON Schema (E-5.1): what one accepts, the other accepts too."""

import decimal
import enum
import re
from typing import Any

import colander
import pytest
from colander import GlobalObject, Integer, SchemaNode
from jsonschema import Draft202012Validator

from cliquet.openapi.schemas import as_json_schema
from cliquet.resource import ResourceSchema
from cliquet.resource.schema import URL, PermissionsSchema, TimeStamp

pytestmark = pytest.mark.clause("E-5.1")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def field(typ: Any, **kwargs: Any) -> Any:
    return colander.SchemaNode(typ, name="field", **kwargs)


def accepted(node: Any) -> Any:
    return as_json_schema(node, is_sent=False)


def sent(node: Any) -> Any:
    return as_json_schema(node, is_sent=True)


@pytest.mark.parametrize(
    ("node", "described"),
    [
        (field(colander.Integer()), {"type": "integer"}),
        (field(colander.Float()), {"type": "number"}),
        (field(colander.Decimal()), {"type": "number"}),
        (field(colander.Money()), {"type": "number"}),
        (field(colander.Boolean()), {"type": "boolean"}),
        (field(colander.String()), {"type": "string", "minLength": 1}),
        (field(colander.String(allow_empty=True)), {"type": "string"}),
        (field(colander.String(), missing=colander.drop), {"type": "string"}),
        (field(colander.DateTime()), {"type": "string", "format": "date-time"}),
        (field(colander.DateTime(default_tzinfo=None)), {"type": "string"}),
        (field(colander.Date()), {"type": "string", "format": "date"}),
        (field(colander.Date("%d.%m.%Y")), {"type": "string"}),
        (field(colander.Time()), {"type": "string"}),
        (field(colander.Set()), {"type": "array", "items": {}}),
        (field(colander.List()), {"type": "array", "items": {}}),
        (field(colander.Enum(Colour)), {"enum": ["RED", "BLUE"]}),
        (field(colander.Enum(Colour, attr="value", typ=colander.Integer())), {"enum": [1, 2]}),
        (field(colander.GlobalObject(None)), {}),
        (field(colander.Mapping()), {"type": "object"}),
        (
            field(colander.Mapping(unknown="preserve")),
            {"type": "object", "additionalProperties": True},
        ),
        (
            field(colander.Mapping(unknown="raise")),
            {"type": "object", "additionalProperties": False},
        ),
        (
            field(colander.Sequence(), children=[colander.SchemaNode(colander.Integer())]),
            {"type": "array", "items": {"type": "integer"}},
        ),
        (
            field(colander.Tuple(), children=[colander.SchemaNode(colander.Integer())]),
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}],
                "items": False,
                "minItems": 1,
            },
        ),
    ],
)
def test_types(node: SchemaNode, described: dict[str, Any]) -> None:
    assert accepted(node) == described
    Draft202012Validator.check_schema(accepted(node))


@pytest.mark.parametrize(
    ("typ", "validator", "keywords"),
    [
        (colander.String(), colander.Length(min=2, max=3), {"minLength": 2, "maxLength": 3}),
        (colander.Sequence(), colander.Length(max=3), {"maxItems": 3}),
        (colander.Mapping(), colander.Length(min=1), {"minProperties": 1}),
        (colander.Integer(), colander.Length(min=1), {}),
        (colander.Integer(), colander.Range(0, 9), {"minimum": 0, "maximum": 9}),
        (colander.Decimal(), colander.Range(min=decimal.Decimal("1.5")), {}),
        (colander.String(), colander.OneOf(["a", "b"]), {"enum": ["a", "b"]}),
        (colander.String(), colander.OneOf([Colour.RED]), {}),
        (colander.String(), colander.NoneOf(["a"]), {"not": {"enum": ["a"]}}),
        (colander.Sequence(), colander.ContainsOnly([1, 2]), {"items": {"enum": [1, 2]}}),
        (colander.String(), colander.Regex("^a+$"), {"pattern": "^a+$"}),
        (colander.String(), colander.Regex("a|b"), {"pattern": "^(?:a|b)"}),
        (colander.String(), colander.Regex(r"(?P<name>a)\Z"), {}),
        (colander.String(), colander.Regex("a", flags=re.IGNORECASE), {}),
        (colander.String(), colander.Email(), {"format": "email"}),
        (colander.String(), colander.Function(bool), {}),
        (
            colander.String(),
            colander.All(colander.Length(min=1), colander.Regex("^a")),
            {"minLength": 1, "pattern": "^a"},
        ),
        (
            colander.String(),
            colander.All(colander.Regex("^a"), colander.Regex("^.b")),
            {"pattern": "^a", "allOf": [{"pattern": "^.b"}]},
        ),
        (
            colander.String(),
            colander.Any(colander.OneOf(["a"]), colander.Length(min=2)),
            {"anyOf": [{"enum": ["a"]}, {"minLength": 2}]},
        ),
        (colander.String(), colander.Any(colander.OneOf(["a"]), colander.Function(bool)), {}),
    ],
)
def test_validators_that_json_schema_can_express(
    typ: type, validator: object, keywords: dict[str, Any]
) -> None:
    plain = field(typ, missing=colander.drop)
    judged = field(typ, missing=colander.drop, validator=validator)

    assert accepted(judged) == {**accepted(plain), **keywords}


def test_a_validator_that_is_made_for_each_request_is_left_out() -> None:
    node = field(
        colander.Integer(), validator=colander.deferred(lambda node, kw: colander.Range(1, 2))
    )

    assert accepted(node) == {"type": "integer"}


@pytest.mark.parametrize(
    ("missing", "default"),
    [
        ("unnamed", {"default": "unnamed"}),
        (colander.drop, {}),
        (None, {}),
        (Colour.RED, {}),
        (colander.deferred(lambda node, kw: "late"), {}),
    ],
)
def test_a_default_is_told_if_json_has_it(missing: object, default: dict[str, Any]) -> None:
    assert accepted(field(colander.String(), missing=missing)) == {"type": "string", **default}


def test_only_what_is_accepted_has_conditions() -> None:
    schema = ResourceSchema()
    schema.add(field(colander.Integer(), validator=colander.Range(max=9)))

    assert accepted(schema) == {
        "type": "object",
        "properties": {"field": {"type": "integer", "maximum": 9}},
        "required": ["field"],
    }
    assert sent(schema) == {"type": "object", "properties": {"field": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("typ", "described"),
    [
        (colander.Integer(), {"type": ["integer", "null"]}),
        (colander.GlobalObject(None), {}),
    ],
)
def test_a_field_that_is_null_when_it_is_missing_is_sent_as_null(
    typ: GlobalObject | Integer, described: dict[str, Any]
) -> None:
    assert sent(field(typ, missing=None)) == described


def test_texts_of_the_author_are_kept_and_those_of_colander_are_not() -> None:
    node = field(colander.Integer(), title="The size", description="In millimetres.")

    assert accepted(node)["title"] == "The size"
    assert accepted(node)["description"] == "In millimetres."
    assert "title" not in accepted(field(colander.Integer()))


def test_the_field_types_of_the_library() -> None:
    url = accepted(URL(name="url"))
    assert (url["type"], url["minLength"], url["maxLength"]) == ("string", 1, 2048)
    assert accepted(TimeStamp(name="at"))["type"] == "integer"
    assert sent(TimeStamp(name="at"))["type"] == ["integer", "null"]


def test_permissions_are_lists_and_only_known_ones_are_accepted() -> None:
    node = PermissionsSchema(name="permissions", permissions=("read",))
    principals = {"type": "array", "items": {"type": "string"}}

    assert accepted(node)["properties"] == {"read": principals}
    assert accepted(node)["additionalProperties"] is False
    assert sent(node)["additionalProperties"] == principals
    assert "properties" not in accepted(PermissionsSchema(name="permissions"))


def test_a_node_may_describe_itself() -> None:
    class Point(colander.SchemaNode):
        schema_type = colander.Mapping

        def json_schema(self) -> dict[str, Any]:
            return {"$comment": "from a model", "type": "object"}

    schema = ResourceSchema()
    schema.add(Point(name="point"))

    assert accepted(schema)["properties"]["point"]["$comment"] == "from a model"
