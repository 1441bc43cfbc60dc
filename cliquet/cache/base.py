"""The contract of a cache: short-lived JSON values under text keys.

A cache is shared by the requests, and by the processes when its backend is. What it does is
visible at once and stays, whatever becomes of the request's transaction (B-21.32, B-22.33).
"""

from __future__ import annotations

from typing import Any

from cliquet.types import JSONValue

__all__ = ["CacheBase"]


class CacheBase:
    """What every cache backend offers (B-13).

    The prefix is put before every key in every operation, so that several services can share one
    server (B-13.7).

    Parameters
    ----------
    cache_prefix : text put before every key; kept as attribute ``prefix``.

    Raises
    ------
    KeyError : `cache_prefix` is missing (B-13.1).

    Notes
    -----
    Every method of a backend that relies on a service raises
    :class:`~cliquet.storage.exceptions.BackendError` when that service fails (B-2.5).
    """

    prefix: str

    # Other keywords belong to the backends, which hand all of theirs over.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.prefix = kwargs["cache_prefix"]

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Prepare the place where the entries are kept. May be called again at any time.

        Parameters
        ----------
        dry_run : only log what would be done.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Remove every entry whose key starts with the prefix, and no other (B-22.28)."""
        raise NotImplementedError

    def ttl(self, key: str) -> float:
        """Return the delay until `key` expires.

        Returns
        -------
        float
            Seconds, to the millisecond: more than 0 and at most the delay that was given.
            Negative when the entry has no expiry or does not exist (B-13.5, B-14.1).
        """
        raise NotImplementedError

    def expire(self, key: str, ttl: float) -> None:
        """Change the expiry of an existing entry; do nothing if it does not exist (B-13.4).

        Parameters
        ----------
        ttl : delay in seconds from now, fractions kept to the millisecond; under 1 ms the entry
            vanishes at once.
        """
        raise NotImplementedError

    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        """Store `value`; replace the value and the expiry of an entry that exists (B-13.8).

        Parameters
        ----------
        key : text of any length (B-14.1).
        value : anything that JSON carries; a tuple becomes an array. Later changes to the object
            do not reach the cache (B-22.8).
        ttl : delay in seconds before the entry vanishes, fractions kept to the millisecond; under
            1 ms it vanishes at once; ``None`` means that it does not expire. A backend of limited
            size may drop it earlier.

        Raises
        ------
        TypeError : JSON cannot carry the value (B-14.1).
        """
        raise NotImplementedError

    def get(self, key: str) -> JSONValue:
        """Return a copy of the value of `key`, or ``None`` if it is unknown or has expired.

        A stored ``None`` cannot be told from a missing entry (B-13.2).
        """
        raise NotImplementedError

    def delete(self, key: str) -> JSONValue:
        """Remove `key`, silently if it does not exist.

        Returns
        -------
        JSONValue
            The value removed, or ``None`` (B-21.31).
        """
        raise NotImplementedError
