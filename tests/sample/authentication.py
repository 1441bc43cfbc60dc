"""Users who show a badge: ``Authorization: Badge <name>``."""

from pyramid.authentication import CallbackAuthenticationPolicy
from pyramid.interfaces import IAuthenticationPolicy
from zope.interface import implementer


@implementer(IAuthenticationPolicy)
class BadgePolicy(CallbackAuthenticationPolicy):
    """Believes every badge."""

    def unauthenticated_userid(self, request):
        scheme, _, name = request.headers.get("Authorization", "").partition(" ")
        return name if scheme == "Badge" and name else None

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request):
        return [("WWW-Authenticate", "Badge")]
