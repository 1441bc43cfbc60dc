"""The end of the service, which is announced in advance, and after which all answers are 410."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPGone
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, settings, utils

__all__ = ["end_of_service_tween_factory"]


def end_of_service_tween_factory(
    handler: Callable[[Request], Response], registry: Any
) -> Callable[[Request], Response]:
    """Add ``Alert`` to every response until the setting ``eos``, then answer 410."""

    def end_of_service_tween(request: Request) -> Response:
        configured = request.registry.settings
        # It is read at each request, so that an operator may announce the end of a running service.
        if not configured.get("eos"):
            return handler(request)
        end = settings.read(configured, "eos")
        if end.timestamp() * 1000 > utils.msec_time():
            code, response = "soft-eol", handler(request)
        else:
            code, gone = "hard-eol", errors.ERRORS.SERVICE_DEPRECATED
            response = errors.http_error(HTTPGone(), errno=gone, message=gone.sentence)
        # It is the only alert, and replaces that of a deprecated parameter (H-28.5).
        response.headers["Alert"] = errors.alert_header(
            configured,
            message=settings.read(configured, "eos_message"),
            url=settings.read(configured, "eos_url"),
            code=code,
        )
        return response

    return end_of_service_tween
