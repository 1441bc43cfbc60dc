"""Whom credentials stand for, remembered without them."""

from __future__ import annotations

import os
from hashlib import sha256

__all__ = ["KnownUsers"]

_MAX_USERS = 1024
_KEY_BYTES = 64


class KnownUsers:
    """Ids of users by digests of the credentials that they have sent.

    To read credentials and to work out the HMAC of a user costs several times the digest. Neither
    credentials nor what they could be guessed from is kept: a random key, which leaves the process
    as little as they do, is part of what is digested.
    """

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_BYTES)
        self._ids: dict[bytes, str] = {}

    def digest(self, header: str, secret: str) -> bytes:
        """Return what stands for credentials.

        Parameters
        ----------
        header : the value of ``Authorization``.
        secret : with which the ids are worked out: with another one, the id is another one.
        """
        text = f"{len(secret)} {secret}{header}"
        return sha256(self._key + text.encode("utf-8", "surrogatepass")).digest()

    def get(self, digest: bytes) -> str | None:
        """Return the id of a user that was added."""
        return self._ids.get(digest)

    def add(self, digest: bytes, userid: str) -> None:
        """Remember a user; when there are many, all are forgotten and begin anew."""
        if len(self._ids) >= _MAX_USERS:
            self._ids.clear()
        self._ids[digest] = userid
