"""Replacements, changes and deletions of several records by one request.

They are those that single requests would make one after the other, where the hooks are those of the
library. All records are read together under the lock, judged and completed in their order, and
written together. The first one that is no plain success ends the run: an ordinary request says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import colander
from pyramid.httpexceptions import HTTPException

from cliquet.core.shortcuts import Shortcut
from cliquet.events import ACTIONS
from cliquet.resource import headers, patch, several, unknown_members
from cliquet.resource.body import set_reserved, storable
from cliquet.resource.creating import body_of
from cliquet.resource.several import SeveralRecords
from cliquet.security.change_rights import ChangeRights
from cliquet.types import Record
from cliquet.utils import is_storable_key

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["Asked", "Changed", "change_all", "changes_alike", "is_plain"]

# A resource that replaces one of these may do something else for each request.
_CHANGES_ALIKE = Shortcut(
    "_changes_alike",
    "__init__",
    "apply_changes",
    "default_model",
    "delete",
    "get_parent_id",
    "patch",
    "postprocess",
    "process_record",
    "put",
    "timestamp",
    "_add_timestamp_header",
    "_bare",
    "_body_data",
    "_check_put",
    "_check_write",
    "_completed",
    "_creatable",
    "_get_record_or_404",
    "_new_record",
    "_raise_400_if_id_mismatch",
    "_raise_400_if_invalid_id",
    "_raise_412_if_modified",
    "_raise_conflict",
    "_record_to_put",
    "_schema",
)


class Asked(NamedTuple):
    """What a request asks for.

    Attributes
    ----------
    data : the member ``data`` of its body, of which nobody else has a part; nothing for a deletion.
    is_begun : is called before it is looked at.
    """

    record_id: str
    data: dict[str, Any]
    is_begun: Callable[[], object]


class Allowed(NamedTuple):
    """What may be done for the requests.

    Attributes
    ----------
    rights : what their sender may do.
    statuses : those that an answer may have.
    has_room_for : says whether the answers to so many requests, and the events, may be so large. It
        gets what they have of all changes, which is of JSON.
    """

    rights: ChangeRights
    statuses: Collection[int]
    has_room_for: Callable[[int, Sequence[Any]], bool]


class Changed(NamedTuple):
    """A success, for an answer.

    Attributes
    ----------
    headers : those that differ from record to record, but for ``Location``.
    """

    record_id: str
    status: int
    body: dict[str, Any]
    headers: Sequence[tuple[str, str]]


class _Planned(NamedTuple):
    """A change that can be made.

    Attributes
    ----------
    result : the record as it will be, without its timestamp unless that stays the same; ``None``
        for a deletion.
    status : that of the answer.
    is_written : whether it has to be written.
    """

    record_id: str
    existing: Record | None
    result: Record | None
    status: int
    is_written: bool = True


def changes_alike(resource: UserResource, rights: ChangeRights) -> bool:
    """Return whether changes of other records without conditions only differ in the records.

    Parameters
    ----------
    rights : those of the sender on these records.
    """
    return (
        _CHANGES_ALIKE.is_open(resource)
        # It is bound to no request, so that it is the same for all.
        and resource._schema is resource.mapping
        and not resource.mapping.get_option("unique_fields")
        and several.are_open(resource.model)
        and (not rights.writers or several.have_certain_aces(resource.model))
    )


def is_plain(resource: UserResource, method: str, body: Any) -> bool:
    """Return whether a body of a request has nothing but attributes of a record, and its names."""
    if method == "DELETE":
        return body is None
    data = body.get("data") if type(body) is dict and len(body) == 1 else None
    model = resource.model
    return (
        type(data) is dict
        # The timestamp of the record that is sent back.
        and type(data.get(model.modified_field, 0)) is int
        and model.deleted_field not in data
        and getattr(model, "permissions_field", None) not in data
    )


def change_all(resource: UserResource, asked: Sequence[Asked], allowed: Allowed) -> list[Changed]:
    """Change records as far as nothing can be wrong, and tell subscribers.

    Parameters
    ----------
    resource : that of a request with the same method, for which :func:`changes_alike` is true.
    asked : requests with plain bodies, for different records.
    """
    return resource.model.atomic(lambda: _change_all(resource, asked, allowed))


def _change_all(resource: UserResource, asked: Sequence[Asked], allowed: Allowed) -> list[Changed]:
    generator: Any = resource.model.id_generator
    own_id: Any = resource.record_id
    ids = [one.record_id for one in asked]
    for one in ids:
        if not generator.match(one) or not is_storable_key(one):
            return []
    records = SeveralRecords(resource.model, own_id, ids)
    planned = list(_planned(resource, asked, allowed, records))
    while planned and not allowed.has_room_for(len(planned), _shown(records, planned)):
        planned.pop()
    return _made(resource, records, planned) if planned else []


def _shown(records: SeveralRecords, planned: Sequence[_Planned]) -> list[Any]:
    """Return what answers and events have of the changes."""
    shown: list[Any] = []
    for one in planned:
        shown += one.existing, one.result
        for name, principals in (records.aces(one.record_id) or {}).items():
            shown.append(name)
            shown += principals
    return shown


def _planned(
    resource: UserResource, asked: Sequence[Asked], allowed: Allowed, records: SeveralRecords
) -> Iterator[_Planned]:
    """Yield the changes, up to the first one that is no plain success."""
    plan = _PLANS[resource.request.method](resource)
    modified_field = resource.model.modified_field
    for one in asked:
        record_id = one.record_id
        existing, aces = records.records.get(record_id), records.aces(record_id)
        if not allowed.rights.permit(aces, exists=existing is not None):
            return
        if not records.may_be_written(record_id):
            return
        sent = one.data.get(modified_field)
        # A timestamp that its record did not have already is for an ordinary request (H-9.1).
        if sent is not None and (existing is None or not 0 <= sent <= existing[modified_field]):
            return
        one.is_begun()
        try:
            found = plan(one, existing)
        except (colander.Invalid, HTTPException):
            # An ordinary request will say what is wrong.
            return
        if found is None or found.status not in allowed.statuses:
            return
        yield found


# What each method makes of a record. A function looks at the resource once, and returns the one
# that is called for each record.

_Plan = Callable[[Asked, "Record | None"], "_Planned | None"]


def _put(resource: UserResource) -> _Plan:
    deserialize = resource._schema.deserialize

    def plan(asked: Asked, existing: Record | None) -> _Planned | None:
        new = dict(deserialize(asked.data))
        set_reserved(resource, new, None)
        return _completed(resource, asked, existing, new)

    return plan


def _patch(resource: UserResource) -> _Plan:
    modified_field = resource.model.modified_field
    refuses_unknown = unknown_members.refuses(resource.mapping)

    def plan(asked: Asked, existing: Record | None) -> _Planned | None:
        if existing is None:
            return None
        if refuses_unknown:
            unknown_members.raise_400_if_unknown(resource, asked.data, existing)
        updated = resource.apply_changes(existing, changes=asked.data)
        set_reserved(resource, updated, None)
        planned = _completed(resource, asked, existing, updated)
        if planned is None or planned.result is None or resource.force_patch_update:
            return planned
        # A timestamp that was sent counts as changed even if it is then ignored (H-20.4).
        timestamp = asked.data.get(modified_field, existing[modified_field])
        intended = {**planned.result, modified_field: timestamp}
        if patch.changed_members(existing, intended, asked.data):
            return planned
        # Nothing is written, and the timestamp stays the same (H-20.5).
        return planned._replace(result=intended, is_written=False)

    return plan


def _delete(resource: UserResource) -> _Plan:
    def plan(asked: Asked, existing: Record | None) -> _Planned | None:
        return None if existing is None else _Planned(asked.record_id, existing, None, 200)

    return plan


_PLANS = {"PUT": _put, "PATCH": _patch, "DELETE": _delete}


def _completed(
    resource: UserResource, asked: Asked, existing: Record | None, new: Record
) -> _Planned | None:
    """Return what is planned for a record that was validated.

    The hook of the library has nothing to do for a body with nothing but attributes.
    """
    if new.setdefault(resource.model.id_field, asked.record_id) != asked.record_id:
        return None
    status = 201 if existing is None else 200
    return _Planned(asked.record_id, existing, storable(resource, new, existing), status)


# What is written, told and answered


def _made(
    resource: UserResource, records: SeveralRecords, planned: Sequence[_Planned]
) -> list[Changed]:
    model = resource.model
    tell = partial(
        resource.request.notify_resource_event, timestamp=model.timestamp, parent_id=model.parent_id
    )
    if planned[0].result is None:
        deleted = records.delete([one.record_id for one in planned])
        tell(data=deleted, action=ACTIONS.DELETE, old=None)
        pairs = zip(planned, deleted, strict=True)
        return [Changed(one.record_id, 200, {"data": record}, ()) for one, record in pairs]
    written = [one.result for one in planned if one.is_written and one.result is not None]
    stored = iter(records.write(written) if written else ())
    made = []
    for one in planned:
        record: Any = next(stored) if one.is_written else one.result
        action = ACTIONS.CREATE if one.existing is None else ACTIONS.UPDATE
        tell(data=record, action=action, old=one.existing)
        made.append(
            Changed(
                one.record_id,
                one.status,
                body_of(record, records.aces(one.record_id)),
                headers.of_timestamp(record[model.modified_field]),
            )
        )
    return made
