"""Users who show a badge: ``Authorization: Badge <name>``."""

from typing import Any

from pyramid.authentication import CallbackAuthenticationPolicy
from pyramid.interfaces import IAuthenticationPolicy
from zope.interface import implementer


@implementer(IAuthenticationPolicy)
class BadgePolicy(CallbackAuthenticationPolicy):
    """Believes every badge."""

    def unauthenticated_userid(self, request: Any) -> Any:
        scheme, _, name = request.headers.get("Authorization", "").partition(" ")
        return name if scheme == "Badge" and name else None

    def remember(self, request: Any, userid: Any, **kw: Any) -> list[Any]:
        return []

    def forget(self, request: Any) -> list[Any]:
        return [("WWW-Authenticate", "Badge")]
