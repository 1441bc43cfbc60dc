"""The principals of a user, as pure functions of ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pyramid.authorization import Authenticated, Everyone

__all__ = ["keeps_write", "names_of_user", "with_prefixed_userid"]


def names_of_user(userid: str) -> list[str]:
    """Return the principals that mean one user and nobody else (H-5.6).

    Parameters
    ----------
    userid : id with the name of its policy as the prefix.
    """
    policy, _, unprefixed = userid.partition(":")
    # It is a plain text, because our subclass of `str` costs the drivers more.
    names = [str(userid)]
    if unprefixed and ":" not in unprefixed:
        # This is the form of former releases. With a colon, it could be the prefixed id of a user
        # of another policy. Without one, no such user can have it (S-16.4).
        names.append(f"{policy}_{unprefixed}")
    return names


def with_prefixed_userid(principals: list[str], userid: str | None) -> list[str]:
    """Return a copy with the id of the user in the forms that permissions use (H-5.6).

    Parameters
    ----------
    principals : principals of the request. If the prefixed id is not among them, the id without a
        prefix is not a principal: it may be the name of a group, or the prefixed id of another
        user.
    """
    if not userid or ":" not in userid:
        return list(principals)
    _, unprefixed = userid.split(":", 1)
    named = set() if userid in principals else {unprefixed} - {Authenticated, Everyone}
    kept = [principal for principal in principals if principal not in named]
    return list(dict.fromkeys((*kept, *names_of_user(userid))))


def keeps_write(
    writer: str, before: Mapping[str, Collection[str]], replaced: Mapping[str, Collection[str]]
) -> bool:
    """Return whether the writer of a record stays one of those who may write it.

    Owners do, as published, whatever they write. Somebody else does if nobody would be left.
    """
    had = set(before.get("write", ()))
    is_owner = not had.isdisjoint(names_of_user(writer))
    return is_owner or (bool(had) and not replaced.get("write", had))
