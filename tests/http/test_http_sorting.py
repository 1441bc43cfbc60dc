"""The order of a listing (H-13)."""

import random
import uuid
from typing import Any

import pytest
from support.listings import GROWTHS, LICHENS, invalid, listed, store
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet.testing.web import basic_auth

# Ascending; a record of the end of the list has no such field at all.
ORDERED = [
    None,
    "",
    "10",
    "9",
    "A",
    "a",
    "aa",
    "\u00e9",
    "\uffff",
    "\U0001f600",
    -1,
    0,
    1.5,
    9,
    10,
    2**53,
    2**53 + 1,
    False,
    True,
    [],
    [None],
    ["a"],
    [1],
    [2],
    [True],
    [[]],
    ["a", 1],
    [1, 2],
    {},
    {"a": 2},
    {"a": True},
    {"b": 1},
    {"a": 9, "b": 1},
    {"a": 0, "c": 0},
]


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(RESOURCES)


def names(app: TestApp, headers: Any, query: Any) -> Any:
    return "".join(listed(app, headers, f"{LICHENS}?{query}", "name"))


@pytest.fixture(scope="module")
def sorted_user(app: TestApp) -> Any:
    """Give the headers of a user with records, named in order of creation."""
    headers = basic_auth(uuid.uuid4().hex)
    store(
        app,
        headers,
        LICHENS,
        {"name": "a", "n": 2, "m": 1},
        {"name": "b", "n": 10, "m": 1},
        {"name": "c", "n": 1, "m": 2},
        {"name": "d", "n": 9, "m": 2},
        {"name": "e", "n": 2, "m": 1},
    )
    return headers


@pytest.mark.clause("H-13.1", "H-13.5", "D-67")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_sort=n", "ceadb"),
        ("_sort=%2Bn", "ceadb"),
        ("_sort=-n", "bdeac"),
        ("_sort=m,n", "eabcd"),
        ("_sort=m,-n", "beadc"),
        ("_sort=-m,n", "cdeab"),
        ("_sort=-m,-n", "dcbea"),
        ("_sort=n&_sort=-m", "dceba"),
        ("_sort=-m&_sort=n", "ceadb"),
    ],
)
def test_the_criteria_apply_in_turn(
    app: TestApp, sorted_user: dict[str, Any], query: str, expected: str
) -> None:
    assert names(app, sorted_user, query) == expected


@pytest.mark.clause("H-13.2")
@pytest.mark.parametrize(
    "query", ["_sort=+n", "_sort=%20n%20", "_sort=n%20,%20m", "_sort=%20,%20n", "_sort=+%2Bn+"]
)
def test_spaces_and_raw_plus_signs_are_harmless(
    app: TestApp, sorted_user: dict[str, Any], query: str
) -> None:
    assert names(app, sorted_user, query) == "ceadb"


@pytest.mark.clause("H-13.3")
@pytest.mark.parametrize("item", ["--n", "n-", "-", "%2B-n", "", "n%20m", "n%00", "%2B"])
def test_what_is_no_name_is_ignored(app: TestApp, sorted_user: dict[str, Any], item: str) -> None:
    assert names(app, sorted_user, f"_sort={item}") == "edcba"
    assert names(app, sorted_user, f"_sort={item},n") == "ceadb"


@pytest.mark.clause("H-13.3", "E-3.2")
def test_a_dotted_name_sorts_on_the_member_of_a_known_field_and_is_else_ignored(
    app: TestApp, headers: dict[str, str]
) -> None:
    (a, b, c) = store(app, headers, GROWTHS, *({"address": {"n": n}} for n in (10, 9, 11)))

    assert listed(app, headers, f"{GROWTHS}?_sort=address.n") == [b["id"], a["id"], c["id"]]
    assert listed(app, headers, f"{GROWTHS}?_sort=colour.n") == [c["id"], b["id"], a["id"]]


@pytest.mark.clause("H-13.4")
@pytest.mark.parametrize("value", ["colour", "-colour", "%2Bcolour", "number,colour", "colour,--x"])
@pytest.mark.parametrize("url", ["/v0/growths", "/v0/spores"])
def test_an_unknown_field_is_400(
    app: TestApp, headers: dict[str, str], url: str, value: str
) -> None:
    value = value if url == GROWTHS else value.replace("number", "id")
    description = "Unknown sort field 'colour'"

    response = app.get(f"{url}?_sort={value}", headers=headers, status=400)

    assert response.json == invalid(description, message=f"querystring: {description}")


