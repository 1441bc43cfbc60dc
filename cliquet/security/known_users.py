"""The users of credentials, which are remembered without the credentials."""

from __future__ import annotations

import os
from hashlib import sha256

__all__ = ["KnownUsers"]

_MAX_USERS = 1024
_KEY_BYTES = 64


class KnownUsers:
    """Ids of users by digests of the credentials that they have sent.

    To read credentials and to compute the HMAC of a user costs several times the digest. Neither
    the credentials nor anything from which they could be guessed is kept: the digest includes a
    random key, which never leaves the process.
    """

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_BYTES)
        self._ids: dict[bytes, str] = {}

    def digest(self, header: str, secret: str) -> bytes:
        """Return the digest of credentials.

        Parameters
        ----------
        header : value of ``Authorization``.
        secret : secret from which the ids are computed; with another secret, the id is another one.
        """
        text = f"{len(secret)} {secret}{header}"
        return sha256(self._key + text.encode("utf-8", "surrogatepass")).digest()

    def get(self, digest: bytes) -> str | None:
        """Return the id of a user that was added; ``None`` if there is none."""
        return self._ids.get(digest)

    def add(self, digest: bytes, userid: str) -> None:
        """Remember a user; if there are too many, all the former ones are forgotten."""
        if len(self._ids) >= _MAX_USERS:
            self._ids.clear()
        self._ids[digest] = userid
