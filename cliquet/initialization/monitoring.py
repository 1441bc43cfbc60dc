"""The step for logs, with one line for each request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from pyramid.config import Configurator
from pyramid.events import NewRequest, NewResponse
from pyramid.request import Request
from pyramid.response import Response

from cliquet import settings
from cliquet.core.announcing import told_once
from cliquet.initialization import references
from cliquet.monitoring import field_bounds, logs, moments, request_facts
from cliquet.monitoring.entries import Renderer
from cliquet.monitoring.json_lines import JSONLogRenderer
from cliquet.monitoring.renderers import ClassicLogRenderer, MozillaHekaRenderer
from cliquet.transactions import tweens
from cliquet.types import ReadOnlySettings
from cliquet.web import answering, response_headers, wire

__all__ = ["log_context_tween_factory", "setup_logging"]

_RENDERERS: Final[Mapping[Any, Callable[[ReadOnlySettings], Renderer]]] = {
    "classic": ClassicLogRenderer,
    "heka": MozillaHekaRenderer,
    "json": JSONLogRenderer,
}


def setup_logging(config: Configurator) -> None:
    """Write log lines with the configured renderer, and one line for each request (S-18)."""
    configured = config.get_settings()
    allowed = "classic, json, heka, or a class such as cliquet.logs.ClassicLogRenderer"
    renderer_class = _RENDERERS.get(settings.read(configured, "logging_renderer"))
    if renderer_class is None:
        renderer_class = references.resolve_callable(
            config, "logging_renderer", allowed=allowed, names=_RENDERERS
        )
    renderer = renderer_class(configured)
    config.registry.log_renderer = renderer
    config.registry.max_log_field_bytes = settings.read(configured, "max_log_field_bytes")
    config.add_request_method(_request_id, name="request_id", reify=True)
    config.add_tween(
        "cliquet.initialization.monitoring.log_context_tween_factory",
        over=(
            "cliquet.initialization.web.end_of_service_tween_factory",
            "cliquet.transactions.tweens.guard_tween_factory",
        ),
    )
    config.add_subscriber(_on_new_request, NewRequest)
    config.add_subscriber(_on_new_response, NewResponse)
    response_headers.add_value(config, "X-Request-Id", _told_id)


def log_context_tween_factory(
    handler: Callable[[Request], Response], registry: Any
) -> Callable[[Request], Response]:
    """Begin the log context of a request before anything can refuse it (S-18.4)."""

    def log_context_tween(request: Request) -> Response:
        _begin(request)
        return handler(request)

    return log_context_tween


def _begin(request: Request) -> None:
    """Begin the context of a request, which lasts until its summary or its failure."""
    is_subrequest = getattr(request, "parent", None) is not None
    if is_subrequest or hasattr(request, "_log_start"):
        return
    registry = request.registry
    token = logs.begin(
        request_fields=lambda: _request_fields(request),
        renderer=registry.log_renderer,
        max_field_bytes=registry.max_log_field_bytes,
    )
    attributes = request.__dict__
    if answering.ENDS_LOG in attributes:
        attributes[answering.ENDS_LOG] = token
    else:
        request.add_finished_callback(lambda request: logs.end(token))
    attributes["_log_start"] = time.perf_counter()


@told_once
def _on_new_request(event: NewRequest) -> None:
    # Tweens do not see the requests that an application sends to itself.
    if "_log_start" not in event.request.__dict__:
        _begin(event.request)


def _told_id(request: Request) -> str | None:
    """Return the id for the header of a response; those within a batch have none."""
    return None if getattr(request, "parent", None) is not None else request.request_id


@told_once
def _on_new_response(event: NewResponse) -> None:
    request, response = event.request, event.response
    if getattr(request, "parent", None) is not None or not logs.logger.writes(logging.INFO):
        # Nothing of the summary is computed in vain.
        return
    if tweens.is_tried_again(request):
        # Only the last attempt of a request has a summary.
        logs.logger.info("request.retry")
        return
    logs.logger.info(
        "request.summary",
        code=response.status_code,
        t=request_facts.elapsed_ms(request),
        **_time_for(request.registry.log_renderer),
    )


def _time_for(renderer: Renderer) -> dict[str, str]:
    """Return the field with the local time, unless the lines of the renderer have their own."""
    return {} if getattr(renderer, "has_time", False) else {"time": moments.local_now()}


def _request_id(request: Request) -> str:
    # It is kept in the WSGI environment, which all attempts of a request share.
    key = "cliquet.request_id"
    environ = request.environ
    known: str | None = environ.get(key)
    if known is None:
        known = environ[key] = logs.request_id(environ.get("HTTP_X_REQUEST_ID"))
    return known


def _request_fields(request: Request) -> dict[str, Any]:
    """Return the fields that every line of a request has (S-18.3)."""
    # The fields show the URL in the form that views read, even if no view is called (410).
    wire.normalize(request.environ)
    environ = request.environ
    limit = request.registry.max_log_field_bytes
    return {
        "agent": environ.get("HTTP_USER_AGENT"),
        "path": _path(request, limit),
        "method": environ.get("REQUEST_METHOD", "GET"),
        "querystring": _querystring(request, limit) if environ.get("QUERY_STRING") else {},
        "lang": environ.get("HTTP_ACCEPT_LANGUAGE"),
        "request_id": request.request_id,
        "uid": None,
        "authn_type": None,
        "errno": None,
    }


# A path without characters that WebOb escapes.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~:@&+$,-]*")


def _path(request: Request, limit: int | None) -> str:
    raw: str = request.environ.get("PATH_INFO", "")
    whole: str = request.environ.get("SCRIPT_NAME", "") + raw
    if _PLAIN_PATH.fullmatch(whole) and (limit is None or len(whole) <= limit):
        return whole
    if limit is not None and len(raw) > limit:
        # It is cut first, because escaping the whole text costs about a hundred times its length.
        return wire.escaped(raw[: limit + 1].encode("latin-1"))
    try:
        path: str = request.path
    except UnicodeDecodeError:
        # The request is refused with 400, and is logged with this path.
        path = raw
    return path


def _querystring(request: Request, limit: int | None) -> dict[str, str]:
    """Return the parameters of a URL, or those in its first `limit` bytes."""
    raw: str = request.environ.get("QUERY_STRING", "")
    if limit is not None and len(raw) > limit:
        pairs = parse_qsl(raw[:limit], keep_blank_values=True)
        return {**dict(pairs), field_bounds.CUT: field_bounds.CUT}
    if raw.isascii() and "%" not in raw and "+" not in raw:
        # Without escapes, there is nothing to do but to cut.
        cut = [parameter.partition("=") for parameter in raw.split("&") if parameter]
        return {name: value for name, _, value in cut}
    try:
        # It uses the pairs, because a lookup by name goes through all of them.
        return dict(request.GET.items())
    except UnicodeDecodeError:
        return {}
