"""The published class of resources whose records belong to the user who made them (H-5.1, H-5.2).

What an endpoint does is in the modules ``listing`` and ``writing`` beside this one. The class holds
what applications override: hooks, and the steps that the endpoints call through it (P-11).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import colander
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, settings, utils
from cliquet.events import ACTIONS
from cliquet.monitoring import logs
from cliquet.resource import (
    body,
    headers,
    listing,
    listing_query,
    pagination,
    patch,
    patch_reading,
    refusals,
    writing,
)
from cliquet.resource.bounds import Bounds
from cliquet.resource.model import Model
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.viewset import ViewSet
from cliquet.security import authentication
from cliquet.storage import Filter, Sort
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.query import PaginationRule
from cliquet.types import Record
from cliquet.web import faults

__all__ = ["Body", "UserResource"]

Body = dict[str, Any]


class UserResource:
    """Records that only their owner sees: the class that applications subclass (P-9).

    Attributes
    ----------
    default_viewset, default_model : what serves and what stores the records.
    mapping : an instance of the schema; without fields, nothing of a body is kept.
    force_patch_update : PATCH writes even when nothing changes.
    """

    default_viewset: type[ViewSet] = ViewSet
    default_model: type[Model] = Model
    mapping: ResourceSchema = ResourceSchema()
    force_patch_update = False

    # A list is read before its timestamp, which comes with the page: see `listing`.
    _timestamp_comes_with_page = True

    # What was found out for the request.
    _timestamp: int | None = None
    _query_bounds: Bounds | None = None
    # A mapping, and what it became when it was bound to the request.
    _bound_mapping: tuple[ResourceSchema, ResourceSchema] | None = None
    # The last page that was cut, and the record after it: the published methods that write its
    # token are given its last record alone.
    _page_end: tuple[Sequence[Record], Record | None] = ((), None)

    def __init__(self, request: Request, context: Any = None) -> None:
        # First, since an override may set attributes that the rest relies on (P-9.11).
        # Where nobody is asked who they are, there is one collection for all (S-5.1).
        parent_id = self.get_parent_id(request) or ""
        if not _is_storable(parent_id, request):
            raise refusals.not_found()
        self.model = self.default_model(
            storage=request.registry.storage,
            id_generator=request.registry.id_generator,
            collection_id=utils.classname(self),
            parent_id=parent_id,
            auth=request.headers.get("Authorization"),
        )
        self.request = request
        self.context = context
        self.record_id = (request.matchdict or {}).get("id")
        self.force_patch_update = type(self).force_patch_update
        logs.bind(collection_id=self.model.collection_id)

    @property
    def collection(self) -> Model:
        """Former name of ``model`` (P-9.10)."""
        warnings.warn(
            "``self.collection`` is now deprecated. Please use ``self.model`` instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.model

    @property
    def timestamp(self) -> int:
        """The timestamp of the collection in ms, read once per request (P-9.9, P-9.13).

        Raises
        ------
        BackendError : the storage failed.
        HTTPServiceUnavailable : the same in read-only mode (H-26.9).
        """
        if self._timestamp is None:
            self._timestamp = listing.read_timestamp(self.request, self.model.timestamp)
            logs.bind(collection_timestamp=self._timestamp)
        return self._timestamp

    @property
    def _schema(self) -> ResourceSchema:
        """The schema of the records, with what depends on the request worked out."""
        mapping, bound = self.mapping, self._bound_mapping
        if bound is None or bound[0] is not mapping:
            bound = self._bound_mapping = (mapping, mapping.for_request(self.request))
        return bound[1]

    # Endpoints

    def collection_get(self) -> Body:
        """List records (H-11)."""
        return listing.get_list(self)

    def collection_post(self) -> Body:
        """Create a record (H-16)."""
        return writing.post_record(self)

    def collection_delete(self) -> Body:
        """Delete the records that match the filters (H-17)."""
        return listing.delete_list(self)

    def get(self) -> Body:
        """Fetch a record (H-18)."""
        self._raise_400_if_invalid_id(self.record_id)
        record = self._get_record_or_404(self.record_id)
        response = self.request.response
        self._add_timestamp_header(response, timestamp=record[self.model.modified_field])
        self._add_cache_header(response)
        self._raise_304_if_not_modified(record)
        self._raise_412_if_modified(record)
        partial_fields = self._extract_partial_fields()
        if partial_fields is not None:
            record = utils.dict_subset(record, partial_fields)
        return self.postprocess(record)

    def put(self) -> Body:
        """Create or replace a record (H-19)."""
        return writing.put_record(self)

    def patch(self) -> Body:
        """Modify members of a record (H-20)."""
        return writing.patch_record(self)

    def delete(self) -> Body:
        """Delete a record (H-21)."""
        return writing.delete_record(self)

    # Hooks

    def get_parent_id(self, request: Request) -> str:
        """Return the parent of the collection: the user, so that records are theirs (P-11.1)."""
        userid: str = request.prefixed_userid
        return userid

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Change or refuse a record before it is written (P-11.2).

        May be called more than once for one request (X-24).

        Parameters
        ----------
        new : the record about to be written.
        old : the stored record, or the tombstone that `new` replaces.
        """
        modified_field = self.model.modified_field
        given = new.get(modified_field)
        if old is not None and given is not None and given <= old.get(modified_field, -1):
            # Not newer than what is there: the server's timestamp replaces it (H-9.1).
            return {name: value for name, value in new.items() if name != modified_field}
        return new

    def apply_changes(self, record: Record, changes: Record) -> Record:
        """Return what PATCH makes of a record (P-11.3).

        Raises
        ------
        HTTPBadRequest : a read-only field would change, or the result does not fit the schema.
        """
        schema = self._schema
        readonly = patch.find_readonly_change(record, changes, schema.is_readonly)
        if readonly is not None:
            errors.raise_invalid(
                self.request, name=readonly, description=f"Cannot modify {readonly}"
            )
        try:
            validated: Record = schema.deserialize(patch.merge(record, changes))
        except colander.Invalid as invalid:
            field, description = faults.first_of(invalid)
        else:
            return validated
        # What the schema says of the record as a whole names no field.
        name = f"data.{field}" if field else "data"
        errors.raise_invalid(self.request, name=name, description=description)

    def postprocess(
        self, result: Any, action: ACTIONS = ACTIONS.READ, old: Record | None = None
    ) -> Body:
        """Return the body of the response, and tell subscribers what was done (P-11.4)."""
        self.request.notify_resource_event(
            # After a change it is another one than the response's headers carry.
            timestamp=(
                self.model.timestamp if action is not ACTIONS.READ else lambda: self.timestamp
            ),
            data=result,
            action=action,
            old=old,
            parent_id=self.model.parent_id,
        )
        return {"data": result}

    def is_known_field(self, field: str) -> bool:
        """Whether `field` can be filtered and sorted on (P-11.5, H-12.5).

        Overridden by applications whose records have no schema.
        """
        return field in self._get_known_fields()

    def _get_known_fields(self) -> list[str]:
        """Return the declared fields and the three that every record may have (P-11.6)."""
        declared = [node.name for node in self._schema.children]
        model = self.model
        return [*declared, model.id_field, model.modified_field, model.deleted_field]

    # Steps of the endpoints that applications override as well (P-11.7)

    def _get_record_or_404(self, record_id: Any) -> Record:
        """Return a live record (P-11.8).

        Raises
        ------
        HTTPNotFound : there is none.
        """
        current: Record | None = getattr(self.context, "current_record", None)
        if current is not None:
            return current
        try:
            return self.model.get_record(record_id)
        except RecordNotFoundError:
            raise refusals.not_found() from None

    def _extract_filters(self, queryparams: Any = None) -> list[Filter]:
        """Read the filters of the query string (H-12)."""
        return listing_query.filters(self, queryparams)

    def _extract_limit(self) -> int | None:
        """Read ``_limit`` (H-14.1 to H-14.4)."""
        return listing_query.limit(self)

    def _extract_sorting(self, limit: int | None) -> list[Sort]:
        """Read ``_sort``, and complete it to a total order (H-13, D-24)."""
        return listing_query.sorting(self)

    def _extract_partial_fields(self) -> list[str] | None:
        """Read ``_fields`` (H-15)."""
        return listing_query.fields(self)

    def _extract_pagination_rules_from_token(
        self, limit: int | None, sorting: list[Sort]
    ) -> tuple[list[PaginationRule], int]:
        """Read ``_token``: where the page starts, and how many items came before (H-14.9)."""
        return listing_query.start_of_page(self, sorting)

    def _build_pagination_rules(
        self,
        sorting: list[Sort],
        last_record: Mapping[str, Any],
        rules: list[PaginationRule] | None = None,
    ) -> list[PaginationRule]:
        """Return the rules that keep what follows `last_record` (B-6.22)."""
        return [*(rules or []), *pagination.pagination_rules(sorting, last_record)]

    def _build_pagination_token(self, sorting: list[Sort], last_record: Record, offset: int) -> str:
        """Return the token of the page that follows `last_record`."""
        return listing.page_token(self, sorting, last_record, offset)

    def _next_page_url(
        self, sorting: list[Sort], limit: int, last_record: Record, offset: int
    ) -> str:
        """Return the absolute URL of the next page (H-14.5, H-14.12, D-70)."""
        token = self._build_pagination_token(sorting, last_record, offset)
        return listing.next_page_url(self.request, limit=limit, token=token)

    def _add_timestamp_header(self, response: Response, timestamp: int | None = None) -> None:
        """Set ``ETag`` and ``Last-Modified``, of the collection by default (H-9.7)."""
        headers.add_timestamp_headers(
            response.headers, self.timestamp if timestamp is None else timestamp
        )

    def _add_cache_header(self, response: Response) -> None:
        """Set the caching headers."""
        expires_seconds = None
        resource_name = getattr(self.context, "resource_name", None)
        if resource_name and isinstance(resource_name, str):
            expires_seconds = settings.read(
                self.request.registry.settings, f"{resource_name}_cache_expires_seconds"
            )
        if expires_seconds:
            # A public view has not asked yet who the user is, whose answer is private (D-69).
            _ = self.request.authenticated_userid
        headers.add_cache_headers(
            response.headers, expires_seconds, authentication.is_private(self.request)
        )

    def _raise_304_if_not_modified(self, record: Record | None = None) -> None:
        """Answer 304 when the client has this version already (H-10.8)."""
        if self.request.headers.get("If-None-Match"):
            refusals.raise_304_if_not_modified(self, record)

    def _raise_412_if_modified(self, record: Record | None = None) -> None:
        """Answer 412 when a precondition does not hold (H-10.6, H-10.9)."""
        conditions = self.request.headers
        if conditions.get("If-Match") or conditions.get("If-None-Match"):
            refusals.raise_412_if_modified(self, record)

    def _raise_400_if_invalid_id(self, record_id: Any) -> None:
        """Refuse an id that the generator could not have made (H-7.8)."""
        refusals.raise_400_if_invalid_id(self, record_id)

    def _raise_400_if_id_mismatch(self, new_id: Any, record_id: Any) -> None:
        """Refuse a body whose id is not the URL's (H-19.5)."""
        refusals.raise_400_if_id_mismatch(self, new_id, record_id)

    def _raise_conflict(self, exception: UnicityError) -> NoReturn:
        """Answer 409 for a unique field that is taken (H-23.5)."""
        refusals.raise_conflict(self, exception)

    # What shared resources do otherwise

    def _body_data(self) -> Record:
        """Return ``data`` as the client sent it."""
        return body.sent_data(self.request)

    def _new_record(self) -> Record:
        """Return the validated record of the body, with the client's timestamp (X-5)."""
        return body.new_record(self)

    def _record_to_put(self, given: Record, existing: Record | None) -> Record:
        """Return what a PUT writes, from what the body says and what is there."""
        return given

    def _patched(self, existing: Record) -> Record:
        """Return the record that the patch of the body makes of another (E-4.1)."""
        return patch_reading.patched_record(self.request, existing)

    def _bare(self, record: Record) -> Record:
        """Return a record of the model as clients know it."""
        return record

    def _creatable(self, record: Record) -> Record:
        """Return what is about to be created, or refuse it for what it would be called."""
        return record

    def _check_put(self, existing: Record | None) -> None:
        """Make sure that the request may create, or replace, as it turns out to do (D-62)."""

    def _check_write(self) -> None:
        """Make sure that the request may still write the record (D-62)."""

    def _check_list(self) -> None:
        """Make sure that the request may still write the records of the list (D-62)."""

    def _may_read(self, record: Record) -> bool:
        """Whether the client may see a record that stands in its way; its own it may."""
        return True

    def _disclosed(self, existing: Record) -> Record:
        """Return what an error body may show of a record (X-11)."""
        return existing


def _is_storable(parent_id: str, request: Request) -> bool:
    """Whether records may have such a parent; what has been written in a URL may be anything."""
    if not utils.is_storable_key(parent_id):
        return False
    variables = (request.matchdict or {}).items()
    written = [value for name, value in variables if name != "id" and isinstance(value, str)]
    return not written or utils.is_storable_key("".join(written))
