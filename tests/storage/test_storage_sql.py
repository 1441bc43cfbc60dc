"""The same listings in Python, SQLite and PostgreSQL; injections; query plans."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import extras
from servers.postgresql import new_database

from cliquet import storage
from cliquet.core.globs import Exact, Pattern, compile_pattern
from cliquet.resource.pagination import complete_sorting, pagination_rules
from cliquet.storage.listing.evaluation import Entry, apply_filters, page
from cliquet.storage.postgresql.dialect import PostgreSQLDialect
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort
from cliquet.storage.relational import listing
from cliquet.storage.relational.order_key import MAX_EXACT_CHARACTERS, exact_key
from cliquet.storage.selection import Names
from cliquet.storage.sqlite.dialect import SQLiteDialect
from cliquet.storage.sqlite.functions import register_functions

FOLDER = Path(storage.__file__).parent
NAMES = Names("id", "last_modified", "deleted")
PARENT, COLLECTION = "parent", "collection"


class Database:
    """A table of records, filled from entries, and asked in SQL."""

    dialect: listing.ListingDialect
    schema: tuple[str, ...]

    def execute(self, text: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        raise NotImplementedError

    def fill(self, entries: list[Entry]) -> list[Entry]:
        """Replace all records; return them as they are read back."""
        self.execute("DELETE FROM records")
        rows = [
            (PARENT, COLLECTION, object_id, timestamp, data is None, _dumps(data or {}))
            for object_id, timestamp, data in entries
        ]
        if rows:
            self.execute(
                "INSERT INTO records (parent_id, collection_id, id, last_modified, deleted, data)"
                f" VALUES {', '.join(['(%s, %s, %s, %s, %s, %s)'] * len(rows))}",
                tuple(value for row in rows for value in row),
            )
        return self.entries("TRUE")

    def entries(self, where: str, parameters: tuple[Any, ...] = ()) -> list[Entry]:
        text = f"SELECT id, last_modified, deleted, data FROM records WHERE {where}"
        return [
            Entry(object_id, timestamp, None if deleted else self.loads(data))
            for object_id, timestamp, deleted, data in self.execute(text, parameters)
        ]

    def loads(self, data: Any) -> Any:
        return orjson.loads(data)

    def listing(
        self,
        filters: Any,
        rules: Any = (),
        sorting: Any = (),
        *,
        include_deleted: bool = True,
        indexed: Any = (),
    ) -> Any:
        where = listing.where(
            self.dialect,
            NAMES,
            listing.matching(self.dialect, NAMES, filters, frozenset(indexed)),
            pagination_rules=rules,
            include_deleted=include_deleted,
            indexed=frozenset(indexed),
        )
        order = listing.order_by(self.dialect, NAMES, sorting)
        return self.entries(
            f"{where.text} ORDER BY {order.text}", (*where.parameters, *order.parameters)
        )

    def plan_of_page(self, filters: Any = (), sorting: Any = (), after: Any = None) -> str:
        """Return the plan of the statement for a page of live records."""
        sorting = complete_sorting(sorting, id_field="id", modified_field="last_modified")
        where = listing.where(
            self.dialect,
            NAMES,
            listing.matching(self.dialect, NAMES, filters, frozenset(INDEXES)),
            pagination_rules=pagination_rules(sorting, after) if after else (),
            include_deleted=False,
            indexed=frozenset(INDEXES),
        )
        order = listing.order_by(self.dialect, NAMES, sorting)
        text = (
            "SELECT id, last_modified, data FROM records WHERE parent_id = %s"
            f" AND collection_id = %s AND {where.text} ORDER BY {order.text} LIMIT 10"
        )
        return self.plan(text, (PARENT, COLLECTION, *where.parameters, *order.parameters))

    def plan(self, text: str, parameters: tuple[Any, ...]) -> str:
        raise NotImplementedError


class SQLiteDatabase(Database):
    dialect = SQLiteDialect()

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        register_functions(self.connection)
        self.connection.executescript((FOLDER / "sqlite/schema.sql").read_text())

    def execute(self, text: Any, parameters: Any = ()) -> Any:
        return self.connection.execute(text.replace("%s", "?"), parameters).fetchall()

    def plan(self, text: Any, parameters: Any = ()) -> Any:
        rows = self.execute(f"EXPLAIN QUERY PLAN {text}", parameters)
        return "\n".join(row[3] for row in rows)


class PostgreSQLDatabase(Database):
    dialect = PostgreSQLDialect()

    def __init__(self, url: str) -> None:
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        for name in ("schema.sql", "functions.sql"):
            self.execute((FOLDER / "postgresql" / name).read_text())

    def execute(self, text: Any, parameters: Any = ()) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def loads(self, data: Any) -> Any:
        return orjson.loads(orjson.dumps(data))

    def plan(self, text: Any, parameters: Any = ()) -> Any:
        return "\n".join(row[0] for row in self.execute(f"EXPLAIN {text}", parameters))


def _dumps(data: Any) -> Any:
    return orjson.dumps(data).decode()


@pytest.fixture(scope="module")
def sqlite_database() -> Iterator[Any]:
    database = SQLiteDatabase()
    with closing(database.connection):
        yield database


@contextmanager
def on_postgresql(url: str) -> Iterator[PostgreSQLDatabase]:
    database = PostgreSQLDatabase(url)
    with closing(database.connection):
        # JSON as the storage reads it.
        extras.register_default_jsonb(database.connection, loads=orjson.loads)
        yield database


@pytest.fixture(scope="module")
def postgresql_database(postgresql_module_url: str) -> Iterator[Any]:
    with on_postgresql(postgresql_module_url) as database:
        yield database


@pytest.fixture(params=["sqlite_database", "postgresql_database"])
def database(request: pytest.FixtureRequest) -> Any:
    database = request.getfixturevalue(request.param)
    database.execute("DROP INDEX IF EXISTS i")
    return database


# The same as in Python

ALPHABET = "abAB éÉßñ0_%*.\\'\"?[]{}\x01\x7f\u07ff\uffff\U0001f600"
LONG = "x" * 398
texts = st.text(ALPHABET, max_size=4) | st.text("ab", max_size=2).map(LONG.__add__)
odd_texts = texts | st.text(ALPHABET + "\0\ud800\udfff", max_size=4)
integers = (
    st.integers(-3, 3)
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)])
)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.5, -0.5, 1.0, 2.0**53, 2.0**63, 2.0**64, 1e300, 5e-324]
)
scalars = st.none() | st.booleans() | texts | integers | floats
FIELDS = ["a", "b", "a.b", "a.c", "deleted", "é'\"%s{}\\$$--;", "x"]
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["b", "c", "B", "é"]), inner, max_size=3)
    ),
    max_leaves=5,
)
records = st.dictionaries(st.sampled_from(FIELDS), values, max_size=4)
entries = st.lists(
    st.builds(Entry, texts, st.integers(0, 3), records | st.none()),
    max_size=6,
    unique_by=lambda entry: entry.id,
)
fields = st.sampled_from([*FIELDS, "id", "last_modified", "a\0", "\ud800", "a.\udfff"])
operands = values | odd_texts | st.just(2**70) | st.just(-(10**400)) | st.just([["\0"]])
ORDERS = [COMPARISON.LT, COMPARISON.MAX, COMPARISON.MIN, COMPARISON.GT]
# Longer ones that begin alike are in the order of their digests there.
ordered = operands.filter(lambda value: len(exact_key(value)) <= MAX_EXACT_CHARACTERS)
filters = st.one_of(
    st.builds(Filter, fields, operands, st.sampled_from([COMPARISON.EQ, COMPARISON.NOT])),
    st.builds(Filter, fields, ordered, st.sampled_from(ORDERS)),
    st.builds(
        Filter,
        fields,
        st.lists(operands | st.just(MISSING), max_size=3),
        st.sampled_from([COMPARISON.IN, COMPARISON.EXCLUDE]),
    ),
    st.builds(
        Filter,
        fields,
        st.lists(operands, max_size=2),
        st.sampled_from([COMPARISON.CONTAINS, COMPARISON.CONTAINS_ANY]),
    ),
    st.builds(Filter, fields, odd_texts, st.just(COMPARISON.LIKE)),
    st.builds(Filter, fields, st.booleans(), st.just(COMPARISON.HAS)),
)
rule_items = st.one_of(
    st.builds(Filter, fields, operands | st.just(MISSING), st.just(COMPARISON.EQ)),
    st.builds(Filter, fields, ordered | st.just(MISSING), st.sampled_from(ORDERS)),
)
sortings = st.lists(st.builds(Sort, fields, st.sampled_from([1, -1])), max_size=3)

in_databases = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def as_compared(items: Any, database: Any) -> list[Any]:
    """Give floats the values that they have in the database."""
    return [
        item
        if item.field in ("id", "last_modified")
        else item._replace(value=as_stored(item.value, database.dialect))
        for item in items
    ]


def as_stored(value: Any, dialect: Any) -> Any:
    if isinstance(value, list):
        return [as_stored(member, dialect) for member in value]
    return dialect.as_stored(value)


def ids(found: Any) -> list[Any]:
    return [entry.id for entry in found]


@pytest.mark.slow
@pytest.mark.clause("B-6.8", "B-6.14", "B-6.15", "B-21.14", "B-21.16", "B-21.17", "B-21.18", "X-16")
@pytest.mark.parametrize("indexed", [(), tuple(FIELDS)], ids=["not indexed", "indexed"])
@pytest.mark.parametrize("times", [1, 3], ids=["few", "many"])
@given(entries, st.lists(filters, min_size=1, max_size=2), st.booleans())
@in_databases
def test_filters_keep_the_records_that_they_keep_in_python(
    database: Any,
    indexed: tuple[Any, ...],
    times: int,
    content: list[Any],
    wanted: list[Any],
    include_deleted: bool,
) -> None:
    stored = database.fill(content)
    expected = [
        entry
        for entry in apply_filters(stored, as_compared(wanted, database), NAMES)
        if include_deleted or entry.data is not None
    ]

    # More than a few read the record together, which must not make a difference.
    found = database.listing(wanted * times, include_deleted=include_deleted, indexed=indexed)

    assert sorted(ids(found)) == sorted(ids(expected))


@pytest.mark.slow
@pytest.mark.clause("B-6.17", "B-6.18", "B-6.19", "B-6.21", "B-22.24", "X-26")
@given(entries, sortings)
@in_databases
def test_records_are_in_the_order_of_python(
    database: Any, content: list[Any], sorting: list[Any]
) -> None:
    sorting = [*sorting, Sort("id", 1)]
    stored = database.fill(content)

    found = database.listing([], sorting=sorting)

    assert ids(found) == ids(
        page(stored, NAMES, sorting=sorting, pagination_rules=None, limit=None)
    )


@pytest.mark.clause("B-6.8", "B-21.12", "X-16")
@given(entries, st.lists(st.lists(rule_items, min_size=1, max_size=3), min_size=1, max_size=3))
@in_databases
def test_rules_keep_the_records_that_they_keep_in_python(
    database: SQLiteDatabase, content: list[Any], rules: list[Any]
) -> None:
    stored = database.fill(content)
    compared = [as_compared(rule, database) for rule in rules]
    expected = page(stored, NAMES, sorting=None, pagination_rules=compared, limit=None)

    found = database.listing([], rules)

    assert sorted(ids(found)) == sorted(ids(expected))


@pytest.mark.slow
@pytest.mark.clause("B-6.20", "B-6.22", "B-21.12", "D-24")
@pytest.mark.parametrize("indexed", [(), tuple(FIELDS)], ids=["not indexed", "indexed"])
@given(entries, sortings)
@in_databases
def test_what_follows_a_record_is_the_rest_of_the_listing(
    database: Any, indexed: tuple[Any, ...], content: list[Any], sorting: list[Any]
) -> None:
    sorting = complete_sorting(sorting, id_field="id", modified_field="last_modified")
    stored = database.fill(content)
    ordered = page(stored, NAMES, sorting=sorting, pagination_rules=None, limit=None)

    for rank, entry in enumerate(ordered):
        record = entry.to_record(NAMES)
        if entry.data is not None:
            # What a live record holds under that name is not in the order of listings.
            record.pop("deleted", None)
        rules = pagination_rules(sorting, record)
        found = database.listing([], rules, sorting, indexed=indexed)

        assert ids(found) == ids(ordered[rank + 1 :])


# What the generated listings leave out


@pytest.mark.clause("B-6.22", "B-21.12")
def test_what_follows_a_record_may_be_asked_of_odd_fields(database: SQLiteDatabase) -> None:
    content = [Entry("a", 1, {}), Entry("b", 1, {"f": 1}), Entry("c", 1, None)]
    stored = database.fill(content)
    sorting = [Sort("deleted", 1), Sort("a\0", -1), Sort("f", 1), Sort("id", 1)]
    ordered = page(stored, NAMES, sorting=sorting, pagination_rules=None, limit=None)

    for rank, entry in enumerate(ordered):
        rules = pagination_rules(sorting, entry.to_record(NAMES))

        assert ids(database.listing([], rules, sorting)) == ids(ordered[rank + 1 :])


@pytest.mark.clause("B-6.8", "B-6.22")
@pytest.mark.parametrize(
    "rules",
    [
        [[Filter("f", "a\0", COMPARISON.GT)]],
        [[Filter("id", "\ud800", COMPARISON.LT)]],
        [[Filter("id", 1, COMPARISON.GT)]],
        [[Filter("last_modified", 2**70, COMPARISON.LT)]],
        [[Filter("last_modified", 0.5, COMPARISON.GT)]],
        [[Filter("f", "b", COMPARISON.EQ), Filter("id", "b", COMPARISON.GT)]],
        [
            [Filter("f", "b", COMPARISON.EQ), Filter("id", "b", COMPARISON.GT)],
            [Filter("f", "a", COMPARISON.GT)],
        ],
        [
            [Filter("f", "b", COMPARISON.NOT), Filter("id", "b", COMPARISON.GT)],
            [Filter("f", "b", COMPARISON.GT)],
        ],
        [[Filter("f", "b", COMPARISON.EQ)], [Filter("f", "a", COMPARISON.EQ)]],
        [[Filter("f", "a", COMPARISON.MIN)]],
        [
            [Filter("g", True, COMPARISON.EQ), Filter("f", "b", COMPARISON.GT)],
            [Filter("g", 1, COMPARISON.LT)],
        ],
    ],
)
def test_rules_that_resemble_a_place_in_the_listing_are_no_such_place(
    database: SQLiteDatabase, rules: list[Any]
) -> None:
    content = [Entry(name, n, {"f": name, "g": n}) for n, name in enumerate("abc")]
    stored = database.fill(content)
    expected = page(stored, NAMES, sorting=None, pagination_rules=rules, limit=None)

    assert sorted(ids(database.listing([], rules))) == sorted(ids(expected))


@pytest.mark.clause("B-6.10", "B-21.20", "B-22.27")
@pytest.mark.parametrize(
    "wanted",
    [
        ("id", "\ud800", COMPARISON.EQ),
        ("id", "\ud800", COMPARISON.NOT),
        ("id", "\ud800", COMPARISON.LT),
        ("id", "a\0", COMPARISON.GT),
        ("id", "a\0", COMPARISON.LIKE),
        ("id", ["\ud800", "a\0", "a"], COMPARISON.IN),
        ("id", ["\ud800"], COMPARISON.EXCLUDE),
        ("id", None, COMPARISON.NOT),
        ("last_modified", 0.5, COMPARISON.EQ),
        ("last_modified", 0.5, COMPARISON.NOT),
        ("last_modified", 0.5, COMPARISON.MIN),
        ("last_modified", 0.5, COMPARISON.LT),
        ("last_modified", 1.0, COMPARISON.EQ),
        ("last_modified", True, COMPARISON.EQ),
        ("last_modified", -(2**70), COMPARISON.GT),
        ("last_modified", [2**70, 1.0, 0.5, True], COMPARISON.IN),
        ("f", "a\0", COMPARISON.LIKE),
        ("f", ["a\0"], COMPARISON.EQ),
        ("f", {"a\0": 1}, COMPARISON.NOT),
        ("f", {"a": "\ud800"}, COMPARISON.NOT),
        ("f", ["\ud800", 1], COMPARISON.CONTAINS),
        ("f", ["\ud800", 1], COMPARISON.CONTAINS_ANY),
        ("f", ["\ud800"], COMPARISON.CONTAINS_ANY),
        ("f", [], COMPARISON.CONTAINS),
        ("f", [], COMPARISON.CONTAINS_ANY),
        ("f", [], COMPARISON.IN),
        ("f", [], COMPARISON.EXCLUDE),
        ("f", [MISSING], COMPARISON.IN),
        ("f", 10**500, COMPARISON.LT),
        ("f", 10**500, COMPARISON.NOT),
    ],
)
def test_values_that_no_record_has_are_operands(
    database: SQLiteDatabase, wanted: tuple[Any, ...]
) -> None:
    content = [Entry("", 0, {}), Entry("a", 1, {"f": [1]}), Entry("b", 2, {"f": 1, "g": True})]
    stored = database.fill(content)
    item = Filter(*wanted)

    found = database.listing([item], indexed=["f"])

    assert sorted(ids(found)) == sorted(ids(apply_filters(stored, [item], NAMES)))


@pytest.mark.clause("B-6.12", "B-21.21")
@pytest.mark.parametrize("operator", [COMPARISON.IN, COMPARISON.EXCLUDE])
@pytest.mark.parametrize("field", ["id", "last_modified", "f"])
def test_lists_may_be_long_and_be_sets(
    database: SQLiteDatabase, field: str, operator: COMPARISON
) -> None:
    content = [Entry(str(n), n, {"f": n}) for n in range(5)]
    stored = database.fill(content)
    wanted = [Filter(field, {*range(3, 5000)}, operator)]

    found = database.listing(wanted, indexed=["f"])

    assert sorted(ids(found)) == sorted(ids(apply_filters(stored, wanted, NAMES)))


@pytest.mark.clause("B-7.5", "B-21.18")
def test_long_values_that_begin_alike_are_told_apart(database: SQLiteDatabase) -> None:
    one, other = ("x" * 5000 + end for end in "ab")
    database.fill([Entry("1", 1, {"f": one}), Entry("2", 2, {"f": other})])

    for indexed in ((), ("f",)):
        assert ids(database.listing([Filter("f", one, COMPARISON.EQ)], indexed=indexed)) == ["1"]
        assert ids(database.listing([Filter("f", one, COMPARISON.NOT)], indexed=indexed)) == ["2"]
        found = database.listing([Filter("f", [one, other], COMPARISON.IN)], indexed=indexed)
        assert sorted(ids(found)) == ["1", "2"]


@pytest.mark.clause("B-6.14")
@pytest.mark.parametrize("operator", [COMPARISON.EQ, COMPARISON.NOT, *ORDERS])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_operands(
    database: SQLiteDatabase, number: float, operator: COMPARISON
) -> None:
    stored = database.fill([Entry("a", 1, {"f": 1}), Entry("b", 2, {"f": "x"})])
    wanted = [Filter("f", number, operator)]

    found = database.listing(wanted)

    assert sorted(ids(found)) == sorted(ids(apply_filters(stored, wanted, NAMES)))


@pytest.mark.clause("B-21.16")
@pytest.mark.parametrize(
    "text", ["\u00c9T\u00c9", "\u00e9t\u00e9", "\u041c\u0418\u0420", "\u00c9*\u00e9"]
)
def test_the_case_of_all_scripts_is_ignored(database: SQLiteDatabase, text: str) -> None:
    stored = database.fill(
        [
            Entry(str(n), n, {"f": t})
            for n, t in enumerate(["L'\u00e9t\u00e9", "\u00c9T\u00c9", "\u043c\u0438\u0440"])
        ]
    )
    wanted = [Filter("f", text, COMPARISON.LIKE)]

    found = database.listing(wanted)

    assert sorted(ids(found)) == sorted(ids(apply_filters(stored, wanted, NAMES))) != []


@pytest.mark.clause("B-21.16")
def test_ids_match_whatever_the_case(database: SQLiteDatabase) -> None:
    database.fill([Entry("Ab_c", 1, {}), Entry("abxc", 2, None), Entry("b", 3, {})])

    assert ids(database.listing([Filter("id", "aB_C", COMPARISON.LIKE)])) == ["Ab_c"]
    assert len(database.listing([Filter("id", "AB*", COMPARISON.LIKE)])) == 2


@pytest.mark.clause("B-21.12", "B-21.16", "B-21.17", "B-6.14")
@pytest.mark.parametrize("field", ["f", "id", "last_modified", "deleted", "a\0"])
@pytest.mark.parametrize(
    ("operator", "value"),
    [
        (COMPARISON.LIKE, 1),
        (COMPARISON.HAS, "true"),
        (COMPARISON.IN, "abc"),
        (COMPARISON.EXCLUDE, None),
        (COMPARISON.CONTAINS, "abc"),
        (COMPARISON.CONTAINS_ANY, {1}),
        (COMPARISON.CONTAINS, [MISSING]),
        (COMPARISON.EQ, MISSING),
        (COMPARISON.LT, MISSING),
        (COMPARISON.NOT, MISSING),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_sent(
    field: str, operator: COMPARISON, value: object
) -> None:
    for dialect in (SQLiteDialect(), PostgreSQLDialect()):
        with pytest.raises(ValueError, match=f"{operator.name} of the field"):
            listing.matching(dialect, NAMES, [Filter(field, value, operator)])


@pytest.mark.clause("B-6.17")
@pytest.mark.parametrize("sorting", [[], [Sort("deleted", 1)], [Sort("a\0", 1)]])
def test_any_criteria_make_an_order(database: SQLiteDatabase, sorting: list[Any]) -> None:
    database.fill([Entry("a", 1, {})])

    assert ids(database.listing([], sorting=sorting)) == ["a"]


@pytest.mark.clause("B-22.27")
def test_sqlite_holds_and_finds_nul(sqlite_database: SQLiteDatabase) -> None:
    stored = sqlite_database.fill([Entry("a\0", 1, {"f\0": "x\0y"}), Entry("a", 2, {"f\0": "x"})])
    wanted = [
        Filter("f\0", "x\0y", COMPARISON.EQ),
        Filter("f\0", "x", COMPARISON.GT),
        Filter("f\0", "x\0*", COMPARISON.LIKE),
        Filter("id", "a\0", COMPARISON.EQ),
    ]

    for item in wanted:
        expected = ids(apply_filters(stored, [item], NAMES))
        assert ids(sqlite_database.listing([item])) == expected == ["a\0"]


# Injections

ATTEMPTS = [
    "'; DROP TABLE records; --",
    "\\'; DROP TABLE records; --",
    "f' OR '1'='1",
    'f") OR TRUE --',
    "%s", "%(x)s", "%%", "?", ":x", "$1", "{}", "{0}", "$$", "\\", "a.'; --.b", ".", "..", "",
]  # fmt: skip


@pytest.mark.clause("B-7.5", "B-22.41", "B-22.43")
@pytest.mark.parametrize("text", ATTEMPTS)
def test_nothing_given_becomes_part_of_a_statement(database: SQLiteDatabase, text: str) -> None:
    database.fill([Entry("1", 1, {text: text}), Entry("2", 2, {}), Entry(text, 3, {"g": [text]})])

    for indexed in ((), (text,)):
        found = database.listing([Filter(text, text, COMPARISON.EQ)], indexed=indexed)
        assert ids(found) == ["1"]
    assert ids(database.listing([Filter(text, True, COMPARISON.HAS)])) == ["1"]
    assert ids(database.listing([Filter(text, [text], COMPARISON.IN)])) == ["1"]
    assert ids(database.listing([Filter("id", text, COMPARISON.EQ)])) == [text]
    assert ids(database.listing([Filter("g", [text], COMPARISON.CONTAINS)])) == [text]
    assert ids(database.listing([], sorting=[Sort(text, 1), Sort("id", 1)]))[0] == "1"
    following = database.listing([], [[Filter(text, text, COMPARISON.LT)]], [Sort(text, -1)])
    assert following == []


# Parents

PARENTS = [
    "",
    "a",
    "ab",
    "abc",
    "aXc",
    "A",
    "ABC",
    "a_c",
    "a%c",
    "a[b]c",
    "a?c",
    "b",
    "a\\c",
    "a/b/c",
    "a*",
    "a*c",
    "*",
]
PARENTS += ["a\ud7ffb", "a\uffff", "\U0010ffff", "\U0010ffff\U0010ffff", "\U0010fffe"]

PATTERNS = ["*", "**", "a*", "ab*", "*c", "a*c", "a**c", "A*", "a_*", "a%*", "a[b]*", "a?*", "a\\*"]
PATTERNS += ["*/*", "a*b*c", "\U0010ffff*", "\U0010fffe*", "a\ud7ff*", "x*"]
PATTERNS += ["a\0", "a\0*", "\ud800", "\ud800*"]


@pytest.fixture
def parents(database: Any) -> Iterator[Any]:
    database.execute("DELETE FROM records")
    for parent_id in PARENTS:
        database.execute(
            "INSERT INTO records (parent_id, collection_id, id, last_modified)"
            " VALUES (%s, 'c', 'i', 0)",
            (parent_id,),
        )
    yield database
    database.execute("DELETE FROM records")


@pytest.mark.clause("B-21.19", "B-22.41", "B-22.43")
@pytest.mark.parametrize(
    "pattern",
    [
        *PARENTS,
        *PATTERNS,
        *map(Exact, PATTERNS),
        *map(Pattern, PATTERNS),
        Pattern.of("a*", ""),
        Pattern.of("", "*", "c"),
        Pattern.of("*", ""),
    ],
    ids=repr,
)
def test_parents_match_as_in_python(
    parents: SQLiteDatabase, pattern: Exact | Pattern | str
) -> None:
    condition = listing.parent_condition(parents.dialect, pattern)

    rows = parents.execute(f"SELECT parent_id FROM records WHERE {condition.text}", condition[1])

    matches = compile_pattern(pattern)
    assert sorted(row[0] for row in rows) == sorted(filter(matches, PARENTS))


# Plans


INDEXES = {"f": "on_f", "p.q": "on_p_q"}
RECORDS = [
    {"id": f"{n:04}", "last_modified": n, "f": n % 500, "p": {"q": f"t{n}"}} for n in range(3000)
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Databases with indexes, and enough records for these to be worth their while.

    They are of their own: other tests empty theirs, and may run in between with pytest-xdist.
    """
    with ExitStack() as stack:
        if request.param == "sqlite":
            database: Any = SQLiteDatabase()
            stack.enter_context(closing(database.connection))
        else:
            server = request.getfixturevalue("postgresql_server")
            database = stack.enter_context(on_postgresql(stack.enter_context(new_database(server))))
        database.fill([Entry.from_record(record, NAMES) for record in RECORDS])
        for field, name in INDEXES.items():
            index = listing.index(database.dialect, COLLECTION, field)
            database.execute(f"CREATE INDEX {name} ON records {index.text}", index.parameters)
        database.execute("ANALYZE records")
        yield database


