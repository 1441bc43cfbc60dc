"""Collections in a folder of JSON files, and the operations that change them.

It knows nothing of filters, of names of fields, or of what a storage promises.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cliquet.storage.exceptions import BackendError, RecordNotFoundError
from cliquet.storage.history import new_epoch
from cliquet.storage.listing.evaluation import Entry
from cliquet.transactions.own import OwnTransaction

T = TypeVar("T")


class Key(NamedTuple):
    """The name of a collection."""

    collection_id: str
    parent_id: str


@dataclass
class Collection:
    """A collection.

    Attributes
    ----------
    timestamp : of the last change, in ms; ``None`` before the first one.
    purged, epoch : what it remembers of its past (:class:`cliquet.storage.history.History`).
    entries : records, and tombstones, whose data are ``None``.
    """

    timestamp: int | None = None
    purged: int = 0
    epoch: str = field(default_factory=new_epoch)
    entries: dict[str, Entry] = field(default_factory=dict)

    def live(self, object_id: str) -> Entry:
        """Return a record.

        Raises
        ------
        RecordNotFoundError : there is none, or it was deleted.
        """
        entry = self.entries.get(object_id)
        if entry is None or entry.data is None:
            raise RecordNotFoundError(object_id)
        return entry

    def copy(self) -> Collection:
        """Return a copy; entries are never changed in place."""
        return replace(self, entries=dict(self.entries))


class Folder:
    """The collections of a folder: all of them in memory, and each in a file.

    One lock serves all threads. What an operation has changed is written to the files at its end,
    or taken back if it fails.

    Attributes
    ----------
    lock : is held by whoever reads or changes something.
    collections : what is in the files.
    first_reads : collections that were read before anything was written to them; in no file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.lock = threading.RLock()
        self.collections: dict[Key, Collection] = {}
        self.first_reads: dict[Key, Collection] = {}
        self._path = Path(path)
        # What the operations of this moment have changed, as it was before; the inner one last.
        self._before: list[dict[Key, Collection | None]] = []

    def create(self) -> None:
        """Make the folder, if it is not there."""
        with _translated():
            self._path.mkdir(parents=True, exist_ok=True)

    def load(self) -> None:
        """Read all files."""
        with self.lock, _translated():
            for path in self._path.glob("*.json"):
                kept = json.loads(path.read_text("utf-8"))
                entries = {one["id"]: Entry(**one) for one in kept["entries"]}
                key = Key(kept["collection_id"], kept["parent_id"])
                self.collections[key] = Collection(
                    kept["timestamp"], kept["purged"], kept["epoch"], entries
                )

    def found(self, key: Key) -> Collection | None:
        """Return a collection that was read or written before."""
        return self.collections.get(key) or self.first_reads.get(key)

    def flush(self) -> None:
        """Forget everything."""

        def forget_all() -> None:
            for key in list(self.collections):
                self._before[-1].setdefault(key, self.collections.pop(key))

        with self.lock:
            self.run(forget_all)
            self.first_reads.clear()

    def run(self, operation: Callable[[], T]) -> T:
        """Run an operation, and write what it has changed; undo all of it if it fails."""
        with self.lock:
            if self._before:
                with self._undoing():
                    return operation()
            # Other backends, such as the permissions, take part in what follows.
            own = OwnTransaction()
            with self._undoing() as before:
                with own.entered():
                    result = operation()
                own.commit(lambda: self._write_files(before))
            return result

    @contextmanager
    def _undoing(self) -> Iterator[dict[Key, Collection | None]]:
        before: dict[Key, Collection | None] = {}
        self._before.append(before)
        try:
            yield before
        except BaseException:
            for key, collection in before.items():
                if collection is None:
                    self.collections.pop(key, None)
                else:
                    self.collections[key] = collection
            raise
        else:
            # What the inner operation has changed is undone if the outer one fails.
            for outer in self._before[-2:-1]:
                for key, collection in before.items():
                    outer.setdefault(key, collection)
        finally:
            self._before.pop()

    def changed(self, key: Key) -> Collection:
        """Return a collection that is about to be changed."""
        before = self._before[-1]
        if key not in before:
            before[key] = self.collections.get(key)
            self.collections[key] = (self.found(key) or Collection()).copy()
        return self.collections[key]

    # Files

    def _write_files(self, changed: dict[Key, Any]) -> None:
        with _translated():
            written = []
            for key in changed:
                collection = self.collections.get(key)
                path = self._file(key)
                if collection is None:
                    path.unlink(missing_ok=True)
                    continue
                kept = {
                    **key._asdict(),
                    "timestamp": collection.timestamp,
                    "purged": collection.purged,
                    "epoch": collection.epoch,
                    "entries": [entry._asdict() for _, entry in sorted(collection.entries.items())],
                }
                new = path.with_suffix(".new")
                with new.open("w", encoding="utf-8") as file:
                    json.dump(kept, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                written.append((new, path))
            # A file is complete or not there at all, whenever the power fails.
            for new, path in written:
                new.replace(path)

    def _file(self, key: Key) -> Path:
        # The names may have any characters, and any length.
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        readable = re.sub("[^a-z0-9]+", "-", key.collection_id.lower())[:40].strip("-")
        return self._path / f"{readable or 'collection'}-{digest}.json"


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the errors of the file system into those of a backend: the answer is then 503."""
    try:
        yield
    except OSError as error:
        raise BackendError(original=error) from error
