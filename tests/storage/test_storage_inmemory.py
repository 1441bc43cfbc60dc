from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import BOOLEAN, NUMBER, TEXT, json_equal, sort_key
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort
from cliquet.storage.selection import Names

NAMES = Names("id", "last_modified", "deleted")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "a", "b"]),
    lambda children: (
        st.lists(children, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b"]), children, max_size=2)
    ),
    max_leaves=3,
)
CUTS = VALUES | st.just(MISSING)


@st.composite
def collections(draw: Any) -> list[Any]:
    """Draw entries, of which some lack the field ``x`` and some are tombstones."""
    contents = draw(
        st.lists(st.none() | st.fixed_dictionaries({}, optional={"x": VALUES}), max_size=8)
    )
    return [Entry(f"id{n}", 1000 + n // 2, data) for n, data in enumerate(contents)]


def cut(entries: Any, operator: Any, value: Any, sorting: Any) -> Any:
    rules = [[Filter("x", value, operator)]]
    return evaluation.page(entries, NAMES, sorting=sorting, pagination_rules=rules, limit=None)


@pytest.mark.clause("B-6.20", "B-21.12", "X-16")
@given(collections(), CUTS)
def test_any_value_cuts_the_sorted_list_in_two(entries: list[Any], value: object) -> None:
    sorting = [Sort("x", 1), Sort("id", 1)]
    ordered = evaluation.apply_sorting(entries, sorting, NAMES)

    below = cut(entries, COMPARISON.LT, value, sorting)
    from_it = cut(entries, COMPARISON.MIN, value, sorting)
    up_to_it = cut(entries, COMPARISON.MAX, value, sorting)
    above = cut(entries, COMPARISON.GT, value, sorting)

    assert below + from_it == ordered
    assert up_to_it + above == ordered
    assert cut(entries, COMPARISON.EQ, value, sorting) == [e for e in from_it if e in up_to_it]


@pytest.mark.clause("B-6.19")
@given(collections())
def test_descending_is_the_reverse_of_ascending(entries: list[Any]) -> None:
    ascending = evaluation.apply_sorting(entries, [Sort("x", 1), Sort("id", 1)], NAMES)
    descending = evaluation.apply_sorting(entries, [Sort("x", -1), Sort("id", -1)], NAMES)

    assert descending == ascending[::-1]


@pytest.mark.clause("B-6.14", "X-16")
@given(collections(), VALUES)
def test_opposite_filters_share_the_entries_out(entries: list[Any], value: object) -> None:
    def kept(operator: Any, operand: Any) -> Any:
        return evaluation.apply_filters(entries, [Filter("x", operand, operator)], NAMES)

    equal, different = kept(COMPARISON.EQ, value), kept(COMPARISON.NOT, value)

    assert sorted(equal + different) == sorted(entries, key=lambda e: e.id)
    assert kept(COMPARISON.IN, [value]) == equal
    assert kept(COMPARISON.EXCLUDE, [value]) == different
    ordered = kept(COMPARISON.LT, value) + kept(COMPARISON.MIN, value)
    assert equal == [e for e in entries if json_equal((e.data or {}).get("x", MISSING), value)]
    assert all(isinstance(e.data["x"], (str, int, float)) for e in ordered)


@pytest.mark.clause("X-16")
@pytest.mark.parametrize("name", ["LT", "MIN", "MAX", "GT"])
@given(collections(), VALUES)
def test_an_order_is_that_of_rules_among_values_of_one_type(
    name: str, entries: list[Any], value: object
) -> None:
    operator = COMPARISON[name]
    rank = sort_key(value)[0]

    found = evaluation.apply_filters(entries, [Filter("x", value, operator)], NAMES)

    of_type = [
        entry
        for entry in cut(entries, operator, value, [])
        if rank in (TEXT, NUMBER, BOOLEAN)
        and sort_key((entry.data or {}).get("x", MISSING))[0] == rank
    ]
    assert found == of_type


@pytest.mark.clause("B-1.4", "B-3.11")
@pytest.mark.parametrize("names", [NAMES, Names("uid", "rev", "gone")])
@pytest.mark.parametrize("data", [None, {}, {"n": [1]}, {"deleted": True, "n": 1}])
def test_an_entry_is_read_back_as_it_was_written(names: Names, data: dict[str, Any] | None) -> None:
    entry = Entry("mine", 12, data)

    assert Entry.from_record(entry.to_record(names), names) == entry


@pytest.mark.clause("B-22.8")
def test_a_record_made_from_an_entry_shares_nothing_with_it() -> None:
    entry = Entry("mine", 12, {"deep": {"tags": ["a"]}})

    entry.to_record(NAMES)["deep"]["tags"].append("b")

    assert entry.data == {"deep": {"tags": ["a"]}}


@pytest.mark.clause("B-6.10")
def test_a_field_named_like_the_mark_does_not_make_a_live_record_deleted() -> None:
    entry = Entry("mine", 12, {"deleted": True})

    deleted = [Filter("deleted", True, COMPARISON.EQ)]

    assert evaluation.apply_filters([entry], deleted, NAMES) == []
