"""What tests of shareable resources begin with."""

from typing import Any

import pytest
from support.sharing import make_sharing_app, store, user_id
from webtest import TestApp


@pytest.fixture
def app() -> TestApp:
    """A client of an application with the resources of `support.sharing`, emptied."""
    return make_sharing_app()


@pytest.fixture
def me(app: TestApp, headers: dict[str, str]) -> Any:
    """The principal of the user."""
    return user_id(app, headers)


@pytest.fixture
def record(app: TestApp) -> Any:
    """A record on which nobody has any permission, and its URL."""
    return store(app)
