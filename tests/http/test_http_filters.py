"""Filters of the query string (H-12)."""

import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from support.listings import GROWTHS, LICHENS, invalid, listed, store
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet.testing.web import basic_auth

MAX_TIMESTAMP = 2**53 - 1
PREFIXES = ("", "min_", "max_", "lt_", "gt_", "not_", "in_", "exclude_")


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(RESOURCES)


def found(app: TestApp, headers: Any, query: Any, *, url: Any = LICHENS) -> list[Any]:
    """Return the names of the records that match, sorted; a dash stands for a tombstone."""
    return sorted(listed(app, headers, f"{url}?{query}", "name"))


def kept(app: TestApp, headers: Any, parameter: Any, text: Any) -> Any:
    return found(app, headers, f"{quote(parameter)}={quote(text, safe='')}")


def refused(app: TestApp, headers: Any, query: Any, *, url: Any = LICHENS) -> Any:
    """Return the body of the 400 that a list gives, which no other method treats otherwise."""
    response = app.get(f"{url}?{query}", headers=headers, status=400)
    app.head(f"{url}?{query}", headers=headers, status=400)
    assert app.delete(f"{url}?{query}", headers=headers, status=400).json == response.json
    return response.json


@pytest.fixture(scope="module")
def numbered(app: TestApp) -> Any:
    """Give the headers of a user who has records numbered from 1 to 10, named by letters."""
    headers = basic_auth(uuid.uuid4().hex)
    letters = "abcdefghij"
    store(app, headers, LICHENS, *({"name": c, "n": n} for n, c in enumerate(letters, 1)))
    return headers


@pytest.mark.clause("H-12.3", "D-67", "D-31")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("n=9", "i"),
        ("not_n=9", "abcdefghj"),
        ("min_n=9", "ij"),
        ("max_n=2", "ab"),
        ("gt_n=9", "j"),
        ("lt_n=2", "a"),
        ("in_n=1,10", "aj"),
        ("in_n=1,2", "ab"),
        ("exclude_n=1,10", "bcdefghi"),
    ],
)
def test_each_form_of_filter(
    app: TestApp, numbered: dict[str, Any], query: str, names: str
) -> None:
    # Numbers are compared as numbers: 9 comes before 10.
    assert found(app, numbered, query) == list(names)


@pytest.mark.clause("H-12.1")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("min_n=3&max_n=5", "cde"),
        ("min_n=3&name=d", "d"),
        ("n=1&n=2", ""),
        ("n=1&n=1", "a"),
        ("in_n=1,2&in_n=2,3", "b"),
        ("not_n=1&not_n=2&max_n=4", "cd"),
    ],
)
def test_all_filters_must_match(
    app: TestApp, numbered: dict[str, Any], query: str, names: str
) -> None:
    assert found(app, numbered, query) == list(names)


@pytest.mark.clause("H-12.2")
@pytest.mark.parametrize("name", ["%20n", "n%20", "++n++", "%20min_n"])
def test_spaces_around_the_name_are_ignored(
    app: TestApp, numbered: dict[str, Any], name: str
) -> None:
    assert found(app, numbered, f"{name}=10") == ["j"]


@pytest.mark.clause("H-12.2")
def test_spaces_around_a_recognised_parameter_are_ignored(
    app: TestApp, numbered: dict[str, Any]
) -> None:
    assert found(app, numbered, f"%20_since%20={MAX_TIMESTAMP}") == []


@pytest.mark.clause("H-12.4")
def test_a_prefix_is_removed_once(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, LICHENS, {"name": "a", "min_n": 5}, {"name": "b", "n": 5})

    assert found(app, headers, "min_min_n=4") == ["a"]
    assert found(app, headers, "min_n=4") == ["b"]
    assert found(app, headers, "max_min_n=4") == []


