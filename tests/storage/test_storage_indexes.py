"""Indexes on the fields that schemas declare, on PostgreSQL and SQLite (E-10)."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colander
import pytest
from support.configured import config_of
from support.logged import capture_logs

from cliquet import resource
from cliquet.storage import memory, postgresql, sqlite
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.testing.storage.common import HOME, create
from cliquet.testing.web import make_app

HOSTILE = 'it\'s % "quoted" \\ é'


class Mushroom(resource.UserResource):
    class MushroomSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)
            indexed_fields = ("rank", "origin.country")

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
    settings = {"storage_backend": module.__name__, "storage_url": url}
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
        return set(storage._indexes.existing(session))


def plan(storage: Any, **options: Any) -> Any:
    """Return the plan of a listing."""
    statements = []
    read = storage._reader.rows

    def rows(text: Any, parameters: Any, key: Any) -> Any:
        statements.append((text, parameters))
        return read(text, parameters, key)

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
def test_migration_makes_what_is_declared_and_drops_what_is_not(backend: Any) -> None:
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
def test_migration_says_what_it_does(backend: Any) -> None:
    backend.make(mushroom=["rank"]).initialize_schema()
    storage = backend.make(mushroom=["habitat"])

    with capture_logs() as said:
        storage.initialize_schema()

    assert [entry["event"] for entry in said] == ["index.drop", "index.create"]
    assert said[1]["field"] == "habitat"


@pytest.mark.clause("E-10.3", "E-10.1")
@pytest.mark.parametrize("field", ["rank", "origin.country", HOSTILE])
def test_equality_ranges_and_sorting_use_the_index(backend: Any, field: Any) -> None:
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


@pytest.mark.clause("E-10.2")
def test_writers_are_not_blocked_meanwhile(postgresql_url: str) -> None:
    settings = {"storage_url": postgresql_url}
    storage = postgresql.load_from_config(config_of(settings))
    storage.initialize_schema()
    for n in range(500):
        create(storage, rank=n)
    storage.declare_indexes("mushroom", ["rank"])
    done = threading.Event()
    written = []

    def write() -> None:
        while not done.is_set():
            written.append(create(storage, rank=-1))

    writer = threading.Thread(target=write)
    writer.start()
    storage.initialize_schema()
    done.set()
    writer.join(20)

    assert written
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
    backend: Any, caplog: pytest.LogCaptureFixture
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
