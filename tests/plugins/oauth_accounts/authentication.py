"""The policy: a token is worth what the provider says of it, for a while."""

import hashlib
from typing import Any

from pyramid.authentication import CallbackAuthenticationPolicy
from pyramid.httpexceptions import HTTPServiceUnavailable
from pyramid.interfaces import IAuthenticationPolicy
from zope.interface import implementer

from cliquet import errors, logger
from oauth_accounts.client import ProviderError, call

KEY = "oauth_accounts:token:{}"


@implementer(IAuthenticationPolicy)
class FxAOAuthAuthenticationPolicy(CallbackAuthenticationPolicy):
    """Knows the users of the tokens that the provider vouches for."""

    def __init__(self, realm: str = "Realm") -> None:
        self.realm = realm

    def unauthenticated_userid(self, request: Any) -> Any:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return None
        known = request.__dict__.setdefault("_oauth_userids", {})
        if token not in known:
            known[token] = self._cached(request, token)
        return known[token]

    def remember(self, request: Any, userid: Any, **kwargs: Any) -> list[Any]:
        return []

    def forget(self, request: Any) -> list[Any]:
        return [("WWW-Authenticate", f'Bearer realm="{self.realm}"')]

    def _cached(self, request: Any, token: Any) -> Any:
        cache = getattr(request.registry, "cache", None)
        if cache is None:
            return self._verified(request, token)
        # Who reads the cache must not find tokens to use.
        key = KEY.format(hashlib.sha256(token.encode()).hexdigest())
        userid = cache.get(key)
        if userid is None:
            userid = self._verified(request, token)
            if userid is not None:
                ttl = float(request.registry.settings["fxa-oauth.cache_ttl_seconds"])
                cache.set(key, userid, ttl)
        return userid

    def _verified(self, request: Any, token: Any) -> Any:
        """Return the user of a token, `None` if the provider refuses it or its scope is not ours.

        A provider that does not answer has refused nothing: the client is to come back with the
        same token, which a 401 would make it throw away.
        """
        settings = request.registry.settings
        try:
            url = f"{settings['fxa-oauth.oauth_uri']}/v1/verify"
            status, body = call(url, {"token": token})
        except ProviderError as error:
            logger.exception("The provider of tokens does not answer.")
            raise errors.http_error(
                HTTPServiceUnavailable(),
                errno=errors.ERRORS.BACKEND,
                message="Tokens cannot be verified now.",
            ) from error
        wanted = set(settings["fxa-oauth.required_scope"].split())
        if status != 200 or not wanted <= set(body.get("scope", ())):
            return None
        return body["user"]
