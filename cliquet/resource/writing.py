"""The endpoints that write one record: POST, PUT, PATCH and DELETE.

The reads, checks and writes of a record are one operation of the storage, so that nobody else
writes in between; or the write makes sure that nobody has (see `late_locks`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cliquet import errors
from cliquet.events import ACTIONS
from cliquet.resource import late_locks, location, patch, patch_reading, refusals, unknown_members
from cliquet.resource.body import (
    given_timestamp,
    processed,
    raise_400_if_ahead,
    set_reserved,
)
from cliquet.resource.hook_results import as_body, as_record, wrong_result
from cliquet.resource.last_writes import created_last
from cliquet.resource.parameters import parse_timestamp
from cliquet.resource.patch import Plan
from cliquet.security.sent_headers import sent
from cliquet.security.sent_parameters import sent_parameters
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["atomically", "delete_record", "patch_record", "post_record", "put_record"]

T = TypeVar("T")


def post_record(resource: UserResource) -> dict[str, Any]:
    """Create a record (H-16)."""
    request, model = resource.request, resource.model
    id_field = model.id_field
    given = resource._body_data()
    new = resource._new_record()
    if id_field in given:
        new[id_field] = given[id_field]
    if id_field in new:
        resource._raise_400_if_invalid_id(new[id_field])

    # With a generated id and without a condition, the creation itself makes all the checks.
    is_plain = id_field not in new and not sent(request, "If-Match")

    def create() -> tuple[Record, ACTIONS]:
        existing = _find(resource, new[id_field]) if id_field in new else None
        if existing is None or resource._may_read(existing) or _is_creation_only(resource):
            # Without a live record, the condition is compared with the collection (H-10.3).
            resource._raise_412_if_modified(record=existing)
        else:
            # A comparison of timestamps would reveal that of the record (D-49).
            resource._raise_conflict(UnicityError(id_field, existing))
        raise_400_if_ahead(resource, new.get(model.modified_field), existing)
        record = resource._creatable(processed(resource, dict(new)))
        if is_plain and id_field not in record:
            last = created_last(resource, record)
            if last is not None:
                return last, ACTIONS.CREATE
        try:
            created = model.create_record(
                record, unique_fields=resource.mapping.get_option("unique_fields")
            )
        except UnicityError as error:
            if not resource._may_read(error.record):
                resource._raise_conflict(error)
            return error.record, ACTIONS.READ
        return created, ACTIONS.CREATE

    record, action = create() if is_plain else atomically(resource, create)
    if action is ACTIONS.CREATE:
        request.response.status_code = 201
        location.add_created(request, record[id_field])
    return as_body(resource, resource.postprocess(record, action=action))


def put_record(resource: UserResource) -> dict[str, Any]:
    """Create or replace a record (H-19)."""
    given = resource._new_record()
    resource._raise_400_if_invalid_id(resource.record_id)
    old: Record | None = None
    record, action = late_locks.put(resource, given), ACTIONS.UPDATE
    if record is None:
        record, action, old = atomically(resource, partial(_put, resource, given))
    response = resource.request.response
    if action is ACTIONS.CREATE:
        response.status_code = 201
        location.add_put(resource.request)
    resource._add_timestamp_header(response, timestamp=record[resource.model.modified_field])
    return as_body(resource, resource.postprocess(record, action=action, old=old))


def _put(resource: UserResource, given: Record) -> tuple[Record, ACTIONS, Record | None]:
    model = resource.model
    record_id: Any = resource.record_id
    existing = _find(resource, record_id)
    late_locks.remember_put(resource, existing)
    resource._check_put(existing)
    new = resource._record_to_put(dict(given), existing)
    previous = existing or model.find_tombstone(record_id)
    raise_400_if_ahead(resource, new.get(model.modified_field), previous)
    resource._raise_412_if_modified(record=previous)

    resource._raise_400_if_id_mismatch(new.setdefault(model.id_field, record_id), record_id)
    new = processed(resource, new, old=previous)
    unique_fields = resource.mapping.get_option("unique_fields")
    try:
        if existing is None:
            new = resource._creatable(new)
            created = model.create_record(new, unique_fields=unique_fields)
            return created, ACTIONS.CREATE, None
        updated = model.update_record(new, unique_fields=unique_fields)
    except UnicityError as error:
        resource._raise_conflict(error)
    return updated, ACTIONS.UPDATE, existing


def patch_record(resource: UserResource) -> dict[str, Any]:
    """Modify members of a record (H-20)."""
    request = resource.request
    # A patch in its own format is the whole body, without a payload around it.
    given = None
    if "patch" in request.validated:
        patch_reading.check_shape(request)
    else:
        given = resource._body_data()
        given_timestamp(resource, given)
    resource._raise_400_if_invalid_id(resource.record_id)
    change = partial(_patch, resource, given)
    done = late_locks.changed(resource, change)
    record, existing, plan, changed = done or atomically(resource, partial(change, False))
    resource._add_timestamp_header(
        request.response, timestamp=record[resource.model.modified_field]
    )
    body = resource.postprocess(record, action=ACTIONS.UPDATE, old=existing)
    if not isinstance(body, dict) or "data" not in body:
        raise wrong_result(resource, "postprocess", body, "the body, a dictionary with 'data'")
    # Subscribers get the whole record, even if the client asks for less.
    body["data"] = patch.shown_members(
        patch.response_behavior(sent(request, "Response-Behavior")),
        body["data"],
        plan.changes,
        changed,
    )
    return body


def _patch(
    resource: UserResource, given: Record | None, locks_late: bool
) -> tuple[Record, Record, Plan, list[str]]:
    model, record_id = resource.model, resource.record_id
    id_field, modified_field = model.id_field, model.modified_field
    existing = resource._get_record_or_404(record_id)
    resource._check_write()
    resource._raise_412_if_modified(existing)

    plan = patch_reading.planned(resource, existing) if given is None else Plan(existing, given)
    timestamp = given_timestamp(resource, plan.changes)
    raise_400_if_ahead(resource, timestamp, existing)
    unknown_members.raise_400_if_unknown(resource, plan.changes, existing)
    applied = resource.apply_changes(plan.base, changes=plan.changes)
    updated = as_record(resource, "apply_changes", applied)
    set_reserved(resource, updated, timestamp)
    resource._raise_400_if_id_mismatch(updated.setdefault(id_field, record_id), record_id)
    updated = processed(resource, updated, old=existing)

    # A timestamp that was sent counts as changed even if it is then ignored (H-20.4).
    intended = {
        **updated,
        modified_field: existing[modified_field] if timestamp is None else timestamp,
    }
    touched = {**plan.changes, **dict.fromkeys(plan.removed)}
    changed = patch.changed_members(existing, intended, touched)
    if not changed and not resource.force_patch_update:
        # Nothing is written, and the timestamp stays the same (H-20.5).
        unchanged = {**updated, modified_field: existing[modified_field]}
        return unchanged, existing, plan, changed
    if locks_late:
        return late_locks.replaced(resource, existing, updated), existing, plan, changed
    try:
        stored = model.update_record(
            updated, unique_fields=resource.mapping.get_option("unique_fields")
        )
    except UnicityError as error:
        resource._raise_conflict(error)
    return stored, existing, plan, changed


def delete_record(resource: UserResource) -> dict[str, Any]:
    """Delete a record (H-21)."""
    resource._raise_400_if_invalid_id(resource.record_id)

    def delete() -> Record:
        record = resource._get_record_or_404(resource.record_id)
        resource._check_write()
        resource._raise_412_if_modified(record)
        timestamp = _deletion_timestamp(resource)
        if timestamp is not None and timestamp <= record[resource.model.modified_field]:
            timestamp = None
        raise_400_if_ahead(resource, timestamp, location="querystring")
        return resource.model.delete_record(record, last_modified=timestamp)

    deleted = atomically(resource, delete)
    return as_body(resource, resource.postprocess(deleted, action=ACTIONS.DELETE))


# Steps


def atomically(resource: UserResource, operation: Callable[[], T]) -> T:
    """Run an operation that reads, checks and writes, while nobody else writes (X-24)."""
    try:
        return resource.model.atomic(operation)
    except RecordNotFoundError:
        # The record was deleted meanwhile; this happens with a storage that does not hold the lock.
        raise refusals.not_found() from None


def _find(resource: UserResource, record_id: Any) -> Record | None:
    try:
        return resource.model.get_record(record_id)
    except RecordNotFoundError:
        return None


def _is_creation_only(resource: UserResource) -> bool:
    return bool(resource.request.headers.get("If-None-Match", "").strip() == "*")


def _deletion_timestamp(resource: UserResource) -> int | None:
    """Read ``?last_modified`` of a DELETE."""
    name = resource.model.modified_field
    value = sent_parameters(resource.request).get(name)
    if value is None:
        return None
    try:
        return parse_timestamp(value)
    except ValueError:
        description = f"Invalid value for {value}"
    errors.raise_invalid(
        resource.request, location="querystring", name=name, description=description
    )
