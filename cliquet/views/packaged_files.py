"""Files of the package that views answer with: pages for people, and all that these load."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from typing import NamedTuple

from pyramid.httpexceptions import HTTPNotModified
from pyramid.request import Request
from pyramid.response import Response

from cliquet.views.errors import page_not_found

__all__ = ["PackagedPage"]


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
def _read(path: str) -> _File:
    """Return a file, which is read and packed once for a process."""
    content = (resources.files("cliquet.openapi") / "assets" / path).read_bytes()
    packed = gzip.compress(content, mtime=0)
    return _File(content, packed, sha256(content).hexdigest()[:32])


class PackagedPage(NamedTuple):
    """A page with the files that it loads; nothing else of its folder is served.

    Attributes
    ----------
    folder : where the files are, below ``cliquet/openapi/assets``, with ``/`` at its end unless it
        is that folder itself.
    page : name of the page.
    types : the media types of all files by their names, the one of the page included.
    policy : the value of ``Content-Security-Policy``.
    """

    folder: str
    page: str
    types: Mapping[str, str]
    policy: str

    def answer(self, request: Request) -> Response:
        """Return the response with the page."""
        return self._response(request, self.page)

    def answer_file(self, request: Request) -> Response:
        """Return the response with the file that the path names, or a 404."""
        name = request.matchdict["name"]
        if name not in self.types or name == self.page:
            raise page_not_found(request)
        return self._response(request, name)

    def _response(self, request: Request, name: str) -> Response:
        file = _read(self.folder + name)
        # A client that does not say what it can read may be unable to read anything packed.
        is_packed = "Accept-Encoding" in request.headers and bool(
            request.accept_encoding.acceptable_offers(["gzip"])
        )
        # A tag stands for one representation, and the packed one is another.
        etag = f"{file.etag}-gzip" if is_packed else file.etag
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": self.policy,
            "Referrer-Policy": "no-referrer",
            "ETag": f'"{etag}"',
        }
        if "If-None-Match" in request.headers and etag in request.if_none_match:
            raise HTTPNotModified(headers=headers)
        headers["Content-Type"] = self.types[name]
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(file.packed if is_packed else file.content, headers=headers)
