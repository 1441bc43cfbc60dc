"""Colander schemas of records, and the field types of the library."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import colander
from pyramid.request import Request

from cliquet import utils
from cliquet.core import jsonio
from cliquet.core.lazy import lazy_pattern
from cliquet.resource import unknown_members
from cliquet.web import acceptance, fault_words, validation

__all__ = ["URL", "PermissionsSchema", "ResourceSchema", "TimeStamp", "is_number_kept"]


class ResourceSchema(colander.MappingSchema):  # type: ignore[misc]  # colander has no types
    """The fields of a record (P-17.1).

    ``id`` and ``last_modified`` belong to every record and are not declared. An inner class
    ``Options`` may define any of the options below.
    """

    class Options:
        """Options of a schema, with their defaults.

        Attributes
        ----------
        unique_fields : names of the fields whose values must differ in all records of a collection;
            null and absent values are not compared (P-17.4).
        readonly_fields : names of the fields that PATCH may not change (P-17.5).
        indexed_fields : names of the fields, dotted ones included, that clients use in filters and
            sorting. If the storage has indexes, ``cliquet migrate`` makes one for each of them, and
            for each unique field. A tuple of two or three names is one index, for lists that are
            sorted by the last of them, and that have one value of the others.
        gin_indexed_fields : names of the fields with arrays in which clients look for values, with
            ``contains_`` and ``contains_any_``. In PostgreSQL, ``cliquet migrate`` makes a GIN
            index for each of them. It has the records of all parents, and is worth its cost in a
            large collection that users share.

            .. versionadded:: 3.2
        preserve_unknown : whether to keep members that the schema does not declare, instead of
            dropping them (P-17.3).
        unknown : ``"raise"`` to refuse such members with 400, also in objects within the record
            (E-17.4); ``"ignore"`` to drop them.

            .. versionadded:: 3.2
        """

        unique_fields: tuple[str, ...] = ()
        readonly_fields: tuple[str, ...] = ()
        indexed_fields: tuple[str | tuple[str, ...], ...] = ()
        gin_indexed_fields: tuple[str, ...] = ()
        preserve_unknown: bool = False
        unknown: str = "ignore"

    # Members that a body may have besides, if unknown ones are refused.
    _reserved: frozenset[str] | None = None
    # The first request finds this out, because examining a schema costs more than using it.
    _needs_binding: bool | None = None
    # A copy of the schema makes one of its own.
    _acceptance: acceptance.Acceptance | None = None

    def for_request(self, request: Request) -> ResourceSchema:
        """Return the schema bound to the request, with which the body of a POST is validated.

        If nothing in it depends on the request, it is the schema itself, else a copy.

        .. versionadded:: 3.2
        """
        if self._needs_binding is None:
            self._needs_binding = validation.needs_binding(self)
        bound: ResourceSchema = self.bind(request=request) if self._needs_binding else self
        return bound

    def get_option(self, name: str) -> Any:
        """Return the value of an option, or its default."""
        return getattr(self.Options, name, getattr(ResourceSchema.Options, name))

    def is_readonly(self, field: str) -> bool:
        """Return whether PATCH must not change `field` (P-17.2)."""
        return field in self.get_option("readonly_fields")

    def schema_type(self) -> colander.Mapping:
        """Return the type of the root node; colander calls it."""
        preserve = self.get_option("preserve_unknown") is True
        return colander.Mapping(unknown="preserve" if preserve else "ignore")

    @acceptance.keeps_exact_values
    def deserialize(self, cstruct: Any = colander.null) -> Any:
        """Return the validated record.

        A null member counts as absent (H-8.14), whatever the type of its field.

        Raises
        ------
        colander.Invalid : a field does not fit, or contains a number that JSON lacks. Colander
            converts text to numbers, so that ``"NaN"`` must be refused here too (D-10).
        """
        unknown = None
        if self._reserved is not None:
            unknown = unknown_members.found(self, cstruct, self._reserved)
        if cstruct and unknown is None:
            # The registration asks with nothing; what it asks leaves the shared schema as it was.
            accept = self._acceptance
            if accept is None or accept.node is not self:
                accept = self._acceptance = acceptance.Acceptance(self, ResourceSchema)
            record = accept(cstruct)
            if record is not acceptance.DOUBT:
                return record
        try:
            record = super().deserialize(_mark_nulls(self, cstruct))
        except colander.Invalid as invalid:
            if unknown is not None:
                invalid.children.extend(unknown.children)
            raise
        if unknown is not None:
            raise unknown
        error = colander.Invalid(self)
        for position, node in enumerate(self.children):
            if isinstance(record, dict) and not is_number_kept(record.get(node.name)):
                error.add(colander.Invalid(node, "Number out of range"), position)
        if error.children:
            raise error
        return record


MAX_PRINCIPALS = 1000
"""Greatest number of principals and names of permissions in one body."""


def _storable(node: Any, principal: str) -> None:
    if not utils.is_storable_key(principal):
        raise colander.Invalid(node, f"Longer than {utils.MAX_KEY_BYTES} bytes")


class PermissionsSchema(colander.SchemaNode):  # type: ignore[misc]  # colander has no types
    """A mapping from permission names to lists of principals (P-17.6).

    Parameters
    ----------
    permissions : names that are accepted; if it is empty, all names are.
    """

    def __init__(self, *args: Any, permissions: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.known_perms = tuple(permissions)
        super().__init__(*args, **kwargs)

    @staticmethod
    def schema_type() -> colander.Mapping:
        """Return the type of the node; colander calls it."""
        return colander.Mapping(unknown="preserve")

    def deserialize(self, cstruct: Any = colander.null) -> Any:
        """Return the permissions, after checking their names and their principals.

        Raises
        ------
        colander.Invalid : a name is unknown, or a value is not a list of texts.
        """
        if cstruct is None:
            cstruct = colander.null
        if cstruct is colander.null and type(self) is PermissionsSchema and not self.preparer:
            # Nearly no body has them. Colander would find out the same by six functions.
            missing = self.missing
            if missing is colander.drop:
                return missing
        permissions = super().deserialize(cstruct)
        if permissions in (colander.null, colander.drop) or permissions is self.missing:
            return permissions
        for name in permissions:
            if self.known_perms and name not in self.known_perms:
                allowed = ", ".join(self.known_perms)
                raise colander.Invalid(self, f'"{name}" is not one of {allowed}')
        # The number is checked before any of them is validated.
        lists = [value for value in permissions.values() if isinstance(value, list)]
        if len(permissions) + sum(map(len, lists)) > MAX_PRINCIPALS:
            raise colander.Invalid(self, f"More than {MAX_PRINCIPALS} principals")
        error = colander.Invalid(self)
        checked = {}
        for position, (name, principals) in enumerate(permissions.items()):
            # Each call makes its own node, because requests share the instance.
            node = colander.SchemaNode(
                colander.Sequence(),
                colander.SchemaNode(colander.String(), validator=_storable),
                name=name,
            )
            try:
                checked[name] = node.deserialize(principals)
            except colander.Invalid as invalid:
                fault_words.plain(invalid)
                error.add(invalid, position)
        if error.children:
            raise error
        return checked


class TimeStamp(colander.SchemaNode):  # type: ignore[misc]  # colander has no types
    """Milliseconds since the Epoch; the default is the present time (P-17.7).

    Attributes
    ----------
    auto_now : whether an absent field gets the present time, which is the default.
    """

    schema_type = colander.Integer
    title = "Epoch timestamp"
    auto_now = True
    missing = None

    @acceptance.keeps_exact_values
    def deserialize(self, cstruct: Any = colander.null) -> Any:
        """Return an integer, or ``None``."""
        if cstruct is colander.null and self.auto_now:
            cstruct = utils.msec_time()
        return super().deserialize(cstruct)


@acceptance.runs_no_other_code
class URL(colander.SchemaNode):  # type: ignore[misc]  # colander has no types
    """An absolute URL of 1 to 2048 characters; white space around it is removed (P-17.8).

    Hosts without a dot and unusual schemes are accepted, and hosts that begin with ``www.`` need no
    scheme.
    """

    schema_type = colander.String

    @staticmethod
    def preparer(appstruct: Any) -> Any:
        """Strip white space; colander calls it before the validation."""
        return utils.strip_whitespace(appstruct)

    def validator(self, node: Any, value: str) -> None:
        """Check the form and the length; colander calls it.

        Raises
        ------
        colander.Invalid : `value` is not a URL, or is too long.
        """
        colander.Length(min=1, max=2048)(node, value)
        if not _URL.fullmatch(value):
            raise colander.Invalid(node, "Must be a URL")


_URL = lazy_pattern(
    r"(?:[a-z][a-z0-9+.-]+:(?:/{1,3}(?!/)|[a-z0-9%])|www\d{0,3}\.)[^\s<>\"]+", re.IGNORECASE
)

# These types turn null into the text "None" instead of treating it as absent.
_NULL_BLIND_TYPES = (
    colander.Boolean,
    colander.List,
    colander.Mapping,
    colander.Sequence,
    colander.Set,
    colander.Tuple,
)


class _NoText:
    """An empty value, 0 or false, which the type of texts would take for an absent member."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        # The fault that the type tells has this text.
        return jsonio.dumps(self._value).decode()


def _mark_nulls(node: Any, value: Any) -> Any:
    """Return `value` with the null of colander where a declared field of such a type is null.

    Where a text is expected, an empty array and the like are marked too: they are no text (H-8.15).
    """
    if value is None:
        # Subclasses are left out, because they may handle null themselves.
        return colander.null if type(node.typ) in _NULL_BLIND_TYPES else None
    if not value and type(node.typ) is colander.String and not isinstance(value, str):
        # The same holds for nodes.
        is_plain = type(node).deserialize is colander.SchemaNode.deserialize
        return _NoText(value) if is_plain else value
    if isinstance(value, dict) and isinstance(node.typ, colander.Mapping):
        declared = {child.name: child for child in node.children}
        return {
            name: _mark_nulls(declared[name], item) if name in declared else item
            for name, item in value.items()
        }
    if isinstance(value, list) and isinstance(node.typ, colander.Sequence) and node.children:
        return [_mark_nulls(node.children[0], item) for item in value]
    return value


def is_number_kept(value: Any) -> bool:
    """Return whether each number in a validated value has a JSON form that keeps its value."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if isinstance(value, Decimal):
        return value.is_finite()
    if isinstance(value, dict):
        return all(map(is_number_kept, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_number_kept, value))
    return True
