"""Permissions in Redis as a part of a request's transaction: the last one to write."""

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis as driver
from redis import Redis
from servers.redis import running_redis
from support.logged import capture_logs

from cliquet.connections.redis.partitions import Partitions
from cliquet.permission import PermissionBase
from cliquet.permission.known_permissions import KnownPermissions
from cliquet.permission.redis import Permission, joining
from cliquet.permission.redis import permission as permission_module
from cliquet.permission.redis.joining import BATCH
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.storage.common import in_another_thread
from cliquet.testing.transactions import request_transaction
from cliquet.transactions.own import OwnTransaction


@pytest.fixture
def permission(redis_client: Redis) -> Permission:
    return Permission(redis_client)


@pytest.fixture(params=[1, 64])
def spread(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Permission:
    """Permissions in one part, and in many, as in a cluster."""
    parts = partial(Partitions, number=request.param)
    monkeypatch.setattr(permission_module, "Partitions", lambda namespace, _: parts(namespace))
    return Permission(redis_client)


class Other:
    """Another part of a transaction, that commits last but one, as a database does."""

    def __init__(self, transaction: Any, vote: Any) -> None:
        self.transaction_manager = transaction._manager
        self.tpc_vote = lambda transaction: vote()
        transaction.join(self)

    def sortKey(self) -> str:  # noqa: N802
        return "~~cliquet.sql"

    def ignore(self, transaction: Any) -> None:
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = ignore


COMMITTING = b"cliquet:permission:committing"


class Refusal(Exception):
    pass


def refuse() -> None:
    raise Refusal


def locks(redis_client: Any) -> Any:
    return redis_client.keys("cliquet:permission:lock:*")


@pytest.mark.clause("X-30")
def test_nothing_is_written_before_all_others_have_committed(
    permission: PermissionBase, redis_client: Redis
) -> None:
    seen = []
    with request_transaction() as request:
        permission.write_object_permissions("/o", {"read": ["alice"]}, "bob")
        Other(request, lambda: seen.append(sorted(redis_client.keys("*"))))
        request.commit()

    claim, lock = b"cliquet:permission:claim:/o", b"cliquet:permission:lock:/o"
    assert seen == [[claim, COMMITTING, lock]]
    assert permission.object_permissions("/o") == {"read": {"alice"}, "write": {"bob"}}
    assert locks(redis_client) == []


@pytest.mark.clause("X-30")
def test_nothing_is_written_when_another_does_not_commit(
    permission: PermissionBase, redis_client: Redis
) -> None:
    with request_transaction() as request:
        permission.write_object_permissions("/o", {"read": ["alice"]}, "bob")
        permission.add_user_principal("alice", "group")
        Other(request, refuse)
        with pytest.raises(Refusal):
            request.commit()

    assert redis_client.keys("*") == []


@pytest.mark.clause("X-30", "B-18.9")
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "change",
    [
        lambda permission: permission.replace_object_permissions("/o", {"read": ["alice"]}),
        lambda permission: permission.add_user_principal("alice", "group"),
    ],
)
def test_a_server_that_is_down_is_noticed_before_anything_is_committed(
    change: Callable[..., Any],
) -> None:
    committed = []
    with running_redis() as url, driver.Redis.from_url(url) as redis_client:
        permission = Permission(redis_client)
        with request_transaction() as request:
            change(permission)
            Other(request, lambda: committed.append(True))
            redis_client.shutdown(nosave=True)
            with pytest.raises(BackendError):
                request.commit()

    assert committed == []


@pytest.mark.clause("X-30")
def test_of_two_requests_the_one_that_commits_later_writes_later(
    permission: PermissionBase, redis_client: Redis
) -> None:
    has_committed, may_go_on = threading.Event(), threading.Event()

    def first() -> None:
        def vote() -> None:
            has_committed.set()
            assert may_go_on.wait(60)

        with request_transaction() as request:
            permission.write_object_permissions("/o", {"read": ["first"]}, "first")
            Other(request, vote)
            request.commit()

    def second() -> Any:
        with request_transaction():
            wanted: dict[str, list[str]] = {"a": ["b"], "read": [], "write": []}
            change = permission.write_object_permissions("/o", wanted, "second")
        return change.before

    thread = Thread(target=first)
    thread.start()
    assert has_committed.wait(60)
    # Its storage has released the record: another may write it.
    befores = []
    other = Thread(target=lambda: befores.append(second()))
    other.start()
    other.join(0.2)
    assert other.is_alive()
    # Whoever changes something else is not concerned.
    in_another_thread(lambda: permission.replace_object_permissions("/p", {"read": ["x"]}))
    may_go_on.set()
    thread.join()
    other.join()

    assert befores == [{"read": {"first"}, "write": {"first"}}]
    assert permission.object_permissions("/o") == {"a": {"b"}, "write": {"second"}}
    assert locks(redis_client) == []


