"""The endpoint that describes the API of the service, in the form of OpenAPI."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from pyramid.httpexceptions import HTTPNotModified
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import errors
from cliquet.core import jsonio
from cliquet.core.lazy import LazyModule
from cliquet.web.service import Service

if TYPE_CHECKING:
    from cliquet import openapi as description
else:
    # It is loaded for the first request, as the document is made for it.
    description = LazyModule("cliquet.openapi")

__all__ = ["openapi"]

openapi = Service(
    name="api-description",
    path="/__api__",
    description="Description of the API",
    gives_way=True,
)


class _Description(NamedTuple):
    """A document as clients get it.

    Attributes
    ----------
    text : the JSON.
    etag : the same as long as the text is.
    """

    text: bytes
    etag: str


@openapi.get(permission=NO_PERMISSION_REQUIRED)
def get_openapi(request: Request) -> Response:
    """Answer with the document, which is made for the first request and then kept."""
    version = request.GET.get("version") or "3.1"
    versions = description.VERSIONS
    if version not in versions:
        wanted = f"version should be one of {', '.join(versions)}"
        errors.raise_invalid(request, "querystring", "version", wanted)
    known: dict[str, _Description] = request.registry.__dict__.setdefault("openapi", {})
    described = known.get(version)
    if described is None:
        # Two first requests at once make it twice, which does no harm.
        text = jsonio.dumps(description.as_document(request, version))
        described = known[version] = _Description(text, sha256(text).hexdigest()[:32])
    # It is the same for all users, and a new release of the service may change it at any time.
    headers = {"Cache-Control": "no-cache", "ETag": f'"{described.etag}"'}
    if described.etag in request.if_none_match and "If-None-Match" in request.headers:
        raise HTTPNotModified(headers=headers)
    return Response(described.text, headers={**headers, "Content-Type": errors.JSON_CONTENT_TYPE})