@pytest.mark.clause("H-12.4", "H-12.3", "H-12.6")
@pytest.mark.parametrize(
    "parameter",
    ["madmax_status", "MIN_number", "min", "min_", "max-number", "mint_number", "minnumber"],
)
def test_what_is_no_prefix_belongs_to_the_name_of_the_field(
    app: TestApp, headers: dict[str, str], parameter: str
) -> None:
    message = f"Unknown filter field '{parameter}'"

    assert refused(app, headers, f"{parameter}=1", url=GROWTHS) == invalid(
        message, name=parameter, message=message
    )


@pytest.mark.clause("H-12.5")
@pytest.mark.parametrize(
    "field", ["title", "number", "is_wild", "address", "id", "last_modified", "deleted"]
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_declared_fields_and_three_more_are_known(
    app: TestApp, headers: dict[str, str], prefix: str, field: str
) -> None:
    value = "1" if field == "last_modified" else "a"

    app.get(f"{GROWTHS}?{prefix}{field}={value}", headers=headers, status=200)


@pytest.mark.clause("H-12.5", "H-12.6")
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("url", ["/v0/growths", "/v0/spores", "/v0/mushrooms"])
def test_other_fields_are_unknown_even_when_they_are_preserved(
    app: TestApp, headers: dict[str, str], url: str, prefix: str
) -> None:
    store(app, headers, url, {"name": "a", "colour": "red"})
    parameter = f"{prefix}colour"
    message = f"Unknown filter field '{parameter}'"

    assert refused(app, headers, f"{parameter}=red", url=url) == invalid(
        message, name=parameter, message=message
    )


@pytest.mark.clause("H-12.6")
def test_each_list_reports_the_first_unknown_field(app: TestApp, headers: dict[str, str]) -> None:
    body = refused(app, headers, "number=1&colour=red&shape=round", url=GROWTHS)

    assert [item["name"] for item in body["details"]] == ["colour"]


@pytest.mark.clause("H-12.7", "E-3.2")
@pytest.mark.parametrize("name", ["colour.street", "min_colour.street"])
def test_a_nested_name_whose_root_is_unknown_is_refused(
    app: TestApp, headers: dict[str, str], name: str
) -> None:
    message = f"Unknown filter field '{name}'"

    assert refused(app, headers, f"{name}=a", url=GROWTHS) == invalid(
        message, name=name, message=message
    )


@pytest.mark.clause("H-12.7", "E-3.2")
def test_members_of_a_known_field_are_filtered(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, GROWTHS, {"address": {"n": 9}}, {"address": {"n": 10}}, {"address": {}})

    matched = app.get(f"{GROWTHS}?min_address.n=10", headers=headers).json["data"]

    assert [item["address"] for item in matched] == [{"n": 10}]


# Values

VALUES = {
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "minus": -1,
    "seven": 7,
    "decimal": 3.14,
    "whole": 7.0,
    "text-1": "1",
    "text-7": "7",
    "text-true": "true",
    "text-None": "None",
    "text-null": "null",
    "text-empty": "",
    "text-01": "01",
    "text-version": "1.2.3",
    "text-abc": "abc",
    "text-quoted": '"1"',
    "text-date": "2015-10-22",
    "text-expression": "1-1",
    "text-parentheses": "(" * 300,
    "null": None,
    "list": [1],
    "list-of-two": [1, 2],
    "mapping": {"a": 1},
}
ALL = {*VALUES, "missing"}


@pytest.fixture(scope="module")
def valued(app: TestApp) -> Any:
    """Give the headers of a user who has a record for each of VALUES, and one without value."""
    headers = basic_auth(uuid.uuid4().hex)
    store(app, headers, LICHENS, *({"name": name, "v": v} for name, v in VALUES.items()))
    store(app, headers, LICHENS, {"name": "missing"})
    return headers


# Text of the parameter, and the records whose value it equals.
EQUALITIES = [
    ("on", {"true", "one"}),
    ("true", {"true", "one"}),
    ("yes", {"true", "one"}),
    ("TRUE", {"true", "one"}),
    ("Yes", {"true", "one"}),
    ("off", {"false", "zero"}),
    ("false", {"false", "zero"}),
    ("no", {"false", "zero"}),
    ("False", {"false", "zero"}),
    ("7", {"seven", "whole"}),
    ("7.0", {"seven", "whole"}),
    ("-1", {"minus"}),
    ("0", {"zero", "false"}),
    ("1", {"one", "true"}),
    ("1.0", {"one", "true"}),
    ("3.14", {"decimal"}),
    ('"1"', {"text-1"}),
    ("'1'", {"text-1"}),
    ('"7"', {"text-7"}),
    ('"true"', {"text-true"}),
    ("'\"1\"'", {"text-quoted"}),
    ("None", {"null", "missing"}),
    ('"None"', {"text-None"}),
    ("null", {"text-null"}),
    ("", {"text-empty"}),
    ("01", {"text-01"}),
    ("1.2.3", {"text-version"}),
    ("abc", {"text-abc"}),
    ("2015-10-22", {"text-date"}),
    ("1-1", {"text-expression"}),
    ("(" * 300, {"text-parentheses"}),
    ("[1]", {"list"}),
    ("(1,2)", {"list-of-two"}),
    ('{"a": 1}', {"mapping"}),
    ("ABC", set()),
    ("1-", set()),
]


@pytest.mark.clause("H-12.8", "H-12.9", "H-12.10", "H-12.11", "X-17", "D-18", "D-31")
@pytest.mark.parametrize(("text", "names"), EQUALITIES, ids=[text[:9] for text, _ in EQUALITIES])
def test_values_are_read_whatever_the_schema_says(
    app: TestApp, valued: dict[str, Any], text: str, names: set[Any]
) -> None:
    assert kept(app, valued, "v", text) == sorted(names)
    assert kept(app, valued, "not_v", text) == sorted(ALL - names)
    # In lists, the comma separates, and brackets are a JSON array (E-3.1).
    if "," not in text and not text.startswith("["):
        assert kept(app, valued, "in_v", text) == sorted(names)
        assert kept(app, valued, "exclude_v", text) == sorted(ALL - names)


@pytest.mark.clause("H-12.9")
def test_a_text_that_looks_like_a_number_is_found_between_quotes(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, GROWTHS, {"title": "1"})

    assert listed(app, headers, f"{GROWTHS}?title=1", "title") == []
    assert listed(app, headers, f"{GROWTHS}?title=%221%22", "title") == ["1"]


@pytest.mark.clause("H-12.13", "H-12.8", "D-18", "E-3.1")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("abc,-1", {"text-abc", "minus"}),
        ("abc,", {"text-abc", "text-empty"}),
        (",", {"text-empty"}),
        ('"1",7', {"text-1", "seven", "whole"}),
        ("yes,None", {"true", "one", "null", "missing"}),
        ("[1],-1", {"list", "minus"}),
        # The comma separates inside brackets and quotes as well,
        ("(1,2)", set()),
        ('{"a": 1},2', {"mapping"}),
        # unless the whole is a JSON array.
        ("[[1], -1]", {"list", "minus"}),
        ('["a,b", "abc"]', {"text-abc"}),
    ],
)
def test_items_of_lists_are_read_one_by_one(
    app: TestApp, valued: dict[str, Any], text: str, names: set[Any]
) -> None:
    assert kept(app, valued, "in_v", text) == sorted(names)
    assert kept(app, valued, "exclude_v", text) == sorted(ALL - names)


