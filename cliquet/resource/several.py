"""Changes of several records of a model at once, which one request after the other would make.

They are made within ``Model.atomic``, where the records and their permissions were read. The module
knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cliquet.permission.known_permissions import adds_at_once, lists_at_once, takes_at_once
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.tracking import are_apart
from cliquet.resource.user_model import Model
from cliquet.security.principals import keeps_write
from cliquet.storage.atomicity import changes_at_once
from cliquet.storage.selecting import finds_at_once
from cliquet.types import Record
from cliquet.utils import is_storable_key

__all__ = ["ACEs", "SeveralRecords", "are_open", "have_certain_aces"]

ACEs = dict[str, set[str]]


def are_open(model: Model) -> bool:
    """Return whether several records of a model may be changed at once.

    They may not if a storage writes by itself, or if the application has replaced a method.
    """
    storage: Any = model.storage
    permission: Any = getattr(model, "permission", None)
    return (
        type(model) in (Model, ShareableModel)
        and getattr(storage, "joins_transactions", None) is True
        and changes_at_once(storage)
        and finds_at_once(storage)
        and (
            permission is None
            or (
                lists_at_once(permission) and adds_at_once(permission) and takes_at_once(permission)
            )
        )
    )


def have_certain_aces(model: Model) -> bool:
    """Return whether nobody changes the permissions of records between their reading and a write.

    Otherwise they are not in the transaction of the records.
    """
    permission = getattr(model, "permission", None)
    return permission is None or not are_apart(model.storage, permission)


class SeveralRecords:
    """Some records of a model, with their permissions if the model has some.

    Parameters
    ----------
    own_id : the id of the record whose URI the model knows.
    record_ids : different ids.

    Attributes
    ----------
    records : those that exist, by id.
    aces : function that returns the permissions of a record; ``None`` if the model has none.
    """

    def __init__(self, model: Model, own_id: str, record_ids: Sequence[str]) -> None:
        self._model = model
        place = model._collection(None)
        found = model.storage.find_many(object_ids=record_ids, **place, **model._fields)
        self.records: dict[str, Record] = {record[model.id_field]: record for record in found}
        self._shared = None
        self._aces: dict[str, ACEs] = {}
        self.aces: Callable[[str], ACEs | None] = self._aces.get
        self._tells_twice = False
        if isinstance(model, ShareableModel) and (backend := model._backend()) is not None:
            permission, get_object_id = backend
            # The URI of another record would need another request.
            self._collection_uri = get_object_id(own_id).removesuffix(own_id)
            aces = permission.get_objects_permissions(
                [f"{self._collection_uri}{record_id}" for record_id in record_ids]
            )
            self._aces.update(zip(record_ids, aces, strict=True))
            self._shared = (model, permission)
            tracker = model.tracker
            self._tells_twice = tracker is not None and tracker.tells_twice(
                model.storage, permission
            )

    def uri(self, record_id: str) -> str:
        """Return the URI of a record of a model with permissions."""
        return f"{self._collection_uri}{record_id}"

    def may_be_written(self, record_id: str) -> bool:
        """Return whether a record can be written together with others."""
        if self._shared is None:
            return True
        if record_id not in self.records and (
            self._aces[record_id] or not is_storable_key(self.uri(record_id))
        ):
            # They are those of a former record, or there can be none.
            return False
        return not self._tells_twice or not self._gains_writer(record_id)

    def _gains_writer(self, record_id: str) -> bool:
        """Return whether who writes a record, and none of its permissions, gets ``write``."""
        assert self._shared is not None  # noqa: S101 - the callers have looked
        model, aces = self._shared[0], self._aces[record_id]
        writer = model.current_principal
        if writer is None or writer in aces.get("write", ()):
            return False
        if record_id not in self.records or model.explicit_permissions:
            return True
        return keeps_write(writer, aces, {})

    def write(self, records: Sequence[Record]) -> list[Record]:
        """Store records, which have no timestamps and no permissions; return what is stored."""
        model = self._model
        stored = model.storage.update_many(
            records=records, **model._collection(None), **model._fields
        )
        if self._shared is not None:
            shared, permission = self._shared
            ids = [record[model.id_field] for record in records]
            gaining = [record_id for record_id in ids if self._gains_writer(record_id)]
            if gaining:
                writer: Any = shared.current_principal
                uris = [self.uri(record_id) for record_id in gaining]
                self._forget(shared, uris)
                permission.add_principal_to_aces(uris, "write", writer)
                for record_id in gaining:
                    self._aces[record_id].setdefault("write", set()).add(writer)
        return stored

    def delete(self, record_ids: Sequence[str]) -> list[Record]:
        """Delete records that exist, and their permissions; return the tombstones."""
        model = self._model
        deleted = model.storage.delete_many(
            object_ids=record_ids, **model._collection(None), **model._all_fields
        )
        if self._shared is not None:
            shared, permission = self._shared
            uris = [self.uri(record_id) for record_id in record_ids]
            self._forget(shared, uris)
            held = [self._aces[record_id] for record_id in record_ids]
            before: Sequence[Mapping[str, set[str]]] = permission.take_object_permissions(
                uris, held=held if have_certain_aces(model) else None
            )
            if model.tracker is not None and any(before):
                model._depart(model.tracker.gone(record_ids, uris, before), None)
        return deleted

    @staticmethod
    def _forget(model: ShareableModel, uris: Sequence[str]) -> None:
        for uri in uris:
            model.known_permissions.forget(uri)
