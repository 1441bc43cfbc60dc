"""Messages and warnings that a starting service gives to the person who set it up."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy

from cliquet import settings, storage
from cliquet.initialization import backends
from cliquet.monitoring import crashes, logs
from cliquet.security.ip_policy import IPAuthenticationPolicy
from cliquet.settings.unknown import find_unknown
from cliquet.storage.exceptions import BackendError
from cliquet.web import cors

__all__ = ["tell_of_start", "warn_of_doubts"]

_BASIC_AUTH = "multiauth.policy.basicauth.use"


def tell_of_start(config: Configurator) -> None:
    """Log that the service starts, and the settings that came from the environment."""
    configured = config.get_settings()
    variables = sorted(
        source.split()[-1]
        for source in getattr(config.registry, "settings_sources", {}).values()
        if source.startswith("environment")
    )
    if variables:
        # Such a variable may have been meant for another program.
        logs.logger.info("Settings read from the environment.", variables=variables)
    message = f"{configured['project_name']} {configured['project_version']} starting."
    logs.logger.info(message)
    crashes.tell_sentry_of_start(config, message)


def warn_of_doubts(event: Any) -> None:
    """Warn, after the application is made, of settings that are allowed but probably mistakes."""
    registry = event.app.registry
    # No request is being processed, so that the renderer must be set here.
    with logs.using(getattr(registry, "log_renderer", None)):
        _warn_of_doubtful_resources(registry)
        _warn_of_unknown_settings(registry)
        _warn_of_missing_secret(registry.settings)
        _warn_of_pages_within_networks(registry)
        _warn_of_missing_indexes(registry)
        _warn_of_two_transactions(registry)


def _warn_of_doubtful_resources(registry: Any) -> None:
    """Warn of what is probably a mistake in the classes of resources, but may be meant."""
    found = getattr(registry, "resource_doubts", [])
    if found:
        logs.logger.warning("Some code of resources is probably a mistake.", places=found)


def _warn_of_unknown_settings(registry: Any) -> None:
    resolution = getattr(registry, "settings_resolution", None)
    found = [] if resolution is None else find_unknown(resolution)
    if found:
        logs.logger.warning("Some settings are unknown.", settings=[str(one) for one in found])


def _warn_of_missing_secret(configured: dict[str, Any]) -> None:
    """Warn if the built-in Basic Auth is used and there is no secret for the ids of users."""
    is_used = (
        "basicauth" in settings.read(configured, "multiauth.policies")
        and settings.read(configured, _BASIC_AUTH) == settings.SETTINGS[_BASIC_AUTH].default
    )
    if is_used and not settings.read(configured, "userid_hmac_secret"):
        logs.logger.warning(
            "userid_hmac_secret is empty: passwords can be guessed from the ids of users."
        )


def _warn_of_pages_within_networks(registry: Any) -> None:
    """Warn if users are recognised by their address, which a browser lends to any page (S-16.7).

    A page of another site may not send credentials: no password, cookie or certificate. But every
    request of the browser has its address.
    """
    policy = registry.queryUtility(ISecurityPolicy)
    names = {one._pyramid_multiauth_name: one for one in getattr(policy, "_policies", ())}
    trusting = [name for name, one in names.items() if isinstance(one, IPAuthenticationPolicy)]
    if trusting and cors.allows_any(registry.settings):
        logs.logger.warning(
            "Any web page that somebody within the networks of an IP policy visits can read and"
            " change what the policy grants them: name the sites that may in cors_origins.",
            policies=trusting,
        )


def _warn_of_missing_indexes(registry: Any) -> None:
    """Warn of declared indexes that the storage lacks."""
    backend = getattr(registry, "storage", None)
    if not isinstance(backend, storage.StorageBase):
        # There is no storage, or a test has put another object in its place.
        return
    try:
        missing = backend.missing_indexes()
    except BackendError:
        # The server is down, or has no schema yet. The service may start nevertheless.
        return
    if missing:
        logs.logger.warning(
            "Declared indexes are missing, which `cliquet migrate` makes.", indexes=missing
        )


def _warn_of_two_transactions(registry: Any) -> None:
    """Warn if records and permissions are not committed in the same transaction."""
    both = [getattr(registry, kind, None) for kind in ("storage", "permission")]
    if None in both or _commit_together(*both):
        return
    logs.logger.warning(
        "Records and permissions are not committed together: a crash in between leaves permissions"
        " without record, or records without owner. `cliquet check-permissions` finds them. There"
        " are none if both are in one database of PostgreSQL or SQLite.",
        storage=settings.read(registry.settings, "storage_backend"),
        permission=settings.read(registry.settings, "permission_backend"),
    )


def _commit_together(records: Any, permissions: Any) -> bool:
    """Return whether two backends share a transaction; other libraries are assumed to do so."""
    if not all(map(backends.is_built_in, (records, permissions))):
        return True
    if all(map(backends.is_in_memory, (records, permissions))):
        return True
    # Backends on one database have the same client; those in Redis commit separately.
    client = getattr(records, "client", None)
    return client is not None and client is getattr(permissions, "client", None)
