"""Reads of several records by one request, where the hooks are those of the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from cliquet import settings
from cliquet.core.shortcuts import Shortcut
from cliquet.events import ACTIONS
from cliquet.permission.known_permissions import lists_at_once
from cliquet.resource import headers
from cliquet.resource.creating import body_of
from cliquet.security.authorization import RouteFactory
from cliquet.types import Record
from cliquet.utils import is_storable_key

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["Fetched", "changes_alike", "fetch_all", "look_ahead", "reads_alike", "tell"]

# A resource that replaces one of these may do something else for each request.
_READS_ALIKE = Shortcut(
    "_reads_alike",
    "__init__",
    "default_model",
    "get",
    "get_parent_id",
    "postprocess",
    "timestamp",
    "_add_cache_header",
    "_add_timestamp_header",
    "_bare",
    "_extract_partial_fields",
    "_get_record_or_404",
    "_raise_304_if_not_modified",
    "_raise_400_if_invalid_id",
    "_raise_412_if_modified",
)
# A hook may change the permissions of other records.
_CHANGES_ALIKE = Shortcut(
    "_reads_alike",
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
    "_get_record_or_404",
)


class Fetched(NamedTuple):
    """A record for an answer.

    Attributes
    ----------
    headers : those that differ from record to record.
    """

    record: Record
    body: dict[str, Any]
    headers: list[tuple[str, str]]


def reads_alike(resource: UserResource) -> bool:
    """Return whether a GET of another record without conditions only differs in the record."""
    visible_to = settings.read(resource.request.registry.settings, "permissions_visible_to")
    return (
        _READS_ALIKE.is_open(resource)
        and visible_to != "write"
        and resource.model.can_find_records
        and _lists_alike(resource.model)
    )


def _lists_alike(model: Any) -> bool:
    permission = getattr(model, "permission", None)
    return permission is None or lists_at_once(permission)


def fetch_all(
    resource: UserResource, record_ids: Sequence[str], readers: Set[str] | None
) -> list[Fetched]:
    """Read records as GET does, up to the first one that is missing or may not be read.

    Parameters
    ----------
    resource : that of a GET of one record of the collection, for which :func:`reads_alike` is true.
    record_ids : different ids.
    readers : principals, of which one must have a permission on each; ``None`` if all may be read.
    """
    model = resource.model
    generator: Any = model.id_generator
    if not all(generator.match(one) and is_storable_key(one) for one in record_ids):
        return []
    records = {record[model.id_field]: record for record in model.find_records(record_ids) or ()}
    aces_of = _aces(resource, list(records))
    fetched = []
    for record_id in record_ids:
        record = records.get(record_id)
        if record is None:
            break
        aces = aces_of.get(record_id)
        if readers is not None and not _is_shared(aces, readers):
            break
        timestamp = record[model.modified_field]
        fetched.append(Fetched(record, body_of(record, aces), headers.of_timestamp(timestamp)))
    return fetched


def _aces(resource: UserResource, record_ids: list[str]) -> dict[str, dict[str, set[str]]]:
    """Return the permissions of records, none if they have none."""
    model: Any = resource.model
    permission = getattr(model, "permission", None)
    if permission is None or type(resource.context) is not RouteFactory:
        return {}
    own_id: Any = resource.record_id
    # What the request was judged by may be another object: a PUT that creates needs a permission on
    # the collection.
    collection: str = model.get_permission_object_id(own_id).removesuffix(own_id)
    object_ids = [f"{collection}{record_id}" for record_id in record_ids]
    found = permission.get_objects_permissions(object_ids)
    return dict(zip(record_ids, found, strict=True))


def _is_shared(aces: Mapping[str, Set[str]] | None, readers: Set[str]) -> bool:
    # A user who may write may also read.
    granted = () if aces is None else (aces.get(name, set()) for name in ("read", "write"))
    return any(not readers.isdisjoint(principals) for principals in granted)


def changes_alike(resource: UserResource) -> bool:
    """Return whether changes of other records are written by the library alone."""
    return _CHANGES_ALIKE.is_open(resource) and _lists_alike(resource.model)


def look_ahead(resource: UserResource, record_ids: Sequence[str]) -> None:
    """Let the storage read records together that requests like this one will change next.

    Parameters
    ----------
    resource : that of a request that has changed a record of the collection.
    """
    model = resource.model
    collection = {"collection_id": model.collection_id, "parent_id": str(model.parent_id)}
    aces = _aces(resource, list(record_ids))
    model.storage.look_ahead(object_ids=record_ids, aces=aces, **collection)


def tell(resource: UserResource, fetched: Sequence[Fetched]) -> None:
    """Tell subscribers that these records were read."""
    if fetched:
        resource.request.notify_resource_event(
            timestamp=lambda: resource.timestamp,
            data=[one.record for one in fetched],
            action=ACTIONS.READ,
            parent_id=resource.model.parent_id,
        )
