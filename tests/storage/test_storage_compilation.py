"""A filter is read once for a list, however many questions the list is made of."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.configured import config_of

from cliquet.core.globs import Pattern
from cliquet.storage.base import StorageBase
from cliquet.storage.listing.evaluation import compile_filter
from cliquet.storage.query import COMPARISON, Continuation, Filter, Sort

HOME = ("books", "alice")
FILTERS = [Filter("size", 1, COMPARISON.MIN), Filter("title", "b", COMPARISON.NOT)]
SORTING = [Sort("last_modified", -1), Sort("id", -1)]


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageBase]:
    urls = {"memory": "", "sqlite": f"sqlite:///{tmp_path}/data.db"}
    kind = request.param
    url = urls[kind] if kind in urls else request.getfixturevalue(f"{kind}_url")
    module = importlib.import_module(f"cliquet.storage.{kind}")
    settings = {"storage_backend": module.__name__, "storage_url": url}
    made = module.load_from_config(config_of(settings))
    made.initialize_schema()
    yield made
    if hasattr(made, "client"):
        getattr(made.client, "dispose", lambda: None)()


def filters_compiled(operation: Callable[[], Any]) -> int:
    """Return how many filters are compiled while an operation runs."""
    calls = 0

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is compile_filter.__code__

    sys.setprofile(watch)
    try:
        operation()
    finally:
        sys.setprofile(None)
    return calls


def test_a_page_and_its_total_compile_each_filter_once(storage: StorageBase) -> None:
    for size in range(3):
        storage.create(*HOME, {"size": size, "title": "a"})
    options: Any = {"filters": FILTERS, "sorting": SORTING, "limit": 1}
    found: list[Any] = []

    compiled = filters_compiled(lambda: found.append(storage.get_all(*HOME, **options)))

    ((records, total),) = found
    assert ([record["size"] for record in records], total) == ([2], 2)
    assert compiled == len(FILTERS)


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)
def test_a_list_that_was_asked_for_before_is_not_compiled_again(storage: StorageBase) -> None:
    options: Any = {"filters": FILTERS, "sorting": SORTING, "limit": 2}
    storage.get_all(*HOME, **options)
    storage.create(*HOME, {"size": 1, "title": "a"})
    found: list[Any] = []

    compiled = filters_compiled(lambda: found.append(storage.get_all(*HOME, **options)))

    ((records, total),) = found
    assert ([record["size"] for record in records], total) == ([1], 1)
    assert compiled == 0


def test_equal_values_of_other_types_are_other_filters(storage: StorageBase) -> None:
    values = [1, True, "1", None, 0, False, ""]
    for value in values:
        storage.create(*HOME, {"value": value})

    for value in values * 2:
        filters = [Filter("value", value, COMPARISON.EQ)]
        records, total = storage.get_all(*HOME, filters=filters, limit=5)
        assert ([repr(record["value"]) for record in records], total) == ([repr(value)], 1)


def test_lists_differ_in_all_that_they_are_asked_for(storage: StorageBase) -> None:
    storage.create(*HOME, {"size": 1, "id": "a"})
    storage.create(*HOME, {"size": 2, "id": "b"})
    storage.delete(*HOME, storage.create(*HOME, {"size": 2, "id": "c"})["id"])

    def ids(collection: tuple[str, Any] = HOME, **options: Any) -> tuple[list[str], int]:
        records, total = storage.get_all(*collection, **{"limit": 5, **options})
        return [record["id"] for record in records], total

    up, down = [Sort("id", 1)], [Sort("id", -1)]
    larger = [Filter("size", 1, COMPARISON.GT)]
    for _ in range(2):
        assert ids(sorting=up) == (["a", "b"], 2)
        assert ids(sorting=down) == (["b", "a"], 2)
        assert ids(sorting=down, limit=1) == (["b"], 2)
        assert ids(sorting=down, include_deleted=True) == (["c", "b", "a"], 2)
        assert ids(sorting=up, filters=larger) == (["b"], 1)
        assert ids(sorting=up, pagination_rules=[larger]) == (["b"], 2)
        assert ids(sorting=up, filters=larger, pagination_rules=Continuation([]))[1] == 1
        uncounted = Continuation([], is_counted=False)
        assert ids(sorting=up, filters=larger, pagination_rules=uncounted)[0] == ["b"]
        assert ids(("books", "al*"), sorting=up) == ([], 0)
        assert ids(("books", Pattern("al*")), sorting=up) == (["a", "b"], 2)
