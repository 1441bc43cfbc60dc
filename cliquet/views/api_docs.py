"""The page that shows the description of the API to people, with all that it needs.

It is only scanned if the setting ``api_docs_enabled`` is on.
"""

from __future__ import annotations

from typing import Final

from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.views.packaged_files import PackagedPage
from cliquet.web.service import Service

__all__ = ["assets", "docs"]

docs = Service(
    name="api-docs",
    path="/__docs__",
    description="Documentation of the API",
    gives_way=True,
    cors_enabled=False,
)
assets = Service(
    name="api-docs-assets",
    path="/__docs__/{name}",
    description="Files of the documentation of the API",
    gives_way=True,
    cors_enabled=False,
)

_TYPES: Final = {
    "docs.html": "text/html; charset=UTF-8",
    "docs.css": "text/css; charset=UTF-8",
    "docs.js": "text/javascript; charset=UTF-8",
    "swagger-ui-bundle.js": "text/javascript; charset=UTF-8",
    "swagger-ui.css": "text/css; charset=UTF-8",
    "LICENSE": "text/plain; charset=UTF-8",
    "NOTICE": "text/plain; charset=UTF-8",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=UTF-8",
}
# The page runs the files of the service, and asks the service alone. The pictures of the style
# sheet are in it. A page of another site cannot have it in a frame, and lure its user to click.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE: Final = PackagedPage("", "docs.html", _TYPES, _POLICY)


@docs.get(permission=NO_PERMISSION_REQUIRED)
def get_docs(request: Request) -> Response:
    """Answer with the page."""
    return _PAGE.answer(request)


@assets.get(permission=NO_PERMISSION_REQUIRED)
def get_asset(request: Request) -> Response:
    """Answer with a file of the page."""
    return _PAGE.answer_file(request)
