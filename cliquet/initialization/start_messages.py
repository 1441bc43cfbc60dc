"""What a service says when it starts, to who has set it up."""

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
    """Log that the service starts (S-5.5), and what came from the environment (S-23.7)."""
    configured = config.get_settings()
    variables = sorted(
        source.split()[-1]
        for source in getattr(config.registry, "settings_sources", {}).values()
        if source.startswith("environment")
    )
    if variables:
        # A variable of another program may have been meant.
        logs.logger.info("Settings read from the environment.", variables=variables)
    message = f"{configured['project_name']} {configured['project_version']} starting."
    logs.logger.info(message)
    crashes.tell_sentry_of_start(config, message)


def warn_of_doubts(event: Any) -> None:
    """Warn, once the application is made, of what is allowed but hardly meant."""
    registry = event.app.registry
    # No request is being processed, whose renderer would be known.
    with logs.using(getattr(registry, "log_renderer", None)):
        _warn_of_unknown_settings(registry)
        _warn_of_missing_secret(registry.settings)
        _warn_of_pages_within_networks(registry)
        _warn_of_missing_indexes(registry)
        _warn_of_two_transactions(registry)


def _warn_of_unknown_settings(registry: Any) -> None:
    resolution = getattr(registry, "settings_resolution", None)
    found = [] if resolution is None else find_unknown(resolution)
    if found:
        logs.logger.warning("Some settings are unknown.", settings=[str(one) for one in found])


def _warn_of_missing_secret(configured: dict[str, Any]) -> None:
    """Tell whoever uses the built-in Basic Auth that user ids derive from nothing (S-16.3)."""
    is_used = (
        "basicauth" in settings.read(configured, "multiauth.policies")
        and settings.read(configured, _BASIC_AUTH) == settings.SETTINGS[_BASIC_AUTH].default
    )
    if is_used and not settings.read(configured, "userid_hmac_secret"):
        logs.logger.warning(
            "userid_hmac_secret is empty: who reads the ids of users can guess their passwords."
        )


def _warn_of_pages_within_networks(registry: Any) -> None:
    """Tell that a browser lends its address to any page, where an address is who one is (S-16.7).

    Without credentials, which pages of other sites are not allowed to send, it sends no password,
    cookie or certificate; its address goes along with every request.
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
    """Tell which declared indexes the storage lacks (E-10.2)."""
    backend = getattr(registry, "storage", None)
    if not isinstance(backend, storage.StorageBase):
        # None, or what a test has put in its place.
        return
    try:
        missing = backend.missing_indexes()
    except BackendError:
        # Down, or without schema yet: no reason not to start.
        return
    if missing:
        logs.logger.warning(
            "Declared indexes are missing, which `cliquet migrate` makes.", indexes=missing
        )


def _warn_of_two_transactions(registry: Any) -> None:
    """Tell that records and permissions are not committed at one instant, where they are not."""
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
    """Whether two backends take part in one transaction; assumed of those of other origins."""
    if not all(map(backends.is_built_in, (records, permissions))):
        return True
    if all(map(backends.is_in_memory, (records, permissions))):
        return True
    # Backends on one database have one client; those in Redis commit each by itself.
    client = getattr(records, "client", None)
    return client is not None and client is getattr(permissions, "client", None)
