"""A shared application is as new for each test."""

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.config import Configurator
from support.shared_apps import SharedApps
from testapp import Mushroom, Spore
from webtest import TestApp
from zope.interface import Interface

from cliquet.testing.web import basic_auth, make_app

URL = "/v0/mushrooms"


def next_of(apps: SharedApps, **kwargs: Any) -> TestApp:
    """Return what the next test gets."""
    with apps.lending():
        return apps.make_app([Mushroom], **kwargs)


def test_the_next_test_finds_it_empty() -> None:
    apps = SharedApps()
    headers = basic_auth()
    first = next_of(apps)
    first.post_json(URL, {"data": {"name": "cep"}}, headers=headers)
    first.app.registry.permission.add_user_principal("alice", "group")
    first.app.registry.cache.set("key", "value", 60)

    second = next_of(apps)

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
        lambda registry: registry.registerUtility(object(), Interface, name="found"),
        lambda registry: registry.registerHandler(print, (Interface,)),
    ],
)
def test_what_a_test_has_changed_is_not_given_to_the_next(
    change: Callable[[object], None],
) -> None:
    apps = SharedApps()
    first = next_of(apps)
    change(first.app.registry)

    assert next_of(apps).app is not first.app


def test_a_test_has_applications_of_its_own() -> None:
    apps = SharedApps()

    assert apps.make_app([Mushroom]).app is not apps.make_app([Mushroom]).app


def test_a_fixture_of_several_tests_keeps_its_application() -> None:
    apps = SharedApps()
    with apps.giving_away():
        of_the_module = apps.make_app([Mushroom])

    assert next_of(apps).app is not of_the_module.app


@pytest.mark.parametrize(
    "wish",
    [{"settings": {"readonly": True}}, {"version": "2.0.0"}, {"configure": lambda config: None}],
    ids=["settings", "version", "configure"],
)
def test_who_asks_in_other_words_gets_another_one(wish: dict[str, Any]) -> None:
    apps = SharedApps()
    first = next_of(apps, settings={"readonly": 1})

    assert next_of(apps, **wish).app is not first.app


def test_functions_that_are_defined_anew_say_the_same_about_the_same_objects() -> None:
    apps = SharedApps()

    def configuring(resource: type | list[type]) -> Callable[[Configurator], None]:
        def configure(config: Configurator) -> None:
            config.add_settings(resource=resource)

        return configure

    first = next_of(apps, configure=configuring(Spore))

    assert next_of(apps, configure=configuring(Spore)).app is first.app
    assert next_of(apps, configure=configuring(Mushroom)).app is not first.app
    first = next_of(apps, configure=configuring([]))
    assert next_of(apps, configure=configuring([])).app is not first.app


def test_a_test_that_has_patched_something_has_an_application_of_its_own() -> None:
    apps = SharedApps()
    first = next_of(apps)
    with pytest.MonkeyPatch.context() as patch, apps.lending(patch):
        patch.setenv("ANYTHING", "1")
        patched = apps.make_app([Mushroom])

    assert patched.app is not first.app
    assert next_of(apps).app is first.app


def make_in_a_way_of_ones_own() -> TestApp:
    return make_app([Spore])


def test_what_a_function_makes_is_shared_too() -> None:
    apps = SharedApps()
    with apps.lending():
        first = apps.fresh(make_in_a_way_of_ones_own)
    with apps.lending():
        assert apps.fresh(make_in_a_way_of_ones_own).app is first.app
