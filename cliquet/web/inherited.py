"""The WSGI environment of a request within another one, which inherits most of it.

WebOb makes an environment of a URL, and sets each header by several functions. But the environment
of the outer request already has its headers in the form of a server.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from webob.headers import EnvironHeaders, header2key

from cliquet import utils
from cliquet.web import urls, wire

__all__ = ["environ", "headers"]

# Without other characters, a text is the same with and without escapes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/_.~:@!$&'()*+,;=-]*")

# Variables of the environment that a request inherits: the sender, the place of the service, and
# the transaction are those of the outer request.
_INHERITED = (
    "REMOTE_ADDR",
    "REMOTE_USER",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "tm.active",
    "tm.manager",
)


def headers(request: Any) -> dict[str, Any]:
    """Return the variables of the environment that hold the headers of a request."""
    given = request.headers
    if type(given) is not EnvironHeaders:
        # The request is a mock of a test of the application.
        return {variable(name): _received(value) for name, value in given.items()}
    return {
        name: value if type(value) is str else _received(value)
        for name, value in given.environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }


def variable(header: Any) -> str:
    """Return the variable of the environment that holds a header (RFC 3875 4.1.18)."""
    name: str = utils.encode_header(header).upper()
    return header2key.get(name) or "HTTP_" + name.replace("-", "_")


def _received(value: Any) -> Any:
    # A plugin may have set bytes on the request.
    return wire.on_the_wire(value) if isinstance(value, bytes) else value


def environ(
    original: Any,
    *,
    method: str,
    path: str,
    query_string: str,
    own_headers: Mapping[Any, Any],
    body: bytes,
    content_type: str | None,
) -> dict[str, Any]:
    """Return the environment of a request within another one.

    Parameters
    ----------
    original : the outer request.
    path, query_string : parts of the URL, whose characters may be escaped or not.
    own_headers : replace the inherited ones of the same name in any case (H-25.14).
    content_type : replaces even these, if it is given.
    """
    scheme, _, host = original.host_url.partition("://")
    if ":" not in host:
        host += ":443" if scheme == "https" else ":80"
    name, _, port = host.partition(":")
    made = {
        "SCRIPT_NAME": "",
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "HTTP_HOST": host,
        "SERVER_PROTOCOL": "HTTP/1.0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers(original),
    }
    for header, value in own_headers.items():
        made[variable(header)] = wire.on_the_wire(value)
    if content_type is not None:
        made["CONTENT_TYPE"] = content_type
    # The body is not inherited, and its length never comes from the headers.
    made.pop("HTTP_TRANSFER_ENCODING", None)
    made["CONTENT_LENGTH"] = str(len(body))
    made["wsgi.input"] = io.BytesIO(body)
    made["webob.is_body_seekable"] = True
    made["REQUEST_METHOD"] = method
    made["PATH_INFO"] = _unescaped(path, urls.PATH_SAFE_ESCAPED)
    made["QUERY_STRING"] = (
        query_string
        if _PLAIN.fullmatch(query_string)
        else quote(query_string, safe=urls.QUERY_SAFE)
    )
    outer = original.environ
    for name in _INHERITED:
        if name in outer:
            made[name] = outer[name]
    for name in getattr(original.registry, "sender_environ_keys", ()):
        # A variable may also be a header, which the client could choose.
        made.pop(name, None)
        if name in outer:
            made[name] = outer[name]
    # The instrumentation of OpenTelemetry (0.66b1) would complain for each sub-request that its
    # tween was not called. Spans inside belong to that of the original request.
    made["opentelemetry-pyramid.tracing_enabled_key"] = False
    return made


def _unescaped(path: str, safe: str) -> str:
    """Return a path as WSGI gives it: bytes as latin-1 text (PEP 3333)."""
    if _PLAIN.fullmatch(path):
        return path
    return unquote_to_bytes(quote(path, safe=safe)).decode("latin-1")
