"""The indexes in the order of time: how those of former releases are replaced in PostgreSQL."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.configured import config_of
from support.index_creation import written_meanwhile
from support.logged import capture_logs

from cliquet.storage import StorageBase, postgresql, sqlite
from cliquet.storage.relational import bulk
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.storage.common import HOME, create

FORMER = (
    "CREATE INDEX records_by_time"
    " ON records (parent_id, collection_id, last_modified DESC, id DESC);"
    "CREATE INDEX records_live_by_time"
    " ON records (parent_id, collection_id, last_modified DESC, id DESC) WHERE NOT deleted"
)
PRESENT = {"records_in_time": True, "records_live_in_time": True}


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[Any]:
    """Return a storage on a schema as the former release made it."""
    made = postgresql.load_from_config(config_of({"storage_url": postgresql_url}))
    made.initialize_schema()
    execute(made, "DROP INDEX records_in_time; DROP INDEX records_live_in_time")
    execute(made, FORMER)
    yield made
    made.client.dispose()


def execute(storage: Any, text: str) -> None:
    with storage.client.connect(force_commit=True) as session:
        session.execute(text)


def indexes(storage: Any) -> dict[str, bool]:
    """Return whether each index in the order of time is valid, by its name."""
    with storage.client.connect(readonly=True) as session:
        found = storage._time_indexes._steps.existing(session, "records_")
    return {name: is_valid for name, is_valid in found.items() if name.endswith("_time")}


@pytest.mark.clause("B-12.5", "E-10.2")
def test_those_of_a_former_release_are_replaced(storage: StorageBase) -> None:
    create(storage, id="a")
    before = indexes(storage)
    with capture_logs() as rehearsed:
        storage.initialize_schema(dry_run=True)
    assert indexes(storage) == before == {"records_by_time": True, "records_live_by_time": True}

    with capture_logs() as done:
        storage.initialize_schema()
    with capture_logs() as again:
        storage.initialize_schema()

    assert indexes(storage) == PRESENT
    steps = [
        ("index.replace", "records_in_time"),
        ("index.drop", "records_by_time"),
        ("index.replace", "records_live_in_time"),
        ("index.drop", "records_live_by_time"),
    ]
    assert [(one["event"], one["index"]) for one in rehearsed] == steps
    assert [(one["event"], one["index"]) for one in done] == steps
    assert again == []
    assert [record["id"] for record in storage.list_all(**HOME)] == ["a"]


@pytest.mark.clause("B-12.5")
def test_what_an_interruption_left_is_finished(storage: StorageBase) -> None:
    execute(
        storage,
        "CREATE INDEX records_in_time ON records (parent_id, collection_id, last_modified, id)",
    )
    execute(
        storage,
        "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'records_in_time'::regclass",
    )
    # The other one was made, and its former one was not dropped.
    execute(
        storage,
        "CREATE INDEX records_live_in_time"
        " ON records (parent_id, collection_id, last_modified, id) WHERE NOT deleted",
    )

    storage.initialize_schema()

    assert indexes(storage) == PRESENT


@pytest.mark.clause("B-12.5")
def test_writers_are_not_blocked_while_they_are_replaced(
    storage: StorageBase, postgresql_url: str
) -> None:
    for n in range(300):
        create(storage, rank=n)

    written = written_meanwhile(storage, postgresql_url, lambda: create(storage, rank=-1))

    assert indexes(storage) == PRESENT
    assert storage.count_all(**HOME) == 300 + len(written)


@pytest.mark.clause("B-12.5")
def test_a_schema_that_is_missing_has_nothing_to_replace(postgresql_url: str) -> None:
    made = postgresql.load_from_config(config_of({"storage_url": postgresql_url}))

    with capture_logs() as entries:
        made.initialize_schema(dry_run=True)

    assert [entry["event"] for entry in entries] == ["schema.to_create"]
    made.client.dispose()


@pytest.mark.clause("E-7.7")
def test_a_slice_of_a_purge_begins_where_the_former_one_ended(storage: StorageBase) -> None:
    """Otherwise it walks through all that is gone."""
    key = CollectionKey(**HOME)
    entries = [ExportedEntry(f"{n:05}", n + 1, None) for n in range(5000)]
    storage.import_([ImportedCollection(*key, 5000, entries)])
    execute(storage, "ANALYZE records")
    query = bulk._oldest(bulk._conditions(key, None, None, 4000), 11)

    with storage.client.connect(readonly=True) as session:
        lines = session.execute(f"EXPLAIN {query.text}", query.parameters).fetchall()

    found = "\n".join(line for (line,) in lines)
    assert re.search("Index Cond: .*last_modified >= ", found), found


@pytest.mark.clause("B-12.5")
@pytest.mark.parametrize("family", ["sqlite", "postgresql"])
def test_what_comes_last_fills_its_pages(
    request: pytest.FixtureRequest, family: str, tmp_path: Path
) -> None:
    """In descending order, an index of these records takes nearly twice the space."""
    if family == "sqlite":
        made: Any = sqlite.load_from_config(
            config_of({"storage_url": f"sqlite:///{tmp_path}/data.db"})
        )
        size = "SELECT sum(pgsize) FROM dbstat WHERE name = 'records_in_time'"
    else:
        url = request.getfixturevalue("postgresql_url")
        made = postgresql.load_from_config(config_of({"storage_url": url}))
        size = "SELECT pg_relation_size('records_in_time')"
    made.initialize_schema()
    for first in range(1, 4001, 400):
        # The ids have no order.
        entries = [ExportedEntry(str(uuid.uuid4()), first + n, {}) for n in range(400)]
        made.import_([ImportedCollection("p" * 74, "note", first + 400, entries)])

    with made.client.connect(readonly=True) as session:
        bytes_per_record = session.execute(size).fetchone()[0] / 4000

    # The columns of one record take some 140.
    assert 120 < bytes_per_record < 190
    made.client.dispose()