@pytest.mark.clause("X-30", "B-22.10")
def test_who_dies_before_writing_is_not_waited_for_for_ever(
    permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "LEASE_MS", 200)
    permission._changes.lock("of a process that is no more", ["/o"])

    with request_transaction():
        permission.write_object_permissions("/o", {}, "alice")

    assert permission.object_permissions("/o") == {"write": {"alice"}}


@pytest.mark.clause("X-30")
@pytest.mark.parametrize("is_released", [True, False])
def test_who_is_overtaken_after_the_commit_writes_nothing(
    permission: Permission, monkeypatch: pytest.MonkeyPatch, is_released: object
) -> None:
    monkeypatch.setattr(joining, "LEASE_MS", 100)

    def overtake() -> None:
        # Waits until the lease is over.
        with request_transaction():
            permission.write_object_permissions("/o", {"read": ["second"]}, "second", is_new=True)
        if not is_released:
            permission._changes.lock("of a third one", ["/o"])

    with capture_logs() as logged, request_transaction() as request:
        permission.write_object_permissions("/o", {"read": ["first"]}, "first")
        permission.replace_object_permissions("/p", {"read": ["first"]})
        permission.add_user_principal("alice", "group")
        Other(request, lambda: in_another_thread(overtake))
        request.commit()

    assert permission.object_permissions("/o") == {"read": {"second"}, "write": {"second"}}
    assert permission.user_principals("alice") == {"group"}
    assert [entry["event"] for entry in logged] == ["permission.overtaken"]
    assert "/o" in logged[0]["objects"]


USERS = [f"user{number}" for number in range(20)]


@pytest.mark.clause("X-30", "B-18.7", "E-19.1")
def test_who_is_stopped_for_longer_than_the_lock_writes_if_nobody_else_has(
    spread: Permission, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "LEASE_MS", 200)

    def stop() -> None:
        wait_until(lambda: not redis_client.keys("*lock:*"), "the end of the locks")
        # It changes another object.
        with request_transaction():
            spread.write_object_permissions("/p", {}, "other")

    with capture_logs() as logged, request_transaction() as request:
        spread.write_object_permissions("/g", {"read": ["alice"]}, "bob", is_new=True)
        for user in USERS:
            spread.add_user_principal(user, "/g")
        Other(request, lambda: in_another_thread(stop))
        request.commit()

    assert spread.object_permissions("/g") == {"read": {"alice"}, "write": {"bob"}}
    assert [spread.user_principals(user) for user in USERS] == [{"/g"}] * 20
    assert spread.object_permissions("/p") == {"write": {"other"}}
    assert logged == []
    assert redis_client.keys("*lock:*") == redis_client.keys("*claim:*") == []


@pytest.mark.clause("X-30", "E-19.1")
def test_members_of_an_object_change_in_the_order_of_the_commits(
    spread: Permission, redis_client: Redis
) -> None:
    has_committed, may_go_on = threading.Event(), threading.Event()

    def change(leaving: list[str], coming: list[str], vote: Callable[[], None]) -> None:
        with request_transaction() as request:
            spread.write_object_permissions("/g", {})
            for user in leaving:
                spread.remove_user_principal(user, "/g")
            for user in coming:
                spread.add_user_principal(user, "/g")
            Other(request, vote)
            request.commit()

    def vote() -> None:
        has_committed.set()
        assert may_go_on.wait(60)

    first = Thread(target=lambda: change([], USERS, vote))
    second = Thread(target=lambda: change(USERS, [], lambda: None))
    first.start()
    assert has_committed.wait(60)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    # Whoever joins another group is not concerned.
    in_another_thread(lambda: spread.add_user_principal(USERS[0], "group"))
    may_go_on.set()
    first.join()
    second.join()

    assert [spread.user_principals(user) for user in USERS] == [{"group"}, *[set()] * 19]
    assert redis_client.keys("*lock*") == redis_client.keys("*committing") == []


