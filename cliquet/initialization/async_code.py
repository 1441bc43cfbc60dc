"""Refuses code that Pyramid would call within a request, and that nothing would await.

Pyramid calls an ``async`` subscriber, gets an object that has done nothing yet, and drops it: no
request fails, and no effect comes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import IViewDerivers, IViewMapperFactory

from cliquet.core.mistakes import is_async, place_of

__all__ = ["refuse_async_code"]

_PACKAGES: Final = ("cliquet", "cornice", "pyramid")


def refuse_async_code(registry: Any) -> None:
    """Refuse ``async`` subscribers and views.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : there is one; the message names its file and line.
    """
    introspector = getattr(registry, "introspector", None)
    if introspector is None:
        # The application has switched it off.
        return
    for kind, allowed, found in (*_subscribers(introspector), *_views(introspector, registry)):
        if is_async(found):
            name = getattr(found, "__qualname__", None) or type(found).__qualname__
            code = found if inspect.isroutine(found) else type(found).__call__
            raise ConfigurationError(
                f"{place_of(code)}: the {kind} {name} is async, and nothing would await it; "
                f"allowed: {allowed}."
            )


def _subscribers(introspector: Any) -> Iterator[tuple[str, str, Any]]:
    for one in introspector.get_category("subscribers", ()):
        yield "subscriber", "a function with def", one["introspectable"]["subscriber"]


def _views(introspector: Any, registry: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the plain views of Pyramid that nothing of the application could await."""
    derivers = registry.queryUtility(IViewDerivers)
    awaits = [
        deriver
        for _, deriver in (derivers.sorted() if derivers is not None else ())
        if getattr(deriver, "__module__", "").partition(".")[0] not in _PACKAGES
    ]
    if awaits or registry.adapters.lookupAll((), IViewMapperFactory):
        return
    for one in introspector.get_category("views", ()):
        view = one["introspectable"]
        found, attribute = view["callable"], view["attr"]
        if view["mapper"] or view["decorator"] or hasattr(found, "__view_mapper__"):
            continue
        if inspect.isclass(found):
            found = getattr(found, attribute or "__call__", None)
        elif attribute:
            found = getattr(found, attribute, None)
        if getattr(found, "__module__", "").partition(".")[0] not in _PACKAGES:
            yield "view", "a function with def", found
