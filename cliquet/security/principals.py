"""The principals that stand for a user: pure functions of ids."""

from __future__ import annotations

from pyramid.authorization import Authenticated, Everyone

__all__ = ["names_of_user", "with_prefixed_userid"]


def names_of_user(userid: str) -> list[str]:
    """Return the principals that stand for one user, and for nobody else (H-5.6).

    Parameters
    ----------
    userid : with the name of its policy as prefix.
    """
    policy, _, unprefixed = userid.partition(":")
    # Not of a type of ours, which costs drivers more.
    names = [str(userid)]
    if unprefixed and ":" not in unprefixed:
        # The form of former releases. With a colon in it, it could be the prefixed id of another
        # policy's user; without, no other policy's user has it (S-16.4).
        names.append(f"{policy}_{unprefixed}")
    return names


def with_prefixed_userid(principals: list[str], userid: str | None) -> list[str]:
    """Return a copy with the user's id in the forms that permissions name it by (H-5.6).

    Parameters
    ----------
    principals : where the prefixed id is not among them, the unprefixed one is no principal: it may
        have the name of a group, or the prefixed id of another user.
    """
    if not userid or ":" not in userid:
        return list(principals)
    _, unprefixed = userid.split(":", 1)
    named = set() if userid in principals else {unprefixed} - {Authenticated, Everyone}
    kept = [principal for principal in principals if principal not in named]
    return list(dict.fromkeys((*kept, *names_of_user(userid))))
