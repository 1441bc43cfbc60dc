"""Content negotiation, which is decided once for each text of ``Accept``."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from pyramid.httpexceptions import HTTPNotAcceptable, HTTPUnsupportedMediaType
from pyramid.request import Request
from webob.acceptparse import create_accept_header

from cliquet import errors

__all__ = ["Negotiation", "admits_any"]

# Few clients send more; a longer header is examined each time.
_MAX_KEPT_CHARACTERS = 300


def admits_any(accept: str, offers: tuple[str, ...]) -> bool:
    """Return whether a client accepts one of the offered media types.

    Parameters
    ----------
    accept : value of the header. If it is not a list of media ranges, it admits everything.
    """
    judge = _judged if len(accept) <= _MAX_KEPT_CHARACTERS else _judge
    return judge(accept, offers)


def _judge(accept: str, offers: tuple[str, ...]) -> bool:
    return bool(create_accept_header(accept).acceptable_offers(list(offers)))


# It keeps at most about 200 kB, because clients may send any texts.
_judged = functools.lru_cache(maxsize=256)(_judge)


class Negotiation:
    """The media types of an endpoint, which refuses all others (H-6.3).

    Parameters
    ----------
    accept : media types of responses; none of them for any. Cornice also has functions here, which
        do not count.
    content_types : media types of bodies, likewise.
    further : media types of bodies that the refusal does not name (X-27).
    """

    def __init__(
        self,
        accept: Sequence[object] = (),
        content_types: Sequence[object] = (),
        further: Sequence[str] = (),
    ) -> None:
        self._accept = tuple(value for value in accept if isinstance(value, str))
        self._content_types = [value.lower() for value in content_types if isinstance(value, str)]
        self._further = tuple(further)
        # The values of most clients need no parser.
        self._plain = {"*/*", *self._accept}
        self.restricts = bool(self._accept or self._content_types)

    def judge(self, request: Request) -> None:
        """Refuse a request whose ``Accept`` or ``Content-Type`` the endpoint does not support.

        Raises
        ------
        HTTPNotAcceptable, HTTPUnsupportedMediaType : the request is refused.
        """
        accept, content_types = self._accept, self._content_types
        # An empty header admits everything, like a missing one.
        asked = accept and request.environ.get("HTTP_ACCEPT", "").strip()
        if asked and asked not in self._plain and not admits_any(asked, accept):
            _refuse(request, "Accept", list(accept), HTTPNotAcceptable.code)
        # A body without a type is not JSON (D-1). A request without a body needs no type.
        if content_types:
            content_type = (request.content_type or "").lower()
            accepted = content_type in content_types or content_type in self._further
            if not accepted and (content_type or _has_body(request)):
                status = HTTPUnsupportedMediaType.code
                _refuse(request, "Content-Type", content_types, status, self._further)


def _has_body(request: Request) -> bool:
    return bool(request.content_length) or bool(request.is_body_readable and request.body)


def _refuse(
    request: Request, header: str, offers: list[str], status: int, further: tuple[str, ...] = ()
) -> None:
    request.errors.add("header", header, f"{header} header should be one of {offers}")
    request.errors.status = status
    refusal = errors.json_error_handler(request)
    if further:
        # The header names the types that PATCH would have accepted (RFC 5789 3.1).
        refusal.headers["Accept-Patch"] = ", ".join((*offers, *further))
    raise refusal