def searched(plan: str, name: str) -> str:
    """Return what an index is searched for; nothing if it is not used."""
    sqlite_way = rf"USING INDEX {name} (\(.*\))"
    postgresql_way = rf"(?:using|Index Scan on) {name} .*\n *Index Cond: (.*)"
    match = re.search(f"{sqlite_way}|{postgresql_way}", plan)
    return (match[1] or match[2]) if match else ""


def is_searched_for_a_key(plan: str, name: str) -> bool:
    condition = searched(plan, name)
    return "<expr>" in condition or "cliquet_order_key" in condition


@pytest.mark.clause("E-10.3")
@pytest.mark.parametrize(
    ("filters", "sorting"),
    [
        ([("f", 3, COMPARISON.EQ)], []),
        ([("f", [3, "x", MISSING], COMPARISON.IN)], []),
        ([("f", 3, COMPARISON.LT)], []),
        ([("f", 3, COMPARISON.MAX)], [("f", -1)]),
        ([("f", 498, COMPARISON.GT)], []),
        ([("f", 498, COMPARISON.MIN)], [("f", 1)]),
        ([], [("f", 1)]),
        ([], [("f", -1)]),
        ([("p.q", "t3", COMPARISON.EQ)], []),
        ([("p.q", "t2", COMPARISON.MIN), ("p.q", "t200", COMPARISON.LT)], []),
        ([], [("p.q", 1)]),
    ],
)
def test_indexes_on_fields_are_used(
    filled: SQLiteDatabase, filters: list[Any], sorting: list[Any]
) -> None:
    field = (filters or sorting)[0][0]

    plan = filled.plan_of_page(
        [Filter(*item) for item in filters], [Sort(*item) for item in sorting]
    )

    if filters:
        assert is_searched_for_a_key(plan, INDEXES[field]), plan
    else:
        assert searched(plan, INDEXES[field]), plan


@pytest.mark.clause("D-24", "E-10.3", "B-6.22")
@pytest.mark.parametrize("sorting", [[("f", 1)], [("f", -1)], [("p.q", 1)], [("p.q", -1)]])
def test_a_deep_page_on_an_indexed_field_begins_in_the_index(
    filled: SQLiteDatabase, sorting: list[Any]
) -> None:
    plan = filled.plan_of_page(sorting=[Sort(*item) for item in sorting], after=RECORDS[1234])

    assert is_searched_for_a_key(plan, INDEXES[sorting[0][0]]), plan


@pytest.mark.clause("D-24", "B-6.22")
def test_a_deep_page_in_the_order_of_time_begins_in_the_index(filled: SQLiteDatabase) -> None:
    plan = filled.plan_of_page(after=RECORDS[1234])

    condition = searched(plan, "records_live_in_time")
    assert "ROW(last_modified, id) <" in condition or "(last_modified,id)<" in condition, plan
    assert "Sort" not in plan
    assert "B-TREE" not in plan
