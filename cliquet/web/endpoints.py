"""The views of services without the layers that Pyramid puts around each view.

Pyramid wraps a view into one function for each property that a view may have: permission, renderer,
decorator, and so on. Most of them do nothing for the endpoints of a service. Here one function does
what is left: negotiation, permission, the view with its validators, response. Where an application
takes part, by a deriver, a view mapper, an option or a setting, the layers of Pyramid stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid import viewderivers
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IDefaultCSRFOptions, IViewDerivers, IViewMapperFactory
from pyramid.request import Request
from pyramid.viewderivers import INGRESS

from cliquet.web import registrations, rendering
from cliquet.web.negotiation import Negotiation

__all__ = ["includeme", "mark"]

View = Callable[[Any, Request], Any]

_IS_ENDPOINT = "_cliquet_endpoint"
# With one of these options, a layer of Pyramid has something to do.
_OPTIONS_WITH_WORK = ("attr", "decorator", "http_cache", "mapper", "require_csrf", "wrapper")


def includeme(config: Configurator) -> None:
    """Add content negotiation and compiled endpoints to the views of an application."""
    # Negotiation comes before the permission check: a request that cannot be served is refused for
    # that reason, whoever sends it (H-6.2).
    config.add_view_deriver(
        negotiated_view, name="negotiated_view", under=INGRESS, over="secured_view"
    )
    config.add_view_deriver(
        compiled_view, name="compiled_view", under=INGRESS, over="negotiated_view"
    )


def mark(view: Any) -> None:
    """Say of a view that it is one of a service, which takes the request alone."""
    setattr(view, _IS_ENDPOINT, True)


def negotiated_view(view: View, info: Any) -> View:
    """Refuse requests whose ``Accept`` or ``Content-Type`` the view does not support (H-6.3).

    This is a view deriver of Pyramid. Its option ``negotiation`` has the arguments of
    :class:`~cliquet.web.negotiation.Negotiation`.
    """
    negotiation = Negotiation(*info.options.get("negotiation") or ())
    if not negotiation.restricts:
        return view

    def negotiated(context: Any, request: Request) -> Any:
        negotiation.judge(request)
        return view(context, request)

    return negotiated


negotiated_view.options = ("negotiation",)  # type: ignore[attr-defined]  # Pyramid's protocol


def compiled_view(view: View, info: Any) -> View:
    """Do in one function what all layers of Pyramid do for an endpoint, if only they take part.

    This is a view deriver of Pyramid, around all others of the library.
    """
    if not _can_be_compiled(info):
        return view
    negotiation = Negotiation(*info.options.get("negotiation") or ())
    judge = negotiation.judge if negotiation.restricts else None
    # Pyramid gives this attribute to views that need a permission.
    permitted = getattr(view, "__permitted__", None)
    endpoint = info.original_view
    respond = rendering.response_of

    def compiled(context: Any, request: Request) -> Any:
        if judge is not None:
            judge(request)
        if permitted is not None:
            result = permitted(context, request)
            if not result:
                message = f"Unauthorized: {endpoint.__name__} failed permission check"
                raise HTTPForbidden(message, result=result)
        return respond(endpoint(request), request, info)

    return compiled


# The layers for which the function above stands.
_KNOWN_DERIVERS = frozenset(
    (
        compiled_view,
        negotiated_view,
        viewderivers.csrf_view,
        viewderivers.decorated_view,
        viewderivers.http_cached_view,
        viewderivers.mapped_view,
        viewderivers.owrapped_view,
        viewderivers.rendered_view,
        viewderivers.secured_view,
    )
)


def _can_be_compiled(info: Any) -> bool:
    registry, options = info.registry, info.options
    renderer = options.get("renderer")
    return (
        getattr(info.original_view, _IS_ENDPOINT, False)
        and registrations.are_endpoints_compiled(registry)
        and all(options.get(name) is None for name in _OPTIONS_WITH_WORK)
        and getattr(renderer, "name", None) == "json"
        and not info.exception_only
        and not info.settings.get("debug_authorization")
        and registry.queryUtility(IViewMapperFactory) is None
        and registry.queryUtility(IDefaultCSRFOptions) is None
        # An application may also replace a layer by one of the same name.
        and _KNOWN_DERIVERS.issuperset(registry.getUtility(IViewDerivers).values())
    )
