"""What happens around the tweens of a request: callbacks, the event of the response, the end.

It does what the router of Pyramid does, and what Cornice adds to each request, in the same order.
The router asks four registries who wants to know of the response. Cornice adds two callbacks, of
which one has nothing to do for the services of the library, and the other adds a header.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cornice.errors import Errors
from cornice.pyramidhook import apply_filters, wrap_request
from pyramid.events import NewRequest, NewResponse
from pyramid.request import CallbackMethodsMixin, Request
from pyramid.response import Response
from pyramid.router import Router

from cliquet import utils
from cliquet.web import registrations

__all__ = [
    "ENDS_LOG",
    "GIVEN_BACK",
    "HAS_TWEENS",
    "IS_UNFILTERED",
    "Answering",
    "call_back",
    "give_attributes",
    "has_callbacks",
]

# It stands for the two callbacks of Cornice, until they would be called.
_IS_PREPARED = "_cliquet_prepared"
ENDS_LOG = "_cliquet_ends_log"
"""The attribute of requests for the context of their log, which ends with them.

It is there in requests that are answered here, and ``None`` until the context begins.
"""

HAS_TWEENS = "_cliquet_has_tweens"
"""The attribute of requests that says whether tweens are around them, such as for exceptions."""

GIVEN_BACK = "_cliquet_given_back"
"""The attribute of requests whose answer is, for good, this response that was raised."""

IS_UNFILTERED = "_cliquet_unfiltered"
"""The attribute of requests to views whose service wants no filters of Cornice."""

_NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
_NOT_VALIDATED: tuple[dict[str, Any], None] = ({}, None)
_Subscriber = Callable[[Any], Any]


class Answering:
    """Answers requests as ``Router.invoke_request``.

    Parameters
    ----------
    router : the router of the application.
    registry : registry of the application.
    """

    def __init__(self, router: Router, registry: Any) -> None:
        self._router = router
        self._registrations: registrations.Registrations = registry.registrations
        self._registrations.replace(wrap_request, prepare)

    def __call__(self, request: Request, _use_tweens: bool = True) -> Response:
        """Return the response of a request, or raise the error that no view has answered."""
        router = self._router
        answer = router.handle_request if _use_tweens else router.orig_handle_request
        attributes = request.__dict__
        attributes[ENDS_LOG] = None
        attributes[HAS_TWEENS] = _use_tweens
        try:
            response = answer(request)
            call_back(request, response)
            registered = self._registrations
            registered.bring_up_to_date()
            if registered.on_new_response:
                event = NewResponse(request, response)
                for subscriber in registered.on_new_response:
                    subscriber(event)
            return response
        finally:
            token = attributes.pop(ENDS_LOG, None)
            if token is not None:
                # This is `logs.end`.
                token.var.reset(token)
            if "finished_callbacks" in attributes or not _is_usual(request.__class__):
                router.finish_request(request)
            else:
                # That is all it does without callbacks, for which it would make a queue.
                attributes.pop("context", None)
            raised = attributes.get(GIVEN_BACK)
            if raised is not None:
                # It would keep the frames of all functions on the way to the view, and so the
                # request. The tweens and the callbacks have seen it.
                raised.__traceback__ = None


def prepare(event: NewRequest) -> None:
    """Give a request the attributes that Cornice gives it, and remember to call Cornice back."""
    request = event.request
    attributes = request.__dict__
    if "response_callbacks" in attributes or not _is_usual(request.__class__):
        # There are callbacks of others, which come first.
        wrap_request(event)
        return
    give_attributes(request)


def give_attributes(request: Request) -> None:
    """Give a request without callbacks the attributes that Cornice gives it."""
    attributes = request.__dict__
    attributes[_IS_PREPARED] = True
    own = _own_attributes(request.__class__)
    if "validated" not in own:
        attributes.setdefault("validated", {})
    if "errors" not in own and "errors" not in attributes:
        languages = request.registry.settings.get("available_languages")
        attributes["errors"] = Errors(localizer=request.localizer) if languages else Errors()
    if "info" not in own:
        attributes.setdefault("info", {})


def has_callbacks(request: Request) -> bool:
    """Return whether somebody else than Cornice wants to change the response of a request."""
    attributes = request.__dict__
    arguments, _ = attributes.get("cornice_args", _NOT_VALIDATED)
    return bool(
        attributes.get("response_callbacks")
        or arguments.get("filters")
        or not _is_usual(request.__class__)
    )


def call_back(request: Request, response: Response) -> None:
    """Call what wants to change the response of a request, in the order in which it was added."""
    attributes = request.__dict__
    if attributes.pop(_IS_PREPARED, False):
        if attributes.get(IS_UNFILTERED) is not True:
            _filter(request, response, attributes)
        headers = response.headerlist
        for name, _ in headers:
            if name.lower() == "x-content-type-options":
                break
        else:
            headers.append(_NO_SNIFFING)
    if attributes.get("response_callbacks") or not _is_usual(request.__class__):
        request._process_response_callbacks(response)


def _filter(request: Request, response: Response, attributes: dict[str, Any]) -> None:
    if attributes.get("matched_route") is not None:
        service = utils.current_service(request)
        if service is not None:
            arguments, _ = attributes.get("cornice_args", _NOT_VALIDATED)
            if arguments.get("filters") or service.cors_enabled:
                apply_filters(request, response)


@functools.lru_cache(maxsize=32)
def _own_attributes(cls: Any) -> frozenset[str]:
    """Return the attributes that Cornice gives to requests, and that a class of them has itself."""
    return frozenset(name for name in ("validated", "errors", "info") if hasattr(cls, name))


@functools.lru_cache(maxsize=32)
def _is_usual(cls: Any) -> bool:
    """Return whether requests of a class keep their callbacks as those of Pyramid do."""
    return all(
        getattr(cls, name, None) is getattr(CallbackMethodsMixin, name)
        for name in ("response_callbacks", "finished_callbacks")
    )
