"""The endpoints of a resource whose records belong to the user who made them (H-5.1, H-5.2)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import colander
from pyramid.httpexceptions import HTTPException
from pyramid.request import Request

from cliquet import errors, utils
from cliquet.core import jsonio
from cliquet.events import ACTIONS
from cliquet.monitoring import logs
from cliquet.resource import headers, patch
from cliquet.resource.model import Model
from cliquet.resource.patch import Plan
from cliquet.resource.patch_reading import PatchReader
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.viewset import ViewSet
from cliquet.storage import Filter, Sort
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.query import COMPARISON, PaginationRule
from cliquet.types import Record
from cliquet.web import faults

__all__ = ["UserResource"]

T = TypeVar("T")

Body = dict[str, Any]

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


class UserResource(PatchReader):
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

    def __init__(self, request: Request, context: Any = None) -> None:
        # First, since an override may set attributes that the rest relies on (P-9.11).
        # Where nobody is asked who they are, there is one collection for all (S-5.1).
        parent_id = self.get_parent_id(request) or ""
        if not _is_storable(parent_id, request):
            raise self._not_found()
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
            timestamp=self._event_timestamp(action),
            data=result,
            action=action,
            old=old,
            parent_id=self.model.parent_id,
        )
        return {"data": result}

    def _event_timestamp(self, action: ACTIONS) -> Callable[[], int]:
        # After a change it is another one than the response's headers carry.
        if action is ACTIONS.READ:
            return lambda: self.timestamp
        return self.model.timestamp

    # Collection endpoints

    def collection_get(self) -> Body:
        """List records (H-11)."""
        response = self.request.response
        comes_with_page = self._timestamp_comes_with_page()
        if not comes_with_page:
            # Before the records: it may be older than they are, never newer (H-9.8).
            self._add_timestamp_header(response)
            self._add_cache_header(response)
        self._raise_304_if_not_modified()
        self._raise_412_if_modified()

        try:
            filters = self._extract_filters()
            limit = self._extract_limit()
            sorting = self._extract_sorting(limit)
            partial_fields = self._extract_partial_fields()
            rules, offset = self._extract_pagination_rules_from_token(limit, sorting)
        except HTTPException:
            # A first access is one, even when it is refused.
            _ = self.timestamp
            raise

        records, total = self._get_page(filters, sorting, rules, limit)
        if comes_with_page:
            if not self._take_timestamp(records):
                _ = self.timestamp
                records, total = self._get_page(filters, sorting, rules, limit)
            self._add_timestamp_header(response)
            self._add_cache_header(response)
        records = self._cut_page(records, sorting, limit, offset)
        headers.add_total_records(response.headers, total)
        logs.bind(nb_records=len(records), limit=limit)
        if partial_fields is not None:
            records = [utils.dict_subset(record, partial_fields) for record in records]
        return self.postprocess(records)

    def _get_page(
        self,
        filters: list[Filter],
        sorting: list[Sort],
        rules: list[PaginationRule],
        limit: int | None,
    ) -> tuple[list[Record], int]:
        """Return the records of a page and one more, which tells that there is a next page."""
        return self.model.get_records(
            filters=filters,
            sorting=sorting,
            pagination_rules=rules,
            limit=None if limit is None else limit + 1,
            include_deleted=any(item.field == self.model.modified_field for item in filters),
        )

    def collection_post(self) -> Body:
        """Create a record (H-16)."""
        id_field = self.model.id_field
        given = self._body_data()
        new = self._new_record()
        if id_field in given:
            self._raise_400_if_invalid_id(given[id_field])
            new[id_field] = given[id_field]
        elif id_field in new:
            self._raise_400_if_invalid_id(new[id_field])

        def create() -> tuple[Record, ACTIONS]:
            existing = self._find(new[id_field]) if id_field in new else None
            if existing is None or self._may_read(existing) or self._is_creation_only():
                # Without a live record the condition is about the collection (H-10.3).
                self._raise_412_if_modified(record=existing)
            else:
                # A timestamp to compare with would tell the one of the record (D-49).
                self._raise_conflict(UnicityError(id_field, existing))
            self._raise_400_if_ahead(new.get(self.model.modified_field), existing)
            processed = self._creatable(_in_json_types(self.process_record(dict(new))))
            try:
                created = self.model.create_record(
                    processed, unique_fields=self.mapping.get_option("unique_fields")
                )
            except UnicityError as error:
                if not self._may_read(error.record):
                    self._raise_conflict(error)
                return error.record, ACTIONS.READ
            return created, ACTIONS.CREATE

        # A generated id and no condition: nothing is judged that the creation itself does not.
        is_plain = id_field not in new and not self.request.headers.get("If-Match")
        record, action = create() if is_plain else self._atomically(create)
        if action is ACTIONS.CREATE:
            self.request.response.status_code = 201
        return self.postprocess(record, action=action)

    def collection_delete(self) -> Body:
        """Delete the records that match the filters (H-17)."""
        params = self.request.GET
        # A token means the rest of a paged deletion: all of it, without limit.
        paged = bool(params.get("_limit") or params.get("_token"))

        def delete() -> list[Record]:
            self._check_list()
            self._raise_412_if_modified()
            filters = self._extract_filters()
            if paged:
                return self._delete_page(filters)
            return self.model.delete_records(filters=filters)

        deleted = self._atomically(delete)
        return self.postprocess(deleted, action=ACTIONS.DELETE if deleted else ACTIONS.READ)

    def _delete_page(self, filters: list[Filter]) -> list[Record]:
        """Delete at most ``_limit`` records after ``_token``, in the order of ``_sort`` (X-15)."""
        limit = self._extract_limit() if self.request.GET.get("_limit") else None
        sorting = self._extract_sorting(limit)
        rules, offset = self._extract_pagination_rules_from_token(limit, sorting)
        records, _ = self.model.get_records(
            filters=filters,
            sorting=sorting,
            pagination_rules=rules,
            limit=None if limit is None else limit + 1,
        )
        records = self._cut_page(records, sorting, limit, offset)
        if not records:
            return []
        ids = [record[self.model.id_field] for record in records]
        return self.model.delete_records(filters=[Filter(self.model.id_field, ids, COMPARISON.IN)])

    # Record endpoints

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
        given = self._new_record()
        self._raise_400_if_invalid_id(self.record_id)
        record, action, old = self._atomically(lambda: self._put(dict(given)))
        if action is ACTIONS.CREATE:
            self.request.response.status_code = 201
        self._add_timestamp_header(
            self.request.response, timestamp=record[self.model.modified_field]
        )
        return self.postprocess(record, action=action, old=old)

    def _put(self, new: Record) -> tuple[Record, ACTIONS, Record | None]:
        existing = self._find(self.record_id)
        self._check_put(existing)
        new = self._record_to_put(new, existing)
        previous = existing or self._find_tombstone(self.record_id)
        self._raise_400_if_ahead(new.get(self.model.modified_field), previous)
        self._raise_412_if_modified(record=previous)

        self._raise_400_if_id_mismatch(
            new.setdefault(self.model.id_field, self.record_id), self.record_id
        )
        new = _in_json_types(self.process_record(new, old=previous))
        unique_fields = self.mapping.get_option("unique_fields")
        try:
            if existing is None:
                new = self._creatable(new)
                created = self.model.create_record(new, unique_fields=unique_fields)
                return created, ACTIONS.CREATE, None
            updated = self.model.update_record(new, unique_fields=unique_fields)
        except UnicityError as error:
            self._raise_conflict(error)
        return updated, ACTIONS.UPDATE, existing

    def patch(self) -> Body:
        """Modify members of a record (H-20)."""
        # A patch in a format of its own stands in the body without payload around it (E-4.1).
        given = None
        if "patch" in self.request.validated:
            self._check_patch()
        else:
            given = self._body_data()
            self._given_timestamp(given)
        self._raise_400_if_invalid_id(self.record_id)
        record, existing, plan, changed = self._atomically(lambda: self._patch(given))
        self._add_timestamp_header(
            self.request.response, timestamp=record[self.model.modified_field]
        )
        body = self.postprocess(record, action=ACTIONS.UPDATE, old=existing)
        # Subscribers get the whole record; only the client may ask for less (P-34.2).
        body["data"] = patch.shown_members(
            self._response_behavior(), body["data"], plan.changes, changed
        )
        return body

    def _patch(self, given: Record | None) -> tuple[Record, Record, Plan, list[str]]:
        id_field, modified_field = self.model.id_field, self.model.modified_field
        existing = self._get_record_or_404(self.record_id)
        self._check_write()
        self._raise_412_if_modified(existing)

        plan = self._planned(existing) if given is None else Plan(existing, given)
        timestamp = self._given_timestamp(plan.changes)
        self._raise_400_if_ahead(timestamp, existing)
        updated = dict(self.apply_changes(plan.base, changes=plan.changes))
        self._set_reserved(updated, timestamp)
        self._raise_400_if_id_mismatch(updated.setdefault(id_field, self.record_id), self.record_id)
        updated = _in_json_types(self.process_record(updated, old=existing))

        # A timestamp that was sent counts as changed even when it is then ignored (H-20.4).
        intended = {
            **updated,
            modified_field: existing[modified_field] if timestamp is None else timestamp,
        }
        touched = {**plan.changes, **dict.fromkeys(plan.removed)}
        changed = patch.changed_members(existing, intended, touched)
        if not changed and not self.force_patch_update:
            # Nothing is written, and the timestamp stays (H-20.5).
            unchanged = {**updated, modified_field: existing[modified_field]}
            return unchanged, existing, plan, changed
        try:
            stored = self.model.update_record(
                updated, unique_fields=self.mapping.get_option("unique_fields")
            )
        except UnicityError as error:
            self._raise_conflict(error)
        return stored, existing, plan, changed

    def delete(self) -> Body:
        """Delete a record (H-21)."""
        self._raise_400_if_invalid_id(self.record_id)

        def delete() -> Record:
            record = self._get_record_or_404(self.record_id)
            self._check_write()
            self._raise_412_if_modified(record)
            last_modified = self._extract_deletion_timestamp()
            if last_modified is not None and last_modified <= record[self.model.modified_field]:
                last_modified = None
            self._raise_400_if_ahead(last_modified, location="querystring")
            return self.model.delete_record(record, last_modified=last_modified)

        deleted = self._atomically(delete)
        return self.postprocess(deleted, action=ACTIONS.DELETE)

    # Steps

    def _atomically(self, operation: Callable[[], T]) -> T:
        """Run what reads, judges and writes, with nobody else writing between (D-53 to D-57)."""
        try:
            return self.model.atomic(operation)
        except RecordNotFoundError:
            # Deleted meanwhile, with a storage that does not hold the lock (B-22.16).
            raise self._not_found() from None

    def _check_put(self, existing: Record | None) -> None:
        """Make sure that the request may create, or replace, as it turns out to do (D-62)."""

    def _creatable(self, record: Record) -> Record:
        """Return what is about to be created, or refuse it for what it would be called."""
        return record

    def _record_to_put(self, given: Record, existing: Record | None) -> Record:
        """Return what a PUT writes, from what the body says and what is there."""
        return given

    def _check_write(self) -> None:
        """Make sure that the request may still write the record (D-62)."""

    def _check_list(self) -> None:
        """Make sure that the request may still write the records of the list (D-62)."""

    def _is_creation_only(self) -> bool:
        return bool(self.request.headers.get("If-None-Match", "").strip() == "*")

    def _response_behavior(self) -> str:
        return str(self.request.headers.get("Response-Behavior", "")).lower()

    def _find(self, record_id: Any) -> Record | None:
        try:
            return self.model.get_record(record_id)
        except RecordNotFoundError:
            return None

    def _find_tombstone(self, record_id: Any) -> Record | None:
        return self.model.find_tombstone(record_id)


def _is_storable(parent_id: str, request: Request) -> bool:
    """Whether records may have such a parent; what has been written in a URL may be anything."""
    if not utils.is_storable_key(parent_id):
        return False
    variables = (request.matchdict or {}).items()
    written = [value for name, value in variables if name != "id" and isinstance(value, str)]
    return utils.is_storable_key("".join(written))


def _in_json_types(record: Record) -> Record:
    """Return a record as JSON holds it.

    A schema may give dates, decimals or sets: the hooks see them, no storage keeps them.
    """
    return {
        name: value if type(value) in _PLAIN_TYPES else jsonio.loads(jsonio.dumps(value))
        for name, value in record.items()
    }
