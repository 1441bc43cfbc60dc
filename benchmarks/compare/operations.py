"""The operations that are compared, as requests to any of the peers. Knows no peer.

This module runs in the environments of all peers: it needs nothing but the standard library.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["HTTP_OPERATIONS", "OPERATIONS", "PAGE", "Operation", "Peer", "Sent", "record"]

RECORD_ID = "8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"
CREDENTIALS = "Basic " + base64.b64encode(b"alice:s3cret").decode()
SEEDED = 200
"""Records that a collection holds before anything is measured."""


@dataclass(frozen=True)
class Peer:
    """How a peer is spoken to.

    Attributes
    ----------
    root : path of what says hello.
    collection : path of the collection.
    sorted_page : query string of a filtered and sorted page of 20 records.
    page_of_100 : query string of a page of 100 records.
    is_wrapped : whether bodies have the record below ``data``.
    batch : path of batches, if there are any.
    has_conditional_lists : whether a list answers 304.
    replace, merge : methods of the two kinds of updates.
    creates_by_put : whether PUT on an unknown id creates the record.
    """

    root: str
    collection: str
    page_of_100: str
    sorted_page: str
    is_wrapped: bool = True
    batch: str | None = None
    has_conditional_lists: bool = True

    def body(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the body that carries a record."""
        return {"data": data} if self.is_wrapped else data


@dataclass(frozen=True)
class Sent:
    """One request.

    Attributes
    ----------
    status : what it must be answered with.
    """

    method: str
    path: str
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def record(number: int) -> dict[str, Any]:
    """Return a record of about 370 bytes, of which a tenth have the size 3."""
    return {
        "name": f"Boletus edulis {number:06}",
        "size": number % 10,
        "edible": number % 2 == 0,
        "notes": "Found under spruce, in moss, after three days of rain. " * 4,
        "tags": ["autumn", "forest", "porcini"],
        "place": {"country": "FR", "region": "Ardèche"},
    }


def _sent(method: str, path: str, status: int, body: Any = None, **headers: str) -> Sent:
    raw = b"" if body is None else json.dumps(body).encode()
    all_headers = {"Authorization": CREDENTIALS, **headers}
    if raw:
        all_headers["Content-Type"] = "application/json"
    return Sent(method, path, status, raw, all_headers)


Requests = Callable[[Peer, str, str], Iterator[Sent]]


@dataclass(frozen=True)
class Operation:
    """One row of the comparison.

    Attributes
    ----------
    requests : gives the requests one after the other, without end, for a peer, the id of a record
        that exists, and the ETag of the list.
    is_offered : whether a peer can do it at all.
    calls : how many of them make one measurement.
    has_own_records : whether clients that do this at the same time have a record each.
    """

    name: str
    requests: Requests
    calls: int = 100
    is_offered: Callable[[Peer], bool] = lambda peer: True
    has_own_records: bool = False


def _always(sent: Sent) -> Iterator[Sent]:
    while True:
        yield sent


def _hello(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_sent("GET", peer.root, 200))


def _get(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_sent("GET", f"{peer.collection}/{record_id}", 200))


def _list(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_sent("GET", f"{peer.collection}?{peer.page_of_100}", 200))


def _unchanged(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_sent("GET", peer.collection, 304, **{"If-None-Match": etag}))


def _filtered(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_sent("GET", f"{peer.collection}?{peer.sorted_page}", 200))


def _post(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    # Size 5, which no measured list filters by.
    return _always(_sent("POST", peer.collection, 201, peer.body(record(5))))


def _put(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    number = 0
    while True:
        number += 10
        body = peer.body(record(number))
        yield _sent("PUT", f"{peer.collection}/{record_id}", 200, body)


def _patch(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    number = 0
    while True:
        number += 1
        body = peer.body({"name": f"Boletus aereus {number}"})
        yield _sent("PATCH", f"{peer.collection}/{record_id}", 200, body)


def _batch(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    path = peer.collection.removeprefix("/v1")
    part = {"method": "POST", "path": path, "body": peer.body(record(5))}
    return _always(_sent("POST", peer.batch or "", 200, {"requests": [part] * 25}))


_IDS = [f"8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd1a{number:02}" for number in range(25)]
_OTHER_IDS = [one.replace("54bd1a", "54bd2a") for one in _IDS]


def _batch_on(peer: Peer, method: str, ids: list[str], data: Any = None) -> Sent:
    """Return a batch of one method on records.

    Parameters
    ----------
    data : gives the record, or its changes, for a number; nothing for no body.
    """
    path = peer.collection.removeprefix("/v1")
    parts = [
        {"method": method, "path": f"{path}/{one}"}
        | ({} if data is None else {"body": peer.body(data(number))})
        for number, one in enumerate(ids)
    ]
    return _sent("POST", peer.batch or "", 200, {"requests": parts})


def _batch_of_put(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    # The first one creates the records, which the next operations use too.
    return _always(_batch_on(peer, "PUT", _IDS, record))


def _batch_of_get(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_batch_on(peer, "GET", _IDS))


def _batch_of_patch(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    return _always(_batch_on(peer, "PATCH", _IDS, lambda number: {"name": f"Boletus {number}"}))


def _batches_of_delete(peer: Peer, record_id: str, etag: str) -> Iterator[Sent]:
    """Create records by PUT, and delete them."""
    while True:
        yield _batch_on(peer, "PUT", _OTHER_IDS, record)
        yield _batch_on(peer, "DELETE", _OTHER_IDS)


def _has_batches(peer: Peer) -> bool:
    return peer.batch is not None


PAGE = Operation("list of 100", _list, calls=40)
OPERATIONS = (
    Operation("hello", _hello),
    Operation("GET one", _get),
    PAGE,
    Operation("list, 304", _unchanged, is_offered=lambda peer: peer.has_conditional_lists),
    Operation("filtered, sorted list of 20", _filtered, calls=60),
    Operation("POST", _post),
    Operation("PUT", _put),
    Operation("PATCH", _patch),
    Operation("batch of 25 POST", _batch, calls=4, is_offered=_has_batches),
    Operation("batch of 25 PUT", _batch_of_put, calls=4, is_offered=_has_batches),
    Operation("batch of 25 GET", _batch_of_get, calls=4, is_offered=_has_batches),
    Operation("batch of 25 PATCH", _batch_of_patch, calls=4, is_offered=_has_batches),
    Operation("25 new PUT, 25 DELETE", _batches_of_delete, calls=4, is_offered=_has_batches),
)

# Only clients that write at the same time wait for each other. The last operation is left out: they
# would delete the records of each other.
HTTP_OPERATIONS = (
    *OPERATIONS[:8],
    Operation("PUT, own records", _put, has_own_records=True),
    Operation("PATCH, own records", _patch, has_own_records=True),
    *OPERATIONS[8:-1],
)
