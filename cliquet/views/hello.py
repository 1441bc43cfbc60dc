"""The root of the API: what the service is, what it can do, and who asks."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import settings
from cliquet.web.service import Service

__all__ = ["PROTOCOL_VERSION", "hello"]

PROTOCOL_VERSION = "2"
"""Version of the protocol that every service speaks (H-3.1)."""

hello = Service(name="hello", path="/", description="Welcome")


@hello.get(permission=NO_PERMISSION_REQUIRED)
def get_hello(request: Request) -> dict[str, Any]:
    """Describe the service (H-3.1)."""
    configured = request.registry.settings
    described = {
        "project_name": settings.read(configured, "project_name"),
        "project_version": settings.read(configured, "project_version"),
        "http_api_version": settings.read(configured, "http_api_version"),
        "project_docs": settings.read(configured, "project_docs"),
        "cliquet_protocol_version": PROTOCOL_VERSION,
        "url": request.route_url("hello"),
        "settings": _public_settings(request),
        "capabilities": request.registry.api_capabilities,
    }
    if configured.get("eos"):
        described["eos"] = configured["eos"]
    # Asking who it is authenticates the user; nothing else does on a public endpoint (H-3.5).
    if request.authenticated_userid is not None:
        described["user"] = request.get_user_info()
    return described


def _public_settings(request: Request) -> dict[str, Any]:
    """Return the public settings under the names that the application chose (H-3.4)."""
    configured = request.registry.settings
    # The environment changes the name that is shown, not the prefix (S-1.9).
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
        # A name that does not exist is no reason to fail (S-23.22).
        if bare in configured:
            shown[name] = configured[bare]
    return shown
