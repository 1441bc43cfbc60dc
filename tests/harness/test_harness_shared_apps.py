"""A shared application is as new for each test."""

from collections.abc import Callable

import pytest
from support.shared_apps import SharedApps
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.web import basic_auth, make_app

URL = "/v0/mushrooms"


def make() -> TestApp:
    return make_app([Mushroom])


def test_the_next_test_finds_it_empty() -> None:
    apps = SharedApps()
    headers = basic_auth()
    first = apps.fresh(make)
    first.post_json(URL, {"data": {"name": "cep"}}, headers=headers)
    first.app.registry.permission.add_user_principal("alice", "group")
    first.app.registry.cache.set("key", "value", 60)

    second = apps.fresh(make)

    assert second.app is first.app
    assert second.get(URL, headers=headers).json["data"] == []
    assert second.app.registry.permission.user_principals("alice") == set()
    assert second.app.registry.cache.get("key") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.settings.update(readonly=True),
        lambda registry: setattr(registry, "statsd", object()),
        lambda registry: setattr(registry.storage, "get_all", print),
    ],
)
def test_what_a_test_has_changed_is_not_given_to_the_next(
    change: Callable[[object], None],
) -> None:
    apps = SharedApps()
    first = apps.fresh(make)
    change(first.app.registry)

    assert apps.fresh(make).app is not first.app
