"""Listings of nested records of mixed types: the functions agree with a naive model of them.

The model is written from the contract alone (B-6.19, B-21.13 to B-21.18, X-16, X-17, X-26), shares
nothing with what it judges, and is as slow as it is plain.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet import utils
from cliquet.resource.pagination import (
    complete_sorting,
    decode_token,
    encode_token,
    pagination_rules,
)
from cliquet.resource.querystring import parse_filters, parse_sort
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import json_equal, resolve
from cliquet.storage.query import MISSING
from cliquet.storage.selection import Names

NAMES = Names("id", "last_modified", "deleted")
ABSENT = object()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.sampled_from([0.0, 0.5, 1.0, "", "a", "A", "aB", "b*", "1", "true", "é"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "b.c"]), inner, max_size=3)
    ),
    max_leaves=4,
)
CONTENTS = st.dictionaries(st.sampled_from(["a", "b", "a.b", "a.b.c"]), VALUES, max_size=3)
PATHS = st.sampled_from(["a", "b", "a.b", "a.b.c", "a.a", "b.a", "b.b.c", "a.c", "id.a"])


@st.composite
def collections(draw: Any, max_size: int = 9, first: int = 0) -> list[Any]:
    """Draw entries whose timestamps may be equal (X-19), a few of them tombstones."""
    contents = draw(st.lists(CONTENTS | CONTENTS | st.none(), max_size=max_size))
    return [
        Entry(f"id{first + n}", draw(st.integers(1, 3)), data) for n, data in enumerate(contents)
    ]


# The model


def look(entry: Any, path: str) -> Any:
    """Return what a path leads to."""
    if path == "id":
        return entry.id
    if path == "last_modified":
        return entry.timestamp
    if entry.data is None:
        return ABSENT
    if path in entry.data:
        return entry.data[path]
    value = entry.data
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def kind(value: Any) -> Any:
    kinds = [type(None), str, (int, float), bool, list, dict]
    if value is ABSENT:
        return len(kinds)
    return (
        3 if isinstance(value, bool) else next(n for n, k in enumerate(kinds) if type_is(value, k))
    )


def type_is(value: Any, kinds: Any) -> Any:
    return isinstance(value, kinds) and not isinstance(value, bool)


def compare(left: Any, right: Any) -> Any:
    """Return -1, 0 or 1 in the order of B-6.19 and X-26."""
    if kind(left) != kind(right):
        return -1 if kind(left) < kind(right) else 1
    if isinstance(left, list):
        pairs = [(len(left), len(right)), *zip(left, right, strict=False)]
    elif isinstance(left, dict):
        pairs = [
            (len(left), len(right)),
            *zip(sorted(left), sorted(right), strict=False),
            *(
                (left[one], right[two])
                for one, two in zip(sorted(left), sorted(right), strict=False)
            ),
        ]
    elif left is None or left is ABSENT or left == right:
        return 0
    else:
        return -1 if left < right else 1
    return next((result for one, two in pairs if (result := compare(one, two))), 0)


def same(left: Any, right: Any) -> bool:
    return compare(left, right) == 0


def stands_for(value: Any) -> list[Any]:
    """Return all that a value of a query string equals (X-17)."""
    if value is None:
        return [None, ABSENT]
    if kind(value) in (2, 3) and value in (0, 1):
        return [bool(value), int(value)]
    return [value]


def keeps(prefix: Any, found: Any, value: Any) -> Any:
    """Whether a filter keeps what was found."""
    if prefix in ("", "not_", "in_", "exclude_"):
        values = value if prefix in ("in_", "exclude_") else [value]
        is_equal = any(same(found, one) for item in values for one in stands_for(item))
        return is_equal is (prefix in ("", "in_"))
    if prefix == "has_":
        return (found is not ABSENT) is value
    if prefix == "like_":
        pattern = value if "*" in value else f"*{value}*"
        expression = ".*".join(re.escape(part) for part in pattern.split("*"))
        is_text = isinstance(found, str)
        return is_text and bool(re.fullmatch(expression, found, re.IGNORECASE | re.DOTALL))
    if prefix in ("contains_", "contains_any_"):
        if not isinstance(found, list):
            return False
        held = [any(same(item, wanted) for item in found) for wanted in value]
        return all(held) if prefix == "contains_" else any(held)
    if kind(found) != kind(value) or kind(value) not in (1, 2, 3):
        return False
    result = compare(found, value)
    return {"lt_": result < 0, "max_": result <= 0, "min_": result >= 0, "gt_": result > 0}[prefix]


def ordered(entries: Any, sorting: Any) -> list[Any]:
    """Return the ids of entries, sorted by criteria in order."""

    def compare_entries(one: Any, two: Any) -> Any:
        for field, direction in sorting:
            result = compare(look(one, field), look(two, field))
            if result:
                return result * direction
        return 0

    return [entry.id for entry in sorted(entries, key=functools.cmp_to_key(compare_entries))]


# What is judged


def written(value: Any) -> Any:
    """Return a value as a query string says it (H-12.8)."""
    return "None" if value is None else json.dumps(value, ensure_ascii=False)


PREFIXES = ["", "not_", "lt_", "max_", "min_", "gt_"]
PREFIXES += ["in_", "exclude_", "like_", "has_", "contains_", "contains_any_"]


@st.composite
def filter_parameters(draw: Any) -> Any:
    """Draw the prefix, path and value of a filter, and the text of that value."""
    path = draw(PATHS)
    prefix = draw(st.sampled_from(PREFIXES))
    if prefix in ("in_", "exclude_", "contains_", "contains_any_"):
        value = draw(st.lists(VALUES, max_size=3))
        return prefix, path, value, json.dumps(value)
    if prefix == "like_":
        value = draw(st.sampled_from(["", "a", "B", "*", "a*", "*b", "A*b", "b*", "É", "**", "."]))
        return prefix, path, value, f'"{value}"'
    if prefix == "has_":
        value = draw(st.booleans())
        return prefix, path, value, written(value)
    value = draw(SCALARS)
    return prefix, path, value, written(value)


def read_filters(*params: Any) -> Any:
    return parse_filters(
        params,
        is_known_field=lambda path: True,
        id_field="id",
        modified_field="last_modified",
        deleted_field="deleted",
    ).filters


def read_sorting(text: Any) -> Any:
    sorting = parse_sort(text, is_known_field=lambda path: True, modified_field="last_modified")
    return complete_sorting(sorting, id_field="id", modified_field="last_modified")


SORTS = st.lists(
    st.tuples(st.sampled_from(["", "-"]), PATHS | st.sampled_from(["id", "last_modified"])),
    max_size=4,
).map(lambda items: ",".join(sign + path for sign, path in items))


def walk(entries: Any, sorting: Any, limit: Any, *, before_next: Any = None) -> Any:
    """Go through a collection as a client does, and return the ids of all pages."""
    rules, walked, offset = [], [], 0
    while True:
        kept = evaluation.page(
            entries, NAMES, sorting=sorting, pagination_rules=rules, limit=limit + 1
        )
        walked += [entry.id for entry in kept[:limit]]
        if len(kept) <= limit:
            return walked
        offset += limit
        token = encode_token(sorting, kept[limit - 1].to_record(NAMES), offset)
        read = decode_token(token, sorting=sorting, id_field="id", modified_field="last_modified")
        assert read.offset == offset
        rules = pagination_rules(sorting, read.last_record)
        if before_next is not None:
            entries = before_next(entries)


@pytest.mark.clause(
    "E-3.1",
    "E-3.2",
    "B-21.13",
    "B-21.14",
    "B-21.15",
    "B-21.16",
    "B-21.17",
    "B-21.18",
    "X-16",
    "X-17",
)
@given(collections(), st.lists(filter_parameters(), min_size=1, max_size=2))
def test_filters_keep_what_the_model_keeps(entries: list[Any], parameters: list[Any]) -> None:
    filters = read_filters(*((prefix + path, text) for prefix, path, _, text in parameters))

    kept = evaluation.apply_filters(entries, filters, NAMES)

    assert [entry.id for entry in kept] == [
        entry.id
        for entry in entries
        if all(keeps(prefix, look(entry, path), value) for prefix, path, value, _ in parameters)
    ]


@pytest.mark.clause("E-3.2", "B-6.17", "B-6.19", "B-21.13", "X-26", "H-13.7")
@given(collections(), SORTS)
def test_sorting_is_the_order_of_the_model(entries: list[Any], text: object) -> None:
    sorting = read_sorting(text)

    found = evaluation.apply_sorting(entries, sorting, NAMES)

    assert [entry.id for entry in found] == ordered(entries, sorting)


@pytest.mark.slow
@pytest.mark.clause("E-3.2", "H-14.7", "H-14.10", "B-6.20", "B-6.22", "B-21.12", "D-24", "D-26")
@pytest.mark.parametrize("limit", [1, 2, 7])
@given(entries=collections(), text=SORTS)
def test_a_walk_loses_and_repeats_nothing(
    entries: list[dict[str, Any]], text: str, limit: int
) -> None:
    sorting = read_sorting(text)

    assert walk(entries, sorting, limit) == ordered(entries, sorting)


@pytest.mark.slow
@pytest.mark.clause("E-3.2", "H-14.7", "H-14.10", "B-21.12")
@pytest.mark.parametrize("limit", [1, 2, 7])
@given(entries=collections(), others=collections(first=100), text=SORTS, data=st.data())
def test_writes_of_other_records_disturb_no_walk(
    entries: list[Any], others: list[Any], text: object, limit: int, data: st.DataObject
) -> None:
    """Others come and go in between; they may be seen or not, once at most."""
    sorting = read_sorting(text)
    numbers = st.sets(st.integers(0, len(others)))

    def before_next(_: Any) -> list[Any]:
        chosen = data.draw(numbers)
        return [*entries, *(entry for n, entry in enumerate(others) if n in chosen)]

    walked = walk([*entries, *others], sorting, limit, before_next=before_next)

    own = {entry.id for entry in entries}
    assert [entry_id for entry_id in walked if entry_id in own] == ordered(entries, sorting)
    assert len(set(walked)) == len(walked)


@pytest.mark.clause("E-3.2", "H-14.7")
@pytest.mark.parametrize("limit", [1, 2])
@given(entries=collections(), parameter=filter_parameters(), text=SORTS)
def test_a_filtered_walk_gives_what_matches(
    entries: list[Any], parameter: Any, text: object, limit: int
) -> None:
    prefix, path, value, written_value = parameter
    sorting = read_sorting(text)
    matching = evaluation.apply_filters(
        entries, read_filters((prefix + path, written_value)), NAMES
    )

    assert walk(matching, sorting, limit) == ordered(
        [entry for entry in entries if keeps(prefix, look(entry, path), value)], sorting
    )


@pytest.mark.clause("E-3.2", "B-21.13", "H-15.2")
@given(CONTENTS, PATHS)
def test_a_projection_keeps_what_filters_and_sorting_see(record: dict[str, Any], path: str) -> None:
    found = resolve(record, path)

    projected = utils.dict_subset(record, [path])

    assert json_equal(resolve(projected, path), found)
    # Nothing else comes along, but what H-15.2 returns whole because it has no members.
    if found is not MISSING and path not in record:
        assert list(projected) == [path.partition(".")[0]]


@pytest.mark.clause("B-6.15", "B-21.14", "X-26")
@given(VALUES, VALUES)
def test_equality_is_that_of_the_order(left: object, right: object) -> None:
    assert json_equal(left, right) == same(left, right)
