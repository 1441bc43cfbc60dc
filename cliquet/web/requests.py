"""Helpers of requests: their service, their resource and sub-requests.

:mod:`cliquet.utils` publishes these functions, and the requests of an application have them as
attributes and methods.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import orjson
from pyramid.events import NewResponse
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPException,
    status_map,
)
from pyramid.request import Request
from pyramid.response import Response

from cliquet import utils
from cliquet.core import announcing, jsonio
from cliquet.errors import ERRORS, http_error
from cliquet.web import answering, cors, inherited, registrations, urls, wire

__all__ = [
    "JSON_PATCH",
    "MERGE_PATCH",
    "PATCH_CONTENT_TYPES",
    "Answer",
    "answer_first_by",
    "answer_subrequest",
    "build_request",
    "build_response",
    "describe",
    "follow_subrequest",
    "media_type",
    "reapply_cors",
    "refuse",
    "remember_rendered",
    "rendered_value",
]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PATCH_CONTENT_TYPES = (MERGE_PATCH, JSON_PATCH)
"""Media types of the bodies of PATCH on resources, besides ``application/json``."""

# What the renderer wrote for a sub-request.
_RENDERED = "_cliquet_rendered"


def reapply_cors(request: Request, response: Response) -> Response:
    """Add the CORS headers for the URL of the request to a response (P-26.12)."""
    return cors.add_headers(request, response)


def build_request(original: Request, dict_obj: Mapping[str, Any]) -> Request:
    """Make a sub-request (P-26.21).

    Parameters
    ----------
    original : the request whose headers, registry and request data the new one inherits.
    dict_obj : ``path`` (with or without version prefix, maybe with a query string) and optionally
        ``method`` (default GET), ``headers`` and ``body`` (a dictionary, list, text or bytes). A
        dictionary or list is sent as JSON, whatever type is given (H-25.15), except for a PATCH
        whose own headers name one of :data:`PATCH_CONTENT_TYPES`.
    """
    prefix = f"/{original.registry.route_prefix}"
    path, _, query_string = dict_obj["path"].partition("?")
    mount = urls.mount(original)
    if mount and urls.is_at(mount + prefix, escaped := quote(path, safe=urls.PATH_SAFE_ESCAPED)):
        # A URL of the service has this prefix if the service is mounted below a path of the site.
        path = escaped.removeprefix(mount)
    elif not urls.is_at(prefix, path):
        path = prefix + path

    method = dict_obj.get("method") or "GET"
    own_headers = dict_obj.get("headers") or {}
    content_type = None
    body = dict_obj.get("body")
    if isinstance(body, (Mapping, list)):
        body = jsonio.dumps(body)
        if method != "PATCH" or media_type(own_headers) not in PATCH_CONTENT_TYPES:
            content_type = "application/json; charset=utf-8"
    elif isinstance(body, str):
        body = body.encode()

    request = Request(
        inherited.environ(
            original,
            method=method,
            path=path,
            query_string=query_string,
            own_headers=own_headers,
            body=body or b"",
            content_type=content_type,
        )
    )
    request.registry = original.registry
    request.parent = original
    registrations.extend(request)
    return request


def media_type(headers: Mapping[str, Any]) -> str:
    """Return the media type in headers, in lower case, without parameters; ``""`` if none."""
    found = ""
    for name, value in headers.items():
        if utils.encode_header(name).lower() == "content-type":
            found = utils.encode_header(value)
    return wire.media_type(found)


def build_response(response: Response, request: Request) -> dict[str, Any]:
    """Describe the response of a sub-request with values that JSON has (P-26.19)."""
    return {**_without_body(response, request), "body": _body_value(response, request)}


def describe(response: Response, request: Request, text: bytes) -> dict[str, Any]:
    """Describe the same for a result that becomes JSON and nothing else.

    Parameters
    ----------
    text : the body of the response. If the renderer has written it, it is not read again.
    """
    _, rendered = request.__dict__.get(_RENDERED, (None, None))
    if not text or text is not rendered or request.method == "HEAD":
        return build_response(response, request)
    del request.__dict__[_RENDERED]
    return {**_without_body(response, request), "body": orjson.Fragment(text)}


def _without_body(response: Response, request: Request) -> dict[str, Any]:
    return {
        # The path has the form of a batch, which does not depend on the mount point of the
        # application. WSGI gives bytes as latin-1 text (PEP 3333), and they may not be UTF-8.
        "path": request.environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"),
        "status": response.status_code,
        "headers": _as_object(response.headerlist),
    }


def remember_rendered(request: Request, value: Any, text: bytes) -> None:
    """Keep the value that a sub-request is answered with, which is rendered again in the batch."""
    request.__dict__[_RENDERED] = value, text


def rendered_value(request: Request) -> Any:
    """Return the value that the renderer has written for a sub-request, ``None`` if it has not."""
    value, _ = request.__dict__.get(_RENDERED, (None, None))
    return value


def _body_value(response: Response, request: Request) -> Any:
    text = response.body
    if not text or request.method == "HEAD":
        return ""
    value, rendered = request.__dict__.pop(_RENDERED, (None, None))
    if text is rendered:
        # Nothing has replaced the body since. The texts are in memory once, and are most of the
        # memory of a batch of long records. Arrays and objects are copied, because the view may
        # change them for the next sub-request.
        try:
            return jsonio.copied(value)
        except (TypeError, RecursionError):
            pass
    try:
        return jsonio.loads(text.decode("utf-8"))
    except ValueError:
        return text.decode("utf-8", "replace")


def _as_object(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as an object; repeated ones are joined to a list (RFC 9110 5.3)."""
    merged: dict[str, str] = {}
    for name, value in headers:
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return merged