NUMBERS = {"zero": 0, "one": 1, "minus": -1, "seven": 7, "decimal": 3.14, "whole": 7.0}
TEXTS = {name: value for name, value in VALUES.items() if name.startswith("text")}
COMPARED = [
    ("gt_v", "1", {n for n, v in NUMBERS.items() if v > 1}),
    ("min_v", "1", {n for n, v in NUMBERS.items() if v >= 1}),
    ("lt_v", "1", {n for n, v in NUMBERS.items() if v < 1}),
    ("max_v", "3.14", {n for n, v in NUMBERS.items() if v <= 3.14}),
    ("min_v", "7.0", {"seven", "whole"}),
    ("gt_v", "abc", {n for n, v in TEXTS.items() if v > "abc"}),  # type: ignore[operator]
    ("min_v", "abc", {n for n, v in TEXTS.items() if v >= "abc"}),  # type: ignore[operator]
    ("lt_v", "abc", {n for n, v in TEXTS.items() if v < "abc"}),  # type: ignore[operator]
    ("max_v", '"7"', {n for n, v in TEXTS.items() if v <= "7"}),  # type: ignore[operator]
    ("min_v", "", set(TEXTS)),
    ("max_v", "", {"text-empty"}),
    ("gt_v", "false", {"true"}),
    ("min_v", "false", {"true", "false"}),
    ("lt_v", "true", {"false"}),
    ("max_v", "true", {"true", "false"}),
    *[(f"{prefix}v", "None", set()) for prefix in ("gt_", "min_", "lt_", "max_")],
    *[(f"{prefix}v", "[1]", set()) for prefix in ("gt_", "min_", "lt_", "max_")],
    *[(f"{prefix}v", '{"a": 1}', set()) for prefix in ("gt_", "min_", "lt_", "max_")],
]


