"""A storage in Redis, for low loads, because the server neither filters nor sorts.

Each call is applied at once, and is not undone if the request fails (X-18). A call, or an operation
of
:meth:`Storage.atomic`, is one script in the server: a process that is killed at any moment leaves
the state before it or the state after it.
"""

from __future__ import annotations

from typing import Any

from cliquet import utils
from cliquet.connections.redis.connecting import Client, pool_status, settings_of
from cliquet.storage.published import PublishedStorage
from cliquet.storage.redis.copying_hashes import RedisTransfer
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.departures import Departures
from cliquet.storage.redis.reading import Reader
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.redis.writing import Writer
from cliquet.storage.timestamps import require_timestamp
from cliquet.types import PoolStatus

__all__ = ["Storage"]


class Storage(PublishedStorage):
    """Storage in Redis.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.redis
        cliquet.storage_url = redis://localhost:6379/1

    The cost of reading, writing or deleting one record, with its unique fields, does not depend on
    the number of records. A list reads its whole collection. The clock is that of the host of the
    application (B-4.6).

    Parameters
    ----------
    client : client of the one server, or primary, that keeps the data; or of a cluster, in which
        each collection is on one server.
    is_readonly : whether the service never writes, so that no first timestamp is made (B-21.7).

    Notes
    -----
    The server must not evict keys (``maxmemory-policy noeviction``). Its own configuration decides
    what is kept on disk (``appendonly``, ``appendfsync``).
    """

    joins_transactions = False

    def __init__(self, client: Client, *, is_readonly: bool = False) -> None:
        def bump(supplied: int | None) -> tuple[int, str]:
            # It is looked up at each call, because tests replace it.
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
            departures=Departures(database, transactions),
        )
        self.is_readonly = is_readonly
        self._client = client
        self._database = database

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server (B-10.4)."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    def flush(self, auth: str | None = None) -> None:
        """Remove all keys of the storage; other keys of the database stay."""
        self._database.flush()

    def _bump_timestamp(self, supplied: int | None) -> tuple[int, str]:
        """Return the time and the wanted timestamp, from which the server makes timestamps.

        It is called for each change, and for the first access to a collection. Tests replace it to
        make the backend fail (B-9.3).
        """
        wanted = require_timestamp(supplied)
        return utils.msec_time(), "" if wanted is None else str(wanted)
