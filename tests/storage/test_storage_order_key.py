"""The order of JSON values as text."""

from __future__ import annotations

import enum
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cliquet.storage.ordering import sort_key
from cliquet.storage.postgresql import dialect
from cliquet.storage.query import MISSING
from cliquet.storage.relational.order_key import MAX_EXACT_CHARACTERS, exact_key, order_key

texts = st.text(max_size=5) | st.text("\0\1\2\3a\ud800\uffff\U0001f600", max_size=5)
BOUNDARIES = [
    n * sign + step
    for n in (2**53, 2**62, 2**63, 2**64)
    for sign in (1, -1)
    for step in (-2048, -1, 0, 1, 2)
]
numbers = (
    st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(BOUNDARIES)
    | st.sampled_from(BOUNDARIES).map(float)
    | st.sampled_from([0.0, -0.0, 0, 10**400, -(10**400)])
)
scalars = st.none() | st.booleans() | texts | numbers
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def comparison(left: Any, right: Any) -> Any:
    return (left > right) - (left < right)


@pytest.mark.slow
@pytest.mark.clause("B-6.15", "B-6.19", "X-26")
@settings(max_examples=500, deadline=None)
@given(values | st.just(MISSING), values | st.just(MISSING))
@example("a\0", "a")
@example(["a\0"], ["a"])
@example(["a\1"], ["a\0"])
@example(["a", "b"], ["a\2", "b"])
@example({"a": 1}, {"a\0": 1})
@example(2**64 - 1, 2.0**64)
@example(-(2**64) + 1, -(2.0**64))
@example(1, 1.0)
@example(True, 1)
@example(10**30, 1e30)
def test_keys_compare_as_the_values_do(left: object, right: object) -> None:
    expected = comparison(sort_key(left), sort_key(right))

    assert comparison(exact_key(left), exact_key(right)) == expected


@pytest.mark.clause("B-6.21", "X-26")
@given(texts, texts)
def test_keys_compare_byte_by_byte_as_they_do_by_character(left: object, right: object) -> None:
    one, other = (exact_key([text]) for text in (left, right))
    bytes_of = [key.encode("utf-8", "surrogatepass") for key in (one, other)]

    assert comparison(one, other) == comparison(*bytes_of)


@pytest.mark.clause("X-26")
def test_a_key_has_a_greatest_length_and_still_one_value() -> None:
    alike = ["x" * 1000 + end for end in "ab"]
    lists = [[text, text] for text in alike]

    keys = [order_key(value) for value in (*alike, *lists, "x" * (MAX_EXACT_CHARACTERS - 1))]

    assert len(set(keys)) == 5
    assert [len(key) - MAX_EXACT_CHARACTERS for key in keys] == [32, 32, 32, 32, 0]


@pytest.mark.clause("X-26")
def test_what_begins_a_cut_key_comes_before_it() -> None:
    shorter, longer = "x" * (MAX_EXACT_CHARACTERS - 1), "x" * MAX_EXACT_CHARACTERS

    assert order_key(shorter) < order_key(longer) < order_key("y")


@pytest.mark.clause("B-1.8")
@pytest.mark.parametrize("value", [b"x", {1}, [object()]])
def test_what_is_not_json_has_no_key(value: bytes | list[Any] | set[Any]) -> None:
    with pytest.raises(TypeError, match="not a JSON type"):
        order_key(value)


@pytest.mark.clause("B-6.14")
def test_other_types_of_python_have_the_keys_of_the_json_types() -> None:
    class Text(str, enum.Enum):
        A = "a"

    assert order_key(Text.A) == order_key("a")
    assert order_key({Text.A: [Text.A]}) == order_key({"a": ["a"]})
    assert order_key((1, OrderedDict(a=None))) == order_key([1, {"a": None}])