@pytest.mark.clause("D-15", "D-31", "X-16")
@pytest.mark.parametrize(("parameter", "text", "names"), COMPARED)
def test_order_is_only_among_values_of_one_type(
    app: TestApp, valued: dict[str, Any], parameter: str, text: str, names: set[Any]
) -> None:
    assert kept(app, valued, parameter, text) == sorted(names)


@pytest.mark.clause("D-16", "X-16")
@pytest.mark.parametrize("prefix", ["gt_", "min_", "lt_", "max_"])
@pytest.mark.parametrize(("text", "name"), [("5", "number"), ("m", "text"), ("true", "boolean")])
def test_order_filters_leave_tombstones_out(
    app: TestApp, headers: dict[str, str], prefix: str, text: str, name: str
) -> None:
    stored = store(
        app,
        headers,
        LICHENS,
        {"name": "number", "v": 5},
        {"name": "text", "v": "m"},
        {"name": "boolean", "v": True},
        {"name": "gone", "v": 5},
    )
    app.delete(f"{LICHENS}/{stored[-1]['id']}", headers=headers)

    expected = [name] if prefix in ("min_", "max_") else []
    assert found(app, headers, f"_since=0&{prefix}v={text}") == expected


@pytest.mark.clause("D-18", "D-15")
@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "1e999",
        "0x",
        "9" * 19,
        "1_000",
        "[" * 300,
        "lambda: 0",
        "{1: 2}",
        "{1, 2}",
        "b'1'",
        "\\",
        "'",
        '"\\x"',
        "%",
        "1j",
        "...",
        "nan",
        "NaN",
        "-",
        "é",
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_value_makes_a_list_fail(
    app: TestApp, valued: dict[str, Any], prefix: str, text: str
) -> None:
    app.get(f"{LICHENS}?{prefix}v={quote(text, safe='')}", headers=valued, status=200)


# Ids


@pytest.mark.clause("H-12.12", "H-12.3")
def test_lists_of_ids(app: TestApp, headers: dict[str, str]) -> None:
    a, _, c = store(app, headers, LICHENS, *({"name": name} for name in "abc"))

    assert found(app, headers, f"id={a['id']}") == ["a"]
    assert found(app, headers, f"not_id={a['id']}") == ["b", "c"]
    assert found(app, headers, f"in_id={a['id']},{c['id']},unknown") == ["a", "c"]
    assert found(app, headers, f"exclude_id={a['id']},{c['id']}") == ["b"]


@pytest.mark.clause("H-12.12", "D-66")
@pytest.mark.parametrize("prefix", ["in_", "exclude_"])
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("id", "1"),
        ("id", "abc,1"),
        ("id", "true"),
        ("id", "None"),
        ("id", "3.14"),
        ("id", "[1]"),
        ("last_modified", "abc"),
        ("last_modified", "1,abc"),
        ("last_modified", "1,"),
        ("last_modified", ""),
        ("last_modified", "1,true"),
        ("last_modified", "1.5"),
        ("last_modified", "None"),
    ],
)
def test_lists_of_the_wrong_type_are_400(
    app: TestApp, headers: dict[str, str], prefix: str, field: str, text: str
) -> None:
    message = f"Invalid value for {prefix}{field}"

    assert refused(app, headers, f"{prefix}{field}={text}") == invalid(
        message, name=f"{prefix}{field}", message=message
    )


