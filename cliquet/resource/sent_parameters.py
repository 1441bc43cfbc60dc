"""The parameters of a query string by name, which a list reads some ten times."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from webob.request import BaseRequest

__all__ = ["sent_parameters"]

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_KNOWN: Final = "_cliquet_parameters"


def sent_parameters(request: Any) -> Mapping[str, str]:
    """Return the parameters of a request; of one that was sent several times, the last value.

    WebOb takes three functions for each parameter that is looked up, and makes a mapping even if
    there is no query string.

    Parameters
    ----------
    request : a request, or the mock of a test of an application.
    """
    if not isinstance(request, BaseRequest):
        mapping: Mapping[str, str] = request.GET
        return mapping
    query_string = request.environ.get("QUERY_STRING")
    if not query_string:
        return _NOTHING
    known: tuple[str, dict[str, str]] | None = request.__dict__.get(_KNOWN)
    # Code of the application may have replaced the query string.
    if known is None or known[0] != query_string:
        known = request.__dict__[_KNOWN] = (query_string, dict(request.GET.items()))
    return known[1]
