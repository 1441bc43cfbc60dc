"""The page where people look at records and edit them: a client of the API that comes with it.

It is only scanned if the setting ``admin_enabled`` is on. Neither the page nor its files know
anything of the service: what a user sees and changes goes through the API, with their credentials.
"""

from __future__ import annotations

from typing import Final

from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.views.packaged_files import PackagedPage
from cliquet.web.service import Service

__all__ = ["admin", "assets"]

admin = Service(
    name="admin",
    path="/__admin__",
    description="Records, to look at and to edit",
    gives_way=True,
    cors_enabled=False,
)
assets = Service(
    name="admin-assets",
    path="/__admin__/{name}",
    description="Files of that page",
    gives_way=True,
    cors_enabled=False,
)

_MODULES: Final = (
    *("api", "app", "conflict", "description", "draft", "fields", "filters", "form", "hooks"),
    *("htm", "json", "list", "live", "permissions", "preact", "record", "router", "signin"),
    *("table", "ui"),
)
_TYPES: Final = {
    "admin.html": "text/html; charset=UTF-8",
    "admin.css": "text/css; charset=UTF-8",
    **{f"{name}.js": "text/javascript; charset=UTF-8" for name in _MODULES},
    "LICENSE-htm.txt": "text/plain; charset=UTF-8",
    "LICENSE-preact.txt": "text/plain; charset=UTF-8",
}
# The page runs the files of the service, and asks the service alone. No text can become code or
# markup (Trusted Types), whatever the records contain. No other page can have it in a frame.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_PAGE: Final = PackagedPage("admin/", "admin.html", _TYPES, _POLICY)


@admin.get(permission=NO_PERMISSION_REQUIRED)
def get_admin(request: Request) -> Response:
    """Answer with the page."""
    return _PAGE.answer(request)


@assets.get(permission=NO_PERMISSION_REQUIRED)
def get_asset(request: Request) -> Response:
    """Answer with a file of the page."""
    return _PAGE.answer_file(request)