@pytest.mark.clause("X-30", "E-19.1")
def test_who_is_overtaken_lets_members_leave_and_nobody_join(
    spread: Permission, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "LEASE_MS", 50)
    for user in USERS:
        spread.add_user_principal(user, "/g")

    def overtake() -> None:
        with request_transaction():
            spread.take_object_permissions(["/g"])
            spread.remove_principal("/g")

    with capture_logs() as logged, request_transaction() as request:
        spread.write_object_permissions("/g", {"read": ["alice"]})
        spread.remove_user_principal(USERS[0], "/g")
        for number in range(20):
            spread.add_user_principal(f"new{number}", "/g")
        spread.add_user_principal("alice", "group")
        Other(request, lambda: in_another_thread(overtake))
        request.commit()

    found = {one: spread.user_principals(one) for one in [*USERS, "new0", "new19", "alice"]}
    assert {one: groups for one, groups in found.items() if groups} == {"alice": {"group"}}
    assert spread.object_permissions("/g") == {}
    assert [entry["event"] for entry in logged] == ["permission.overtaken"]
    assert logged[0]["objects"] == ["/g"]


@pytest.mark.clause("X-30", "E-19.1")
def test_a_request_that_is_undone_lets_go_of_the_members(
    spread: Permission, redis_client: Redis
) -> None:
    with request_transaction() as request:
        spread.write_object_permissions("/g", {"read": ["alice"]})
        for user in USERS:
            spread.add_user_principal(user, "/g")
        Other(request, refuse)
        with pytest.raises(Refusal):
            request.commit()

    assert redis_client.keys("*") == []


