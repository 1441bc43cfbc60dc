"""Operations whose storage does not wait for the end of the request around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.testing.storage.common import in_another_thread
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import own, scope
from cliquet.transactions.own import OwnTransaction


class OperationError(Exception):
    pass


class InMemory:
    """A backend in memory."""

    def __init__(self, tmp_path: Any) -> None:
        self.store = MemoryStore("The store", lock_timeout_seconds=20)
        self.values = TransactionalMap(self.store)

    def add(self, name: Any) -> None:
        with self.store.write():
            self.values.set(name, True)

    def names(self) -> list[Any]:
        return sorted(name for name, _ in self.values.items())


class InSQL:
    """A backend in a database."""

    def __init__(self, tmp_path: Any) -> None:
        self.client = SQLiteClient(tmp_path / "file.db", busy_timeout_seconds=1)
        with self.client.begin() as session:
            session.execute("CREATE TABLE names (name TEXT)")

    def add(self, name: Any) -> None:
        with self.client.begin() as session:
            session.has_written = True
            session.execute("INSERT INTO names VALUES (%s)", (name,))

    def names(self) -> list[Any]:
        with self.client.connect(readonly=True) as session:
            return sorted(name for (name,) in session.execute("SELECT name FROM names").fetchall())


@pytest.fixture(params=[InMemory, InSQL])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@contextmanager
def operation() -> Iterator[Any]:
    """Make the block an operation, whose storage then commits."""
    own = OwnTransaction()
    with own.entered():
        yield own
    own.commit(lambda: None)


@contextmanager
def failing() -> Iterator[None]:
    with pytest.raises(OperationError):
        yield


@pytest.mark.clause("X-30")
def test_what_an_operation_did_is_kept_although_the_request_fails(backend: InMemory) -> None:
    with request_transaction() as request:
        with operation():
            backend.add("kept")
            assert backend.names() == ["kept"]
            assert in_another_thread(backend.names) == []
        assert in_another_thread(backend.names) == ["kept"]
        request.abort()

    assert backend.names() == ["kept"]


@pytest.mark.clause("X-30")
def test_what_an_operation_did_is_undone_when_it_raises(backend: InMemory) -> None:
    with request_transaction():
        with failing(), operation():
            backend.add("undone")
            raise OperationError
        assert backend.names() == []

    assert backend.names() == []


@pytest.mark.clause("X-30")
def test_what_an_operation_did_is_undone_when_its_storage_does_not_commit(
    backend: InMemory,
) -> None:
    def decide() -> None:
        assert in_another_thread(backend.names) == []
        raise OperationError

    own = OwnTransaction()
    with own.entered():
        backend.add("undone")
    with failing():
        own.commit(decide)

    assert backend.names() == []


@pytest.mark.clause("X-30")
def test_an_operation_does_not_wait_for_the_request_that_it_is_a_part_of(backend: InMemory) -> None:
    with request_transaction() as request:
        backend.add("of the request")
        with failing(), operation():
            backend.add("undone")
            assert backend.names() == ["of the request", "undone"]
            raise OperationError
        assert backend.names() == ["of the request"]
        with operation():
            backend.add("of the operation")
        backend.add("afterwards")
        assert in_another_thread(backend.names) == []
        request.commit()

    assert in_another_thread(backend.names) == ["afterwards", "of the operation", "of the request"]


@pytest.mark.clause("X-30")
def test_what_the_request_had_done_is_undone_with_it(backend: InMemory) -> None:
    with request_transaction() as request:
        backend.add("of the request")
        with operation():
            pass
        request.abort()
    backend.add("of another")

    assert backend.names() == ["of another"]


def test_the_decision_is_returned_and_nobody_needs_to_join() -> None:
    own = OwnTransaction()
    with own.entered():
        assert scope.current() is not None
    assert scope.current() is None
    assert own.commit(lambda: 5) == 5


def test_a_function_can_be_an_operation(backend: InMemory) -> None:
    assert own.run(lambda: backend.add("kept")) is None
    assert in_another_thread(backend.names) == ["kept"]

    def fail() -> None:
        backend.add("undone")
        raise OperationError

    with failing():
        own.run(fail)
    assert backend.names() == ["kept"]


@pytest.mark.clause("X-30", "B-18.9")
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_databases_the_one_of_the_records_commits_first(
    tmp_path: Path, is_first: bool
) -> None:
    clients = [SQLiteClient(tmp_path / f"{n}.db") for n in range(2)]
    records, permissions = clients if is_first else reversed(clients)
    records.holds_records = True
    committed = []
    with request_transaction() as request:
        for client in clients:
            with client.begin() as session:
                session.commit = lambda client=client: committed.append(client)  # type: ignore[misc]
        request.commit()

    assert committed == [records, permissions]
