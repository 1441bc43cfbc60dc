"""Brings requests into one form that all readers understand in the same way.

The parsers in use differ from the standards in a few rules. The corrections are made here, in the
WSGI environment, so that views, Cornice, Pyramid and applications all read the same. The module
knows nothing of the purpose of a request.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from webob.acceptparse import Accept

from cliquet import utils

__all__ = [
    "PATH_SAFE",
    "decode_headers",
    "escaped",
    "media_type",
    "normalize",
    "on_the_wire",
]

Environ = dict[str, Any]

PATH_SAFE: Final = "/:@!$&'()*+,;=~"
"""Characters that need no escape in a path, besides letters, digits and ``-._`` (RFC 3986 3.3)."""

# The parameter of a media range that is not its weight (RFC 9110 12.5.1).
_RANGE_PARAMETER = re.compile(r";[ \t]*(?![qQ][ \t]*=)")


def escaped(path: str | bytes) -> str:
    """Return a path in its escaped form for a URL."""
    return quote(path, safe=PATH_SAFE)


def media_type(value: str) -> str:
    """Return the media type of a ``Content-Type``, in lower case and without its parameters.

    Upper and lower case do not matter, and there may be white space before a parameter (RFC 9110
    8.3.1, 5.6.6).
    """
    return value.partition(";")[0].strip().lower()


def normalize(environ: Environ) -> None:
    """Rewrite, in place, parts that some parser reads in the wrong way. It is idempotent.

    * A ``;`` in a query string is a character of its parameter in the URL standard, but WebOb
    separates
      parameters there too.
    * The media type of a body gets lower case, and no space before its parameters, because Cornice
    and
      WebOb compare texts.
    * A media range with parameters is repeated without them in ``Accept``: the types that the
    service
      offers have none, and therefore match any (RFC 8259 11: JSON defines none). An offer with
      parameters is compared as before, because the more specific range comes first.
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
        # The header is not a list of ranges, and then admits everything.
        return accept
    added: dict[str, float] = {}
    named = {name for name, _, has_parameters in ranges if not has_parameters}
    for name, weight, has_parameters in ranges:
        if has_parameters and name not in named:
            added[name] = max(weight, added.get(name, 0))
    return ", ".join([accept, *(f"{name};q={weight:g}" for name, weight in added.items())])


def decode_headers(environ: Environ) -> None:
    """Turn headers that an application gave as bytes into text, in place.

    A server gives text (PEP 3333), and readers of headers expect that. Only a request that an
    application has made can have other values.
    """
    for name, value in environ.items():
        if type(value) is bytes and (name.startswith("HTTP_") or name == "CONTENT_TYPE"):
            environ[name] = on_the_wire(value)


def on_the_wire(value: Any) -> Any:
    """Return the value of a header in the form that a server would have given."""
    text = utils.encode_header(value)
    if isinstance(text, str) and not text.isascii():
        # WSGI gives bytes as latin-1 text (PEP 3333), and parsers of headers rely on that.
        return text.encode().decode("latin-1")
    return text
