"""Query strings: what each text means, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cliquet.resource.querystring import (
    MAX_SORT_FIELDS,
    MAX_TIMESTAMP,
    FilterSet,
    InvalidParameter,
    parse_fields,
    parse_filters,
    parse_limit,
    parse_sort,
    parse_timestamp,
)
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort

KNOWN_FIELDS = ("title", "n", "b", "min_n", "été", "id", "last_modified", "deleted")

EQ, NOT, IN, EXCLUDE = COMPARISON.EQ, COMPARISON.NOT, COMPARISON.IN, COMPARISON.EXCLUDE
LT, MAX, MIN, GT = COMPARISON.LT, COMPARISON.MAX, COMPARISON.MIN, COMPARISON.GT

any_text = st.text(st.characters(exclude_categories=()))


def read(*params: tuple[str, str], knows_all: bool = False) -> FilterSet:
    return parse_filters(
        params,
        is_known_field=lambda field: knows_all or field in KNOWN_FIELDS,
        id_field="id",
        modified_field="last_modified",
        deleted_field="deleted",
    )


def same(value: object, other: object) -> bool:
    """Compare with the types: in Python 1, 1.0 and True are equal."""
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(value, other, strict=False)
        return len(value) == len(other) and all(same(one, two) for one, two in pairs)
    return type(value) is type(other) and value == other


def assert_filter(name: str, text: str, field: str, value: object, operator: COMPARISON) -> None:
    (result,) = read((name, text)).filters

    assert (result.field, result.operator) == (field, operator)
    assert same(result.value, value), result.value


def refusal(*params: tuple[str, str], knows_all: bool = False) -> tuple[str, str | None, str]:
    with pytest.raises(InvalidParameter) as caught:
        read(*params, knows_all=knows_all)
    return caught.value.location, caught.value.name, caught.value.description


def invalid_value(name: str) -> tuple[str, str, str]:
    return "querystring", name, f"Invalid value for {name}"


# Names and prefixes


@pytest.mark.clause("H-12.3", "X-16")
@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("n", EQ),
        ("not_n", NOT),
        ("min_n", MIN),
        ("max_n", MAX),
        ("lt_n", LT),
        ("gt_n", GT),
    ],
)
def test_prefix_names_the_operator(name: str, operator: COMPARISON) -> None:
    assert_filter(name, "7", "n", 7, operator)


@pytest.mark.clause("H-12.3")
@pytest.mark.parametrize(("name", "operator"), [("in_n", IN), ("exclude_n", EXCLUDE)])
def test_list_prefixes_take_comma_separated_values(name: str, operator: COMPARISON) -> None:
    assert_filter(name, "7,a", "n", [7, "a"], operator)


@pytest.mark.clause("H-12.1")
def test_each_parameter_gives_a_filter_repeated_ones_included() -> None:
    result = read(("n", "2"), ("title", "a"), ("n", "3"))

    assert result.filters == [Filter("n", 2, EQ), Filter("title", "a", EQ), Filter("n", 3, EQ)]


@pytest.mark.clause("H-12.2")
def test_spaces_around_a_name_are_ignored() -> None:
    result = read((" n ", "7"), (" _since ", "5"))

    assert result.filters == [Filter("n", 7, EQ), Filter("last_modified", 5, GT)]


@pytest.mark.clause("H-12.4")
def test_prefix_is_removed_once() -> None:
    assert_filter("min_min_n", "7", "min_n", 7, MIN)


@pytest.mark.clause("H-12.4", "H-12.6")
def test_unknown_prefix_belongs_to_the_field_name() -> None:
    assert refusal(("madmax_n", "7")) == (
        "querystring",
        "madmax_n",
        "Unknown filter field 'madmax_n'",
    )


@pytest.mark.clause("H-12.3", "H-12.6")
@pytest.mark.parametrize("name", ["min_", "in_", "not_ n", "nope", "in_nope", "not__", ""])
def test_unknown_field_is_refused_under_the_name_given(name: str) -> None:
    assert refusal((name, "1")) == ("querystring", name, f"Unknown filter field '{name}'")


@pytest.mark.clause("H-12.3")
@pytest.mark.parametrize("name", ["min_", "in_-n", "not_.n"])
def test_prefix_needs_a_word_after_it(name: str) -> None:
    assert read((name, "7"), knows_all=True).filters == [Filter(name, 7, EQ)]


@pytest.mark.clause("H-12.7")
@pytest.mark.parametrize("name", ["n.p", "min_n.p"])
def test_nested_field_is_unknown(name: str) -> None:
    assert refusal((name, "1")) == ("querystring", name, f"Unknown filter field '{name}'")


@pytest.mark.clause("H-12.5", "P-11.5")
def test_application_may_know_every_field() -> None:
    result = read(("whatever", "a"), ("min_other.one", "3"), knows_all=True)

    assert result.filters == [Filter("whatever", "a", EQ), Filter("other.one", 3, MIN)]


@pytest.mark.clause("H-11.4")
def test_other_underscore_parameters_are_ignored() -> None:
    result = read(("_limit", "x"), ("_sort", "y"), ("_whatever", "z"), ("_", "\0"))

    assert result.filters == []


@pytest.mark.clause("B-21.20")
def test_nul_in_a_name_is_refused_even_when_every_field_is_known() -> None:
    location, name, description = refusal(("a\0b", "1"), knows_all=True)

    assert (location, name, description) == (
        "querystring",
        "a\0b",
        "Unknown filter field 'a\0b'",
    )


# Values


@pytest.mark.clause("H-12.8", "H-12.9", "D-18")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-1", -1),
        ("3.14", 3.14),
        ('"1"', "1"),
        ("'1'", "1"),
        ("1.2.3", "1.2.3"),
        ("abc", "abc"),
        ("01", "01"),
        ("", ""),
        ("null", "null"),
        ("[2]", [2]),
        ('{"a": 2}', {"a": 2}),
        ("(2,3)", [2, 3]),
        ("{2: 3}", "{2: 3}"),
        ("2015-10-22", "2015-10-22"),
        ("1-1", "1-1"),
        ("(" * 500, "(" * 500),
    ],
)
def test_value_is_coerced_to_json_and_never_evaluated(text: str, value: object) -> None:
    assert_filter("n", text, "n", value, EQ)


@pytest.mark.clause("H-12.8", "H-12.10", "X-17")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", [1, True]),
        ("0", [0, False]),
        ("1.0", [1.0, True]),
        ("true", [True, 1]),
        ("YES", [True, 1]),
        ("on", [True, 1]),
        ("False", [False, 0]),
        ("no", [False, 0]),
        ("OFF", [False, 0]),
    ],
)
def test_equality_with_a_boolean_or_its_number_covers_both(text: str, values: list[object]) -> None:
    assert_filter("b", text, "b", values, IN)
    assert_filter("not_b", text, "b", values, EXCLUDE)


@pytest.mark.clause("H-12.11", "X-17")
def test_equality_with_null_covers_missing() -> None:
    assert_filter("n", "None", "n", [None, MISSING], IN)
    assert_filter("not_n", "None", "n", [None, MISSING], EXCLUDE)


@pytest.mark.clause("H-12.11")
def test_difference_is_left_to_the_storage_which_keeps_missing_fields() -> None:
    assert_filter("not_n", "7", "n", 7, NOT)
    assert_filter("exclude_n", "7", "n", [7], EXCLUDE)


@pytest.mark.clause("H-12.10", "H-12.11", "X-17")
def test_each_item_of_a_list_is_widened() -> None:
    assert_filter("in_n", "1,None,a", "n", [1, True, None, MISSING, "a"], IN)
    assert_filter("exclude_n", "false,2", "n", [False, 0, 2], EXCLUDE)


@pytest.mark.clause("H-12.13", "D-18")
@pytest.mark.parametrize(
    ("text", "values"),
    [("", [""]), ("a,,b", ["a", "", "b"]), ("[2],3", [[2], 3]), ("[2,3", ["[2", 3])],
)
def test_comma_always_separates(text: str, values: list[object]) -> None:
    assert_filter("in_n", text, "n", values, IN)


@pytest.mark.clause("X-16")
@pytest.mark.parametrize(("text", "value"), [("1", 1), ("true", True), ("None", None)])
def test_order_keeps_the_type_of_its_operand(text: str, value: object) -> None:
    assert_filter("min_n", text, "n", value, MIN)


@pytest.mark.clause("X-25", "B-22.27")
@pytest.mark.parametrize("name", ["n", "not_n", "min_n", "in_n"])
@pytest.mark.parametrize(
    "text",
    [
        str(2**64),
        str(-(2**63) - 1),
        f" {2**64}",
        "9" * 30,
        "-" + "9" * 30,
        "9" * 5000,
    ],
)
def test_integer_beyond_64_bits_is_refused(name: str, text: str) -> None:
    assert refusal((name, text)) == invalid_value(name)


@pytest.mark.clause("X-25")
@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 2**64 - 1])
def test_integer_within_64_bits_is_a_number(value: int) -> None:
    assert_filter("gt_n", str(value), "n", value, GT)


@pytest.mark.clause("B-21.20", "B-22.27")
@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        '"a\\x00b"',
        '["a", ["b\\u0000"]]',
        '{"a": {"b\\0": 2}}',
        "a\ud800",
        "{2: 'a\0'}",
    ],
)
@pytest.mark.parametrize("name", ["n", "not_n", "id", "max_id"])
def test_text_that_cannot_be_stored_is_refused_at_any_depth(name: str, text: str) -> None:
    assert refusal((name, text)) == invalid_value(name)


@pytest.mark.clause("B-21.20", "B-22.27")
@pytest.mark.parametrize("name", ["in_n", "exclude_n", "in_id", "in_deleted"])
@pytest.mark.parametrize("text", ["a,b\0", 'a,"\\x00"', "a,\udfff"])
def test_text_that_cannot_be_stored_is_refused_in_lists(name: str, text: str) -> None:
    assert refusal((name, text)) == invalid_value(name)


@pytest.mark.clause("B-22.27")
def test_escaped_half_of_a_surrogate_pair_is_the_text_that_was_sent() -> None:
    assert_filter("n", '"\\ud800"', "n", '"\\ud800"', EQ)


@pytest.mark.clause("X-25")
@pytest.mark.parametrize("text", ["1e999", "-1e999", "inf", "nan"])
def test_infinite_number_is_text(text: str) -> None:
    assert_filter("n", text, "n", text, EQ)


# Reserved members


@pytest.mark.clause("B-6.14", "B-21.21")
@pytest.mark.parametrize("name", ["id", "not_id", "gt_id"])
@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "1"), ("1e5", "1e5"), ('"1"', "1"), ("abc", "abc"), ("9" * 30, "9" * 30)],
)
def test_number_is_compared_with_an_id_as_its_text(name: str, text: str, value: str) -> None:
    (result,) = read((name, text)).filters

    assert result.field == "id"
    assert result.value == value


@pytest.mark.clause("B-6.10")
@pytest.mark.parametrize(("text", "value"), [("true", True), ("None", None)])
def test_equality_with_an_id_is_not_widened(text: str, value: object) -> None:
    assert_filter("id", text, "id", value, EQ)


@pytest.mark.clause("H-12.12", "D-66")
@pytest.mark.parametrize("name", ["in_id", "exclude_id"])
@pytest.mark.parametrize("text", ["1", "a,1", "true,a", "None", "[2]", "9" * 30])
def test_list_of_ids_must_be_strings(name: str, text: str) -> None:
    assert refusal((name, text)) == invalid_value(name)


@pytest.mark.clause("H-12.12")
def test_list_of_ids_may_hold_quoted_numbers_and_empty_text() -> None:
    assert_filter("in_id", 'a,"1",', "id", ["a", "1", ""], IN)


@pytest.mark.clause("H-12.14", "H-12.15")
@pytest.mark.parametrize(("name", "operator"), [("_since", GT), ("_before", LT), ("_to", LT)])
@pytest.mark.parametrize("text", ["123", '"123"'])
def test_time_parameters_compare_the_timestamp(name: str, operator: COMPARISON, text: str) -> None:
    assert_filter(name, text, "last_modified", 123, operator)


NOT_TIMESTAMPS = [
    "abc",
    "1.5",
    "1.0",
    "",
    "01",
    "00",
    "1 2",
    " 1",
    "1\n",
    "+1",
    "-1",
    "1 ",
    "1e3",
    "true",
    "yes",
    "None",
    '"1',
    '1"',
    '""',
    "'1'",
    '""1""',
    "1_0",
    "0x1",
    "\u0661",
    "\uff11",
    "²",
    "{[]:1}",
    "[1]",
    "1\0",
    str(MAX_TIMESTAMP + 1),
    "9" * 30,
    "9" * 5000,
]


@pytest.mark.clause("H-12.15", "D-17", "X-21", "P-34.23", "D-4")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("_since", "last_modified") for text in NOT_TIMESTAMPS),
        *((name, "abc") for name in ("_before", "_to", "gt_last_modified", "not_last_modified")),
    ],
)
def test_anything_but_a_timestamp_is_refused(name: str, text: str) -> None:
    assert refusal((name, text)) == invalid_value(name)


@pytest.mark.clause("D-17", "H-12.12", "D-66")
@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("last_modified", EQ),
        ("not_last_modified", NOT),
        ("min_last_modified", MIN),
        ("max_last_modified", MAX),
        ("lt_last_modified", LT),
        ("gt_last_modified", GT),
    ],
)
def test_timestamp_takes_every_prefix_and_stays_an_integer(name: str, operator: COMPARISON) -> None:
    assert_filter(name, "1", "last_modified", 1, operator)
    assert_filter(name, '"1"', "last_modified", 1, operator)


@pytest.mark.clause("D-17", "H-12.12")
def test_list_of_timestamps_takes_integers_quoted_or_not() -> None:
    assert_filter("in_last_modified", '1,"0"', "last_modified", [1, 0], IN)
    assert refusal(("exclude_last_modified", "1,a")) == invalid_value("exclude_last_modified")
    assert refusal(("in_last_modified", "1,")) == invalid_value("in_last_modified")


@pytest.mark.clause("H-12.16")
def test_use_of_the_deprecated_parameter_is_told() -> None:
    assert read(("_to", "5"), ("_before", "6")).deprecated_to is True
    assert read(("_since", "4"), ("_before", "5")).deprecated_to is False


@pytest.mark.clause("H-12.17", "B-6.24")
@pytest.mark.parametrize(
    "name", ["_since", "_before", "_to", "last_modified", "not_last_modified", "in_last_modified"]
)
def test_filter_on_the_timestamp_brings_tombstones(name: str) -> None:
    fields = [item.field for item in read(("n", "1"), (name, "5")).filters]
    assert "last_modified" in fields


@pytest.mark.clause("H-12.17", "B-6.24")
def test_no_other_filter_brings_tombstones() -> None:
    fields = [item.field for item in read(("deleted", "true"), ("n", "1")).filters]
    assert "last_modified" not in fields


@pytest.mark.clause("H-12.18", "H-12.19", "B-6.10")
@pytest.mark.parametrize(
    ("name", "text", "value", "operator"),
    [
        ("deleted", "true", True, EQ),
        ("deleted", "1", True, EQ),
        ("not_deleted", "true", True, NOT),
        ("deleted", "false", False, EQ),
        ("in_deleted", "1,false", [True, False], IN),
        ("deleted", "None", [None, MISSING], IN),
        ("gt_deleted", "0", False, GT),
    ],
)
def test_deletion_mark_is_compared_as_the_boolean_it_is(
    name: str, text: str, value: object, operator: COMPARISON
) -> None:
    assert_filter(name, text, "deleted", value, operator)


def test_reserved_members_keep_their_rules_under_other_names() -> None:
    result = parse_filters(
        [("uid", "5"), ("stamp", '"5"'), ("gone", "1"), ("_since", "4")],
        is_known_field=lambda field: True,
        id_field="uid",
        modified_field="stamp",
        deleted_field="gone",
    )

    assert result.filters == [
        Filter("uid", "5", EQ),
        Filter("stamp", 5, EQ),
        Filter("gone", True, EQ),
        Filter("stamp", 4, GT),
    ]


filter_names = st.one_of(
    any_text,
    st.builds(
        str.__add__,
        st.sampled_from(["", "min_", "max_", "lt_", "gt_", "not_", "in_", "exclude_", "_"]),
        st.sampled_from([*KNOWN_FIELDS, "since", "to"]),
    ),
)
filter_values = st.one_of(
    any_text,
    st.integers().map(str),
    st.floats().map(repr),
    st.text(alphabet="[](){},:'\"\\x0u1eE.+-_jb# \n").filter(bool),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(),
        lambda items: st.lists(items) | st.dictionaries(st.integers() | any_text, items),
        max_leaves=5,
    ).map(repr),
)


@pytest.mark.clause("D-15", "D-17", "D-18", "P-34.23")
@given(st.lists(st.tuples(filter_names, filter_values), max_size=4), st.booleans())
@example([("n", "9" * 10_000)], False)
@example([("n", "[" * 10_000)], False)
@example([("n", "-" * 10_000 + "1")], False)
@example([("n", "1+" * 10_000 + "1")], False)
def test_any_query_string_is_read_or_refused(
    params: list[tuple[str, str]], knows_all: bool
) -> None:
    try:
        result = read(*params, knows_all=knows_all)
    except InvalidParameter:
        return
    assert all(is_json(item.value) for item in result.filters)


def is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, float):
        return value - value == 0
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    return value is None or value is MISSING


# Timestamps


@pytest.mark.clause("H-12.15", "X-21")
@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("0", 0),
        ('"0"', 0),
        ("1430222877724", 1430222877724),
        ("9007199254740991", MAX_TIMESTAMP),
    ],
)
def test_timestamp_is_read_quoted_or_not(text: str, timestamp: int) -> None:
    assert parse_timestamp(text) == timestamp


@pytest.mark.clause("H-21.3", "D-4", "D-6")
@pytest.mark.parametrize("text", NOT_TIMESTAMPS)
def test_anything_else_is_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        parse_timestamp(text)


@given(any_text)
def test_any_text_is_a_timestamp_or_a_value_error(text: str) -> None:
    try:
        timestamp = parse_timestamp(text)
    except ValueError:
        return
    assert 0 <= timestamp <= MAX_TIMESTAMP
    assert text.strip('"') == str(timestamp)


# Sorting


def sort_of(value: str | None, knows_all: bool = False) -> list[Sort]:
    return parse_sort(
        value,
        is_known_field=lambda field: knows_all or field in KNOWN_FIELDS,
        modified_field="last_modified",
    )


@pytest.mark.clause("H-11.5", "H-13.5")
@pytest.mark.parametrize("value", [None, "", " ", ","])
def test_most_recent_comes_first_by_default(value: str | None) -> None:
    assert sort_of(value) == [Sort("last_modified", -1)]


@pytest.mark.clause("H-13.1", "H-13.2", "H-13.5")
def test_sort_takes_signs_and_spaces() -> None:
    assert sort_of("n, -title,+b ,\tété") == [
        Sort("n", 1),
        Sort("title", -1),
        Sort("b", 1),
        Sort("été", 1),
        Sort("last_modified", -1),
    ]


@pytest.mark.clause("H-13.3")
@pytest.mark.parametrize("item", ["--n", "n-", "n.p", "", "- n", "+-n", "n\0", "n m", "-"])
def test_item_of_another_shape_is_ignored(item: str) -> None:
    assert sort_of(f"{item},title") == [Sort("title", 1), Sort("last_modified", -1)]


@pytest.mark.clause("H-13.4")
@pytest.mark.parametrize("value", ["nope", "n,-nope"])
def test_unknown_sort_field_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        sort_of(value)

    error = caught.value
    assert (error.location, error.name) == ("querystring", None)
    assert error.description == str(error) == "Unknown sort field 'nope'"


@pytest.mark.clause("H-13.5", "B-6.22")
@pytest.mark.parametrize(("value", "direction"), [("last_modified", 1), ("-last_modified", -1)])
def test_timestamp_is_not_added_twice(value: str, direction: int) -> None:
    assert sort_of(f"{value},n") == [Sort("last_modified", direction), Sort("n", 1)]


@pytest.mark.clause("H-13.6")
def test_first_mention_of_a_field_decides() -> None:
    assert sort_of("n,-n,n") == [Sort("n", 1), Sort("last_modified", -1)]


def test_number_of_sort_fields_is_bounded() -> None:
    accepted = ",".join(f"f{rank}" for rank in range(MAX_SORT_FIELDS))

    assert len(sort_of(accepted, knows_all=True)) == MAX_SORT_FIELDS + 1
    with pytest.raises(InvalidParameter, match="_sort should have at most 64 fields"):
        sort_of(accepted + ",one_more", knows_all=True)


@given(any_text, st.booleans())
def test_any_sort_is_read_or_refused(value: str, knows_all: bool) -> None:
    try:
        sorting = sort_of(value, knows_all)
    except InvalidParameter:
        return
    fields = [item.field for item in sorting]
    assert "last_modified" in fields
    assert len(set(fields)) == len(fields)


# Limit


@pytest.mark.clause("H-14.1", "H-14.3", "H-14.4", "D-20", "D-29", "X-27")
@pytest.mark.parametrize(
    ("value", "paginate_by", "max_fetch_size", "limit"),
    [
        (None, None, None, None),
        ("", None, None, None),
        (None, 5, None, 5),
        ("", 5, None, 5),
        (None, None, 100, 100),
        (None, 5, 100, 5),
        (None, 200, 100, 100),
        ("3", None, None, 3),
        ("3", 5, 100, 3),
        ("007", 5, 100, 5),
        ("007", None, None, 7),
        ("8", 5, 100, 5),
        ("800", None, 100, 100),
        ("3", 0, 0, 3),
        ("9" * 5000, 5, None, 5),
    ],
)
def test_page_is_the_least_of_what_is_asked_and_allowed(
    value: str | None, paginate_by: int | None, max_fetch_size: int | None, limit: int | None
) -> None:
    result = parse_limit(value, paginate_by=paginate_by, max_fetch_size=max_fetch_size)

    assert result == limit


@pytest.mark.clause("H-14.1")
def test_huge_limit_is_bounded_so_that_a_backend_can_take_it() -> None:
    limit = parse_limit("9" * 5000, paginate_by=None, max_fetch_size=None)

    assert limit is not None
    assert 10**9 < limit < 2**63 - 1


@pytest.mark.clause("H-14.2", "D-20")
@pytest.mark.parametrize(
    "value",
    ["0", "000", "-1", "+1", "1.0", "abc", " 1", "1 ", "1\n", "1_0", "\u0661", "²", '"1"', "1e3"],
)
def test_limit_is_a_positive_integer(value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_limit(value, paginate_by=5, max_fetch_size=None)

    error = caught.value
    assert (error.location, error.name, error.description) == (
        "querystring",
        None,
        "_limit should be an integer",
    )


@given(any_text)
def test_any_limit_is_read_or_refused(value: str) -> None:
    try:
        limit = parse_limit(value, paginate_by=5, max_fetch_size=None)
    except InvalidParameter:
        return
    assert limit is not None
    assert 1 <= limit <= 5


# Fields


def fields_of(
    value: str | None,
    preserve_unknown: bool = False,
    known_fields: tuple[str, ...] = KNOWN_FIELDS,
) -> list[str] | None:
    return parse_fields(
        value,
        known_fields=known_fields,
        preserve_unknown=preserve_unknown,
        id_field="id",
        modified_field="last_modified",
        deleted_field="deleted",
    )


@pytest.mark.clause("H-15.5")
@pytest.mark.parametrize("value", [None, ""])
def test_no_fields_means_no_projection(value: str | None) -> None:
    assert fields_of(value) is None


@pytest.mark.clause("H-15.1", "H-15.2", "D-30", "D-33")
def test_paths_are_kept_and_reserved_members_added() -> None:
    assert fields_of("n.p.q,n.p.r,title,n.p.q") == [
        "n.p.q",
        "n.p.r",
        "title",
        "id",
        "last_modified",
        "deleted",
    ]


@pytest.mark.clause("H-15.1")
def test_reserved_members_are_named_once() -> None:
    assert fields_of("last_modified,id") == ["last_modified", "id", "deleted"]


@pytest.mark.clause("H-15.3", "H-15.5")
@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("nope", "nope"),
        ("n,b.c,x.y,z,x.t", "x,z"),
        (" n", " n"),
        (",", ""),
        (".n", ""),
        ("n,,b", ""),
    ],
)
def test_unknown_root_is_refused_with_the_published_text(value: str, names: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        fields_of(value)

    error = caught.value
    assert (error.location, error.name, error.description) == (
        "body",
        "Invalid _fields parameter",
        f"Fields {names} do not exist",
    )


@pytest.mark.clause("H-15.4")
def test_unknown_fields_are_kept_when_the_resource_preserves_them() -> None:
    assert fields_of("nope,x.y", preserve_unknown=True) == [
        "nope",
        "x.y",
        "id",
        "last_modified",
        "deleted",
    ]


@pytest.mark.clause("B-21.13")
def test_declared_name_with_dots_is_known() -> None:
    assert fields_of("a.b", known_fields=("a.b",)) == ["a.b", "id", "last_modified", "deleted"]


@given(any_text, st.booleans())
def test_any_fields_are_read_or_refused(value: str, preserve_unknown: bool) -> None:
    try:
        fields = fields_of(value, preserve_unknown)
    except InvalidParameter:
        assert not preserve_unknown
        return
    if value:
        assert fields is not None
        assert {"id", "last_modified", "deleted", *value.split(",")} == set(fields)
