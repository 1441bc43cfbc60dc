"""The URLs of the service: how they are written, and where one without version leads."""

from __future__ import annotations

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
    "path_with_other_slashes",
    "path_with_version",
    "redirection",
]

PATH_SAFE_ESCAPED: Final = wire.PATH_SAFE + "%"
"""What stays as it is in a path that is escaped already."""

QUERY_SAFE: Final = PATH_SAFE_ESCAPED.replace(";", "") + "?[]{}|^`\\"
"""What stays as it is in a query string; only ``&`` separates parameters."""

REDIRECT_ROUTE: Final = "redirect_to_version"
"""Name of the route of URLs without version (H-2.4)."""


def redirection(request: Request, path: str) -> HTTPTemporaryRedirect:
    """Return the redirection to another path of the same application (D-23, D-70).

    Parameters
    ----------
    path : not escaped, with a leading slash; the query string of the request is kept.
    """
    location = request.application_url + wire.escaped(path)
    if request.query_string:
        location += "?" + quote(request.query_string.encode("latin-1"), safe=QUERY_SAFE)
    return HTTPTemporaryRedirect(location)


def has_version(request: Request) -> bool:
    """Whether the path of a request begins with the version that the service has (H-2.8)."""
    prefix = f"/{request.registry.route_prefix}"
    return is_at(prefix, request.path_info)


def path_with_version(request: Request) -> str:
    """Return where a URL without version is redirected to (H-2.4)."""
    return f"/{request.registry.route_prefix}/{request.path_info[1:]}"


def path_with_other_slashes(request: Request) -> str | None:
    """Return where a URL that matches no route is redirected to, if anywhere (H-2.11, H-2.13)."""
    redirects = settings.read(request.registry.settings, "trailing_slash_redirect_enabled")
    path: str = request.path_info
    if not redirects or not has_version(request):
        return None
    if path == f"/{request.registry.route_prefix}":
        return f"{path}/"
    return path.rstrip("/") if path.endswith("/") else None


def escaped_path(request: Request) -> str:
    """Return the path of a request as in its URL, also one that is not UTF-8 (D-36)."""
    try:
        path: str = request.path
    except UnicodeDecodeError:
        # WSGI hands over bytes as latin-1 text (PEP 3333).
        return quote(request.environ.get("PATH_INFO", "").encode("latin-1"))
    return path


def mount(request: Request) -> str:
    """Return where the application is mounted, escaped; empty at the root of the site."""
    if "SCRIPT_NAME" not in request.environ:
        return ""
    # WSGI hands over bytes as latin-1 text (PEP 3333).
    return wire.escaped(request.environ["SCRIPT_NAME"].encode("latin-1"))


def is_at(prefix: str, path: str) -> bool:
    """Whether a path is another one, or below it."""
    return path == prefix or path.startswith(f"{prefix}/")
