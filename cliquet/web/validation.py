"""Validate a request against a colander schema, before anything is done with it.

The schema's children say where each value comes from (``location``: ``body``, ``querystring``,
``header`` or ``path``); what it does not know is dropped, kept or refused as its ``unknown`` says.
Errors are collected on ``request.errors``, all of them (H-6.1, step 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import colander
from pyramid.exceptions import ConfigurationError
from pyramid.path import DottedNameResolver
from pyramid.request import Request

from cliquet import utils
from cliquet.core import jsonio
from cliquet.web import faults, limits

__all__ = [
    "PreparedSchema",
    "forget_body",
    "json_body",
    "needs_binding",
    "read_body",
    "validate_schema",
]

_BODY = "_cliquet_json_body"


def json_body(request: Request) -> Any:
    """Return the JSON body of a request, ``{}`` when it has none; parsed once.

    Raises
    ------
    ValueError : the body is not JSON.
    """
    source, body = request.__dict__.get(_BODY, (None, None))
    if source is None or source is not request.environ["wsgi.input"]:
        # A request made by hand, in a test or by an application, was not validated; or its body was
        # replaced since (P-35.13).
        body = request.json if request.body else {}
    return body


def forget_body(request: Request) -> None:
    """Free a large body of a request that is over, and may itself wait for the collector."""
    if (request.content_length or 0) > limits.SMALL_BYTES:
        request.__dict__.pop(_BODY, None)
        request.body = b""


def _remember(request: Request, body: Any) -> None:
    # Known by its stream, which is another one as soon as somebody sets the body.
    request.__dict__[_BODY] = (request.environ["wsgi.input"], body)


def read_body(request: Request) -> dict[str, Any] | None:
    """Parse the body, note its faults in ``request.errors``, and return it or ``{}``.

    ``None`` stands for an object one of whose values is at fault (X-25): it is neither known nor
    missing.
    """
    body: Any = {}
    # Negotiation has refused bodies of another type where one type is asked for; elsewhere, as in
    # batch, they count as empty (H-25.6).
    if request.content_type.lower() == "application/json" and (raw := request.body):
        try:
            body = jsonio.loads_strict(raw, max_values=_max_values(request))
        except jsonio.JSONError as error:
            description = f"Invalid JSON request body: {error.message}"
            faults.add(request, "body", error.path, description)
            if error.path is not None:
                _remember(request, {})
                return None
            body = {}
        if not isinstance(body, dict):
            shown = jsonio.dumps(body).decode()
            if len(shown) > 100:
                shown = shown[:100] + "…"
            faults.add(
                request,
                "body",
                None,
                f"Invalid JSON: Should be a JSON object, got {shown}",
            )
            body = {}
    _remember(request, body)
    return body  # type: ignore[no-any-return]  # narrowed above


def _max_values(request: Request) -> int | None:
    return limits.max_json_values(request.registry.settings)


class PreparedSchema:
    """The schema of a service, with what is worked out once for all requests.

    Parameters
    ----------
    schema : a colander mapping schema, its class, or the dotted name of either.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : it is something else.
    """

    def __init__(self, schema: Any) -> None:
        found = DottedNameResolver().maybe_resolve(schema)
        node = found() if callable(found) else found
        if not isinstance(getattr(node, "typ", None), colander.Mapping):
            raise ConfigurationError(f"The schema of a service must be a mapping: {schema!r}")
        self._node = node
        self._is_bound = needs_binding(node)
        self.has_own_unflatten = type(node).unflatten is not colander.SchemaNode.unflatten
        self.unknown: str = node.typ.unknown

    def for_request(self, request: Request) -> Any:
        """Return the schema, its deferred values worked out for the request.

        Where code of an application takes part it is a copy: whatever that code leaves on the
        schema ends with the request (P-35.3).
        """
        return self._node.bind(request=request) if self._is_bound else self._node


def needs_binding(node: Any) -> bool:
    """Whether a schema is another one for each request: code of an application takes part in it."""
    if getattr(node, "after_bind", None) or any(
        isinstance(getattr(node, name, None), colander.deferred) for name in dir(node)
    ):
        return True
    overrides = (
        "deserialize" in vars(cls) and cls.__module__.split(".")[0] not in ("colander", "cliquet")
        for cls in type(node).__mro__
    )
    return any(overrides) or any(map(needs_binding, node.children))


def validate_schema(request: Request, schema: Any = None, **kwargs: Any) -> None:
    """Fill ``request.validated`` from the parts of the request that `schema` describes.

    A service validator; does nothing without schema, except that a JSON body must be one.

    Parameters
    ----------
    schema : whatever :class:`PreparedSchema` takes, or one of these.
    """
    if schema is None:
        return
    if _is_patch_document(request):
        _read_patch(request)
        return
    prepared = schema if isinstance(schema, PreparedSchema) else PreparedSchema(schema)
    body = read_body(request)
    schema, unknown = prepared.for_request(request), prepared.unknown
    if not schema.children and unknown != "raise" and not prepared.has_own_unflatten:
        # Nothing is asked for: the frequent case of GET.
        return
    if body is None:
        return

    values: dict[str, Mapping[str, Any]] = {"body": _with_unflattened(prepared, schema, body)}
    is_query_read = any(_location(node) == "querystring" for node in schema.children)
    if is_query_read:
        values["querystring"] = _unflattened_query(prepared, schema, request)
    for node in schema.children:
        _validate_node(request, node, values)
    if unknown == "raise":
        known = {n.name for n in schema.children if _location(n) in ("body", "querystring")}
        # As they were sent: what was unflattened from a name does not make that name known.
        for location, names in (("body", body), ("querystring", request.GET)):
            for name in names:
                if name not in known:
                    faults.add(request, location, name, f"{name} is not allowed")
    elif unknown == "preserve":
        for name, value in values["body"].items():
            request.validated.setdefault(name, value)


def _with_unflattened(
    prepared: PreparedSchema, schema: Any, body: dict[str, Any]
) -> Mapping[str, Any]:
    """Return the body, completed by what the schema makes of its flat names."""
    if prepared.has_own_unflatten:
        try:
            return {**schema.unflatten(dict(body)), **body}
        except KeyError:
            # A name that the schema does not know: it stays as it is.
            return body
    nested = _nested(prepared, schema, "body", body)
    return {**nested, **body} if nested else body


def _unflattened_query(
    prepared: PreparedSchema, schema: Any, request: Request
) -> Mapping[str, Any]:
    """Return the query string as the schema reads it."""
    if prepared.has_own_unflatten:
        try:
            own: Mapping[str, Any] = schema.unflatten(request.GET.copy())
        except KeyError:
            return request.GET  # type: ignore[no-any-return]  # WebOb has no types
        return own
    nested = _nested(prepared, schema, "querystring", request.GET)
    return {**nested, **dict(request.GET.items())} if nested else request.GET


def _nested(
    prepared: PreparedSchema, schema: Any, location: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the objects that names such as ``address.street`` describe, if the schema has any."""
    if prepared.unknown == "raise" or not any("." in name for name in values):
        return {}
    names = {node.name for node in schema.children}
    nodes = {n.name for n in schema.children if n.children and _location(n) == location}
    flat = {
        name: value
        for name, value in values.items()
        if name not in names and name.partition(".")[0] in nodes
    }
    try:
        nested: dict[str, Any] = schema.unflatten(flat)
    except (AssertionError, LookupError):
        # Names that describe nothing of the schema; a client may send anything.
        return {}
    return nested


