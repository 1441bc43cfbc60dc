import functools
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.storage.ordering import json_equal, resolve, sort_key
from cliquet.storage.query import MISSING
from cliquet.testing.storage.sorting import ORDERED

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=2), children, max_size=3)
    ),
    max_leaves=8,
)
# Few different values, so that equal ones are drawn.
SMALL_VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, -0.0, "", "a", 2**53, float(2**53), 2**53 + 1]),
    lambda children: (
        st.lists(children, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b"]), children, max_size=2)
    ),
    max_leaves=4,
)
ANY_VALUES = VALUES | SMALL_VALUES | st.just(MISSING)


def compare(left: Any, right: Any) -> Any:
    """Compare as X-26 says it, with recursion: -1, 0 or 1."""
    ranks = [rank(left), rank(right)]
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if isinstance(left, list):
        return first_difference(
            [(len(left) > len(right)) - (len(left) < len(right))],
            (compare(*pair) for pair in zip(left, right, strict=False)),
        )
    if isinstance(left, dict):
        names = sorted(left), sorted(right)
        return first_difference(
            [(len(left) > len(right)) - (len(left) < len(right))],
            [(names[0] > names[1]) - (names[0] < names[1])],
            (compare(left[name], right[name]) for name in names[0] if name in right),
        )
    if left is None or left is MISSING:
        return 0
    return (left > right) - (left < right)


def first_difference(*comparisons: Any) -> Any:
    return next((sign for sign in itertools.chain(*comparisons) if sign), 0)


def rank(value: Any) -> Any:
    types = [type(None), str, (int, float), bool, list, dict, type(MISSING)]
    if isinstance(value, bool):
        return 3
    return next(n for n, kind in enumerate(types) if isinstance(value, kind))  # type: ignore[arg-type]


def compare_keys(left: Any, right: Any) -> Any:
    left, right = sort_key(left), sort_key(right)
    return (left > right) - (left < right)


@pytest.mark.clause("B-6.19", "X-26")
@given(ANY_VALUES, ANY_VALUES)
def test_keys_compare_as_the_values_do(left: object, right: object) -> None:
    assert compare_keys(left, right) == compare(left, right)


@pytest.mark.clause("B-6.19", "X-26")
@given(st.lists(ANY_VALUES, max_size=8))
def test_sorting_by_key_is_sorting_by_the_order(values: list[Any]) -> None:
    expected = sorted(values, key=functools.cmp_to_key(compare))

    assert all(json_equal(*pair) for pair in zip(sorted(values, key=sort_key), expected))  # noqa: B905


@pytest.mark.clause("B-6.19")
@given(ANY_VALUES, ANY_VALUES, ANY_VALUES)
def test_the_order_is_total_and_transitive(first: object, second: object, third: object) -> None:
    low, middle, high = sorted([first, second, third], key=sort_key)

    assert compare_keys(low, middle) <= 0
    assert compare_keys(middle, high) <= 0
    assert compare_keys(low, high) <= 0
    assert compare_keys(first, second) == -compare_keys(second, first)


@pytest.mark.clause("B-7.5")
@given(SMALL_VALUES, SMALL_VALUES)
def test_equal_values_have_keys_with_one_hash(left: object, right: object) -> None:
    if json_equal(left, right):
        assert hash(sort_key(left)) == hash(sort_key(right))


@pytest.mark.clause("B-6.20", "B-21.12")
@given(st.lists(ANY_VALUES, max_size=8), ANY_VALUES)
def test_a_value_cuts_a_sorted_list_in_two(values: list[Any], cut: object) -> None:
    ordered = sorted(map(sort_key, values))
    key = sort_key(cut)

    assert [k for k in ordered if k < key] + [k for k in ordered if k >= key] == ordered
    assert [k for k in ordered if k <= key] + [k for k in ordered if k > key] == ordered


@pytest.mark.clause("B-6.19", "X-26")
def test_the_published_examples_are_in_order() -> None:
    shuffled = [MISSING, *reversed(ORDERED)]

    assert sorted(shuffled, key=sort_key) == [*ORDERED, MISSING]


@pytest.mark.clause("B-6.14", "B-6.15", "B-21.14", "B-21.18")
@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (2**53 + 1, float(2**53), False),
        (True, 1, False),
        (False, 0, False),
        (None, MISSING, False),
        (MISSING, MISSING, True),
        ("1", 1, False),
        ([1, [True]], [1.0, [True]], True),
        ([1, [True]], [1, [1]], False),
        ({"a": 1, "b": {"c": None}}, {"b": {"c": None}, "a": 1.0}, True),
        ({"a": None}, {}, False),
        ([], {}, False),
        ((1, 2), [1, 2], True),
    ],
)
def test_equality_is_typed_and_deep(left: object, right: object, expected: bool) -> None:
    assert json_equal(left, right) is expected


@pytest.mark.clause("X-26")
def test_values_nested_deeper_than_python_recurses_can_be_compared() -> None:
    def nested(leaf: Any) -> Any:
        value = leaf
        for depth in range(5000):
            value = [value] if depth % 2 else {"a": value}
        return value

    assert json_equal(nested(1), nested(1.0))
    assert sort_key(nested(1)) < sort_key(nested(2))


@pytest.mark.clause("B-1.8")
@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_is_not_json_has_no_place_in_the_order(value: object) -> None:
    with pytest.raises(TypeError):
        sort_key([value])


@pytest.mark.clause("B-21.13", "B-6.9")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("n", 1),
        ("null", None),
        ("unknown", MISSING),
        ("person.age", 3),
        ("person", {"age": 3, "deep": {"x": 4}}),
        ("person.deep.x", 4),
        ("person.unknown", MISSING),
        ("person.age.x", MISSING),
        ("null.x", MISSING),
        ("tags.0", MISSING),
        ("text.0", MISSING),
        ("a.b", "with dots"),
        ("a.c", "nested"),
        ("", "empty"),
        ("none.x", MISSING),
        (".", MISSING),
        ("person.", MISSING),
    ],
)
def test_a_path_is_resolved(path: str, expected: object) -> None:
    record = {
        "n": 1,
        "null": None,
        "person": {"age": 3, "deep": {"x": 4}},
        "tags": ["x"],
        "text": "abc",
        "a.b": "with dots",
        "a": {"b": "hidden", "c": "nested"},
        "": "empty",
    }

    assert resolve(record, path) == expected
