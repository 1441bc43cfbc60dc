"""Tests of the objects that principals may access."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cliquet.core.globs import Exact, Pattern
from cliquet.permission import PermissionBase
from cliquet.types import BoundPermission

__all__ = ["AccessibleObjectsContract"]


def _write_grants_read(object_id: str, permission: str) -> Iterable[BoundPermission]:
    granting = [(object_id, permission), (object_id, "write")]
    return [*granting, ("/url/a", permission), ("/url/a", "write")]


class AccessibleObjectsContract:
    """Tests of the way from principals and permissions to objects."""

    @pytest.mark.clause("B-15.11")
    def test_objects_are_those_where_one_principal_holds_the_permission(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/2", "read", "group")
        permission.add_principal_to_ace("/o/3", "write", "alice")
        permission.add_principal_to_ace("/o/4", "read", "bob")
        found = permission.principals_accessible_objects(["alice", "group"], "read")
        assert found == {"/o/1", "/o/2"}

    @pytest.mark.clause("B-15.11", "B-15.10")
    def test_groups_are_not_looked_up(self, permission: PermissionBase) -> None:
        permission.add_user_principal("alice", "group")
        permission.add_principal_to_ace("/o/1", "read", "group")
        assert permission.principals_accessible_objects(["alice"], "read") == set()

    @pytest.mark.clause("B-22.38", "B-16.1")
    def test_no_principal_accesses_nothing(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        assert permission.principals_accessible_objects([], "read") == set()
        assert permission.get_accessible_objects([]) == {}
        assert permission.get_accessible_objects([], [("*", "read")]) == {}

    @pytest.mark.clause("D-51", "B-16.1")
    @pytest.mark.parametrize(
        "name", ["x:read", "reader", "xread", "READ", "read ", "%read", "r_ad"]
    )
    def test_permission_names_match_exactly(self, permission: PermissionBase, name: str) -> None:
        permission.add_principal_to_ace("/o/1", name, "alice")
        assert permission.principals_accessible_objects(["alice"], "read") == set()
        assert permission.principals_accessible_objects(["alice"], name) == {"/o/1"}

    @pytest.mark.clause("B-15.5", "B-15.11")
    def test_object_is_no_longer_accessible_once_the_principal_is_removed(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "alice")
        permission.remove_principal_from_ace("/o/1", "read", "alice")
        assert permission.principals_accessible_objects(["alice"], "read") == set()
        assert permission.principals_accessible_objects(["alice"], "write") == {"/o/1"}

    # Patterns

    @pytest.mark.clause("B-15.11", "B-15.12", "B-16.1", "D-51", "D-48")
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            (None, {"/a", "/a/1", "/a/1/b/2", "/a/10", "/ab/1", "/x/a/1", "/a/1\n"}),
            ("*", {"/a", "/a/1", "/a/1/b/2", "/a/10", "/ab/1", "/x/a/1", "/a/1\n"}),
            ("/a/1", {"/a/1"}),
            ("/a/*", {"/a/1", "/a/1/b/2", "/a/10", "/a/1\n"}),
            ("/a*", {"/a", "/a/1", "/a/1/b/2", "/a/10", "/ab/1", "/a/1\n"}),
            ("*/1", {"/a/1", "/ab/1", "/x/a/1"}),
            ("*/a/*", {"/a/1", "/a/1/b/2", "/a/10", "/x/a/1", "/a/1\n"}),
            ("/a/*/b/*", {"/a/1/b/2"}),
            ("/a/1*/*", {"/a/1/b/2"}),
            ("/a/**", {"/a/1", "/a/1/b/2", "/a/10", "/a/1\n"}),
            ("/A/*", set()),
            ("/a/.*", set()),
            ("/a/_", set()),
            ("/a/%", set()),
            ("/a/?", set()),
            ("/a/[0-9]", set()),
            ("", set()),
        ],
    )
    def test_pattern_matches_whole_ids(
        self, permission: PermissionBase, pattern: str | None, expected: set[str]
    ) -> None:
        for object_id in ("/a", "/a/1", "/a/1/b/2", "/a/10", "/ab/1", "/x/a/1", "/a/1\n"):
            permission.add_principal_to_ace(object_id, "read", "alice")
        found = permission.principals_accessible_objects(["alice"], "read", pattern)
        assert found == expected

    @pytest.mark.clause("B-15.12", "B-22.41", "D-48")
    @pytest.mark.parametrize("character", ["_", "%", "?", ".", "[xy]", "\\", "+", "|", "'", "("])
    def test_only_the_star_is_special_in_patterns(
        self, permission: PermissionBase, character: str
    ) -> None:
        for object_id in ("/a/xy1/z", "/a/xx1/z", "/a/x1/z"):
            permission.add_principal_to_ace(object_id, "read", "alice")
        literal = f"/a/x{character}1/"
        permission.add_principal_to_ace(f"{literal}z", "read", "alice")
        found = permission.principals_accessible_objects(
            principals=["alice"], permission="read", object_id_match=f"{literal}*"
        )
        assert found == {f"{literal}z"}

    @pytest.mark.clause("X-29", "B-15.11")
    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            (Pattern.of("/a*/", ""), ["/a*/1", "/a*/1/b"]),
            (Pattern.of("/a*/", "/b"), ["/a*/1/b"]),
            (Pattern("/a*/*"), ["/a*/1", "/a*/1/b", "/ab/1", "/a/1"]),
            (Exact("/a*/1"), ["/a*/1"]),
            (Exact("/a*"), ["/a*"]),
        ],
    )
    @pytest.mark.parametrize(
        "hook",
        [
            None,
            lambda object_id, name: [(object_id, name), ("/ab/1", name)],
            # The hook makes new texts, like those of published plugins.
            lambda object_id, name: [("".join(list(object_id)), name), (f"/x{object_id}", name)],
        ],
        ids=["no hook", "same text", "other text"],
    )
    def test_stars_of_names_are_literal_in_a_pattern_of_literals(
        self, permission: PermissionBase, match: str, expected: list[str], hook: Any
    ) -> None:
        for object_id in ("/a*/1", "/a*/1/b", "/ab/1", "/a/1", "/a*", "/x/ab/1"):
            permission.add_principal_to_ace(object_id, "read", "alice")

        found = permission.principals_accessible_objects(["alice"], "read", match, hook)

        # The last hook adds this prefix to the pattern.
        assert found - {"/x/ab/1"} == set(expected)
        pairs = [(match, "read")]
        assert permission.get_accessible_objects(["alice"], pairs).keys() == set(expected)

    @pytest.mark.clause("X-29", "B-21.38")
    def test_a_name_and_a_pattern_of_the_same_text_are_told_apart(
        self, permission: PermissionBase
    ) -> None:
        for object_id in ("/a*", "/ab"):
            permission.add_principal_to_ace(object_id, "read", "alice")

        def found(*texts: str) -> set[str]:
            pairs = [(text, "read") for text in texts]
            return set(permission.get_accessible_objects(["alice"], pairs))

        assert found(Exact("/a*")) == found(Pattern.of("/a*")) == {"/a*"}
        assert found("/a*") == found(Pattern("/a*")) == {"/a*", "/ab"}
        assert found(Exact("/a*"), Pattern("/a*")) == {"/a*", "/ab"}

    # Inheritance

    @pytest.mark.clause("B-15.11")
    @pytest.mark.parametrize("name", ["read", "write"])
    def test_bound_pairs_that_do_not_end_with_the_pattern_are_left_out(
        self, permission: PermissionBase, name: str
    ) -> None:
        permission.add_principal_to_ace("/url/a/id/1", "read", "alice")
        permission.add_principal_to_ace("/url/a/id/2", "write", "alice")
        permission.add_principal_to_ace("/url/a", "read", "alice")
        permission.add_principal_to_ace("/url/a", "write", "alice")
        permission.add_principal_to_ace("/url/b/id/1", "read", "alice")
        pairs = [("/url/a", "read"), ("/url/a", "write")]
        pairs += [("/url/a/id/*", "read"), ("/url/a/id/*", "write")]
        found = permission.principals_accessible_objects(
            ["alice"], name, get_bound_permissions=lambda *_: set(pairs)
        )
        assert found == {"/url/a/id/1", "/url/a/id/2"}

    @pytest.mark.clause("B-15.11")
    def test_hook_receives_the_pattern_and_the_permission(self, permission: PermissionBase) -> None:
        calls: list[tuple[str, str]] = []

        def hook(object_id: str, name: str) -> Iterable[BoundPermission]:
            calls.append((object_id, name))
            return []

        permission.principals_accessible_objects(["alice"], "read", get_bound_permissions=hook)
        permission.principals_accessible_objects(["alice"], "write", "/a/*", hook)
        assert calls == [("*", "read"), ("/a/*", "write")]

    @pytest.mark.clause("B-15.11")
    def test_pattern_and_hook_work_together(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/url/a/1", "write", "alice")
        permission.add_principal_to_ace("/url/a/2", "read", "group")
        permission.add_principal_to_ace("/url/b/1", "read", "alice")
        permission.add_principal_to_ace("/url/a", "write", "alice")
        found = permission.principals_accessible_objects(
            ["alice", "group"], "read", "/url/a/*", _write_grants_read
        )
        assert found == {"/url/a/1", "/url/a/2"}

    @pytest.mark.clause("B-22.38", "B-16.1", "B-15.8")
    @pytest.mark.parametrize("empty", [[], set(), ()], ids=repr)
    def test_empty_bound_permissions_access_nothing(
        self, permission: PermissionBase, empty: Any
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        found = permission.principals_accessible_objects(
            ["alice"], "read", get_bound_permissions=lambda *_: empty
        )
        assert found == set()

    # Objects and their permissions

    @pytest.mark.clause("B-21.38")
    def test_accessible_objects_come_with_their_permissions(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "group")
        permission.add_principal_to_ace("/o/1", "a:create", "bob")
        permission.add_principal_to_ace("/o/2", "a:create", "alice")
        assert permission.get_accessible_objects(["alice", "group"]) == {
            "/o/1": {"read", "write"},
            "/o/2": {"a:create"},
        }

    @pytest.mark.clause("B-21.38")
    def test_accessible_objects_are_limited_to_the_bound_permissions(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/a/1", "read", "alice")
        permission.add_principal_to_ace("/a/1", "write", "alice")
        permission.add_principal_to_ace("/a/2", "write", "alice")
        permission.add_principal_to_ace("/a/3", "a:create", "alice")
        permission.add_principal_to_ace("/b/1", "read", "alice")
        permission.add_principal_to_ace("/b/1", "write", "alice")
        found = permission.get_accessible_objects(
            ["alice"], bound_permissions=[("/a/*", "read"), ("/a/*", "write"), ("/b/1", "read")]
        )
        assert found == {"/a/1": {"read", "write"}, "/a/2": {"write"}, "/b/1": {"read"}}

    @pytest.mark.clause("B-21.38", "B-22.38")
    def test_empty_list_of_bound_permissions_gives_nothing(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/a/1", "read", "alice")
        assert permission.get_accessible_objects(["alice"], []) == {}

    @pytest.mark.clause("B-21.38", "D-51")
    def test_ids_deeper_than_the_pattern_may_be_left_out(self, permission: PermissionBase) -> None:
        for object_id in ("/a/1", "/a/1/b/2", "/a/3", "/c/1/d/1"):
            permission.add_principal_to_ace(object_id, "read", "alice")
        pairs = [("/a/*", "read"), ("/c/*/d/*", "read")]
        assert permission.get_accessible_objects(["alice"], pairs, with_children=False) == {
            "/a/1": {"read"},
            "/a/3": {"read"},
            "/c/1/d/1": {"read"},
        }
        assert "/a/1/b/2" in permission.get_accessible_objects(["alice"], pairs)

    @pytest.mark.clause("B-21.38", "B-22.37")
    def test_bound_permissions_are_plain_data(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/a/1", "read", "alice")
        odd = "x' OR '1'='1"
        assert permission.get_accessible_objects([odd], [("*", "read")]) == {}
        assert permission.get_accessible_objects(["alice"], [(odd, "read"), ("*", odd)]) == {}
