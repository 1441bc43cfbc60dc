"""The present keys of an issuer of tokens, from a file or from a URL."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

from cliquet.core.forks import renew_locks
from cliquet.monitoring import logs
from cliquet.security.key_sets import PublicKey, read_keys

__all__ = ["FAILURE_SECONDS", "UNKNOWN_KEY_SECONDS", "IssuerKeys", "KeysUnavailableError"]

UNKNOWN_KEY_SECONDS: Final = 300
"""Tokens that name unknown keys let the keys be read again once in this time, in s."""

FAILURE_SECONDS: Final = 10
"""After a failure, the keys are read again at the earliest after this time, in s."""

_MAX_BYTES: Final = 2**20
# A token that names no key is compared with all that fit.
_MAX_KEYS: Final = 16
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


class KeysUnavailableError(Exception):
    """No keys are known, and the issuer cannot be asked for them."""


class IssuerKeys:
    """The keys of an issuer, which change while the service runs.

    Keys that are older than `refresh_seconds` are read again in the background, while requests go
    on with them; they stay for as long as the issuer cannot be asked. A token that names an unknown
    key lets the keys be read at once, but only once in :data:`UNKNOWN_KEY_SECONDS`, because anybody
    can send such tokens.

    Parameters
    ----------
    location : path of a file, or URL with ``https`` (``http`` for this machine alone).
    refresh_seconds : age of keys that are read again, in s.
    timeout_seconds : how long the issuer may take to answer, in s.

    Attributes
    ----------
    generation : number of times that the keys have changed.

    Raises
    ------
    ValueError : the file cannot be read, or has no usable key; the URL is not one of these.
    ImportError : the extra ``jwt`` is not installed.
    """

    def __init__(
        self, location: str, *, refresh_seconds: float = 3600, timeout_seconds: float = 5
    ) -> None:
        self._location = location
        self._is_url = _is_url(location)
        self._refresh_seconds = refresh_seconds
        self._timeout_seconds = timeout_seconds
        self._keys: tuple[PublicKey, ...] = ()
        self.generation = 0
        # One thread reads the keys; those that need its result wait for it.
        self._reading = threading.Lock()
        self._read_at = self._tried_at = self._unknown_at = -float("inf")
        self._in_background = threading.Lock()
        renew_locks(self, "_reading", "_in_background")
        if not self._is_url:
            # A file must be there at start. An issuer may be down for a while.
            self._replace(read_keys(self._text()))

    def find(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        """Return the keys that a token may be signed with.

        Parameters
        ----------
        kid : name of the key; ``None`` for all that fit the algorithm.

        Raises
        ------
        KeysUnavailableError : no keys are known, and the issuer cannot be asked.
        """
        self.refresh()
        found = self._matching(kid, algorithm)
        if not found and kid is not None:
            with self._reading:
                if time.monotonic() - self._unknown_at > UNKNOWN_KEY_SECONDS:
                    self._unknown_at = time.monotonic()
                    self._read()
            found = self._matching(kid, algorithm)
        return found

    def _matching(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        fitting = [key for key in self._keys if kid in (None, key.kid) and key.fits(algorithm)]
        return fitting[:_MAX_KEYS]

    def refresh(self) -> None:
        """Read the keys if there are none, and let them be read if they are old.

        Raises
        ------
        KeysUnavailableError : the same as for :meth:`find`.
        """
        if not self._keys:
            with self._reading:
                if not self._keys and time.monotonic() - self._tried_at > FAILURE_SECONDS:
                    self._read()
            if not self._keys:
                raise KeysUnavailableError(self._location)
        elif self._is_old() and self._in_background.acquire(blocking=False):
            try:
                threading.Thread(target=self._refresh_old, name="issuer-keys", daemon=True).start()
            except RuntimeError:
                # There are too many threads now. The keys that are known serve until another try.
                self._in_background.release()

    def _is_old(self) -> bool:
        now = time.monotonic()
        return (
            now - self._read_at > self._refresh_seconds and now - self._tried_at > FAILURE_SECONDS
        )

    def _refresh_old(self) -> None:
        try:
            with self._reading:
                self._read()
        finally:
            self._in_background.release()

    def _read(self) -> None:
        """Read the keys; if that fails, those that are known stay."""
        try:
            self._replace(read_keys(self._text()))
        except (OSError, ValueError) as error:
            logs.logger.warning(
                "The keys of an issuer cannot be read",
                location=self._location,
                error=str(error),
                known=len(self._keys),
            )
        finally:
            self._tried_at = time.monotonic()

    def _replace(self, keys: tuple[PublicKey, ...]) -> None:
        if [key[:-1] for key in keys] != [key[:-1] for key in self._keys]:
            self._keys = keys
            self.generation += 1
        self._read_at = time.monotonic()

    def _text(self) -> bytes:
        if not self._is_url:
            try:
                return Path(self._location).read_bytes()
            except OSError as error:
                raise ValueError(f"{self._location} cannot be read: {error.strerror}") from error
        return _within(self._timeout_seconds, self._fetched)

    def _fetched(self) -> bytes:
        opener = urllib.request.build_opener(_Redirections)
        try:
            with opener.open(_asked(self._location), timeout=self._timeout_seconds) as response:
                text: bytes = response.read(_MAX_BYTES + 1)
        except HTTPError as error:
            # It is an open answer as well.
            error.close()
            raise
        except HTTPException as error:
            # It is no answer of HTTP, or a URL that is none.
            raise OSError(f"{type(error).__name__}: {error}") from error
        if len(text) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        return text


def _within(seconds: float, work: Callable[[], bytes]) -> bytes:
    """Return what some work gives, if it takes no longer.

    The limit of a connection only concerns each part of an answer, not all of them together.
    """
    done: list[bytes | Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # raised by the thread that waits
            done.append(error)

    thread = threading.Thread(target=run, name="issuer-keys-read", daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise TimeoutError(f"no answer in {seconds} seconds")
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def _is_url(location: str) -> bool:
    """Return whether a location is a URL, and not the path of a file.

    Raises
    ------
    ValueError : it is a URL over which anybody could send keys of their own.
    """
    parts = urlsplit(location)
    if len(parts.scheme) <= 1:
        # Letters of drives look like schemes.
        return False
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS):
        return True
    raise ValueError(f"{location!r} is neither the path of a file nor a URL with https")


class _Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, url: Any
    ) -> Any:
        # It must be a URL that could have been given as location.
        try:
            _is_url(url)
        except ValueError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, url)


def _asked(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked
