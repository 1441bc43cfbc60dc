"""The schema of a resource: what may be ``mapping``, and what its ``Options`` may have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import colander

from cliquet.core.mistakes import Place, did_you_mean, differs_by, listed, names_used
from cliquet.resource.checks.findings import Finding, where
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.user import UserResource

__all__ = ["mapping", "options"]

_OPTIONS: Final = frozenset(name for name in vars(ResourceSchema.Options) if name[0] != "_")
_UNKNOWN: Final = ("ignore", "raise")
_LISTS: Final = ("unique_fields", "readonly_fields", "indexed_fields", "gin_indexed_fields")
# What a schema may be that was not made of our class: an adapter of the application.
_USED_METHODS: Final = ("get_option", "is_readonly", "for_request", "deserialize", "clone")
# Hooks with which a record gets fields that its schema does not declare.
_MAKING_FIELDS: Final = (
    "process_record",
    "apply_changes",
    "is_known_field",
    "_get_known_fields",
    "collection_post",
    "put",
    "patch",
)
_WRITING: Final = frozenset(("POST", "PUT", "PATCH"))
# The fields that every record has.
_COMMON_FIELDS: Final = frozenset({"id", "last_modified", "deleted"})


def mapping(resource_cls: Any, methods: Collection[str]) -> Iterator[Finding]:
    """Find a ``mapping`` that is no schema, and a schema that is not the ``mapping``.

    Parameters
    ----------
    methods : HTTP methods that the resource serves.
    """
    schema = resource_cls.mapping
    if isinstance(schema, type):
        yield Finding(
            f"mapping is the class {schema.__name__}; allowed: an instance, as in "
            f"mapping = {schema.__name__}()."
        )
    elif isinstance(schema, colander.SchemaNode):
        if not isinstance(schema.typ, colander.Mapping):
            yield Finding(
                f"mapping is a schema of the type {type(schema.typ).__name__}; allowed: a Mapping."
            )
    elif not all(hasattr(schema, name) for name in _USED_METHODS):
        yield Finding(
            f"mapping is {schema!r}; allowed: an instance of ResourceSchema, of "
            "colander.MappingSchema, of PydanticSchema or of JSONSchema."
        )
    if schema is UserResource.mapping:
        found = [*_without_mapping(resource_cls)]
        yield from found
        is_written = not _WRITING.isdisjoint(methods)
        if is_written and not found and not _may_make_fields(resource_cls):
            yield Finding(
                "mapping is missing, so that nothing is kept of what clients send; allowed: "
                "mapping = Schema(), with a class that derives from ResourceSchema.",
                is_certain=False,
            )


def _without_mapping(resource_cls: type) -> Iterator[Finding]:
    """Find the schema that a class without ``mapping`` has in another place."""
    own = [cls for cls in resource_cls.__mro__ if cls.__module__.partition(".")[0] != "cliquet"]
    found = [
        (cls, name, value)
        for cls in own
        for name, value in vars(cls).items()
        if isinstance(value, colander.SchemaNode)
        or (isinstance(value, type) and issubclass(value, colander.SchemaNode))
    ]
    used = names_used(own) if found else set()
    for cls, name, value in found:
        if name in used:
            continue
        if isinstance(value, colander.SchemaNode) and not isinstance(value.typ, colander.Mapping):
            yield Finding(
                f"{cls.__qualname__}.{name} is a field outside of a schema; allowed: fields in a "
                "class that derives from ResourceSchema, of which an instance is the mapping."
            )
        else:
            made = f"{name}()" if isinstance(value, type) else name
            yield Finding(
                f"mapping is missing, and the schema {cls.__qualname__}.{name} is not used; "
                f"allowed: mapping = {made}."
            )


def options(resource_cls: Any) -> Iterator[Finding]:
    """Find unknown options of a schema, and options that name no field."""
    if "Options" in vars(resource_cls):
        yield Finding(
            f"{resource_cls.__qualname__}.Options has no effect; allowed: the class Options within "
            "the class of the schema."
        )
    schema = resource_cls.mapping
    if not isinstance(schema, ResourceSchema):
        return
    for cls in type(schema).__mro__:
        if cls.__module__.partition(".")[0] in ("cliquet", "colander", "builtins"):
            continue
        for name, value in vars(cls).items():
            is_near = differs_by(name.lower(), "options", 1) is not None and name != "Options"
            if is_near and isinstance(value, type):
                yield Finding(
                    f"{Place(cls)}: {name} has no effect; allowed: Options; did you mean 'Options'?"
                )
    if isinstance(schema.Options, Mapping):
        yield Finding(
            f"{where(schema)}: Options is {schema.Options!r}; allowed: a class, as in "
            "class Options: unique_fields = ('name',)."
        )
        return
    for name in dir(schema.Options):
        if name[0] != "_" and name not in _OPTIONS:
            yield Finding(
                f"{where(schema)}: Options has no option {name!r}; allowed: "
                f"{listed(_OPTIONS)}{did_you_mean(name, _OPTIONS) or '.'}"
            )
    yield from _unknown(schema)
    keeps = schema.get_option("preserve_unknown")
    if not isinstance(keeps, bool):
        yield Finding(f"{where(schema)}: preserve_unknown is {keeps!r}; allowed: True or False.")
    for name in _LISTS:
        yield from _fields(resource_cls, schema, name)


def _may_make_fields(resource_cls: Any) -> bool:
    """Return whether code of an application may give records fields beside those of the schema."""
    return any(
        getattr(resource_cls, name, None) is not getattr(UserResource, name)
        and not str(getattr(getattr(resource_cls, name), "__module__", "")).startswith("cliquet.")
        for name in _MAKING_FIELDS
        if hasattr(resource_cls, name)
    )


def _unknown(schema: ResourceSchema) -> Iterator[Finding]:
    given = schema.get_option("unknown")
    if given not in _UNKNOWN:
        yield Finding(
            f"{where(schema)}: unknown is {given!r}; allowed: 'ignore' or 'raise', and "
            "preserve_unknown = True to keep unknown members."
        )
    elif given == "raise" and schema.get_option("preserve_unknown"):
        yield Finding(
            f"{where(schema)}: unknown is 'raise', and preserve_unknown is "
            f"{schema.get_option('preserve_unknown')!r}; allowed: one of the two."
        )


def _fields(resource_cls: Any, schema: ResourceSchema, option: str) -> Iterator[Finding]:
    place = where(schema)
    given = schema.get_option(option)
    if isinstance(given, str):
        yield Finding(
            f"{place}: {option} is the text {given!r}; allowed: a tuple, as in ({given!r},)."
        )
        return
    if not isinstance(given, (tuple, list, set, frozenset)):
        yield Finding(f"{place}: {option} is {given!r}; allowed: a tuple, as in ('name',).")
        return
    if schema.typ.unknown == "preserve":
        return
    declared = {node.name for node in schema.children} | _COMMON_FIELDS
    may_be_made = getattr(schema, "after_bind", None) is not None or _may_make_fields(resource_cls)
    together = [item for item in given if isinstance(item, (tuple, list))]
    names = [name for item in together for name in item if isinstance(name, str)]
    # What is no name in an index on several fields is refused with the index itself.
    for field in (*(item for item in given if item not in together), *names):
        first = field.partition(".")[0] if isinstance(field, str) else field
        if field in declared or first in declared:
            continue
        meant = did_you_mean(str(field), declared - _COMMON_FIELDS, similarity=0.7)
        yield Finding(
            f"{place}: {option} has {field!r}, which is no field; allowed: {listed(declared)}"
            f"{meant or '.'}",
            is_certain=bool(meant) or not may_be_made,
        )
