"""The root of the API, which describes the service, its capabilities and the user."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import settings
from cliquet.web import urls
from cliquet.web.service import Service

__all__ = ["PROTOCOL_VERSION", "hello"]

PROTOCOL_VERSION = "2"
"""Version of the protocol of every service."""

hello = Service(name="hello", path="/", description="Welcome")


@hello.get(permission=NO_PERMISSION_REQUIRED)
def get_hello(request: Request) -> dict[str, Any]:
    """Describe the service."""
    configured = request.registry.settings
    described = {
        "project_name": settings.read(configured, "project_name"),
        "project_version": settings.read(configured, "project_version"),
        "http_api_version": settings.read(configured, "http_api_version"),
        "project_docs": settings.read(configured, "project_docs"),
        "cliquet_protocol_version": PROTOCOL_VERSION,
        "url": urls.of_fixed_route(request, "hello"),
        "settings": _public_settings(request),
        "capabilities": request.registry.api_capabilities,
    }
    if configured.get("eos"):
        described["eos"] = configured["eos"]
    # This attribute authenticates the user; nothing else does so on a public endpoint.
    if request.authenticated_userid is not None:
        described["user"] = request.get_user_info()
    return described


def _public_settings(request: Request) -> dict[str, Any]:
    """Return the public settings under the names that the application chose."""
    configured = request.registry.settings
    # The environment changes the displayed name, but not the prefix.
    resolution = getattr(request.registry, "settings_resolution", None)
    project_name = getattr(resolution, "project_name", configured.get("project_name"))
    prefixes = ("cliquet.", f"{project_name}.")
    shown = {}
    for name in request.registry.public_settings:
        bare = name
        for prefix in prefixes:
            if name.startswith(prefix) and prefix != ".":
                bare = name[len(prefix) :]
                break
        # An unknown name is ignored and does not fail (S-23.22).
        if bare in configured:
            shown[name] = configured[bare]
    return shown
