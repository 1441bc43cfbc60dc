"""Spans of OpenTelemetry, within those that its instrumentation makes of requests (E-6.3)."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from cliquet.monitoring.calls import Function, Observer

__all__ = ["active_observer"]


def active_observer() -> Observer | None:
    """Return what makes a span of each call within a request that is traced.

    ``None`` when no instrumentation of OpenTelemetry is loaded; nothing is imported then.
    """
    # Not the package itself: the driver of Redis imports it wherever it is installed.
    if "opentelemetry.instrumentation" not in sys.modules:
        return None
    trace: Any = importlib.import_module("opentelemetry.trace")
    # Of whatever provider is set, now or later.
    tracer = trace.get_tracer("cliquet")
    current_span = trace.get_current_span

    def observer(kind: str, owner: str, method: str, function: Function) -> Function:
        name = f"{kind}.{method or owner}"

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            # Heartbeats, scripts, and requests that are not sampled have none.
            if not current_span().is_recording():
                return function(*args, **kwargs)
            # Exceptions that pass are recorded, and make it a span in error.
            with tracer.start_as_current_span(name):
                return function(*args, **kwargs)

        return traced

    return observer
