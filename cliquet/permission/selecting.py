"""The part of the contract of a permission backend that lets a storage look into its tables."""

from __future__ import annotations

from collections.abc import Iterable

from cliquet.types import GetBoundPermissions, IdQuery

__all__ = ["PermissionSelecting"]


class PermissionSelecting:
    """What a permission backend finds for a storage: by default nothing, and ids travel."""

    def accessible_ids(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str,
        get_bound_permissions: GetBoundPermissions | None = None,
        *,
        prefix: str,
    ) -> IdQuery | None:
        """Return what finds the ends of the objects that ``principals_accessible_objects()`` finds.

        Only of those that begin with `prefix`, a text, and hold no slash behind it: the ids of the
        records of a collection. A subclass that overrides the one method overrides the other.

        .. versionadded:: 3.2

        Returns
        -------
        ``None`` when the backend has no query for a storage to join.
        """
        return None
