"""Validates a request against a colander schema, before any work is done for it.

The children of the schema say where each value comes from (``location``: ``body``, ``querystring``,
``header`` or ``path``). Its option ``unknown`` says whether unknown values are dropped, kept or
refused. All errors are collected on ``request.errors``.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import colander
from pyramid.exceptions import ConfigurationError
from pyramid.path import DottedNameResolver
from pyramid.request import Request

from cliquet import utils
from cliquet.core import jsonio
from cliquet.web import bodies, faults
from cliquet.web.acceptance import DOUBT, Acceptance

__all__ = [
    "PreparedSchema",
    "needs_binding",
    "prepared_for",
    "validate_schema",
]

# Types of class attributes that are read in ways of their own, but never give a deferred value. A
# property is not among them, because it may give anything.
_NEVER_DEFERRED = frozenset(
    {types.FunctionType, classmethod, staticmethod, types.GetSetDescriptorType}
)

# The names of these attributes, of classes that no application writes.
_of_library: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()


class _Parts(NamedTuple):
    """Where the values of a schema come from.

    Attributes
    ----------
    is_query_read : whether some come from the query string.
    known : names that may be in the body or in the query string.
    """

    is_query_read: bool
    known: frozenset[str]


def _parts_of(schema: Any) -> _Parts:
    places = [(_location(node), node.name) for node in schema.children]
    return _Parts(
        is_query_read=any(location == "querystring" for location, _ in places),
        known=frozenset(name for location, name in places if location in ("body", "querystring")),
    )


class PreparedSchema:
    """The schema of a service, with the values that are computed once for all requests.

    Parameters
    ----------
    schema : a colander mapping schema, its class, or the dotted name of either.

    Attributes
    ----------
    is_bound : whether code of the application makes it different for each request.
    acceptances : what accepts values of children without asking colander, by name.
    asks_for_nothing : whether nothing of a request is validated but that its body is JSON, which is
        frequent for GET.

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
        self.asks_for_nothing = not self.is_bound and self.is_empty(node)
        self._parts = None if self.is_bound else _parts_of(node)
        # Colander copies what such nodes contain at every depth.
        self.acceptances = {
            child.name: Acceptance(child)
            for child in (() if self.is_bound else node.children)
            if type(child) is colander.SchemaNode
        }

    def is_empty(self, schema: Any) -> bool:
        """Return whether the schema, which was bound to a request, asks for nothing."""
        return not schema.children and self.unknown != "raise" and not self.has_own_unflatten

    def parts(self, schema: Any) -> _Parts:
        """Return where the values of the schema come from, which was bound to a request."""
        return self._parts or _parts_of(schema)

    def for_request(self, request: Request) -> Any:
        """Return the schema with its deferred values computed for the request.

        If code of an application takes part, the schema is a copy, so that changes by that code end
        with the request (P-35.3).
        """
        return self._node.bind(request=request) if self.is_bound else self._node


def prepared_for(method: str, prepared: PreparedSchema) -> Callable[[Request], Any]:
    """Return what :func:`validate_schema` does for requests with one method and one schema."""
    # Documents of PATCH have a form of their own.
    if prepared.asks_for_nothing and method != "PATCH":
        return bodies.read_body
    return lambda request: validate_schema(request, prepared)


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
    body = bodies.read_body(request)
    schema, unknown = prepared.for_request(request), prepared.unknown
    if body is None or prepared.is_empty(schema):
        return

    values: dict[str, Mapping[str, Any]] = {"body": _with_unflattened(prepared, schema, body)}
    parts = prepared.parts(schema)
    if parts.is_query_read:
        values["querystring"] = _unflattened_query(prepared, schema, request)
    for node in schema.children:
        _validate_node(request, node, values, prepared.acceptances.get(node.name))
    if unknown == "raise":
        query = request.GET if request.environ.get("QUERY_STRING") else ()
        # The names are those that were sent: a name that was unflattened does not become known.
        for location, names in (("body", body), ("querystring", query)):
            for name in names:
                if name not in parts.known:
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
    if request.environ.get("REQUEST_METHOD") != "PATCH":
        return False
    formats = getattr(utils.current_service(request), "patch_content_types", ())
    return request.content_type.lower() in formats


def _read_patch(request: Request) -> None:
    try:
        request.validated["patch"] = bodies.parsed(request, bodies.raw_body(request))
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


def _validate_node(
    request: Request,
    node: Any,
    values: Mapping[str, Mapping[str, Any]],
    accept: Acceptance | None,
) -> None:
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
        validated = DOUBT if accept is None else accept(value)
        if validated is DOUBT:
            validated = node.deserialize(value)
    except colander.Invalid as error:
        faults.add_invalid(request, location, error)
    else:
        if validated is not colander.drop:
            request.validated[node.name] = validated
