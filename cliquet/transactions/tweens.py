"""One transaction for each request, and the steps just before its end.

There are two tweens around that of ``pyramid_tm``. The inner one tells the backends which
transaction to join, and calls listeners before the commit. The outer one makes sure that no
transaction lives longer than its request. If nothing of the application is between them, one tween
does the work of all three (``cliquet.transactions.one_tween``).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import IResponse
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW
from pyramid.util import DottedNameResolver
from pyramid_retry import is_error_retryable
from pyramid_tm import maybe_tag_retryable
from transaction._transaction import NoRollbackSavepoint

from cliquet import settings
from cliquet.core import announcing
from cliquet.transactions import one_tween, scope
from cliquet.web import given_back
from cliquet.web.dispatch import Dispatcher

__all__ = [
    "BeforeCommit",
    "after_commit",
    "includeme",
    "is_tried_again",
    "is_waiting_for",
    "savepoint",
]

# For the layers above.
is_waiting_for = one_tween.is_waiting_for

Handler = Callable[[Request], Response]


class BeforeCommit:
    """Event within the transaction of a request, when only the commit remains to be done.

    If a subscriber raises an error, the transaction is aborted, and the error becomes the response
    (P-21.9).
    """

    def __init__(self, request: Request) -> None:
        self.request = request


def includeme(config: Configurator) -> None:
    """Include ``pyramid_tm`` between the two tweens."""
    configured = config.get_settings()
    attempts = configured.get("tm.attempts")
    if attempts is not None:
        warnings.warn(
            "The setting tm.attempts is deprecated: use retry.attempts.",
            DeprecationWarning,
            stacklevel=2,
        )
        configured.setdefault("retry.attempts", attempts)
        del configured["tm.attempts"]
    config.include("pyramid_retry")
    config.include("pyramid_tm")
    config.add_request_method(one_tween.manager_of, name="tm", reify=True)
    config.add_tween(
        "cliquet.transactions.tweens.scope_tween_factory",
        under="pyramid_tm.tm_tween_factory",
        over=EXCVIEW,
    )
    config.add_tween(
        "cliquet.transactions.tweens.guard_tween_factory", over="pyramid_tm.tm_tween_factory"
    )


def guard_tween_factory(handler: Handler, registry: Any) -> Handler:
    """End a transaction that `pyramid_tm` leaves open because its commit could not start."""

    def guard_tween(request: Request) -> Response:
        outer = scope.current()
        if outer is not None:
            # The application sends a request to itself, tweens included. `pyramid_tm` would begin
            # another transaction, and so abort that of the outer request.
            request.environ.setdefault("tm.active", True)
            request.environ.setdefault("tm.manager", outer._manager)
            return _undone_on_error(handler, request)
        try:
            return handler(request)
        finally:
            transaction = scope.current()
            if transaction is not None:
                # A hook of the application raised an error before the commit. Otherwise locks would
                # be kept until the thread serves its next request.
                scope.leave()
                transaction.abort()

    inner = one_tween.inner_handler(handler, registry, scope_tween_factory)
    if inner is None:
        return guard_tween
    dispatcher = given_back.called_by_exception_views(inner)
    is_direct = isinstance(dispatcher, Dispatcher)
    if is_direct:
        dispatcher.returns_raised = True

    def announced(request: Request) -> Response:
        """Answer a request, and announce its commit if somebody wants to know of it."""
        response = inner(request)
        if getattr(request, "exc_info", None) is not None:
            response = _as_returned(request, response)
        if registrations.listeners(BeforeCommit) == ():
            return response
        return _announced(request, response)

    registrations = registry.registrations
    return one_tween.one_tween(announced, guard_tween, is_direct=is_direct)


def _announced(request: Request, response: Response) -> Response:
    """Announce the commit of a request, unless it ended in an error or was doomed."""
    begun = scope.begun()
    if getattr(request, "exc_info", None) is None and not (begun and begun.isDoomed()):
        try:
            announcing.tell(request.registry, BeforeCommit(request))
        except Exception:
            # The error is rendered inside the transaction, which is aborted because of `exc_info`.
            response = request.invoke_exception_view(sys.exc_info())
    return response


def _undone_on_error(handler: Handler, request: Request) -> Response:
    """Process a request within a request; if it fails, its changes are undone."""
    undo = savepoint(request)
    try:
        response = handler(request)
    except Exception:
        undo()
        raise
    if getattr(request, "exc_info", None) is not None:
        undo()
    return response


def scope_tween_factory(handler: Handler, registry: Any) -> Handler:
    """Let the backends join the transaction of the request, and announce its commit."""
    per_request = settings.read(registry.settings, "transaction_per_request")
    # `pyramid_tm` reads both names too.
    veto = registry.settings.get("tm.commit_veto") or registry.settings.get(
        "pyramid_tm.commit_veto"
    )
    commit_veto = DottedNameResolver(None).maybe_resolve(veto) if veto else None

    def scope_tween(request: Request) -> Response:
        if getattr(request, "parent", None) is not None:
            # It shares the data of its parent, which announces the commit.
            return _as_returned(request, handler(request))
        is_active = request.environ.get("tm.active", False)
        is_nested = scope.current() is not None
        if per_request and is_active and not is_nested:
            # The attempts of one request share their environment, and therefore this set.
            scope.enter(request.tm.get(), request.environ.setdefault("cliquet.contended", set()))
        response = _as_returned(request, handler(request))
        if is_active and not is_nested:
            _doom_what_must_not_be_committed(request, response, commit_veto)
        if is_active and request.tm.isDoomed():
            return response
        if getattr(request, "exc_info", None) is None:
            try:
                announcing.tell(request.registry, BeforeCommit(request))
            except Exception:
                # The error is rendered inside the transaction. `pyramid_tm` sees `exc_info`, and
                # aborts.
                response = request.invoke_exception_view(sys.exc_info())
                if is_active and not is_nested:
                    _doom_what_must_not_be_committed(request, response, commit_veto)
        return response

    return scope_tween


def _as_returned(request: Request, response: Response) -> Response:
    """Treat a raised response below 400 as if it were returned, so that it commits (X-31).

    `pyramid_tm` aborts for any exception, but the client would be told of success. Any other
    exception that a view answers with such a response has interrupted its code, and stays an error.
    """
    exc_info = getattr(request, "exc_info", None)
    if exc_info is None or response.status_code >= 400:
        return response
    raised = exc_info[1]
    if IResponse.providedBy(raised) and raised.status_code < 400:
        # `request.exception` stays, for callbacks that need the exception of the view.
        request.exc_info = None
    return response


def _doom_what_must_not_be_committed(
    request: Request, response: Response, commit_veto: Callable[[Request, Response], bool] | None
) -> None:
    """Decide whether there will be a commit, before anybody is told of it (P-22.2).

    Without ``tm.commit_veto``, `pyramid_tm` aborts after each error. With it, only the function
    decides, and half of the changes of a failed request could be kept.
    """
    if commit_veto is None:
        return
    exc_info = getattr(request, "exc_info", None)
    if exc_info is not None:
        # `pyramid_tm` ignores the errors of a doomed transaction.
        maybe_tag_retryable(request, exc_info)
    if exc_info is not None or commit_veto(request, response):
        request.tm.doom()


def savepoint(request: Request) -> Callable[[], None]:
    """Return a function that undoes the later changes in the transaction of the request (X-23).

    If there is no transaction, the function does nothing.
    """
    if not request.environ.get("tm.active"):
        return lambda: None
    # It is optimistic, because a data manager of the application may have no savepoints.
    taken = request.tm.get().savepoint(optimistic=True)
    # Changes of such a data manager stay: an attempt to undo them would fail the transaction, and
    # the whole batch with it. `transaction` (5.1) has no public name to recognise these parts.
    taken._savepoints[:] = [
        part for part in taken._savepoints if not isinstance(part, NoRollbackSavepoint)
    ]
    rollback: Callable[[], None] = taken.rollback
    return rollback


def is_tried_again(request: Request) -> bool:
    """Return whether the response is dropped because the request will be tried again (X-23)."""
    error = getattr(request, "exception", None)
    return error is not None and bool(is_error_retryable(request, error))


def after_commit(function: Callable[[], object]) -> None:
    """Call a function when everything has committed; at once if there is no transaction.

    Of an operation with its own transaction, it is called after this one, because that is when
    others see what the operation did. If the transaction is undone, it is never called.
    """
    transaction = scope.begun()
    if transaction is None:
        function()
        return

    def committed(is_kept: bool) -> None:
        if is_kept:
            function()

    transaction.addAfterCommitHook(committed)
