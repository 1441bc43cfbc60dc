"""The parameters of a query string by name, which a list reads some ten times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
    query_string: str | None = request.environ.get("QUERY_STRING")
    if not query_string:
        return _NOTHING
    known: _Parameters | None = request.__dict__.get(_KNOWN)
    # Code of the application may have replaced the query string.
    if known is None or known.query_string != query_string:
        known = _read(request, query_string)
    return known.by_name


def sent_pairs(request: Any) -> Sequence[Pair]:
    """Return the names and values of all parameters of a request, in their order."""
    if not isinstance(request, BaseRequest):
        return list(request.GET.items())
    # This has read them, unless there are none.
    return request.__dict__[_KNOWN].pairs if sent_parameters(request) else ()


class _Parameters(NamedTuple):
    query_string: str
    pairs: list[Pair]
    by_name: dict[str, str]


def _read(request: Any, query_string: str) -> _Parameters:
    """Read the parameters of a request, and keep them with it."""
    pairs = _pairs(request, query_string)
    read = request.__dict__[_KNOWN] = _Parameters(query_string, pairs, dict(pairs))
    return read


def _pairs(request: Any, query_string: str) -> list[Pair]:
    if not query_string.isascii() or not _ESCAPES.isdisjoint(query_string):
        return list(request.GET.items())
    # Without escapes, there is nothing to do but to cut, for which WebOb takes a dozen functions.
    cut = [parameter.partition("=") for parameter in query_string.split("&") if parameter]
    return [(name, value) for name, _, value in cut]
