"""The endpoint that Prometheus reads, for services that have switched it on."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.web.service import Service

__all__ = ["PATH", "serve"]

PATH = "/__metrics__"


def serve(config: Configurator) -> None:
    """Answer ``GET /__metrics__``, and no other method.

    This is called before any other route is added, so that no redirection comes first.
    """
    config.add_tween(
        "cliquet.monitoring.prometheus.metrics_tween_factory",
        over=(
            "cliquet.initialization.monitoring.log_context_tween_factory",
            "cliquet.initialization.web.end_of_service_tween_factory",
            "cliquet.transactions.tweens.guard_tween_factory",
        ),
    )
    # Scripts of other sites must not read it.
    service = Service(name="metrics", path=PATH, description="Metrics", cors_enabled=False)
    service.add_view("GET", _metrics, permission=NO_PERMISSION_REQUIRED)
    route_prefix = config.route_prefix
    config.route_prefix = None
    config.add_cornice_service(service)
    config.route_prefix = route_prefix


def _metrics(request: Request) -> Response:
    body, content_type = request.registry.prometheus.exposition()
    response = Response(body)
    response.headers["Content-Type"] = content_type
    return response
