"""The views that let a user log in: to the provider with a state, and back with a code."""

import uuid
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlencode, urlsplit

import colander
from pyramid.httpexceptions import HTTPFound, HTTPServiceUnavailable
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import Service, errors
from cliquet.resource.schema import URL
from oauth_accounts.client import ProviderError, call

STATE = "oauth_accounts:state:{}"

login = Service(name="fxa-oauth-login", path="/fxa-oauth/login")
token = Service(
    name="fxa-oauth-token", path="/fxa-oauth/token", error_handler=errors.json_error_handler
)
params = Service(name="fxa-oauth-params", path="/fxa-oauth/params")


class LoginSchema(colander.MappingSchema):
    redirect = URL(location="querystring")


class TokenSchema(colander.MappingSchema):
    code = colander.SchemaNode(colander.String(), location="querystring")
    state = colander.SchemaNode(colander.String(), location="querystring")


def authorized_redirect(request: Any) -> None:
    """Refuse to send tokens to sites that the deployer did not list (a validator)."""
    redirect = request.validated.get("redirect")
    domains = str(request.registry.settings["fxa-oauth.webapp.authorized_domains"]).split()
    host = urlsplit(redirect or "").hostname or ""
    if redirect and not any(fnmatch(host, domain) for domain in domains):
        request.errors.add("querystring", "redirect", "redirect URL is not authorized")


@login.get(schema=LoginSchema, validators=(authorized_redirect,), permission=NO_PERMISSION_REQUIRED)
def get_login(request: Any) -> Any:
    settings = request.registry.settings
    state = uuid.uuid4().hex
    ttl = float(settings["fxa-oauth.state.ttl_seconds"])
    request.registry.cache.set(STATE.format(state), request.validated["redirect"], ttl)
    query = {
        "action": "signin",
        "client_id": settings["fxa-oauth.client_id"],
        "state": state,
        "scope": settings["fxa-oauth.requested_scope"],
    }
    return HTTPFound(f"{settings['fxa-oauth.oauth_uri']}/v1/authorization?{urlencode(query)}")


@token.get(schema=TokenSchema, permission=NO_PERMISSION_REQUIRED)
def get_token(request: Any) -> Any:
    settings = request.registry.settings
    key = STATE.format(request.validated["state"])
    redirect = request.registry.cache.get(key)
    if redirect is None:
        errors.raise_invalid(
            request, location="querystring", name="state", description="unknown or expired"
        )
    request.registry.cache.delete(key)
    trade = {
        "code": request.validated["code"],
        "client_id": settings["fxa-oauth.client_id"],
        "client_secret": settings["fxa-oauth.client_secret"],
    }
    try:
        status, body = call(f"{settings['fxa-oauth.oauth_uri']}/v1/token", trade)
    except ProviderError as error:
        raise HTTPServiceUnavailable from error
    if status != 200:
        errors.raise_invalid(
            request, location="querystring", name="code", description="refused by the provider"
        )
    return HTTPFound(f"{redirect}{body['access_token']}")


@params.get(permission=NO_PERMISSION_REQUIRED)
def get_params(request: Any) -> dict[Any, Any]:
    settings = request.registry.settings
    return {name: settings[f"fxa-oauth.{name}"] for name in ("client_id", "oauth_uri")}
