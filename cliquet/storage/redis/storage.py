"""A storage in Redis, for low loads: the server neither filters nor sorts (B-10.1).

Each call is applied at once, and is not undone when the request fails (X-18). A call, or an
operation given to :meth:`Storage.atomic`, is one script of the server: killed at any point, a
process leaves what was before it or what is after it (B-22.10).
"""

from __future__ import annotations

from typing import Any

import redis

from cliquet import utils
from cliquet.connections.redis.client import pool_status, settings_of
from cliquet.storage.published import PublishedStorage
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.reading import Reader
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.redis.transfer import RedisTransfer
from cliquet.storage.redis.writing import Writer
from cliquet.storage.timestamps import require_timestamp
from cliquet.types import PoolStatus

__all__ = ["Storage"]


class Storage(PublishedStorage):
    """Storage in Redis.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.redis
        cliquet.storage_url = redis://localhost:6379/1

    Reading, writing or deleting one record costs the same however many there are, unicity included;
    a listing reads its collection. The clock is that of the application's host (B-4.6).

    Parameters
    ----------
    client : of the one server, or primary, that keeps the data.
    is_readonly : whether the service never writes: no first timestamp is made (B-21.7).

    Notes
    -----
    The server must not evict keys (``maxmemory-policy noeviction``), and keeps on its disk what its
    own configuration says (``appendonly``, ``appendfsync``).
    """

    joins_transactions = False

    def __init__(self, client: redis.Redis, *, is_readonly: bool = False) -> None:
        def bump(supplied: int | None) -> tuple[int, str]:
            # Looked up at each call, since tests replace it.
            return self._bump_timestamp(supplied)

        database = Database(client)
        transactions = Transactions(database)
        reader = Reader(database, transactions, bump, is_readonly=is_readonly)
        writer = Writer(database, transactions, reader, bump)
        super().__init__(
            reader=reader,
            writer=writer,
            bulk=writer,
            transactions=transactions,
            transfer=RedisTransfer(database),
        )
        self.is_readonly = is_readonly
        self._client = client
        self._database = database

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server (B-10.4)."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return how full the pool of connections is; ``None`` where it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing: there is no schema."""

    def flush(self, auth: str | None = None) -> None:
        """Remove what the storage keeps; other keys of the database stay (B-22.28)."""
        self._database.flush()

    def _bump_timestamp(self, supplied: int | None) -> tuple[int, str]:
        """Return the clock and the timestamp wanted, from which the server makes timestamps.

        Called for each change, and for the first access of a collection; tests replace it to make
        the backend fail (B-9.3).
        """
        wanted = require_timestamp(supplied)
        return utils.msec_time(), "" if wanted is None else str(wanted)
