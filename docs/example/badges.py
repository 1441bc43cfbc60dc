"""An example of authentication: a policy of one's own, and a group finder."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request

from cliquet import authorization


class BadgePolicy:
    """Knows the users of the badges that settings list, as ``user:badge`` pairs."""

    def __init__(self, badges: str) -> None:
        pairs = (pair.split(":") for pair in badges.split())
        self._users = {badge: user for user, badge in pairs}

    def authenticated_userid(self, request: Request) -> str | None:
        return self._users.get(request.headers.get("X-Badge", ""))

    unauthenticated_userid = authenticated_userid

    def effective_principals(self, request: Request) -> list[str]:
        return []

    def remember(self, request: Request, userid: str, **kwargs: Any) -> list[tuple[str, str]]:
        return []

    def forget(self, request: Request) -> list[tuple[str, str]]:
        return []


def groups(userid: str, request: Request) -> list[str] | None:
    """Refuse who has left; make whoever has a badge one of the staff."""
    if request.prefixed_userid == "badge:bob":
        return None
    found = authorization.groupfinder(userid, request)
    return [*found, "group:staff"] if request.authn_type == "badge" else found
