"""A client that keeps a copy of a collection, works offline, and converges (E-11.6).

It needs the extra ``client``: ``pip install "cliquet[client]"``.

.. versionadded:: 3.2
"""

try:
    import httpx as _httpx  # noqa: F401 - asked for first, to say how it is installed
except ImportError as error:  # pragma: no cover - .ci/no_extras.py has an installation without it
    raise ImportError(f"{error}: the client needs it (pip install 'cliquet[client]')") from error

from cliquet.client.collection import Collection, SyncResult
from cliquet.client.outbox import Edit
from cliquet.client.pushing import Choice, Conflict, OnConflict, keep_local, merge_fields
from cliquet.client.replica import Record, Replica
from cliquet.client.service import ClientError
from cliquet.client.told import Change

__all__ = [
    "Change",
    "Choice",
    "ClientError",
    "Collection",
    "Conflict",
    "Edit",
    "OnConflict",
    "Record",
    "Replica",
    "SyncResult",
    "keep_local",
    "merge_fields",
]
