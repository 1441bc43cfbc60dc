"""The heartbeats: checks of the service for load balancers and for people on call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.threadlocal import RequestContext

from cliquet import settings
from cliquet.monitoring import logs
from cliquet.web.service import Service

__all__ = ["heartbeat", "lbheartbeat"]

heartbeat = Service(name="heartbeat", path="/__heartbeat__", description="Server health")

lbheartbeat = Service(name="lbheartbeat", path="/__lbheartbeat__", description="Web head health")


@heartbeat.get(permission=NO_PERMISSION_REQUIRED)
def get_heartbeat(request: Request) -> dict[str, Any]:
    """Run every check of ``registry.heartbeats``, in parallel and within a time limit.

    A check returns ``True``, ``False``, or ``None`` if it does not apply; a check that raises or is
    late has failed. The response is 503 if one has failed.
    """
    registry = request.registry
    timeout_seconds = settings.read(registry.settings, "heartbeat_timeout_seconds")
    # A running check serves all requests that come meanwhile. A check that hangs keeps its thread
    # and is not started again, because the number of threads would grow.
    running: dict[str, _Check] = registry.__dict__.setdefault("running_heartbeats", {})
    checks: dict[str, _Check] = {}
    for name, function in registry.heartbeats.items():
        check = running.get(name)
        if check is None or not check.is_alive():
            check = running[name] = _Check(name, function, request)
            check.start()
        checks[name] = check

    status: dict[str, Any] = {}
    for name, check in checks.items():
        check.join(max(0.0, check.started + timeout_seconds - monotonic()))
        if check.is_alive():
            logs.logger.error("Heartbeat is late", heartbeat=name, timeout=timeout_seconds)
            status[name] = False
        else:
            status[name] = check.result
    if not all(result or result is None for result in status.values()):
        request.response.status_code = 503
    return status


class _Check(threading.Thread):
    """One check of a heartbeat. It is a daemon, so that it cannot keep the process alive."""

    def __init__(self, name: str, function: Callable[[Request], Any], request: Request) -> None:
        super().__init__(name=f"heartbeat-{name}", daemon=True)
        self._heartbeat = name
        self._function = function
        self._request = request
        self.started = monotonic()
        self.result: Any = False

    def run(self) -> None:
        """Keep the result of the check; ``False`` if it raises."""
        # The check is outside of the transaction of the request, so that each check is undone by
        # itself.
        context = RequestContext(self._request)
        context.begin()
        with logs.using(getattr(self._request.registry, "log_renderer", None)):
            try:
                self.result = self._function(self._request)
            except Exception:
                logs.logger.exception("Heartbeat Error", heartbeat=self._heartbeat)
            finally:
                context.end()


@lbheartbeat.get(permission=NO_PERMISSION_REQUIRED)
def get_lbheartbeat(request: Request) -> dict[str, Any]:
    """Answer 200, whatever the state of the backends."""
    return {}
