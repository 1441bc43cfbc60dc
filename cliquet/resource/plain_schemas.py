"""Schemas of colander that do not derive from ours, and models, as schemas of resources."""

from __future__ import annotations

import copy
import sys
import types
from typing import TYPE_CHECKING, Any

import colander

from cliquet.core.lazy import LazyModule
from cliquet.resource.schema import ResourceSchema

if TYPE_CHECKING:
    from cliquet.resource.adapters import pydantic_schema
else:
    # Few services have models of pydantic.
    pydantic_schema = LazyModule("cliquet.resource.adapters.pydantic_schema")

__all__ = ["as_resource_schema"]


def as_resource_schema(node: Any) -> Any:
    """Return a schema with the options and methods that a resource needs.

    Parameters
    ----------
    node : a mapping of colander, which is not changed. Its class, its fields, its validators and
        its treatment of unknown members stay. Or a model of pydantic. Any other object is returned
        as it is.
    """
    if "pydantic" in sys.modules and pydantic_schema.is_model(node):
        return pydantic_schema.PydanticSchema(node)
    if isinstance(node, ResourceSchema) or not isinstance(node, colander.SchemaNode):
        return node
    if not isinstance(node.typ, colander.Mapping):
        return node
    own = type(node)
    attributes: dict[str, Any] = {"__module__": own.__module__}
    if not hasattr(own, "Options"):
        options: dict[str, Any] = {"preserve_unknown": node.typ.unknown == "preserve"}
        if node.typ.unknown == "raise":
            options["unknown"] = "raise"
        attributes["Options"] = type("Options", (), options)
    # Its own methods win, unless its class is a parent of ours.
    bases = (ResourceSchema,) if issubclass(ResourceSchema, own) else (own, ResourceSchema)
    adopted = node.clone()
    if adopted.typ.unknown == "raise":
        # Colander would refuse the members that every record has, and those of hooks.
        adopted.typ = copy.copy(adopted.typ)
        adopted.typ.unknown = "ignore"
    adopted.__class__ = types.new_class(own.__name__, bases, {}, lambda ns: ns.update(attributes))
    return adopted
