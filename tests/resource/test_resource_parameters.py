"""Values of parameters: what a text stands for, alone and in lists."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.resource.parameters import (
    MAX_TIMESTAMP,
    InvalidParameter,
    coerce,
    coerce_list,
    latest_given,
    parse_timestamp,
    timestamp_of,
)
from cliquet.storage.ordering import json_equal

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)


@pytest.mark.clause("E-3.1")
@given(st.lists(JSON_VALUES, max_size=4))
def test_a_json_array_is_read_as_it_is(array: object) -> None:
    assert json_equal(coerce_list("in_a", json.dumps(array)), array)


@pytest.mark.clause("E-3.1", "H-12.13")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,1,yes", ["a", 1, True]),
        ("", [""]),
        ("[]", []),
        ("[1, true, null]", [1, True, None]),
        ('["a,b"]', ["a,b"]),
        # In an array, what would be coerced elsewhere is the text it is.
        ('["1", "yes"]', ["1", "yes"]),
        # No JSON: the comma separates.
        ("['a','b']", ["['a'", "'b']"]),
        ("[a]", ["[a]"]),
        ("[1,2", ["[1", 2]),
        ("1,2]", [1, "2]"]),
        ("[1],[2]", [[1], [2]]),
        ('{"a": 1}', [{"a": 1}]),
    ],
)
def test_a_list_is_a_json_array_or_texts_between_commas(text: str, values: list[Any]) -> None:
    assert json_equal(coerce_list("in_a", text), values)


@pytest.mark.clause("E-3.1", "X-25", "B-21.20")
@pytest.mark.parametrize(
    "text",
    ["[18446744073709551616]", '[1, {"a": [-9223372036854775809]}]', '["\\u0000"]', "[1e999]"],
)
def test_an_array_with_a_value_that_no_record_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        coerce_list("in_a", text)

    assert (caught.value.location, caught.value.name) == ("querystring", "in_a")
    assert caught.value.description == "Invalid value for in_a"


@pytest.mark.clause("H-12.8", "X-25")
def test_a_number_beyond_64_bits_is_refused_and_others_are_read() -> None:
    assert coerce("a", "18446744073709551615") == 2**64 - 1
    with pytest.raises(InvalidParameter, match="Invalid value for a"):
        coerce("a", "18446744073709551616")


@pytest.mark.clause("X-21", "X-28")
def test_a_timestamp_that_is_read_has_the_upper_bound_of_those_that_are_told() -> None:
    assert MAX_TIMESTAMP == 2**53 - 1
    assert parse_timestamp(f'"{MAX_TIMESTAMP}"') == MAX_TIMESTAMP
    with pytest.raises(InvalidParameter) as caught:
        timestamp_of("_since", str(MAX_TIMESTAMP + 1))
    assert (caught.value.name, str(caught.value)) == ("_since", "Invalid value for _since")


@pytest.mark.clause("H-12.8", "B-21.20")
@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        values = coerce_list("a", text)
    except InvalidParameter:
        return
    json.dumps(values, allow_nan=False)


@pytest.mark.clause("D-4", "X-28")
@pytest.mark.parametrize(
    ("now_ms", "max_ahead_seconds", "latest"),
    [
        (1000, 0, 1000),
        (1000, 60, 61_000),
        (1000, None, 253370764799999),
        (1000, 10**15, 253370764799999),
        (253370764799999, 60, 253370764799999),
    ],
)
def test_the_latest_timestamp_of_a_client_is_near_the_clock(
    now_ms: int, max_ahead_seconds: int | None, latest: int
) -> None:
    assert latest_given(now_ms, max_ahead_seconds) == latest