class Answer(NamedTuple):
    """The result of a sub-request.

    Attributes
    ----------
    response : its response.
    request : the request that was answered at the end: the sub-request, or its redirected copy.
    was_raised : whether the response stands for an error that was raised.
    """

    response: Response
    request: Request
    was_raised: bool


def follow_subrequest(
    request: Request, subrequest: Request, **kwargs: Any
) -> tuple[Response, Request]:
    """Process a sub-request, following one redirection (P-26.22).

    Returns
    -------
    The response, and the request that it answers: the sub-request or its redirected copy.

    Raises
    ------
    HTTPException : a response below 500 that a view of the application has made for an error.
    Exception : an error that no view handles, or that ends in 500 or more.
    """
    answer = answer_subrequest(request, subrequest, **kwargs)
    if answer.was_raised:
        raise answer.response
    return answer.response, answer.request


def answer_subrequest(request: Request, subrequest: Request, **kwargs: Any) -> Answer:
    """Process a sub-request as :func:`follow_subrequest` does, but return errors below 500.

    Raises
    ------
    Exception : an error that no view handles, or that ends in 500 or more.
    """
    return answer_first_by(None, request, subrequest, **kwargs)


def answer_first_by(
    invoke: Callable[[Request], Response] | None,
    request: Request,
    subrequest: Request,
    **kwargs: Any,
) -> Answer:
    """Process a sub-request as :func:`answer_subrequest` does.

    Parameters
    ----------
    invoke : processes it before a redirection, in place of ``request.invoke_subrequest``.
    """
    again = partial(request.invoke_subrequest, **kwargs)
    answer = _invoke(subrequest, invoke or again)
    path = _path_redirected_to(answer)
    if path is None:
        return answer
    answer = _invoke(_redirected(request, subrequest, path), again)
    path = _path_redirected_to(answer)
    if path is None:
        return answer
    # One redirection is enough to correct a URL, and a loop must end.
    error = http_error(
        HTTPBadRequest(),
        errno=ERRORS.INVALID_PARAMETERS,
        error="Invalid parameters",
        message=f"Too many redirections, the last one to {path}",
    )
    return refuse(answer.request, error)


def refuse(subrequest: Request, error: HTTPException) -> Answer:
    """Answer a sub-request with an error, without processing it."""
    return Answer(_finished(subrequest, error), subrequest, was_raised=True)


def _invoke(subrequest: Request, invoke: Callable[[Request], Response]) -> Answer:
    try:
        response = invoke(subrequest)
    except Exception:
        error = _rendered(subrequest)
        if error is None:
            raise
        return Answer(error, subrequest, was_raised=True)
    return Answer(response, subrequest, was_raised=False)


def _path_redirected_to(answer: Answer) -> str | None:
    """Return the path within this service to which a redirection leads, or ``None``."""
    if not 300 <= answer.response.status_code < 400:
        return None
    location = answer.response.location
    if not location:
        return None
    target = urlsplit(urljoin(answer.request.url, location))
    if f"{target.scheme}://{target.netloc}" != answer.request.host_url:
        # It is another site, and only the client can go there.
        return None
    path, mount = target.path, urls.mount(answer.request)
    if not urls.is_at(mount, path):
        # It is another application of the site.
        return None
    path = path.removeprefix(mount)
    return f"{path}?{target.query}" if target.query else path


def _rendered(subrequest: Request) -> HTTPException | None:
    """Return the answer of the views of the application to the error that is being handled.

    ``None`` stands for an error that no view handles, or that ends in 500 or more.
    """
    try:
        response: Response = subrequest.invoke_exception_view(sys.exc_info())
    except Exception:
        return None
    if response.status_code >= 500:
        return None
    if not isinstance(response, HTTPException):
        # It comes from a view of the application for its own exception, and is raised nevertheless
        # (H-26.11).
        response = _as_exception(response)
    return _finished(subrequest, response)


def _finished(subrequest: Request, error: HTTPException) -> HTTPException:
    # Pyramid does the same with the responses that views return. Errors of sub-requests thus have
    # the same headers as those of direct requests (D-39).
    answering.call_back(subrequest, error)
    announcing.tell(subrequest.registry, NewResponse(subrequest, error))
    return error


def _as_exception(response: Response) -> HTTPException:
    error = status_map.get(response.status_code, HTTPException)()
    # An application may use a status for which Pyramid has no class.
    error.status = response.status
    error.code, error.title = response.status_code, response.status.partition(" ")[2]
    error.headers.clear()
    error.headers.extend(response.headers)
    error.body = response.body
    return error


def _redirected(request: Request, subrequest: Request, path: str) -> Request:
    redirected = build_request(
        subrequest, {"path": path, "method": subrequest.method, "body": subrequest.body}
    )
    redirected.parent = getattr(subrequest, "parent", request)
    redirected.bound_data = subrequest.bound_data
    return redirected
