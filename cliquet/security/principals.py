"""The principals of a user, as pure functions of ids."""

from __future__ import annotations

from pyramid.authorization import Authenticated, Everyone

__all__ = ["names_of_user", "with_prefixed_userid"]


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
