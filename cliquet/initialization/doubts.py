"""What is allowed in a service, but is probably a mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyramid.interfaces import ISecurityPolicy

from cliquet import settings, storage
from cliquet.initialization import backends
from cliquet.initialization.doubtful_settings import find_doubtful
from cliquet.security.ip_policy import IPAuthenticationPolicy
from cliquet.settings.unknown import find_unknown, find_unknown_resources
from cliquet.settings.unread_variables import find_unread
from cliquet.storage.exceptions import BackendError
from cliquet.web import cors

__all__ = ["Doubt", "find_doubts"]

_BASIC_AUTH = "multiauth.policy.basicauth.use"


class Doubt(NamedTuple):
    """Something that is probably a mistake.

    Attributes
    ----------
    text : what it is, and what to do, in one or two sentences.
    fields : names and values for the log entry.
    """

    text: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        values = "; ".join(
            ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            for value in self.fields.values()
        )
        return f"{self.text} {values}".strip()


def find_doubts(registry: Any) -> Iterator[Doubt]:
    """Yield the doubts about an application that has been made."""
    yield from _doubtful_resources(registry)
    yield from _unknown_settings(registry)
    doubtful = [*find_doubtful(registry)]
    if doubtful:
        yield Doubt("Some settings are probably mistakes.", {"settings": doubtful})
    yield from _missing_secret(registry.settings)
    yield from _pages_within_networks(registry)
    yield from _unprepared(registry)
    yield from _two_transactions(registry)


def _doubtful_resources(registry: Any) -> Iterator[Doubt]:
    found = getattr(registry, "resource_doubts", [])
    if found:
        yield Doubt("Some code of resources is probably a mistake.", {"places": found})
    if not getattr(registry, "resource_names", ()) and not _has_own_service(registry):
        yield Doubt(
            "The service has no resource: scan the modules of its resources, as in"
            " config.scan('shop.views'), after cliquet.initialize().",
            {},
        )


def _has_own_service(registry: Any) -> bool:
    """Return whether the application or a plug-in has an endpoint that is no resource."""
    return any(
        not getattr(view, "__module__", "").startswith("cliquet.")
        for service in getattr(registry, "cornice_services", {}).values()
        for _, view, _ in service.definitions
    )


def _unknown_settings(registry: Any) -> Iterator[Doubt]:
    resolution = getattr(registry, "settings_resolution", None)
    found = [] if resolution is None else [str(one) for one in find_unknown(resolution)]
    resources = getattr(registry, "resource_names", ())
    if resolution is not None and resources:
        found += [
            f"{one.name} is a setting of the unknown resource {one.resource!r}"
            for one in find_unknown_resources(resolution, resources)
        ]
    if found:
        yield Doubt("Some settings are unknown.", {"settings": found})
    unread = [] if resolution is None else find_unread(resolution, os.environ)
    if unread:
        yield Doubt(
            "Some variables of the environment are not read.", {"variables": [*map(str, unread)]}
        )


def _missing_secret(configured: dict[str, Any]) -> Iterator[Doubt]:
    """Find that the built-in Basic Auth is used without a secret for the ids of users."""
    is_used = (
        "basicauth" in settings.read(configured, "multiauth.policies")
        and settings.read(configured, _BASIC_AUTH) == settings.SETTINGS[_BASIC_AUTH].default
    )
    if is_used and not settings.read(configured, "userid_hmac_secret"):
        yield Doubt(
            "userid_hmac_secret is empty: passwords can be guessed from the ids of users.", {}
        )


def _pages_within_networks(registry: Any) -> Iterator[Doubt]:
    """Find users that are recognised by their address, which a browser lends to any page (S-16.7).

    A page of another site may not send credentials: no password, cookie or certificate. But every
    request of the browser has its address.
    """
    policy = registry.queryUtility(ISecurityPolicy)
    names = {one._pyramid_multiauth_name: one for one in getattr(policy, "_policies", ())}
    trusting = [name for name, one in names.items() if isinstance(one, IPAuthenticationPolicy)]
    if trusting and cors.allows_any(registry.settings):
        yield Doubt(
            "Any web page that somebody within the networks of an IP policy visits can read and"
            " change what the policy grants them: name the sites that may in cors_origins.",
            {"policies": trusting},
        )


def _unprepared(registry: Any) -> Iterator[Doubt]:
    """Find what `cliquet migrate` has not yet done for the resources."""
    backend = getattr(registry, "storage", None)
    if not isinstance(backend, storage.StorageBase):
        # There is no storage, or a test has put another object in its place.
        return
    try:
        differing, missing = backend.differing_shards(), backend.missing_indexes()
        lacks_tables = bool(missing) and backend.lacks_tables()
    except BackendError:
        # The server is down, or has no schema yet. The service may start nevertheless.
        return
    if differing:
        yield Doubt(
            "Resources have another number of shards in the database, and are answered 503: stop"
            " the service, and run `cliquet migrate`.",
            {"resources": differing},
        )
    if lacks_tables:
        yield Doubt("The tables of the storage are missing, which `cliquet migrate` makes.", {})
    elif missing:
        yield Doubt(
            "Declared indexes are missing, which `cliquet migrate` makes.", {"indexes": missing}
        )


def _two_transactions(registry: Any) -> Iterator[Doubt]:
    """Find records and permissions that are not committed in the same transaction."""
    both = [getattr(registry, kind, None) for kind in ("storage", "permission")]
    if None in both or _commit_together(*both):
        return
    yield Doubt(
        "Records and permissions are not committed together: a crash in between leaves permissions"
        " without record, or records without owner. `cliquet check-permissions` finds them. There"
        " are none if both are in one database of PostgreSQL or SQLite.",
        {
            "storage": settings.read(registry.settings, "storage_backend"),
            "permission": settings.read(registry.settings, "permission_backend"),
        },
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
