"""Tests of the principals of users."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.permission import PermissionBase

__all__ = ["ODD_TEXTS", "PrincipalsContract"]

ODD_TEXTS = [
    "it's",
    'quo"te',
    "x' OR '1'='1",
    "a:b:c",
    "100%",
    "a_b",
    "a*b",
    "a?b[c]",
    "a.b",
    "(a)",
    "back\\slash",
    "\u2603",
    "a b",
    "",
]


class PrincipalsContract:
    """Tests of users and of the principals that they get."""

    @pytest.mark.clause("B-15.3", "P-29.4", "S-11.1")
    def test_is_a_permission_backend(self, permission: PermissionBase) -> None:
        assert isinstance(permission, PermissionBase)

    @pytest.mark.clause("B-15.3", "B-16.4")
    def test_schema_may_be_initialized_again_without_loss(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.initialize_schema()
        permission.initialize_schema()
        assert permission.user_principals("alice") == {"group"}
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    @pytest.mark.clause("B-15.7")
    def test_unknown_user_has_no_principal(self, permission: PermissionBase) -> None:
        assert permission.user_principals("unknown") == set()

    @pytest.mark.clause("B-15.3", "B-15.5")
    def test_user_has_the_principals_added(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group:1")
        permission.add_user_principal(user_id="alice", principal="group:2")
        permission.add_user_principal("bob", "group:3")
        assert permission.user_principals("alice") == {"group:1", "group:2"}

    @pytest.mark.clause("B-15.5")
    def test_adding_a_principal_twice_is_adding_it_once(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_user_principal("alice", "group")
        assert permission.user_principals("alice") == {"group"}
        permission.remove_user_principal("alice", "group")
        assert permission.user_principals("alice") == set()

    @pytest.mark.clause("B-15.5")
    def test_removing_a_principal_leaves_the_others(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group:1")
        permission.add_user_principal("alice", "group:2")
        permission.add_user_principal("bob", "group:1")
        permission.remove_user_principal("alice", "group:1")
        assert permission.user_principals("alice") == {"group:2"}
        assert permission.user_principals("bob") == {"group:1"}

    @pytest.mark.clause("B-15.5")
    def test_removing_a_principal_that_is_not_there_is_silent(
        self, permission: PermissionBase
    ) -> None:
        permission.add_user_principal("alice", "group:1")
        permission.remove_user_principal("alice", "group:2")
        permission.remove_user_principal("unknown", "group:1")
        assert permission.user_principals("alice") == {"group:1"}
        assert permission.user_principals("unknown") == set()

    @pytest.mark.clause("B-15.7", "B-22.8", "B-16.1")
    def test_set_of_principals_belongs_to_the_caller(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.user_principals("alice").add("intruder")
        permission.user_principals("alice").discard("group")
        permission.user_principals("unknown").add("intruder")
        assert permission.user_principals("alice") == {"group"}
        assert permission.user_principals("unknown") == set()

    @pytest.mark.clause("B-15.6")
    def test_remove_principal_takes_it_from_every_user(self, permission: PermissionBase) -> None:
        for user_id in ("alice", "bob", "carol"):
            permission.add_user_principal(user_id, "group:1")
        permission.add_user_principal("bob", "group:2")
        permission.add_user_principal("dave", "group:1 bis")
        permission.remove_principal("group:1")
        assert permission.user_principals("alice") == set()
        assert permission.user_principals("bob") == {"group:2"}
        assert permission.user_principals("carol") == set()
        assert permission.user_principals("dave") == {"group:1 bis"}

    @pytest.mark.clause("B-15.6", "B-22.36")
    def test_remove_principal_leaves_aces_alone(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("/o/1", "read", "group")
        permission.remove_principal("group")
        assert permission.object_permission_principals("/o/1", "read") == {"group"}
        assert permission.principals_accessible_objects(["group"], "read") == {"/o/1"}

    @pytest.mark.clause("B-15.6", "B-15.5")
    def test_removing_an_unknown_principal_is_silent(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.remove_principal("unknown")
        assert permission.user_principals("alice") == {"group"}

    @pytest.mark.clause("B-21.37")
    def test_principals_of_authenticated_belong_to_every_user(
        self, permission: PermissionBase
    ) -> None:
        permission.add_user_principal("system.Authenticated", "everybody")
        permission.add_user_principal("alice", "group")
        assert permission.user_principals("alice") == {"group", "everybody"}
        assert permission.user_principals("unknown") == {"everybody"}
        permission.remove_user_principal("alice", "everybody")
        assert permission.user_principals("alice") == {"group", "everybody"}
        permission.remove_user_principal("system.Authenticated", "everybody")
        assert permission.user_principals("alice") == {"group"}

    @pytest.mark.clause("B-21.37", "B-15.6")
    def test_remove_principal_takes_it_from_authenticated(self, permission: PermissionBase) -> None:
        permission.add_user_principal("system.Authenticated", "everybody")
        permission.remove_principal("everybody")
        assert permission.user_principals("alice") == set()

    @pytest.mark.clause("B-22.37", "B-22.41", "B-22.35", "D-48")
    @pytest.mark.parametrize("text", ODD_TEXTS, ids=repr)
    def test_users_and_principals_are_plain_data(
        self, permission: PermissionBase, text: str
    ) -> None:
        for other in [*ODD_TEXTS, "aXb", "ab"]:
            if other != text:
                permission.add_user_principal(other, "kept")
        permission.add_user_principal(text, text)
        assert permission.user_principals(text) == {text}
        permission.remove_user_principal(text, text)
        assert permission.user_principals(text) == set()
        permission.add_user_principal(text, text)
        permission.remove_principal(text)
        assert permission.user_principals(text) == set()
        assert permission.user_principals("aXb") == {"kept"}

    @pytest.mark.clause("B-22.35")
    def test_object_named_like_a_user_does_not_interfere(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("alice", "read", "bob")
        assert permission.object_permissions("alice") == {"read": {"bob"}}
        assert permission.user_principals("alice") == {"group"}
        permission.delete_object_permissions("alice", "user:alice")
        assert permission.user_principals("alice") == {"group"}

    @pytest.mark.clause("B-22.39", "B-16.6", "D-50")
    @pytest.mark.parametrize("principal", [None, 12, b"alice"], ids=repr)
    def test_principal_that_is_not_a_text_is_refused(
        self, permission: PermissionBase, principal: Any
    ) -> None:
        with pytest.raises(TypeError):
            permission.add_user_principal("alice", principal)
        assert permission.user_principals("alice") == set()

    @pytest.mark.clause("B-15.16")
    def test_flush_removes_user_principals_and_aces(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_user_principal("system.Authenticated", "everybody")
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.flush()
        assert permission.user_principals("alice") == set()
        assert permission.object_permissions("/o/1") == {}
        assert permission.get_accessible_objects(["alice"]) == {}
