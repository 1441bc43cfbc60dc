"""Permissions in Redis: the contract's suite, and what is particular to them."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis as driver
from redis import Redis
from servers.redis import running_redis
from servers.starting import start_process
from support.configured import loading
from support.redis_support import keys_of, watching_commands

from cliquet.cache import redis as cache_redis
from cliquet.permission import PermissionBase, redis
from cliquet.permission.grants import UserPrincipal
from cliquet.storage import redis as storage_redis
from cliquet.storage.exceptions import BackendError
from cliquet.testing.permission import PermissionContract

NAMESPACE = "cliquet:permission:"
load = loading(redis, "permission")


@pytest.fixture
def permission(redis_client: Any) -> Any:
    return redis.Permission(redis_client)


class TestPermission(PermissionContract):
    """The suite."""


@pytest.mark.clause("B-16.3", "B-3.10", "S-11.1", "B-10.4")
def test_the_configuration_names_the_server_which_is_not_asked_yet() -> None:
    permission = load("redis://:secret@nowhere.example:7000/3")

    assert isinstance(permission, redis.Permission)
    assert permission.settings == {
        "host": "nowhere.example",
        "port": 7000,
        "password": "secret",
        "db": 3,
    }


# Keys


@pytest.mark.clause("B-22.28", "B-15.16")
def test_a_flush_removes_all_that_is_its_own_and_nothing_else(
    permission: PermissionBase, redis_client: Redis
) -> None:
    redis_client.set("foreign", 1)
    cache_redis.Cache(redis_client).set("key", "value")
    storage_redis.Storage(redis_client).create("mushroom", "alice", {})
    others = keys_of(redis_client)
    for name in ("", "a", "a:b", "*", "users", "é", "\x00", "\ud800"):
        permission.add_user_principal(name, "group")
        permission.add_principal_to_ace(name, "read", "alice")

    permission.flush()

    assert keys_of(redis_client) == others


@pytest.mark.clause("B-22.29", "B-15.5")
def test_what_is_taken_back_leaves_no_key(permission: PermissionBase, redis_client: Redis) -> None:
    permission.add_user_principal("alice", "group")
    permission.add_user_principal("bob", "group")
    permission.add_principal_to_ace("/o/1", "read", "alice")
    permission.replace_object_permissions("/o/1", {"write": ["bob"], "read": ["bob", "carol"]})
    permission.write_object_permissions("/o/2", {"read": ["dave"]}, "erin")
    permission.remove_user_principal("alice", "group")
    permission.remove_principal("group")
    permission.replace_object_permissions("/o/1", {"read": []})
    permission.remove_principal_from_ace("/o/1", "write", "bob")
    permission.delete_object_permissions("/o/2")

    assert keys_of(redis_client) == set()


ODD_NAMES = ["", ":", "1:", "a:b", "1:a:b", "a", "b", "é", "\x00", "\ud800", "*", "a*", "[a]"]


@pytest.mark.clause("B-22.35", "B-22.13", "B-22.41", "B-15.13")
def test_objects_and_permissions_never_interfere_whatever_their_names(
    permission: PermissionBase,
) -> None:
    expected = {}
    for object_id in ODD_NAMES:
        for name in ODD_NAMES:
            principal = f"{object_id}|{name}"
            permission.add_principal_to_ace(object_id, name, principal)
            expected.setdefault(object_id, {})[name] = {principal}

    for object_id, aces in expected.items():
        assert permission.object_permissions(object_id) == aces
        for name in aces:
            held = permission.get_accessible_objects([f"{object_id}|{name}"])
            assert held == {object_id: {name}}


@pytest.mark.clause("B-22.35", "B-21.37")
def test_users_and_principals_never_interfere_whatever_their_names(
    permission: PermissionBase,
) -> None:
    for user in ODD_NAMES:
        for principal in ODD_NAMES:
            permission.add_user_principal(user, f"{user}|{principal}")
    permission.delete_object_permissions(*ODD_NAMES)

    for user in ODD_NAMES:
        assert permission.user_principals(user) == {f"{user}|{name}" for name in ODD_NAMES}


# Costs


def fill(permission: Any, number: Any) -> None:
    permission.flush()
    for n in range(number):
        permission.add_principal_to_ace(f"/o/{n}", "read", f"user {n}")
        permission.add_principal_to_ace(f"/o/{n}", "write", f"user {n}")
        permission.add_user_principal(f"user {n}", f"group {n}")
    permission.add_principal_to_ace("/o/1", "read", "alice")


def one_of_each(permission: Any) -> None:
    permission.add_user_principal("alice", "group")
    permission.user_principals("alice")
    permission.add_principal_to_ace("/o/1", "write", "alice")
    permission.object_permissions("/o/1")
    permission.get_objects_permissions(["/o/1", "/o/2"], ["read", "write"])
    permission.object_permission_principals("/o/1", "read")
    permission.check_permission("/o/1", "read", ["nobody", "alice"])
    permission.principals_accessible_objects(["alice"], "read", "/o/*")
    permission.replace_object_permissions("/o/1", {"read": ["alice", "bob"]})
    permission.write_object_permissions("/o/1", {"write": ["bob"]}, "alice")
    permission.remove_principal_from_ace("/o/1", "read", "alice")
    permission.delete_object_permissions("/o/1")
    permission.remove_principal("group")


@pytest.mark.clause("B-22.12", "B-23.13")
def test_what_one_object_or_user_costs_does_not_depend_on_the_others(
    permission: PermissionBase, redis_client: Redis
) -> None:
    runs = []
    # The first time, scripts are loaded.
    for number in (5, 5, 200):
        fill(permission, number)
        with watching_commands(redis_client) as commands:
            one_of_each(permission)
        runs.append(Counter((command.name, command.key) for command in commands))

    assert runs[1] == runs[2]
    assert not {name for name, _ in runs[2]} & {"KEYS", "SCAN", "SSCAN"}
    # The sets of all users and of all objects are not read.
    read = {key.removeprefix(NAMESPACE) for name, key in runs[2] if name == "SMEMBERS"}
    assert not read & {"users", "objects"}


BOUND = [("/o/1", "write"), ("/o/1", "read"), ("/o", "write")]


@pytest.mark.clause("B-16.5", "B-20.4", "B-21.37")
@pytest.mark.parametrize(
    "call",
    [
        lambda one: one.check_permission("/o/1", "read", ["a", "b", "c"], lambda *_: BOUND),
        lambda one: one.object_permission_authorized_principals("/o/1", "x", lambda *_: BOUND),
        lambda one: one.get_objects_permissions(["/o/1", "/o/2", "/o/3"]),
        lambda one: one.object_permissions("/o/1"),
        lambda one: one.write_object_permissions("/o/1", {"read": ["a"], "x": []}, "b"),
        lambda one: one.replace_object_permissions("/o/1", {"read": ["a"], "x": ["b", "c"]}),
        lambda one: one.write_object_permissions("/o/1", {"read": ["a"]}, "b", is_new=True),
        lambda one: one.take_object_permissions(["/o/1", "/o/2", "/o/3"]),
        lambda one: one.delete_object_permissions("/o/1", "/o/2", "/o/3"),
        lambda one: one.user_principals("alice"),
        lambda one: one.remove_principal("group"),
    ],
)
def test_each_call_is_one_round_trip(
    permission: PermissionBase, redis_client: Redis, call: Callable[..., Any]
) -> None:
    fill(permission, 3)
    call(permission)

    with watching_commands(redis_client) as commands:
        call(permission)

    assert len([command for command in commands if not command.is_of_a_script]) == 1


@pytest.mark.clause("B-20.4")
def test_the_aces_returned_by_a_write_are_those_that_are_stored(permission: Any) -> None:
    permission.replace_object_permissions("/o/1", {"read": ["alice"], "x": ["bob"]})

    written = permission.write_object_permissions(
        "/o/1", {"read": ["carol"], "x": ()}, "dave"
    ).after

    assert written == {"read": {"carol"}, "write": {"dave"}}
    assert permission.object_permissions("/o/1") == written
    assert permission.write_object_permissions("/o/2", {}).after == {}
    with pytest.raises(TypeError):
        permission.write_object_permissions("/o/1", {"read": []}, 5)
    assert permission.object_permissions("/o/1") == written


# Failures


@pytest.mark.clause("B-2.5", "B-22.40", "B-2.6")
@pytest.mark.usefixtures("processes")
def test_every_call_fails_as_a_backend_does_when_the_server_is_down() -> None:
    with running_redis() as url:
        pass
    permission = load(url)
    calls = {
        "flush": permission.flush,
        "add_user_principal": lambda: permission.add_user_principal("a", "b"),
        "remove_user_principal": lambda: permission.remove_user_principal("a", "b"),
        "remove_principal": lambda: permission.remove_principal("b"),
        "user_principals": lambda: permission.user_principals("a"),
        "add_principal_to_ace": lambda: permission.add_principal_to_ace("/o", "read", "a"),
        "remove_principal_from_ace": (
            lambda: permission.remove_principal_from_ace("/o", "read", "a")
        ),
        "object_permission_principals": (
            lambda: permission.object_permission_principals("/o", "read")
        ),
        "principals_accessible_objects": (
            lambda: permission.principals_accessible_objects(["a"], "read")
        ),
        "get_accessible_objects": lambda: permission.get_accessible_objects(["a"]),
        "authorized": lambda: permission.object_permission_authorized_principals("/o", "read"),
        "check_permission": lambda: permission.check_permission("/o", "read", ["a"]),
        "object_permissions": lambda: permission.object_permissions("/o"),
        "get_objects_permissions": lambda: permission.get_objects_permissions(["/o"]),
        "replace": lambda: permission.replace_object_permissions("/o", {"read": ["a"]}),
        "write": lambda: permission.write_object_permissions("/o", {}, "a"),
        "delete": lambda: permission.delete_object_permissions("/o"),
        "delete all": lambda: permission.delete_object_permissions("*"),
        "export": lambda: list(permission.export()),
        "import_": lambda: permission.import_([UserPrincipal("a", "b")], []),
    }
    for name, call in calls.items():
        with pytest.raises(BackendError) as raised:
            call()
        assert isinstance(raised.value.original, driver.ConnectionError), name


CHURN = """
import itertools
import sys

