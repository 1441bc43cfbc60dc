"""The steps for metrics and traces, which observe backends, listeners and responses.

If none of them is on, responses are not counted, and nothing is wrapped but the permissions of a
service that clients synchronise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.interfaces import PHASE2_CONFIG, IAuthenticationPolicy, ISecurityPolicy
from pyramid_multiauth import MultiAuthSecurityPolicy

from cliquet import settings, statsd, utils
from cliquet.core.announcing import told_again
from cliquet.monitoring import prometheus, tracing
from cliquet.monitoring import statsd as statsd_metrics
from cliquet.monitoring.calls import (
    Function,
    Meter,
    Observer,
    observe,
    observe_object,
    timing_for,
)
from cliquet.resource.direct_changes import DirectChanges
from cliquet.transactions import tweens
from cliquet.views import metrics as prometheus_endpoint

__all__ = ["observe_backends", "observe_listener", "setup_prometheus", "setup_statsd"]


def setup_statsd(config: Configurator) -> statsd.Client | None:
    """Set ``registry.statsd`` to the client of the setting ``statsd_url``, or ``None``.

    Returns
    -------
    The client.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : ``statsd_url`` does not name a server, or the package
        ``statsd`` is not installed.
    """
    client = None
    if settings.read(config.get_settings(), "statsd_url"):
        client = statsd.load_from_config(config)
        config.add_subscriber(_count_for_statsd, NewResponse)
    config.registry.statsd = client
    return client


@told_again
def _count_for_statsd(event: NewResponse) -> None:
    request = event.request
    is_subrequest = getattr(request, "parent", None) is not None
    # A failed sub-request does not count as an operation (S-20.4).
    if is_subrequest and event.response.status_code >= 400:
        return
    if not tweens.is_tried_again(request):
        statsd_metrics.count_response(request)


def setup_prometheus(config: Configurator) -> None:
    """Set ``registry.prometheus`` and serve it, if ``prometheus_enabled`` is true (E-6.2).

    Raises
    ------
    pyramid.exceptions.ConfigurationError : Prometheus cannot work here.
    """
    if settings.read(config.get_settings(), "prometheus_enabled"):
        config.registry.prometheus = prometheus.Metrics()
        prometheus_endpoint.serve(config)
        config.add_subscriber(_count_for_prometheus, NewResponse)


@told_again
def _count_for_prometheus(event: NewResponse) -> None:
    # Only the last attempt of a request is counted.
    if not tweens.is_tried_again(event.request):
        event.request.registry.prometheus.count_response(event.request, event.response)


def _observers(registry: Any) -> list[Observer]:
    client = getattr(registry, "statsd", None)
    metrics = getattr(registry, "prometheus", None)
    meters: list[Meter] = []
    if client is not None:
        meters.append(statsd_metrics.CallMeter(client))
    if metrics is not None:
        meters.append(metrics)
    observers = [timing_for(meters)] if meters else []
    tracer = tracing.active_observer()
    # It is the outermost observer, so that its spans contain everything.
    return observers if tracer is None else [*observers, tracer]


def observe_listener(registry: Any, name: str, listener: Function) -> Function:
    """Return a listener whose calls are observed; the listener itself if there is no observer.

    Parameters
    ----------
    name : name in the settings.
    """
    observers = _observers(registry)
    if not observers:
        return listener
    observed = observe(listener, observers, kind="listeners", owner=name)

    # Pyramid examines the signature, so that it has one argument.
    def observed_listener(event: Any) -> None:
        observed(event)

    return observed_listener


def observe_backends(config: Configurator) -> None:
    """Observe the calls of the backends and of the authentication policies (S-20.3)."""
    registry = config.registry
    observers = _observers(registry)
    for kind in prometheus.COMPONENTS:
        backend = getattr(registry, kind, None)
        _watch_replica(registry, kind, backend)
        every = [*_tracking(registry, kind), *observers]
        if backend is None or not every:
            continue
        owner = utils.classname(backend)
        setattr(registry, kind, observe_object(backend, every, kind=kind, owner=owner))
        if hasattr(registry, "prometheus") and hasattr(backend, "pool_status"):
            registry.prometheus.watch_pool(kind, backend.pool_status)
    if getattr(registry, "statsd", None) is not None:
        # This happens after the policies are made, and before the first view needs them.
        config.action(None, _observe_policies, args=(registry,), order=PHASE2_CONFIG + 2)


def _watch_replica(registry: Any, kind: str, backend: Any) -> None:
    """Count what becomes of the reads that the replica of a backend could serve (E-22.9)."""
    replica, watch = (getattr(backend, name, None) for name in ("replica", "watch_replica"))
    if replica is None or watch is None:
        return
    client, metrics = (getattr(registry, name, None) for name in ("statsd", "prometheus"))
    counters: list[Callable[[str], None]] = []
    if client is not None:
        counters.append(statsd_metrics.replica_counter(client, kind))
    if metrics is not None:
        counters.append(metrics.watch_replica(kind, lambda: not replica.is_down))

    def tell(outcome: str) -> None:
        for count in counters:
            count(outcome)

    if counters:
        watch(tell)


def _tracking(registry: Any, kind: str) -> list[Observer]:
    """Return who records what the application takes away in a backend itself (E-12.3)."""
    is_wanted = kind == "permission" and settings.keeps_any_track(registry.settings)
    return [DirectChanges(registry).observer] if is_wanted else []


def _observe_policies(registry: Any) -> None:
    observers = [timing_for([statsd_metrics.CallMeter(registry.statsd)])]
    policy = registry.queryUtility(ISecurityPolicy)
    if isinstance(policy, MultiAuthSecurityPolicy):
        policies = policy._policies
        policies[:] = [
            observe_object(one, observers, kind="authentication", owner=_policy_name(one))
            for one in policies
        ]
        return
    # Pyramid makes a policy of its own around a policy of the old kind.
    former = registry.queryUtility(IAuthenticationPolicy)
    found, interface = (
        (policy, ISecurityPolicy) if former is None else (former, IAuthenticationPolicy)
    )
    if found is not None:
        owner = utils.classname(found)
        observed = observe_object(found, observers, kind="authentication", owner=owner)
        registry.registerUtility(observed, interface)


def _policy_name(policy: Any) -> str:
    name: str = policy._pyramid_multiauth_name
    return name