@pytest.mark.clause("X-30")
def test_an_object_that_stays_locked_makes_the_request_fail_before_the_commit(
    permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_WAIT_SECONDS", 0.05)
    committed = []
    with request_transaction() as request:
        permission.replace_object_permissions("/o", {"read": ["alice"]})
        Other(request, lambda: committed.append(True))
        permission._changes.lock("of another", ["/o"])
        with pytest.raises(BackendError) as raised:
            request.commit()
    assert raised.value.retryable
    with request_transaction() as request:
        with pytest.raises(BackendError) as raised:
            permission.write_object_permissions("/o", {}, "alice")
        request.abort()

    assert raised.value.retryable
    assert committed == []
    permission._changes.unlock("of another", ["/o"])
    assert permission.object_permissions("/o") == {}


@pytest.mark.clause("X-30", "B-23.19")
def test_many_changes_are_made_in_runs(permission: PermissionBase, redis_client: Redis) -> None:
    ids = [f"/o/{n}" for n in range(2 * BATCH + 1)]
    with request_transaction():
        for object_id in ids:
            permission.replace_object_permissions(object_id, {"read": ["alice"]})
        assert permission.get_accessible_objects(["alice"]).keys() == set(ids)
    assert permission.get_accessible_objects(["alice"]).keys() == set(ids)
    assert locks(redis_client) == []

    with request_transaction():
        assert permission.take_object_permissions(ids) == [{"read": {"alice"}}] * len(ids)
    assert redis_client.keys("*") == []


@pytest.mark.clause("X-18")
def test_a_flush_comes_before_what_follows_it(
    permission: PermissionBase, redis_client: Redis
) -> None:
    permission.add_principal_to_ace("/former", "read", "alice")
    with request_transaction():
        permission.replace_object_permissions("/lost", {"read": ["alice"]})
        permission.flush()
        permission.replace_object_permissions("/o", {"read": ["alice"]})
    assert permission.get_accessible_objects(["alice"]) == {"/o": {"read"}}

    with request_transaction():
        permission.replace_object_permissions("/lost", {"read": ["alice"]})
        permission.flush()
    assert redis_client.keys("*") == []


@pytest.mark.clause("X-30")
@pytest.mark.usefixtures("processes")
def test_what_cannot_be_released_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_redis() as url, driver.Redis.from_url(url) as redis_client:
        permission = Permission(redis_client)
        with request_transaction() as request:
            permission.replace_object_permissions("/o", {"read": ["alice"]})

            def vote() -> None:
                redis_client.shutdown(nosave=True)
                raise Refusal

            Other(request, vote)
            with pytest.raises(Refusal):
                request.commit()


@pytest.mark.clause("X-30", "X-23")
def test_a_request_all_of_whose_changes_are_undone_asks_nothing(
    permission: PermissionBase, redis_client: Redis
) -> None:
    with request_transaction() as request:
        permission.add_principal_to_ace("/o", "read", "alice")
        savepoint = request.savepoint(optimistic=True)
        savepoint.rollback()
        request.commit()
    assert permission.object_permissions("/o") == {"read": {"alice"}}

    permission.flush()
    with request_transaction() as request:
        savepoint = request.savepoint(optimistic=True)
        permission.add_principal_to_ace("/o", "read", "alice")
        savepoint.rollback()
        permission.replace_object_permissions("/p", {"read": ["alice"]})
        request.savepoint(optimistic=True)
        savepoint.rollback()
        request.commit()
    assert redis_client.keys("*") == []


@pytest.mark.clause("X-30")
def test_an_operation_sees_what_its_request_has_changed_and_keeps_its_own(
    permission: PermissionBase,
) -> None:
    with request_transaction() as request:
        permission.add_principal_to_ace("/o", "read", "of the request")
        own = OwnTransaction()
        with own.entered():
            assert permission.object_permissions("/o") == {"read": {"of the request"}}
            permission.add_principal_to_ace("/o", "read", "of the operation")
            both = {"of the request", "of the operation"}
            assert permission.object_permissions("/o") == {"read": both}
        own.commit(lambda: None)
        request.abort()

    assert permission.object_permissions("/o") == {"read": {"of the operation"}}


@pytest.mark.clause("D-54", "X-30")
@pytest.mark.parametrize("is_in_a_transaction", [False, True])
@pytest.mark.parametrize("knows_before", [False, True])
def test_nobody_is_refused_what_a_commit_is_about_to_give(
    permission: PermissionBase, is_in_a_transaction: bool, knows_before: bool
) -> None:
    answers = []

    def check() -> None:
        known = KnownPermissions()

        def ask() -> Any:
            return known.check(permission, "/o", "read", ["alice"], None, lists_object=knows_before)

        if not is_in_a_transaction:
            answers.append(ask())
            return
        with request_transaction():
            permission.add_principal_to_ace("/other", "read", "alice")
            answers.append(ask())

    checking = Thread(target=check)

    def record_is_there() -> None:
        # Whoever sees it now asks for permissions that are not written yet.
        checking.start()
        checking.join(0.1)

    with request_transaction() as request:
        permission.write_object_permissions("/o", {"read": ["alice"]}, "bob", is_new=True)
        Other(request, record_is_there)
        request.commit()
    checking.join()

    assert answers == [True]


@pytest.mark.clause("E-11.8", "E-11.3", "X-30")
@pytest.mark.parametrize("is_undone", [True, False])
def test_a_reader_can_wait_for_permissions_whose_records_are_visible(
    permission: PermissionBase, redis_client: Redis, is_undone: bool
) -> None:
    readers = []
    voting, may_write = threading.Event(), threading.Event()

    def vote() -> None:
        # The record is visible from here on.
        voting.set()
        may_write.wait(60)
        if is_undone:
            raise Refusal

    def write() -> None:
        with contextlib.suppress(Refusal), request_transaction() as request:
            permission.write_object_permissions("/a", {"read": ["alice"]})
            Other(request, vote)

    def read() -> None:
        permission.wait_for_commits()
        readers.append(permission.object_permissions("/a"))

    permission.wait_for_commits()
    writer, reader = Thread(target=write), Thread(target=read)
    writer.start()
    assert voting.wait(60)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    may_write.set()
    for thread in (writer, reader):
        thread.join()

    assert readers == [{} if is_undone else {"read": {"alice"}}]
    assert redis_client.keys(COMMITTING) == []


@pytest.mark.clause("E-11.8", "X-30")
def test_nobody_waits_for_a_request_that_has_died(
    permission: Permission, redis_client: Redis
) -> None:
    redis_client.zadd(COMMITTING, {"dead": 1})

    permission.wait_for_commits()

    permission._changes.lock("token", ["/a"])
    assert redis_client.zrange(COMMITTING, 0, -1) == [b"token"]
    permission._changes.unlock("token", ["/a"])
