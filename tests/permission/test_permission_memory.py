"""The permission backend in memory: the contract, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from support.configured import config_of

from cliquet.connections.memory import TransactionalMap
from cliquet.permission import memory
from cliquet.permission.memory import Permission
from cliquet.testing.bounded import Threads, run_until
from cliquet.testing.permission import PermissionContract
from cliquet.testing.transactions import request_transaction


@pytest.fixture
def permission() -> Permission:
    return Permission()


class TestMemoryPermission(PermissionContract):
    pass


@pytest.mark.clause("S-11.1", "B-0.4")
def test_loaded_from_config() -> None:
    config = config_of({})
    assert isinstance(memory.load_from_config(config), Permission)


@pytest.mark.clause("B-16.2")
def test_two_backends_share_nothing(permission: Permission) -> None:
    other = Permission()
    permission.add_user_principal("alice", "group")
    permission.add_principal_to_ace("/o/1", "read", "alice")
    assert other.user_principals("alice") == set()
    assert other.object_permissions("/o/1") == {}


def _everything(permission: Permission) -> list[object]:
    maps: list[TransactionalMap[str, Any]] = [permission._groups, permission._aces]
    maps += [permission._members._maps, permission._accessible._maps]
    return [item for kept in maps for item in kept.items()]


@pytest.mark.clause("B-22.9")
def test_reading_leaves_no_trace(permission: Permission) -> None:
    for number in range(10):
        permission.user_principals(f"user-{number}")
        permission.object_permissions(f"/o/{number}")
        permission.check_permission(f"/o/{number}", "read", [f"user-{number}"])
        permission.principals_accessible_objects([f"user-{number}"], "read")
    assert _everything(permission) == []


@pytest.mark.clause("B-22.9", "B-15.5", "B-22.30")
def test_what_is_removed_leaves_no_trace(permission: Permission) -> None:
    permission.add_user_principal("alice", "group")
    permission.remove_user_principal("alice", "group")
    permission.add_user_principal("alice", "group")
    permission.remove_principal("group")
    permission.add_principal_to_ace("/o/1", "read", "alice")
    permission.remove_principal_from_ace("/o/1", "read", "alice")
    permission.replace_object_permissions("/o/2", {"read": ["alice", "bob"]})
    permission.delete_object_permissions("/o/2")
    with request_transaction() as request:
        permission.add_principal_to_ace("/o/3", "read", "carol")
        request.abort()
    assert _everything(permission) == []


@pytest.mark.clause("B-22.9", "X-18")
def test_request_that_empties_and_refills_then_aborts_keeps_the_index(
    permission: Permission,
) -> None:
    permission.add_principal_to_ace("/o/1", "read", "alice")
    permission.add_user_principal("alice", "group")
    before = _everything(permission)
    with request_transaction() as request:
        permission.flush()
        permission.add_principal_to_ace("/o/2", "read", "alice")
        permission.add_user_principal("bob", "group")
        request.abort()
    assert _everything(permission) == before
    assert permission.get_accessible_objects(["alice"]) == {"/o/1": {"read"}}
    permission.remove_principal("group")
    assert permission.user_principals("alice") == set()


@pytest.mark.clause("B-22.12", "B-23.14")
@pytest.mark.parametrize(
    "operation",
    [
        lambda backend: backend.object_permissions("/o/7"),
        lambda backend: backend.get_objects_permissions(["/o/7", "/o/8"]),
        lambda backend: backend.check_permission("/o/7", "read", ["alice"]),
        lambda backend: backend.replace_object_permissions("/o/7", {"read": ["bob"]}),
        lambda backend: backend.add_principal_to_ace("/o/7", "write", "bob"),
        lambda backend: backend.remove_principal_from_ace("/o/7", "read", "user-7"),
        lambda backend: backend.delete_object_permissions("/o/7"),
        lambda backend: backend.user_principals("user-7"),
        lambda backend: backend.add_user_principal("user-7", "other"),
        lambda backend: backend.remove_user_principal("user-7", "group"),
    ],
)
def test_cost_of_one_object_or_user_does_not_depend_on_the_others(
    monkeypatch: pytest.MonkeyPatch, operation: Callable[[Permission], object]
) -> None:
    visited: list[int] = []

    class CountingMap(TransactionalMap[str, object]):
        def items(self) -> list[tuple[str, object]]:
            visited.append(len(self._data))
            return super().items()

        def get(self, key: str) -> object | None:
            visited.append(1)
            return super().get(key)

    monkeypatch.setattr(memory.permission, "TransactionalMap", CountingMap)

    def cost(others: int) -> int:
        backend = Permission()
        for number in range(others):
            backend.add_user_principal(f"user-{number}", "group")
            backend.replace_object_permissions(f"/o/{number}", {"read": [f"user-{number}", "all"]})
        visited.clear()
        operation(backend)
        return sum(visited)

    assert cost(10) == cost(100)


@pytest.mark.clause("B-23.14", "B-22.12")
def test_accessible_objects_visit_those_of_the_principals_only(permission: Permission) -> None:
    for number in range(20):
        permission.add_principal_to_ace(f"/o/{number}", "read", f"user-{number}")
    assert len(permission._accessible.items("user-7")) == 1
    assert permission.principals_accessible_objects(["user-7"], "read") == {"/o/7"}


@pytest.mark.clause("X-18", "B-21.37")
def test_several_objects_are_read_as_one_request_left_them(permission: Permission) -> None:
    ids = [f"/o/{number}" for number in range(10)]
    done = Event()

    def write() -> None:
        try:
            for turn in range(100):
                with request_transaction():
                    for object_id in ids:
                        permission.replace_object_permissions(object_id, {"read": [str(turn)]})
        finally:
            done.set()

    def mixtures() -> int:
        count = 0
        for _ in run_until(done):
            answers = permission.get_objects_permissions(ids)
            count += answers != [answers[0]] * len(ids)
        return count

    interval_seconds = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Threads(2) as pool:
            reading = pool.submit(mixtures)
            pool.submit(write).result()
            assert reading.result() == 0
    finally:
        sys.setswitchinterval(interval_seconds)
