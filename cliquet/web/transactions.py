"""One transaction per request, and what happens just before it ends.

Two tweens around the one of ``pyramid_tm``: the inner one tells the backends which transaction to
join, and lets listeners act before the commit; the outer one makes sure that nothing of a request
outlives it.
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
from pyramid_tm import maybe_tag_retryable
from transaction._transaction import NoRollbackSavepoint

from cliquet import settings
from cliquet.connections import scope

__all__ = ["BeforeCommit", "includeme", "savepoint"]

Handler = Callable[[Request], Response]


class BeforeCommit:
    """Sent within the request's transaction, when nothing but the commit remains to be done.

    A subscriber that raises aborts the transaction, and its error becomes the response (P-21.9).
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
    config.add_tween(
        "cliquet.web.transactions.scope_tween_factory",
        under="pyramid_tm.tm_tween_factory",
        over=EXCVIEW,
    )
    config.add_tween(
        "cliquet.web.transactions.guard_tween_factory", over="pyramid_tm.tm_tween_factory"
    )


def guard_tween_factory(handler: Handler, registry: object) -> Handler:
    """End what `pyramid_tm` leaves open: a transaction whose commit could not start."""

    def guard_tween(request: Request) -> Response:
        outer = scope.current()
        if outer is not None:
            # An application sends itself a request, tweens included: `pyramid_tm` would abort the
            # transaction of the outer one by beginning another.
            request.environ.setdefault("tm.active", True)
            request.environ.setdefault("tm.manager", outer._manager)
            return _undone_on_error(handler, request)
        try:
            return handler(request)
        finally:
            transaction = scope.current()
            if transaction is not None:
                # An application's own hook raised before the commit: locks would be kept until the
                # thread serves its next request.
                scope.leave()
                transaction.abort()

    return guard_tween


def _undone_on_error(handler: Handler, request: Request) -> Response:
    """Process a request within a request; one that fails leaves nothing in the transaction."""
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
    """Let the backends join the request's transaction (S-14.2), and announce its commit."""
    per_request = settings.read(registry.settings, "transaction_per_request")
    # Both names, as `pyramid_tm` reads them.
    veto = registry.settings.get("tm.commit_veto") or registry.settings.get(
        "pyramid_tm.commit_veto"
    )
    commit_veto = DottedNameResolver(None).maybe_resolve(veto) if veto else None

    def scope_tween(request: Request) -> Response:
        if getattr(request, "parent", None) is not None:
            # Its data are those of its parent, which announces the commit (P-22.1).
            return _as_returned(request, handler(request))
        is_active = request.environ.get("tm.active", False)
        is_nested = scope.current() is not None
        if per_request and is_active and not is_nested:
            # The attempts of one request share their environment.
            scope.enter(request.tm.get(), request.environ.setdefault("cliquet.contended", set()))
        response = _as_returned(request, handler(request))
        if is_active and not is_nested:
            _doom_what_must_not_be_committed(request, response, commit_veto)
        if is_active and request.tm.isDoomed():
            return response
        if getattr(request, "exc_info", None) is None:
            try:
                request.registry.notify(BeforeCommit(request))
            except Exception:
                # Rendered inside the transaction: `pyramid_tm` sees `exc_info`, and aborts.
                response = request.invoke_exception_view(sys.exc_info())
                if is_active and not is_nested:
                    _doom_what_must_not_be_committed(request, response, commit_veto)
        return response

    return scope_tween


def _as_returned(request: Request, response: Response) -> Response:
    """Have a response below 400 that was raised commit as if it were returned (X-31).

    `pyramid_tm` aborts whatever was raised, while the client is told of success. Other errors that
    a view answers with such a response have interrupted what they were raised in: they stay errors.
    """
    exc_info = getattr(request, "exc_info", None)
    if exc_info is None or response.status_code >= 400:
        return response
    raised = exc_info[1]
    if IResponse.providedBy(raised) and raised.status_code < 400:
        # `request.exception` is left, for callbacks that ask what the view raised.
        request.exc_info = None
    return response


def _doom_what_must_not_be_committed(
    request: Request, response: Response, commit_veto: Callable[[Request, Response], bool] | None
) -> None:
    """Judge, before anybody is told of a commit, whether there will be one (P-22.2).

    Without ``tm.commit_veto`` `pyramid_tm` aborts after each error; with it, only if the function
    says so, which would keep half of what a failed request did.
    """
    if commit_veto is None:
        return
    exc_info = getattr(request, "exc_info", None)
    if exc_info is not None:
        # `pyramid_tm` does not look at the errors of a doomed transaction.
        maybe_tag_retryable(request, exc_info)
    if exc_info is not None or commit_veto(request, response):
        request.tm.doom()


def savepoint(request: Request) -> Callable[[], None]:
    """Return a function that undoes what is done from here on in the request's transaction (X-23).

    Where there is no transaction it does nothing.
    """
    if not request.environ.get("tm.active"):
        return lambda: None
    # Optimistic: a data manager of the application may have no savepoints.
    taken = request.tm.get().savepoint(optimistic=True)
    # What it cannot undo stays; to try would fail the transaction, and with it the whole batch.
    # No public name of `transaction` (5.1) tells these parts from the others.
    taken._savepoints[:] = [
        part for part in taken._savepoints if not isinstance(part, NoRollbackSavepoint)
    ]
    rollback: Callable[[], None] = taken.rollback
    return rollback
