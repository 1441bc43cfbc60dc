"""Writes of one record that are the last that their request does to the database.

A transaction is needed as long as something can still fail, or be written. After most writes of a
record, nothing can: the response is a value that the library has checked, and no code of the
application runs before the commit. Then the statements of a creation are the transaction, and
travel in one round trip. For replacements, see `late_locks`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cliquet import events
from cliquet.core.shortcuts import Shortcut
from cliquet.permission import PermissionBase
from cliquet.permission.base import ACEChange, require_principals
from cliquet.permission.known_permissions import inserts_what_it_writes
from cliquet.resource.shareable_model import ShareableModel
from cliquet.storage import StorageBase
from cliquet.storage.atomicity import StaleReadError
from cliquet.storage.generators import UUID4
from cliquet.transactions import tweens
from cliquet.types import ACEInsertion, Record
from cliquet.web import endpoints, rendering

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["created_last", "is_plain", "is_undisturbed", "share_client"]

# What follows the creation, and the creation itself.
_ENDS = Shortcut("_ends_with_creation", "collection_post", "postprocess")
_CREATES = Shortcut("_creates_alone", "create_record")
# A storage of the application may do more, before or after.
_STORES = Shortcut("create_alone", "create")
_NOBODY = (None, None)


def created_last(resource: UserResource, record: Record) -> Record | None:
    """Create a record and commit at once; return it as ``create_record`` of the model does.

    ``None`` if the request may still fail, or may write something else: nothing was done then.

    Parameters
    ----------
    record : a new record without an id.
    """
    model = resource.model
    if (
        not is_plain(resource, type(resource).collection_post)
        or not is_undisturbed(resource.request)
        or model.modified_field in record
        # Only the model knows that it is not stored.
        or (isinstance(model, ShareableModel) and _names_permissions_alone(model, record))
        or not _STORES.is_open(model.storage)
        or not _ENDS.is_open(resource)
        or not _CREATES.is_open(model)
    ):
        return None
    storage: Any = model.storage
    generator: Any = model.id_generator or storage.id_generator
    if type(generator) is not UUID4:
        return None
    record = {**record, model.id_field: generator()}
    create = partial(storage.create_alone, **model._collection(None), **model._fields)
    try:
        if not isinstance(model, ShareableModel) or (backend := model._backend()) is None:
            created: Record = create(record=record)
            return created
        written = _new_aces(model, record.pop(model.permissions_field, {}))
        aces = _insertion(model, *backend, record[model.id_field], written) if written else None
        return {**create(record=record, aces=aces), model.permissions_field: written}
    except StaleReadError:
        return None


def _new_aces(model: ShareableModel, permissions: dict[str, Any]) -> dict[str, set[str]]:
    """Return the permissions of a new record."""
    replaced = {name: require_principals(given) for name, given in permissions.items()}
    return ACEChange.of({}, replaced, model.current_principal, is_new=True).after


def _insertion(
    model: ShareableModel,
    permission: PermissionBase,
    get_object_id: Callable[..., str],
    record_id: str,
    aces: dict[str, set[str]],
) -> ACEInsertion:
    """Return what stores the permissions of a new record.

    Raises
    ------
    StaleReadError : they have to be stored in another way.
    """
    if not (share_client(model) and inserts_what_it_writes(permission)):
        raise StaleReadError
    insertion = permission.insertion_of_aces(get_object_id(record_id), aces)
    if insertion is None:
        raise StaleReadError
    return insertion


def _names_permissions_alone(model: ShareableModel, record: Record) -> bool:
    """Return whether a record names permissions that no backend keeps."""
    return model.permissions_field in record and model._backend() is None


def share_client(model: ShareableModel) -> bool:
    """Return whether the permissions are in the database of the records."""
    # A storage of the application may have none.
    client = getattr(model.storage, "client", None)
    return client is not None and getattr(model.permission, "client", None) is client


def is_undisturbed(request: Any) -> bool:
    """Return whether, as far as others have come, nothing follows a write in its request."""
    return (
        # Otherwise it belongs to a batch, or has written something, or somebody will abort it.
        tweens.is_waiting_for(request)
        # A hook may have added one, which is answered, and undoes everything, later.
        and not request.errors
        and rendering.has_plain_response(request)
        and not events.are_changes_heard(request)
    )


def is_plain(resource: UserResource, endpoint: Callable[..., Any]) -> bool:
    """Return the same as far as it is known from the beginning."""
    request, storage = resource.request, resource.model.storage
    view, target = request.__dict__.get(endpoints.TARGET, _NOBODY)
    return (
        # Otherwise code of the application has called the method.
        target is resource
        and view.unbound_view is endpoint
        and isinstance(storage, StorageBase)
        and storage.makes_round_trips
        and rendering.takes_json(request)
        and not resource.mapping.get_option("unique_fields")
    )
