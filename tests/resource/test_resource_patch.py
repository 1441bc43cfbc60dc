"""What PATCH makes of a record, as functions of plain values."""

from typing import Any

import pytest

from cliquet.resource import patch

ONE = {"id": "x", "last_modified": 5, "a": 1, "o": {"p": {"q": 1}, "r": 2}}


@pytest.mark.clause("H-20.1")
@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        ({}, ONE),
        ({"a": 2}, {**ONE, "a": 2}),
        ({"b": None}, {**ONE, "b": None}),
        ({"o": {"r": 3}}, {**ONE, "o": {"r": 3}}),
    ],
)
def test_members_replace_those_of_the_root(changes: dict[str, Any], merged: dict[str, Any]) -> None:
    before = {**ONE}

    assert patch.merge(before, changes) == merged
    assert before == ONE


@pytest.mark.clause("H-20.7")
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, None),
        ({"a": 1}, None),
        ({"a": 1.0}, None),
        ({"a": 2}, "a"),
        ({"a": True}, "a"),
        ({"a": None}, "a"),
        ({"new": 1}, None),
        ({"free": 1, "o": {}, "a": 2}, "o"),
        ({"o": {"r": 2, "p": {"q": 1}}}, None),
    ],
)
def test_the_first_read_only_field_that_changes(changes: dict[str, Any], found: str | None) -> None:
    record = {**ONE, "free": 0}

    assert patch.find_readonly_change(record, changes, ("a", "o", "new").__contains__) == found


@pytest.mark.clause("H-20.4")
@pytest.mark.parametrize(
    ("after", "changes", "changed"),
    [
        (ONE, {"a": 1}, []),
        ({**ONE, "a": 2}, {"a": 2}, ["a"]),
        ({**ONE, "a": 2}, {}, []),
        ({**ONE, "a": True}, {"a": True}, ["a"]),
        ({**ONE, "b": None}, {"b": None}, ["b"]),
        (ONE, {"dropped": 1}, []),
        ({"id": "x"}, {"a": None}, ["a"]),
        ({**ONE, "last_modified": 4}, {"last_modified": 4}, ["last_modified"]),
    ],
)
def test_members_whose_stored_value_differs(
    after: dict[str, Any], changes: dict[str, Any], changed: list[Any]
) -> None:
    assert patch.changed_members(ONE, after, changes) == changed


@pytest.mark.clause("H-20.9", "H-20.10", "D-8")
@pytest.mark.parametrize(
    ("behavior", "shown"),
    [
        ("", {"a": 2, "t": "x", "z": 0}),
        ("full", {"a": 2, "t": "x", "z": 0}),
        ("other", {"a": 2, "t": "x", "z": 0}),
        ("light", {"a": 2, "t": "x"}),
        ("diff", {"t": "x"}),
    ],
)
def test_what_each_behaviour_shows(behavior: str, shown: dict[str, Any]) -> None:
    stored = {"a": 2, "t": "x", "z": 0}
    changes = {"a": 2, "t": "X", "z": 0, "gone": 1}

    assert patch.shown_members(behavior, stored, changes, ["a", "t", "gone"]) == shown
