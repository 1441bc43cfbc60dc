"""The page that shows the description of the API to people, with all that it needs.

It is only scanned if the setting ``api_docs_enabled`` is on.
"""

from __future__ import annotations

import functools
import gzip
from hashlib import sha256
from importlib import resources
from typing import Final, NamedTuple

from pyramid.httpexceptions import HTTPNotModified
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.views.errors import page_not_found
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

_PAGE: Final = "docs.html"
_TYPES: Final = {
    "docs.html": "text/html; charset=UTF-8",
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


class _File(NamedTuple):
    """A packaged file.

    Attributes
    ----------
    content, packed : the bytes, and the same with gzip.
    etag : the same as long as the content is.
    """

    content: bytes
    packed: bytes
    etag: str


@functools.cache
def _read(name: str) -> _File:
    """Return a file, which is read and packed once for a process."""
    content = (resources.files("cliquet.openapi") / "assets" / name).read_bytes()
    packed = gzip.compress(content, mtime=0)
    return _File(content, packed, sha256(content).hexdigest()[:32])


@docs.get(permission=NO_PERMISSION_REQUIRED)
def get_docs(request: Request) -> Response:
    """Answer with the page."""
    return _response(request, _PAGE)


@assets.get(permission=NO_PERMISSION_REQUIRED)
def get_asset(request: Request) -> Response:
    """Answer with a file of the page."""
    name = request.matchdict["name"]
    if name not in _TYPES or name == _PAGE:
        raise page_not_found(request)
    return _response(request, name)


def _response(request: Request, name: str) -> Response:
    file = _read(name)
    # A client that does not say what it can read may be unable to read anything packed.
    is_packed = "Accept-Encoding" in request.headers and bool(
        request.accept_encoding.acceptable_offers(["gzip"])
    )
    # A tag stands for one representation, and the packed one is another.
    etag = f"{file.etag}-gzip" if is_packed else file.etag
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "ETag": f'"{etag}"',
    }
    if "If-None-Match" in request.headers and etag in request.if_none_match:
        raise HTTPNotModified(headers=headers)
    headers["Content-Type"] = _TYPES[name]
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if is_packed else file.content, headers=headers)
