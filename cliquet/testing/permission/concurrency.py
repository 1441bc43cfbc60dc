"""Tests of permissions with several threads, and with the transaction of a request."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from threading import Barrier, Event

import pytest

from cliquet.permission import PermissionBase
from cliquet.testing.bounded import PATIENCE_SECONDS, Threads, run_until
from cliquet.testing.transactions import request_transaction

__all__ = ["PermissionConcurrencyContract"]

THREADS = 8


def _together(work: Callable[[int], None]) -> None:
    """Run `work` in several threads that start at the same moment; raise what they raise."""
    barrier = Barrier(THREADS, timeout=PATIENCE_SECONDS)

    def start(number: int) -> None:
        barrier.wait()
        work(number)

    with Threads(THREADS) as pool:
        list(pool.map(start, range(THREADS)))


OBJECTS = ["/o/1", "/o/2", "/o/3"]
USERS = ["alice", "bob", "system.Authenticated"]
NAMES = ["read", "write"]
GROUPS = ["group:a", "group:b"]


def _change_something(permission: PermissionBase, chance: random.Random) -> None:
    object_id, user = chance.choice(OBJECTS), chance.choice(USERS)
    name, group = chance.choice(NAMES), chance.choice(GROUPS)
    wanted = {name: chance.sample([*USERS, *GROUPS], chance.randrange(3))}
    changes: list[Callable[[], object]] = [
        lambda: permission.add_user_principal(user, group),
        lambda: permission.remove_user_principal(user, group),
        lambda: permission.remove_principal(group),
        lambda: permission.add_principal_to_ace(object_id, name, user),
        lambda: permission.remove_principal_from_ace(object_id, name, user),
        lambda: permission.replace_object_permissions(object_id, wanted),
        lambda: permission.write_object_permissions(object_id, wanted, user),
        lambda: permission.write_object_permissions(object_id, wanted, user, is_new=True),
        lambda: permission.take_object_permissions([object_id, "/o/1"]),
        lambda: permission.delete_object_permissions("/o/1", "/o/2*"),
        lambda: permission.flush(),
    ]
    weights = [3] * (len(changes) - 1) + [1]
    chance.choices(changes, weights)[0]()


def _look(permission: PermissionBase) -> list[object]:
    """Return the results of all reading methods."""
    bound = [(object_id, name) for object_id in OBJECTS for name in NAMES]
    return [
        permission.get_objects_permissions(OBJECTS),
        permission.get_objects_permissions(OBJECTS, ["read"]),
        [permission.object_permissions(object_id) for object_id in OBJECTS],
        [permission.object_permission_principals(*pair) for pair in bound],
        permission.object_permission_authorized_principals("/o/1", "read", lambda *_: bound),
        [permission.check_permission(*pair, ["alice", "group:a"]) for pair in bound],
        permission.check_permission("/o/1", "read", ["bob"], lambda *_: bound),
        [permission.user_principals(user) for user in USERS],
        permission.principals_accessible_objects(["alice", "group:b"], "read", "/o/*"),
        permission.get_accessible_objects(USERS),
        permission.get_accessible_objects(GROUPS, [("/o/*", "write"), ("/o/1", "read")]),
    ]


class PermissionConcurrencyContract:
    """Tests with several callers at once, and with requests that fail."""

    is_transactional = True
    """Whether writes join the transaction of the request; Redis may apply them at once."""

    @pytest.fixture
    def transactional(self) -> None:
        """Skip the test if writes do not join the transaction of the request."""
        if not self.is_transactional:  # pragma: no cover - for backends unlike the built-in ones
            pytest.skip("This backend applies each write at once.")

    @pytest.fixture(autouse=True)
    def eager_threads(self) -> Iterator[None]:
        """Make threads interrupt each other almost everywhere, so that races appear."""
        interval_seconds = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval_seconds)

    # Threads

    @pytest.mark.clause("B-15.17")
    def test_concurrent_additions_to_one_ace_are_all_kept(self, permission: PermissionBase) -> None:
        def add(number: int) -> None:
            for turn in range(20):
                permission.add_principal_to_ace("/o/1", "read", f"{number}-{turn}")

        _together(add)
        expected = {f"{number}-{turn}" for number in range(THREADS) for turn in range(20)}
        assert permission.object_permission_principals("/o/1", "read") == expected

    @pytest.mark.clause("B-15.17")
    def test_concurrent_additions_to_one_user_are_all_kept(
        self, permission: PermissionBase
    ) -> None:
        def add(number: int) -> None:
            for turn in range(20):
                permission.add_user_principal("alice", f"{number}-{turn}")

        _together(add)
        assert len(permission.user_principals("alice")) == THREADS * 20

    @pytest.mark.clause("B-15.17")
    def test_adding_the_same_principal_at_once_succeeds_for_all(
        self, permission: PermissionBase
    ) -> None:
        def add(number: int) -> None:
            permission.add_principal_to_ace("/o/1", "read", "alice")
            permission.add_user_principal("alice", "group")

        _together(add)
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}
        assert permission.user_principals("alice") == {"group"}

    @pytest.mark.clause("B-15.17")
    def test_readers_of_a_replacement_see_the_old_sets_or_the_new(
        self, permission: PermissionBase
    ) -> None:
        states = [
            {"read": {"alice", "bob"}, "write": {"alice"}},
            {"read": {"carol", "dave", "erin"}, "write": {"carol"}},
        ]
        permission.replace_object_permissions("/o/1", states[0])
        done = Event()

        def replace() -> None:
            try:
                for turn in range(200):
                    permission.replace_object_permissions("/o/1", states[turn % 2])
            finally:
                done.set()

        def read() -> list[dict[str, set[str]]]:
            seen = [permission.object_permissions("/o/1")]
            seen.extend(permission.object_permissions("/o/1") for _ in run_until(done))
            return seen

        with Threads(2) as pool:
            reading = pool.submit(read)
            pool.submit(replace).result()
            assert [state for state in reading.result() if state not in states] == []

    @pytest.mark.clause("B-15.17")
    def test_object_that_changes_hands_is_accessible_all_the_time(
        self, permission: PermissionBase
    ) -> None:
        permission.replace_object_permissions("/o/1", {"read": ["alice"]})
        done = Event()

        def replace() -> None:
            try:
                for turn in range(200):
                    owner = "alice" if turn % 2 else "bob"
                    permission.replace_object_permissions("/o/1", {"read": [owner]})
            finally:
                done.set()

        def misses() -> int:
            count = 0
            for _ in run_until(done):
                found = permission.get_accessible_objects(["alice", "bob"], [("/o/*", "read")])
                count += found != {"/o/1": {"read"}}
            return count

        with Threads(2) as pool:
            reading = pool.submit(misses)
            pool.submit(replace).result()
            assert reading.result() == 0

    @pytest.mark.clause("B-15.17")
    def test_concurrent_replacements_leave_one_of_them_whole(
        self, permission: PermissionBase
    ) -> None:
        def wanted(number: int) -> dict[str, set[str]]:
            return {name: {f"{number}-{index}" for index in range(5)} for name in ("read", "write")}

        def replace(number: int) -> None:
            for _ in range(10):
                permission.replace_object_permissions("/o/1", wanted(number))

        _together(replace)
        left = permission.object_permissions("/o/1")
        assert left in [wanted(number) for number in range(THREADS)]
        accessible = {
            number
            for number in range(THREADS)
            if permission.principals_accessible_objects([f"{number}-0"], "read")
        }
        assert [wanted(number) for number in accessible] == [left]

    @pytest.mark.clause("B-15.17", "B-15.6")
    def test_removing_a_principal_while_users_receive_it_never_fails(
        self, permission: PermissionBase
    ) -> None:
        def work(number: int) -> None:
            for turn in range(10):
                permission.add_user_principal(f"user-{number}-{turn}", "group")
                permission.remove_principal("group")

        _together(work)
        permission.remove_principal("group")
        users = [f"user-{number}-{turn}" for number in range(THREADS) for turn in range(10)]
        assert [user for user in users if permission.user_principals(user)] == []

    # The transaction of a request

    @pytest.mark.clause("B-18.4", "X-18")
    def test_request_sees_its_own_writes_and_commits_them(self, permission: PermissionBase) -> None:
        with request_transaction() as request:
            permission.add_principal_to_ace("/o/1", "read", "alice")
            permission.add_user_principal("alice", "group")
            assert permission.check_permission("/o/1", "read", ["alice"])
            assert permission.user_principals("alice") == {"group"}
            assert permission.principals_accessible_objects(["alice"], "read") == {"/o/1"}
            request.commit()
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}
        assert permission.user_principals("alice") == {"group"}

    @pytest.mark.clause("X-18", "B-18.5")
    @pytest.mark.usefixtures("transactional")
    def test_request_that_aborts_leaves_everything_as_it_was(
        self, permission: PermissionBase
    ) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_user_principal("bob", "group")
        permission.replace_object_permissions("/o/1", {"read": ["alice", "bob"]})
        permission.replace_object_permissions("/o/2", {"write": ["alice"]})
        with request_transaction() as request:
            permission.add_user_principal("carol", "group")
            permission.remove_user_principal("alice", "group")
            permission.remove_principal("group")
            permission.add_user_principal("alice", "other")
            permission.replace_object_permissions("/o/1", {"read": ["carol"], "write": ["bob"]})
            permission.delete_object_permissions("/o/2")
            permission.add_principal_to_ace("/o/2", "write", "carol")
            permission.remove_principal_from_ace("/o/1", "read", "carol")
            request.abort()
        assert permission.user_principals("alice") == {"group"}
        assert permission.user_principals("bob") == {"group"}
        assert permission.user_principals("carol") == set()
        assert permission.object_permissions("/o/1") == {"read": {"alice", "bob"}}
        assert permission.object_permissions("/o/2") == {"write": {"alice"}}
        assert permission.get_accessible_objects(["alice"]) == {"/o/1": {"read"}, "/o/2": {"write"}}
        assert permission.get_accessible_objects(["carol"]) == {}
        permission.remove_principal("group")
        assert permission.user_principals("bob") == set()

    @pytest.mark.clause("X-18", "B-22.28", "B-18.11")
    @pytest.mark.usefixtures("transactional")
    def test_flush_in_a_request_is_undone_with_it(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("/o/1", "read", "alice")
        with request_transaction() as request:
            permission.add_principal_to_ace("/o/2", "read", "alice")
            permission.flush()
            assert permission.get_accessible_objects(["alice"]) == {}
            request.abort()
        assert permission.user_principals("alice") == {"group"}
        assert permission.get_accessible_objects(["alice"]) == {"/o/1": {"read"}}

    @pytest.mark.clause("X-18", "X-23")
    @pytest.mark.usefixtures("transactional")
    def test_savepoint_that_is_rolled_back_undoes_what_followed_it(
        self, permission: PermissionBase
    ) -> None:
        with request_transaction() as request:
            permission.add_principal_to_ace("/o/1", "read", "alice")
            savepoint = request.savepoint(optimistic=True)
            permission.replace_object_permissions("/o/1", {"read": ["bob"]})
            permission.add_principal_to_ace("/o/2", "read", "alice")
            permission.add_user_principal("alice", "group")
            savepoint.rollback()
            permission.add_principal_to_ace("/o/3", "read", "alice")
            request.commit()
        assert permission.get_accessible_objects(["alice"]) == {"/o/1": {"read"}, "/o/3": {"read"}}
        assert permission.get_accessible_objects(["bob"]) == {}
        assert permission.user_principals("alice") == set()

    @pytest.mark.clause("X-18", "X-23")
    @pytest.mark.usefixtures("transactional")
    def test_savepoint_before_the_first_write_undoes_it(self, permission: PermissionBase) -> None:
        with request_transaction() as request:
            savepoint = request.savepoint(optimistic=True)
            permission.add_principal_to_ace("/o/1", "read", "alice")
            savepoint.rollback()
            assert permission.object_permissions("/o/1") == {}
            request.commit()
        assert permission.object_permissions("/o/1") == {}

    @pytest.mark.clause("X-18", "X-30")
    @pytest.mark.usefixtures("transactional")
    @pytest.mark.parametrize("seed", range(10))
    def test_what_a_request_sees_is_what_it_commits(
        self, permission: PermissionBase, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(6):
            _change_something(permission, chance)
        before = _look(permission)
        with request_transaction() as request:
            for _ in range(6):
                _change_something(permission, chance)
            middle = _look(permission)
            savepoint = request.savepoint(optimistic=True)
            for _ in range(6):
                _change_something(permission, chance)
            if seed % 2:
                savepoint.rollback()
                assert _look(permission) == middle
            seen = _look(permission)
            with Threads(1) as pool:
                assert pool.submit(_look, permission).result() == before
            request.commit()
        assert _look(permission) == seen

    @pytest.mark.clause("X-18")
    @pytest.mark.usefixtures("transactional")
    def test_others_do_not_see_a_request_before_it_commits(
        self, permission: PermissionBase
    ) -> None:
        permission.replace_object_permissions("/o/1", {"read": ["alice"]})

        def look() -> list[object]:
            return [
                permission.object_permissions("/o/1"),
                permission.get_accessible_objects(["alice", "bob"]),
                permission.user_principals("bob"),
            ]

        before = look()
        with Threads(1) as pool, request_transaction() as request:
            permission.replace_object_permissions("/o/1", {"read": ["bob"]})
            permission.add_principal_to_ace("/o/2", "read", "bob")
            permission.add_user_principal("bob", "group")
            assert pool.submit(look).result() == before
            request.commit()
            assert pool.submit(look).result() == [
                {"read": {"bob"}},
                {"/o/1": {"read"}, "/o/2": {"read"}},
                {"group"},
            ]

    @pytest.mark.clause("X-18", "B-18.6")
    def test_write_outside_a_request_commits_by_itself(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        with Threads(1) as pool:
            seen = pool.submit(permission.object_permissions, "/o/1").result()
        assert seen == {"read": {"alice"}}
