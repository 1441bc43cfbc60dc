"""A plug-in in the style of published ones: bearer tokens, checked elsewhere, kept in the cache.

It uses public names only. Its settings begin with ``bearer.``.
"""

from typing import Any

from pyramid.authentication import CallbackAuthenticationPolicy
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import IAuthenticationPolicy
from zope.interface import implementer

from cliquet import Service

DEFAULT_SETTINGS = {"bearer.cache_ttl_seconds": 300, "bearer.scope": "profile"}

whoami = Service(name="whoami", path="/whoami", description="Principals of the user")


@whoami.get(permission="private")
def get_whoami(request: Any) -> dict[str, Any]:
    return {"principals": request.effective_principals, "id": request.prefixed_userid}


@implementer(IAuthenticationPolicy)
class BearerPolicy(CallbackAuthenticationPolicy):
    """Recognises the users that the provider recognises."""

    def __init__(self, realm: str = "Realm") -> None:
        self.realm = realm

    def unauthenticated_userid(self, request: Any) -> Any:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        cache = getattr(request.registry, "cache", None)
        userid = cache.get(f"bearer:{token}") if cache else None
        if userid is None:
            userid = request.registry.provider.verify(token)
            if cache and userid is not None:
                ttl = request.registry.settings["bearer.cache_ttl_seconds"]
                cache.set(f"bearer:{token}", userid, ttl)
        return userid

    def forget(self, request: Any) -> list[Any]:
        return [("WWW-Authenticate", f'Bearer realm="{self.realm}"')]


class Provider:
    """What a server elsewhere would answer."""

    def __init__(self) -> None:
        self.is_well = True
        self.asked = []

    def verify(self, token: Any) -> Any:
        self.asked.append(token)
        return token.removeprefix("token-") if token.startswith("token-") else None


def get_user_info(request: Any) -> dict[str, Any]:
    return {"id": request.prefixed_userid, "plan": "free"}


def includeme(config: Any) -> None:
    registry = config.registry
    if not hasattr(registry, "heartbeats"):
        raise ConfigurationError("cliquet must be initialized before cliquet_bearer")
    settings = config.get_settings()
    for name, value in DEFAULT_SETTINGS.items():
        settings.setdefault(name, value)
    registry.provider = Provider()
    registry.heartbeats["oauth"] = lambda request: registry.provider.is_well
    registry.public_settings.add("bearer.scope")
    registry.public_settings.add("cliquet.batch_max_requests")
    config.add_api_capability(
        "bearer",
        description="Bearer tokens",
        url="https://bearer.example",
        scopes={"profile"},
        grants=(grant for grant in ("code", "implicit")),
    )
    config.add_request_method(get_user_info, name="get_user_info")
    config.scan("bearer")
