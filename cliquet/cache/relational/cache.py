"""The common part of the caches in PostgreSQL and SQLite: one table, which is kept small.

Each statement commits by itself, outside of the transaction of the request. A read never writes: it
ignores expired entries, and writes remove them now and then.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cliquet import settings
from cliquet.cache.base import CacheBase
from cliquet.cache.values import decode, encode, milliseconds
from cliquet.connections.sql import SQLClient
from cliquet.core.forks import renew_locks
from cliquet.core.globs import after_prefix
from cliquet.storage.exceptions import BackendError
from cliquet.types import JSONValue, PoolStatus

__all__ = ["MAX_KEY_LENGTH", "MAX_PREFIX_LENGTH", "CacheDialect", "RelationalCache"]

NO_EXPIRY_SECONDS = -1.0
# About three thousand years: databases cannot count much further.
MAX_DELAY_MS = 10**14

PURGE_INTERVAL_SECONDS = 60.0
PURGE_SIZE = 1000

# In characters of the stored key. The size of index entries is limited, and the keys of the
# original table have 256.
MAX_KEY_LENGTH = 255
_DIGEST_LENGTH = 64
MAX_PREFIX_LENGTH = MAX_KEY_LENGTH + 1 - _DIGEST_LENGTH

# NUL and lone surrogates.
_refused = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class CacheDialect:
    """The differences between two databases.

    Attributes
    ----------
    clock : the present time, in the type of the column ``ttl``.
    later : the time after a delay in ms, which is a placeholder; null for a null delay.
    remaining : seconds until ``ttl``.
    purge : removes the entries that expired first; its placeholder is their number.
    ordered_key : the key, compared byte by byte.
    flush : removes the entries for which the condition ``{condition}`` is true.
    """

    clock: str
    later: str
    remaining: str
    purge: str
    ordered_key: str
    flush: str


class RelationalCache(CacheBase):
    """A cache in SQL.

    Parameters
    ----------
    client : lends connections; it becomes the attribute ``client`` (B-24).
    dialect : the differences between databases in the text of the statements.
    cache_prefix : text put before every key.

    Raises
    ------
    cliquet.settings.SettingError : the prefix is longer than :data:`MAX_PREFIX_LENGTH`.

    Notes
    -----
    A key, with its prefix, longer than :data:`MAX_KEY_LENGTH` characters, or with a character that
    databases refuse, is stored as its beginning and its SHA-256 digest.
    """

    def __init__(self, client: SQLClient, dialect: CacheDialect, *, cache_prefix: str) -> None:
        if len(cache_prefix) > MAX_PREFIX_LENGTH or _refused.search(cache_prefix):
            raise settings.SettingError(
                "cache_prefix", cache_prefix, f"at most {MAX_PREFIX_LENGTH} characters of UTF-8"
            )
        super().__init__(cache_prefix=cache_prefix)
        self.client: Any = client
        is_live = f"key = %s AND (ttl IS NULL OR ttl > {dialect.clock})"
        self._select = f"SELECT value FROM cache WHERE {is_live}"
        self._select_remaining = f"SELECT {dialect.remaining} FROM cache WHERE {is_live}"
        self._update_expiry = f"UPDATE cache SET ttl = {dialect.later} WHERE {is_live}"
        self._upsert = (
            f"INSERT INTO cache (key, value, ttl) VALUES (%s, %s, {dialect.later})"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value, ttl = excluded.ttl"
        )
        self._delete_live = f"DELETE FROM cache WHERE {is_live} RETURNING value"
        self._purge = dialect.purge
        self._flush, self._flushed = _flush(dialect, cache_prefix)
        self._purge_lock = threading.Lock()
        renew_locks(self, "_purge_lock")
        # The first write purges too, because a process may write only a single entry.
        self._purge_at_seconds = time.monotonic()

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        status: PoolStatus | None = self.client.pool_status()
        return status

    def flush(self) -> None:
        self._execute(self._flush, *self._flushed)

    def ttl(self, key: str) -> float:
        row = self._fetch(self._select_remaining, self._stored(key))
        return NO_EXPIRY_SECONDS if row is None or row[0] is None else float(row[0])

    def expire(self, key: str, ttl: float) -> None:
        delay_ms = _delay_ms(ttl)
        if delay_ms == 0:
            self._execute("DELETE FROM cache WHERE key = %s", self._stored(key))
        else:
            self._execute(self._update_expiry, delay_ms, self._stored(key))

    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        text = encode(value)
        delay_ms = None if ttl is None else _delay_ms(ttl)
        if delay_ms == 0:
            self._execute("DELETE FROM cache WHERE key = %s", self._stored(key))
        else:
            self._execute(self._upsert, self._stored(key), text, delay_ms)
            self._purge_now_and_then()

    def get(self, key: str) -> JSONValue:
        row = self._fetch(self._select, self._stored(key))
        return None if row is None else decode(row[0])

    def delete(self, key: str) -> JSONValue:
        # An expired entry is left to the purge.
        row = self._fetch(self._delete_live, self._stored(key))
        return None if row is None else decode(row[0])

    # Steps

    def _stored(self, key: str) -> str:
        """Return the stored form of a key: any text fits, and different keys stay different.

        A key with a digest is one character longer than any key that is stored as it is. It begins
        with the prefix, so that :meth:`flush` finds it.
        """
        whole = self.prefix + key
        if len(whole) <= MAX_KEY_LENGTH and not _refused.search(whole):
            return whole
        digest = sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
        head = _refused.sub("", whole)[:MAX_PREFIX_LENGTH]
        return head.ljust(MAX_PREFIX_LENGTH) + digest

    def _execute(self, statement: str, *parameters: Any) -> int:
        with self.client.autocommit() as session:
            changed: int = session.execute(statement, parameters).rowcount
        return changed

    def _fetch(self, statement: str, *parameters: Any) -> Any:
        rows = self.client.rows(statement, parameters)
        return rows[0] if rows else None

    def _purge_now_and_then(self) -> None:
        """Remove some of the expired entries, if the last time was long ago."""
        with self._purge_lock:
            now = time.monotonic()
            if now < self._purge_at_seconds:
                return
            self._purge_at_seconds = now + PURGE_INTERVAL_SECONDS
        # The entry is written even if the purge fails; that error was logged.
        with contextlib.suppress(BackendError):
            if self._execute(self._purge, PURGE_SIZE) == PURGE_SIZE:
                # There are more expired entries, which the next write removes.
                self._purge_at_seconds = now


def _flush(dialect: CacheDialect, prefix: str) -> tuple[str, list[str]]:
    """Return the statement that removes the entries of a prefix, and its parameters."""
    conditions = [f"{dialect.ordered_key} >= %s"]
    parameters = [prefix]
    end = after_prefix(prefix)
    if end is not None:
        conditions.append(f"{dialect.ordered_key} < %s")
        parameters.append(end)
    return dialect.flush.format(condition=" AND ".join(conditions)), parameters


def _delay_ms(seconds: float) -> int:
    return min(milliseconds(seconds), MAX_DELAY_MS)
