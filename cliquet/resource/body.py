"""The reading of the body of a request: a record, changes of a record, a timestamp.

The methods of :class:`~cliquet.resource.user.UserResource` that shareable resources override call
these functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.request import Request

from cliquet import errors, settings, utils
from cliquet.resource.parameters import latest_given
from cliquet.types import Record
from cliquet.web.validation import json_body

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["given_timestamp", "new_record", "raise_400_if_ahead", "sent_data", "set_reserved"]


def sent_data(request: Request) -> Record:
    """Return the ``data`` of the client, before the schema has dropped anything (H-8.12)."""
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
    """Return the validated record of the body, with the timestamp of the client (X-5).

    Raises
    ------
    HTTPBadRequest : the timestamp is not valid.
    """
    record: Record = dict(resource.request.validated["data"])
    set_reserved(resource, record, given_timestamp(resource, resource._body_data()))
    return record


def given_timestamp(resource: UserResource, data: Record) -> int | None:
    """Return the timestamp in a body, if there is one (D-3).

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
    seconds = settings.read(resource.request.registry.settings, "timestamp_max_ahead_seconds")
    latest = latest_given(utils.msec_time(), seconds)
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
