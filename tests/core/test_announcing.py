"""Subscribers are told in the way of the registry, with fewer questions."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.interfaces import INewRequest
from pyramid.registry import Registry
from pyramid.request import Request

from cliquet.core import announcing


class OwnRegistry(Registry):
    """The registry of an application that wants to know of each event."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def notify(self, *events: Any) -> None:
        self.told.extend(events)


class Asks:
    """A predicate of subscribers on the path."""

    def __init__(self, path: str, config: Any) -> None:
        self.path = path

    def text(self) -> str:
        return self.path

    phash = text

    def __call__(self, event: Any) -> bool:
        return bool(event.request.path == self.path)


def test_those_are_told_whom_the_registry_would_tell() -> None:
    told: list[Any] = []
    config = Configurator()
    config.add_subscriber_predicate("at", Asks)
    config.add_subscriber(lambda event: told.append("class"), NewRequest)
    config.add_subscriber(lambda event: told.append("interface"), INewRequest)
    config.add_subscriber(lambda event: told.append("any"))
    config.add_subscriber(lambda event: told.append("at"), NewRequest, at="/a")
    config.commit()

    for path in ("/a", "/b"):
        event = NewRequest(Request.blank(path))
        config.registry.notify(event)
        by_registry = told.copy()
        told.clear()
        announcing.tell(config.registry, event)

        assert told == by_registry
        assert ("at" in told) is (path == "/a")
        told.clear()


def test_an_error_of_a_subscriber_is_raised() -> None:
    def fail(event: Any) -> None:
        raise LookupError

    config = Configurator()
    config.add_subscriber(fail, NewRequest)
    config.commit()

    with pytest.raises(LookupError):
        announcing.tell(config.registry, NewRequest(None))


def test_without_subscribers_nothing_happens() -> None:
    announcing.tell(Registry(), NewRequest(None))


def test_a_registry_of_the_application_tells_in_its_own_way() -> None:
    event, own, replaced = NewRequest(None), OwnRegistry(), Registry()
    told: list[Any] = []
    replaced.notify = told.append

    announcing.tell(own, event)
    announcing.tell(replaced, event)

    assert own.told == told == [event]
