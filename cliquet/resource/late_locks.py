"""PUT and PATCH that lock their collection only while they write and commit.

If nothing can follow the replacement (see `last_writes`), the lock, the replacement and the commit
are one round trip, which does nothing if it finds another record than it may replace. Then the
request runs under the lock from the beginning (X-24). A PUT needs nothing of the record that it
replaces but its timestamp and its permissions, which are compared in that round trip. A PATCH reads
the record before, without the lock, and is judged meanwhile. Where the permissions of the record
decide, they have to be those under the lock, which therefore comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cliquet.core.shortcuts import Shortcut
from cliquet.permission import PermissionBase
from cliquet.permission.known_permissions import leaves_what_is_there, selects_what_it_lists
from cliquet.resource import preconditions
from cliquet.resource.body import is_ahead, storable
from cliquet.resource.last_writes import is_plain, is_undisturbed, share_client
from cliquet.resource.shareable_model import ShareableModel
from cliquet.security.authorization import RouteFactory
from cliquet.security.principals import keeps_write, names_of_user
from cliquet.security.sent_headers import sent
from cliquet.storage.atomicity import HeldACEs, Replaced, Seen, StaleReadError
from cliquet.storage.exceptions import BackendError
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.transactions.tweens import is_waiting_for
from cliquet.types import Record
from cliquet.utils import is_storable_key

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["changed", "put", "remember_put", "replaced"]

T = TypeVar("T")
_Place = tuple[str, str, str]

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
_STORES_CHANGE = Shortcut("update_seen", "atomic", "get", "update")
# The attributes of an application: what the last PUT of each class has found; and the records that
# others change too, until when, on the monotonic clock. These are changed under the lock from the
# beginning: who comes too late has made a round trip in vain, and is judged twice.
_LAST_PUTS = "cliquet_last_puts"
_CONTENDED = "cliquet_contended_records"
_CONTENDED_SECONDS: Final = 1.0
_MOST_CONTENDED: Final = 1024
# In the environment of a request that must not lock late when it is run again.
_LOCKED = "cliquet.locked"


def put(resource: UserResource, given: Record) -> Record | None:
    """Replace the record of a PUT at once, and commit; ``None`` if it has to be put under the lock.

    Parameters
    ----------
    given : the record of the body.

    Returns
    -------
    The same as ``update_record`` of the model.
    """
    model, record_id = resource.model, str(resource.record_id)
    if not (
        _is_expected(resource)
        and _may_lock_late(resource, type(resource).put)
        and _may_replace(resource.context)
        # Otherwise it keeps the attributes of the record.
        and "data" in resource.request.validated
    ):
        return None
    try:
        match = preconditions.parse_if_match(sent(resource.request, "If-Match"))
        record = storable(resource, given)
    except Exception:
        # Whether this is refused, or fails, depends on the record, which is judged first.
        return None
    if record.setdefault(model.id_field, record_id) != record_id or is_ahead(
        resource, record.get(model.modified_field)
    ):
        return None
    field, aces = "", None
    if isinstance(model, ShareableModel):
        field, backend = model.permissions_field, model._backend()
        aces = None if backend is None else _aces_to_hold(model, *backend, record_id)
        if field in record or (backend is not None and aces is None):
            return None
    # Only now is it known that no code of the application runs before the write.
    if not is_undisturbed(resource.request):
        return None
    context = resource.context
    seen = Seen(
        until=match if isinstance(match, int) else MAX_TIMESTAMP,
        aces=aces,
        # Some code of the application may still look at the context (P-25.7).
        tells_former=context is not None and context.is_undecided,
    )
    try:
        stored, held, find_former = _update(model, record_id, record, seen)
    except (StaleReadError, TypeError, ValueError):
        # The last two are for values that have no form in the database, which was not asked.
        return None
    shown = {} if aces is None else {field: held}
    if find_former is not None:
        context.settle_put("write", lambda: {**find_former(), **shown})
    return {**stored, **shown} if shown else stored


def _may_replace(context: Any) -> bool:
    """Return whether the request was permitted to replace its record, whichever it is."""
    return (
        context is None
        or context.is_undecided
        # The context of an application may have looked at the record.
        or (type(context) is RouteFactory and context.required_permission == "write")
    )


def _is_expected(resource: UserResource) -> bool:
    """Return whether a PUT probably replaces its record.

    This is guessed from the last PUT: clients often create, or replace, many records in a row. A
    wrong guess costs a round trip.
    """
    request = resource.request
    last_puts = request.registry.__dict__.get(_LAST_PUTS, {})
    return last_puts.get(type(resource), False) or bool(sent(request, "If-Match"))


def _aces_to_hold(
    model: ShareableModel,
    permission: PermissionBase,
    get_object_id: Callable[..., str],
    record_id: str,
) -> HeldACEs | None:
    """Return with which permissions a record is replaced without writing any; ``None`` for none."""
    object_id = get_object_id(record_id)
    if not (
        selects_what_it_lists(permission)
        and leaves_what_is_there(permission)
        and is_storable_key(object_id)
    ):
        return None
    writer = model.current_principal
    # Somebody who edits through a group may get no permission (E-18.3).
    unless = None if writer is None or model.explicit_permissions else names_of_user(writer)
    return HeldACEs(permission.select_aces(object_id), writer, unless)


def _update(model: Any, record_id: str, record: Record, seen: Seen) -> Replaced:
    storage: Any = model.storage
    update = partial(storage.update_seen, object_id=record_id, record=record, seen=seen)
    replaced: Replaced = update(**model._collection(None), **model._fields)
    return replaced


def remember_put(resource: UserResource, existing: Record | None) -> None:
    """Remember for the next PUT of the resource whether this one replaces a record."""
    last_puts = resource.request.registry.__dict__.setdefault(_LAST_PUTS, {})
    last_puts[type(resource)] = existing is not None


def _may_lock_late(resource: UserResource, endpoint: Callable[..., Any]) -> bool:
    """Return whether a request that replaces its record may lock late.

    Parameters
    ----------
    endpoint : the method of its class that answers such requests.
    """
    request, model = resource.request, resource.model
    return (
        is_plain(resource, endpoint)
        and _is_permitted_for_good(resource.context)
        # These are written too.
        and not request.validated.get("permissions")
        # It asks for a record that is not there.
        and not sent(request, "If-None-Match")
        and _STORES_CHANGE.is_open(model.storage)
        and model.storage.locks_late
        and _ENDS_CHANGE.is_open(resource)
        and _REPLACES.is_open(model)
        and _LOCKED not in request.environ
        and (
            not isinstance(model, ShareableModel) or model._backend() is None or share_client(model)
        )
    )


def _is_permitted_for_good(context: Any) -> bool:
    """Return whether no permission of the record was needed, which somebody may take away.

    Otherwise the request is judged again under the lock (D-62).
    """
    # Owners need none for their records, and have no context.
    return context is None or (
        isinstance(context, RouteFactory)
        and not context.has_asked
        and not context.known_permissions.has_judged
    )


def changed(resource: UserResource, change: Callable[[bool], T]) -> T | None:
    """Run a PATCH that locks late, if it may; ``None`` if it has to run under the lock.

    Parameters
    ----------
    change : gets whether it locks late, and then ends with :func:`replaced`.
    """
    if not (
        _may_lock_late(resource, type(resource).patch)
        and is_undisturbed(resource.request)
        and not _is_contended(resource)
    ):
        return None
    try:
        return change(True)
    except StaleReadError:
        if is_waiting_for(resource.request):
            # Nothing was done. Under the lock, nobody else is faster.
            return None
    # A validator of the application has written something, which has to be undone.
    resource.request.environ[_LOCKED] = True
    raise BackendError(message="A change has to begin again, under the lock.", retryable=True)


def _is_contended(resource: UserResource) -> bool:
    contended = resource.request.registry.__dict__.get(_CONTENDED)
    if not contended:
        return False
    place = _place_of(resource)
    until = contended.get(place)
    if until is not None and until <= time.monotonic():
        contended.pop(place, None)
        return False
    return until is not None


def _remember_contended(resource: UserResource) -> None:
    contended = resource.request.registry.__dict__.setdefault(_CONTENDED, {})
    if len(contended) >= _MOST_CONTENDED:
        contended.clear()
    contended[_place_of(resource)] = time.monotonic() + _CONTENDED_SECONDS


def _place_of(resource: UserResource) -> _Place:
    model = resource.model
    return model.collection_id, str(model.parent_id), str(resource.record_id)


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
    model, record_id = resource.model, str(resource.record_id)
    # Validators of the schema are code of the application.
    if not is_undisturbed(resource.request):
        raise StaleReadError
    seen, permissions, field = existing, None, ""
    if isinstance(model, ShareableModel):
        field = model.permissions_field
        if field in record:
            raise StaleReadError
        seen = dict(existing)
        permissions = seen.pop(field, None)
        if permissions is not None and not _leaves_permissions(model, permissions):
            raise StaleReadError
    try:
        stored = _update(model, record_id, record, Seen(seen)).record
    except StaleReadError:
        _remember_contended(resource)
        raise
    return stored if permissions is None else {**stored, field: permissions}


def _leaves_permissions(model: ShareableModel, held: dict[str, set[str]]) -> bool:
    """Return whether a replacement that mentions no permissions writes none."""
    if not leaves_what_is_there(model.permission):
        return False
    writer = model.current_principal
    if writer is None or writer in held.get("write", ()):
        return True
    # Somebody who edits through a group may get no permission (E-18.3).
    return not (model.explicit_permissions or keeps_write(writer, held, {}))
