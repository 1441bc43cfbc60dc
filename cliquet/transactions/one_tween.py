"""The tweens of the transaction as one, which begins it when somebody needs it.

Most requests only read, and each statement of theirs commits by itself. A transaction of the
package ``transaction`` costs them as much as the rest of a short request. Here it begins when a
backend joins it, or when the application asks for ``request.tm`` or for ``transaction.get()``. Then
everything is as with ``pyramid_tm``: this module does what its tween does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pyramid_tm
import transaction
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid_tm import maybe_tag_retryable
from transaction import Transaction

from cliquet import settings
from cliquet.transactions import scope, short_commit
from cliquet.transactions.short_commit import RequestTransaction

__all__ = ["inner_handler", "is_waiting_for", "manager_of", "one_tween"]

Handler = Callable[[Request], Response]

# With one of these settings, the application takes part in what `pyramid_tm` does.
_OWN = (
    "tm.commit_veto",
    "pyramid_tm.commit_veto",
    "tm.activate_hook",
    "tm.manager_hook",
    "tm.annotate_user",
)


def manager_of(request: Request) -> Any:
    """Return the transaction manager of a request, whose transaction has begun.

    This is the attribute ``tm`` of requests.
    """
    manager = pyramid_tm.create_tm(request)
    if manager is transaction.manager:
        scope.current()
    return manager


def inner_handler(handler: Handler, registry: Any, scope_tween_factory: Any) -> Handler | None:
    """Return what the tweens of the transaction call, if they follow each other.

    Parameters
    ----------
    handler : what the outermost of them calls.
    scope_tween_factory : makes the innermost of them.

    Returns
    -------
    ``None`` if a tween of the application is between them, or if a setting concerns them.
    """
    configured = registry.settings
    if (
        any(configured.get(name) for name in _OWN)
        or not settings.read(configured, "transaction_per_request")
        or not settings.read(configured, "compiled_endpoints")
    ):
        return None
    inner: Any = handler
    for factory in (pyramid_tm.tm_tween_factory, scope_tween_factory):
        if type(inner) is not FunctionType or inner.__code__ not in factory.__code__.co_consts:
            return None
        cells = dict(zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True))
        inner = cells["handler"].cell_contents
    return inner  # type: ignore[no-any-return]  # found in the closure


def one_tween(answer: Handler, tweens: Handler, *, is_direct: bool) -> Handler:
    """Return the tween.

    Parameters
    ----------
    answer : answers a request, and announces its commit.
    tweens : does the same within a transaction that has begun.
    is_direct : whether `answer` calls no tween of the application.
    """
    manager = transaction.manager

    def transaction_tween(request: Request) -> Response:
        environ = request.environ
        if (
            "tm.active" in environ
            or "repoze.tm.active" in environ
            or "tm.manager" in environ
            or scope.current() is not None
            or manager.manager._txn is not None  # as in `_present`
        ):
            # The request is within another one, or the thread has not ended its last transaction.
            return tweens(request)

        def begin() -> Transaction:
            # The attempts of one request share their environment, and therefore this set.
            contended = environ.setdefault("cliquet.contended", set())
            begun = manager.manager._txn  # as in `_present`
            if begun is not None:
                # The application has begun it.
                begun.note(_description(request))
                scope.enter(begun, contended, has_hooks=True)
                return begun
            begun = short_commit.begun_in(manager.manager, _description(request))
            scope.enter(begun, contended, is_left=True)
            return begun

        environ["tm.active"] = True
        environ["tm.manager"] = manager
        scope.wait(begin, request if is_direct else None)
        try:
            return _committed(request, answer)
        finally:
            environ.pop("tm.active", None)
            environ.pop("tm.manager", None)
            left = scope.leave()
            if left is not None:
                # A hook of the application raised an error before the commit. Otherwise locks would
                # be kept until the thread serves its next request.
                left.abort()

    return transaction_tween


def _committed(request: Request, answer: Handler) -> Response:
    """Return the response of a request, after the end of its transaction if it has begun."""
    manager = transaction.manager
    try:
        response = answer(request)
        begun = manager.manager._txn  # as in `_present`
        if begun is None:
            return response
        if type(begun) is not RequestTransaction:
            # The application may have begun it: its hooks run within it.
            scope.current()
        exc_info = getattr(request, "exc_info", None)
        if exc_info is not None and not begun.isDoomed():
            maybe_tag_retryable(request, exc_info)
        is_kept = exc_info is None and not begun.isDoomed()
        return _ended(request, begun.commit if is_kept else begun.abort, response)
    except Exception as error:
        if _present() is None:
            raise
        # After the end, it is not possible any more to know whether the error can be retried.
        maybe_tag_retryable(request, sys.exc_info())
        answered = _ended(request, manager.abort)
        if answered is not None:
            return answered
        raise error from None


def _ended(
    request: Request, end: Callable[[], None], response: Response | None = None
) -> Response | None:
    """End the transaction; return the response, or that of an error at the end."""
    # The manager is inactive before an exception view may be called.
    request.environ.pop("tm.active", None)
    request.environ.pop("tm.manager", None)
    try:
        end()
    except Exception:
        exc_info = sys.exc_info()
        try:
            response = request.invoke_exception_view(exc_info)
        except HTTPNotFound:
            maybe_tag_retryable(request, exc_info)
            assert exc_info[1] is not None  # noqa: S101 - an error is being handled
            raise exc_info[1] from None
        finally:
            del exc_info
    return response


def _present() -> Transaction | None:
    """Return the transaction of this thread, if one has begun.

    To ask the manager (``transaction`` 5.1) would begin one.
    """
    present: Transaction | None = transaction.manager.manager._txn
    return present


def is_waiting_for(request: Request) -> bool:
    """Return whether nobody but the backends can take part in the transaction of a request.

    It has not begun, and ends with the request. The application has not begun it itself, and is not
    told of transactions by a synchronizer.
    """
    manager = transaction.manager.manager
    return scope.is_waiting_for(request) and manager._txn is None and not manager._synchs


def _description(request: Request) -> str:
    """Return the path of a request, by which ``pyramid_tm`` describes its transaction."""
    path: str = request.environ.get("PATH_INFO", "")
    try:
        return (path if path.isascii() else str(request.path_info)).strip()
    except UnicodeDecodeError:
        return "Unable to decode path as unicode"
