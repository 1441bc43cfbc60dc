"""Which listeners are found, configured and told of what (S-15, P-21.12, P-21.13)."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet.events import (
    ACTIONS,
    AfterResourceChanged,
    AfterResourceRead,
    ResourceChanged,
    ResourceRead,
)
from cliquet.initialization import EventActionFilter, EventResourceFilter, initialize
from cliquet.listeners import ListenerBase
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth, make_app

AUTH = basic_auth()
LISTENER = """
told = []
prefixes = []


def load_from_config(config, prefix):
    prefixes.append(prefix)
    return told.append
"""
OUTSIDE_LISTENER = """
told = []


class Listener:
    after_commit = True

    def __call__(self, event):
        told.append(event)


def load_from_config(config, prefix):
    return Listener()
"""


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that makes a module of a source, until the end of the test."""
    monkeypatch.syspath_prepend(tmp_path)
    tops = set()

    def write(name: Any, source: Any) -> None:
        *packages, module = name.split(".")
        folder = tmp_path
        for package in packages:
            folder = folder / package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        (folder / f"{module}.py").write_text(source)
        importlib.invalidate_caches()
        tops.add(name.split(".")[0])

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] in tops]:
        del sys.modules[name]


@pytest.fixture
def listener(write_module: Any) -> Any:
    """The module of a listener, `woodland.journal`."""
    write_module("woodland.journal", LISTENER)
    return importlib.import_module("woodland.journal")


def make_listening_app(**settings: Any) -> TestApp:
    return make_app(
        [Mushroom, Spore],
        settings={name.replace("__", "."): value for name, value in settings.items()},
    )


def listened_to(**options: Any) -> TestApp:
    """Return a client of an application whose only listener has these options."""
    return make_app(
        [Mushroom, Spore],
        settings={
            "event_listeners": "woodland.journal",
            **{f"event_listeners.journal.{name}": value for name, value in options.items()},
        },
    )


def act(client: Any) -> None:
    """Create, read, update and delete a record of each resource."""
    for path, body in (
        ("/v0/mushrooms", {"data": {"name": "cep"}}),
        ("/v0/spores", {"data": {"size": 1}}),
    ):
        record = client.post_json(path, body, headers=AUTH, status=201).json["data"]
        uri = f"{path}/{record['id']}"
        client.get(uri, headers=AUTH)
        client.put_json(uri, body, headers=AUTH)
        client.delete(uri, headers=AUTH)


def actions(events: Any) -> set[Any]:
    return {event.payload["action"] for event in events}


def names(events: Any) -> set[Any]:
    return {event.payload["resource_name"] for event in events}


# Names


@pytest.mark.clause("S-15.1", "S-15.2", "P-23.2")
def test_a_dotted_module_has_the_settings_of_its_last_component(listener: ModuleType) -> None:
    act(listened_to())

    assert listener.prefixes == ["event_listeners.journal."]
    assert listener.told != []


@pytest.mark.clause("S-15.2")
@pytest.mark.setting("event_listeners", "event_listeners.{name}.use")
def test_an_alias_has_the_settings_of_its_own_name(listener: ModuleType) -> None:
    client = make_app(
        [Mushroom, Spore],
        settings={
            "event_listeners": "diary",
            "event_listeners.diary.use": "woodland.journal",
            "event_listeners.diary.actions": "delete",
            "event_listeners.journal.actions": "create",
        },
    )
    act(client)

    assert listener.prefixes == ["event_listeners.diary."]
    assert actions(listener.told) == {"delete"}


@pytest.mark.clause("S-15.2")
@pytest.mark.parametrize("alias", ["json", "woodland"])
def test_an_alias_may_be_the_name_of_a_package(listener: ModuleType, alias: str) -> None:
    client = make_app(
        [Mushroom, Spore],
        settings={"event_listeners": alias, f"event_listeners.{alias}.use": "woodland.journal"},
    )
    act(client)

    assert listener.prefixes == [f"event_listeners.{alias}."]
    assert listener.told != []


@pytest.mark.clause("S-15.1", "P-35.18")
@pytest.mark.parametrize(
    "value", ["woodland.journal other", "woodland.journal\nother", ("woodland.journal", "other")]
)
def test_several_listeners_may_be_given(listener: ModuleType, value: str | tuple[Any, ...]) -> None:
    client = make_app(
        [Mushroom],
        settings={"event_listeners": value, "event_listeners.other.use": "woodland.journal"},
    )
    client.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)

    assert listener.prefixes == ["event_listeners.journal.", "event_listeners.other."]
    assert len(listener.told) == 2


@pytest.mark.clause("S-15.1")
def test_the_name_that_the_published_page_mentions_has_no_effect(listener: ModuleType) -> None:
    act(make_app([Mushroom, Spore], settings={"event_handlers": "woodland.journal"}))
    assert listener.told == []


