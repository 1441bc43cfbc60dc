"""Values that are accepted without colander: the result is the same, or colander is asked."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import colander
import pytest
from colander import SchemaNode
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cliquet.resource import ResourceSchema
from cliquet.resource.schema import URL, TimeStamp
from cliquet.web.acceptance import DOUBT, Acceptance


class NeverAccepting(Acceptance):
    """Leaves everything to colander."""

    def __call__(self, value: Any) -> Any:
        return DOUBT


def by_colander(node: Any) -> Any:
    """Return a copy of a schema that asks colander for every value."""
    copied = node.clone()
    for each in [copied, *copied.children, *(c for n in copied.children for c in n.children)]:
        if isinstance(each, ResourceSchema):
            each._acceptance = NeverAccepting(each)
    return copied


def outcome(node: Any, value: Any) -> Any:
    """Return the result of a schema with its types and the order of its members, or its errors."""
    try:
        return repr(node.deserialize(copy.deepcopy(value)))
    except colander.Invalid as invalid:
        return invalid.asdict()


def acceptance(node: Any) -> Acceptance:
    """Return what is compiled for a schema that is in use."""
    accept = Acceptance(node, ResourceSchema)
    assert accept({"used": True}) is DOUBT
    return accept


def schema_of(*nodes: Any, unknown: str = "ignore") -> ResourceSchema:
    return ResourceSchema(colander.Mapping(unknown=unknown), *nodes)


class Upper(colander.SchemaNode):
    schema_type = colander.String

    def deserialize(self, cstruct: Any = colander.null) -> Any:
        found = super().deserialize(cstruct)
        return found.upper() if isinstance(found, str) else found


class OwnText(colander.String):
    def deserialize(self, node: Any, cstruct: Any) -> Any:
        return f"<{cstruct}>"


# The property

NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1.5, 2.0]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.sampled_from(["", "a", "b", "true", "0", "1.5", " x", "é"]),
)
NAMES = st.sampled_from(["a", "b", "c", "x.y", "url"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
MISSING = st.sampled_from([colander.required, colander.drop, None, "", 7, 10**400, [], {"a": 1}])
TEXT_VALIDATORS = st.sampled_from(
    [
        None,
        colander.Length(min=1, max=2),
        colander.OneOf(["a", "b"]),
        colander.NoneOf(["b"]),
        colander.Regex("^[a-z]$"),
        colander.All(colander.Length(max=1), colander.OneOf(["a", "é"])),
        colander.Any(colander.Length(min=2), colander.OneOf(["a"])),
    ]
)
NUMBER_VALIDATORS = st.sampled_from([None, colander.Range(0, 2), colander.OneOf([1, 2.0])])


@st.composite
def leaves(draw: Any, name: str) -> tuple[Any, Any]:
    """Return a node and a strategy of values that are near to its own."""
    missing = draw(MISSING)
    kind = draw(st.integers(0, 7))
    texts = st.sampled_from(["a", "b", "ab", "é", ""])
    options: dict[str, Any] = {"name": name, "missing": missing}
    if kind <= 1:
        typ = colander.String(allow_empty=draw(st.booleans()))
        return colander.SchemaNode(typ, validator=draw(TEXT_VALIDATORS), **options), texts
    if kind == 2:
        typ = colander.Integer(strict=draw(st.booleans()))
        return colander.SchemaNode(typ, validator=draw(NUMBER_VALIDATORS), **options), NUMBERS
    if kind == 3:
        node = colander.SchemaNode(colander.Float(), validator=draw(NUMBER_VALIDATORS), **options)
        return node, NUMBERS
    if kind == 4:
        choices = draw(
            st.sampled_from([{}, {"true_choices": ("true",)}, {"false_choices": ("true",)}])
        )
        return colander.SchemaNode(colander.Boolean(**choices), **options), st.booleans()
    if kind == 5:
        return colander.SchemaNode(colander.List(), **options), st.lists(VALUES, max_size=3)
    if kind == 6:
        return TimeStamp(auto_now=False, **options), st.integers(0, 9)
    return URL(**options), st.sampled_from(["http://a.b/", " http://a.b/ ", "no", ""])


@st.composite
def nodes(draw: Any, name: str) -> tuple[Any, Any]:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        item, values = draw(leaves("item"))
        validator = draw(st.sampled_from([None, colander.Length(max=2)]))
        node = colander.SchemaNode(colander.Sequence(), item, name=name, validator=validator)
        return node, st.lists(values, max_size=3)
    if kind == 1:
        parts = [draw(leaves(part)) for part in draw(st.lists(NAMES, max_size=3, unique=True))]
        typ = colander.Mapping(unknown=draw(st.sampled_from(["ignore", "raise", "preserve"])))
        make = draw(st.sampled_from([colander.SchemaNode, ResourceSchema]))
        node = make(typ, *(part for part, _ in parts), name=name, missing=draw(MISSING))
        return node, objects(parts)
    return draw(leaves(name))


def objects(parts: list[tuple[Any, Any]]) -> Any:
    """Return the objects that have some of the members, in any order, and sometimes others."""
    known = [
        st.tuples(st.just(node.name), st.one_of(values, values, VALUES)) for node, values in parts
    ]
    others = st.lists(st.tuples(st.sampled_from(["u", "v"]), VALUES), max_size=1)
    chosen = [
        st.one_of(one.map(lambda pair: [pair]), one.map(lambda p: [p]), st.just([]))
        for one in known
    ]
    return st.tuples(others, *chosen).flatmap(
        lambda lists: st.permutations([pair for pairs in lists for pair in pairs]).map(dict)
    )


@st.composite
def schemas_and_values(draw: Any) -> tuple[Any, Any]:
    parts = [draw(nodes(part)) for part in draw(st.lists(NAMES, max_size=4, unique=True))]
    unknown = draw(st.sampled_from(["ignore", "preserve", "raise"]))
    schema = schema_of(*(part for part, _ in parts), unknown=unknown)
    values = objects(parts)
    return schema, draw(st.lists(st.one_of(values, values, VALUES), min_size=1, max_size=3))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(schemas_and_values())
def test_result_is_that_of_colander_for_any_schema_and_value(drawn: tuple[Any, list[Any]]) -> None:
    schema, values = drawn
    accept, plain = acceptance(schema), by_colander(schema)
    for value in values:
        accepted = accept(copy.deepcopy(value))
        event("doubtful" if accepted is DOUBT else "accepted")
        if accepted is not DOUBT:
            assert repr(accepted) == outcome(plain, value)
        # The schema itself asks colander for the rest, and then has its errors.
        assert outcome(schema, value) == outcome(plain, value)


# What is accepted


@pytest.mark.parametrize(
    ("node", "value", "expected"),
    [
        (colander.SchemaNode(colander.String(), name="a"), "é", "é"),
        (colander.SchemaNode(colander.String(allow_empty=True), name="a"), "", ""),
        (colander.SchemaNode(colander.Integer(), name="a"), 0, 0),
        (colander.SchemaNode(colander.Integer(strict=True), name="a"), 2**64 - 1, 2**64 - 1),
        (colander.SchemaNode(colander.Float(), name="a"), 1.5, 1.5),
        (colander.SchemaNode(colander.Float(), name="a"), 2, 2.0),
        (colander.SchemaNode(colander.Boolean(), name="a"), False, False),
        (colander.SchemaNode(colander.Boolean(false_choices=("true",)), name="a"), True, False),
        (colander.SchemaNode(colander.Boolean(false_choices=("true",)), name="a"), False, True),
        (
            colander.SchemaNode(colander.List(), name="a"),
            [1, 1.5, {"b": None}],
            [1, 1.5, {"b": None}],
        ),
        (
            colander.SchemaNode(
                colander.Sequence(), colander.SchemaNode(colander.String()), name="a"
            ),
            ["b"],
            ["b"],
        ),
        (
            colander.SchemaNode(colander.String(), name="a", validator=colander.OneOf(["b"])),
            "b",
            "b",
        ),
        (TimeStamp(name="a"), 12, 12),
        (URL(name="a"), " http://a.b/ ", "http://a.b/"),
    ],
)
def test_exact_value_is_accepted(
    node: SchemaNode | TimeStamp | URL,
    value: float | list[Any] | str,
    expected: float | list[Any] | str,
) -> None:
    node.name = "a"

    accepted = acceptance(schema_of(node))({"a": value})

    assert repr(accepted) == repr({"a": expected})


def test_absent_members_have_the_value_of_the_schema() -> None:
    default: list[Any] = []
    accepted = acceptance(
        schema_of(
            colander.SchemaNode(colander.List(), name="a", missing=default),
            colander.SchemaNode(colander.String(), name="b", missing=colander.drop),
            TimeStamp(name="c"),
            colander.SchemaNode(colander.String(), name="d"),
        )
    )({"d": "e", "unknown": 1})

    assert list(accepted) == ["a", "c", "d"]
    assert accepted["a"] is default
    assert accepted["c"] > 0


@pytest.mark.parametrize("blank", ["", None])
def test_blank_text_counts_as_absent(blank: object) -> None:
    nodes_of_texts = [
        colander.SchemaNode(colander.String(), name="a", missing="", validator=colander.Length(2)),
        colander.SchemaNode(colander.String(), name="b", missing=colander.drop),
    ]

    assert acceptance(schema_of(*nodes_of_texts))({"a": blank, "b": blank}) == {"a": ""}


@pytest.mark.parametrize("value", [0, 0.0, False, [], {}])
def test_what_is_no_text_is_left_to_colander(value: object) -> None:
    node = colander.SchemaNode(colander.String(), name="a", missing=colander.drop)

    assert acceptance(schema_of(node))({"a": value}) is DOUBT


def test_unknown_members_are_copied() -> None:
    given_value = {"u": {"v": [1]}, "a": "b"}
    node = colander.SchemaNode(colander.String(), name="a")

    accepted = acceptance(schema_of(node, unknown="preserve"))(given_value)

    assert list(accepted.items()) == [("a", "b"), ("u", {"v": [1]})]
    assert accepted["u"] is not given_value["u"]
    assert accepted["u"]["v"] is not given_value["u"]["v"]  # type: ignore[index]  # it is a dict


# What colander is asked about


def own_number(typ: Any) -> Any:
    typ.num = str
    return typ


@pytest.mark.parametrize(
    ("typ", "value"),
    [
        (colander.String(), 1),
        (colander.String(allow_empty=True), 1),
        (colander.String(encoding="utf-8"), 1),
        (colander.Integer(), True),
        (colander.Integer(), 1.0),
        (colander.Integer(), "1"),
        (colander.Integer(), 2**64),
        (colander.Float(), True),
        (colander.Float(), float("nan")),
        (colander.Float(), -(2**63) - 1),
        (colander.Boolean(), "true"),
        (colander.Boolean(), 1),
        (colander.Boolean(false_choices=("true",)), 1),
        (colander.List(), "text"),
        (colander.List(), [float("inf")]),
        (colander.Mapping(), [["a", 1]]),
        (colander.Mapping(unknown="raise"), {"b": 1}),
        (own_number(colander.Integer()), 1),
        (own_number(colander.Float()), 1.5),
        (colander.Boolean(false_choices=("no",), true_choices=("yes",)), True),
    ],
)
def test_other_values_are_left_to_colander(typ: type, value: object) -> None:
    node = colander.SchemaNode(typ, name="a")

    assert acceptance(schema_of(node))({"a": value}) is DOUBT


def test_anything_but_an_object_is_left_to_colander() -> None:
    sequence = colander.SchemaNode(colander.Sequence(), colander.SchemaNode(colander.String()))
    sequence.name = "a"

    assert acceptance(schema_of(sequence))({"a": "text"}) is DOUBT
    assert acceptance(schema_of(sequence))([{"a": []}]) is DOUBT


@colander.deferred
def later(node: Any, bindings: Any) -> Any:
    return None


class Computed(colander.SchemaNode):
    schema_type = colander.String

    @property
    def missing(self) -> str:
        return "m"


class Checked(colander.SchemaNode):
    schema_type = colander.String

    def validator(self, node: Any, value: Any) -> None:
        """Accept it."""


class Longer(URL):
    """A class of an application."""


class Bound(colander.SchemaNode):
    schema_type = colander.String

    def after_bind(self, node: Any, bindings: Any) -> None:
        """Do nothing."""


def with_own_function() -> Any:
    node = colander.SchemaNode(colander.String(), name="a")
    node.deserialize = lambda value=colander.null: "own"
    return node


@pytest.mark.parametrize(
    "node",
    [
        Upper(name="a"),
        Computed(name="a"),
        Checked(name="a"),
        Bound(name="a"),
        Longer(name="a"),
        URL(OwnText(), name="a"),
        URL(name="a", validator=colander.Length(max=3)),
        with_own_function(),
        colander.SchemaNode(OwnText(), name="a"),
        colander.SchemaNode(colander.String(encoding="utf-8"), name="a"),
        colander.SchemaNode(colander.String(), name="a", preparer=str.upper),
        colander.SchemaNode(colander.String(), name="a", validator=lambda node, value: None),
        colander.SchemaNode(
            colander.String(), name="a", validator=colander.All(lambda node, value: None)
        ),
        colander.SchemaNode(colander.String(), name="a", missing=later),
        colander.SchemaNode(colander.String(), name="a", validator=later),
        colander.SchemaNode(colander.String(), name="a").bind(request=1),
        colander.SchemaNode(colander.Decimal(), name="a"),
        colander.SchemaNode(colander.Sequence(), name="a"),
    ],
)
def test_whatever_may_run_other_code_is_left_to_colander(node: object) -> None:
    assert acceptance(schema_of(node))({"a": "http://a.b/"}) is DOUBT


def test_two_members_of_one_name_are_left_to_colander() -> None:
    node = colander.SchemaNode(colander.String(), name="a", missing=None)
    schema = schema_of(node)
    schema.children.append(node.clone())

    assert acceptance(schema)({"a": "b"}) is DOUBT


def test_class_after_the_owner_is_left_to_colander() -> None:
    class Mixin(colander.MappingSchema):
        def deserialize(self, cstruct: Any = colander.null) -> Any:
            return {**super().deserialize(cstruct), "mixed": True}

    class Mixed(ResourceSchema, Mixin):
        a = colander.SchemaNode(colander.String())

    schema = Mixed()
    for _ in range(3):
        assert schema.deserialize({"a": "b"}) == {"a": "b", "mixed": True}


def test_class_before_the_owner_has_its_say() -> None:
    class Own(ResourceSchema):
        a = colander.SchemaNode(colander.String())

        def deserialize(self, cstruct: Any = colander.null) -> Any:
            return {**super().deserialize(cstruct), "own": True}

    schema = Own()
    for _ in range(3):
        assert schema.deserialize({"a": "b"}) == {"a": "b", "own": True}


# When it is compiled


def narrower(schema: Any) -> None:
    schema.children[0].validator = colander.OneOf(["c"])


def with_preparer(schema: Any) -> None:
    schema.children[0].preparer = str.upper


def with_another_member(schema: Any) -> None:
    schema.add(colander.SchemaNode(colander.Integer(), name="b", missing=7))


def without_the_text(schema: Any) -> None:
    schema["a"] = colander.SchemaNode(colander.Integer(), name="a", missing=0)


def keeping_unknown(schema: Any) -> None:
    schema.typ.unknown = "preserve"


@pytest.mark.parametrize(
    "change", [narrower, with_preparer, with_another_member, without_the_text, keeping_unknown]
)
def test_changed_schema_is_compiled_anew(change: Callable[..., Any]) -> None:
    schema = schema_of(colander.SchemaNode(colander.String(), name="a", missing=None))
    for _ in range(3):
        assert schema.deserialize({"a": "x", "u": 1}) == {"a": "x"}
    change(schema)
    plain = by_colander(schema)

    for value in [{"a": "x", "u": 1}, {"a": "c"}, {"a": "c"}, {"a": "x", "u": 1}]:
        assert outcome(schema, value) == outcome(plain, value)


@pytest.mark.parametrize(
    "copied",
    [
        lambda schema: schema.clone(),
        copy.copy,
        copy.deepcopy,
        lambda s: pickle.loads(pickle.dumps(s)),
    ],
)
def test_copy_of_a_schema_has_its_own_members(copied: Callable[..., Any]) -> None:
    schema = schema_of(colander.SchemaNode(colander.String(), name="a"))
    for _ in range(3):
        schema.deserialize({"a": "b"})
    other = copied(schema)
    other.children = [colander.SchemaNode(colander.Integer(), name="a")]

    for _ in range(3):
        assert other.deserialize({"a": "1"}) == {"a": 1}
        assert schema.deserialize({"a": "1"}) == {"a": "1"}
