"""Validates a request against a colander schema, before any work is done for it.

The children of the schema say where each value comes from (``location``: ``body``, ``querystring``,
``header`` or ``path``). Its option ``unknown`` says whether unknown values are dropped, kept or
refused. All errors are collected on ``request.errors``.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import colander
from pyramid.exceptions import ConfigurationError
from pyramid.path import DottedNameResolver
from pyramid.request import Request

from cliquet import settings, utils
from cliquet.core import jsonio
from cliquet.web import faults

__all__ = [
    "PreparedSchema",
    "forget_body",
    "forget_parsed",
    "give_body",
    "has_body",
    "json_body",
    "max_json_values",
    "needs_binding",
    "read_body",
    "validate_schema",
]

_BODY = "_cliquet_json_body"
_GIVEN = "_cliquet_given_body"

# Types of class attributes that are read in ways of their own, but never give a deferred value. A
# property is not among them, because it may give anything.
_NEVER_DEFERRED = frozenset(
    {types.FunctionType, classmethod, staticmethod, types.GetSetDescriptorType}
)

# The names of these attributes, of classes that no application writes.
_of_library: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()

_FEWEST_JSON_VALUES = 65_536
_BYTES_PER_JSON_VALUE = 160


def json_body(request: Request) -> Any:
    """Return the JSON body of a request, ``{}`` if it has none; it is parsed only once.

    Raises
    ------
    ValueError : the body is not JSON.
    """
    source, body = request.__dict__.get(_BODY, (None, None))
    if source is None or source is not request.environ["wsgi.input"]:
        # A test or an application has made the request, so that it was not validated, or the body
        # was replaced after the validation (P-35.13).
        body = request.json if request.body else {}
    return body


def has_body(request: Request) -> bool:
    """Return whether a request has a body, which WebOb would read once more to know it."""
    source, body = request.__dict__.get(_BODY, (None, None))
    if body and source is request.environ["wsgi.input"]:
        return True
    return bool(request.body)


def forget_body(request: Request) -> None:
    """Free a large body of a finished request, which may still wait for the collector."""
    # WebOb copies a smaller one in memory, without much cost.
    if (request.content_length or 0) > Request.request_body_tempfile_limit:
        request.__dict__.pop(_BODY, None)
        request.body = b""


def forget_parsed(request: Request) -> None:
    """Free what a body was parsed to; the next call that needs it parses the body again."""
    request.__dict__.pop(_BODY, None)


def give_body(request: Request, body: dict[str, Any]) -> None:
    """Give a request the value of its body, which need not be read again.

    Parameters
    ----------
    body : what reading the body would give; nobody else may have it.
    """
    request.__dict__[_GIVEN] = (request.environ["wsgi.input"], body)


def _remember(request: Request, body: Any) -> None:
    # The stream belongs to the body: it is another object after the body was set again.
    request.__dict__[_BODY] = (request.environ["wsgi.input"], body)


def read_body(request: Request) -> dict[str, Any] | None:
    """Parse the body, add its faults to ``request.errors``, and return it or ``{}``.

    ``None`` stands for an object with a wrong value (X-25): the object is neither known nor
    missing.
    """
    source, body = request.__dict__.pop(_GIVEN, (None, {}))
    # If an endpoint requires a type, negotiation has already refused bodies of other types. On
    # other endpoints, such as batch, they count as empty (H-25.6).
    if request.content_type.lower() != "application/json":
        body = {}
    elif (source is None or source is not request.environ["wsgi.input"]) and (raw := request.body):
        try:
            body = _parsed(request, raw)
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


def _parsed(request: Request, body: bytes) -> Any:
    configured = request.registry.settings
    return jsonio.loads_strict(
        body,
        max_values=max_json_values(configured),
        max_memory_bytes=settings.read(configured, "max_body_bytes"),
    )


def max_json_values(configured: Mapping[str, Any]) -> int | None:
    """Return how many values a JSON body may have; ``None`` for any number.

    A value may have only 2 bytes in the body, but takes up to 300 bytes when it is parsed, and half
    as much again until it is stored. The number of bytes alone therefore limits neither memory nor
    time. The limit grows with ``max_body_bytes``; without that setting there is none.
    """
    limit = settings.read(configured, "max_body_bytes")
    return None if limit is None else max(_FEWEST_JSON_VALUES, limit // _BYTES_PER_JSON_VALUE)


class PreparedSchema:
    """The schema of a service, with the values that are computed once for all requests.

    Parameters
    ----------
    schema : a colander mapping schema, its class, or the dotted name of either.

    Attributes
    ----------
    is_bound : whether code of the application makes it different for each request.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : it is none of these.
    """

    def __init__(self, schema: Any) -> None:
        found = DottedNameResolver().maybe_resolve(schema)
        node = found() if callable(found) else found
        if not isinstance(getattr(node, "typ", None), colander.Mapping):
            raise ConfigurationError(f"The schema of a service must be a mapping: {schema!r}")
        self._node = node
        self.is_bound = needs_binding(node)
        self.has_own_unflatten = type(node).unflatten is not colander.SchemaNode.unflatten
        self.unknown: str = node.typ.unknown

    def for_request(self, request: Request) -> Any:
        """Return the schema with its deferred values computed for the request.

        If code of an application takes part, the schema is a copy, so that changes by that code end
        with the request (P-35.3).
        """
        return self._node.bind(request=request) if self.is_bound else self._node


def needs_binding(node: Any) -> bool:
    """Return whether code of an application makes a schema different for each request."""
    if getattr(node, "after_bind", None) or any(
        isinstance(getattr(node, name, None), colander.deferred) for name in _maybe_deferred(node)
    ):
        return True
    overrides = (
        "deserialize" in vars(cls) and cls.__module__.split(".")[0] not in ("colander", "cliquet")
        for cls in type(node).__mro__
    )
    return any(overrides) or any(map(needs_binding, node.children))


def _maybe_deferred(node: Any) -> Iterator[str]:
    """Yield the names of attributes of a schema that are not plainly something else.

    Each view of a service has a schema, and each schema some 150 attributes: to read them all took
    a tenth of the time in which a service starts. Most belong to classes that nobody changes.
    """
    yield from _undecided(node)
    for owner in type(node).__mro__[:-1]:
        names = _of_library.get(owner)
        if names is None:
            names = _undecided(owner)
            if owner.__module__.partition(".")[0] in ("colander", "cliquet"):
                _of_library[owner] = names
        yield from names


def _undecided(owner: Any) -> tuple[str, ...]:
    return tuple(
        name
        for name, value in vars(owner).items()
        if isinstance(value, colander.deferred)
        or (hasattr(type(value), "__get__") and type(value) not in _NEVER_DEFERRED)
    )


def validate_schema(request: Request, schema: Any = None, **kwargs: Any) -> None:
    """Fill ``request.validated`` from the parts of the request that `schema` describes.

    This is a service validator. Without a schema, it only checks that a JSON body is valid JSON.

    Parameters
    ----------
    schema : an argument of :class:`PreparedSchema`, or such an object.
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
        # The schema asks for nothing, which is frequent for GET.
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
        # The names are those that were sent: a name that was unflattened does not become known.
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
    """Return the body with the objects that the schema makes of its flat names."""
    if prepared.has_own_unflatten:
        try:
            return {**schema.unflatten(dict(body)), **body}
        except KeyError:
            # The schema does not know the name, which stays as it is.
            return body
    nested = _nested(prepared, schema, "body", body)
    return {**nested, **body} if nested else body


