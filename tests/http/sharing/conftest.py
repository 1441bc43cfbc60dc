"""What tests of shareable resources begin with."""

from typing import Any

import pytest
from support.shared_apps import SharedApps
from support.sharing import make_sharing_app, store, user_id
from webtest import TestApp


@pytest.fixture
def app(shared_apps: SharedApps) -> TestApp:
    """A client of an application with the resources of `support.sharing`, emptied."""
    return shared_apps.fresh(make_sharing_app)


@pytest.fixture
def me(app: TestApp, headers: dict[str, str]) -> Any:
    """The principal of the user."""
    return user_id(app, headers)


@pytest.fixture
def record(app: TestApp) -> Any:
    """A record on which nobody has any permission, and its URL."""
    return store(app)
