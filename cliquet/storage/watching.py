"""The part of the storage contract for the past of collections, and for watching them (E-13, E-14).

A thread that waits for changes asks for the positions of many collections at once, again and again.
A storage in the process, or in a file, tells when there is no need to ask.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cliquet.storage.history import History
from cliquet.storage.selection import CollectionKey

__all__ = ["ChangeWatch", "Position", "StorageWatching"]


class Position(NamedTuple):
    """Where a collection is in its history; each commit that changes it moves it (E-14.5).

    .. versionadded:: 3.2

    Attributes
    ----------
    timestamp : timestamp of the collection, in ms.
    epoch : as in :class:`~cliquet.storage.history.History`.
    """

    timestamp: int
    epoch: str


class ChangeWatch:
    """Tells one thread when a storage may have changed; this one always thinks that it has.

    .. versionadded:: 3.2
    """

    def wait(self, seconds: float) -> bool:
        """Wait until something may have changed, or for some time.

        Returns
        -------
        Whether positions should be asked for.

        Raises
        ------
        BackendError : the server of the storage failed; another watch has to be made.
        """
        time.sleep(seconds)
        return True

    def close(self) -> None:
        """Give up what the watch holds."""


class StorageWatching:
    """The methods of storages about the past of collections, and about watching them."""

    if TYPE_CHECKING:

        def all_resources_timestamps(self, collection_id: str) -> dict[str, int]: ...

    def collection_history(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> History:
        """Return the horizon and the epoch of a collection, at one moment (E-13.1).

        A storage that does not override this forgets nothing that it knows of.

        .. versionadded:: 3.2
        """
        return History()

    def collection_positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        """Return the positions of some collections, in one round trip if possible (E-14.5).

        It gives no collection its first timestamp, unlike `collection_timestamp()`: those that
        were never touched are not in the result.

        A storage that does not override this asks for the timestamps of all parents.

        .. versionadded:: 3.2
        """
        timestamps = {
            name: self.all_resources_timestamps(name)
            for name in {key.collection_id for key in keys}
        }
        return {
            key: Position(found, self.collection_history(key.collection_id, key.parent_id).epoch)
            for key in keys
            if (found := timestamps[key.collection_id].get(key.parent_id)) is not None
        }

    def watch_changes(self) -> ChangeWatch:
        """Return what tells a thread when to ask for positions again (E-14.5).

        .. versionadded:: 3.2
        """
        return ChangeWatch()
