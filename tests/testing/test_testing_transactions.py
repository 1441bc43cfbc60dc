"""The transaction that contract suites give to backends."""

from __future__ import annotations

import pytest

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope


@pytest.fixture
def values() -> TransactionalMap[str, str]:
    return TransactionalMap(MemoryStore("test"))


def _write(values: TransactionalMap[str, str], key: str) -> None:
    with values._store.write():
        values.set(key, "value")


@pytest.mark.clause("X-18")
def test_block_that_ends_commits(values: TransactionalMap[str, str]) -> None:
    with request_transaction() as request:
        assert scope.current() is request
        _write(values, "key")
    assert scope.current() is None
    assert values.items() == [("key", "value")]


@pytest.mark.clause("X-18")
def test_block_that_raises_aborts(values: TransactionalMap[str, str]) -> None:
    def failing_request() -> None:
        with request_transaction():
            _write(values, "key")
            raise KeyError

    with pytest.raises(KeyError):
        failing_request()
    assert scope.current() is None
    assert values.items() == []


@pytest.mark.clause("X-18")
@pytest.mark.parametrize(("end", "expected"), [("commit", ["key"]), ("abort", [])])
def test_what_follows_the_end_of_the_transaction_commits_by_itself(
    values: TransactionalMap[str, str], end: str, expected: list[str]
) -> None:
    with request_transaction() as request:
        _write(values, "key")
        getattr(request, end)()
        assert scope.current() is None
        _write(values, "after")
    assert [key for key, _ in values.items()] == [*expected, "after"]


@pytest.mark.clause("X-18")
def test_error_after_the_end_of_the_transaction_is_raised(
    values: TransactionalMap[str, str],
) -> None:
    def failing_request() -> None:
        with request_transaction() as request:
            _write(values, "key")
            request.commit()
            raise KeyError

    with pytest.raises(KeyError):
        failing_request()
    assert [key for key, _ in values.items()] == ["key"]
