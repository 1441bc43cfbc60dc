"""The base class of permission backends, and the functions that backends share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from cliquet.permission import PermissionBase
from cliquet.permission.base import accessible_patterns, granting_permissions, require_principals
from cliquet.permission.memory import Permission
from cliquet.testing.permission.changes import PermissionChangesContract
from cliquet.types import GetBoundPermissions


class Minimal(PermissionBase):
    """A third party's backend with the published methods that the base class builds on."""

    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        pairs = granting_permissions(object_id, permission, get_bound_permissions)
        return {f"{name} of {granting_id}" for granting_id, name in pairs}

    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        return {name: {object_id} for name in permissions or ["all"]}


@pytest.mark.clause("B-15.3")
def test_any_arguments_are_accepted() -> None:
    PermissionBase(1, "two", three=3)


@pytest.mark.clause("B-15.3", "B-15.4", "P-29.4", "B-0.5")
@pytest.mark.parametrize(
    "call",
    [
        lambda base: base.initialize_schema(),
        lambda base: base.flush(),
        lambda base: base.add_user_principal(user_id="u", principal="p"),
        lambda base: base.remove_user_principal(user_id="u", principal="p"),
        lambda base: base.remove_principal(principal="p"),
        lambda base: base.user_principals(user_id="u"),
        lambda base: base.add_principal_to_ace(object_id="o", permission="r", principal="p"),
        lambda base: base.remove_principal_from_ace(object_id="o", permission="r", principal="p"),
        lambda base: base.object_permission_principals(object_id="o", permission="r"),
        lambda base: base.principals_accessible_objects(principals=[], permission="r"),
        lambda base: base.principals_accessible_objects(
            principals=[], permission="r", object_id_match="*", get_bound_permissions=None
        ),
        lambda base: base.get_accessible_objects(
            principals=[], bound_permissions=None, with_children=True
        ),
        lambda base: base.object_permission_authorized_principals(object_id="o", permission="r"),
        lambda base: base.object_permission_authorized_principals("o", "r", lambda o, p: []),
        lambda base: base.check_permission(object_id="o", permission="r", principals=[]),
        lambda base: base.object_permissions(object_id="o", permissions=["r"]),
        lambda base: base.get_objects_permissions(object_ids=["o"], permissions=["r"]),
        lambda base: base.replace_object_permissions(object_id="o", permissions={}),
        lambda base: base.delete_object_permissions("o", "p"),
    ],
)
def test_methods_are_abstract(call: Callable[[PermissionBase], object]) -> None:
    with pytest.raises(NotImplementedError):
        call(PermissionBase())


@pytest.mark.clause("B-15.3", "B-15.10", "P-29.4")
def test_check_builds_on_the_authorized_principals() -> None:
    backend = Minimal()
    assert backend.check_permission("o", "read", iter(["x", "read of o"])) is True
    assert backend.check_permission("o", "read", ["read of p"]) is False
    assert backend.check_permission("o", "read", ["read of p"], lambda _, name: [("p", name)])


@pytest.mark.clause("B-21.37")
def test_permissions_of_several_objects_build_on_those_of_one() -> None:
    answer = Minimal().get_objects_permissions(["o", "p"], iter(["read", "write"]))
    assert answer == [{"read": {"o"}, "write": {"o"}}, {"read": {"p"}, "write": {"p"}}]
    assert Minimal().get_objects_permissions(["o"]) == [{"all": {"o"}}]


@pytest.mark.clause("B-15.8")
def test_permission_grants_itself_without_hook_and_nothing_more_with_one() -> None:
    assert granting_permissions("o", "read", None) == [("o", "read")]
    assert granting_permissions("o", "read", lambda *_: []) == []
    assert granting_permissions("o", "read", lambda o, p: [(o, "write"), ("/", p)]) == [
        ("o", "write"),
        ("/", "read"),
    ]


@pytest.mark.clause("B-15.11")
def test_patterns_are_the_pairs_that_end_with_the_one_given() -> None:
    def hook(object_id: str, permission: str) -> list[tuple[str, str]]:
        return [(f"/b{object_id}", permission), ("/a", permission), (object_id, "write")]

    assert accessible_patterns("read", None, None) == [("*", "read")]
    assert accessible_patterns("read", "/a/*", None) == [("/a/*", "read")]
    assert accessible_patterns("read", "/a/*", hook) == [("/b/a/*", "read"), ("/a/*", "write")]
    assert accessible_patterns("read", None, hook) == [("/b*", "read"), ("*", "write")]


@pytest.mark.clause("B-22.39")
def test_principals_are_a_collection_of_texts() -> None:
    assert require_principals(["a", "b", "a"]) == {"a", "b"}
    with pytest.raises(TypeError, match="must be a text, not None"):
        require_principals(["a", None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="not the text 'alice'"):
        require_principals("alice")


class InParts(Permission):
    """A backend that offers no more than what was published."""

    write_object_permissions = PermissionBase.write_object_permissions
    take_object_permissions = PermissionBase.take_object_permissions


class TestInParts(PermissionChangesContract):
    @pytest.fixture
    def permission(self) -> Any:
        return InParts()
