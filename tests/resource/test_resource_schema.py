"""Schemas of records, and the types of the library."""

from typing import Any

import colander
import pytest
from colander import Decimal, Float, Integer

from cliquet import utils
from cliquet.resource import ResourceSchema
from cliquet.resource.schema import URL, PermissionsSchema, TimeStamp


class Plain(ResourceSchema):
    name = colander.SchemaNode(colander.String())


class Full(ResourceSchema):
    class Options:
        unique_fields = ("code",)
        readonly_fields = ("serial",)
        preserve_unknown = True

    code = colander.SchemaNode(colander.Integer(), missing=colander.drop)


class Partial(ResourceSchema):
    class Options:
        readonly_fields = ("serial",)


@pytest.mark.clause("P-17.1")
@pytest.mark.parametrize(
    ("schema", "options"),
    [
        (ResourceSchema, ((), (), False)),
        (Plain, ((), (), False)),
        (Full, (("code",), ("serial",), True)),
        (Partial, ((), ("serial",), False)),
    ],
)
def test_options_are_those_of_the_schema_or_the_defaults(
    schema: type, options: tuple[Any, ...]
) -> None:
    names = ("unique_fields", "readonly_fields", "preserve_unknown")

    assert tuple(schema().get_option(name) for name in names) == options


@pytest.mark.clause("P-17.1")
def test_options_need_not_inherit() -> None:
    assert not issubclass(Partial.Options, ResourceSchema.Options)
    assert ResourceSchema.Options.unique_fields == ()
    assert ResourceSchema.Options.readonly_fields == ()
    assert ResourceSchema.Options.preserve_unknown is False


@pytest.mark.clause("P-17.2")
def test_read_only_fields_are_known() -> None:
    assert Partial().is_readonly("serial") is True
    assert Partial().is_readonly("name") is False
    assert Plain().is_readonly("name") is False


@pytest.mark.clause("P-17.3")
def test_unknown_members_are_dropped_or_preserved() -> None:
    sent = {"name": "a", "code": 1, "more": [None], "id": "x", "last_modified": 5}

    assert Plain().deserialize(sent) == {"name": "a"}
    assert Full().deserialize(sent) == sent


@pytest.mark.clause("P-17.3")
@pytest.mark.parametrize("value", [1, "yes", "true"])
def test_only_true_preserves(value: int | str) -> None:
    class Sloppy(ResourceSchema):
        class Options:
            preserve_unknown = value

    assert Sloppy().deserialize({"more": 1}) == {}


@pytest.mark.clause("H-8.14", "H-8.3")
def test_null_is_an_absence_in_declared_fields_only() -> None:
    class Garden(ResourceSchema):
        class Options:
            preserve_unknown = True

        open = colander.SchemaNode(colander.Boolean(), missing=True)
        beds = colander.SchemaNode(
            colander.Sequence(),
            colander.SchemaNode(
                colander.Mapping(),
                colander.SchemaNode(colander.Boolean(), name="dug", missing=False),
            ),
            missing=colander.drop,
        )

    schema = Garden()

    assert schema.deserialize({"open": None, "beds": None, "x": None}) == {"open": True, "x": None}
    assert schema.deserialize({"beds": [{"dug": None}]})["beds"] == [{"dug": False}]
    with pytest.raises(colander.Invalid) as caught:
        schema.deserialize({"beds": [None]})
    assert caught.value.asdict() == {"beds.0": "Required"}


@pytest.mark.clause("H-8.3")
def test_null_in_a_mandatory_field_of_any_type_is_required() -> None:
    class Strict(ResourceSchema):
        open = colander.SchemaNode(colander.Boolean())
        tags = colander.SchemaNode(colander.Sequence(), colander.SchemaNode(colander.String()))

    with pytest.raises(colander.Invalid) as caught:
        Strict().deserialize({"open": None, "tags": None})

    assert caught.value.asdict() == {"open": "Required", "tags": "Required"}


