"""PUT and PATCH that lock their collection only while they write and commit.

Such a request reads the record without the lock, and is judged meanwhile. If nothing can follow the
replacement (see `last_writes`), the lock, the replacement and the commit are one round trip, which
does nothing if somebody has changed the record since it was read. Then the request looks again,
under the lock (X-24).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cliquet.core.shortcuts import Shortcut
from cliquet.permission.known_permissions import leaves_what_is_there
from cliquet.resource.last_writes import is_plain, is_undisturbed, share_client
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.user_model import Model
from cliquet.security.principals import keeps_write
from cliquet.security.sent_headers import sent
from cliquet.security.undecided_put import UndecidedPut
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = [
    "StaleReadError",
    "forget_permissions",
    "known_record",
    "may_change",
    "may_put",
    "remember_put",
    "replaced",
]

# What follows the replacement, and what comes before it: hooks may rely on the lock.
_ENDS_CHANGE = Shortcut(
    "_ends_with_change",
    "__init__",
    "apply_changes",
    "patch",
    "postprocess",
    "process_record",
    "put",
    "_add_timestamp_header",
    "_check_put",
    "_check_write",
    "_completed",
    "_get_record_or_404",
    "_raise_400_if_id_mismatch",
    "_raise_412_if_modified",
    "_record_to_put",
)
_REPLACES = Shortcut("_replaces_alone", "atomic", "get_record", "update_record")
_STORES_CHANGE = Shortcut("update_if_unchanged", "atomic", "get", "update")

# Records that others change too, and until when, on the monotonic clock. They are changed under the
# lock from the beginning: who comes too late has made a round trip in vain, and is judged twice.
_contended: dict[tuple[str, str, str], float] = {}
_CONTENDED_SECONDS: Final = 1.0
_MOST_CONTENDED: Final = 1024


class StaleReadError(Exception):
    """A change has to be made under the lock, with the record that is there then."""


def may_put(resource: UserResource) -> bool:
    """Return whether a PUT may lock late, because it replaces its record.

    A PUT that creates the record must lock the collection before it looks. Whether the record
    exists may be known, and is guessed otherwise from the last PUT: clients often create, or
    replace, many records in a row. A wrong guess costs a round trip.
    """
    cls, context = type(resource), resource.context
    if _is_decided(context):
        is_expected = context.current_record is not None
    else:
        is_expected = cls._last_put_replaced or bool(sent(resource.request, "If-Match"))
    return is_expected and may_change(resource, cls.put)


def known_record(resource: UserResource) -> Record | None:
    """Return the record of a PUT if it was read for the check of the permission."""
    context = resource.context
    return context.current_record if _is_decided(context) else None


def _is_decided(context: Any) -> bool:
    return isinstance(context, UndecidedPut) and not context.is_undecided


def remember_put(resource: UserResource, existing: Record | None) -> None:
    """Remember for the next PUT of the resource whether this one replaces a record."""
    cls = type(resource)
    if cls._last_put_replaced is not (existing is not None):
        cls._last_put_replaced = existing is not None


def may_change(resource: UserResource, endpoint: Callable[..., Any]) -> bool:
    """Return whether a request that replaces its record may lock late.

    Parameters
    ----------
    endpoint : the method of its class that answers such requests.
    """
    model = resource.model
    return (
        is_plain(resource, endpoint)
        and is_undisturbed(resource.request)
        # These are written too.
        and not resource.request.validated.get("permissions")
        and _STORES_CHANGE.is_open(model.storage)
        and _ENDS_CHANGE.is_open(resource)
        and _REPLACES.is_open(model)
        and not (_contended and _is_contended(model, resource.record_id))
        and (
            not isinstance(model, ShareableModel) or model._backend() is None or share_client(model)
        )
    )


def _is_contended(model: Model, record_id: str | None) -> bool:
    place = (model.collection_id, str(model.parent_id), str(record_id))
    until = _contended.get(place)
    if until is not None and until <= time.monotonic():
        _contended.pop(place, None)
        return False
    return until is not None


def _remember_contended(model: Model, record_id: str) -> None:
    if len(_contended) >= _MOST_CONTENDED:
        _contended.clear()
    place = (model.collection_id, str(model.parent_id), record_id)
    _contended[place] = time.monotonic() + _CONTENDED_SECONDS


def forget_permissions(resource: UserResource) -> None:
    """Forget the permissions that were read for the check, before the record is read.

    They must not be older than the record, whose timestamp changes with them.
    """
    if isinstance(resource.model, ShareableModel):
        resource.model.known_permissions.forget_aces()


def replaced(resource: UserResource, existing: Record, record: Record) -> Record:
    """Replace a record that nobody has changed since it was read, and commit at once.

    Parameters
    ----------
    existing : the record as it was read, without the lock of its collection, by a request that may
        lock late.

    Returns
    -------
    The same as ``update_record`` of the model.

    Raises
    ------
    StaleReadError : it was changed, or the request may still fail, or may write something else:
        nothing was done.
    """
    model = resource.model
    # Validators of the schema are code of the application.
    if model.modified_field in record or not is_undisturbed(resource.request):
        raise StaleReadError
    field = None
    if isinstance(model, ShareableModel) and model._backend() is not None:
        field = model.permissions_field
        if field in record or not _leaves_permissions(model, existing):
            raise StaleReadError
    storage: Any = model.storage
    stored: Record | None = storage.update_if_unchanged(
        object_id=existing[model.id_field],
        record=record,
        seen=existing[model.modified_field],
        **model._collection(None),
        **model._fields,
    )
    if stored is None:
        _remember_contended(model, existing[model.id_field])
        raise StaleReadError
    return stored if field is None else {**stored, field: existing[field]}


def _leaves_permissions(model: ShareableModel, existing: Record) -> bool:
    """Return whether a replacement that mentions no permissions writes none.

    Raises
    ------
    HTTPForbidden : they are not those by which the request was permitted, and do not permit it.
    """
    held = existing.get(model.permissions_field)
    if not held or not leaves_what_is_there(model.permission):
        return False
    writer = model.current_principal
    is_writer = writer is None or writer in held.get("write", ())
    # Somebody who edits through a group may get no permission (E-18.3).
    if not is_writer and (model.explicit_permissions or keeps_write(str(writer), held, {})):
        return False
    if model.judge is not None and model.get_permission_object_id is not None:
        model.judge(model.get_permission_object_id(existing[model.id_field]), held)
    return True