def _is_patch_document(request: Request) -> bool:
    """Whether the body is a patch in a format of its own, without payload around it (E-4.1)."""
    if request.method != "PATCH":
        return False
    formats = getattr(utils.current_service(request), "patch_content_types", ())
    return request.content_type.lower() in formats


def _read_patch(request: Request) -> None:
    try:
        request.validated["patch"] = jsonio.loads_strict(
            request.body, max_values=_max_values(request)
        )
    except jsonio.JSONError as error:
        faults.add(request, "body", error.path, f"Invalid JSON request body: {error.message}")
    for name in request.GET:
        faults.add(request, "querystring", name, f"{name} is not allowed")


def _location(node: Any) -> str:
    return getattr(node, "location", "body")


def _accepts_nothing(node: Any) -> bool:
    """Whether a mapping, bound to the request, asks for none of its members."""
    try:
        node.deserialize({})
    except colander.Invalid:
        return False
    return True


def _validate_node(request: Request, node: Any, values: Mapping[str, Mapping[str, Any]]) -> None:
    location = _location(node)
    if location == "header":
        source: Mapping[str, Any] = request.headers
    elif location == "path":
        source = request.matchdict
    else:
        source = values[location]

    if node.name in source:
        value = source[node.name]
        if location == "querystring" and isinstance(node.typ, colander.Sequence):
            # A parameter may be repeated.
            value = request.GET.getall(node.name) or value
        if value is None:
            # It is as if nothing had been given (H-8.3).
            if getattr(node, "refuse_null", False):
                faults.add(request, location, node.name, "Required")
                return
            value = colander.null
    elif source.get(getattr(node, "dispensed_by", "")) is not None:
        # What it stands for is only known once the record is read.
        return
    elif node.default is not colander.null and node.default is not colander.drop:
        value = node.serialize()
    elif node.required and getattr(node, "may_be_absent", False) and _accepts_nothing(node):
        value = {}
    elif node.required:
        faults.add(request, location, node.name, f"{node.name} is missing")
        return
    else:
        value = {} if getattr(node, "defaults_when_absent", False) else colander.null
    try:
        validated = node.deserialize(value)
    except colander.Invalid as error:
        faults.add_invalid(request, location, error)
    else:
        if validated is not colander.drop:
            request.validated[node.name] = validated
