"""Connections to Redis that are dropped when they have become useless, as after a failover."""

from __future__ import annotations

from typing import Any

import redis

__all__ = ["Connection", "Pool", "TLSConnection", "takes_no_write"]


def takes_no_write(error: Exception) -> bool:
    """Return whether an error says that the server is a replica, or cannot be written to."""
    # Older servers put the word in the middle of what they say of a script.
    return isinstance(error, redis.ReadOnlyError) or "READONLY" in str(error)


class _Noticing:
    """Part of a connection: notices that its server is not the one that is wanted any more.

    Attributes
    ----------
    is_useless : the server is a replica now, or one that has lost its primary.
    generation : of the pool, when the connection was made; ``None`` for one that is yet to be made.
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
    """The same, encrypted."""


class Pool(redis.BlockingConnectionPool):
    """Makes a new connection in the place of a useless one, and of all that are as old.

    They lead to the same server: each would fail one command before it is noticed.
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
