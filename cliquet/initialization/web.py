"""The steps for all requests and responses: data, JSON, URLs, headers, deprecation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.httpexceptions import HTTPGone
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import errors, settings, utils
from cliquet.core.announcing import told_once
from cliquet.resource import headers
from cliquet.security import authentication
from cliquet.web import rendering, response_headers, urls

__all__ = [
    "end_of_service_tween_factory",
    "provide_needs",
    "setup_backoff",
    "setup_deprecation",
    "setup_json_serializer",
    "setup_request_bound_data",
    "setup_requests_scheme",
    "setup_vary_headers",
    "setup_version_redirection",
]


def provide_needs(config: Configurator) -> None:
    """Register everything that the library needs, whichever steps an application has.

    It must be included, so that the registrations of a step or of the application win.
    """
    config.registry.route_prefix = _route_prefix(config)
    setup_request_bound_data(config)
    config.add_request_method(authentication.effective_principals, property=True)


def setup_request_bound_data(config: Configurator) -> None:
    """Give requests ``bound_data``, a dictionary that sub-requests share."""

    def bound_data(request: Request) -> dict[str, Any]:
        parent = getattr(request, "parent", None)
        return {} if parent is None else parent.bound_data

    config.add_request_method(bound_data, reify=True)


def _route_prefix(config: Configurator) -> str:
    # A test may include the library without a prefix.
    version = str(settings.read(config.get_settings(), "http_api_version"))
    return config.route_prefix or f"v{version.split('.')[0]}"


def setup_json_serializer(config: Configurator) -> None:
    """Render the results of views with :mod:`cliquet.core.jsonio`."""
    config.add_renderer("json", rendering.json_renderer)


def setup_requests_scheme(config: Configurator) -> None:
    """Set the scheme and the host of every request, if the settings have them."""
    scheme = settings.read(config.get_settings(), "http_scheme")
    host = settings.read(config.get_settings(), "http_host")
    if not scheme and not host:
        return

    @told_once
    def on_new_request(event: NewRequest) -> None:
        if scheme:
            event.request.scheme = scheme
        if host:
            event.request.host = host

    config.add_subscriber(on_new_request, NewRequest)


def setup_vary_headers(config: Configurator) -> None:
    """Set ``Vary`` on every response, so that caches do not mix users."""
    names = tuple(settings.read(config.get_settings(), "vary"))
    response_headers.add_part(config, response_headers.vary_of(names))


def setup_backoff(config: Configurator) -> None:
    """Add ``Backoff`` to all responses, which asks clients to come less often."""
    response_headers.add_part(config, response_headers.backoff)


def setup_version_redirection(config: Configurator) -> None:
    """Redirect URLs without a version prefix to the current version."""
    configured = config.get_settings()
    route_prefix = config.route_prefix
    config.registry.route_prefix = prefix = _route_prefix(config)
    if not settings.read(configured, "version_prefix_redirect_enabled"):
        return

    def redirect_to_version(request: Request) -> Response:
        return urls.redirection(request, urls.path_with_version(request))

    config.route_prefix = None
    # The prefix may come from a project version that is not a number (such as "hidden").
    own_segment = rf"{re.escape(prefix)}(?:/|\Z)"
    config.add_route(urls.REDIRECT_ROUTE, rf"/{{path:(?!v[0-9]+|{own_segment})(?s:.*)}}")
    config.add_view(
        redirect_to_version,
        route_name=urls.REDIRECT_ROUTE,
        permission=NO_PERMISSION_REQUIRED,
        require_csrf=False,
    )
    config.route_prefix = route_prefix


def setup_deprecation(config: Configurator) -> None:
    """Announce, then enforce, the end of the service."""
    config.add_tween(
        "cliquet.initialization.web.end_of_service_tween_factory",
        over="cliquet.transactions.tweens.guard_tween_factory",
    )


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
        # These are for libraries that know the standards (RFC 8594, RFC 9745), and not for users.
        response.headers["Sunset"] = headers.http_date(int(end.timestamp() * 1000))
        response.headers["Deprecation"] = f"@{int(end.timestamp())}"
        # It is the only alert, and replaces that of a deprecated parameter (H-28.5).
        response.headers["Alert"] = errors.alert_header(
            configured,
            message=settings.read(configured, "eos_message"),
            url=settings.read(configured, "eos_url"),
            code=code,
        )
        return response

    return end_of_service_tween
