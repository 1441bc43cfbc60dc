"""Tests of the permissions of one object: ACEs and checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cliquet.core.globs import Exact
from cliquet.permission import PermissionBase
from cliquet.testing.permission.principals import ODD_TEXTS
from cliquet.types import BoundPermission

__all__ = ["ACEsContract"]

# Ids that differ only in a way that a prefix, a pattern or a separator would miss.
CLOSE_IDS = ["/o/1", "/o/10", "/o/1/sub", "/o", "/o/1:read", "/o/", "X/o/1", "/o/1\n", "/O/1"]


def _read_from_parent(object_id: str, permission: str) -> Iterable[BoundPermission]:
    return [(object_id, permission), ("/parent", permission), (object_id, "write")]


class ACEsContract:
    """Tests of the permissions of principals on an object."""

    # One ACE

    @pytest.mark.clause("B-15.3")
    def test_unknown_ace_is_empty(self, permission: PermissionBase) -> None:
        assert permission.object_permission_principals("/o/1", "read") == set()

    @pytest.mark.clause("B-15.3", "B-15.5")
    def test_ace_holds_the_principals_added(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace(object_id="/o/1", permission="read", principal="bob")
        permission.add_principal_to_ace("/o/1", "read", "bob")
        permission.add_principal_to_ace("/o/1", "write", "carol")
        assert permission.object_permission_principals("/o/1", "read") == {"alice", "bob"}
        assert permission.object_permission_principals("/o/1", "write") == {"carol"}

    @pytest.mark.clause("B-15.5", "B-15.3")
    def test_several_aces_get_a_principal_at_once(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.add_principal_to_aces([*CLOSE_IDS, "/o/1"], "read", "bob")
        permission.add_principal_to_aces(object_ids=(), permission="read", principal="carol")
        held = permission.get_objects_permissions([*CLOSE_IDS, "/o/2"])
        assert held[0] == {"read": {"alice", "bob"}, "write": {"bob"}}
        assert held[1:] == [{"read": {"bob"}}] * (len(CLOSE_IDS) - 1) + [{}]

    @pytest.mark.clause("B-22.39", "B-15.5")
    @pytest.mark.parametrize("principal", [None, 12, b"alice"], ids=repr)
    def test_several_aces_get_no_principal_that_is_not_a_text(
        self, permission: PermissionBase, principal: Any
    ) -> None:
        with pytest.raises(TypeError):
            permission.add_principal_to_aces(["/o/1", "/o/2"], "write", principal)
        assert permission.get_objects_permissions(["/o/1", "/o/2"]) == [{}, {}]

    @pytest.mark.clause("B-15.5")
    def test_removing_from_an_ace_leaves_the_others(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "read", "bob")
        permission.add_principal_to_ace("/o/1", "write", "alice")
        permission.remove_principal_from_ace("/o/1", "read", "alice")
        assert permission.object_permissions("/o/1") == {"read": {"bob"}, "write": {"alice"}}

    @pytest.mark.clause("B-15.5")
    def test_removing_what_is_not_in_an_ace_is_silent(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.remove_principal_from_ace("/o/1", "read", "bob")
        permission.remove_principal_from_ace("/o/1", "write", "alice")
        permission.remove_principal_from_ace("/o/2", "read", "alice")
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}
        assert permission.object_permissions("/o/2") == {}

    @pytest.mark.clause("B-15.5", "B-15.13", "D-52")
    def test_ace_without_principal_left_is_absent(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.remove_principal_from_ace("/o/1", "read", "alice")
        assert permission.object_permission_principals("/o/1", "read") == set()
        assert permission.object_permissions("/o/1") == {}

    @pytest.mark.clause("B-22.8", "B-16.1")
    def test_answers_belong_to_the_caller(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.object_permission_principals("/o/1", "read").add("intruder")
        permission.object_permission_authorized_principals("/o/1", "read").add("intruder")
        answer = permission.object_permissions("/o/1")
        answer["read"].add("intruder")
        answer["write"] = {"intruder"}
        permission.get_objects_permissions(["/o/1"])[0]["read"].add("intruder")
        permission.get_accessible_objects(["alice"])["/o/1"].add("write")
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}
        assert permission.get_accessible_objects(["alice"]) == {"/o/1": {"read"}}

    @pytest.mark.clause("B-22.8")
    def test_changing_what_was_given_does_not_change_the_backend(
        self, permission: PermissionBase
    ) -> None:
        principals = {"alice"}
        permission.replace_object_permissions("/o/1", {"read": principals})
        principals.add("intruder")
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    @pytest.mark.clause("B-22.39", "B-16.6", "D-50")
    @pytest.mark.parametrize("principal", [None, 12, b"alice"], ids=repr)
    def test_principal_of_an_ace_that_is_not_a_text_is_refused(
        self, permission: PermissionBase, principal: Any
    ) -> None:
        with pytest.raises(TypeError):
            permission.add_principal_to_ace("/o/1", "write", principal)
        assert permission.object_permissions("/o/1") == {}

    # Authorized principals and checks

    @pytest.mark.clause("B-15.8", "B-15.9")
    def test_authorized_principals_are_those_of_the_ace(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        authorized = permission.object_permission_authorized_principals("/o/1", "read")
        assert authorized == {"alice"}

    @pytest.mark.clause("B-15.8", "B-15.9")
    def test_authorized_principals_unite_the_bound_permissions(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.add_principal_to_ace("/parent", "read", "carol")
        permission.add_principal_to_ace("/parent", "write", "dave")
        authorized = permission.object_permission_authorized_principals(
            "/o/1", "read", get_bound_permissions=_read_from_parent
        )
        assert authorized == {"alice", "bob", "carol"}

    @pytest.mark.clause("B-15.8", "B-22.38", "B-16.1")
    @pytest.mark.parametrize("empty", [[], set(), ()], ids=repr)
    def test_empty_bound_permissions_authorize_nobody(
        self, permission: PermissionBase, empty: Any
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert (
            permission.object_permission_authorized_principals("/o/1", "read", lambda *_: empty)
            == set()
        )
        assert permission.check_permission("/o/1", "read", ["alice"], lambda *_: empty) is False

    @pytest.mark.clause("B-15.10", "P-29.4")
    def test_check_is_true_for_one_principal_of_the_ace(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert permission.check_permission("/o/1", "read", ["bob", "alice"]) is True
        assert permission.check_permission("/o/1", "read", ["bob"]) is False
        assert permission.check_permission("/o/1", "write", ["alice"]) is False
        assert permission.check_permission("/o/2", "read", ["alice"]) is False

    @pytest.mark.clause("B-15.10")
    @pytest.mark.parametrize("collect", [list, set, tuple, frozenset, iter], ids=repr)
    def test_check_takes_any_iterable_of_principals(
        self, permission: PermissionBase, collect: Any
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert permission.check_permission("/o/1", "read", collect(["bob", "alice"])) is True

    @pytest.mark.clause("B-15.10", "B-22.38", "B-16.1")
    def test_check_without_principal_is_false(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert permission.check_permission("/o/1", "read", []) is False
        assert permission.check_permission("/unknown", "read", []) is False

    @pytest.mark.clause("B-15.8", "B-15.10")
    def test_check_follows_the_bound_permissions(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/parent", "read", "carol")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        for principal in ("carol", "bob"):
            assert permission.check_permission(
                "/o/1", "read", [principal], get_bound_permissions=_read_from_parent
            )
        assert not permission.check_permission("/o/1", "read", ["carol"])

    @pytest.mark.clause("B-15.8")
    def test_bound_permissions_that_leave_the_requested_one_out_do_not_grant_it(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert not permission.check_permission(
            "/o/1", "read", ["alice"], lambda object_id, name: {("/parent", name)}
        )

    @pytest.mark.clause("B-15.10")
    def test_check_does_not_look_up_groups(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("/o/1", "read", "group")
        assert not permission.check_permission("/o/1", "read", ["alice"])

    @pytest.mark.clause("B-22.37", "D-48")
    @pytest.mark.parametrize("text", ODD_TEXTS, ids=repr)
    def test_ids_permissions_and_principals_are_plain_data(
        self, permission: PermissionBase, text: str
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("aXb", "aXb", "aXb")
        permission.add_principal_to_ace(f"/{text}", text, text)
        assert permission.object_permissions(f"/{text}") == {text: {text}}
        assert permission.object_permission_principals(f"/{text}", text) == {text}
        assert permission.check_permission(f"/{text}", text, [text])
        assert not permission.check_permission("/o/1", "read", [text])
        assert not permission.check_permission("aXb", "aXb", [text])
        assert not permission.check_permission(text, text, ["alice"])
        permission.remove_principal_from_ace(f"/{text}", text, text)
        assert permission.object_permissions(f"/{text}") == {}
        assert permission.object_permissions("aXb") == {"aXb": {"aXb"}}

    # All the permissions of an object

    @pytest.mark.clause("B-15.13")
    def test_object_permissions_gives_all_of_them(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "mushroom:create", "bob")
        answer = permission.object_permissions("/o/1")
        assert answer == {"read": {"alice"}, "mushroom:create": {"bob"}}
        assert type(answer) is dict

    @pytest.mark.clause("B-15.13", "B-16.1", "B-22.38", "D-52")
    def test_object_permissions_gives_those_listed(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        assert permission.object_permissions("/o/1", ["read", "none"]) == {"read": {"alice"}}
        assert permission.object_permissions("/o/1", permissions=("write",)) == {"write": {"bob"}}
        assert permission.object_permissions("/o/1", []) == {}

    @pytest.mark.clause("B-15.13")
    def test_unknown_object_has_no_permissions(self, permission: PermissionBase) -> None:
        assert permission.object_permissions("/unknown") == {}
        assert permission.object_permissions("/unknown", ["read"]) == {}

    @pytest.mark.clause("B-15.13", "B-22.35", "D-51", "B-16.1", "B-22.41")
    @pytest.mark.parametrize("object_id", CLOSE_IDS, ids=repr)
    def test_permissions_do_not_leak_between_close_ids(
        self, permission: PermissionBase, object_id: str
    ) -> None:
        for close in CLOSE_IDS:
            permission.add_principal_to_ace(close, "read", f"reader of {close}")
        assert permission.object_permissions(object_id) == {"read": {f"reader of {object_id}"}}
        assert permission.object_permission_authorized_principals(object_id, "read") == {
            f"reader of {object_id}"
        }
        permission.delete_object_permissions(object_id)
        for close in CLOSE_IDS:
            left = set() if close == object_id else {f"reader of {close}"}
            assert permission.object_permission_principals(close, "read") == left

    @pytest.mark.clause("E-12.3", "B-15.15", "X-29")
    def test_objects_are_found_as_they_would_be_deleted(self, permission: PermissionBase) -> None:
        for object_id in CLOSE_IDS:
            permission.add_principal_to_ace(object_id, "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        assert permission.matching_objects() == []
        assert permission.matching_objects("/unknown", "/p/*") == []
        assert permission.matching_objects("/o/1", "/unknown", "/o/1") == ["/o/1"]
        assert permission.matching_objects(Exact("/o/*")) == []
        for pattern in ("/o/*", "/o/1*", "*", "*1", "/*1*"):
            found = permission.matching_objects("/o", pattern)
            assert found == sorted(found)
            assert found == PermissionBase.matching_objects(permission, "/o", pattern)
            permission.delete_object_permissions("/o", pattern)
            assert permission.get_objects_permissions(found) == [{} for _ in found]
            for object_id in CLOSE_IDS:
                aces = permission.object_permissions(object_id)
                assert bool(aces) is (object_id not in found)
                permission.add_principal_to_ace(object_id, "read", "alice")

    @pytest.mark.clause("B-21.37")
    def test_permissions_of_several_objects_follow_the_order_of_the_ids(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.add_principal_to_ace("/o/2", "a:b", "carol")
        one: dict[str, set[str]] = {"read": {"alice"}, "write": {"bob"}}
        two: dict[str, set[str]] = {"a:b": {"carol"}}
        answer = permission.get_objects_permissions(["/o/2", "/unknown", "/o/1", "/o/2"])
        assert answer == [two, {}, one, two]
        assert permission.get_objects_permissions([]) == []

    @pytest.mark.clause("B-21.37", "B-22.38")
    def test_permissions_of_several_objects_may_be_limited(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.add_principal_to_ace("/o/2", "read", "carol")
        ids = ["/o/1", "/o/2"]
        answer = permission.get_objects_permissions(ids, permissions=iter(["read"]))
        assert answer == [{"read": {"alice"}}, {"read": {"carol"}}]
        assert permission.get_objects_permissions(ids, []) == [{}, {}]

    @pytest.mark.clause("B-15.13", "B-23.22")
    @pytest.mark.parametrize("object_id", CLOSE_IDS, ids=repr)
    def test_the_query_for_aces_finds_those_of_the_object(
        self, permission: PermissionBase, object_id: str
    ) -> None:
        for one in CLOSE_IDS:
            permission.add_principal_to_ace(one, "read", f"reader of {one}")
        aces = permission.select_aces(object_id)
        assert aces.read() == {"read": {f"reader of {object_id}"}}
        permission.add_principal_to_ace(object_id, "write", "alice")
        assert aces.read() == permission.object_permissions(object_id)
        assert permission.select_aces("/unknown").read() == {}

    def test_what_would_store_the_aces_of_a_new_object_stores_nothing(
        self, permission: PermissionBase
    ) -> None:
        permission.insertion_of_aces("/o", {"write": {"alice"}, "read": ["bob", "bob"]})
        assert permission.object_permissions("/o") == {}

    @pytest.mark.clause("B-22.37", "B-21.38")
    @pytest.mark.parametrize(
        "text",
        [
            "x') OR TRUE --",
            "x'; DROP TABLE access_control_entries; --",
            "\\'; DROP TABLE user_principals; --",
            "%s",
            "%(x)s",
            "?",
            "$1",
            "{wanted}",
            "{a,b}",
            '["a"]',
            '"]',
            '"',
            "NULL",
        ],
    )
    def test_whatever_the_text_it_is_data(self, permission: PermissionBase, text: str) -> None:
        permission.add_principal_to_ace("/o", "read", "alice")
        permission.add_user_principal("alice", "group")
        asked = [(text, "read", "alice"), ("/o", text, "alice"), ("/o", "read", text)]
        for object_id, name, principal in asked:
            assert permission.check_permission(object_id, name, [principal]) is False
            found = permission.principals_accessible_objects([principal], name, object_id)
            assert found == set()
            permission.remove_principal_from_ace(object_id, name, principal)
        permission.delete_object_permissions(text, f"{text}*", f"*{text}")
        permission.remove_principal(text)
        assert permission.user_principals(text) == set()
        assert permission.user_principals("alice") == {"group"}
        assert permission.object_permissions("/o") == {"read": {"alice"}}
        answer = permission.write_object_permissions(text, {text: [text]}, text).after
        assert answer == {text: {text}, "write": {text}}
        assert permission.get_objects_permissions([text], [text]) == [{text: {text}}]
        accessible = permission.get_accessible_objects([text], [(f"{text}*", text)])
        assert accessible == {text: {text}}