# Timestamps


@pytest.fixture
def dated(app: TestApp, headers: dict[str, str]) -> Any:
    """Store records of the instants 100 to 103, named by letters."""
    letters = enumerate("abcd", 100)
    return store(app, headers, LICHENS, *({"name": c, "last_modified": n} for n, c in letters))


@pytest.mark.clause("H-12.14", "H-12.15", "D-17")
@pytest.mark.parametrize("quotes", ["", '"', "%22"])
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("_since={}101{}", "cd"),
        ("_before={}101{}", "a"),
        ("_to={}101{}", "a"),
        ("_since={}100{}&_before={}103{}", "bc"),
        ("_since={}0{}", "abcd"),
        ("last_modified={}101{}", "b"),
        ("not_last_modified={}101{}", "acd"),
        ("min_last_modified={}101{}", "bcd"),
        ("max_last_modified={}101{}", "ab"),
        ("gt_last_modified={}101{}", "cd"),
        ("lt_last_modified={}101{}", "a"),
        ("in_last_modified={}101{},{}103{},7", "bd"),
        ("exclude_last_modified={}101{},{}103{}", "ac"),
    ],
)
def test_timestamps_are_integers_with_or_without_quotes(
    app: TestApp, headers: dict[str, str], dated: list[Any], query: str, names: str, quotes: str
) -> None:
    query = query.replace("{}", quotes)

    assert found(app, headers, query) == list(names)


@pytest.mark.clause("H-12.15")
def test_an_etag_can_be_pasted_as_it_is(
    app: TestApp, headers: dict[str, str], dated: list[Any]
) -> None:
    etag = app.get(LICHENS, headers=headers).headers["ETag"]
    (new,) = store(app, headers, LICHENS, {"name": "new"})

    assert found(app, headers, f"_since={etag}") == ["new"]
    assert found(app, headers, f"last_modified={quote(etag)}") == ["d"]
    assert found(app, headers, f'last_modified="{new["last_modified"]}"') == ["new"]


# One of each kind: `tests/resource/test_resource_querystring.py` has all that are refused.
NO_TIMESTAMPS = ["abc", "", '"1', "9" * 20]


@pytest.mark.clause("H-12.15", "D-17", "X-21")
@pytest.mark.parametrize("text", NO_TIMESTAMPS)
@pytest.mark.parametrize(
    "parameter",
    ["_since", "_before", "_to", *(f"{prefix}last_modified" for prefix in PREFIXES)],
)
def test_what_is_no_timestamp_is_400(
    app: TestApp, headers: dict[str, str], parameter: str, text: str
) -> None:
    message = f"Invalid value for {parameter}"

    assert refused(app, headers, f"{parameter}={quote(text)}") == invalid(
        message, name=parameter, message=message
    )


@pytest.mark.clause("H-12.16")
def test_the_deprecated_synonym_gives_an_alert(
    app: TestApp, headers: dict[str, str], dated: list[Any]
) -> None:
    deprecated = app.get(f"{LICHENS}?_to=102", headers=headers)
    current = app.get(f"{LICHENS}?_before=102", headers=headers)

    alert = json.loads(deprecated.headers["Alert"])
    assert alert.keys() == {"code", "message", "url"}
    assert alert["code"] == "soft-eol"
    assert alert["message"] == "_to is now deprecated, you should use _before instead"
    assert alert["url"].startswith("http")
    assert "Alert" not in current.headers
    assert deprecated.json == current.json


# Tombstones


