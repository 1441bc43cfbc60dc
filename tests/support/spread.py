"""A shared resource that is spread over several counters on PostgreSQL, and what writes to it."""

from __future__ import annotations

import secrets
from typing import Any, Final

from webtest import TestApp

from cliquet.resource import ResourceSchema, ShareableResource
from cliquet.storage import generators
from cliquet.storage.selection import CollectionKey
from cliquet.storage.spreading import Spread
from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth, make_app

__all__ = [
    "ALICE",
    "HOME",
    "SHARDS",
    "URL",
    "Russula",
    "Words",
    "Writer",
    "elsewhere",
    "in_thread",
    "make",
]

SHARDS: Final = 4
URL: Final = "/v0/russulas"
HOME: Final[dict[str, Any]] = {"collection_id": "russula", "parent_id": ""}
ALICE: Final = basic_auth("alice")


class Words(generators.Generator):
    """Accepts ids that a test can read."""

    regexp = "^[a-z0-9-]+$"

    def __call__(self) -> str:
        return secrets.token_hex(8)


class AnySchema(ResourceSchema):
    class Options:
        preserve_unknown = True


class Russula(ShareableResource):
    mapping = AnySchema()
    shards = SHARDS

    def is_known_field(self, field: str) -> bool:
        return True


def make(url: str, cls: type = Russula, **settings: Any) -> TestApp:
    backends = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (("backend", f"cliquet.{kind}.postgresql"), ("url", url))
    }
    principals = {
        "russula_create_principals": "system.Authenticated",
        "russula_read_principals": "system.Authenticated",
        "russula_write_principals": "system.Authenticated",
    }
    app = make_app([cls], settings={**backends, **principals, **settings})
    app.app.registry.id_generator = Words()
    return app


class Writer:
    """Writes a record in a transaction that stays open until it is told to end."""

    def __init__(self, storage: Any, name: str) -> None:
        self._storage, self._name = storage, name
        self._block = storage.client.begin()

    def __enter__(self) -> dict[str, Any]:
        self._block.__enter__()
        record: dict[str, Any] = self._storage.update(**HOME, object_id=self._name, record={"n": 0})
        # The writes that wait are sent.
        self._storage.client.current().execute("SELECT 1")
        return record

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)


def elsewhere(name: str) -> str:
    """Return a name whose record belongs to another shard."""
    spread = Spread(CollectionKey(**HOME), SHARDS)
    return next(
        other
        for other in (f"other-{n}" for n in range(100))
        if spread.shard_of(other) != spread.shard_of(name)
    )


def in_thread(function: Any) -> Any:
    """Call a function as another client, and return its result."""
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
