"""What PostgreSQL plans for a page: most of the time of a list goes there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.configured import config_of

from cliquet.storage import postgresql
from cliquet.storage.changes import Wanted
from cliquet.storage.query import COMPARISON, Continuation, Filter, KnownTotal, Sort
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.testing.storage.common import HOME, create

TIME = [Sort("last_modified", 1), Sort("id", 1)]
NEWER = Filter("last_modified", 1, COMPARISON.GT)
NAMES = Names("id", "last_modified", "deleted")
CHANGES = Selection(Scope(**HOME), NAMES, [NEWER], TIME, limit=5)._replace(include_deleted=True)


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[Any]:
    made = postgresql.load_from_config(config_of({"storage_url": postgresql_url}))
    made.initialize_schema()
    yield made
    made.client.dispose()


@pytest.mark.clause("B-4.1")
@pytest.mark.parametrize(
    "selection",
    [
        CHANGES._replace(filters=[], include_deleted=False),
        CHANGES,
        CHANGES._replace(pagination_rules=Continuation([[NEWER]], KnownTotal(7, 3))),
        CHANGES._replace(limit=None, filters=[]),
    ],
    ids=["live", "changes", "a further page", "a whole list"],
)
def test_a_list_reads_the_row_of_its_collection_once(storage: Any, selection: Selection) -> None:
    """Each query of its own in the place of a column takes longer to plan than to run."""
    create(storage)
    queries = storage._reader._queries
    make = queries.page_as_text if selection.limit else queries.page

    plan = plan_of(storage, make(selection, selection.scope.key))

    assert len(re.findall(r"Scan .*\btimestamps\b", plan)) == 1, plan
    assert "Nested Loop" not in plan


@pytest.mark.clause("B-4.1")
def test_the_row_of_a_collection_is_joined_with_nothing(storage: Any) -> None:
    query = storage._changes._query(CollectionKey(**HOME), Wanted(after=1, limit=5), NAMES)

    plan = plan_of(storage, query)

    # What departed is looked up among the records.
    assert plan.count("Nested Loop") == 1, plan


def plan_of(storage: Any, query: SQL) -> str:
    with storage.client.connect(readonly=True) as session:
        rows = session.execute(f"EXPLAIN {query.text}", query.parameters).fetchall()
    return "\n".join(line for (line,) in rows)