@pytest.fixture(scope="module")
def cursor(postgresql_module_url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(postgresql_module_url)
    connection.autocommit = True
    path = dialect.__file__.replace("dialect.py", "functions.sql")
    with open(path, encoding="utf-8") as functions, connection.cursor() as cursor:
        cursor.execute(functions.read())
        yield cursor
    connection.close()


# PostgreSQL holds neither NUL nor surrogates; orjson writes integers of 64 bits.
plain_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
plain_numbers = (
    st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([n for n in BOUNDARIES if -(2**63) <= n < 2**64])
    | st.sampled_from(BOUNDARIES).map(float)
    | st.sampled_from([-0.0, 5e-324, 1e-310, 1.7976931348623157e308, 1e299, 1e300])
)
plain_values = st.recursive(
    st.none() | st.booleans() | plain_texts | plain_numbers | st.just("é" * 500),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_texts, inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.clause("B-6.19", "X-26")
@settings(deadline=None)
@given(st.lists(plain_values, min_size=10, max_size=10))
@example(["\1", ["\1"], {"\1": "\1"}, [], {}, [[]], "x" * 399, "x" * 400, ["x" * 400], {"a": {}}])
def test_postgresql_computes_the_same_keys(
    cursor: psycopg2.extensions.cursor, values: list[Any]
) -> None:
    cursor.execute(
        "SELECT cliquet_order_key(item) FROM jsonb_array_elements(%s::jsonb) AS item",
        (orjson.dumps(values).decode(),),
    )

    stored = dialect.PostgreSQLDialect().as_stored(values)
    assert list(itertools.chain(*cursor.fetchall())) == [order_key(value) for value in stored]


@pytest.mark.clause("B-22.25")
@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("1e400", order_key(float("inf"))),
        ("-1e400", order_key(float("-inf"))),
        ("1e-400", order_key(0)),
        ("1e299", order_key(1e299)),
    ],
)
def test_numbers_that_others_stored_do_not_break_a_listing_in_postgresql(
    cursor: psycopg2.extensions.cursor, number: str, key: str
) -> None:
    cursor.execute("SELECT cliquet_order_key(%s::jsonb)", (number,))

    assert cursor.fetchone() == (key,)


@pytest.mark.clause("B-21.12")
def test_what_is_missing_has_a_key_in_postgresql(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("SELECT cliquet_order_key(NULL)")

    assert cursor.fetchone() == (order_key(MISSING),)


@pytest.mark.clause("D-12")
def test_depth_costs_postgresql_no_recursion(cursor: psycopg2.extensions.cursor) -> None:
    nested = orjson.loads(b"[" * 250 + b"]" * 250)
    cursor.execute("SELECT cliquet_order_key(%s::jsonb)", (orjson.dumps(nested).decode(),))

    assert cursor.fetchone() == (order_key(nested),)


@pytest.mark.clause("X-26")
def test_an_index_takes_the_longest_keys_of_postgresql(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute('CREATE TEMPORARY TABLE held (id text COLLATE "C", data jsonb)')
    cursor.execute('CREATE INDEX held_by_key ON held (id, (cliquet_order_key(data) COLLATE "C"))')

    cursor.execute(
        "INSERT INTO held VALUES (%s, %s)", ("i" * 255, orjson.dumps("😀" * 9999).decode())
    )

    assert cursor.rowcount == 1


@pytest.mark.clause("E-10.2")
def test_the_functions_of_postgresql_need_no_search_path(
    cursor: psycopg2.extensions.cursor,
) -> None:
    # As when an index is rebuilt, or a dump restored.
    cursor.execute("SET search_path = pg_catalog")
    try:
        cursor.execute("""SELECT public.cliquet_order_key('{"a": [1, "b"]}')""")
        assert cursor.fetchone() == (order_key({"a": [1, "b"]}),)
        cursor.execute("SELECT public.cliquet_lower('\u00c9')")
        assert cursor.fetchone() == ("\u00e9",)
    finally:
        cursor.execute("RESET search_path")
