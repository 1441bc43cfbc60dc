"""Helpers for the tests of storages: names, shortcuts, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.testing.bounded import Thread
from cliquet.types import Record

__all__ = [
    "COLLECTION",
    "HOME",
    "OTHER_COLLECTION",
    "OTHER_PARENT",
    "PARENT",
    "clause",
    "create",
    "create_each",
    "in_another_thread",
    "in_threads",
    "listed",
    "revisions",
    "rule",
    "timestamp",
    "tombstones",
    "where",
]

T = TypeVar("T")

clause = pytest.mark.clause

COLLECTION: Final = "mushroom"
PARENT: Final = "alice"
HOME: Final[dict[str, Any]] = {"collection_id": COLLECTION, "parent_id": PARENT}
OTHER_PARENT: Final[dict[str, Any]] = {"collection_id": COLLECTION, "parent_id": "bob"}
OTHER_COLLECTION: Final[dict[str, Any]] = {"collection_id": "basket", "parent_id": PARENT}

# This is long enough for a slow machine, and only a failing test waits so long.
PATIENCE_SECONDS: Final = 30.0


def create(storage: StorageBase, /, **fields: Any) -> Record:
    """Store one record in the collection of the tests."""
    return storage.create(**HOME, record=fields)


def create_each(storage: StorageBase, field: str, values: Iterable[Any]) -> list[Record]:
    """Store one record for each value of a field."""
    return [create(storage, **{field: value}) for value in values]


def where(field: str, operator: str, value: Any) -> list[Filter]:
    """Write one filter: ``where("n", "LT", 3)``."""
    return [Filter(field, value, COMPARISON[operator])]


def rule(*conditions: tuple[str, str, Any]) -> PaginationRule:
    """Write one pagination rule: ``rule(("n", "EQ", 1), ("m", "GT", 2))``."""
    return [Filter(field, value, COMPARISON[operator]) for field, operator, value in conditions]


def listed(storage: StorageBase, field: str = "id", /, **options: Any) -> list[Any]:
    """List one field of each record of the collection; a dash stands for an absent field."""
    options.setdefault("sorting", [Sort("last_modified", 1), Sort("id", 1)])
    return [record.get(field, "-") for record in storage.list_all(**HOME, **options)]


def tombstones(storage: StorageBase) -> list[Record]:
    """Return the tombstones of the collection of the tests, the oldest first."""
    records = storage.list_all(**HOME, include_deleted=True, sorting=[Sort("last_modified", 1)])
    return [record for record in records if record.get("deleted") is True]


def timestamp(storage: StorageBase) -> int:
    """Return the timestamp of the collection of the tests."""
    return storage.collection_timestamp(**HOME)


def revisions(records: Iterable[Record]) -> list[int]:
    """Return the timestamps of records."""
    return [record["last_modified"] for record in records]


def in_threads(number: int, function: Callable[[int], T]) -> list[T | Exception]:
    """Call `function` from that many threads at once; return each result or exception.

    Parameters
    ----------
    function : takes the number of the thread, from 0.
    """
    start = threading.Barrier(number, timeout=PATIENCE_SECONDS)
    outcomes: list[T | Exception | None] = [None] * number

    def run(rank: int) -> None:
        start.wait()
        try:
            outcomes[rank] = function(rank)
        except Exception as error:
            outcomes[rank] = error

    threads = [Thread(target=run, args=(rank,)) for rank in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes  # type: ignore[return-value]


def in_another_thread(function: Callable[[], T]) -> T:
    """Call `function` in another thread, like another client, and return its result."""
    (outcome,) = in_threads(1, lambda _: function())
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
