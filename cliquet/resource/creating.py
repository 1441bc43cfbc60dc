"""Creations of several records by one request, where the hooks are those of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import colander
from pyramid.httpexceptions import HTTPException

from cliquet.events import ACTIONS
from cliquet.resource.body import storable
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["body_of", "create_all", "reader_of_plain"]


def reader_of_plain(resource: UserResource) -> Callable[[dict[str, Any]], Record | None]:
    """Return a function that makes a record of the body of a POST, as it will be stored.

    The record has no timestamp, and no id unless it has to be known. ``None`` stands for a body
    with more than attributes, and for one that would be refused.

    Parameters
    ----------
    resource : one with the hooks of the library, which have nothing to do for such a record.
    """
    model = resource.model
    permissions_field = getattr(model, "permissions_field", None)
    names = (model.id_field, model.modified_field, model.deleted_field, permissions_field)
    is_bare = frozenset(names).isdisjoint
    deserialize = resource._schema.deserialize

    def read(body: dict[str, Any]) -> Record | None:
        data = body.get("data")
        if type(data) is not dict or len(body) > 1 or not is_bare(data):
            return None
        try:
            record = deserialize(data)
            # The schema may have added others.
            return resource._creatable(storable(resource, record)) if is_bare(record) else None
        except (colander.Invalid, HTTPException):
            # An ordinary creation will say what is wrong.
            return None

    return read


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
    bodies: list[tuple[str, dict[str, Any]]] = []
    former = shown = None
    for record, aces in zip(created, permissions, strict=True):
        if former is not None and aces == former:
            # Nearly always: all of them belong to one user.
            body = {"data": record, "permissions": shown}
        else:
            body = body_of(record, aces)
            former, shown = aces, body.get("permissions")
        bodies.append((record[model.id_field], body))
    return bodies


def body_of(record: Record, aces: dict[str, set[str]] | None) -> dict[str, Any]:
    """Return the body of the answer with a record, and with its permissions if it has some."""
    if aces is None:
        return {"data": record}
    return {
        "data": record,
        "permissions": {name: sorted(aces[name]) for name in sorted(aces) if aces[name]},
    }