@pytest.mark.clause("D-10", "X-25")
@pytest.mark.parametrize(
    ("typ", "text"),
    [
        (colander.Float(), "nan"),
        (colander.Float(), "-Infinity"),
        (colander.Decimal(), "NaN"),
        (colander.Integer(), str(2**64)),
        (colander.Integer(), str(-(2**63) - 1)),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_text_cannot_bring_in_a_number_that_json_has_not(
    typ: Decimal | Float | Integer, text: str, nested: bool
) -> None:
    class Heap(ResourceSchema):
        n = colander.SchemaNode(typ, missing=colander.drop)
        items = colander.SchemaNode(
            colander.Sequence(), colander.SchemaNode(typ), missing=colander.drop
        )

    sent = {"items": ["1", text]} if nested else {"n": text}

    with pytest.raises(colander.Invalid) as caught:
        Heap().deserialize(sent)

    assert caught.value.asdict() == {"items" if nested else "n": "Number out of range"}


@pytest.mark.clause("X-25")
def test_extreme_integers_are_kept() -> None:
    class Heap(ResourceSchema):
        n = colander.SchemaNode(colander.Integer())
        o = colander.SchemaNode(colander.Mapping(unknown="preserve"))

    sent = {"n": 2**64 - 1, "o": {"n": [-(2**63), 0.5, True, None]}}

    assert Heap().deserialize(sent) == sent


@pytest.mark.clause("P-17.6")
@pytest.mark.parametrize(
    "permissions",
    [{}, {"read": ["a", "b"]}, {"anything": []}],
    ids=["none", "some", "empty"],
)
def test_permissions_are_lists_of_text_by_name(permissions: dict[str, Any]) -> None:
    schema = PermissionsSchema()

    assert schema.known_perms == ()
    assert schema.deserialize(permissions) == permissions


@pytest.mark.clause("P-17.6")
@pytest.mark.parametrize("mark", [colander.null, colander.drop], ids=["null", "drop"])
@pytest.mark.parametrize("absent", [colander.null, None], ids=["absent", "none"])
def test_absent_permissions_are_what_the_node_says(mark: object, absent: object) -> None:
    schema = PermissionsSchema(missing=mark, permissions=("read",))

    assert schema.deserialize(absent) is mark


@pytest.mark.clause("P-17.6")
@pytest.mark.parametrize(
    ("permissions", "errors"),
    [
        ({"fly": ["a"]}, {"permissions": '"fly" is not one of read, write'}),
        ({"read": "book"}, {"permissions.read": '"book" is not iterable'}),
        ({"read": {"a": 1}}, {"permissions.read": "\"{'a': 1}\" is not iterable"}),
        ({"read": ["a", ""]}, {"permissions.read.1": "Required"}),
    ],
)
def test_permissions_of_another_form_are_invalid(
    permissions: dict[str, Any], errors: dict[str, Any]
) -> None:
    schema = PermissionsSchema(name="permissions", permissions=("read", "write"))

    with pytest.raises(colander.Invalid) as caught:
        schema.deserialize(permissions)

    assert caught.value.asdict() == errors


@pytest.mark.clause("P-17.6")
@pytest.mark.parametrize("principals", [[5], [None], [["a"]]])
def test_principals_are_text(principals: list[Any]) -> None:
    schema = PermissionsSchema(permissions=("read",))

    with pytest.raises(colander.Invalid):
        schema.deserialize({"read": principals})


@pytest.mark.clause("P-34.13")
def test_a_permissions_schema_keeps_nothing_from_one_call_to_the_next() -> None:
    schema = PermissionsSchema(permissions=("read", "write"))

    assert schema.deserialize({"read": ["a"]}) == {"read": ["a"]}
    assert schema.deserialize({"write": ["b"]}) == {"write": ["b"]}
    assert schema.deserialize({}) == {}


@pytest.mark.clause("P-17.7")
def test_a_missing_timestamp_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "msec_time", lambda: 1_448_323_200_123)

    assert TimeStamp().deserialize() == 1_448_323_200_123
    assert TimeStamp().deserialize(None) is None
    assert TimeStamp().deserialize("5") == 5


@pytest.mark.clause("P-17.7")
def test_a_timestamp_may_be_left_alone() -> None:
    assert TimeStamp(auto_now=False).deserialize() is None
    assert TimeStamp(auto_now=False, missing=5).deserialize() == 5


@pytest.mark.clause("P-17.7")
def test_attributes_of_a_timestamp() -> None:
    node = TimeStamp()

    assert node.title == "Epoch timestamp"
    assert isinstance(node.typ, colander.Integer)
    assert (node.auto_now, node.missing, node.required) == (True, None, False)


@pytest.mark.clause("P-17.8", "P-35.9")
@pytest.mark.parametrize(
    "url",
    [
        "http://server/path",
        "http://localhost:8000",
        "https://example.org/a?b=c#d",
        "x-my.app+v1://do/it",
        "ftp://example.org/",
        "file:///etc/motd",
        "mailto:someone@example.org",
        "www.example.org",
        "http://[::1]:8080/",
        "http://exämple.org/é",
    ],
)
def test_urls_are_absolute_with_any_scheme_and_any_host(url: str) -> None:
    assert URL().deserialize(url) == url


@pytest.mark.clause("P-17.8")
def test_white_space_around_a_url_is_removed_before_it_is_judged() -> None:
    assert URL().deserialize(" \t\nhttp://server/path\n ") == "http://server/path"
    assert URL().deserialize(" http://s/" + "x" * 2039) == "http://s/" + "x" * 2039


@pytest.mark.clause("P-17.8")
@pytest.mark.parametrize(
    "url",
    ["host/path", "host", "/path", "//host/path", "http://", "http://a b", "   ", "http:<x>"],
)
def test_what_is_no_url_is_invalid(url: str) -> None:
    with pytest.raises(colander.Invalid):
        URL().deserialize(url)


@pytest.mark.clause("P-17.8")
def test_a_url_is_at_most_2048_characters_long() -> None:
    with pytest.raises(colander.Invalid):
        URL().deserialize("http://s/" + "x" * 2040)


@pytest.mark.clause("P-17.8")
def test_a_url_may_be_optional() -> None:
    assert URL(missing=colander.drop).deserialize() is colander.drop
