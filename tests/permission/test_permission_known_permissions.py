"""What a request knows of permissions already."""

from collections.abc import Callable
from typing import Any

import pytest

from cliquet.monitoring.statsd import Timer
from cliquet.permission import PermissionBase
from cliquet.permission.known_permissions import (
    KnownPermissions,
    checks_what_it_lists,
    takes_at_once,
    writes_at_once,
)
from cliquet.permission.memory import Permission
from cliquet.testing.faults import FaultyBackend


class Watched(Permission):
    """Writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def object_permissions(self, object_id: Any, permissions: Any = None) -> Any:
        self.asked.append("list")
        return super().object_permissions(object_id, permissions)

    def check_permission(
        self, object_id: Any, permission: Any, principals: Any, get_bound_permissions: Any = None
    ) -> Any:
        self.asked.append("check")
        return super().check_permission(object_id, permission, principals, get_bound_permissions)


@pytest.fixture
def backend() -> Watched:
    backend = Watched()
    backend.add_principal_to_ace("/o", "read", "alice")
    backend.add_principal_to_ace("/parent", "write", "bob")
    return backend


@pytest.fixture
def known() -> Any:
    return KnownPermissions()


def inherited(object_id: Any, permission: Any) -> list[Any]:
    return [(object_id, permission), ("/parent", "write")]


def check(
    known: Any, backend: Any, principal: Any, *, bound: Any = None, lists_object: bool = True
) -> Any:
    return known.check(backend, "/o", "read", [principal], bound, lists_object=lists_object)


@pytest.mark.clause("B-15.10", "H-5.9")
@pytest.mark.parametrize("lists_object", [False, True])
@pytest.mark.parametrize("bound", [None, inherited, lambda *_: [], lambda *_: [("/parent", "x")]])
@pytest.mark.parametrize("principal", ["alice", "bob", "carol"])
def test_the_answer_is_that_of_the_backend(
    backend: PermissionBase,
    known: KnownPermissions,
    lists_object: bool,
    bound: Callable[..., Any] | None,
    principal: str,
) -> None:
    expected = backend.check_permission("/o", "read", [principal], bound)

    for _ in range(2):
        assert check(known, backend, principal, bound=bound, lists_object=lists_object) is expected


@pytest.mark.clause("B-20.7")
@pytest.mark.parametrize(
    ("principal", "lists_object", "asked"),
    [
        ("alice", True, ["list"]),
        ("bob", True, ["list", "check"]),
        ("alice", False, ["check"]),
        # A refusal is not kept.
        ("carol", True, ["list", "check", "check"]),
        ("carol", False, ["check", "check"]),
    ],
)
def test_what_is_known_is_not_asked_again(
    backend: Watched, known: object, principal: str, lists_object: bool, asked: list[Any]
) -> None:
    for _ in range(2):
        check(known, backend, principal, bound=inherited, lists_object=lists_object)

    assert backend.asked == asked


@pytest.mark.clause("B-20.7")
def test_what_was_granted_to_others_or_by_another_rule_is_asked(
    backend: Watched, known: object
) -> None:
    assert check(known, backend, "alice", lists_object=False)

    assert not check(known, backend, "bob", lists_object=False)
    assert not check(known, backend, "alice", bound=lambda *_: [], lists_object=False)
    assert backend.asked == ["check"] * 3


@pytest.mark.clause("X-23")
@pytest.mark.parametrize("changed", ["/o", "/parent"])
def test_what_concerns_a_changed_object_is_forgotten(backend: Watched, changed: str) -> None:
    granted = set()
    known, sibling = KnownPermissions(granted), KnownPermissions(granted)
    check(known, backend, "alice", bound=inherited, lists_object=False)

    KnownPermissions(granted).forget("/other")
    check(sibling, backend, "alice", bound=inherited, lists_object=False)
    assert backend.asked == ["check"]

    known.forget(changed)
    check(sibling, backend, "alice", bound=inherited, lists_object=False)
    assert backend.asked == ["check"] * 2


@pytest.mark.clause("D-62", "P-14.2")
def test_aces_are_those_of_the_record_that_they_were_read_with(known: Any) -> None:
    known.remember("/o", {"read": {"alice"}}, timestamp=5)

    assert known.aces("/o", 5) == {"read": {"alice"}}
    known.aces("/o", 5)["read"].clear()
    assert known.aces("/o", 5) == {"read": {"alice"}}
    assert known.aces("/o", 6) is None
    assert known.aces("/o", 5) is None


@pytest.mark.clause("P-14.2")
def test_aces_that_were_read_alone_serve_any_version_until_they_are_forgotten(
    known: KnownPermissions,
) -> None:
    for forget in (lambda: known.forget("/o"), known.forget_aces):
        known.remember("/o", {})
        assert known.aces("/o", 1) == known.aces("/o", 2) == {}
        assert known.aces("/p", 1) is None
        forget()
        assert known.aces("/o", 1) is None


# What an object turns out to have had


@pytest.mark.clause("D-62")
@pytest.mark.parametrize(
    ("had", "answer", "is_asked"),
    [
        ({"read": {"alice"}}, True, False),
        ({"read": {"alice", "bob"}}, True, True),
        ({"read": {"bob"}}, False, True),
        ({}, False, True),
    ],
)
def test_an_answer_is_judged_again_on_other_aces_than_it_relied_on(
    backend: PermissionBase,
    known: KnownPermissions,
    had: dict[str, Any],
    answer: bool,
    is_asked: bool,
) -> None:
    def ask() -> Any:
        asked.append(True)
        return known.check(backend, "/o", "read", ["alice"], None, lists_object=True)

    asked = []
    assert ask()
    known.forget_aces()
    backend.replace_object_permissions("/o", {"read": ["of the request itself"]})

    assert known.judge_again("/o", had, ask) is answer
    assert len(asked) - 1 == is_asked
    # What it has now must be read.
    assert known.aces("/o", 1) is None


@pytest.mark.clause("D-62", "X-24")
def test_what_is_refused_is_refused_again_when_the_operation_is_repeated(
    known: KnownPermissions, backend: PermissionBase
) -> None:
    def ask() -> bool:
        return known.check(backend, "/o", "read", ["alice"], None, lists_object=True)

    backend.replace_object_permissions("/o", {"read": ["alice"]})
    assert ask()
    backend.replace_object_permissions("/o", {"read": ["bob"]})

    for _ in range(3):
        assert not known.judge_again("/o", {"read": {"bob"}}, ask)
        assert not known.ask_again(ask, forgotten="/o")
    assert known.judge_again("/o", {"read": {"alice", "bob"}}, ask)


@pytest.mark.clause("D-62", "X-3")
def test_what_no_answer_relied_on_is_not_judged_again(known: KnownPermissions) -> None:
    assert known.judge_again("/o", {"read": {"bob"}}, lambda: False)


# Which backends it may be done for


class Administrable(Permission):
    def check_permission(
        self, object_id: Any, permission: Any, principals: Any, get_bound_permissions: Any = None
    ) -> bool:
        return "admin" in principals


class Discreet(Permission):
    def object_permissions(self, object_id: Any, permissions: Any = None) -> dict[Any, Any]:
        return {}


class Audited(Permission):
    def add_principal_to_ace(self, object_id: Any, permission: Any, principal: Any) -> None:
        super().add_principal_to_ace(object_id, permission, principal)


def timed(backend: Any) -> Any:
    """Wrap methods as the metrics do."""
    for name in ("check_permission", "object_permissions", "write_object_permissions"):
        timer = Timer(lambda milliseconds: None)
        setattr(backend, name, timer(getattr(backend, name)))
    return backend


def replaced(name: Any) -> Any:
    backend = Permission()
    setattr(backend, name, lambda *args, **kwargs: None)
    return backend


@pytest.mark.clause("B-15.10", "P-25.4")
@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (Permission(), True),
        (timed(Permission()), True),
        (Watched(), True),
        (Audited(), True),
        (replaced("add_user_principal"), True),
        (Administrable(), False),
        (timed(Administrable()), False),
        (Discreet(), False),
        (replaced("check_permission"), False),
        (replaced("object_permission_authorized_principals"), False),
        (replaced("object_permissions"), False),
        (FaultyBackend(Permission()), False),
        (object(), False),
    ],
)
def test_what_is_listed_is_judged_unless_the_check_may_say_more(
    backend: object, expected: bool
) -> None:
    assert checks_what_it_lists(backend) is expected


@pytest.mark.clause("B-20.4", "P-14.3")
@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (Permission(), True),
        (timed(Permission()), True),
        (Administrable(), True),
        (Audited(), False),
        (Discreet(), False),
        (replaced("replace_object_permissions"), False),
        (FaultyBackend(Permission()), False),
    ],
)
def test_permissions_are_written_at_once_unless_a_part_was_changed(
    backend: FaultyBackend | PermissionBase, expected: bool
) -> None:
    assert writes_at_once(backend) is expected


@pytest.mark.clause("D-62", "B-15.15")
@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (Permission(), True),
        (timed(Permission()), True),
        (replaced("delete_object_permissions"), False),
        (replaced("get_objects_permissions"), False),
        (FaultyBackend(Permission()), False),
    ],
)
def test_permissions_are_taken_at_once_unless_a_part_was_changed(
    backend: Permission | FaultyBackend, expected: bool
) -> None:
    assert takes_at_once(backend) is expected
