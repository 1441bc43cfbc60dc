"""A method that stands for others is used until an application has one of these of its own."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any
from unittest import mock

import pytest

from cliquet.core.shortcuts import Shortcut, bound_to
from cliquet.monitoring.calls import Function, observe_object
from cliquet.storage.atomicity import creates_at_once
from cliquet.storage.memory import Storage
from cliquet.storage.published import PublishedStorage


class Base:
    def write(self) -> str:
        return "".join([self.first(), self.second()])

    def first(self) -> str:
        return "1"

    def second(self) -> str:
        return "2"


class Unchanged(Base):
    """Has nothing that the shortcut is about."""


class Whole(Base):
    """Was written by who knew them all."""

    def write(self) -> str:
        return "ab"

    def first(self) -> str:
        return "a"


class Renewing(Whole):
    def write(self) -> str:
        return "AB"


class Changing(Whole):
    def second(self) -> str:
        return "B"


class Renewed(Changing, Renewing):
    """Of two parents, the first of which does not know the shortcut of the second."""


class Lacking:
    def write(self) -> str:
        return ""


class Decorated(Base):
    """Its methods are decorated themselves, as those of backends that translate errors."""

    @functools.wraps(Base.first)
    def first(self) -> str:
        return Base.first(self)

    @functools.wraps(Base.write)
    def write(self) -> str:
        return Base.write(self)


class Proxy:
    """Hands everything over, whatever becomes of it there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(Base(), name)


def observed(target: Any) -> Any:
    def observer(kind: str, owner: str, method: str, function: Function) -> Function:
        @functools.wraps(function)
        def called(*args: Any) -> Any:
            return function(*args)

        return called

    return observe_object(target, [observer], kind="storage", owner="test")


def with_own(target: Any, name: str) -> Any:
    setattr(target, name, lambda: "own")
    return target


def shortcut(*, stands_alone: bool = True) -> Shortcut:
    return Shortcut("write", "first", "second", stands_alone=stands_alone)


def calls_of(function: Any, operation: Callable[[], Any]) -> int:
    """Return how often a function is called while an operation runs."""
    count = 0

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is function.__code__

    sys.setprofile(watch)
    try:
        operation()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.clause("B-15.10", "B-20.4")
@pytest.mark.parametrize(
    ("make", "is_open", "if_not_alone"),
    [
        (Base, True, True),
        (Unchanged, True, True),
        (Whole, True, True),
        (Renewing, True, False),
        (Changing, False, False),
        (Renewed, False, False),
        (Lacking, False, False),
        (Proxy, False, False),
        (mock.Mock, False, False),
        (lambda: observed(Whole()), True, True),
        (lambda: observed(Decorated()), True, True),
        (lambda: observed(Changing()), False, False),
        (lambda: with_own(Base(), "other"), True, True),
        (lambda: with_own(Base(), "first"), False, False),
        (lambda: with_own(Base(), "write"), False, False),
        (lambda: observed(with_own(Base(), "second")), False, False),
        (lambda: with_own(observed(Base()), "second"), False, False),
    ],
)
def test_it_is_taken_where_nothing_that_it_stands_for_was_changed(
    make: Callable[[], Any], is_open: bool, if_not_alone: bool
) -> None:
    assert shortcut().is_open(make()) is is_open
    assert shortcut(stands_alone=False).is_open(make()) is if_not_alone


def test_a_class_is_looked_through_once() -> None:
    class Backend(Base):
        pass

    writes = shortcut()

    def ask() -> None:
        for _ in range(3):
            assert writes.is_open(Backend())

    assert calls_of(Shortcut._decide, ask) == 1


@pytest.mark.parametrize("make", [lambda: observed(Base()), lambda: observed(Decorated())])
def test_an_observed_object_is_looked_through_once(make: Callable[[], Any]) -> None:
    writes, backend = shortcut(), make()
    assert writes.is_open(backend)

    assert calls_of(bound_to, lambda: writes.is_open(backend)) == 0


def with_kept_write() -> Any:
    backend = Base()
    backend.write = backend.write
    return backend


@pytest.mark.parametrize("make", [lambda: observed(Base()), with_kept_write])
@pytest.mark.parametrize("value", [lambda: "own", None])
def test_what_is_replaced_on_an_observed_object_meanwhile_is_seen(
    make: Callable[[], Any], value: Any
) -> None:
    writes, backend = shortcut(), make()
    assert writes.is_open(backend)

    with mock.patch.object(backend, "first", value):
        assert not writes.is_open(backend)

    assert writes.is_open(backend)


def test_what_is_replaced_on_a_class_meanwhile_is_seen() -> None:
    class Backend(Base):
        pass

    writes, backend = shortcut(), Backend()
    assert writes.is_open(backend)

    with mock.patch.object(Backend, "first", return_value="own"):
        assert not writes.is_open(backend)
        assert writes.is_open(Unchanged())

    assert writes.is_open(backend)


@pytest.mark.parametrize("decorated", [True, False])
def test_what_is_replaced_on_a_class_of_the_library_counts(decorated: bool) -> None:
    storage = Storage()
    create: Any = mock.Mock()
    if decorated:
        create = functools.wraps(Storage.create)(lambda *args, **named: None)
    assert creates_at_once(storage)

    with mock.patch.object(PublishedStorage, "create", create):
        assert not creates_at_once(storage)

    assert creates_at_once(storage)


def test_what_is_replaced_on_one_object_is_its_own_affair() -> None:
    one, other, writes = Base(), Base(), shortcut()

    with mock.patch.object(one, "second", return_value="own"):
        assert (writes.is_open(one), writes.is_open(other)) == (False, True)

    assert writes.is_open(one)


def test_a_class_ends_with_the_application_that_made_it() -> None:
    class Backend(Base):
        pass

    writes, gone = shortcut(), weakref.ref(Backend)
    assert writes.is_open(Backend())

    del Backend
    gc.collect()

    assert gone() is None
