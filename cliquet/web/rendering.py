"""The renderer of JSON, and the response that it makes of the value of a view."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import IResponse
from pyramid.renderers import RendererHelper
from pyramid.request import Request
from pyramid.response import Response

from cliquet.core import jsonio
from cliquet.core.view_places import view_of
from cliquet.errors import JSON_CONTENT_TYPE
from cliquet.web import registrations, requests
from cliquet.web.plain_responses import PLAIN_CLASSES, new_response

__all__ = [
    "IS_COMPILED",
    "has_plain_response",
    "is_plain",
    "json_renderer",
    "response_of",
    "takes_json",
    "text_of",
    "with_json",
]

# What makes the response of a request that nobody has asked for it.
_MADE_RESPONSES = (registrations.PLAIN_RESPONSE, Request.response)
IS_COMPILED = "_cliquet_compiled"
"""The attribute of requests that a compiled endpoint answers."""

# A new body replaces these headers of a response.
_HEADERS_OF_BODY = ("content-type", "content-length", "content-md5")


def json_renderer(info: Any) -> Any:
    """Return the renderer of JSON (P-35.7), which is a factory of renderers of Pyramid."""

    def render(value: Any, system: dict[str, Any]) -> bytes:
        request = system.get("request")
        if request is not None:
            request.response.headers["Content-Type"] = JSON_CONTENT_TYPE
        return _remembered(request, value)

    return render


def takes_json(request: Request) -> bool:
    """Return whether a view may return a response of :func:`with_json` in place of its value.

    It may if nobody but the compiled endpoint would see the value.
    """
    attributes = request.__dict__
    known = request.registry.registrations
    known.bring_up_to_date()
    return (
        IS_COMPILED in attributes
        and "override_renderer" not in attributes
        and getattr(request, "parent", None) is None
        and known.renderer is json_renderer
    )


def has_plain_response(request: Request) -> bool:
    """Return whether the response of a request is, or will be, an object of Pyramid itself."""
    response = request.__dict__.get("response")
    if response is None:
        return getattr(type(request), "response", None) in _MADE_RESPONSES
    return response.__class__ in PLAIN_CLASSES


def with_json(request: Request, text: bytes) -> Response:
    """Return the response of a request, with a JSON text as its body."""
    return _filled(request.response, text)


def is_plain(registry: Any) -> bool:
    """Return whether the value of a view becomes JSON, and nobody looks at it or at its text."""
    return registrations.of(registry).renderer is json_renderer


def response_of(value: Any, request: Request, info: Any) -> Any:
    """Return the response with the JSON of the value of a view, as Pyramid would.

    Parameters
    ----------
    value : a dictionary, a response, or anything that the application makes a response of.
    info : what Pyramid tells view derivers of the view (``IViewDeriverInfo``).
    """
    registry = info.registry
    attributes = request.__dict__
    if value.__class__ is dict:
        known = registry.registrations
        known.bring_up_to_date()
        if known.renderer is json_renderer and "override_renderer" not in attributes:
            response = attributes.get("response")
            is_untouched = (
                response is None and getattr(type(request), "response", None) in _MADE_RESPONSES
            )
            if is_untouched or response.__class__ in PLAIN_CLASSES:
                # This is `_remembered`.
                text = text_of(request, value)
                if getattr(request, "parent", None) is not None:
                    requests.remember_rendered(request, value, text)
                if not is_untouched:
                    return _filled(response, text)
                headers = [
                    ("Content-Type", JSON_CONTENT_TYPE),
                    ("Content-Length", str(len(text))),
                ]
                # It is the response of the request for all code that comes later.
                attributes["response"] = response = new_response(headers, [text])
                return response
    elif value.__class__ in PLAIN_CLASSES:
        return value
    response = registry.queryAdapterOrSelf(value, IResponse)
    if response is not None:
        return response
    name = attributes.pop("override_renderer", info.options["renderer"].name)
    renderer = RendererHelper(name=name, package=info.package, registry=registry)
    view = attributes.pop("__view__", info.original_view)
    return renderer.render_view(request, value, view, attributes["context"])


def text_of(request: Any, value: Any) -> bytes:
    """Return the JSON text of the value of a view.

    Raises
    ------
    TypeError : the value has an object that JSON cannot hold.
    """
    try:
        return jsonio.dumps(value, default=jsonio.refuse_nameless)
    except jsonio.NamelessError as error:
        where = "A view" if request is None else view_of(request)
        raise TypeError(
            f"{where} returned {error}, which JSON cannot hold; allowed: dictionaries, lists, "
            "texts, numbers, dates, and objects with a text of their own."
        ) from None


def _remembered(request: Any, value: Any) -> bytes:
    text = text_of(request, value)
    if getattr(request, "parent", None) is not None:
        requests.remember_rendered(request, value, text)
    return text


def _filled(response: Response, text: bytes) -> Response:
    """Return a response with a JSON text instead of its body."""
    # The property would look for the header of the length, which is written below.
    response._app_iter = [text]
    headers = response._headerlist
    for item in tuple(headers):
        if item[0].lower() in _HEADERS_OF_BODY:
            headers.remove(item)
    headers += (("Content-Type", JSON_CONTENT_TYPE), ("Content-Length", str(len(text))))
    return response
