"""A plug-in as those for Firefox Accounts are: tokens of a provider elsewhere, checked over HTTP.

It uses public names of the library only, and its settings begin with ``fxa-oauth.``.
"""

from typing import Any

from pyramid.exceptions import ConfigurationError

import cliquet
from oauth_accounts.client import ProviderError, call

DEFAULT_SETTINGS = {
    "fxa-oauth.cache_ttl_seconds": 5 * 60,
    "fxa-oauth.client_id": None,
    "fxa-oauth.client_secret": None,
    "fxa-oauth.heartbeat_timeout_seconds": 3,
    "fxa-oauth.oauth_uri": None,
    "fxa-oauth.relier.enabled": True,
    "fxa-oauth.requested_scope": "profile",
    "fxa-oauth.required_scope": "profile",
    "fxa-oauth.state.ttl_seconds": 3600,
    "fxa-oauth.webapp.authorized_domains": "",
}


def oauth_heartbeat(request: Any) -> Any:
    """Whether the provider answers in time."""
    settings = request.registry.settings
    try:
        status, _ = call(
            f"{settings['fxa-oauth.oauth_uri']}/__heartbeat__",
            timeout_seconds=float(settings["fxa-oauth.heartbeat_timeout_seconds"]),
        )
    except ProviderError:
        cliquet.logger.exception("The provider of tokens does not answer.")
        return False
    return status == 200


def includeme(config: Any) -> None:
    if not hasattr(config.registry, "heartbeats"):
        raise ConfigurationError("cliquet must be initialized before oauth_accounts is included")
    cliquet.load_default_settings(config, DEFAULT_SETTINGS)
    config.registry.heartbeats["oauth"] = oauth_heartbeat

    settings = config.get_settings()
    if settings["fxa-oauth.relier.enabled"]:
        config.add_api_capability("fxa", description="Log in at the provider", url="https://fxa")
        config.scan("oauth_accounts.relier")