import redis

from cliquet.permission.redis import Permission

permission = Permission(redis.Redis.from_url(sys.argv[1]))
for n in itertools.count():
    permission.add_user_principal(f"user {n % 7}", f"group {n % 3}")
    permission.replace_object_permissions(
        f"/o/{n % 5}", {"read": [f"user {n % 7}", f"user {n % 2}"], "write": [f"user {n % 3}"]}
    )
    permission.remove_principal(f"group {n % 2}")
    if n % 3 == 0:
        permission.delete_object_permissions(f"/o/{n % 5}")
    print(n, flush=True)
"""


@pytest.mark.clause("B-5.20", "B-15.17")
def test_a_process_killed_at_any_point_leaves_both_directions_in_agreement(
    permission: PermissionBase, redis_client: Redis, redis_url: str
) -> None:
    process = start_process(
        [sys.executable, "-c", CHURN, redis_url], stdout=subprocess.PIPE, text=True
    )
    for _ in range(50):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    process.stdout.close()

    principals = [f"user {n}" for n in range(7)]
    aces = {f"/o/{n}": permission.object_permissions(f"/o/{n}") for n in range(5)}
    held = {
        (object_id, name, principal)
        for object_id, names in aces.items()
        for name, members in names.items()
        for principal in members
    }
    assert held == {
        (object_id, name, principal)
        for principal in principals
        for object_id, names in permission.get_accessible_objects([principal]).items()
        for name in names
    }
    groups = {user: permission.user_principals(user) for user in principals}
    for group in (f"group {n}" for n in range(3)):
        members = {name.decode() for name in redis_client.smembers(f"{NAMESPACE}members:{group}")}
        assert members == {user for user, names in groups.items() if group in names}
    permission.flush()
    assert keys_of(redis_client) == set()


@pytest.mark.clause("B-10.4", "B-21.35", "B-2.5")
def test_a_thread_that_waits_too_long_for_a_connection_gets_a_backend_error(redis_url: str) -> None:
    permission = load(redis_url, permission_pool_size=1, permission_pool_timeout=0.05)

    with permission._client.client(), pytest.raises(BackendError):
        permission.user_principals("alice")

    assert permission.user_principals("alice") == set()
