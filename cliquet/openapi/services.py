"""The operations of services that are no resources, by their schemas and docstrings."""

from __future__ import annotations

import inspect
from typing import Any

import colander
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.openapi import error_responses, headers
from cliquet.openapi.components import Components, Described
from cliquet.openapi.schemas import as_json_schema, is_required
from cliquet.openapi.security import Schemes

__all__ = ["operation"]

_PLACES = {"querystring": "query", "header": "header"}


def operation(components: Components, schemes: Schemes, service: Any, method: str) -> Described:
    """Return the description of a method of a service of Cornice.

    The service may have a dictionary ``openapi`` with members for the operations of its methods, in
    lower case; they win over those that are found here.
    """
    view, arguments = next((v, a) for m, v, a in service.definitions if m == method)
    own = getattr(service, "openapi", None) or {}
    summary, description = _texts(service, view, arguments)
    described: Described = {
        "operationId": components.operation_id(service.name, method),
        "tags": ["service"],
        "summary": summary or f"{method} {service.path}",
        "security": schemes.required(is_public=_is_public(arguments)),
    }
    if description:
        described["description"] = description
    schema = _schema_of(arguments)
    if schema is not None:
        described.update(_request(schema))
    described["responses"] = {
        "200": {
            "description": "The answer of the service.",
            "headers": headers.of_all(components),
            "content": {"application/json": {"schema": {}}},
        },
        **error_responses.responses(components, 404, 406, 415),
    }
    return {**described, **own.get(method.lower(), {})}


def _texts(service: Any, view: Any, arguments: Any) -> tuple[str, str]:
    """Return the first line and the rest of the docstring of a view."""
    klass = arguments.get("klass")
    if isinstance(view, str) and klass is not None:
        view = getattr(klass, view, None)
    text = inspect.getdoc(view) if callable(view) else None
    text = text or getattr(service, "description", None) or ""
    first, _, rest = text.partition("\n")
    return first.strip(), rest.strip()


def _is_public(arguments: Any) -> bool:
    # Without a permission, a view is for everybody.
    return arguments.get("permission") in (None, NO_PERMISSION_REQUIRED)


def _schema_of(arguments: Any) -> Any:
    schema = arguments.get("schema")
    if isinstance(schema, type) and issubclass(schema, colander.SchemaNode):
        schema = schema()
    return schema if isinstance(schema, colander.SchemaNode) else None


def _request(schema: Any) -> Described:
    """Return the parameters and the body that a schema describes, by the places of its fields."""
    parameters = []
    body = schema.clone()
    body.children = []
    for child in schema.children:
        place = getattr(child, "location", "body")
        if place in _PLACES:
            parameter = {
                "name": child.name,
                "in": _PLACES[place],
                "required": is_required(child),
                "schema": as_json_schema(child, is_sent=False),
            }
            parameters.append(parameter)
        elif place == "body":
            body.children.append(child)
    found: Described = {}
    if parameters:
        found["parameters"] = parameters
    if body.children:
        found["requestBody"] = {
            "required": any(is_required(child) for child in body.children),
            "content": {"application/json": {"schema": as_json_schema(body, is_sent=False)}},
        }
    return found
