"""The keys that a service gives to programs, kept in its storage by their digests."""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cliquet import utils
from cliquet.storage.base import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError

__all__ = ["ApiKey", "create", "find", "revoke", "stored"]

# No resource can have this name, so that no client reaches the collection.
_COLLECTION: Final = ("__api_keys__", "")
_START: Final = "ck_"
_SECRET_BYTES: Final = 32
_ID_CHARACTERS: Final = 32
_MAX_CHARACTERS: Final = 200


class ApiKey(NamedTuple):
    """What is known of a key, which is not the key itself.

    Attributes
    ----------
    id : the part of the key that is no secret.
    userid : id of the user that it stands for, without the name of the policy.
    label : what it is for; a text for people.
    created_ms : when it was made, in ms since 1970.
    expires_ms : when it ends, in ms since 1970; ``None`` if it does not.
    """

    id: str
    userid: str
    label: str
    created_ms: int
    expires_ms: int | None

    def is_valid(self, now_ms: int) -> bool:
        """Return whether the key has not ended."""
        return self.expires_ms is None or now_ms < self.expires_ms


def create(
    storage: StorageBase, userid: str, *, label: str = "", expires_ms: int | None = None
) -> str:
    """Make a key for a user, and return its text, which nobody can find out later.

    Several keys may stand for one user, so that one can replace another without a gap.

    Raises
    ------
    ValueError : no user can have this id.
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    if not userid or not utils.is_storable_key(userid):
        raise ValueError(f"{userid!r} is no id of a user")
    key_id, secret = uuid.uuid4(), secrets.token_urlsafe(_SECRET_BYTES)
    record = {
        "id": str(key_id),
        "digest": _digest(secret),
        "userid": userid,
        "label": label,
        "expires": expires_ms,
    }
    storage.create(*_COLLECTION, record)
    return f"{_START}{key_id.hex}_{secret}"


def find(storage: StorageBase, text: str) -> ApiKey | None:
    """Return what is known of a key; ``None`` if nobody has given it, or it was revoked.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    parts = _parts(text)
    if parts is None:
        return None
    key_id, secret = parts
    try:
        record = storage.get(*_COLLECTION, key_id)
    except RecordNotFoundError:
        return None
    # The time must not tell how much of a guess is right.
    return _known(record) if hmac.compare_digest(record["digest"], _digest(secret)) else None


def stored(storage: StorageBase) -> Iterator[ApiKey]:
    """Give all keys, the oldest first.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    records, _ = storage.get_all(*_COLLECTION)
    return iter(sorted(map(_known, records), key=lambda key: key.created_ms))


def revoke(storage: StorageBase, key_id: str) -> None:
    """Forget a key.

    Raises
    ------
    cliquet.storage.exceptions.RecordNotFoundError : there is none with this id.
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    storage.delete(*_COLLECTION, key_id)


def _parts(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key; ``None`` if the text is none."""
    key_id, _, secret = text.removeprefix(_START).partition("_")
    if len(text) > _MAX_CHARACTERS or not text.startswith(_START) or not secret:
        return None
    if len(key_id) != _ID_CHARACTERS or not text.isascii():
        return None
    try:
        return str(uuid.UUID(hex=key_id)), secret
    except ValueError:
        return None


def _digest(secret: str) -> str:
    # The secret is random, and as long as the digest: nobody can try all secrets, so that a slow
    # hash would protect nothing.
    return sha256(secret.encode()).hexdigest()


def _known(record: dict[str, Any]) -> ApiKey:
    return ApiKey(
        record["id"],
        record["userid"],
        record["label"],
        record["last_modified"],
        record["expires"],
    )
