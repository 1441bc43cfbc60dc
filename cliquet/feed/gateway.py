"""Calls a WSGI application for a request that an ASGI server has received.

Only requests without a body come this way.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from pyramid.response import Response

from cliquet.feed.answers import TAKEN_BY, Answer

__all__ = ["Outcome", "call", "environ_of", "head_of"]


class Outcome(NamedTuple):
    """What the application has made of a request.

    Attributes
    ----------
    response : the response; ``None`` if the client waits.
    answer : what it waits for.
    """

    response: Response | None
    answer: Answer | None


def environ_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333, ASGI HTTP 2.3)."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    path = scope.get("raw_path") or scope["path"].encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": str(client[0]),
        "CONTENT_LENGTH": "0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        # With an underscore, it could be mistaken for another one.
        if b"_" in name or name.lower() in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        between = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{between}{text}" if key in environ else text
    return environ


def call(application: Any, environ: dict[str, Any]) -> Outcome:
    """Return what an application makes of a request, without waiting for anything."""
    answers: list[Answer] = []
    environ[TAKEN_BY] = answers.append
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        heads[:] = [(status, list(headers))]

    body = application(environ, start_response)
    try:
        text = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    if answers:
        return Outcome(None, answers[0])
    ((status, headers),) = heads
    return Outcome(Response(status=status, headerlist=headers, app_iter=[text]), None)


def head_of(response: Response) -> dict[str, Any]:
    """Return the message that begins a response (ASGI ``http.response.start``)."""
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headerlist
        ],
    }
