"""Views that turn exceptions into the JSON errors of the protocol."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import Any

from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPException,
    HTTPForbidden,
    HTTPInternalServerError,
    HTTPMethodNotAllowed,
    HTTPNotFound,
    HTTPServiceUnavailable,
    HTTPUnauthorized,
)
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import forget
from pyramid.view import exception_view_config, forbidden_view_config, notfound_view_config
from pyramid_retry import is_error_retryable, mark_error_retryable

from cliquet import settings, utils
from cliquet.core.source_modules import tell_module_of
from cliquet.errors import ERRORS, has_json_body, http_error
from cliquet.monitoring import logs, request_facts
from cliquet.security import refused
from cliquet.security.principals import with_prefixed_userid
from cliquet.storage.exceptions import BackendError, TimeLimitError
from cliquet.web import given_back, urls

__all__ = [
    "authorization_required",
    "cors",
    "error",
    "method_not_allowed",
    "page_not_found",
    "service_unavailable",
]

_VERSION_SEGMENT = re.compile(r"/v[0-9]")

# Numbers of the HTTP errors that applications raise themselves, if the status has only one number.
_ERRNO_OF_STATUS = {
    error.status: error
    for error in (
        ERRORS.MISSING_CONTENT_LENGTH,
        ERRORS.REQUEST_TOO_LARGE,
        ERRORS.CLIENT_REACHED_CAPACITY,
    )
}

View = Callable[..., Response]

tell_module_of(sys._getframe())


def cors(view: View) -> View:
    """Decorate an error view, so that its response has CORS headers."""

    @functools.wraps(view)
    def wrapped_view(*args: Any, **kwargs: Any) -> Response:
        response = view(*args, **kwargs)
        request = next(arg for arg in (*reversed(args), *kwargs.values()) if _is_request(arg))
        return utils.reapply_cors(request, response)

    return wrapped_view


def _is_request(value: Any) -> bool:
    return hasattr(value, "registry") and hasattr(value, "headers")


@forbidden_view_config()  # type: ignore[untyped-decorator]  # Pyramid has no types
def authorization_required(request: Request) -> Response:
    """Answer 401 to a request without a user, 403 to a user without permission."""
    if request.authenticated_userid is None:
        missing = ERRORS.MISSING_AUTH_TOKEN
        response = http_error(HTTPUnauthorized(), errno=missing, message=missing.sentence)
        # The response has the challenges of all policies.
        response.headers.extend(forget(request))
        return response
    forbidden = ERRORS.FORBIDDEN
    needed = refused.requirements(request)
    if not needed:
        return http_error(HTTPForbidden(), errno=forbidden, message=forbidden.sentence)
    # The principals are in the log alone: who else has the permission is nobody's business.
    principals = with_prefixed_userid(list(request.effective_principals), request.prefixed_userid)
    logs.bind(
        permission=" or ".join(one.permission for one in needed),
        object=" or ".join(one.object_id for one in needed),
        principals=sorted(map(str, principals)),
    )
    if not settings.read(request.registry.settings, "explain_forbidden"):
        return http_error(HTTPForbidden(), errno=forbidden, message=forbidden.sentence)
    return http_error(
        HTTPForbidden(),
        errno=forbidden,
        message=f"{forbidden.sentence} {refused.in_words(request, needed)}",
        details={
            "permissions": [
                {"permission": one.permission, "object": one.object_id} for one in needed
            ]
        },
    )


@notfound_view_config()  # type: ignore[untyped-decorator]  # Pyramid has no types
def page_not_found(request: Request) -> Response:
    """Answer 404, or redirect to the same URL without its trailing slashes."""
    missing = ERRORS.MISSING_RESOURCE
    if not urls.has_version(request):
        # This comes before the slash, because the URL of another version is not mended by removing
        # it.
        missing = ERRORS.VERSION_NOT_AVAILABLE
    elif getattr(request, "matched_route", None) is None:
        path = urls.path_with_other_slashes(request)
        if path is not None:
            return urls.redirection(request, path)
    return http_error(HTTPNotFound(), errno=missing, message=missing.sentence)


@exception_view_config(HTTPServiceUnavailable)  # type: ignore[untyped-decorator]  # Pyramid has no types
def service_unavailable(response: HTTPServiceUnavailable, request: Request) -> Response:
    """Answer 503 with a time to come back; a JSON body is kept."""
    if not has_json_body(response):
        response = http_error(response, errno=ERRORS.BACKEND, message=ERRORS.BACKEND.sentence)
    seconds = settings.read(request.registry.settings, "retry_after_seconds")
    response.headers["Retry-After"] = str(seconds)
    return response


@exception_view_config(HTTPMethodNotAllowed)  # type: ignore[untyped-decorator]  # Pyramid has no types
def method_not_allowed(context: HTTPMethodNotAllowed, request: Request) -> Response:
    """Answer 405; a JSON body is kept."""
    if has_json_body(context):
        return context
    refused = ERRORS.METHOD_NOT_ALLOWED
    return http_error(context, errno=refused, message=refused.sentence)


@exception_view_config(URLDecodeError)  # type: ignore[untyped-decorator]  # Pyramid has no types
def undecodable_url(context: URLDecodeError, request: Request) -> Response:
    """Answer 400 to a path that is not UTF-8."""
    return http_error(
        HTTPBadRequest(),
        errno=ERRORS.INVALID_PARAMETERS,
        error="Invalid parameters",
        message="path: The URL is not valid UTF-8",
        details=[{"location": "path", "name": None, "description": "The URL is not valid UTF-8"}],
    )


# HTTPException is named too, because Pyramid has its own view for exceptions that are responses.
@exception_view_config(HTTPException)  # type: ignore[untyped-decorator]  # Pyramid has no types
@exception_view_config(Exception)  # type: ignore[untyped-decorator]  # Pyramid has no types
@given_back.may_return_raised
def error(context: Exception, request: Request) -> Response:
    """Answer any other exception."""
    if isinstance(context, HTTPException):
        return _http_exception(context)
    if isinstance(context, BackendError):
        if context.retryable:
            # Two batches may each hold the lock that the other waits for: the database ends one of
            # them, and that request is run again from its start while attempts remain.
            mark_error_retryable(context)
        if not _is_tried_again(context, request):
            _log("critical", context.original or context, context, 503, request)
        return service_unavailable(_unavailable(context), request)
    _log("error", context, context, 500, request)
    undefined = ERRORS.UNDEFINED
    return http_error(
        HTTPInternalServerError(),
        errno=undefined,
        message=undefined.sentence,
        info=settings.read(request.registry.settings, "error_info_link"),
    )


def _unavailable(error: BackendError) -> HTTPServiceUnavailable:
    if not isinstance(error, TimeLimitError):
        return HTTPServiceUnavailable()
    # The message names the setting of the limit. The message of the server is not for clients.
    message = f"The request was given up: a backend took longer than {error.setting} allows."
    return http_error(HTTPServiceUnavailable(), errno=ERRORS.BACKEND, message=message)


def _is_tried_again(error: BackendError, request: Request) -> bool:
    """Return whether the request will be tried again, so that this is no answer yet (X-23)."""
    while getattr(request, "parent", None) is not None:
        # The whole batch will be run again.
        request = request.parent
    return bool(is_error_retryable(request, error))


def _log(level: str, event: BaseException, error: Exception, status: int, request: Request) -> None:
    if getattr(request, "parent", None) is not None:
        # The error fails the whole batch, whose request logs it once.
        return
    # The line has the same fields as the summary of the request.
    getattr(logs.logger, level)(
        str(event), exc_info=error, code=status, t=request_facts.elapsed_ms(request)
    )


def _http_exception(context: HTTPException) -> Response:
    """Give an HTTP error of the application a JSON body, unless it has one (H-26.10)."""
    if context.code < 400 or has_json_body(context):
        return context
    explanation = context.detail or context.explanation
    return http_error(
        context,
        errno=_ERRNO_OF_STATUS.get(context.code, ERRORS.UNDEFINED),
        message=explanation or None,
    )
