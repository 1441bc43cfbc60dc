"""The body of a batch, which is read and checked before any request is processed."""

from __future__ import annotations

from typing import Any

import colander
from pyramid.request import Request

from cliquet import errors, settings
from cliquet.core import jsonio
from cliquet.web import faults
from cliquet.web import requests as http
from cliquet.web.bodies import max_json_values, read_body

__all__ = ["METHODS", "validate_batch"]

METHODS = ("GET", "HEAD", "DELETE", "TRACE", "POST", "PUT", "PATCH")


class _Text(colander.SchemaType):  # type: ignore[misc]  # colander has no types
    """A JSON text, empty or not; null counts as absent."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if cstruct is None or cstruct is colander.null:
            return colander.null
        if not isinstance(cstruct, str):
            raise colander.Invalid(node, f"{jsonio.dumps(cstruct).decode()} is not a string")
        return cstruct


class _Object(colander.Mapping):  # type: ignore[misc]  # colander has no types
    """A JSON object of any members; null counts as absent."""

    def __init__(self) -> None:
        super().__init__(unknown="preserve")

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if isinstance(cstruct, dict):
            # Nothing changes it later, so that it needs no copy, which colander would make of all
            # its content.
            return cstruct
        return super().deserialize(node, colander.null if cstruct is None else cstruct)


class _Body(_Object):
    """A JSON object, or an array, which :func:`_only_patches_are_arrays` checks."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        return cstruct if isinstance(cstruct, list) else super().deserialize(node, cstruct)


def _only_patches_are_arrays(node: Any, item: dict[str, Any]) -> None:
    body = item.get("body")
    # Only a JSON Patch may be an array; any other array is an error.
    if isinstance(body, list) and http.media_type(item.get("headers", {})) != http.JSON_PATCH:
        try:
            _Object().deserialize(node["body"], body)
        except colander.Invalid as invalid:
            error = colander.Invalid(node)
            error.add(invalid, node.children.index(node["body"]))
            raise error from None


def _only_texts(node: Any, value: dict[str, Any]) -> None:
    if not all(isinstance(item, str) for item in value.values()):
        raise colander.Invalid(node, f"{value} contains non string value")


def _subrequest_schema(name: str, **path_options: Any) -> colander.SchemaNode:
    """Return the schema of an item of ``requests``, or of ``defaults``."""
    return colander.SchemaNode(
        colander.Mapping(),
        colander.SchemaNode(
            _Text(),
            name="method",
            validator=colander.OneOf(METHODS),
            missing=colander.drop,
        ),
        colander.SchemaNode(_Text(), name="path", validator=colander.Regex("^/"), **path_options),
        colander.SchemaNode(
            _Object(), name="headers", validator=_only_texts, missing=colander.drop
        ),
        colander.SchemaNode(_Body(), name="body", missing=colander.drop),
        name=name,
        validator=_only_patches_are_arrays,
    )


_MEMBERS = frozenset(("method", "path", "headers", "body"))
_TEXTS = frozenset((str,))


def _is_acceptable(item: Any) -> bool:
    """Return whether the schema would give back an item as it is; colander decides about others."""
    if type(item) is not dict or not item.keys() <= _MEMBERS:
        return False
    path, method = item.get("path"), item.get("method", "GET")
    headers, body = item.get("headers", {}), item.get("body", {})
    return (
        type(path) is str
        and path.startswith("/")
        and type(method) is str
        and method in METHODS
        and type(headers) is dict
        and _TEXTS.issuperset(map(type, headers.values()))
        and type(body) is dict
    )


_DEFAULTS = _subrequest_schema("defaults", missing=colander.drop)
_REQUESTS = colander.SchemaNode(colander.Sequence(), _subrequest_schema("request"), name="requests")


def validate_batch(request: Request, **kwargs: Any) -> None:
    """Read the body of a batch into ``request.validated``, or collect its errors (H-25.5)."""
    body = read_body(request)
    if body is None:
        return
    if "requests" not in body:
        request.errors.add("body", "requests", "requests is missing")
        return
    requests = body["requests"]
    defaults = body.get("defaults")
    if isinstance(requests, list) and _is_excessive(request, len(requests)):
        # The number is checked before any work is done for each of them.
        return
    if defaults is not None:
        _deserialize(request, _DEFAULTS, defaults)
        if isinstance(defaults, dict) and isinstance(requests, list):
            _refuse_large_defaults(request, defaults, len(requests))
            requests = [_with_defaults(item, defaults) for item in requests]
    if isinstance(requests, list) and all(map(_is_acceptable, requests)):
        validated: Any = requests
    else:
        validated = _deserialize(
            request, _REQUESTS, colander.null if requests is None else requests
        )
    if not request.errors:
        request.validated["requests"] = validated


def _is_excessive(request: Request, number: int) -> bool:
    limit = settings.read(request.registry.settings, "batch_max_requests")
    if limit is None or number <= limit:
        return False
    request.errors.add("body", "requests", f"Number of requests is limited to {limit}")
    return True


def _refuse_large_defaults(request: Request, defaults: dict[str, Any], number: int) -> None:
    """Limit the size of the defaults when they are copied into each request.

    Raises
    ------
    HTTPRequestEntityTooLarge : it is larger than a body may be.
    """
    configured = request.registry.settings
    max_bytes = settings.read(configured, "max_body_bytes")
    if max_bytes is None:
        return
    max_values = max_json_values(configured)
    is_large = number * len(jsonio.dumps(defaults)) > max_bytes
    if is_large or (max_values and number * jsonio.count_values(defaults) > max_values):
        subject = "The defaults, repeated in each request, are"
        raise errors.too_large(request, subject, "max_body_bytes")


def _with_defaults(item: Any, defaults: dict[str, Any]) -> Any:
    """Return an item of ``requests`` with the defaults for members that it lacks (H-25.7)."""
    if not isinstance(item, dict):
        return item
    own, default = item.get("headers"), defaults.get("headers")
    if isinstance(own, dict) and isinstance(default, dict):
        # Names of headers may differ in upper and lower case.
        names = {name.lower() for name in own}
        kept = {n: v for n, v in default.items() if n.lower() not in names}
        defaults = {**defaults, "headers": kept}
    return _completed(item, defaults)


def _completed(own: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the members of another one that it lacks, to any depth.

    All requests share the values: only merged objects are copied.
    """
    merged = dict(own)
    for name, default in defaults.items():
        value = merged.setdefault(name, default)
        if value is not default and isinstance(value, dict) and isinstance(default, dict):
            merged[name] = _completed(value, default)
    return merged


def _deserialize(request: Request, node: colander.SchemaNode, value: Any) -> Any:
    try:
        return node.deserialize(value)
    except colander.Invalid as invalid:
        faults.add_invalid(request, "body", invalid)
    return None