@pytest.mark.clause("H-13.4", "H-12.5")
@pytest.mark.parametrize("field", ["title", "number", "address", "id", "last_modified", "deleted"])
def test_declared_fields_and_three_more_are_known(
    app: TestApp, headers: dict[str, str], field: str
) -> None:
    app.get(f"{GROWTHS}?_sort={field},-{field}", headers=headers, status=200)


@pytest.mark.clause("H-13.5")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "edcba"),
        ("_sort=", "edcba"),
        ("_sort=m", "ebadc"),
        ("_sort=m,last_modified", "abecd"),
        ("_sort=m,-last_modified", "ebadc"),
        ("_sort=last_modified", "abcde"),
        ("_sort=-last_modified", "edcba"),
    ],
)
def test_the_latest_comes_first_among_equals_unless_asked_otherwise(
    app: TestApp, sorted_user: dict[str, Any], query: str, expected: str
) -> None:
    assert names(app, sorted_user, query) == expected


@pytest.mark.clause("H-13.6")
def test_false_comes_before_true(app: TestApp, headers: dict[str, str]) -> None:
    flags = [True, False, True, False]
    records = zip("abcd", flags, strict=True)
    store(app, headers, LICHENS, *({"name": name, "flag": flag} for name, flag in records))

    assert names(app, headers, "_sort=flag") == "dbca"
    assert names(app, headers, "_sort=-flag") == "cadb"


@pytest.mark.clause("D-24", "H-13.6")
def test_records_alike_in_everything_have_a_steady_order(
    app: TestApp, headers: dict[str, str]
) -> None:
    # Imported in the past, so that the collection's own timestamp is another one.
    store(app, headers, LICHENS, {"n": 0})
    stored = store(app, headers, LICHENS, *[{"n": 1, "last_modified": 1000}] * 5)
    ids = sorted(record["id"] for record in stored)

    assert listed(app, headers, f"{LICHENS}?n=1") == ids[::-1]
    assert listed(app, headers, f"{LICHENS}?n=1&_sort=n,last_modified") == ids
    assert listed(app, headers, f"{LICHENS}?n=1&_sort=n") == ids[::-1]


@pytest.mark.clause("D-19", "X-26", "H-13.7", "D-31")
@pytest.mark.parametrize("seed", range(4))
def test_values_of_all_types_have_one_order(
    app: TestApp, headers: dict[str, str], seed: int
) -> None:
    ranks = list(range(len(ORDERED) + 1))
    random.Random(seed).shuffle(ranks)
    records = [
        {"rank": rank, "v": ORDERED[rank]} if rank < len(ORDERED) else {"rank": rank}
        for rank in ranks
    ]
    store(app, headers, LICHENS, *records)

    ascending = listed(app, headers, f"{LICHENS}?_sort=v", "rank")

    assert ascending == sorted(ranks)
    assert listed(app, headers, f"{LICHENS}?_sort=-v", "rank") == ascending[::-1]


@pytest.mark.clause("H-13.7", "D-32")
@pytest.mark.parametrize("order", ["axby", "xyab", "abxy", "bxay"])
def test_records_without_the_field_stand_together_whoever_comes_first(
    app: TestApp, headers: dict[str, str], order: str
) -> None:
    fields = {"a": {"v": 1}, "b": {"v": "text"}, "x": {}, "y": {}}
    store(app, headers, LICHENS, *({"name": name, **fields[name]} for name in order))  # type: ignore[dict-item]

    ascending = names(app, headers, "_sort=v")
    descending = names(app, headers, "_sort=-v")

    assert ascending[:2] == "ba"
    assert descending[2:] == "ab"
    # The latest first among themselves.
    lacking = "".join(name for name in order[::-1] if name in "xy")
    assert ascending[2:] == descending[:2] == lacking


@pytest.mark.clause("H-13.7", "D-19")
def test_tombstones_are_sorted_as_records_without_the_field(
    app: TestApp, headers: dict[str, str]
) -> None:
    a, gone, b = store(app, headers, LICHENS, {"n": 1}, {"n": 0}, {"n": 2})
    app.delete(f"{LICHENS}/{gone['id']}", headers=headers)

    assert listed(app, headers, f"{LICHENS}?_since=0&_sort=n") == [a["id"], b["id"], gone["id"]]
    assert listed(app, headers, f"{LICHENS}?_since=0&_sort=-n") == [gone["id"], b["id"], a["id"]]
