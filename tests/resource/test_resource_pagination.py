"""Pages: complete criteria, tokens that survive the trip, rules by value."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.resource.pagination import (
    Token,
    complete_sorting,
    decode_token,
    encode_token,
    next_page_query,
    pagination_rules,
)
from cliquet.resource.querystring import MAX_TIMESTAMP, InvalidParameter
from cliquet.storage.ordering import resolve, sort_key
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort

EQ, LT, GT = COMPARISON.EQ, COMPARISON.LT, COMPARISON.GT

BY_TITLE = [Sort("title", 1), Sort("last_modified", -1), Sort("id", -1)]
RECORD = {"id": "a", "last_modified": 12, "title": "Cep", "n": 3}


def complete(*sorting: Sort) -> list[Sort]:
    return complete_sorting(sorting, id_field="id", modified_field="last_modified")


def decode(token: str, sorting: list[Sort] = BY_TITLE) -> Token:
    return decode_token(token, sorting=sorting, id_field="id", modified_field="last_modified")  # type: ignore[return-value]


def pack(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.b64encode(raw).decode()


def assert_refused(token: str, sorting: list[Sort] = BY_TITLE) -> None:
    with pytest.raises(InvalidParameter) as caught:
        decode(token, sorting)
    error = caught.value
    assert (error.location, error.name, error.description) == (
        "querystring",
        None,
        "_token has invalid content",
    )


# Criteria


@pytest.mark.clause("D-24", "H-13.5")
@pytest.mark.parametrize(
    ("sorting", "added"),
    [
        ([], [Sort("last_modified", -1), Sort("id", -1)]),
        ([Sort("n", 1)], [Sort("last_modified", -1), Sort("id", -1)]),
        ([Sort("last_modified", 1)], [Sort("id", 1)]),
        ([Sort("last_modified", -1), Sort("n", 1)], [Sort("id", 1)]),
        ([Sort("id", 1)], [Sort("last_modified", -1)]),
        ([Sort("id", 1), Sort("last_modified", 1)], []),
    ],
)
def test_timestamp_and_id_break_ties(sorting: list[Sort], added: list[Sort]) -> None:
    assert complete(*sorting) == sorting + added


def test_completing_leaves_the_argument_alone() -> None:
    sorting = [Sort("n", 1)]

    complete_sorting(sorting, id_field="id", modified_field="last_modified")

    assert sorting == [Sort("n", 1)]


# Tokens


@pytest.mark.clause("H-14.9", "B-6.23")
def test_token_is_base64_of_json() -> None:
    token = encode_token(BY_TITLE, RECORD, 5)

    assert json.loads(base64.b64decode(token)) == {
        "last_record": {"title": "Cep", "last_modified": 12, "id": "a"},
        "offset": 5,
    }


@pytest.mark.clause("H-14.8")
def test_same_page_gives_the_same_token() -> None:
    reordered = dict(reversed(RECORD.items()))

    assert encode_token(BY_TITLE, RECORD, 5) == encode_token(BY_TITLE, reordered, 5)


@pytest.mark.clause("D-26")
def test_field_that_the_last_item_lacks_is_left_out() -> None:
    tombstone = {"id": "a", "last_modified": 12, "deleted": True}

    token = decode(encode_token(BY_TITLE, tombstone, 0))

    assert token == Token({"last_modified": 12, "id": "a"}, 0)


@pytest.mark.clause("D-26")
def test_null_is_not_missing() -> None:
    token = decode(encode_token(BY_TITLE, {**RECORD, "title": None}, 0))

    assert token.last_record["title"] is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),  # type: ignore[arg-type]
    lambda items: (
        st.lists(items, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),  # type: ignore[arg-type]
            items,
            max_size=3,
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(["title", "n", "a", "a.b", "b", "deleted"])


@pytest.mark.clause("X-21", "H-14.11", "D-21")
@given(
    st.dictionaries(names, json_values),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),  # type: ignore[arg-type]
    st.integers(0, MAX_TIMESTAMP),
    st.lists(names, unique=True),
    st.integers(0, 2**63 - 1),
)
def test_token_comes_back_as_it_went(
    members: dict[str, Any], record_id: str, timestamp: int, fields: list[str], offset: int
) -> None:
    record = {**members, "id": record_id, "last_modified": timestamp}
    sorting = complete(*(Sort(field, 1) for field in fields))

    token = decode(encode_token(sorting, record, offset), sorting)

    assert token.offset == offset
    # By text, which tells 1 from 1.0 and True.
    assert str(pagination_rules(sorting, token.last_record)) == str(
        pagination_rules(sorting, record)
    )


VALID = {"last_record": {"title": "x", "last_modified": 12, "id": "a"}, "offset": 5}


def test_valid_token_is_accepted() -> None:
    assert decode(pack(VALID)) == Token(VALID["last_record"], 5)  # type: ignore[arg-type]


@pytest.mark.clause("H-14.11", "D-21")
@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "a",
        "====",
        "é",
        "\ud800",
        "\0",
        pack(VALID) + "\n",
        " " + pack(VALID),
        pack(VALID)[:-1],
        pack(b""),
        pack(b"{"),
        pack(b"\xff"),
        pack(b'{"last_record": {"last_modified": 1, "id": "a"}, "offset": NaN}'),
        pack(b'{"last_record": {"title": 1e999, "last_modified": 1, "id": "a"}, "offset": 1}'),
        pack(b"[" * 100_000),
        pack(b'{"last_record":' * 10_000),
    ],
)
def test_undecodable_token_is_refused(token: str) -> None:
    assert_refused(token)


@pytest.mark.clause("H-14.11", "D-21", "X-21")
@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        12,
        {},
        {"last_record": VALID["last_record"]},
        {"offset": 5},
        {**VALID, "more": 1},
        {**VALID, "last_record": None},
        {**VALID, "last_record": []},
        {**VALID, "last_record": {}},
        {**VALID, "offset": None},
        {**VALID, "offset": "5"},
        {**VALID, "offset": 5.0},
        {**VALID, "offset": -1},
        {**VALID, "offset": True},
        {**VALID, "offset": 2**63},
        {**VALID, "offset": 10**30},
    ],
)
def test_token_of_another_shape_is_refused(content: object) -> None:
    assert_refused(pack(content))


@pytest.mark.clause("D-21", "X-21")
@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1},
        {"last_modified": None},
        {"last_modified": "12"},
        {"last_modified": True},
        {"last_modified": 12.0},
        {"last_modified": -1},
        {"last_modified": MAX_TIMESTAMP + 1},
        {"id": None},
        {"id": 12},
        {"id": "a\0"},
        {"title": "a\0"},
        {"title": "\ud800"},
        {"title": 2**64},
    ],
)
def test_token_with_absurd_values_is_refused(changes: dict[str, object]) -> None:
    assert_refused(pack({**VALID, "last_record": {**VALID["last_record"], **changes}}))  # type: ignore[dict-item]


@pytest.mark.clause("D-21")
@pytest.mark.parametrize("name", ["id", "last_modified"])
def test_token_must_name_the_members_that_every_item_has(name: str) -> None:
    last_record = {key: value for key, value in RECORD.items() if key not in (name, "n")}

    assert_refused(pack({"last_record": last_record, "offset": 5}))


@pytest.mark.clause("D-21")
def test_token_of_another_sort_is_refused() -> None:
    token = encode_token(complete(Sort("n", 1)), RECORD, 5)

    assert_refused(token, complete(Sort("title", 1)))


@given(
    st.text(st.characters(exclude_categories=()))
    | st.binary().map(pack)
    | json_values.map(pack)
    | st.fixed_dictionaries({"last_record": json_values, "offset": json_values}).map(pack)
)
def test_any_token_is_read_or_refused(token: str) -> None:
    try:
        result = decode(token)
    except InvalidParameter:
        return
    assert pagination_rules(BY_TITLE, result.last_record)


# Rules


@pytest.mark.clause("B-6.22", "H-14.10")
def test_rules_keep_what_comes_strictly_after() -> None:
    assert pagination_rules(BY_TITLE, {"title": "x", "last_modified": 12, "id": "a"}) == [
        [Filter("title", "x", EQ), Filter("last_modified", 12, EQ), Filter("id", "a", LT)],
        [Filter("title", "x", EQ), Filter("last_modified", 12, LT)],
        [Filter("title", "x", GT)],
    ]


@pytest.mark.clause("B-6.22", "B-21.12", "D-26")
def test_rules_compare_a_lacking_field_with_missing() -> None:
    rules = pagination_rules([Sort("title", -1), Sort("id", 1)], {"id": "a"})

    assert rules == [
        [Filter("title", MISSING, EQ), Filter("id", "a", GT)],
        [Filter("title", MISSING, LT)],
    ]


@pytest.mark.clause("B-6.22", "B-21.14")
def test_rules_are_not_widened() -> None:
    rules = pagination_rules([Sort("b", 1), Sort("id", 1)], {"b": None, "id": "a"})

    assert rules[0][0] == Filter("b", None, EQ)


@pytest.mark.clause("B-21.13")
def test_dotted_criterion_reads_inside_the_record() -> None:
    sorting = [Sort("person.age", 1), Sort("last_modified", -1), Sort("id", -1)]
    record = {"id": "a", "last_modified": 12, "person": {"age": 3}}

    token = decode(encode_token(sorting, record, 1), sorting)

    assert token.last_record == {"person.age": 3, "last_modified": 12, "id": "a"}
    assert pagination_rules(sorting, token.last_record) == pagination_rules(sorting, record)


# The next page's parameters


@pytest.mark.clause("H-14.5", "H-15.6")
def test_next_page_keeps_every_parameter_but_its_place() -> None:
    params = [("n", "1"), ("_limit", "500"), ("n", "2"), ("_token", "old"), ("_fields", "é")]

    query = next_page_query(params, limit=5, token="new=")

    assert query == "n=1&n=2&_fields=%C3%A9&_limit=5&_token=new%3D"


@pytest.mark.clause("H-14.5")
def test_next_page_escapes_what_may_not_stand_in_a_parameter_and_nothing_else() -> None:
    query = next_page_query([("a&=", 'b c;+%#"<é'), ("in_n", "1,2:/?@!$'()*")], limit=1, token="x")

    assert query.startswith("a%26%3D=b+c%3B%2B%25%23%22%3C%C3%A9&in_n=1,2:/?@!$'()*&_limit")


# Whole listings


def keeps(item: Filter, record: dict[str, Any]) -> bool:
    key, operand = sort_key(resolve(record, item.field)), sort_key(item.value)
    return {EQ: key == operand, LT: key < operand, GT: key > operand}[item.operator]


def in_order(records: list[dict[str, Any]], sorting: list[Sort]) -> list[dict[str, Any]]:
    for field, direction in reversed(sorting):
        records = sorted(
            records,
            key=lambda record: sort_key(resolve(record, field)),
            reverse=direction < 0,
        )
    return records


@pytest.mark.clause("H-14.7", "H-14.10", "D-24", "D-26", "B-6.20", "B-6.22", "H-13.7")
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.dictionaries(
                st.sampled_from(["n", "title"]),
                st.sampled_from([None, 0, 1, 1.0, True, "", "a", [], [1], {}, {"a": 1}]),
            ),
        ),
        max_size=8,
    ),
    st.lists(
        st.builds(
            Sort,
            st.sampled_from(["n", "title", "last_modified", "id"]),
            st.sampled_from([1, -1]),
        ),
        unique_by=lambda item: item.field,
        max_size=4,
    ),
    st.integers(1, 3),
)
def test_pages_hold_each_item_once_and_in_order(
    items: list[tuple[int, dict[str, Any]]], criteria: list[Sort], limit: int
) -> None:
    records = [
        {**members, "id": f"r{rank}", "last_modified": timestamp}
        for rank, (timestamp, members) in enumerate(items)
    ]
    sorting = complete(*criteria)
    listing = in_order(records, sorting)
    delivered: list[dict[str, Any]] = []

    page = listing[:limit]
    while page:
        delivered += page
        token = decode(encode_token(sorting, page[-1], len(delivered)), sorting)
        rules = pagination_rules(sorting, token.last_record)
        rest = [
            record
            for record in listing
            if any(all(keeps(item, record) for item in rule) for rule in rules)
        ]
        page = rest[:limit]

    assert delivered == listing
    assert len(delivered) == len(records)
