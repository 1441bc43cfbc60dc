"""Applications on every storage with every permission backend."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.combinations import COMBINATIONS, name_of, running_combination


@pytest.fixture(scope="module", params=COMBINATIONS, ids=name_of)
def combination(request: pytest.FixtureRequest) -> Any:
    """A storage, a permission backend, and whether they share a database."""
    return request.param


@pytest.fixture(scope="module")
def combined_app(combination: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    with running_combination(combination, request) as app:
        yield app


@pytest.fixture
def app(combined_app: Any) -> Any:
    """A client of an application on that combination, empty."""
    combined_app.reset()
    combined_app.app.registry.storage.flush()
    combined_app.app.registry.permission.flush()
    return combined_app
