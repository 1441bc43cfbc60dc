"""What a client sent, in the one form that every reader of a request understands alike.

Owns the few rules of the wire on which the parsers in use disagree with the standards. It works on
the WSGI environment, so that views, Cornice, Pyramid and applications all read the same; it knows
nothing of what a request is for.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from webob.acceptparse import Accept

from cliquet import utils

__all__ = ["PATH_SAFE", "decode_headers", "escaped", "media_type", "normalize", "on_the_wire"]

Environ = dict[str, Any]

PATH_SAFE: Final = "/:@!$&'()*+,;=~"
"""What may stand in a path as it is, besides letters, digits and ``-._`` (RFC 3986 3.3)."""

# A parameter of a media range that is not its weight (RFC 9110 12.5.1).
_RANGE_PARAMETER = re.compile(r";[ \t]*(?![qQ][ \t]*=)")


def escaped(path: str | bytes) -> str:
    """Return a path as it stands in a URL."""
    return quote(path, safe=PATH_SAFE)


def media_type(value: str) -> str:
    """Return the media type of a ``Content-Type``, in lower case and without its parameters.

    Types are compared without regard to case, and white space may stand before a parameter
    (RFC 9110 8.3.1, 5.6.6).
    """
    return value.partition(";")[0].strip().lower()


def normalize(environ: Environ) -> None:
    """Rewrite, in place, what parsers read differently from what it means; idempotent.

    * A ``;`` in a query string is a character of its parameter, as the URL standard has it; WebOb
      separates parameters there too.
    * The media type of a body is in lower case, and its parameters follow at once, since Cornice
      and WebOb compare texts.
    * A media range with parameters also stands without them in ``Accept``: what the service offers
      has none, hence admits any (RFC 8259 11: JSON defines none). An offer that has some is
      compared as before, the more specific range first.
    """
    query_string = environ.get("QUERY_STRING")
    if query_string and ";" in query_string:
        environ["QUERY_STRING"] = query_string.replace(";", "%3B")
    content_type = environ.get("CONTENT_TYPE")
    if content_type and content_type != "application/json":
        bare, semicolon, parameters = content_type.partition(";")
        if bare != (name := media_type(bare)):
            environ["CONTENT_TYPE"] = f"{name}{semicolon}{parameters}"
    accept = environ.get("HTTP_ACCEPT")
    if accept and ";" in accept and _RANGE_PARAMETER.search(accept):
        environ["HTTP_ACCEPT"] = _with_bare_ranges(accept)


def _with_bare_ranges(accept: str) -> str:
    try:
        ranges = [
            (media_range.partition(";")[0].strip().lower(), weight, bool(parameters))
            for media_range, weight, parameters, _ in Accept.parse(accept)
        ]
    except ValueError:
        # Not a list of ranges: it admits everything.
        return accept
    added: dict[str, float] = {}
    named = {name for name, _, has_parameters in ranges if not has_parameters}
    for name, weight, has_parameters in ranges:
        if has_parameters and name not in named:
            added[name] = max(weight, added.get(name, 0))
    return ", ".join([accept, *(f"{name};q={weight:g}" for name, weight in added.items())])


def decode_headers(environ: Environ) -> None:
    """Make text of the headers that an application gave as bytes, in place.

    A server hands over text (PEP 3333), and that is what readers of headers expect. Only a request
    that an application made can have anything else.
    """
    for name, value in environ.items():
        if type(value) is bytes and (name.startswith("HTTP_") or name == "CONTENT_TYPE"):
            environ[name] = on_the_wire(value)


def on_the_wire(value: Any) -> Any:
    """Return the value of a header as a server would have handed it over."""
    text = utils.encode_header(value)
    if isinstance(text, str) and not text.isascii():
        # WSGI hands over bytes as latin-1 text (PEP 3333), and parsers of headers rely on it.
        return text.encode().decode("latin-1")
    return text
