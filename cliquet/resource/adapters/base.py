"""What the adapters of all libraries have in common."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final, TypedDict

import colander

from cliquet.resource import unknown_members
from cliquet.resource.adapters import described, values
from cliquet.resource.adapters.described import Described
from cliquet.resource.schema import ResourceSchema, is_number_kept
from cliquet.resource.user_model import Model

__all__ = ["AdaptedSchema", "SchemaOptions"]

# The members of every record, if its model does not name them otherwise.
_OF_ALL: Final = frozenset((Model.id_field, Model.modified_field, Model.deleted_field))
_NO_FIELDS: Final = colander.SchemaNode(colander.Mapping())


class SchemaOptions(TypedDict, total=False):
    """Options of a schema as keywords; see :class:`cliquet.resource.ResourceSchema`.

    .. versionadded:: 3.2
    """

    unique_fields: tuple[str, ...]
    readonly_fields: tuple[str, ...]
    indexed_fields: tuple[str | tuple[str, ...], ...]
    gin_indexed_fields: tuple[str, ...]
    preserve_unknown: bool
    unknown: str


class AdaptedSchema(ResourceSchema):
    """A schema whose fields and whose validation come from another library.

    Parameters
    ----------
    root : JSON Schema of the records, without references.
    options : options of the schema.
    parent : class with further options, or ``None``.
    place : where the schema is in the code of the application, for messages.

    .. versionadded:: 3.2
    """

    _judges_only: bool

    def __init__(
        self, root: Described, options: Mapping[str, Any], parent: Any, place: object
    ) -> None:
        self.place = place
        self._root = root
        self._takes_others = described.is_open(root)
        own: dict[str, Any] = {}
        given = {*options, *dir(parent)}
        if given.isdisjoint(("preserve_unknown", "unknown")):
            # Otherwise the options win over the schema.
            if self._takes_others:
                own["preserve_unknown"] = True
            elif root.get("additionalProperties") is False:
                own["unknown"] = "raise"
        bases = (parent,) if isinstance(parent, type) else ()
        self.Options = type("Options", bases, {**own, **options})  # type: ignore[assignment]
        super().__init__(*described.fields_of(root))

    def clone(self) -> AdaptedSchema:
        """Return a copy; that of colander calls the class with other arguments."""
        cloned = copy.copy(self)
        cloned.children = [node.clone() for node in self.children]
        return cloned

    @abstractmethod
    def _validated(self, given: dict[str, Any], faults: dict[str, str]) -> Any:
        """Return the validated record, or add a text for each path that has a fault."""

    def deserialize(self, cstruct: Any = colander.null) -> Any:
        """Return the validated record, of which all values are JSON.

        Raises
        ------
        colander.Invalid : it does not fit.
        """
        if cstruct is colander.null:
            if self.required:
                raise colander.Invalid(self, "Required")
            return self.missing
        value = cstruct if isinstance(cstruct, dict) else self._as_object(cstruct)
        unknown = None
        if self._reserved is not None:
            unknown = unknown_members.found(self, value, self._reserved)
        given, others = self._parted(value)
        faults: dict[str, str] = {}
        record = self._validated(values.without_absent(self, given), faults)
        if not faults:
            record = values.completed(self, record, is_judged_only=self._judges_only)
            record.update(others)
            for name, item in record.items():
                if not is_number_kept(item):
                    faults[name] = "Number out of range"
        if faults or unknown is not None:
            raise self._refusal(faults, unknown)
        return record

    def _refusal(
        self, faults: Mapping[str, str], unknown: colander.Invalid | None
    ) -> colander.Invalid:
        invalid = colander.Invalid(self)
        positions = {child.name: position for position, child in enumerate(self.children)}
        # PATCH tells the first one alone, which is that of the first field.
        for path in sorted(faults, key=lambda one: positions.get(one.partition(".")[0], -1)):
            node = colander.SchemaNode(colander.Mapping(), name=path)
            invalid.add(colander.Invalid(node, faults[path]))
        if unknown is not None:
            invalid.children.extend(unknown.children)
        return invalid

    def _as_object(self, value: Any) -> dict[str, Any]:
        """Refuse what is no object in the words that all schemas have."""
        try:
            found: dict[str, Any] = _NO_FIELDS.deserialize(value)
        except colander.Invalid as refused:
            raise colander.Invalid(self, refused.msg) from None
        return found

    def _parted(self, value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the members to validate, and those that are only kept.

        A stored record also has the members of all records and those of hooks, of which the schema
        of the application knows nothing, and which it might refuse.
        """
        keeps = self.typ.unknown == "preserve"
        declared = {child.name for child in self.children}
        given, others = {}, {}
        for name, item in value.items():
            if name in declared or (keeps and self._takes_others and name not in _OF_ALL):
                given[name] = item
            elif keeps:
                others[name] = item
        return given, others

    def json_schema(self) -> Described:
        """Return the JSON Schema of the records that clients send, without references."""
        schema = dict(self._root)
        if self.typ.unknown != "preserve":
            schema.pop("additionalProperties", None)
        elif not self._takes_others:
            schema["additionalProperties"] = True
        return schema

    def sent_json_schema(self) -> Described:
        """Return the JSON Schema of the records that the service sends."""
        sent: Described = described.as_sent(self.json_schema())
        return sent
