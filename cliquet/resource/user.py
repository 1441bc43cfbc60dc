"""The published class of resources whose records belong to the user who made them.

The code of the endpoints is in the modules ``listing`` and ``writing`` beside this one. The class
has the methods that applications override: hooks, and the steps that the endpoints call through it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

import colander
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
    sync_list,
    writing,
)
from cliquet.resource.bounds import Bounds
from cliquet.resource.hook_results import as_body, as_parent
from cliquet.resource.model import Model
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.syncing import WHOLE, View
from cliquet.resource.totals import Counted
from cliquet.resource.tracking import Tracker
from cliquet.resource.viewset import ViewSet
from cliquet.security import authentication
from cliquet.security.sent_headers import sends_condition, sent
from cliquet.security.sent_parameters import sent_parameters
from cliquet.storage import Filter, Sort
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.page_text import PageText
from cliquet.storage.query import PaginationRule
from cliquet.storage.spreading import SEPARATOR, lane_of
from cliquet.types import Record
from cliquet.web import faults
from cliquet.web.typed_requests import Request

__all__ = ["Body", "UserResource"]

Body = dict[str, Any]


class UserResource:
    """Records that only their owner sees; applications derive from this class (P-9).

    Attributes
    ----------
    default_viewset, default_model : classes that serve and store the records.
    mapping : an instance of the schema; if it has no fields, nothing in a body is kept.
    force_patch_update : whether PATCH writes even if nothing changes.
    query_parameters : names that the code of the resource reads in the query string of lists and
        records; they are no filters, and ``strict_filters`` knows them.

        .. versionadded:: 3.2
    shards : number of counters over which each collection is spread, so that several clients
        write at once (:doc:`/explanation/spreading`). The setting ``{resource_name}_shards`` wins.

        .. versionadded:: 3.2
    """

    default_viewset: type[ViewSet] = ViewSet
    default_model: type[Model] = Model
    # Checkers infer the type, so that a plain schema of colander may be given too.
    mapping = ResourceSchema()
    force_patch_update = False
    query_parameters: tuple[str, ...] = ()
    shards = 1

    # Shortcuts, which are for the methods of this class: see `listing`, `fetching`, `changing`.
    _timestamp_comes_with_page = True
    _changes_alike = True
    _creates_alike = True
    _ends_with_creation = True
    _ends_with_change = True
    _reads_alike = True
    _lists_as_text = True

    # Whether the hook of the library was called for the record that is written, see `processed`.
    _is_completed = False
    # Values that were already read, and a mapping with the same mapping bound to the request.
    _timestamp: int | None = None
    _query_bounds: Bounds | None = None
    _is_view_apart = False  # Whether filters leave out the limit to shared records.
    # The total that the token of this page carries, then that of the next one.
    _counted: Counted | None = None
    _bound_mapping: tuple[ResourceSchema, ResourceSchema] | None = None
    # The last page that was cut, and the record after it, for the token of the next page.
    _page_end: tuple[Sequence[Record], Record | None] = ((), None)
    # The same page while it is a text.
    _page_text: PageText | None = None

    def __init__(self, request: Request, context: Any = None) -> None:
        # This comes first, because an override may set attributes that the rest needs (P-9.11). If
        # there is no authentication, all users have the same collection.
        parent_id = self.get_parent_id(request)
        parent_id = parent_id if isinstance(parent_id, str) else as_parent(self, parent_id)
        variables = request.matchdict
        # Most resources have the empty parent, and no variable but the id.
        is_plain = not parent_id and (not variables or ("id" in variables and len(variables) == 1))
        if not is_plain and not utils.is_storable_parent(parent_id, variables):
            raise refusals.not_found()
        # It would be a part of the collection of another parent. Nearly none has the sign.
        if isinstance(parent_id, str) and SEPARATOR in parent_id and lane_of(parent_id):
            raise refusals.not_found()
        self.model = self.default_model(
            storage=request.registry.storage,
            id_generator=request.registry.id_generator,
            collection_id=type(self).__name__.lower(),
            parent_id=parent_id,
            auth=sent(request, "Authorization"),
        )
        # The class itself would be called through a function in Python.
        self.model.tracker = tuple.__new__(Tracker, (request,))
        self.request = request
        self.context = context
        self.record_id = (variables or {}).get("id")
        self.force_patch_update = type(self).force_patch_update
        logs.bind(collection_id=self.model.collection_id)

    @property
    def collection(self) -> Model:
        """The former name of ``model`` (P-9.10)."""
        warnings.warn(
            "``self.collection`` is now deprecated. Please use ``self.model`` instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.model

    @property
    def timestamp(self) -> int:
        """The timestamp of the collection in ms, which is read once for a request (P-9.9).

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
        """The schema of the records, bound to the request."""
        mapping, bound = self.mapping, self._bound_mapping
        if bound is None or bound[0] is not mapping:
            bound = self._bound_mapping = (mapping, mapping.for_request(self.request))
        return bound[1]

    # Endpoints

    def collection_get(self) -> Body:
        """List records (H-11)."""
        has_token = "_sync" in sent_parameters(self.request) and sync_list.is_asked(self)
        return sync_list.get_page(self) if has_token else listing.get_list(self)

    def collection_post(self) -> Body:
        """Create a record (H-16)."""
        return writing.post_record(self)

    def collection_delete(self) -> Body:
        """Delete the records that match the filters (H-17)."""
        if "_sync" in sent_parameters(self.request) and sync_list.is_asked(self):
            sync_list.refuse_deletion(self.request)
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
        answer = self.postprocess(record)
        return as_body(self, answer) if answer is None else answer

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
        """Return the parent of the collection: the user, who owns the records (P-11.1)."""
        # Only users have the permission for such resources; a view for everybody overrides it.
        return cast("str", request.prefixed_userid)

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Change or refuse a record before it is written (P-11.2).

        It may be called more than once for one request (X-24). An override need not call it: the
        library then does its part on the result.

        Parameters
        ----------
        new : the record that will be written.
        old : the stored record, or the tombstone that `new` replaces.
        """
        self._is_completed = True
        # Nothing of a subclass, which does its part after this one.
        return UserResource._completed(self, new, old)

    def _completed(self, new: Record, old: Record | None) -> Record:
        """Return what the hooks of the library make of a record before it is written."""
        modified_field = self.model.modified_field
        given = new.get(modified_field)
        if old is not None and given is not None and given <= old.get(modified_field, -1):
            # It is not newer than the existing record, so that the server makes the timestamp
            # (H-9.1).
            return {name: value for name, value in new.items() if name != modified_field}
        return new

    def apply_changes(self, record: Record, changes: Record) -> Record:
        """Return the record after a PATCH (P-11.3).

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
        # An error of the record as a whole has no field.
        name = f"data.{field}" if field else "data"
        errors.raise_invalid(self.request, name=name, description=description)

    def postprocess(
        self, result: Any, action: ACTIONS = ACTIONS.READ, old: Record | None = None
    ) -> Body:
        """Return the body of the response, and send the event to subscribers (P-11.4)."""
        self.request.notify_resource_event(
            # After a change, the timestamp differs from that in the headers of the response.
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
        """Return whether `field` may be in filters and sorting (P-11.5).

        Applications whose records have no schema override it.
        """
        return field in self._get_known_fields()

    def _get_known_fields(self) -> list[str]:
        """Return the declared fields and the three that every record may have."""
        declared = [node.name for node in self._schema.children]
        model = self.model
        return [*declared, model.id_field, model.modified_field, model.deleted_field]

    # Steps of the endpoints, which are published because applications override them too (P-11.7)

    def _get_record_or_404(self, record_id: Any) -> Record:
        """Return a live record.

        Raises
        ------
        HTTPNotFound : there is no such record.
        """
        current: Record | None = getattr(self.context, "current_record", None)
        if current is not None:
            return current
        try:
            return self.model.get_record(record_id)
        except RecordNotFoundError:
            raise refusals.not_found() from None

    def _extract_filters(self, queryparams: Any = None) -> list[Filter]:
        """Read the filters of the query string."""
        return listing_query.filters(self, queryparams)

    def _extract_limit(self) -> int | None:
        """Read ``_limit``."""
        return listing_query.limit(self)

    def _extract_sorting(self, limit: int | None) -> list[Sort]:
        """Read ``_sort``, and complete it to a total order."""
        return listing_query.sorting(self)

    def _extract_partial_fields(self) -> list[str] | None:
        """Read ``_fields``."""
        return listing_query.fields(self)

    def _extract_pagination_rules_from_token(
        self, limit: int | None, sorting: list[Sort]
    ) -> tuple[list[PaginationRule], int]:
        """Read ``_token``: the place where the page starts, and the number of items before it."""
        return listing_query.start_of_page(self, sorting)

    def _build_pagination_rules(
        self,
        sorting: list[Sort],
        last_record: Mapping[str, Any],
        rules: list[PaginationRule] | None = None,
    ) -> list[PaginationRule]:
        """Return the rules that keep the records after `last_record`."""
        return [*(rules or []), *pagination.pagination_rules(sorting, last_record)]

    def _build_pagination_token(self, sorting: list[Sort], last_record: Record, offset: int) -> str:
        """Return the token of the page after `last_record`."""
        return listing.page_token(self, sorting, last_record, offset)

    def _next_page_url(
        self, sorting: list[Sort], limit: int, last_record: Record, offset: int
    ) -> str:
        """Return the absolute URL of the next page."""
        token = self._build_pagination_token(sorting, last_record, offset)
        return listing.next_page_url(self.request, limit=limit, token=token)

    def _add_timestamp_header(self, response: Response, timestamp: int | None = None) -> None:
        """Set ``ETag`` and ``Last-Modified``, by default those of the collection."""
        timestamp = self.timestamp if timestamp is None else timestamp
        headers.write(response, headers.of_timestamp(timestamp))

    def _add_cache_header(self, response: Response) -> None:
        """Set the caching headers."""
        expires_seconds = None
        resource_name = getattr(self.context, "resource_name", None)
        if resource_name and isinstance(resource_name, str):
            expires_seconds = settings.read(
                self.request.registry.settings, f"{resource_name}_cache_expires_seconds"
            )
        if expires_seconds:
            # A public view has not authenticated the user yet, and the answer for a user is private
            # (D-69).
            _ = self.request.authenticated_userid
        # This is what most requests need of `is_private`.
        request = self.request
        is_private = request.prefixed_userid is not None or authentication.is_private(request)
        headers.write(response, headers.cache_control(expires_seconds, is_private))

    def _raise_304_if_not_modified(self, record: Record | None = None) -> None:
        """Answer 304 if the client already has this version."""
        if sent(self.request, "If-None-Match"):
            refusals.raise_304_if_not_modified(self, record)

    def _raise_412_if_modified(self, record: Record | None = None) -> None:
        """Answer 412 if a precondition is false."""
        if sends_condition(self.request):
            refusals.raise_412_if_modified(self, record)

    def _raise_400_if_invalid_id(self, record_id: Any) -> None:
        """Refuse an id that the generator could not have made."""
        refusals.raise_400_if_invalid_id(self, record_id)

    def _raise_400_if_id_mismatch(self, new_id: Any, record_id: Any) -> None:
        """Refuse a body whose id is not that of the URL."""
        refusals.raise_400_if_id_mismatch(self, new_id, record_id)

    def _raise_conflict(self, exception: UnicityError) -> NoReturn:
        """Answer 409 for the value of a unique field that another record has."""
        refusals.raise_conflict(self, exception)

    # Steps that shareable resources override

    def _view(self) -> View:
        """Return what the user may see of the collection."""
        return WHOLE

    def _fix_list(self) -> None:
        """Make sure that a list lacks no change up to its timestamp."""

    def _find_list_again(self) -> None:
        """Let a list have what its user may see by now, who has joined a group."""

    def _body_data(self) -> Record:
        """Return the ``data`` of the client."""
        return body.sent_data(self.request)

    def _new_record(self) -> Record:
        """Return the validated record of the body, with the timestamp of the client."""
        return body.new_record(self)

    def _record_to_put(self, given: Record, existing: Record | None) -> Record:
        """Return the record that a PUT writes, from the body and the existing record."""
        return given

    def _patched(self, existing: Record) -> Record:
        """Return the record after the patch of the body."""
        return patch_reading.patched_record(self.request, existing)

    def _bare(self, record: Record) -> Record:
        """Return a record of the model in the form for clients."""
        return record

    def _creatable(self, record: Record) -> Record:
        """Return the record that will be created, or refuse it because of its URI."""
        return record

    def _check_put(self, existing: Record | None) -> None:
        """Make sure that the request may create, or may replace, whichever it does (D-62)."""

    def _check_write(self) -> None:
        """Make sure that the request may still write the record."""

    def _check_list(self) -> None:
        """Make sure that the request may still write the records of the list."""

    def _may_read(self, record: Record) -> bool:
        """Return whether the client may see an existing record; owners may see their own."""
        return True

    def _disclosed(self, existing: Record) -> Record:
        """Return the part of a record that the body of an error may show (X-11)."""
        return existing
