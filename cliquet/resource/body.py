"""The record of a request: what its body says, and the form in which it is stored.

The methods of :class:`~cliquet.resource.user.UserResource` that shareable resources override call
these functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pyramid.request import Request

from cliquet import errors, settings, utils
from cliquet.core import jsonio
from cliquet.resource import stored_forms
from cliquet.resource.hook_results import unstorable, wrong_result
from cliquet.resource.parameters import latest_given
from cliquet.types import Record
from cliquet.web.bodies import json_body

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = [
    "given_timestamp",
    "is_ahead",
    "new_record",
    "processed",
    "raise_400_if_ahead",
    "sent_data",
    "set_reserved",
    "storable",
]

_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})
# Those that JSON keeps as they are, whatever their value is.
_EXACT_TYPES: Final = _PLAIN_TYPES - {float, int}
_TEXTS: Final = frozenset({str})

# The attribute of a resource with the limit of its records.
_LIMIT = "_max_record_bytes"


def sent_data(request: Request) -> Record:
    """Return the ``data`` of the client, before the schema has dropped anything."""
    try:
        body = json_body(request)
    except ValueError:
        body = None
    data = body.get("data", {}) if isinstance(body, dict) else None
    if not isinstance(data, dict):
        errors.raise_invalid(
            request, name="data", description="Provide at least one of data or permissions"
        )
    return data


def new_record(resource: UserResource) -> Record:
    """Return the validated record of the body, with the timestamp of the client.

    Raises
    ------
    HTTPBadRequest : the timestamp is not valid.
    """
    record: Record = dict(resource.request.validated["data"])
    set_reserved(resource, record, given_timestamp(resource, resource._body_data()))
    return record


def given_timestamp(resource: UserResource, data: Record) -> int | None:
    """Return the timestamp in a body, if there is one.

    Raises
    ------
    HTTPBadRequest : it is not an integer, or it is negative.
    """
    name = resource.model.modified_field
    given = data.get(name)
    if given is None:
        return None
    if type(given) is not int or given < 0:
        errors.raise_invalid(
            resource.request, name=f"data.{name}", description=f"Invalid value for {name}"
        )
    timestamp: int = given
    return timestamp


def set_reserved(resource: UserResource, record: Record, timestamp: int | None) -> None:
    """Give a record the timestamp of the client, and remove the mark of a tombstone."""
    model = resource.model
    # A live record must not have this member, or it would be taken for a tombstone (H-12.19).
    record.pop(model.deleted_field, None)
    if timestamp is None:
        record.pop(model.modified_field, None)
    else:
        record[model.modified_field] = timestamp


def raise_400_if_ahead(
    resource: UserResource,
    timestamp: int | None,
    existing: Record | None = None,
    *,
    location: str = "body",
) -> None:
    """Refuse a timestamp so far ahead that the timestamps of the collection would be stuck (X-28).

    Parameters
    ----------
    timestamp : timestamp that the client gives to its record, in ms; ``None`` if it gives none.
    existing : the record that is replaced. A timestamp that is not later than its own is not used,
        and therefore allowed: a client may send a record back unchanged (D-5).

    Raises
    ------
    HTTPBadRequest : it is later than ``timestamp_max_ahead_seconds`` allows.
    """
    name = resource.model.modified_field
    if timestamp is None or (existing is not None and timestamp <= existing[name]):
        return
    seconds, latest = _limit_ahead(resource)
    if timestamp <= latest:
        return
    bound = "the end of 9998" if seconds is None else f"{seconds} seconds ahead of the clock"
    errors.raise_invalid(
        resource.request,
        location=location,
        name=f"data.{name}" if location == "body" else name,
        description=(
            f"{name} should be at most {latest}, {bound} (setting timestamp_max_ahead_seconds)"
        ),
    )


def is_ahead(resource: UserResource, timestamp: int | None) -> bool:
    """Return whether a timestamp would be refused, unless the existing record has a later one."""
    return timestamp is not None and timestamp > _limit_ahead(resource)[1]


def _limit_ahead(resource: UserResource) -> tuple[int | None, int]:
    """Return what the setting says, and the latest timestamp that a client may give."""
    seconds = settings.read(resource.request.registry.settings, "timestamp_max_ahead_seconds")
    return seconds, latest_given(utils.msec_time(), seconds)


def processed(resource: UserResource, new: Record, **old: Record | None) -> Record:
    """Return the record that will be written: `new`, after the hook, with the types of JSON.

    An override may leave out the hook of the library, which removes a timestamp that would hide the
    change, and adds the permissions of the body (P-11.2, P-12.5). Neither must get lost by that.

    Parameters
    ----------
    old : nothing for a creation by POST; otherwise the argument ``old`` of the hook.

    Raises
    ------
    TypeError, HTTPRequestEntityTooLarge : as :func:`storable`.
    """
    modified_field = resource.model.modified_field
    given = new.get(modified_field)
    resource._is_completed = False
    record = resource.process_record(new, **old)
    replaced = old.get("old")
    if not resource._is_completed and isinstance(record, Mapping):
        # A timestamp that the hook itself has chosen is meant.
        is_own = record.get(modified_field) != given
        record = resource._completed(record, None if is_own else replaced)
    return storable(resource, record, replaced)


def storable(resource: UserResource, record: Record, old: Record | None = None) -> Record:
    """Return a record with the types of JSON.

    A schema may give dates, decimals, sets or members of an enumeration. Hooks get them, but
    storages do not keep them.

    Parameters
    ----------
    old : the record that it replaces. It may be larger than the limit, which is lower now or was
        not there before; its owner must still be able to shrink it, and to withdraw permissions.

    Raises
    ------
    TypeError : the hook ``process_record`` has not returned a record, or one with an object that
        has no form in JSON.
    HTTPRequestEntityTooLarge : it is larger than ``max_record_bytes``, and than `old`. The limit of
        bodies is not enough: a body may be larger than a record, because it may be a batch or have
        unknown members, and a small patch can make a large record.
    """
    try:
        members = record.items()
    except AttributeError:
        allowed = "the record, a dictionary"
        raise wrong_result(resource, "process_record", record, allowed) from None
    converted = dict(members)
    if not _PLAIN_TYPES.issuperset(map(type, converted.values())):
        for name, value in converted.items():
            kind = type(value)
            if kind is list and _EXACT_TYPES.issuperset(map(type, value)):
                converted[name] = value.copy()
            elif kind not in _PLAIN_TYPES:
                converted[name] = _of_json(resource, name, value)
    known = vars(resource)
    if _LIMIT not in known:
        # A resource may store many records of one batch.
        known[_LIMIT] = _limit(resource.request)
    limit: int | None = known[_LIMIT]
    # Here everything counts, so that most records are written as JSON only once.
    if (
        limit is not None
        and len(jsonio.dumps(converted)) > limit
        and _data_bytes(resource, converted) > max(limit, _data_bytes(resource, old or {}))
    ):
        raise errors.too_large(resource.request, "The record is", "max_record_bytes")
    return converted


def _of_json(resource: UserResource, name: str, value: Any) -> Any:
    if (
        type(value) is dict
        and _TEXTS.issuperset(map(type, value))
        and _EXACT_TYPES.issuperset(map(type, value.values()))
    ):
        return value.copy()
    try:
        value = stored_forms.of_member(resource._schema, name, value)
        return jsonio.loads(jsonio.dumps(value, default=jsonio.refuse_nameless))
    except jsonio.NamelessError as error:
        raise unstorable(resource, name, str(error)) from None


def _data_bytes(resource: UserResource, record: Record) -> int:
    """Return the size of a record as JSON, without its timestamp and permissions.

    These are kept elsewhere, and a new record may lack a timestamp that the old one has.
    """
    model = resource.model
    apart = (model.modified_field, getattr(model, "permissions_field", None))
    data = {name: value for name, value in record.items() if name not in apart}
    return len(jsonio.dumps(data))


def _limit(request: Any) -> int | None:
    configured = request.registry.settings
    # Tests of applications make their own requests, which may lack settings (P-31).
    limit: int | None = settings.read(
        configured if isinstance(configured, dict) else {}, "max_record_bytes"
    )
    return limit
