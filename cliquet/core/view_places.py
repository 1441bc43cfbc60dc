"""Which code of an application serves a request, in words for an error."""

from __future__ import annotations

from typing import Any

from cliquet import utils
from cliquet.core.mistakes import place_of

__all__ = ["view_of"]


def view_of(request: Any) -> str:
    """Return the file, the line and the name of the view that serves a request.

    Without a service, it is the name of the route, or the path.
    """
    service = utils.current_service(request)
    cls = getattr(service, "resource", None)
    for method, view, arguments in getattr(service, "definitions", ()):
        # A request for the headers alone is served by the view of GET.
        if method == request.method or (method == "GET" and request.method == "HEAD"):
            owner = cls or arguments.get("klass")
            function = getattr(owner, view, None) if isinstance(view, str) else view
            name = getattr(function, "__qualname__", str(view))
            if owner is not None and not name.startswith(f"{owner.__qualname__}."):
                name = f"{owner.__qualname__}.{getattr(function, '__name__', view)}"
            return f"{place_of(owner or function)}: {name}()"
    route = getattr(request, "matched_route", None)
    return f"the view of {getattr(route, 'name', None) or request.path!r}"
