"""Tests of copies from and to a permission backend."""

from __future__ import annotations

import pytest

from cliquet.permission import PermissionBase
from cliquet.permission.base import AUTHENTICATED
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal

__all__ = ["PermissionTransferContract"]

# It is more than any page that a backend reads at once.
MANY = 1_203


class PermissionTransferContract:
    """Tests that an export contains everything, and that an import stores exactly that."""

    @pytest.fixture
    def transferable(self, permission: PermissionBase) -> PermissionBase:
        if not permission.is_transferable:
            pytest.skip("This backend cannot be copied.")
        return permission

    @pytest.mark.clause("E-7.3")
    def test_an_empty_backend_exports_nothing(self, transferable: PermissionBase) -> None:
        assert list(transferable.export()) == []

    @pytest.mark.clause("E-7.3", "B-21.37")
    def test_users_come_first_then_aces(self, transferable: PermissionBase) -> None:
        transferable.add_user_principal("bob", "group:b")
        transferable.add_user_principal("bob", "group:a")
        # It is given to all users, and therefore not to alice herself.
        transferable.add_user_principal(AUTHENTICATED, "group:all")
        transferable.add_user_principal("alice", "group:z")
        transferable.replace_object_permissions("/o/2", {"write": ["x"], "read": ["y", "x"]})
        transferable.replace_object_permissions("/o/1", {"write": ["bob"]})

        assert list(transferable.export()) == [
            UserPrincipal("alice", "group:z"),
            UserPrincipal("bob", "group:a"),
            UserPrincipal("bob", "group:b"),
            UserPrincipal(AUTHENTICATED, "group:all"),
            ACEPrincipal("/o/1", "write", "bob"),
            ACEPrincipal("/o/2", "read", "x"),
            ACEPrincipal("/o/2", "read", "y"),
            ACEPrincipal("/o/2", "write", "x"),
        ]

    @pytest.mark.clause("E-7.3")
    def test_what_was_taken_back_is_not_exported(self, transferable: PermissionBase) -> None:
        transferable.add_user_principal("alice", "group")
        transferable.remove_user_principal("alice", "group")
        transferable.add_principal_to_ace("/o/1", "read", "alice")
        transferable.remove_principal_from_ace("/o/1", "read", "alice")
        transferable.add_principal_to_ace("/o/2", "read", "alice")
        transferable.delete_object_permissions("/o/2")

        assert list(transferable.export()) == []

    @pytest.mark.clause("E-7.3", "B-21.29")
    def test_everything_is_in_the_order_of_code_points(self, transferable: PermissionBase) -> None:
        # The rules of languages, and UTF-16, have another order.
        names = ["", "A", "Z", "a", "a b", "a/b", "aa", "b", "\xe9", "\uff5e", "\U0001f600"]
        users = [UserPrincipal(one, "x") for one in names] + [UserPrincipal("zz", p) for p in names]
        objects = [ACEPrincipal(one, "read", "x") for one in names]
        objects += [ACEPrincipal("zz", one, "x") for one in names]
        objects += [ACEPrincipal("zzz", "read", one) for one in names]
        transferable.import_([*users[::-1], *objects[::-1]], [])

        assert list(transferable.export()) == [*sorted(users), *sorted(objects)]

    @pytest.mark.clause("E-7.3")
    def test_what_is_imported_has_its_effects(self, transferable: PermissionBase) -> None:
        added: list[Grant] = [
            UserPrincipal("alice", "group"),
            UserPrincipal(AUTHENTICATED, "everybody"),
            ACEPrincipal("/o/1", "read", "alice"),
            ACEPrincipal("/o/1", "write", "bob"),
        ]
        transferable.import_(added, [])

        assert transferable.user_principals("alice") == {"group", "everybody"}
        assert transferable.object_permissions("/o/1") == {"read": {"alice"}, "write": {"bob"}}
        assert transferable.principals_accessible_objects(["bob"], "write") == {"/o/1"}

        transferable.import_([], [UserPrincipal("alice", "group"), added[3]])
        assert transferable.user_principals("alice") == {"everybody"}
        assert transferable.object_permissions("/o/1") == {"read": {"alice"}}
        assert transferable.principals_accessible_objects(["bob"], "write") == set()

        # The index from principals to users must have the same content.
        transferable.remove_principal("everybody")
        assert transferable.user_principals("alice") == set()

    @pytest.mark.clause("E-7.3")
    def test_importing_twice_is_importing_once(self, transferable: PermissionBase) -> None:
        transferable.add_user_principal("bob", "old")
        added: list[Grant] = [
            UserPrincipal("alice", "group"),
            ACEPrincipal("/o/1", "read", "alice"),
        ]
        removed: list[Grant] = [
            UserPrincipal("bob", "old"),
            UserPrincipal("nobody", "group"),
            ACEPrincipal("/o/9", "read", "alice"),
        ]
        for _ in range(2):
            transferable.import_(added, removed)

        assert list(transferable.export()) == added

    @pytest.mark.clause("E-7.3", "B-22.37")
    def test_imports_know_no_pattern(self, transferable: PermissionBase) -> None:
        added: list[Grant] = [
            ACEPrincipal(object_id, "read", "alice") for object_id in ("/%", "/*", "/_", "/a")
        ]
        transferable.import_(added, [])
        transferable.import_([], added[:3])

        assert list(transferable.export()) == added[3:]

    @pytest.mark.clause("E-7.3")
    def test_many_grants_come_back_whole(self, transferable: PermissionBase) -> None:
        """There are many users and objects, and one object has very many grants."""
        added: list[Grant] = [UserPrincipal(f"user{n:05}", "group") for n in range(MANY)]
        added += [UserPrincipal("users", f"group{n:05}") for n in range(MANY)]
        added += [ACEPrincipal("/o", "read", f"user{n:05}") for n in range(MANY)]
        added += [ACEPrincipal(f"/o/{n:05}", "read", "alice") for n in range(MANY)]
        transferable.import_(added, [])

        assert list(transferable.export()) == added

        transferable.import_([], added)
        assert list(transferable.export()) == []

    @pytest.mark.clause("E-7.3")
    def test_what_the_iteration_has_passed_may_be_imported(
        self, transferable: PermissionBase
    ) -> None:
        added: list[Grant] = [UserPrincipal(f"user{n:05}", "group") for n in range(MANY)]
        transferable.import_(added, [])

        found = []
        for n, grant in enumerate(transferable.export()):
            found.append(grant)
            if n % 100 == 0:
                transferable.import_([UserPrincipal("a", str(n))], [grant])

        assert found == added
        assert len(list(transferable.export())) == MANY
