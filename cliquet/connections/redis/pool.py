"""Connections to Redis that are dropped when they are useless, for example after a failover."""

from __future__ import annotations

from typing import Any

import redis

__all__ = ["Connection", "Pool", "TLSConnection", "takes_no_write"]


def takes_no_write(error: Exception) -> bool:
    """Return whether an error says that the server accepts no writes, because it is a replica."""
    # In an error of a script, older servers put the word in the middle of the message.
    return isinstance(error, redis.ReadOnlyError) or "READONLY" in str(error)


class _Noticing:
    """The part of a connection that notices when its server is not the right one any more.

    Attributes
    ----------
    is_useless : whether the server has become a replica, or is one that has lost its primary.
    generation : generation of the pool when the connection was made; ``None`` before that.
    """

    is_useless = False
    generation: int | None = None

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]  # of the driver
        except redis.ResponseError as error:
            if takes_no_write(error) or isinstance(error, redis.exceptions.MasterDownError):
                self.is_useless = True
            raise


class Connection(_Noticing, redis.Connection):
    """A connection by TCP."""


class TLSConnection(_Noticing, redis.SSLConnection):
    """An encrypted connection by TCP."""


class Pool(redis.BlockingConnectionPool):
    """Makes new connections in the place of a useless one and of all that are as old.

    They lead to the same server: without this, each of them would fail one command before it is
    noticed.
    """

    generation = 0

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        connection: Any = super().get_connection(*args, **kwargs)  # type: ignore[no-untyped-call]
        if connection.generation != self.generation:
            try:
                if connection.generation is not None:
                    connection.disconnect()
                    connection.connect()
                connection.generation = self.generation
            except BaseException:
                connection.generation = None
                self.release(connection)
                raise
        return connection

    def release(self, connection: Any) -> None:
        if connection.is_useless:
            if connection.generation == self.generation:
                self.generation += 1
            connection.is_useless = False
            connection.generation = None
            connection.disconnect()
        super().release(connection)  # type: ignore[no-untyped-call]
