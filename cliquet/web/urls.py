"""The URLs of the service: their escapes, and redirections to the right form of a URL."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from pyramid.httpexceptions import HTTPTemporaryRedirect
from pyramid.request import Request

from cliquet import settings
from cliquet.web import wire

__all__ = [
    "PATH_SAFE_ESCAPED",
    "QUERY_SAFE",
    "REDIRECT_ROUTE",
    "escaped_path",
    "has_version",
    "is_at",
    "mount",
    "of_fixed_route",
    "path_with_other_slashes",
    "path_with_version",
    "redirection",
    "without_query",
]

PATH_SAFE_ESCAPED: Final = wire.PATH_SAFE + "%"
"""Characters that stay as they are in a path that is already escaped."""

QUERY_SAFE: Final = PATH_SAFE_ESCAPED.replace(";", "") + "?[]{}|^`\\"
"""Characters that stay as they are in a query string; only ``&`` separates parameters."""

# Paths in which nothing is escaped.
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9/._~-]*")

REDIRECT_ROUTE: Final = "redirect_to_version"
"""Name of the route of URLs without a version."""


def redirection(request: Request, path: str) -> HTTPTemporaryRedirect:
    """Return the redirection to another path of the same application (D-23).

    Parameters
    ----------
    path : path that is not escaped, with a leading slash; the query string of the request is kept.
    """
    location = request.application_url + wire.escaped(path)
    if request.query_string:
        location += "?" + quote(request.query_string.encode("latin-1"), safe=QUERY_SAFE)
    return HTTPTemporaryRedirect(location)


def has_version(request: Request) -> bool:
    """Return whether the path of a request begins with the version of the service (H-2.8)."""
    prefix = f"/{request.registry.route_prefix}"
    return is_at(prefix, request.path_info)


def path_with_version(request: Request) -> str:
    """Return the path to which a URL without a version is redirected (H-2.4)."""
    return f"/{request.registry.route_prefix}/{request.path_info[1:]}"


def path_with_other_slashes(request: Request) -> str | None:
    """Return the path to which a URL without a route is redirected, if there is one (H-2.11)."""
    redirects = settings.read(request.registry.settings, "trailing_slash_redirect_enabled")
    path: str = request.path_info
    if not redirects or not has_version(request):
        return None
    if path == f"/{request.registry.route_prefix}":
        return f"{path}/"
    return path.rstrip("/") if path.endswith("/") else None


def escaped_path(request: Request) -> str:
    """Return the path of a request in the form of its URL, even if it is not UTF-8 (D-36)."""
    environ = request.environ
    # WSGI gives bytes as latin-1 text (PEP 3333).
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return wire.escaped(path.encode("latin-1"))


def mount(request: Request) -> str:
    """Return the escaped path where the application is mounted; empty at the root of the site."""
    if "SCRIPT_NAME" not in request.environ:
        return ""
    # WSGI gives bytes as latin-1 text (PEP 3333).
    return wire.escaped(request.environ["SCRIPT_NAME"].encode("latin-1"))


def of_fixed_route(request: Request, name: str) -> str:
    """Return the absolute URL of a route without variables, which is mostly the requested one."""
    route = request.matched_route
    if route is None or route.name != name or route.pregenerator or _is_mounted(request):
        url: str = request.route_url(name)
        return url
    # Pyramid looks for the route, for other hosts and for the mount point first.
    return f"{request.host_url}{route.generate({})}"


def without_query(request: Request) -> str:
    """Return the absolute URL of a request without its query string."""
    path: str = request.environ.get("PATH_INFO", "")
    if _is_mounted(request) or not _PLAIN_PATH.fullmatch(path):
        url: str = request.path_url
        return url
    return f"{request.host_url}{path}"


def _is_mounted(request: Request) -> bool:
    return bool(request.environ.get("SCRIPT_NAME"))


def is_at(prefix: str, path: str) -> bool:
    """Return whether a path is the prefix itself, or below it."""
    return path == prefix or path.startswith(f"{prefix}/")
