"""Creations that are the last that their request does to the database.

A transaction is needed as long as something can still fail, or be written. After most creations,
nothing can: the response is a value that the library has checked, and no code of the application
runs before the commit. Then the statements of the creation are the transaction, and travel in one
round trip.
"""

from __future__ import annotations

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

__all__ = ["created_last"]

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
    if not _is_last(resource) or model.modified_field in record:
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
    # A storage of the application may have none.
    client = getattr(storage, "client", None)
    if client is None or getattr(model.permission, "client", None) is not client:
        return None
    record = dict(record)
    permissions = record.pop(model.permissions_field, {})
    # The permissions are sent with the record, whose id is therefore made before.
    object_id = generator()
    written = model._write_permissions(object_id, permissions, None, is_new=True, had_none=True)
    created = tweens.as_last_write(partial(create, record=record, id_generator=Drawn(object_id)))
    return {**created, model.permissions_field: written}


def _is_last(resource: UserResource) -> bool:
    """Return whether nothing follows a creation before the end of the request."""
    request, storage = resource.request, resource.model.storage
    view, target = request.__dict__.get(endpoints.TARGET, _NOBODY)
    if not tweens.is_waiting_for(request):
        # It belongs to a batch, or has written something, or will be aborted by somebody.
        return False
    return (
        # Otherwise code of the application has called the method.
        target is resource
        and view.unbound_view is type(resource).collection_post
        # A hook may have added one, which is answered, and undoes everything, later.
        and not request.errors
        and isinstance(storage, StorageBase)
        and storage.makes_round_trips
        and _STORES.is_open(storage)
        and rendering.takes_json(request)
        and rendering.has_plain_response(request)
        and _ENDS.is_open(resource)
        and _CREATES.is_open(resource.model)
        and not resource.mapping.get_option("unique_fields")
        and not events.are_changes_heard(request)
    )
