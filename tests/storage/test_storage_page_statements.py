"""What PostgreSQL plans for a page: most of the time of a list goes there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.configured import config_of

from cliquet.storage import postgresql
from cliquet.storage.query import COMPARISON, Continuation, Filter, KnownTotal, Sort
from cliquet.storage.selection import Names, Scope, Selection
from cliquet.testing.storage.common import HOME, create

TIME = [Sort("last_modified", 1), Sort("id", 1)]
NEWER = Filter("last_modified", 1, COMPARISON.GT)
CHANGES = Selection(
    Scope(**HOME), Names("id", "last_modified", "deleted"), [NEWER], TIME, limit=5
)._replace(include_deleted=True)


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

    text, parameters = make(selection, selection.scope.key)
    with storage.client.connect(readonly=True) as session:
        plan = session.execute(f"EXPLAIN {text}", parameters).fetchall()

    scans = [line for (line,) in plan if re.search(r"Scan .*\btimestamps\b", line)]
    assert len(scans) == 1, plan
