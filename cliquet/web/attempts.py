"""The attempts of a request, as those of ``pyramid_retry``, with less work for the first of them.

Its execution policy makes a request and extends it, copies its body, and prepares for further
attempts. Here the body is one that can be read again, and requests are of the extended class from
the beginning.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router
from pyramid.threadlocal import manager
from pyramid_retry import BeforeRetry, RetryableExecutionPolicy, is_error_retryable

from cliquet.security.authorization import RouteFactory
from cliquet.web import answering, endpoints, registrations, root_again
from cliquet.web.registrations import SharedExtensions

__all__ = ["in_short"]

# The attributes of a request that refer to it: its context, and its resource.
_OF_CYCLES = ("context", "cornice_args", endpoints.TARGET)

ExecutionPolicy = Callable[[dict[str, Any], Any], Response]


def in_short(policy: ExecutionPolicy, registry: Any) -> ExecutionPolicy:
    """Return what does the same as an execution policy, if it is that of ``pyramid_retry``.

    Parameters
    ----------
    policy : the policy of the application, which stays as it is if it has a hook.
    registry : registry of the application.
    """
    if (
        type(policy) is not FunctionType
        or policy.__code__ not in RetryableExecutionPolicy.__code__.co_consts
        or not registrations.are_endpoints_compiled(registry)
    ):
        return policy
    cells = dict(zip(policy.__code__.co_freevars, policy.__closure__ or (), strict=True))
    attempts: int = cells["attempts"].cell_contents
    if cells["activate_hook"].cell_contents is not None:
        return policy

    def attempting(environ: dict[str, Any], router: Any) -> Response:
        extensions = router.request_extensions
        if (
            type(router) is not Router
            or router.request_factory is not Request
            or type(extensions) is not SharedExtensions
            or type(environ) is not dict
            # A client has left before the end of its body.
            or environ.get("webob.is_body_seekable") is not True
        ):
            return policy(environ, router)
        registry = router.registry
        for number in range(attempts):
            environ["retry.attempt"] = number
            environ["retry.attempts"] = attempts
            cls = extensions.classes.get(Request) or extensions.class_of(Request)
            # This is all that WebOb does with an environment that is a dictionary.
            request = Request.__new__(cls)
            request.__dict__.update(
                environ=environ, registry=registry, invoke_subrequest=router.invoke_subrequest
            )
            stack = manager.stack
            stack.append({"registry": registry, "request": request})
            response: Response | None = None
            try:
                response = router.invoke_request(request)
                # An exception view may have answered it.
                error = request.exception
                if (
                    error is None
                    or answering.GIVEN_BACK in request.__dict__
                    or not is_error_retryable(request, error)
                ):
                    return response
                request.registry.notify(BeforeRetry(request, error, response=response))
            except Exception as error:
                if not is_error_retryable(request, error):
                    raise
                request.registry.notify(BeforeRetry(request, error))
            finally:
                # As in `manager.pop()`: code of the application may have emptied the stack.
                if stack:
                    stack.pop()
                # The body of another response may be made later, from the request.
                if response is None or type(getattr(response, "_app_iter", None)) is list:
                    _break_cycles(request.__dict__)
                del environ["retry.attempt"], environ["retry.attempts"]
        raise AssertionError("The last attempt of a request is never retried.")

    return attempting


def _break_cycles(attributes: dict[str, Any]) -> None:
    """Let a request go, as Pyramid does with its context: it refers to what refers to the request.

    Otherwise all of it waits for the garbage collector, and each request takes memory that the
    processor has not used for long.
    """
    for name in _OF_CYCLES:
        attributes.pop(name, None)
    root = attributes.get("root")
    # That of an application is kept, as Pyramid keeps it.
    if isinstance(root, RouteFactory):
        attributes[root_again.FORMER] = weakref.ref(root)
        for name in root_again.NAMES:
            if attributes.get(name) is root:
                del attributes[name]
    bound_data = attributes.get("bound_data")
    if bound_data:
        bound_data.pop("resource_events", None)
