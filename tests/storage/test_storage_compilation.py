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

from cliquet.storage.base import StorageBase
from cliquet.storage.listing.evaluation import compile_filter
from cliquet.storage.query import COMPARISON, Filter, Sort

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
