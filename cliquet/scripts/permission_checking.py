"""Find and repair the faults that a crash between the storage and the permissions leaves.

Both backends are read once, page by page. Whatever looks wrong is read again, and repaired, while
nobody else can write to its collection. The service may therefore keep running.

This module knows nothing of files, settings and terminals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cliquet.core.globs import exact
from cliquet.permission.base import PermissionBase
from cliquet.permission.grants import ACEPrincipal
from cliquet.security.shared_objects import Place, SharedObjects, SharedRecord
from cliquet.storage.base import StorageBase
from cliquet.storage.exceptions import BackendError, RecordNotFoundError
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.transfer import ExportedCollection

__all__ = ["WRITE", "Findings", "check"]

WRITE: Final = "write"
"""The permission that makes a principal the owner of a record."""

ATTEMPTS: Final = 4
"""How often a repair is tried.

Each attempt waits for the lock of a collection, normally for five seconds. If a service died
between its two commits, its lock in Redis takes ten seconds to expire."""

BATCH: Final = 500
"""Number of objects that are read, and held in memory, at once."""


@dataclass
class Findings:
    """How much was checked, found and repaired.

    Attributes
    ----------
    objects, records : number of objects with entries, and of shared records, that were checked.
    without_record, without_owner : how many of them have this fault.
    removed, given : how many of these faults were repaired.
    foreign_objects : number of objects with entries that no shareable resource is known to serve;
        they are not judged.
    unknown_collections : number of collections of shared records whose URL is not known; the owners
        of their records are not judged.
    """

    objects: int = 0
    records: int = 0
    without_record: int = 0
    without_owner: int = 0
    removed: int = 0
    given: int = 0
    foreign_objects: int = 0
    unknown_collections: int = 0

    @property
    def remaining(self) -> int:
        """Number of faults that are not repaired."""
        return self.without_record + self.without_owner - self.removed - self.given


def check(
    registry: Any,
    *,
    repairs: bool = False,
    owner: str | None = None,
    tell: Callable[[str, str], None] = lambda object_id, fault: None,
    progress: Callable[[Findings], None] = lambda findings: None,
) -> Findings:
    """Compare the permissions of an application with its records.

    Parameters
    ----------
    registry : registry of the application, with a storage and a permission backend that can export.
    repairs : whether to remove the entries of records that do not exist; otherwise they are only
        found.
    owner : principal that gets ``write`` on records on which nobody has it, if `repairs`;
        ``None`` to leave these records as they are.
    tell : called for each fault, with the id of the object and a sentence about the fault.
    progress : called from time to time with the same object that is returned in the end.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : a server failed.
    """
    checker = _Checker(registry, repairs=repairs, owner=owner if repairs else None)
    checker.tell, checker.progress = tell, progress
    checker.check_objects()
    # This comes second: if a record was created at the wrong moment, the first part may have taken
    # its owner away, and this part finds that.
    checker.check_records()
    progress(checker.findings)
    return checker.findings


class _Checker:
    tell: Callable[[str, str], None]
    progress: Callable[[Findings], None]

    def __init__(self, registry: Any, *, repairs: bool, owner: str | None) -> None:
        self._storage: StorageBase = registry.storage
        self._permission: PermissionBase = registry.permission
        self._shared = SharedObjects(registry)
        self._repairs = repairs
        self._owner = owner
        self.findings = Findings()

    # Entries without record

    def check_objects(self) -> None:
        for _, found in itertools.groupby(self._objects(), lambda pair: pair[1].key):
            while batch := list(itertools.islice(found, BATCH)):
                self._check_objects_of(batch)
                self.progress(self.findings)

    def _objects(self) -> Iterator[tuple[str, SharedRecord]]:
        """Yield the objects with entries that are records, collection by collection."""
        grants = (grant for grant in self._permission.export() if isinstance(grant, ACEPrincipal))
        for object_id, _ in itertools.groupby(grants, lambda grant: grant.object_id):
            place = self._shared.record_of(object_id)
            if isinstance(place, SharedRecord):
                self.findings.objects += 1
                yield object_id, place
            elif place is Place.FOREIGN:
                self.findings.foreign_objects += 1

    def _check_objects_of(self, batch: list[tuple[str, SharedRecord]]) -> None:
        first = batch[0][1]
        records = self._storage.list_all(
            **{**first.names, "parent_id": exact(first.parent_id)},
            filters=[Filter(first.id_field, [one.record_id for _, one in batch], COMPARISON.IN)],
        )
        there = {record[first.id_field] for record in records}
        for object_id, record in batch:
            if record.record_id not in there:
                self._settle_object(object_id, record)

    def _settle_object(self, object_id: str, record: SharedRecord) -> None:
        """Report the entries of a record that does not exist, and remove them if asked to."""

        def settle() -> list[str]:
            # The record is looked up before and after its entries, because one that appears or
            # disappears meanwhile does so together with its entries.
            if self._exists(record):
                return []
            names = sorted(self._permission.object_permissions(object_id))
            if not names or self._exists(record):
                return []
            if self._repairs:
                self._permission.delete_object_permissions(exact(object_id))
            return names

        names = self._settled(record, settle)
        if names:
            self.findings.without_record += 1
            self.findings.removed += self._repairs
            done = ", removed" if self._repairs else ""
            self.tell(object_id, f"entries without record: {', '.join(names)}{done}")

    # Records without owner

    def check_records(self) -> None:
        for collection in self._storage.export():
            self._check_collection(collection)

    def _check_collection(self, collection: ExportedCollection) -> None:
        ids = (entry.id for entry in collection.entries if entry.data is not None)
        make: Callable[[str], str] | None = None
        while batch := list(itertools.islice(ids, BATCH)):
            if make is None:
                make = self._shared.path_maker(collection.key, batch[0])
            if make is None:
                # The remaining entries of the collection are not read.
                self.findings.unknown_collections += self._shared.stores(collection.collection_id)
                return
            self._check_records_of([(make(one), one) for one in batch])
            self.progress(self.findings)

    def _check_records_of(self, batch: list[tuple[str, str]]) -> None:
        object_ids = [object_id for object_id, _ in batch]
        self.findings.records += len(batch)
        entries = self._permission.get_objects_permissions(object_ids, [WRITE])
        for object_id, held in zip(object_ids, entries, strict=True):
            if not held.get(WRITE):
                self._settle_record(object_id)

    def _settle_record(self, object_id: str) -> None:
        """Report a record on which nobody has ``write``, and give it to somebody if asked to."""
        record = self._shared.record_of(object_id)
        if not isinstance(record, SharedRecord):
            return
        found = record

        def settle() -> list[str]:
            if not self._exists(found):
                return []
            if self._permission.object_permission_principals(object_id, WRITE):
                return []
            if not self._exists(found):
                return []
            if self._owner is not None:
                self._permission.add_principal_to_ace(object_id, WRITE, self._owner)
            return [object_id]

        if self._settled(found, settle):
            self.findings.without_owner += 1
            self.findings.given += self._owner is not None
            done = f", given to {self._owner}" if self._owner is not None else ""
            self.tell(object_id, f"record without owner{done}")

    # Both

    def _exists(self, record: SharedRecord) -> bool:
        try:
            self._storage.get(**record.names, object_id=record.record_id)
        except RecordNotFoundError:
            return False
        return True

    def _settled(self, record: SharedRecord, settle: Callable[[], list[str]]) -> list[str]:
        """Run a step, under the lock of the collection if the step may change something.

        Raises
        ------
        BackendError : a server failed, or somebody else held the lock for too long.
        """
        if not self._repairs:
            return settle()
        attempts = ATTEMPTS
        while True:
            attempts -= 1
            try:
                return self._storage.atomic(
                    settle, collection_id=record.collection_id, parent_id=record.parent_id
                )
            except BackendError as error:
                if not error.retryable or not attempts:
                    raise
