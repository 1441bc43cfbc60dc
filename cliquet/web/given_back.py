"""Raised responses that are answered with themselves, without a search for their exception view.

A 304 is raised, so that the code of a resource ends where it is raised. Pyramid would look for an
exception view, hide attributes of the request, and call a view that returns what was raised. Where
nobody else takes part, this is known before, and takes a sixth of a conditional request.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from pyramid import view as pyramid_view
from pyramid.interfaces import IExceptionViewClassifier
from pyramid.request import Request
from pyramid.tweens import excview_tween_factory
from pyramid_retry import IRetryableError

from cliquet.web import endpoints

__all__ = ["are_views_asked", "called_by_exception_views", "is_for", "may_return_raised"]

View = TypeVar("View", bound=Callable[..., Any])

_RETURNS_RAISED = "_cliquet_returns_raised"
_INVOKE = Request.invoke_exception_view


def may_return_raised(view: View) -> View:
    """Mark an exception view that returns a raised response below 400 as it is."""
    setattr(view, _RETURNS_RAISED, True)
    return view


def is_for(registry: Any, request_iface: Any, kind: Any) -> bool:
    """Return whether raised responses of a kind, below 400, are answered with themselves.

    Parameters
    ----------
    request_iface : the interface that requests have by their route.
    kind : what the response provides (``zope.interface.providedBy``).
    """
    found = pyramid_view._find_views(
        registry, request_iface.combined, kind, "", view_classifier=IExceptionViewClassifier
    )
    if not found or not endpoints.has_known_layers(registry):
        return False
    if kind.isOrExtends(IRetryableError):
        # The application has marked such responses: the request is run again.
        return False
    # The others are for the case that the first one has predicates, and refuses the request.
    first = found[0]
    original = getattr(first, "__original_view__", None)
    return hasattr(original, _RETURNS_RAISED) and not hasattr(first, "__predicated__")


def called_by_exception_views(tween: Any) -> Any:
    """Return what the tween for exception views calls, if this is the tween; ``None`` if not."""
    codes = excview_tween_factory.__code__.co_consts
    if type(tween) is not FunctionType or tween.__code__ not in codes:
        return None
    cells = dict(zip(tween.__code__.co_freevars, tween.__closure__ or (), strict=True))
    return cells["handler"].cell_contents


def are_views_asked(request: Request) -> bool:
    """Return whether exception views are found by Pyramid, and not by somebody who watches it."""
    return type(request).invoke_exception_view is _INVOKE
