"""Is the service well? Checks for load balancers and for people on call."""

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
    """Run every check of ``registry.heartbeats``, in parallel and within a time limit (B-21.39).

    A check gives true, false, or none when it does not apply; one that raises or is late failed.
    The response is 503 when one failed (H-3.10).
    """
    registry = request.registry
    timeout_seconds = settings.read(registry.settings, "heartbeat_timeout_seconds")
    # A check that is under way serves all requests that ask meanwhile. One that hangs keeps its
    # thread: it is not started again, or threads would pile up.
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
    """One check of a heartbeat. A daemon: a hung backend must not keep the process alive."""

    def __init__(self, name: str, function: Callable[[Request], Any], request: Request) -> None:
        super().__init__(name=f"heartbeat-{name}", daemon=True)
        self._heartbeat = name
        self._function = function
        self._request = request
        self.started = monotonic()
        self.result: Any = False

    def run(self) -> None:
        """Keep what the check gives; false if it raises (P-34.21)."""
        # Outside the request's transaction: each check stands alone, and is undone alone.
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
    """Answer, whatever the state of the backends (H-3.14)."""
    return {}
