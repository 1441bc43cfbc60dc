"""The parameters of a query string by name, which a list reads some ten times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from webob.request import BaseRequest

__all__ = ["Pair", "sent_pairs", "sent_parameters"]

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_KNOWN: Final = "_cliquet_parameters"
# What WebOb decodes, and what separates parameters for it.
_ESCAPES: Final = frozenset("%+;")

Pair = tuple[str, str]


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
    if not request.environ.get("QUERY_STRING"):
        return _NOTHING
    return _known(request)[2]


def sent_pairs(request: Any) -> Sequence[Pair]:
    """Return the names and values of all parameters of a request, in their order."""
    if not isinstance(request, BaseRequest):
        return list(request.GET.items())
    return _known(request)[1] if request.environ.get("QUERY_STRING") else ()


def _known(request: Any) -> tuple[str, list[Pair], dict[str, str]]:
    query_string: str = request.environ["QUERY_STRING"]
    known: tuple[str, list[Pair], dict[str, str]] | None = request.__dict__.get(_KNOWN)
    # Code of the application may have replaced the query string.
    if known is None or known[0] != query_string:
        pairs = _pairs(request, query_string)
        known = request.__dict__[_KNOWN] = (query_string, pairs, dict(pairs))
    return known


def _pairs(request: Any, query_string: str) -> list[Pair]:
    if not query_string.isascii() or not _ESCAPES.isdisjoint(query_string):
        return list(request.GET.items())
    # Without escapes, there is nothing to do but to cut, for which WebOb takes a dozen functions.
    cut = [parameter.partition("=") for parameter in query_string.split("&") if parameter]
    return [(name, value) for name, _, value in cut]
