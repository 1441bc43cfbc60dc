"""The bodies of requests and responses of one resource."""

from __future__ import annotations

from typing import Any, Final

import colander

from cliquet.openapi.components import Components, Described, identifier
from cliquet.openapi.filters import dotted_fields
from cliquet.openapi.parameters import TIMESTAMP
from cliquet.openapi.schemas import as_json_schema
from cliquet.resource import unknown_members
from cliquet.resource.schema import PermissionsSchema
from cliquet.resource.shareable import ShareableResource
from cliquet.resource.user import UserResource
from cliquet.storage.generators import Generator

__all__ = ["Records"]

_TIMESTAMP: Final[Described] = {
    "type": "integer",
    "description": "When it was modified, in milliseconds since 1970; it only grows.",
}


class Records:
    """The schemas of the records of one resource, which are made when they are referred to.

    Parameters
    ----------
    components : those of the document.
    resource_cls : class of the resource.
    resource_name : name by which it is registered.
    id_generator : generator of the ids of the service.
    """

    def __init__(
        self, components: Components, resource_cls: Any, resource_name: str, id_generator: Any
    ) -> None:
        self._components = components
        self._resource_cls = resource_cls
        self._mapping = resource_cls.mapping
        self.resource_name = resource_name
        # The name of a class in the languages of clients.
        words = identifier(resource_name).split("_")
        self.name = "".join(word[:1].upper() + word[1:] for word in words)
        self.is_shared = issubclass(resource_cls, ShareableResource)
        model = resource_cls.default_model
        self.id_field: str = model.id_field
        self.modified_field: str = model.modified_field
        self.deleted_field: str = model.deleted_field
        self._id: Described = {"type": "string", "description": "The id of the record."}
        if isinstance(id_generator, Generator):
            self._given_id = {**self._id, "pattern": id_generator.regexp}
        else:
            self._given_id = self._id

    @property
    def fields(self) -> list[tuple[str, Described]]:
        """Return the fields for filters, dotted ones included, with those of every record."""
        reserved = {
            self.id_field: {"type": "string"},
            self.modified_field: TIMESTAMP,
            self.deleted_field: {"type": "boolean"},
        }
        declared = dotted_fields(self._mapping)
        # What the schema says of the members of every record does not change them.
        return [*(item for item in declared if item[0] not in reserved), *reserved.items()]

    @property
    def has_other_fields(self) -> bool:
        """Return whether records may have fields that the schema does not declare."""
        return (
            self._mapping.get_option("preserve_unknown") is True
            or self._resource_cls.is_known_field is not UserResource.is_known_field
            or any(_is_open(described) for _, described in self.fields)
        )

    # What the service sends

    def record(self) -> Described:
        """Return the record as the service sends it."""
        return self._refer("", lambda: self._sent(required=[self.id_field, self.modified_field]))

    def tombstone(self) -> Described:
        """Return what remains of a deleted record."""
        return self._refer("Tombstone", self._tombstone)

    def response(self) -> Described:
        """Return the body of a response with a record."""
        return self._refer("Response", lambda: self._envelope(self.record(), is_sent=True))

    def part_response(self) -> Described:
        """Return the body of the response to a PATCH, which may have a part of the record."""

        def make() -> Described:
            part = self._refer("Part", lambda: self._sent(required=[]))
            return self._envelope(part, is_sent=True)

        return self._refer("PartResponse", make)

    def tombstone_response(self) -> Described:
        """Return the body of the response to the deletion of a record."""
        return self._refer("Deletion", lambda: _object({"data": self.tombstone()}, ["data"]))

    def tombstones_response(self) -> Described:
        """Return the body of the response to the deletion of many records."""
        data = {"type": "array", "items": self.tombstone()}
        return self._refer("Deletions", lambda: _object({"data": data}, ["data"]))

    def item(self) -> Described:
        """Return an item of a list: a record, or what remains of one."""
        return {"anyOf": [self.tombstone(), self.record()]}

    def list_response(self) -> Described:
        """Return the body of a list; only a list by timestamps has tombstones."""
        data = {"type": "array", "items": self.item()}
        return self._refer("List", lambda: _object({"data": data}, ["data"]))

    # What clients send

    def request(self, *, may_lack_data: bool) -> tuple[Described, bool]:
        """Return the body of a request with a whole record, and whether one is required.

        Parameters
        ----------
        may_lack_data : whether permissions alone are enough.
        """
        has_required = bool(as_json_schema(self._mapping, is_sent=False).get("required"))
        needs_data = has_required and not (may_lack_data and self.is_shared)
        suffix = "Replacement" if may_lack_data and self.is_shared else "Creation"

        def make() -> Described:
            body = self._envelope(self._input(), is_sent=False)
            body["required"] = ["data"] if needs_data else []
            return {name: value for name, value in body.items() if value != []}

        return self._refer(suffix, make), has_required

    def patch_requests(self) -> dict[str, Described]:
        """Return the bodies of PATCH by their media types."""

        def changes() -> Described:
            accepted = self._accepted()
            accepted.pop("required", None)
            return accepted

        def make() -> Described:
            body = self._envelope(self._refer("Changes", changes), is_sent=False)
            if self.is_shared:
                del body["required"]
            return body

        operations = self._components.schema("JsonPatch", lambda: dict(_JSON_PATCH))
        merged = self._components.schema("MergePatch", lambda: dict(_MERGE_PATCH))
        return {
            "application/json": self._refer("Patch", make),
            "application/merge-patch+json": merged,
            "application/json-patch+json": operations,
        }

    # Parts

    def _refer(self, suffix: str, make: Any) -> Described:
        return self._components.schema(self.name + suffix, make, self.resource_name)

    def _input(self) -> Described:
        return self._refer("Input", self._accepted)

    def _accepted(self) -> Described:
        described = as_json_schema(self._mapping, is_sent=False)
        own: Described = {self.id_field: self._given_id, self.modified_field: _TIMESTAMP}
        if unknown_members.refuses(self._mapping):
            described["additionalProperties"] = False
            own[self.deleted_field] = {"type": "boolean"}
        described["properties"] = {**own, **described.get("properties", {})}
        return described

    def _sent(self, required: list[str]) -> Described:
        described = as_json_schema(self._mapping, is_sent=True)
        described.pop("required", None)
        # Methods of the application may add members.
        described.pop("additionalProperties", None)
        own = {self.id_field: self._id, self.modified_field: _TIMESTAMP}
        described["properties"] = {**described.get("properties", {}), **own}
        if required:
            described["required"] = required
        return described

    def _tombstone(self) -> Described:
        own: Described = {
            self.id_field: self._id,
            self.modified_field: _TIMESTAMP,
            self.deleted_field: {"type": "boolean", "const": True},
        }
        return {**_object(own, list(own)), "description": "What remains of a deleted record."}

    def _envelope(self, data: Described, *, is_sent: bool) -> Described:
        properties = {"data": data}
        if self.is_shared:
            known = self._resource_cls.permissions
            node = PermissionsSchema(permissions=known, missing=colander.drop)
            described = as_json_schema(node, is_sent=is_sent)
            described["description"] = "The users and groups that have each permission."
            properties["permissions"] = described
        return _object(properties, ["data"])


def _object(properties: Described, required: list[str]) -> Described:
    return {"type": "object", "properties": properties, "required": required}


def _is_open(described: Described) -> bool:
    """Return whether a field may have members that the schema does not declare."""
    types = described.get("type")
    if types is None:
        return True
    return "object" in types and (
        not described.get("properties") or described.get("additionalProperties") is True
    )


_MERGE_PATCH: Final[Described] = {
    "type": "object",
    "additionalProperties": True,
    "description": (
        "The members to change, to any depth; null removes one (RFC 7396). They are those of the "
        "record on resources of users, and `data` and `permissions` on shared ones."
    ),
}
_JSON_PATCH: Final[Described] = {
    "type": "array",
    "description": "Operations on paths below `/data` or `/permissions`, in order (RFC 6902).",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {},
        },
    },
}
