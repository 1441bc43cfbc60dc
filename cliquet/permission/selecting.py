"""The part of the permission contract that lets a storage query the tables of permissions."""

from __future__ import annotations

from collections.abc import Iterable

from cliquet.types import GetBoundPermissions, IdQuery

__all__ = ["PermissionSelecting"]


class PermissionSelecting:
    """The query that a permission backend gives to a storage; by default there is none."""

    def accessible_ids(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str,
        get_bound_permissions: GetBoundPermissions | None = None,
        *,
        prefix: str,
    ) -> IdQuery | None:
        """Return a query for the records that ``principals_accessible_objects()`` would find.

        It finds the objects that begin with `prefix`, a text, and have no slash after it. Their
        ends are the ids of the records of a collection. A subclass that overrides one of these
        methods must override the other too.

        .. versionadded:: 3.2

        Returns
        -------
        ``None`` if the backend has no query that a storage can join.
        """
        return None
