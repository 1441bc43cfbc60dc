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
from cliquet.resource.shareable_model import ShareableModel
from cliquet.storage import StorageBase
from cliquet.storage.generators import UUID4
from cliquet.storage.random_ids import Drawn
from cliquet.transactions import tweens
from cliquet.types import Record
from cliquet.web import endpoints, rendering

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["created_last", "is_plain", "is_undisturbed", "share_client"]

# What follows the creation, and the creation itself.
_ENDS = Shortcut("_ends_with_creation", "collection_post", "postprocess")
_CREATES = Shortcut("_creates_alone", "create_record")
# A storage of the application may do more, before or after.
_STORES = Shortcut("makes_round_trips", "create")
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
    create = partial(
        storage.create,
        unique_fields=None,
        **model._collection(None),
        **model._fields,
    )
    if not isinstance(model, ShareableModel) or model._backend() is None:
        created: Record = tweens.as_last_write(
            partial(create, record=record, id_generator=generator)
        )
        return created
    if not share_client(model):
        return None
    record = dict(record)
    permissions = record.pop(model.permissions_field, {})
    # The permissions are sent with the record, whose id is therefore made before.
    object_id = generator()
    written = model._write_permissions(object_id, permissions, None, is_new=True, had_none=True)
    created = tweens.as_last_write(partial(create, record=record, id_generator=Drawn(object_id)))
    return {**created, model.permissions_field: written}


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
