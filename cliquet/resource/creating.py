"""Creations of several records by one request, where the hooks are those of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import colander
from pyramid.httpexceptions import HTTPException

from cliquet.events import ACTIONS
from cliquet.resource.body import storable
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["body_of", "create_all", "plain_record"]


def plain_record(resource: UserResource, body: dict[str, Any]) -> Record | None:
    """Return the record of the body of a POST, as it will be stored without its id and timestamp.

    ``None`` stands for a body with more than attributes, and for one that would be refused.
    """
    data = body.get("data")
    if type(data) is not dict or len(body) > 1 or not _is_bare(resource, data):
        return None
    try:
        record = resource.process_record(dict(resource._schema.deserialize(data)))
        if not _is_bare(resource, record):
            return None
        return resource._creatable(storable(resource, record))
    except (colander.Invalid, HTTPException):
        # An ordinary creation will say what is wrong.
        return None


def _is_bare(resource: UserResource, record: Record) -> bool:
    """Return whether a record has no member that is not an attribute."""
    model = resource.model
    return not (
        model.id_field in record
        or model.modified_field in record
        or model.deleted_field in record
        or getattr(model, "permissions_field", None) in record
    )


def create_all(resource: UserResource, records: list[Record]) -> list[tuple[str, dict[str, Any]]]:
    """Create plain records, and tell subscribers; return their ids, and the bodies of the answers.

    The schema must have no unique fields.
    """
    model = resource.model
    created = model.create_records(records)
    field = getattr(model, "permissions_field", None)
    permissions = [None if field is None else record.pop(field, None) for record in created]
    resource.request.notify_resource_event(
        timestamp=model.timestamp,
        data=created,
        action=ACTIONS.CREATE,
        parent_id=model.parent_id,
    )
    return [
        (record[model.id_field], body_of(record, aces))
        for record, aces in zip(created, permissions, strict=True)
    ]


def body_of(record: Record, aces: dict[str, set[str]] | None) -> dict[str, Any]:
    """Return the body of the answer with a record, and with its permissions if it has some."""
    if aces is None:
        return {"data": record}
    return {
        "data": record,
        "permissions": {name: sorted(aces[name]) for name in sorted(aces) if aces[name]},
    }
