"""URIs of records and collections, which are the ids of objects in permissions.

They are paths without the version prefix, escapes and the mount point. The module knows nothing of
permissions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from pyramid.request import Request
from webob.request import BaseRequest

from cliquet import utils
from cliquet.core.globs import Pattern

__all__ = ["filled", "of_collection", "of_record", "of_records", "of_request", "of_siblings"]

_AROUND_IDS = "_cliquet_around_ids"
_URI = "_cliquet_uri"


class _AroundId(NamedTuple):
    """The texts before and after an id, for the values of the variables of a URL."""

    variables: dict[str, str]
    texts: list[str]


# A variable of a path with its own pattern, as in `{id:[a-z]+}`.
_VARIABLE_PATTERN = re.compile(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}")


def of_request(request: Request) -> str:
    """Return the URI of the object of a request (P-25.8)."""
    if not isinstance(request, BaseRequest):
        # It is a mock, as below.
        return utils.strip_uri_prefix(unquote(str(request.path)))
    # The mount point of the application is not a part of it, so that a batch gives the same URI.
    raw: str = request.environ.get("PATH_INFO", "")
    known: tuple[str, str] | None = request.__dict__.get(_URI)
    if known is None or known[0] != raw:
        # WebOb takes four functions to decode a path.
        path = raw if raw.isascii() else request.path_info
        version = utils.URI_PREFIX.match(path)
        known = request.__dict__[_URI] = (raw, path[version.end() :] if version else path)
    return known[1]


def of_collection(request: Request, path: Any) -> str:
    """Return the URI of the collection of a requested record.

    Parameters
    ----------
    path : path of the service of the collection, with its variables.
    """
    return filled(path, request.matchdict)


def filled(path: Any, variables: Mapping[str, str]) -> str:
    """Return the path of a service with the values of the variables of a URL."""
    return _VARIABLE_PATTERN.sub(r"{\1}", str(path)).format(**variables)


def of_record(request: Request, route_name: str, record_id: str) -> str:
    """Return the URI of a record beside the requested record, or in the requested collection.

    Parameters
    ----------
    route_name : name of the route of records.
    """
    if _is_real(request):
        return str(record_id).join(_around_id(request, route_name))
    path = str(request.route_path(route_name, **{**request.matchdict, "id": record_id}))
    return utils.strip_uri_prefix(unquote(path))


def of_records(request: Request, route_name: str) -> Pattern:
    """Return the pattern of the URIs of all the records in the requested collection."""
    if not _is_real(request):
        return Pattern(of_record(request, route_name, "*"))
    # The rest of the URL may itself contain a `*`.
    return Pattern.of(*_around_id(request, route_name))


def of_siblings(get_object_id: Callable[..., str], record_ids: Sequence[str]) -> list[str]:
    """Return the URIs of records of one collection, which nearly always begin with its URI.

    Parameters
    ----------
    get_object_id : returns the URI of one record.
    """
    first, last = record_ids[0], record_ids[-1]
    uri: str = get_object_id(first)
    collection = uri.removesuffix(first)
    if uri != collection and get_object_id(last) == f"{collection}{last}":
        return [f"{collection}{record_id}" for record_id in record_ids]
    return [get_object_id(record_id) for record_id in record_ids]


def _around_id(request: Request, route_name: str) -> list[str]:
    """Return the texts before and after the id in the URIs of the records of a route.

    If the path of the route has no id, it is the only text.

    The route makes them once for each request, because a request may have many records.
    """
    known: dict[str, _AroundId] = request.__dict__.setdefault(_AROUND_IDS, {})
    found = known.get(route_name)
    if found is None or found.variables != request.matchdict:
        variables = dict(request.matchdict)
        service = utils.current_service(request)
        if (
            # The application may have changed one.
            not variables
            and getattr(service, "record_route", None) == route_name
            and service.has_records_below
        ):
            # The route would take ten times as long.
            around = [f"{of_request(request)}/", ""]
        else:
            around = _around_id_of_route(request, route_name, variables)
        found = known[route_name] = _AroundId(variables, around)
    return found.texts


def _around_id_of_route(
    request: Request, route_name: str, variables: Mapping[str, str]
) -> list[str]:
    # No key of a storage has this character, so that nothing is found for a URL that has it.
    path = request.route_url(route_name, _app_url="", **{**variables, "id": "\0"})
    return utils.strip_uri_prefix(unquote(path)).rsplit("\0", 1)


def _is_real(request: Request) -> bool:
    """Return whether a request is a real one, and not a mock of the tests of an application.

    Such mocks have the attributes that the published class used, ``path`` and ``route_path()``
    (P-31.1), and mocks or nothing for the rest.
    """
    return isinstance(request, BaseRequest)