@pytest.mark.clause("S-23.13")
def test_listeners_after_one_that_reads_only_are_set_up(listener: ModuleType) -> None:
    client = make_app(
        [Mushroom, Spore],
        settings={
            "event_listeners": "first second",
            "event_listeners.first.use": "woodland.journal",
            "event_listeners.first.actions": "read",
            "event_listeners.second.use": "woodland.journal",
            "event_listeners.second.actions": "create",
        },
    )
    act(client)

    assert actions(listener.told) == {"read", "create"}


# Faults


@pytest.mark.clause("S-15.2", "S-22")
@pytest.mark.parametrize("name", ["diary", "json", "woodland.diary"])
def test_an_alias_that_stands_for_nothing_fails_at_the_start(
    listener: ModuleType, name: str
) -> None:
    with pytest.raises(KeyError, match=rf"event_listeners\.{name}\.use"):
        make_app(settings={"event_listeners": name})


@pytest.mark.clause("S-22")
def test_an_alias_of_an_unknown_module_fails_at_the_start() -> None:
    settings = {"event_listeners": "diary", "event_listeners.diary.use": "woodland.nowhere"}
    with pytest.raises(ImportError, match="woodland"):
        make_app(settings=settings)


@pytest.mark.clause("S-23.14")
@pytest.mark.parametrize("error", ["AttributeError", "ImportError", "KeyError"])
def test_an_error_of_a_listener_is_told_as_it_is(
    write_module: Callable[..., Any], error: str
) -> None:
    write_module(
        "woodland.broken", f"def load_from_config(config, prefix):\n    raise {error}('mine')\n"
    )
    with pytest.raises(getattr(__import__("builtins"), error), match="mine"):
        make_app(settings={"event_listeners": "woodland.broken"})


@pytest.mark.clause("S-23.14")
def test_an_import_that_a_listener_lacks_is_told_as_it_is(write_module: Callable[..., Any]) -> None:
    write_module("woodland.broken", "import woodland_driver\n")
    with pytest.raises(ImportError, match="woodland_driver"):
        make_app(settings={"event_listeners": "woodland.broken"})


@pytest.mark.clause("S-15.2")
def test_an_alias_may_be_the_name_of_a_package_that_cannot_be_imported(
    listener: ModuleType, write_module: Callable[..., Any]
) -> None:
    write_module("woodland_client", "import woodland_driver\n")
    settings = {
        "event_listeners": "woodland_client",
        "event_listeners.woodland_client.use": "woodland.journal",
    }
    make_app(settings=settings)

    assert listener.prefixes == ["event_listeners.woodland_client."]


@pytest.mark.clause("S-23.24")
@pytest.mark.parametrize(
    "value", ["woodland.journal journal", "journal woodland.journal", "woodland.journal b.journal"]
)
def test_two_listeners_do_not_share_their_settings(
    listener: ModuleType, write_module: Callable[..., Any], value: str
) -> None:
    write_module("b.journal", LISTENER)
    settings = {"event_listeners": value, "event_listeners.journal.use": "woodland.journal"}

    with pytest.raises(ConfigurationError, match=r"event_listeners\.journal\.\*") as raised:
        make_app(settings=settings)

    for name in value.split():
        assert f"'{name}'" in str(raised.value)


@pytest.mark.clause("S-15.4", "S-22")
def test_an_unknown_action_fails_at_the_start(listener: ModuleType) -> None:
    with pytest.raises(ValueError, match="'burn' is not a valid ACTIONS"):
        listened_to(actions="create burn")


# What is told


@pytest.mark.clause("S-15.4")
def test_by_default_changes_are_told(listener: ModuleType) -> None:
    act(listened_to())
    assert actions(listener.told) == {"create", "update", "delete"}


@pytest.mark.clause("S-15.4")
@pytest.mark.setting("event_listeners.{name}.actions")
@pytest.mark.parametrize(
    "expected", [{"create"}, {"read"}, {"read", "delete"}, {"create", "update", "delete", "read"}]
)
def test_the_actions_asked_for_are_told(listener: ModuleType, expected: set[Any]) -> None:
    act(listened_to(actions=" ".join(expected)))
    assert actions(listener.told) == expected


@pytest.mark.clause("S-15.5")
@pytest.mark.setting("event_listeners.{name}.resources")
@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("mushroom", {"mushroom"}),
        ("mushroom spore", {"mushroom", "spore"}),
        ("", {"mushroom", "spore"}),
        ("lichen", set()),
    ],
)
def test_the_resources_asked_for_are_told(
    listener: ModuleType, resources: str, expected: set[Any]
) -> None:
    act(listened_to(resources=resources, actions="create read"))
    assert names(listener.told) == expected


