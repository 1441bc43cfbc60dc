"""The views of services without the layers that Pyramid puts around each view.

Pyramid wraps a view into one function for each property that a view may have: permission, renderer,
decorator, and so on. Most of them do nothing for the endpoints of a service. Here one function does
what is left: negotiation, permission, the view with its validators, response. Where an application
takes part, by a deriver, a view mapper, an option or a setting, the layers of Pyramid stay.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pyramid import viewderivers
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPNotAcceptable, HTTPUnsupportedMediaType
from pyramid.interfaces import IDefaultCSRFOptions, IViewDerivers, IViewMapperFactory
from pyramid.request import Request
from pyramid.viewderivers import INGRESS
from webob.acceptparse import create_accept_header

from cliquet import errors
from cliquet.web import registrations, rendering, streams

__all__ = [
    "Negotiation",
    "Repeat",
    "admits_any",
    "has_known_layers",
    "includeme",
    "mark",
    "repeat_of",
]

View = Callable[[Any, Request], Any]

Repeat = Callable[[Request], Any]
"""Answers a request once more, which has got another body; ``None`` if it does not succeed."""

_IS_ENDPOINT = "_cliquet_endpoint"
TARGET = "_cliquet_target"
"""The attribute of requests with the view of their service, and the object whose method it is."""
_REPEAT = "_cliquet_repeat"
# Few clients send more; a longer header is examined each time.
_MAX_KEPT_CHARACTERS = 300
# With one of these options, a layer of Pyramid has something to do.
_OPTIONS_WITH_WORK = ("attr", "decorator", "http_cache", "mapper", "require_csrf", "wrapper")


def includeme(config: Configurator) -> None:
    """Add content negotiation and compiled endpoints to the views of an application."""
    # Negotiation comes before the permission check: a request that cannot be served is refused for
    # that reason, and not because of its sender (H-6.2).
    config.add_view_deriver(
        negotiated_view, name="negotiated_view", under=INGRESS, over="secured_view"
    )
    config.add_view_deriver(
        compiled_view, name="compiled_view", under=INGRESS, over="negotiated_view"
    )


def mark(view: Any, repeat: Repeat | None = None) -> None:
    """Say of a view that it is one of a service, which takes the request alone.

    Parameters
    ----------
    repeat : what the view does again if nothing but the body is another one.
    """
    setattr(view, _IS_ENDPOINT, True)
    setattr(view, _REPEAT, repeat)


def repeat_of(request: Request) -> Repeat | None:
    """Return how a request is answered once more, if a compiled endpoint has answered it."""
    repeat: Repeat | None = request.__dict__.get(_REPEAT)
    return repeat


def negotiated_view(view: View, info: Any) -> View:
    """Refuse requests whose ``Accept`` or ``Content-Type`` the view does not support (H-6.3).

    This is a view deriver of Pyramid. Its option ``negotiation`` has the arguments of
    :class:`Negotiation`.
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
    policy, permission = _secured_by(view)
    endpoint = info.original_view
    repeat = getattr(endpoint, _REPEAT)
    respond = rendering.response_of

    def compiled(context: Any, request: Request) -> Any:
        if judge is not None:
            judge(request)
        if policy is not None:
            result = policy.permits(request, context, permission)
            if not result:
                message = f"Unauthorized: {endpoint.__name__} failed permission check"
                raise HTTPForbidden(message, result=result)
        attributes = request.__dict__
        attributes[rendering.IS_COMPILED] = True
        if repeat is not None:
            attributes[_REPEAT] = repeat
        return respond(endpoint(request), request, info)

    return compiled


def _secured_by(view: Any) -> tuple[Any, Any]:
    """Return the security policy that Pyramid asks for a view, and the permission of the view."""
    # Pyramid gives this attribute to views that need a permission.
    permitted = getattr(view, "__permitted__", None)
    if permitted is None:
        return None, None
    asked = inspect.getclosurevars(permitted).nonlocals
    return asked["policy"], asked["permission"]


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
        and registry.queryUtility(IDefaultCSRFOptions) is None
        and has_known_layers(registry)
    )


def has_known_layers(registry: Any) -> bool:
    """Return whether nobody has added a layer around views, or replaced one."""
    return (
        registry.queryUtility(IViewMapperFactory) is None
        # An application may replace a layer by one of the same name.
        and _KNOWN_DERIVERS.issuperset(registry.getUtility(IViewDerivers).values())
    )


def admits_any(accept: str, offers: tuple[str, ...]) -> bool:
    """Return whether a client accepts one of the offered media types.

    Parameters
    ----------
    accept : value of the header. If it is not a list of media ranges, it admits everything.
    """
    judge = _judged if len(accept) <= _MAX_KEPT_CHARACTERS else _judge
    return judge(accept, offers)


def _judge(accept: str, offers: tuple[str, ...]) -> bool:
    return bool(create_accept_header(accept).acceptable_offers(list(offers)))


# It keeps at most about 200 kB, because clients may send any texts.
_judged = functools.lru_cache(maxsize=256)(_judge)


class Negotiation:
    """The media types of an endpoint, which refuses all others (H-6.3).

    Parameters
    ----------
    accept : media types of responses; none of them for any. Cornice also has functions here, which
        do not count.
    content_types : media types of bodies, likewise.
    further : media types of bodies that the refusal does not name (X-27).
    """

    def __init__(
        self,
        accept: Sequence[object] = (),
        content_types: Sequence[object] = (),
        further: Sequence[str] = (),
    ) -> None:
        self._accept = tuple(value for value in accept if isinstance(value, str))
        self._content_types = [value.lower() for value in content_types if isinstance(value, str)]
        self._further = tuple(further)
        # The values of most clients need no parser.
        self._plain = {"*/*", *self._accept}
        self.restricts = bool(self._accept or self._content_types)

    def judge(self, request: Request) -> None:
        """Refuse a request whose ``Accept`` or ``Content-Type`` the endpoint does not support.

        Raises
        ------
        HTTPNotAcceptable, HTTPUnsupportedMediaType : the request is refused.
        """
        accept, content_types = self._accept, self._content_types
        # An empty header admits everything, like a missing one.
        asked = accept and request.environ.get("HTTP_ACCEPT", "").strip()
        is_refused = asked and asked not in self._plain and not admits_any(asked, accept)
        if is_refused and not streams.is_possible(request):
            why = streams.why_not(request)
            _refuse(request, "Accept", list(accept), HTTPNotAcceptable.code, why=why)
        # A body without a type is not JSON (D-1). A request without a body needs no type.
        if content_types:
            content_type = (request.content_type or "").lower()
            accepted = content_type in content_types or content_type in self._further
            if not accepted and (content_type or _has_body(request)):
                status = HTTPUnsupportedMediaType.code
                _refuse(request, "Content-Type", content_types, status, self._further)


def _has_body(request: Request) -> bool:
    return bool(request.content_length) or bool(request.is_body_readable and request.body)


def _refuse(
    request: Request,
    header: str,
    offers: list[str],
    status: int,
    further: tuple[str, ...] = (),
    why: str = "",
) -> None:
    request.errors.add("header", header, f"{header} header should be one of {offers}{why}")
    request.errors.status = status
    refusal = errors.json_error_handler(request)
    if further:
        # The header names the types that PATCH would have accepted (RFC 5789 3.1).
        refusal.headers["Accept-Patch"] = ", ".join((*offers, *further))
    raise refusal
