"""URIs of records and collections, as permissions name them (P-25.8).

They are paths without version prefix, escapes and mount point. Knows nothing of permissions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pyramid.request import Request
from webob.request import BaseRequest

from cliquet import utils
from cliquet.core.globs import Pattern

__all__ = ["filled", "of_collection", "of_record", "of_records", "of_request"]

# A variable of a path that says what it matches, as in `{id:[a-z]+}`.
_VARIABLE_PATTERN = re.compile(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}")


def of_request(request: Request) -> str:
    """Return the URI that a request asks for."""
    # Where the application is mounted is no part of it, as it is not in a batch (P-25.8).
    path = request.path_info if _is_real(request) else unquote(str(request.path))
    return utils.strip_uri_prefix(path)


def of_collection(request: Request, path: Any) -> str:
    """Return the URI of the collection of a requested record.

    Parameters
    ----------
    path : that of the service of the collection, with its variables.
    """
    return filled(path, request.matchdict)


def filled(path: Any, variables: Mapping[str, str]) -> str:
    """Return the path of a service with the variables of a URL in their places."""
    return _VARIABLE_PATTERN.sub(r"{\1}", str(path)).format(**variables)


def of_record(request: Request, route_name: str, record_id: str) -> str:
    """Return the URI of a record beside, or in, what a request asks for.

    Parameters
    ----------
    route_name : name of the route of records.
    """
    variables = {**request.matchdict, "id": record_id}
    if _is_real(request):
        path = request.route_url(route_name, _app_url="", **variables)
    else:
        path = str(request.route_path(route_name, **variables))
    return utils.strip_uri_prefix(unquote(path))


def of_records(request: Request, route_name: str) -> Pattern:
    """Return the pattern of the URIs of all the records in what a request asks for."""
    if not _is_real(request):
        return Pattern(of_record(request, route_name, "*"))
    # The rest of the URL may hold a `*` of its own.
    return Pattern.of(*of_record(request, route_name, "\0").split("\0", 1))


def _is_real(request: Request) -> bool:
    """Whether a request is none that the tests of an application made up.

    Theirs have what the published class read, ``path`` and ``route_path()`` (P-31.1), and mocks or
    nothing for the rest.
    """
    return isinstance(request, BaseRequest)