@pytest.fixture
def with_tombstone(app: TestApp, headers: dict[str, str]) -> Any:
    """Store a record of the instant 100 that stays, and one deleted at the instant 201."""
    kept_, gone = store(
        app,
        headers,
        LICHENS,
        {"name": "kept", "n": 1, "last_modified": 100},
        {"name": "gone", "n": 1, "last_modified": 101},
    )
    app.delete(f"{LICHENS}/{gone['id']}?last_modified=201", headers=headers)
    return kept_, gone


@pytest.mark.clause("H-12.17")
@pytest.mark.parametrize(
    "query",
    [
        "_since=0",
        "_before=999",
        "_to=999",
        "not_last_modified=1",
        "min_last_modified=0",
        "max_last_modified=999",
        "gt_last_modified=0",
        "lt_last_modified=999",
        "in_last_modified=100,201",
        "exclude_last_modified=1",
    ],
)
def test_a_filter_on_the_timestamp_brings_tombstones(
    app: TestApp, headers: dict[str, str], with_tombstone: tuple[Any, ...], query: str
) -> None:
    assert found(app, headers, query) == ["-", "kept"]


@pytest.mark.clause("H-12.17")
def test_a_tombstone_is_found_by_its_own_timestamp(
    app: TestApp, headers: dict[str, str], with_tombstone: tuple[Any, ...]
) -> None:
    response = app.get(f"{LICHENS}?last_modified=201", headers=headers)

    assert response.json["data"] == [
        {"id": with_tombstone[1]["id"], "last_modified": 201, "deleted": True}
    ]


@pytest.mark.clause("H-12.17")
@pytest.mark.parametrize("query", ["", "deleted=true", "not_n=9", "deleted=1", "n=None"])
def test_otherwise_tombstones_are_not_listed(
    app: TestApp, headers: dict[str, str], with_tombstone: tuple[Any, ...], query: str
) -> None:
    assert "-" not in found(app, headers, query)


@pytest.mark.clause("H-12.18", "H-12.19", "H-12.11")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("deleted=true", ["-"]),
        ("deleted=1", ["-"]),
        ("n=1", ["kept"]),
        ("not_n=1", ["-"]),
        ("n=None", ["-"]),
        ("exclude_n=2,3", ["-", "kept"]),
        ("not_deleted=true", ["kept"]),
        ("exclude_deleted=true", ["kept"]),
        ("deleted=false", []),
        ("not_deleted=false", ["-", "kept"]),
        ("in_deleted=true,false", ["-"]),
    ],
)
def test_tombstones_pass_through_the_other_filters(
    app: TestApp,
    headers: dict[str, str],
    with_tombstone: tuple[Any, ...],
    query: str,
    names: list[Any],
) -> None:
    assert found(app, headers, f"_since=0&{query}") == names


@pytest.mark.clause("H-12.19")
def test_live_records_have_no_deletion_mark(
    app: TestApp, headers: dict[str, str], with_tombstone: tuple[Any, ...]
) -> None:
    assert found(app, headers, "not_deleted=true") == ["kept"]
    assert found(app, headers, "deleted=false") == []
    assert found(app, headers, "deleted=None") == ["kept"]


# Where filters apply


@pytest.mark.clause("H-12.20")
def test_filters_apply_to_lists_and_collection_deletions(
    app: TestApp, numbered: dict[str, Any], headers: dict[str, str]
) -> None:
    store(app, headers, LICHENS, *({"name": c, "n": n} for n, c in enumerate("abc")))

    head = app.head(f"{LICHENS}?min_n=1", headers=headers)
    app.delete(f"{LICHENS}?min_n=2", headers=headers)

    assert head.headers["Total-Records"] == "2"
    assert found(app, headers, "") == ["a", "b"]


@pytest.mark.clause("H-12.20")
@pytest.mark.parametrize("query", ["n=9", "unknown=1", "_since=abc", "_limit=a", "_sort=x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_filters_are_ignored_by_a_record(
    app: TestApp, headers: dict[str, str], method: str, query: str
) -> None:
    (record,) = store(app, headers, GROWTHS, {"number": 1})

    url = f"{GROWTHS}/{record['id']}?{query}"
    app.request(url, method=method, headers=headers, status=200)
