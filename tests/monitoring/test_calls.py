"""Objects whose calls are observed, and that stay what they are for everybody else."""

import copy
from typing import Any
from unittest import mock

import pytest

from cliquet.monitoring.calls import observe_object


class Base:
    def inherited(self) -> str:
        return "inherited"


class Backend(Base):
    """Has attributes of every kind."""

    flag = True

    def __init__(self) -> None:
        self.state = 1

    def read(self, number: int = 2) -> Any:
        return number * self.state

    def read_twice(self) -> Any:
        return self.read() + self.read()

    def fail(self) -> None:
        raise KeyError("secret")

    @classmethod
    def of_class(cls) -> Any:
        return cls.flag

    @staticmethod
    def of_nobody() -> str:
        return "static"

    @property
    def costly(self) -> None:
        raise RuntimeError("evaluated")

    def _private(self) -> str:
        return "private"


@pytest.fixture
def calls() -> list[Any]:
    return []


@pytest.fixture
def backend() -> Any:
    return Backend()


@pytest.fixture
def observed(backend: Any, calls: list[Any]) -> Any:
    def observer(kind: Any, owner: Any, method: Any, function: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            calls.append((kind, owner, method))
            return function(*args, **kwargs)

        noted.__wrapped__ = function  # type: ignore[attr-defined]
        return noted

    return observe_object(backend, [observer], kind="storage", owner="me")


@pytest.mark.clause("S-20.3", "B-19.10")
def test_public_methods_are_observed_and_nothing_else(observed: Any, calls: list[Any]) -> None:
    assert observed.read(number=5) == 5
    assert observed.inherited() == "inherited"
    assert observed.of_class() is True
    with pytest.raises(KeyError, match="secret"):
        observed.fail()
    assert (observed.of_nobody(), observed._private()) == ("static", "private")
    assert (observed.flag, observed.state) == (True, 1)

    assert calls == [("storage", "me", name) for name in ("read", "inherited", "of_class", "fail")]


@pytest.mark.clause("P-34.25")
def test_properties_are_evaluated_when_they_are_asked_for(observed: Any) -> None:
    with pytest.raises(RuntimeError, match="evaluated"):
        _ = observed.costly


def test_what_an_object_calls_on_itself_is_not_observed(observed: Any, calls: list[Any]) -> None:
    assert observed.read_twice() == 4

    assert [method for _, _, method in calls] == ["read_twice"]


@pytest.mark.clause("P-4.1")
def test_it_passes_for_an_instance_of_its_class(observed: object, backend: Backend) -> None:
    assert isinstance(observed, Backend)
    assert observed.__class__ is Backend
    assert repr(backend) in repr(observed)
    assert copy.copy(observed).read() == 2


def test_attributes_are_those_of_the_object(observed: Any, backend: Any) -> None:
    observed.state = 3
    observed.new = "new"

    assert (backend.state, backend.new, observed.read(1)) == (3, "new", 3)
    del observed.new
    assert not hasattr(backend, "new")


def test_methods_can_be_replaced_and_put_back(
    observed: Any, backend: Backend, calls: list[Any]
) -> None:
    with mock.patch.object(observed, "read", return_value="replaced"):
        assert observed.read() == "replaced"
    with mock.patch.object(observed, "_private", return_value="replaced"):
        assert backend._private() == "replaced"

    assert (observed.read(), backend._private()) == (2, "private")
    assert len(calls) == 1
    del observed.read
    assert observed.read.__self__ is backend
