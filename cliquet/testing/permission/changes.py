"""Tests of the replacement and deletion of the permissions of objects."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.core.globs import Exact, Pattern
from cliquet.permission import PermissionBase

__all__ = ["PermissionChangesContract"]


class PermissionChangesContract:
    """Tests of changes of many ACEs at once."""

    # Replacement

    @pytest.mark.clause("B-15.14")
    def test_replacement_sets_exactly_the_listed_permissions(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "read", "bob")
        permission.add_principal_to_ace("/o/1", "write", "carol")
        permission.add_principal_to_ace("/o/2", "read", "dave")
        permission.replace_object_permissions(
            "/o/1", {"read": ["bob", "erin", "erin"], "a:create": {"frank"}}
        )
        assert permission.object_permissions("/o/1") == {
            "read": {"bob", "erin"},
            "write": {"carol"},
            "a:create": {"frank"},
        }
        assert permission.object_permissions("/o/2") == {"read": {"dave"}}
        assert permission.principals_accessible_objects(["alice"], "read") == set()
        assert permission.principals_accessible_objects(["erin"], "read") == {"/o/1"}

    @pytest.mark.clause("B-15.14")
    def test_replacement_with_nobody_removes_the_permission(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.replace_object_permissions("/o/1", {"read": []})
        assert permission.object_permissions("/o/1") == {"write": {"bob"}}

    @pytest.mark.clause("B-15.14", "B-16.1")
    def test_replacement_of_an_unknown_permission_with_nobody_is_silent(
        self, permission: PermissionBase
    ) -> None:
        permission.replace_object_permissions("/o/1", {"read": set()})
        assert permission.object_permissions("/o/1") == {}

    @pytest.mark.clause("B-15.14", "B-22.38")
    def test_empty_replacement_changes_nothing(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.replace_object_permissions("/o/1", {})
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    @pytest.mark.clause("B-22.39", "B-15.17")
    @pytest.mark.parametrize("principals", [[None], ["carol", 12], "carol"], ids=repr)
    def test_replacement_with_something_else_than_texts_changes_nothing(
        self, permission: PermissionBase, principals: Any
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        with pytest.raises(TypeError):
            permission.replace_object_permissions("/o/1", {"read": ["bob"], "write": principals})
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    # Replacement, writer and answer at once

    @pytest.mark.clause("B-20.4", "H-24.7", "B-15.14")
    @pytest.mark.parametrize(
        ("given", "writer", "expected"),
        [
            ({}, None, {"read": {"alice"}, "write": {"bob"}}),
            ({}, "carol", {"read": {"alice"}, "write": {"bob", "carol"}}),
            ({"read": ["dave"]}, None, {"read": {"dave"}, "write": {"bob"}}),
            ({"read": [], "write": ["dave"]}, "carol", {"write": {"carol", "dave"}}),
            ({"write": []}, "carol", {"read": {"alice"}, "write": {"carol"}}),
            ({"read": (), "write": ()}, None, {}),
        ],
    )
    def test_writing_replaces_then_adds_the_writer_and_answers_all(
        self,
        permission: PermissionBase,
        given: dict[str, Any],
        writer: str | None,
        expected: dict[str, set[str]],
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.add_principal_to_ace("/o/1", "write", "bob")
        permission.add_principal_to_ace("/o/2", "write", "erin")

        written = permission.write_object_permissions("/o/1", given, writer).after

        assert written == expected == permission.object_permissions("/o/1")
        assert permission.object_permissions("/o/2") == {"write": {"erin"}}
        # The result belongs to the caller, who may change it.
        for principals in written.values():
            principals.clear()
        assert permission.object_permissions("/o/1") == expected

    @pytest.mark.clause("B-22.39", "B-15.17", "B-20.4")
    def test_writing_something_else_than_texts_changes_nothing(
        self, permission: PermissionBase
    ) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        with pytest.raises(TypeError):
            permission.write_object_permissions("/o/1", {"read": ["bob"], "write": [12]}, "carol")  # type: ignore[list-item]
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    @pytest.mark.clause("X-30")
    @pytest.mark.parametrize(
        ("given", "writer", "expected"),
        [
            ({}, None, {}),
            ({}, "carol", {"write": {"carol"}}),
            ({"read": ["dave"], "write": ()}, "eve", {"read": {"dave"}, "write": {"eve"}}),
            ({"read": ["dave", "alice"]}, "bob", {"read": {"alice", "dave"}, "write": {"bob"}}),
            ({"a:create": ["erin"]}, None, {"a:create": {"erin"}}),
        ],
    )
    def test_what_is_new_has_only_what_it_is_given(
        self,
        permission: PermissionBase,
        given: dict[str, Any],
        writer: str | None,
        expected: dict[str, set[str]],
    ) -> None:
        former = {"read": {"alice"}, "write": {"bob", "frank"}, "b:create": {"carol"}}
        for object_id in ("/o/1", "/o/2"):
            permission.replace_object_permissions(object_id, former)

        change = permission.write_object_permissions("/o/1", given, writer, is_new=True)

        # What a former object had is not told.
        assert change.before == {}
        assert change.after == expected == permission.object_permissions("/o/1")
        assert permission.object_permissions("/o/2") == former
        held = permission.get_accessible_objects(["alice", "bob", "carol", "frank"])
        assert held.get("/o/1", set()) == {
            name
            for name, given in expected.items()
            if not given.isdisjoint({"alice", "bob", "carol"})
        }

    @pytest.mark.clause("D-62", "B-15.14")
    def test_a_write_tells_what_there_was(self, permission: PermissionBase) -> None:
        permission.replace_object_permissions("/o/1", {"read": ["alice"], "write": ["bob"]})
        change = permission.write_object_permissions("/o/1", {"read": ["dave"]}, "carol")
        assert change.before == {"read": {"alice"}, "write": {"bob"}}

    @pytest.mark.clause("D-62", "B-15.14", "B-20.4")
    @pytest.mark.parametrize("is_new", [False, True])
    def test_a_write_may_be_told_what_there_is(
        self, permission: PermissionBase, is_new: bool
    ) -> None:
        former = {"read": {"alice"}, "write": {"bob"}, "b:create": {"erin"}}
        permission.replace_object_permissions("/o/1", former)
        held = permission.object_permissions("/o/1")

        change = permission.write_object_permissions(
            "/o/1", {"read": ["alice", "dave"], "write": []}, "carol", is_new=is_new, held=held
        )

        assert change.before == ({} if is_new else former)
        kept = {} if is_new else {"b:create": {"erin"}}
        expected = {"read": {"alice", "dave"}, "write": {"carol"}, **kept}
        assert change.after == expected == permission.object_permissions("/o/1")
        assert permission.take_object_permissions(["/o/1"], held=[change.after]) == [expected]
        assert permission.object_permissions("/o/1") == {}

    # Deletion

    @pytest.mark.clause("B-15.15", "D-62", "D-48")
    def test_what_is_taken_is_told_and_gone(self, permission: PermissionBase) -> None:
        for object_id in ("/o/1", "/o/*", "/o/3"):
            permission.replace_object_permissions(object_id, {"read": ["alice", "bob"]})

        taken = permission.take_object_permissions(["/o/*", "/unknown", "/o/1"])

        assert taken == [{"read": {"alice", "bob"}}, {}, {"read": {"alice", "bob"}}]
        assert permission.principals_accessible_objects(["alice"], "read") == {"/o/3"}
        assert permission.take_object_permissions([]) == []

    @pytest.mark.clause("B-15.15")
    def test_deletion_removes_all_the_aces_of_each_object(self, permission: PermissionBase) -> None:
        for object_id in ("/o/1", "/o/2", "/o/3"):
            permission.add_principal_to_ace(object_id, "read", "alice")
            permission.add_principal_to_ace(object_id, "write", "bob")
        permission.delete_object_permissions("/o/1", "/o/2", "/unknown")
        assert permission.get_objects_permissions(["/o/1", "/o/2"]) == [{}, {}]
        assert permission.object_permissions("/o/3") == {"read": {"alice"}, "write": {"bob"}}
        assert permission.principals_accessible_objects(["alice", "bob"], "read") == {"/o/3"}

    @pytest.mark.clause("B-15.15", "B-22.38")
    def test_deletion_of_nothing_is_fine(self, permission: PermissionBase) -> None:
        permission.add_principal_to_ace("/o/1", "read", "alice")
        permission.delete_object_permissions()
        assert permission.object_permissions("/o/1") == {"read": {"alice"}}

    @pytest.mark.clause("B-21.36", "B-15.12")
    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("/a/*", {"/a", "/b/a/1", "/a.1/x", "/ab/1"}),
            ("*", set()),
            ("/a*", {"/b/a/1"}),
            ("*/1", {"/a", "/a/1/x", "/a/2", "/a.1/x"}),
            ("/a/*/x", {"/a", "/b/a/1", "/a/1", "/a/2", "/a.1/x", "/ab/1"}),
            ("/a.*", {"/a", "/b/a/1", "/a/1", "/a/1/x", "/a/2", "/ab/1"}),
        ],
    )
    def test_deletion_accepts_patterns_of_whole_ids(
        self, permission: PermissionBase, pattern: str, left: set[str]
    ) -> None:
        for object_id in ("/a", "/b/a/1", "/a/1", "/a/1/x", "/a/2", "/a.1/x", "/ab/1"):
            permission.add_principal_to_ace(object_id, "read", "alice")
        permission.delete_object_permissions(pattern)
        assert permission.principals_accessible_objects(["alice"], "read") == left

    @pytest.mark.clause("X-29", "B-21.36")
    @pytest.mark.parametrize(
        ("given", "left"),
        [
            ((Exact("/a*"),), ["/a", "/a*/*", "/a*/1", "/ab", "/ab/1"]),
            ((Exact("/a*/*"), Exact("*")), ["/a", "/a*", "/a*/1", "/ab", "/ab/1"]),
            ((Exact("/a*"), Pattern("/a*")), []),
            ((Pattern.of("/a*/", ""),), ["/a", "/a*", "/ab", "/ab/1"]),
            ((Pattern.of("/a*/", ""), Pattern("/a*/*")), ["/a", "/a*", "/ab"]),
            ((Pattern.of("", "*"),), ["/a", "/a*/1", "/ab", "/ab/1"]),
            ((Pattern.of("", "?", "*"), Pattern.of("/a[*]", "")), None),
        ],
    )
    def test_deletion_tells_names_from_patterns(
        self, permission: PermissionBase, given: tuple[str, ...], left: list[str] | None
    ) -> None:
        object_ids = {"/a", "/a*", "/a*/*", "/a*/1", "/ab", "/ab/1"}
        for object_id in object_ids:
            permission.add_principal_to_ace(object_id, "read", "alice")

        permission.delete_object_permissions(*given)

        kept = permission.principals_accessible_objects(["alice"], "read")
        assert kept == (object_ids if left is None else set(left))

    @pytest.mark.clause("B-22.41", "B-22.43", "B-15.15")
    @pytest.mark.parametrize("character", ["_", "%", "?", ".", "[xy]", "\\", "+", "|"])
    def test_only_the_star_is_special_in_deletions(
        self, permission: PermissionBase, character: str
    ) -> None:
        kept = ["/a/xy1/", "/a/xx1/", "/a/x1/", "/a/xyz/"]
        for object_id in kept:
            permission.add_principal_to_ace(object_id, "read", "alice")
        literal = f"/a/x{character}1/"
        permission.add_principal_to_ace(literal, "read", "alice")
        permission.delete_object_permissions(literal)
        assert permission.principals_accessible_objects(["alice"], "read") == set(kept)
        permission.add_principal_to_ace(f"{literal}z", "read", "alice")
        permission.delete_object_permissions(f"{literal}*")
        assert permission.principals_accessible_objects(["alice"], "read") == set(kept)
