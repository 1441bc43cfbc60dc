"""The contract of a cache: short-lived JSON values under text keys.

All requests share a cache, and all processes too if the backend allows it. A change is visible at
once, and stays even if the transaction of the request fails.
"""

from __future__ import annotations

from typing import Any

from cliquet.types import JSONValue

__all__ = ["CacheBase"]


class CacheBase:
    """Base class of all cache backends.

    Every operation puts the prefix before the key, so that several services can share one server.

    Parameters
    ----------
    cache_prefix : text that is put before every key; it becomes the attribute ``prefix``.

    Raises
    ------
    KeyError : `cache_prefix` is missing.

    Notes
    -----
    If the backend needs a server, every method raises
    :class:`~cliquet.storage.exceptions.BackendError` when the server fails.
    """

    prefix: str

    client: Any
    """The client of the server, of a class that the backend chooses; memory has none."""

    # Other keywords belong to the backends, which pass all of their keywords on.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.prefix = kwargs["cache_prefix"]

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Prepare the place of the entries. It may be called again at any time.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Remove every entry whose key starts with the prefix, and no other."""
        raise NotImplementedError

    def ttl(self, key: str) -> float:
        """Return the delay until `key` expires.

        Returns
        -------
        float
            Seconds, with milliseconds: more than 0 and at most the given delay. Negative if the
            entry has no expiry or does not exist.
        """
        raise NotImplementedError

    def expire(self, key: str, ttl: float) -> None:
        """Change the expiry of an entry; do nothing if it does not exist.

        Parameters
        ----------
        ttl : delay in seconds from now, with milliseconds; below 1 ms the entry vanishes at once.
        """
        raise NotImplementedError

    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        """Store `value`; replace the value and the expiry of an existing entry.

        Parameters
        ----------
        key : text of any length.
        value : any value with a JSON form; a tuple becomes an array. Later changes of the object do
            not change the cache.
        ttl : delay in seconds before the entry vanishes, with milliseconds; below 1 ms it vanishes
            at once; ``None`` means that it does not expire. A backend of limited size may drop it
            earlier.

        Raises
        ------
        TypeError : the value has no JSON form.
        """
        raise NotImplementedError

    def get(self, key: str) -> JSONValue:
        """Return a copy of the value of `key`, or ``None`` if it is unknown or has expired.

        A stored ``None`` looks the same as a missing entry (B-13.2).
        """
        raise NotImplementedError

    def delete(self, key: str) -> JSONValue:
        """Remove `key`; do nothing if it does not exist.

        Returns
        -------
        JSONValue
            The removed value, or ``None``.
        """
        raise NotImplementedError
