"""A table of names, and what clients of both databases promise of its transactions."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread
from cliquet.testing.transactions import request_transaction

T = TypeVar("T")

CREATE = "CREATE TABLE things (name text PRIMARY KEY)"


def add(client: Any, name: str) -> None:
    with client.connect() as session:
        session.execute("INSERT INTO things VALUES (%s)", (name,))
        session.has_written = True


def names(client: Any) -> list[str]:
    with client.connect(readonly=True) as session:
        rows = session.execute("SELECT name FROM things ORDER BY name").fetchall()
    return [row[0] for row in rows]


def in_another_thread(function: Callable[[], T]) -> T | BackendError:
    """Return what a function returns there, or the error of a backend that it raises."""
    outcomes: list[T | BackendError] = []

    def run() -> None:
        try:
            outcomes.append(function())
        except BackendError as error:
            outcomes.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return outcomes[0]


class RequestTransactionTests:
    """Tests of transactions, for a fixture `client` of a database that has the table."""

    @pytest.mark.clause("B-18.2", "B-18.4", "B-11.8", "E-1.5")
    def test_a_request_commits_at_its_end(self, client: object) -> None:
        with request_transaction():
            add(client, "a")
            assert names(client) == ["a"]
            assert in_another_thread(lambda: names(client)) == []

        assert names(client) == ["a"]
        assert in_another_thread(lambda: names(client)) == ["a"]

    @pytest.mark.clause("X-23")
    def test_savepoints_undo_what_followed(self, client: object) -> None:
        with request_transaction() as transaction:
            add(client, "a")
            mark = transaction.savepoint()
            add(client, "b")
            mark.rollback()
            add(client, "c")
            mark.rollback()
            unused = transaction.savepoint()
            unused.rollback()
            add(client, "d")

        assert names(client) == ["a", "d"]
