"""Plays the package of this name on the published configuration page.

Persona is shut down. What counts is the shape: the name of the policy is a module, whose
`includeme` brings a policy, an authorization policy, and views to log in and out.
"""

from typing import Any

from pyramid.authentication import AuthTktAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED, forget, remember


def login(request: Any) -> Any:
    """Believe the assertion, which the real package had verified elsewhere."""
    return Response(json={}, headerlist=remember(request, request.POST["assertion"]))


def logout(request: Any) -> Any:
    return Response(json={}, headerlist=forget(request))


def includeme(config: Any) -> None:
    secret = config.get_settings()["persona.secret"]
    config.set_authorization_policy(ACLAuthorizationPolicy())
    config.set_authentication_policy(AuthTktAuthenticationPolicy(secret, hashalg="sha512"))
    for view in (login, logout):
        name = view.__name__
        config.add_route(name, f"/{name}", request_method="POST")
        config.add_view(view, route_name=name, permission=NO_PERMISSION_REQUIRED)
