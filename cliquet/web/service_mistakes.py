"""Mistakes in the views of services, found at the start, and the place of a service in reports."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import PHASE2_CONFIG, IViewDerivers

from cliquet.core.mistakes import did_you_mean, is_async, listed, place_of, why_not_callable

__all__ = ["ServicePlace", "check_options", "check_views", "claim_path", "placed"]

_HELPERS: Final = ("validators", "filters", "error_handler", "factory", "acl")
# The library gives these itself.
_INTERNAL: Final = {
    "self",
    "negotiation",
    "route_name",
    "request_method",
    "view",
    "name",
    "view_options",
}


class ServicePlace:
    """A service as Pyramid shows it in reports: file, line and name of its first view."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def __str__(self) -> str:
        for method, view, arguments in self.service.definitions:
            if method != "OPTIONS" or len(self.service.definitions) == 1:
                code = arguments.get("klass") or view
                return f"{place_of(code)}: service {self.service.name!r}"
        return f"service {self.service.name!r}"


@contextmanager
def placed(config: Configurator, service: Any) -> Iterator[None]:
    """Let all reports about what the block configures name the place of a service.

    A resource has set the place of its class before.
    """
    before = config.info
    if not hasattr(service, "resource"):
        config.info = ServicePlace(service)
    try:
        yield
    finally:
        config.info = before


def claim_path(config: Configurator, service: Any) -> None:
    """Let the report of a conflict name both services, if two have one name or one path.

    Only the first of them would ever be reached, and the other answer 405 or nothing. As with all
    parts of a Pyramid application, one of a plug-in gives way to one of the application.
    """
    routed_by_more = set(config.get_predlist("route").sorter.names) - {"accept", "traverse"}
    if service.pyramid_route or any(hasattr(service, name) for name in routed_by_more):
        # Other parts of the request may distinguish the two.
        return
    # The names of the variables make no difference.
    pattern = re.sub(r"\{\w+", "{", f"/{config.route_prefix or ''}{service.path}")
    before = config.info
    config.info = ServicePlace(service)
    # What has one name is told by that alone, because a report is of one order.
    config.action(f"two services have the name {service.name!r}", order=PHASE2_CONFIG - 1)
    config.action(f"two services have the path {pattern!r}", order=PHASE2_CONFIG)
    config.info = before


def check_views(service: Any) -> None:
    """Refuse views that the library cannot call.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : a view, a validator or a filter is ``async``, or the
        view does not take the request.
    """
    _refuse_async_helpers(service)
    if hasattr(service, "resource"):
        # The views of resources are judged with their other methods.
        return
    for method, view, arguments in service.definitions:
        klass = arguments.get("klass")
        # Cornice looks methods up when the service is declared.
        view = getattr(view, "unbound_view", view)
        if not inspect.isfunction(view):
            continue
        reason = why_not_callable(view, ("request",))
        if reason is not None:
            takes = "self" if klass is not None else "request"
            raise ConfigurationError(
                f"{place_of(view)}: service {service.name!r}: the view of {method}, "
                f"{view.__qualname__}, {reason}; allowed: {view.__name__}({takes})."
            )


def _refuse_async_helpers(service: Any) -> None:
    """Refuse what Cornice calls before and after a view, and would take the result of."""
    for _, _, arguments in service.definitions:
        for kind in _HELPERS:
            given = arguments.get(kind) or getattr(service, kind, None)
            for found in given if isinstance(given, (list, tuple)) else (given,):
                if is_async(found):
                    name = getattr(found, "__qualname__", repr(found))
                    raise ConfigurationError(
                        f"{place_of(found)}: service {service.name!r}: {name} of {kind} is async, "
                        "and nothing would await it; allowed: a function with def."
                    )


@functools.cache
def _of_views() -> frozenset[str]:
    """Return the arguments that every view of Pyramid may have."""
    return frozenset(inspect.signature(Configurator.add_view).parameters)


def check_options(config: Configurator, service: Any, arguments: Set[str]) -> None:
    """Refuse arguments of a service and of its views that nothing reads.

    It waits until the application has said which predicates and derivers it has.

    Parameters
    ----------
    arguments : those that the service itself reads.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : at the commit, there is such an argument.
    """

    given = {name for _, _, one in service.definitions for name in one}
    if given <= arguments | _of_views():
        return

    def check() -> None:
        derivers = config.registry.queryUtility(IViewDerivers)
        known = {
            *arguments,
            *_of_views(),
            *config.get_predlist("view").sorter.names,
            *config.get_predlist("route").sorter.names,
            *(name for _, one in derivers.sorted() for name in getattr(one, "options", ())),
        }
        for method, _, one in service.definitions:
            unknown = sorted(set(one) - known)
            if unknown:
                meant = did_you_mean(unknown[0], known) or "."
                raise ConfigurationError(
                    f"{ServicePlace(service)}: {method} has no argument {unknown[0]!r}; allowed: "
                    f"{listed(known - _INTERNAL)}{meant}"
                )

    config.action(None, check, order=PHASE2_CONFIG)
