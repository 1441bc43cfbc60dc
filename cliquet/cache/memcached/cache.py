"""A cache in Memcached, which processes and hosts share, and whose size the servers bound.

It needs the extra ``cliquet[memcached]``. Memcached lacks some features, which are added here:

Fractions of seconds
    The server counts whole seconds. The exact expiry, by the clock of the host of the application,
    is stored with the value.
Any key
    A key that is long, or not plain ASCII, is replaced by its SHA-256.
Flushing one prefix
    The server does not list its keys. Every entry contains the *generation* of its prefix, a random
    text that is stored in the server. A flush replaces it, and entries with another generation are
    ignored. If the server drops the generation because its memory is full, the entries of the
    prefix are lost too.

Entries of one prefix are invisible under all other prefixes, the empty prefix included.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cliquet import settings, utils
from cliquet.cache.base import CacheBase
from cliquet.cache.values import decode, encode, milliseconds
from cliquet.connections.memcached import Servers, create_from_config, translated_errors
from cliquet.storage.exceptions import BackendError
from cliquet.types import JSONValue

__all__ = ["Cache", "load_from_config"]

NO_EXPIRY_SECONDS: Final = -1.0

# These are limits of the protocol. A delay beyond the second one is taken for a date.
MAX_KEY_BYTES: Final = 250
MAX_DELAY_SECONDS: Final = 30 * 24 * 3600

# Other processes may write between the read of an entry and its replacement.
ATTEMPTS: Final = 20

_IN_THE_PAST: Final = -1


class _Entry(NamedTuple):
    """An entry in the form that the server keeps.

    Attributes
    ----------
    generation : generation of the prefix when the entry was set.
    expires_ms : expiry in ms since the Epoch, or ``None``.
    text : the value in JSON.
    """

    generation: bytes
    expires_ms: int | None
    text: bytes

    @classmethod
    def read(cls, stored: bytes) -> _Entry:
        generation, expires_ms, text = stored.split(b" ", 2)
        return cls(generation, None if expires_ms == b"-" else int(expires_ms), text)

    def written(self) -> bytes:
        expires_ms = "-" if self.expires_ms is None else str(self.expires_ms)
        return b"%s %s %s" % (self.generation, expires_ms.encode(), self.text)


class Cache(CacheBase):
    """Cache in Memcached.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.memcached
        cliquet.cache_hosts = 10.0.0.1:11211 10.0.0.2:11211

    Parameters
    ----------
    client : client that distributes the keys over the servers.
    cache_prefix : text put before every key.

    Notes
    -----
    A value beyond the limit of the server, which is 1 MB by default, is refused with
    :class:`~cliquet.storage.exceptions.BackendError`.
    """

    def __init__(self, client: Servers, cache_prefix: str = "") -> None:
        super().__init__(cache_prefix=cache_prefix)
        self._client: Any = client  # no types in the driver
        self._generation_key = _server_key("generation", cache_prefix)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    @translated_errors
    def flush(self) -> None:
        self._client.set(self._generation_key, _new_generation())

    @translated_errors
    def ttl(self, key: str) -> float:
        entry = self._live(key)
        if entry is None or entry.expires_ms is None:
            return NO_EXPIRY_SECONDS
        return (entry.expires_ms - utils.msec_time()) / 1000

    @translated_errors
    def expire(self, key: str, ttl: float) -> None:
        delay_ms = milliseconds(ttl)

        def postpone(entry: _Entry) -> _Entry | None:
            if delay_ms == 0:
                return None
            return entry._replace(expires_ms=utils.msec_time() + delay_ms)

        self._change(key, postpone)

    @translated_errors
    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        text = encode(value).encode()
        delay_ms = None if ttl is None else milliseconds(ttl)
        server_key = self._key(key)
        if delay_ms == 0:
            self._client.delete(server_key)
            return
        expires_ms = None if delay_ms is None else utils.msec_time() + delay_ms
        entry = _Entry(self._generation(), expires_ms, text)
        self._client.set(server_key, entry.written(), expire=_server_delay(expires_ms))

    @translated_errors
    def get(self, key: str) -> JSONValue:
        entry = self._live(key)
        return None if entry is None else decode(entry.text.decode())

    @translated_errors
    def delete(self, key: str) -> JSONValue:
        entry = self._change(key, lambda _: None)
        return None if entry is None else decode(entry.text.decode())

    def _key(self, key: str) -> str:
        return _server_key("entry", f"{len(self.prefix)}:{self.prefix}{key}")

    def _live(self, key: str) -> _Entry | None:
        """Return an entry that is neither expired nor flushed."""
        server_key = self._key(key)
        found = self._client.get_many([server_key, self._generation_key])
        return _valid(found.get(server_key), found.get(self._generation_key))

    def _change(self, key: str, change: Callable[[_Entry], _Entry | None]) -> _Entry | None:
        """Replace an entry, or remove it, unless another process does; return the former entry.

        If several processes remove an entry, only one of them gets it.
        """
        server_key = self._key(key)
        for _ in range(ATTEMPTS):
            stored, token = self._client.gets(server_key)
            entry = _valid(stored, self._client.get(self._generation_key))
            if entry is None:
                return None
            changed = change(entry)
            if changed is None:
                # Only a replacement can be conditional, so that the new value has already expired.
                done = self._client.cas(server_key, b"", token, expire=_IN_THE_PAST)
            else:
                delay = _server_delay(changed.expires_ms)
                done = self._client.cas(server_key, changed.written(), token, expire=delay)
            if done:
                return entry
        raise BackendError(message=f"The entry {key!r} changes all the time", retryable=True)

    def _generation(self) -> bytes:
        """Return the generation of the prefix, which is created if there is none."""
        for _ in range(ATTEMPTS):
            found: bytes | None = self._client.get(self._generation_key)
            if found is not None:
                return found
            # If several processes do this, only one succeeds.
            self._client.add(self._generation_key, _new_generation())
        raise BackendError(message="Memcached does not keep the generation of the prefix")


def _new_generation() -> bytes:
    return uuid.uuid4().hex.encode()


def _valid(stored: bytes | None, generation: bytes | None) -> _Entry | None:
    # The stored text is empty for a moment while it is removed.
    if not stored or generation is None:
        return None
    entry = _Entry.read(stored)
    has_expired = entry.expires_ms is not None and entry.expires_ms <= utils.msec_time()
    return None if has_expired or entry.generation != generation else entry


def _server_delay(expires_ms: int | None) -> int:
    """Return the time when the server may drop an entry, which is not before it has expired."""
    if expires_ms is None:
        return 0
    now_ms = utils.msec_time()
    # The seconds of the server begin at other moments than ours, so that one is added.
    delay = -(-(expires_ms - now_ms) // 1000) + 1
    # A date is compared with the clock of the server, which may be wrong. A delay of at most 30
    # days does not need that clock.
    return max(1, delay) if delay <= MAX_DELAY_SECONDS else expires_ms // 1000 + 1


def _server_key(kind: str, key: str) -> str:
    """Return the key in the server: the key itself if that is possible."""
    readable = f"cliquet:{kind}:{key}"
    is_plain = readable.isascii() and readable.isprintable() and " " not in readable
    if is_plain and len(readable) <= MAX_KEY_BYTES:
        return readable
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"cliquet:{kind}-sha256:{digest}"


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe.

    No server is contacted yet.

    Raises
    ------
    ImportError : the library of the extra ``memcached`` is not installed.
    cliquet.settings.SettingError : `cache_hosts`, or another setting, cannot be used.
    """
    prefix = settings.read(config.get_settings(), "cache_prefix")
    return Cache(create_from_config(config), cache_prefix=prefix)
