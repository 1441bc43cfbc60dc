"""Finds the shared records of a collection, to which a list is limited (H-5.12)."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, Final

from pyramid.authorization import Authenticated
from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request

from cliquet import settings
from cliquet.core.globs import WILDCARD
from cliquet.core.shortcuts import Shortcut
from cliquet.security import memberships
from cliquet.security.sent_headers import sends_condition
from cliquet.security.sent_parameters import sent_parameters
from cliquet.security.shared_records import FoundAt, SharedRecords
from cliquet.storage.selection import CollectionKey
from cliquet.types import GetBoundPermissions, IdQuery

__all__ = [
    "SharedListing",
    "finds_shared_records",
    "joins",
    "may_list_nothing",
]

MAX_TRAVELLING: Final = 200
"""Number of ids that are given to the storage although it could find them itself.

The storage quickly finds a few ids among any number of records, but a check of each record for
whether it is shared costs as much as the collection is long.
"""

# No record has this id. An empty list of ids would mean no limit.
_NO_RECORD: Final = ""

_SELECTS = Shortcut("accessible_ids", "principals_accessible_objects")
_JOINS = Shortcut("can_join", "get_all", "delete_all")
_FIRST_IDS = Shortcut("first_ids", "collection_timestamp")
_POSITIONS = Shortcut("collection_positions", "collection_timestamp")
_FINDS_AS_PUBLISHED = Shortcut("select_shared_records", "fetch_shared_records", "extract_object_id")


# Code of an application in one of these must run only once: it may choose another collection.
_IS_IN_COMMON_PLACE = Shortcut("_may_be_made_ahead", "__init__", "get_parent_id")


class _Search:
    """Finds the URIs of the shared records of a collection.

    Most requests are permitted without it, so that the pattern is only made when it is needed.
    """

    def __init__(self, backend: Any, pattern_of: Callable[[], str]) -> None:
        self._backend = backend
        self._pattern_of = pattern_of

    @functools.cached_property
    def pattern(self) -> str:
        return self._pattern_of()

    def __call__(self, *args: Any, **options: Any) -> set[str]:
        search: Callable[..., set[str]] = functools.partial(
            self._backend.principals_accessible_objects, object_id_match=self.pattern
        )
        return search(*args, **options)


def _pattern(method: Callable[..., str], context: weakref.ref[Any], request: Request) -> str:
    return method(context(), request, WILDCARD)


class SharedListing:
    """The part of a context that finds the shared records of a collection (P-25.9).

    If storage and permissions are in one database, the storage finds the records itself, so that
    their ids, perhaps thousands, are not transferred. Code that reads ``shared_ids`` gets them
    nevertheless.

    Attributes
    ----------
    get_shared_ids : function, on collections, that finds the URIs of records on which principals
        have a permission.
    shared_records : what the last search has found; ``None`` if there was none, or if the
        application has replaced `shared_ids` since then.
    searched_at : moment from which on the last search may lack changes, whatever the application
        has chosen of its ids; ``None`` if it is not known.
    shared_ids : ids of the records to which a shared list is limited; empty for no limit.
    selected_ids : query that finds them in the database; ``None`` if they must be transferred.
    """

    get_shared_ids: Callable[..., set[str]] | None = None
    shared_records: SharedRecords | None = None
    searched_at: FoundAt | None = None
    get_permission_object_id: Callable[..., str]
    required_permission: str | None
    resource_name: str | None
    _request: Request
    _service: Any
    # The list that others have got or given, who may change it; until then, there is none.
    _shared_ids: list[str] | None = None
    # The value of `get_shared_ids`, as long as nobody has replaced it.
    _search: _Search | None = None

    @property
    def shared_ids(self) -> list[str]:
        if self._shared_ids is None:
            found = self.shared_records
            ids = [] if found is None else found.as_list()
            if self.selected_ids is not None and not ids:
                # The permissions were removed after the records were found. An empty list would
                # mean no limit.
                raise HTTPForbidden(result=False)
            self._shared_ids = ids
        return self._shared_ids

    @shared_ids.setter
    def shared_ids(self, ids: list[str]) -> None:
        self._shared_ids = ids
        # What was found may be others than these, which an application may have chosen.
        self.shared_records = None

    @property
    def selected_ids(self) -> IdQuery | None:
        found = self.shared_records
        return found.query if found is not None and found.ids is None else None

    @property
    def is_as_found(self) -> bool:
        """Whether the list is limited to what the search has found, and not to less or more."""
        if self._shared_ids is None:
            return True
        found = self.shared_records
        return found is not None and self._shared_ids == found.as_list()

    def _search_again(self, search: Callable[[], bool]) -> bool:
        """Run a search for ids that were transferred; the list never becomes unlimited by it."""
        found, ids, _ = former = self.shared_records, self._shared_ids, self.searched_at
        if not ids and (found is None or not found.ids):
            return True
        self.shared_records = self._shared_ids = None
        try:
            return search()
        finally:
            # Something other than sharing may permit the request now; or the search has failed,
            # and the operation runs again.
            if self.selected_ids is None and not self.shared_ids:
                self.shared_records, self._shared_ids, self.searched_at = former

    def _search_as_from_now(self, search: Callable[[], bool]) -> bool:
        """Run a search for a user who has joined groups, which may even have the whole collection.

        Nothing of the list was answered yet.
        """
        # What has told of the groups may be ahead of a replica.
        wait_for_commits(self._request.registry.permission)
        memberships.forget(self._request)
        self.shared_records = self._shared_ids = None
        return search()

    def _search_with(self, backend: Any) -> None:
        """Use a permission backend to find the shared records of the requested collection."""
        # The method is that of now: plugins replace it on the context later (P-35.13).
        method = type(self).get_permission_object_id
        if type(method) is FunctionType and "get_permission_object_id" not in vars(self):
            # The context refers to the search. A cycle would wait for the garbage collector.
            pattern_of = functools.partial(_pattern, method, weakref.ref(self), self._request)
        else:
            pattern_of = functools.partial(self.get_permission_object_id, self._request, WILDCARD)
        self._search = self.get_shared_ids = _Search(backend, pattern_of)

    def select_shared_records(
        self,
        perm: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool | None:
        """Find out whether the collection has records on which principals have a permission.

        A few ids become ``shared_ids``; for many, ``selected_ids`` becomes the query that finds
        them.

        .. versionadded:: 3.2

        Returns
        -------
        ``None`` if only :meth:`fetch_shared_records` can find out, because the backends are not in
        one database, or an application finds the records in its own way.
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
            search.pattern,
            get_bound_permissions,
            prefix=before,
            membership=memberships.known(self._request),
        )
        if selected is None or not joins(self._request.registry.storage, selected):
            return None
        found, self.searched_at = self._first_of(selected)
        # An id comes once for each principal and permission.
        ids = None if len(found) > MAX_TRAVELLING else tuple(dict.fromkeys(found))
        # An empty list means no limit. A search that finds nothing must not remove the limit of a
        # former one.
        limit = None if found else self.shared_ids
        self.shared_records = SharedRecords(ids, selected)
        self._shared_ids = limit
        return bool(found)

    def _first_of(self, selected: IdQuery) -> tuple[list[str], FoundAt | None]:
        """Return the first ids of a query, and the moment at which they were found, if known."""
        key, request = self._common_place(), self._request
        storage, number = request.registry.storage, MAX_TRAVELLING + 1
        if key is None or not _FIRST_IDS.is_open(storage):
            return selected.first(number), None
        found, timestamp = storage.first_ids(
            selected,
            number,
            collection_id=key.collection_id,
            parent_id=key.parent_id,
            # The answer may be 304, which needs no more; but no part of a collection has one for
            # a token (E-11.2).
            are_counted=not sends_condition(request) or "_sync" in sent_parameters(request),
        )
        return found, None if timestamp is None else FoundAt(key, timestamp)

    def _common_place(self) -> CollectionKey | None:
        """Return the collection of a list, if no code of the application can have moved it."""
        cls = getattr(self._service, "resource", None)
        is_read = self.required_permission == "read"
        if cls is None or not is_read or not _IS_IN_COMMON_PLACE.is_open_in(cls):
            return None
        return CollectionKey(parent_id="", collection_id=cls.__name__.lower())

    def look_at_timestamp(self) -> FoundAt | None:
        """Return the present moment for a search that follows, if that is free of side effects."""
        key, storage = self._common_place(), self._request.registry.storage
        if key is None or not _POSITIONS.is_open(storage):
            return None
        position = storage.collection_positions([key]).get(key)
        if position is None:
            return None
        wait_for_commits(self._request.registry.permission)
        return FoundAt(key, position.timestamp)

    def _is_searching_as_published(self) -> bool:
        """Return whether the application has no other way to find shared records (P-25.9)."""
        return self.get_shared_ids is self._search and _FINDS_AS_PUBLISHED.is_open(self)

    def _around_ids(self) -> tuple[str, str, str]:
        """Return the texts before, in place of and after an id in the URI of a record."""
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
        Their ids, which are also kept in ``shared_ids``.
        """
        if self.get_shared_ids is None:
            return []
        uris = self.get_shared_ids(
            permission=perm,
            principals=principals,
            get_bound_permissions=get_bound_permissions,
        )
        # The pattern matches slashes too, and may come from an application. Objects of another
        # parent, and objects below a record, must not pass (D-48, D-51).
        before, marker, after = self._around_ids()
        found = [
            self.extract_object_id(uri)
            for uri in uris
            # A method of the application may leave the id out; then nothing can be checked.
            if not marker
            or (
                uri.startswith(before)
                and uri.endswith(after)
                and "/" not in uri[len(before) : len(uri) - len(after)]
            )
        ]
        # An empty list means no limit. A later search that finds nothing must not remove the limit
        # of this one.
        if found:
            self.shared_ids = found
        return found

    def extract_object_id(self, object_uri: str) -> str:
        """Return the id of the record that has this URI."""
        return object_uri.split("/")[-1]


def joins(storage: Any, ids: IdQuery) -> bool:
    """Return whether a storage can find ids itself, in all its methods for lists and deletions."""
    return _JOINS.is_open(storage) and bool(storage.can_join(ids))


def finds_shared_records(
    context: Any, permission: str, principals: list[str], bound: GetBoundPermissions
) -> bool:
    """Return whether records of a collection are shared with a user, or its list may be empty."""
    if not isinstance(context, SharedListing):
        return bool(context.fetch_shared_records(permission, principals, bound))
    found_at = None
    is_found = context.select_shared_records(permission, principals, bound)
    if is_found is None:
        found_at = context.look_at_timestamp()
        is_found = bool(context.fetch_shared_records(permission, principals, bound))
    if not context.is_as_found:
        # The published method keeps the ids alone. Methods of the application may choose others.
        context.shared_records = SharedRecords(tuple(context.shared_ids))
        context.searched_at = found_at
    # Somebody who has lost the last record must learn of it.
    return is_found or (Authenticated in principals and may_list_nothing(context))


def may_list_nothing(context: Any) -> bool:
    """Return whether a request may list no record at all, and limit its list to that.

    It may if the client keeps a copy of the records (E-12.4).
    """
    if not isinstance(context, SharedListing) or context.required_permission != "read":
        return False
    request, name = context._request, context.resource_name
    configured = request.registry.settings
    has_token = "_sync" in sent_parameters(request) and settings.has_sync_tokens(configured, name)
    # A client that knows no tokens begins with a list of all.
    if not has_token and not settings.shows_departures(configured, name):
        return False
    found = context.shared_records
    # Those that are shared from now on may still be found by the query, but at no known moment.
    context.shared_ids = [_NO_RECORD]
    context.shared_records = SharedRecords((_NO_RECORD,), None if found is None else found.query)
    return True


def wait_for_commits(permission: Any) -> None:
    """Wait for the permissions that belong to what is visible in the storage by now."""
    # A permission backend of an application may know nothing of this.
    wait = getattr(permission, "wait_for_commits", None)
    if wait is not None:
        wait()