def _unflattened_query(
    prepared: PreparedSchema, schema: Any, request: Request
) -> Mapping[str, Any]:
    """Return the query string in the form that the schema reads."""
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
    """Return the objects that names such as ``address.street`` describe, if the schema has some."""
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
        # The names match nothing in the schema; a client may send anything.
        return {}
    return nested


def _is_patch_document(request: Request) -> bool:
    """Return whether the body is a patch in its own format, without a payload around it."""
    if request.method != "PATCH":
        return False
    formats = getattr(utils.current_service(request), "patch_content_types", ())
    return request.content_type.lower() in formats


def _read_patch(request: Request) -> None:
    try:
        request.validated["patch"] = _parsed(request, request.body)
    except jsonio.JSONError as error:
        faults.add(request, "body", error.path, f"Invalid JSON request body: {error.message}")
    for name in request.GET:
        faults.add(request, "querystring", name, f"{name} is not allowed")


def _location(node: Any) -> str:
    return getattr(node, "location", "body")


def _accepts_nothing(node: Any) -> bool:
    """Return whether a mapping that is bound to the request has no required members."""
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
            # A parameter may come several times.
            value = request.GET.getall(node.name) or value
        if value is None:
            # The result is the same as if nothing had been given (H-8.3).
            if getattr(node, "refuse_null", False):
                faults.add(request, location, node.name, "Required")
                return
            value = colander.null
    elif source.get(getattr(node, "dispensed_by", "")) is not None:
        # The value is only known when the record is read.
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
