"""Spans of OpenTelemetry, inside of those that its instrumentation makes for requests."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from cliquet.monitoring.calls import Function, Observer

__all__ = ["active_observer"]


def active_observer() -> Observer | None:
    """Return an observer that makes a span of each call within a traced request.

    It is ``None`` if no instrumentation of OpenTelemetry is loaded; then nothing is imported.
    """
    # The package itself says nothing, because the driver of Redis imports it if it is installed.
    if "opentelemetry.instrumentation" not in sys.modules:
        return None
    trace: Any = importlib.import_module("opentelemetry.trace")
    # The tracer uses the provider that is set now or later.
    tracer = trace.get_tracer("cliquet")
    current_span = trace.get_current_span

    def observer(kind: str, owner: str, method: str, function: Function) -> Function:
        name = f"{kind}.{method or owner}"

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            # Heartbeats, scripts, and requests that are not sampled have no span.
            if not current_span().is_recording():
                return function(*args, **kwargs)
            # The span records exceptions that pass through it, and is then marked as an error.
            with tracer.start_as_current_span(name):
                return function(*args, **kwargs)

        return traced

    return observer
