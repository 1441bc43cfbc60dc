"""Which records of a collection a listing is limited to, because they are shared (H-5.12)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request

from cliquet.core.shortcuts import Shortcut
from cliquet.types import GetBoundPermissions, IdQuery

__all__ = ["SharedListing", "joins"]

MAX_TRAVELLING: Final = 200
"""Ids that are given to the storage as they are, though it could look for them itself.

It finds a few among any number of records, while to ask of each record whether it is shared costs
as much as the collection is long.
"""

_SELECTS = Shortcut("accessible_ids", "principals_accessible_objects")
_JOINS = Shortcut("can_join", "get_all", "delete_all")
_FINDS_AS_PUBLISHED = Shortcut("select_shared_records", "fetch_shared_records", "extract_object_id")


class SharedListing:
    """The part of a context that finds the shared records of a collection (P-25.6, P-25.9).

    Where storage and permissions are in one database, the storage looks for them itself: their ids,
    which may be thousands, do not travel. Whoever reads ``shared_ids`` gets them nevertheless.

    Attributes
    ----------
    get_shared_ids : on collections, finds the URIs of records on which principals have a
        permission.
    shared_ids : ids of the records that a shared listing is limited to; empty for no limit.
    selected_ids : what finds them in the database; ``None`` where they have to travel.
    """

    get_shared_ids: Callable[..., set[str]] | None = None
    selected_ids: IdQuery | None = None
    get_permission_object_id: Callable[..., str]
    _request: Request
    _shared_ids: list[str] | None = None
    # What `get_shared_ids` is, as long as nobody has put something else in its place.
    _search: functools.partial[set[str]] | None = None

    @property
    def shared_ids(self) -> list[str]:
        if self._shared_ids is None:
            selected = list(self.selected_ids or ())
            if self.selected_ids is not None and not selected:
                # Taken back since they were found. An empty list would mean that everything is
                # to be listed.
                raise HTTPForbidden
            self._shared_ids = selected
        return self._shared_ids

    @shared_ids.setter
    def shared_ids(self, ids: list[str]) -> None:
        self._shared_ids = ids
        self.selected_ids = None

    def _search_with(self, backend: Any, pattern: str) -> None:
        """Have shared records be found by a permission backend.

        Parameters
        ----------
        pattern : of the URIs of all records of the collection.
        """
        self._search = functools.partial(
            backend.principals_accessible_objects, object_id_match=pattern
        )
        self.get_shared_ids = self._search

    def select_shared_records(
        self,
        perm: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool | None:
        """Find out whether the collection has records on which principals have a permission.

        Few ids become ``shared_ids``; of many, ``selected_ids`` is what finds them.

        .. versionadded:: 3.2

        Returns
        -------
        ``None`` when only :meth:`fetch_shared_records` can tell: the backends are not in one
        database, or an application finds them in its own way.
        """
        search = self._search
        if search is None or not self._is_searching_as_published():
            return None
        backend = self._request.registry.permission
        if not _SELECTS.is_open(backend):
            return None
        before, marker, after = self._around_ids()
        if not marker or after or not before.endswith("/"):
            return None
        selected = backend.accessible_ids(
            principals,
            perm,
            search.keywords["object_id_match"],
            get_bound_permissions,
            prefix=before,
        )
        if selected is None or not joins(self._request.registry.storage, selected):
            return None
        found = selected.first(MAX_TRAVELLING + 1)
        if len(found) > MAX_TRAVELLING:
            self._shared_ids, self.selected_ids = None, selected
        elif found:
            self.shared_ids = found
        return bool(found)

    def _is_searching_as_published(self) -> bool:
        """Whether no application has another way to find shared records (P-25.9)."""
        return self.get_shared_ids is self._search and _FINDS_AS_PUBLISHED.is_open(self)

    def _around_ids(self) -> tuple[str, str, str]:
        """Return what stands before, in place of and behind an id in the URI of a record."""
        return self.get_permission_object_id(self._request, "\0").partition("\0")

    def fetch_shared_records(
        self,
        perm: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> list[str]:
        """Find the records of the collection on which principals have a permission (H-5.12).

        Returns
        -------
        Their ids, kept in ``shared_ids`` too.
        """
        if self.get_shared_ids is None:
            return []
        uris = self.get_shared_ids(
            permission=perm,
            principals=principals,
            get_bound_permissions=get_bound_permissions,
        )
        # The pattern takes slashes, and may be an application's: neither what belongs to another
        # parent nor what lies below a record may pass (D-48, D-51).
        before, marker, after = self._around_ids()
        found = [
            self.extract_object_id(uri)
            for uri in uris
            # A method of the application's may leave the id out, and then says nothing of others.
            if not marker
            or (
                uri.startswith(before)
                and uri.endswith(after)
                and "/" not in uri[len(before) : len(uri) - len(after)]
            )
        ]
        # An empty list means no limit: a later question, answered by no, must not lift this one's.
        if found:
            self.shared_ids = found
        return found

    def extract_object_id(self, object_uri: str) -> str:
        """Return the id of the record that has this URI."""
        return object_uri.split("/")[-1]


def joins(storage: Any, ids: IdQuery) -> bool:
    """Whether a storage looks for ids itself, wherever listings and deletions go through it."""
    return _JOINS.is_open(storage) and bool(storage.can_join(ids))
