"""Indexes on the fields that schemas declare, on PostgreSQL and SQLite (E-10)."""

import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import colander
import pytest
from pyramid.exceptions import ConfigurationError
from support.configured import config_of
from support.index_creation import written_meanwhile
from support.logged import capture_logs

from cliquet import resource
from cliquet.resource import pagination
from cliquet.storage import memory, postgresql, sqlite
from cliquet.storage.ordering import json_equal
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.testing.storage.common import HOME, create
from cliquet.testing.transactions import request_transaction
from cliquet.testing.web import make_app

HOSTILE = 'it\'s % "quoted" \\ é'


class Mushroom(resource.UserResource):
    class MushroomSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)
            indexed_fields = ("rank", "origin.country")
            preserve_unknown = True

        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = MushroomSchema()


@pytest.fixture(params=["postgresql", "sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Settings of an empty database, and a function that makes storages on it."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        module = postgresql
    else:
        url = f"sqlite:///{tmp_path}/data.db"
        module = sqlite  # type: ignore[misc]
    # The size is given, so that storages made with and without the defaults share a client.
    settings = {"storage_backend": module.__name__, "storage_url": url, "storage_pool_size": 25}
    made = []

    def make(**fields: Any) -> Any:
        storage = module.load_from_config(config_of(settings))
        for collection_id, names in fields.items():
            storage.declare_indexes(collection_id, names)
        made.append(storage)
        return storage

    yield SimpleNamespace(settings=settings, make=make, kind=request.param)
    for storage in made:
        storage.client.dispose()


def indexes(storage: Any) -> set[Any]:
    with storage.client.connect(readonly=True) as session:
        return set(storage._indexes._steps.existing(session))


def plan(storage: Any, **options: Any) -> Any:
    """Return the plan of a listing."""
    statements = []
    read = storage._reader.rows

    def rows(text: str, parameters: Any, key: Any, **options: bool) -> Any:
        statements.append((text, parameters))
        return read(text, parameters, key, **options)

    storage._reader.rows = rows
    try:
        storage.list_all(**HOME, **options)
    finally:
        storage._reader.rows = read
    ((text, parameters),) = statements
    explain = (
        "EXPLAIN" if storage.client.__class__.__name__.startswith("P") else "EXPLAIN QUERY PLAN"
    )
    with storage.client.connect(readonly=True) as session:
        lines = session.execute(f"{explain} {text}", parameters).fetchall()
    return "\n".join(str(line) for line in lines)


@pytest.mark.clause("E-1.3", "E-7.2")
def test_to_ask_what_is_missing_makes_no_file(tmp_path: Path) -> None:
    settings = {"storage_url": f"sqlite:///{tmp_path}/data.db"}
    storage = sqlite.load_from_config(config_of(settings))
    storage.declare_indexes("mushroom", ["rank"])

    assert storage.missing_indexes() == []

    assert list(tmp_path.iterdir()) == []
    storage.client.dispose()


@pytest.mark.clause("E-10.2")
def test_migration_makes_what_is_declared_and_drops_what_is_not(backend: SimpleNamespace) -> None:
    first = backend.make(mushroom=["rank", "code"], moss=["rank"])
    first.initialize_schema()
    create(first, rank=1)
    assert first.missing_indexes() == []
    before = indexes(first)
    assert len(before) == 3

    second = backend.make(mushroom=["rank", "habitat"])
    assert second.missing_indexes() == ["mushroom: habitat"]
    second.initialize_schema(dry_run=True)
    assert indexes(second) == before
    second.initialize_schema()

    assert second.missing_indexes() == []
    assert len(indexes(second)) == 2
    assert len(indexes(second) & before) == 1


@pytest.mark.clause("E-10.2")
def test_migration_says_what_it_does(backend: SimpleNamespace) -> None:
    backend.make(mushroom=["rank"]).initialize_schema()
    storage = backend.make(mushroom=["habitat"])

    with capture_logs() as said:
        storage.initialize_schema()

    assert [entry["event"] for entry in said] == ["index.drop", "index.create"]
    assert said[1]["field"] == "habitat"


@pytest.mark.clause("E-10.3", "E-10.1")
@pytest.mark.parametrize("field", ["rank", "origin.country", HOSTILE])
def test_equality_ranges_and_sorting_use_the_index(backend: SimpleNamespace, field: str) -> None:
    storage = backend.make(mushroom=[field])
    storage.initialize_schema()
    parent, _, child = field.partition(".")
    for n in range(300):
        create(storage, **{parent: {child: n} if child else n}, padding="x" * 200)
    with storage.client.connect(readonly=True) as session:
        session.execute("ANALYZE")
    (name,) = indexes(storage)
    by_field = [Sort(field, 1), Sort("last_modified", -1), Sort("id", -1)]

    for options in (
        {"filters": [Filter(field, 7, COMPARISON.EQ)]},
        {"filters": [Filter(field, [7, 8], COMPARISON.IN)]},
        {"filters": [Filter(field, 295, COMPARISON.MIN)]},
        {"filters": [Filter(field, 290, COMPARISON.MIN)], "sorting": by_field, "limit": 5},
        {"sorting": by_field, "limit": 5},
    ):
        assert name in plan(storage, **options), options


@pytest.mark.clause("E-10.3")
@pytest.mark.parametrize(
    ("declared", "reads_data"), [([], True), (["size"], False), ([("size", "name")], False)]
)
def test_sqlite_reads_no_record_to_find_it_by_an_index(
    tmp_path: Path, declared: list[Any], reads_data: bool
) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    storage: Any = sqlite.load_from_config(config_of({"storage_url": url}))
    storage.declare_indexes("mushroom", declared)
    storage.initialize_schema()
    create(storage, size=3, name="cep")
    statements: list[str] = []
    read = storage._reader.rows

    def rows(text: str, *args: Any, **options: bool) -> Any:
        statements.append(text)
        return read(text, *args, **options)

    storage._reader.rows = rows
    by_name = [Sort("name", -1), Sort("last_modified", -1), Sort("id", -1)]
    filters = [Filter("size", 3, COMPARISON.EQ)]
    records, total = storage.get_all(**HOME, filters=filters, sorting=by_name, limit=2)

    assert (total, len(records)) == (1, 1)
    assert any("json_extract" in text for text in statements) is reads_data
    storage.client.dispose()


@pytest.mark.clause("E-10.3", "E-10.1")
@pytest.mark.parametrize("fields", [("size", "name"), ("origin.country", "size", "name")])
def test_a_filtered_list_in_the_order_of_the_last_field_is_read_from_one_index(
    backend: SimpleNamespace, fields: tuple[Any, ...]
) -> None:
    storage = backend.make(mushroom=[fields, "size"])
    storage.initialize_schema()
    with request_transaction():
        for n in range(800):
            origin = {"country": "ab"[n % 2]}
            create(storage, size=n % 4, name=f"n{n * 7 % 800}", origin=origin, padding="x" * 200)
    with storage.client.connect(readonly=True) as session:
        session.execute("ANALYZE")
    by_name = [Sort("name", 1), Sort("last_modified", -1), Sort("id", -1)]
    values = {"size": 2, "origin.country": "a"}
    equal = [Filter(field, values[field], COMPARISON.EQ) for field in fields[:-1]]

    first = storage.list_all(**HOME, filters=equal, sorting=by_name, limit=5)
    rules = pagination.pagination_rules(by_name, first[-1])
    filtered = [*equal, Filter("name", first[-1]["name"], COMPARISON.GT)]
    for options in (
        {"filters": equal, "limit": 5},
        {"filters": equal, "limit": 5, "pagination_rules": rules},
        {"filters": filtered, "limit": 5},
    ):
        found = plan(storage, sorting=by_name, **options)

        assert name_of(storage, fields) in found, options
        assert "Sort" not in found
        assert "TEMP B-TREE" not in found

    names = sorted(f"n{n * 7 % 800}" for n in range(800) if n % 4 == 2)
    assert [record["name"] for record in first] == names[:5]
    assert storage.count_all(**HOME, filters=equal) == len(names)


def name_of(storage: Any, fields: Any) -> Any:
    wanted = (fields,) if isinstance(fields, str) else fields
    return next(
        name
        for name, collection, found, _ in storage._indexes._declared()
        if (collection, found) == ("mushroom", wanted)
    )


@pytest.mark.clause("E-10.3", "B-6.10")
def test_an_index_on_several_fields_finds_what_is_equal(backend: SimpleNamespace) -> None:
    storage = backend.make(mushroom=[("value", "name")])
    storage.initialize_schema()
    long = "x" * 400
    held = [3, 3.0, "3", None, True, [1], {"a": 1}, f"{long}a", f"{long}b", 2**60, "", "é"]
    for value in held:
        create(storage, value=value, name="n")
    create(storage, name="n")
    by_name = [Sort("name", 1), Sort("last_modified", -1), Sort("id", -1)]

    for value in [*held, 4, "\0", "\ud800", 1e300]:
        equal = [Filter("value", value, COMPARISON.EQ)]
        found = storage.list_all(**HOME, filters=equal, sorting=by_name, limit=20)

        expected = [one for one in held if json_equal(one, value)]
        assert len(found) == len(expected), value
        assert all(json_equal(record["value"], value) for record in found)


@pytest.mark.clause("E-10.1", "X-34")
def test_the_longest_values_fit_into_an_index_on_several_fields(backend: SimpleNamespace) -> None:
    storage = backend.make(mushroom=[("one", "two", "three")])
    storage.initialize_schema()
    random = Random(1)
    # Four bytes each, which no compression makes shorter.
    texts = ["".join(chr(random.randint(0x10000, 0x1FFFF)) for _ in range(450)) for _ in range(3)]
    long = "".join(chr(random.randint(0x10000, 0x1FFFF)) for _ in range(128))

    storage.create(
        "mushroom", long, {"id": long, **dict(zip(("one", "two", "three"), texts, strict=True))}
    )

    assert storage.get("mushroom", long, long)["three"] == texts[2]


@pytest.mark.clause("E-10.2")
def test_indexes_on_several_fields_are_made_and_dropped(backend: SimpleNamespace) -> None:
    backend.make(mushroom=["rank"]).initialize_schema()
    storage = backend.make(mushroom=["rank", ("rank", "name")])
    assert storage.missing_indexes() == ["mushroom: rank, name"]

    with capture_logs() as said:
        storage.initialize_schema()

    assert [(entry["event"], entry["field"]) for entry in said] == [("index.create", "rank, name")]
    assert storage.missing_indexes() == []
    backend.make(mushroom=["rank", ("name", "rank")]).initialize_schema()
    assert storage.missing_indexes() == ["mushroom: rank, name"]
    assert len(indexes(storage)) == 2


@pytest.mark.clause("E-10.1")
@pytest.mark.parametrize("given", [(), ("a", "a"), ("a", 1), ("a", ""), ("a", "b", "c", "d")])
def test_a_wrong_index_on_several_fields_stops_the_start(given: tuple[Any, ...]) -> None:
    class Moss(resource.UserResource):
        class MossSchema(resource.ResourceSchema):
            class Options:
                indexed_fields = ("rank", given)
                preserve_unknown = True

        mapping = MossSchema()

    with pytest.raises(ConfigurationError, match="indexed_fields of Moss"):
        make_app([Moss])


@pytest.mark.clause("E-10.2")
def test_writers_are_not_blocked_meanwhile(postgresql_url: str) -> None:
    settings = {"storage_url": postgresql_url}
    storage = postgresql.load_from_config(config_of(settings))
    storage.initialize_schema()
    for n in range(500):
        create(storage, rank=n)
    storage.declare_indexes("mushroom", ["rank"])

    written = written_meanwhile(storage, postgresql_url, lambda: create(storage, rank=-1))

    assert storage.missing_indexes() == []
    equal = [Filter("rank", -1, COMPARISON.EQ)]
    assert storage.count_all(**HOME, filters=equal) == len(written)
    storage.client.dispose()


@pytest.mark.clause("E-10.2")
def test_what_an_interrupted_creation_left_is_made_again(postgresql_url: str) -> None:
    settings = {"storage_url": postgresql_url}
    storage = postgresql.load_from_config(config_of(settings))
    storage.declare_indexes("mushroom", ["rank"])
    storage.initialize_schema()
    (name,) = indexes(storage)
    with storage.client.connect() as session:
        session.execute(
            "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = %s::regclass", (name,)
        )
        session.has_written = True
    assert storage.missing_indexes() == ["mushroom: rank"]

    storage.initialize_schema()

    assert storage.missing_indexes() == []
    storage.client.dispose()


@pytest.mark.clause("E-10.2", "E-10.1")
def test_a_service_says_at_its_start_what_is_missing(
    backend: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    backend.make().initialize_schema()

    with caplog.at_level(logging.WARNING):
        app = make_app([Mushroom], settings=backend.settings)

    assert "mushroom: code" in caplog.text
    assert "mushroom: origin.country" in caplog.text
    app.app.registry.storage.initialize_schema()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        make_app([Mushroom], settings=backend.settings)
    assert "mushroom: code" not in caplog.text
    app.app.registry.storage.client.dispose()


@pytest.mark.clause("E-10.2")
def test_a_service_starts_while_the_server_is_down(caplog: pytest.LogCaptureFixture) -> None:
    settings = {
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": "postgresql://localhost:1/nowhere",
    }

    assert make_app([Mushroom], settings=settings)


@pytest.mark.clause("E-10.2")
def test_memory_ignores_the_option() -> None:
    storage = memory.Storage()
    storage.declare_indexes("mushroom", ["rank"])

    assert storage.missing_indexes() == []
