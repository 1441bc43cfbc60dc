"""The names of the keys of the permission backend in Redis.

All keys begin with :data:`NAMESPACE`. In a cluster, a part follows, which is its own namespace
(:mod:`cliquet.connections.redis.partitions`): the user or the object decides which. Sets of users
and of objects, those of a principal too, have those of their part. Lengths are in bytes, and make
sure that two different names never give the same key, whatever characters they contain. The kinds
are:

``users``, ``objects``
    Sets of the users that have principals, and of the objects that have ACEs.
``user:<user>``, ``members:<principal>``
    Sets of the principals of a user, and of the users that have a principal.
``permissions:<object>``
    Set of the permissions of an object that somebody has.
``ace:<length of object>:<object>:<permission>``
    Set of the principals of one ACE.
``accessible:<principal>``
    Set of the permissions of a principal: ``<length of permission>:<permission>:<object>``.
``lock:<object>``
    Token of the request that will change an object, from just before the storage commits; it
    expires by itself.
``claim:<object>``
    Token of the last request that has locked an object, and has neither changed it nor given up. It
    outlives the lock, so that a request that was stopped can tell whether another one came.
``committing``
    Sorted set of the tokens of all locks, with the times when these expire, in ms.
"""

from __future__ import annotations

from typing import Final

from cliquet.connections.redis.names import from_bytes, to_bytes

__all__ = [
    "ACCESSIBLE",
    "CLUSTER_PARTS",
    "LOCK",
    "MEMBERS",
    "NAMESPACE",
    "OBJECTS",
    "PERMISSIONS",
    "USER",
    "USERS",
    "ace_key",
    "key_of",
    "read_held",
]

NAMESPACE: Final = b"cliquet:permission:"

# The most servers of a cluster over which permissions are spread. A list of objects that principals
# may access asks all parts.
CLUSTER_PARTS: Final = 64

USERS: Final = b"users"
OBJECTS: Final = b"objects"
USER: Final = b"user:"
LOCK: Final = b"lock:"
PERMISSIONS: Final = b"permissions:"
ACCESSIBLE: Final = b"accessible:"
MEMBERS: Final = b"members:"


def key_of(part: bytes, kind: bytes, name: str = "") -> bytes:
    """Return the key of a kind and a name."""
    return part + kind + to_bytes(name)


def ace_key(part: bytes, object_id: str, permission: str) -> bytes:
    """Return the key of the principals of an ACE."""
    name = to_bytes(object_id)
    return b"%sace:%d:%s:%s" % (part, len(name), name, to_bytes(permission))


def read_held(member: bytes) -> tuple[str, str]:
    """Return the permission and the object id of a member of ``accessible:<principal>``."""
    length, rest = member.split(b":", 1)
    end = int(length)
    return from_bytes(rest[:end]), from_bytes(rest[end + 1 :])
