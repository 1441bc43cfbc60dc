"""The operations of a resource: what each method of its two URLs takes and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cliquet import settings
from cliquet.feed.events import CONTENT_TYPE
from cliquet.openapi import error_responses, filters, headers, parameters, streams
from cliquet.openapi.components import Components, Described
from cliquet.openapi.records import Records
from cliquet.openapi.security import Schemes

__all__ = ["Resource"]

_SUMMARIES: Final = {
    ("collection", "GET"): ("list", "List records"),
    ("collection", "POST"): ("create", "Create a record"),
    ("collection", "DELETE"): ("delete_list", "Delete the records that match"),
    ("record", "GET"): ("get", "Read a record"),
    ("record", "PUT"): ("replace", "Create or replace a record"),
    ("record", "PATCH"): ("update", "Modify members of a record"),
    ("record", "DELETE"): ("delete", "Delete a record"),
}


class Resource:
    """The description of one of the two services of a resource.

    Parameters
    ----------
    components, schemes : those of the document.
    service : the service, as the registration made it.
    registry : registry of the application.
    version : version of OpenAPI.
    """

    def __init__(
        self,
        components: Components,
        schemes: Schemes,
        service: Any,
        registry: Any,
        version: str,
    ) -> None:
        self._components = components
        self._schemes = schemes
        self._service = service
        name = service.resource_name
        self._records = Records(components, service.resource, name, registry.id_generator)
        self._version = version
        self._settings = registry.settings
        self._has_tokens = settings.has_sync_tokens(registry.settings, name)

    def operation(self, method: str) -> Described | None:
        """Return the description of a method; ``None`` for one that only the application knows."""
        kind = self._service.type
        known: dict[tuple[str, str], Callable[[], Described]] = {
            ("collection", "GET"): self._list,
            ("collection", "POST"): self._create,
            ("collection", "DELETE"): self._delete_list,
            ("record", "GET"): self._get,
            ("record", "PUT"): self._replace,
            ("record", "PATCH"): self._update,
            ("record", "DELETE"): self._delete,
        }
        if (kind, method) not in known:
            return None
        action, summary = _SUMMARIES[kind, method]
        name = self._service.resource_name
        return {
            "operationId": self._components.operation_id(name, action),
            "tags": [name],
            "summary": summary,
            "security": self._schemes.required(is_public=self._records.is_shared),
            **known[kind, method](),
        }

    # Operations

    def _list(self) -> Described:
        components = self._components
        return {
            "description": (
                "Each field can be in a filter, with the prefixes of its parameters. Between double"
                ' quotes (`"1984"`), a value is a text, whatever it looks like. A list by '
                "timestamps (`_since`) has the deleted records too."
            ),
            "parameters": [
                parameters.query(components, "_limit"),
                parameters.query(components, "_token"),
                self._control("_sort"),
                self._control("_fields"),
                *([parameters.query(components, "_sync")] if self._has_tokens else []),
                *self._conditions(),
                *self._bookmark(),
                parameters.header(components, "Prefer"),
                *([parameters.header(components, "Last-Event-ID")] if self._has_tokens else []),
                *self._filters(),
            ],
            "responses": {
                "200": self._listed(),
                "304": self._not_modified(),
                **error_responses.responses(components, 404, 406, 412, 414),
            },
        }

    def _listed(self) -> Described:
        """Return the response with a page of the list, which may be a stream instead."""
        answer = self._answer("The records of a page.", self._records.list_response(), headers.LIST)
        # Generators of clients would take the text of a stream for another form of every list.
        if self._has_tokens and self._version != "3.1":
            answer["content"][CONTENT_TYPE] = streams.described(
                self._components, self._records.item()
            )
        return answer

    def _create(self) -> Described:
        schema, is_required = self._records.request(may_lack_data=False)
        body = self._records.response()
        return {
            "parameters": self._conditions(),
            "requestBody": self._body({"application/json": schema}, is_required=is_required),
            "responses": {
                "200": self._answer("The record exists already, and stays as it is.", body),
                "201": self._written("The record that was created.", body, ("Location",)),
                **error_responses.responses(self._components, 404, 406, 409, 412, 415),
            },
        }

    def _delete_list(self) -> Described:
        components = self._components
        return {
            "description": "Without a filter, all records are deleted.",
            "parameters": [
                parameters.query(components, "_limit"),
                parameters.query(components, "_token"),
                self._control("_sort"),
                *self._conditions(),
                *self._filters(),
            ],
            "responses": {
                "200": self._written(
                    "What remains of the deleted records.",
                    self._records.tombstones_response(),
                    ("Next-Page", "Link"),
                ),
                **error_responses.responses(components, 404, 406, 412, 414),
            },
        }

    def _get(self) -> Described:
        return {
            "parameters": [
                self._control("_fields"),
                *self._own(),
                *self._conditions(),
                *self._bookmark(),
            ],
            "responses": {
                "200": self._answer("The record.", self._records.response(), headers.RECORD),
                "304": self._not_modified(),
                **error_responses.responses(self._components, 404, 406, 412),
            },
        }

    def _replace(self) -> Described:
        schema, is_required = self._records.request(may_lack_data=True)
        body = self._records.response()
        return {
            "parameters": self._conditions(),
            "requestBody": self._body({"application/json": schema}, is_required=is_required),
            "responses": {
                "200": self._written("The record that was replaced.", body, headers.VALIDATORS),
                "201": self._written(
                    "The record that was created.", body, (*headers.VALIDATORS, "Location")
                ),
                **error_responses.responses(self._components, 404, 406, 409, 412, 415),
            },
        }

    def _update(self) -> Described:
        behavior = parameters.header(self._components, "Response-Behavior")
        return {
            "parameters": [*self._conditions(), behavior],
            "requestBody": self._body(self._records.patch_requests(), is_required=True),
            "responses": {
                "200": self._written(
                    "The record, or the part of it that `Response-Behavior` asks for.",
                    self._records.part_response(),
                    headers.VALIDATORS,
                ),
                **error_responses.responses(self._components, 404, 406, 409, 412, 415),
            },
        }

    def _delete(self) -> Described:
        timestamp = parameters.query(self._components, "last_modified")
        return {
            "parameters": [timestamp, *self._conditions()],
            "responses": {
                "200": self._written(
                    "What remains of the record.", self._records.tombstone_response()
                ),
                **error_responses.responses(self._components, 404, 406, 412),
            },
        }

    # Parts

    def _filters(self) -> list[Described]:
        records, components = self._records, self._components
        found: dict[str, Described] = {}
        for field, described in records.fields:
            for name, parameter in filters.of_field(field, described):
                # A declared field wins over an operator with the same name (E-3.3).
                if name == field or name not in found:
                    found[name] = parameter
        times = [parameters.query(components, name) for name in ("_since", "_before", "_to")]
        return [*times, *map(self._own_parameter, found.values()), *self._own()]

    def _own(self) -> list[Described]:
        """Return the parameters that the code of the resource reads."""
        names = getattr(self._service.resource, "query_parameters", ())
        return [self._own_parameter(parameters.of_resource(name)) for name in names]

    def _control(self, name: str) -> Described:
        """Return ``_sort`` or ``_fields``, whose values are the fields of the resource."""
        fields = dict.fromkeys(field for field, _ in self._records.fields)
        is_closed = not self._records.has_other_fields
        return self._own_parameter(parameters.of_fields(name, fields, is_closed=is_closed))

    def _own_parameter(self, described: Described) -> Described:
        """Return a reference to a parameter that only this resource has."""
        name, owner = f"{self._records.name}.{described['name']}", self._records.resource_name
        return self._components.refer("parameters", name, lambda: described, owner)

    def _conditions(self) -> list[Described]:
        names = ("If-Match", "If-None-Match")
        return [parameters.condition(self._components, name) for name in names]

    def _bookmark(self) -> list[Described]:
        """Return the header by which a client shows what it wrote, if replicas serve reads."""
        if not settings.has_bookmarks(self._settings):
            return []
        return [parameters.header(self._components, "Sync-Bookmark")]

    def _body(self, schemas: dict[str, Described], *, is_required: bool) -> Described:
        content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
        return {"required": is_required, "content": content}

    def _answer(
        self, description: str, schema: Described, names: tuple[str, ...] = ()
    ) -> Described:
        return {
            "description": description,
            "headers": {
                **headers.of_all(self._components),
                **headers.references(self._components, *names),
            },
            "content": {"application/json": {"schema": schema}},
        }

    def _written(
        self, description: str, schema: Described, names: tuple[str, ...] = ()
    ) -> Described:
        """Return the response to a request that wrote something."""
        answer = self._answer(description, schema, names)
        answer["headers"].update(headers.of_writes(self._components, self._settings))
        return answer

    def _not_modified(self) -> Described:
        return self._components.refer(
            "responses",
            "NotModified",
            lambda: {
                "description": "The client has the present version already.",
                "headers": {
                    **headers.of_all(self._components),
                    **headers.references(self._components, *headers.RECORD),
                },
            },
        )
