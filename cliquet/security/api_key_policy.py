"""Authentication of programs by keys that the service itself has given."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from zope.interface import implementer

from cliquet.security import api_keys, policy_options
from cliquet.security.api_keys import ApiKey

__all__ = ["APIKeyPolicy"]

_SCHEME: Final = "apikey"
_MAX_KNOWN: Final = 1024
_MAX_CACHE_SECONDS: Final = 3600
_ON_REQUEST: Final = "_cliquet_api_key"


class _Known(NamedTuple):
    key: ApiKey
    until: float


@implementer(IAuthenticationPolicy)
class APIKeyPolicy:
    """Recognises users by ``Authorization: ApiKey`` with a key of ``cliquet keys create``.

    The storage of the service has the digests of the keys. A key that was found is remembered for a
    while, so that a request costs no look-up; for this time it is also accepted after it was
    revoked.

    Parameters
    ----------
    cache_seconds : how long a key is remembered, in s; 0 for not at all.
    realm : realm of the challenge in a 401.

    Raises
    ------
    ValueError : an option has a wrong value.
    """

    def __init__(self, cache_seconds: float = 30, realm: str = "Realm") -> None:
        self._cache_seconds = policy_options.number(
            "cache_seconds", cache_seconds, 0, _MAX_CACHE_SECONDS
        )
        self._challenge = f'ApiKey realm="{policy_options.quotable("realm", realm)}"'
        # The digests of the cache are of no use outside the process.
        self._pepper = os.urandom(32)
        self._known: dict[bytes, _Known] = {}

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the user of a key that is valid, else ``None``.

        Raises
        ------
        cliquet.storage.exceptions.BackendError : the server of the storage failed.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        text = text.strip()
        if scheme.lower() != _SCHEME or not text:
            return None
        # It is asked several times in a request.
        seen: tuple[str, ApiKey | None] | None = request.__dict__.get(_ON_REQUEST)
        if seen is None or seen[0] != text:
            seen = request.__dict__[_ON_REQUEST] = (text, self._find(request, text))
        key = seen[1]
        return None if key is None else key.userid

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the same as :meth:`authenticated_userid`: a key does not say whose it is."""
        return self.authenticated_userid(request)

    def effective_principals(self, request: Request) -> list[str]:
        """Return nothing, because the security policy adds the principals of the user."""
        return []

    def remember(self, request: Request, userid: str, **kwargs: Any) -> list[tuple[str, str]]:
        """Return no headers, because ``cliquet keys`` makes the keys."""
        return []

    def forget(self, request: Request) -> list[tuple[str, str]]:
        """Return the challenge."""
        return [("WWW-Authenticate", self._challenge)]

    def _find(self, request: Request, text: str) -> ApiKey | None:
        digest = sha256(self._pepper + text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is None or time.monotonic() > known.until:
            found = api_keys.find(request.registry.storage, text)
            if found is None:
                self._known.pop(digest, None)
                return None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[digest] = _Known(found, time.monotonic() + self._cache_seconds)
        return known.key if known.key.is_valid(int(time.time() * 1000)) else None