@pytest.mark.clause("S-15.3")
def test_a_listener_is_told_before_the_commit(listener: ModuleType) -> None:
    act(listened_to(actions="create read"))
    assert {type(event) for event in listener.told} == {ResourceChanged, ResourceRead}


@pytest.mark.clause("P-34.6")
def test_a_listener_that_acts_outside_the_transaction_is_told_after_it(
    write_module: Callable[..., Any],
) -> None:
    write_module("woodland.journal", OUTSIDE_LISTENER)
    act(listened_to(actions="create read"))

    told = importlib.import_module("woodland.journal").told
    assert {type(event) for event in told} == {AfterResourceChanged, AfterResourceRead}


@pytest.mark.clause("P-34.6")
@pytest.mark.setting("event_listeners.{name}.before_commit")
def test_a_listener_that_acts_outside_may_be_told_before_the_commit(
    write_module: Callable[..., Any],
) -> None:
    write_module("woodland.journal", OUTSIDE_LISTENER)
    act(listened_to(actions="create read", before_commit="true"))

    told = importlib.import_module("woodland.journal").told
    assert {type(event) for event in told} == {ResourceChanged, ResourceRead}


# The base class


@pytest.mark.clause("P-23.1")
def test_the_base_class_takes_anything_and_does_nothing() -> None:
    listener = ListenerBase(1, two=2)

    with pytest.raises(NotImplementedError):
        listener(object())
    assert listener.after_commit is False


# Predicates


def event_of(**payload: Any) -> Any:
    return SimpleNamespace(payload=payload)


@pytest.mark.clause("P-21.12")
def test_actions_may_be_given_as_members_or_as_words() -> None:
    predicate = EventActionFilter(iter([ACTIONS.CREATE, "read"]), None)  # type: ignore[arg-type]

    assert predicate(event_of(action="create"))
    assert predicate(event_of(action="read"))
    assert not predicate(event_of(action="delete"))


@pytest.mark.clause("P-21.12")
def test_no_name_of_a_resource_means_all() -> None:
    assert EventResourceFilter([], None)(event_of(resource_name="mushroom"))
    assert not EventResourceFilter(["spore"], None)(event_of(resource_name="mushroom"))


@pytest.mark.clause("P-21.12")
def test_events_that_do_not_say_pass() -> None:
    assert EventActionFilter(["create"], None)(event_of())
    assert EventResourceFilter(["spore"], None)(event_of())


@pytest.mark.clause("P-21.12")
@pytest.mark.parametrize("predicate", [EventActionFilter, EventResourceFilter])
def test_predicates_say_what_they_are(predicate: type[Any]) -> None:
    one, same, other = (predicate(words, None) for words in (["read"], ["read"], ["create"]))

    assert one.phash() == same.phash() != other.phash()
    assert "read" in one.phash()
    assert one.text() == one.phash()


@pytest.mark.clause("P-21.12")
def test_a_subscriber_may_use_both_predicates() -> None:
    told = []
    client = make_app(
        [Mushroom, Spore],
        configure=lambda config: config.add_subscriber(
            told.append,
            ResourceChanged,
            for_actions=(ACTIONS.CREATE, "delete"),
            for_resources=("mushroom",),
        ),
    )
    act(client)

    assert actions(told) == {"create", "delete"}
    assert names(told) == {"mushroom"}


@pytest.mark.clause("P-21.12")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("creat",),
            "for_actions: 'creat' is not a valid ACTIONS; allowed: create, delete, read, update; "
            "did you mean 'create'?",
        ),
        (
            (ACTIONS.READ, "burn"),
            "for_actions: 'burn' is not a valid ACTIONS; allowed: create, delete, read, update.",
        ),
        ("create", "for_actions is the text 'create'; allowed: a tuple, as in ('create',)."),
    ],
)
def test_an_unknown_action_is_named_with_those_that_exist(given: object, said: str) -> None:
    config = Configurator(settings=MEMORY_BACKENDS)
    initialize(config, version="0.0.1", project_name="testapp")
    config.add_subscriber(lambda event: None, ResourceChanged, for_actions=given)

    with pytest.raises(Exception, match=re.escape(said)):
        config.commit()


@pytest.mark.clause("P-21.13", "P-2.6")
def test_a_subscriber_that_uses_them_may_be_added_before_they_exist() -> None:
    config = Configurator(settings=MEMORY_BACKENDS)
    config.add_subscriber(lambda event: None, ResourceChanged, for_actions=("create",))

    initialize(config, version="0.0.1", project_name="testapp")


@pytest.mark.clause("P-21.13")
def test_a_subscriber_that_uses_them_cannot_be_committed_before_they_exist() -> None:
    config = Configurator(settings=MEMORY_BACKENDS)
    config.add_subscriber(lambda event: None, ResourceChanged, for_actions=("create",))

    with pytest.raises(ConfigurationError, match="for_actions"):
        config.commit()
