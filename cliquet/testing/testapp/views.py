"""Resources of the sample application."""

from __future__ import annotations

import colander

from cliquet import resource

__all__ = ["Moisture", "Mushroom", "Psilo", "Spore", "Toadstool"]


class NamedSchema(resource.ResourceSchema):
    """A schema with one required field."""

    name = colander.SchemaNode(colander.String())


class EdibleSchema(resource.ResourceSchema):
    """A schema with one optional field."""

    edible = colander.SchemaNode(colander.Boolean(), missing=False)


class OpenSchema(resource.ResourceSchema):
    """A schema without fields that keeps all unknown ones."""

    class Options:
        preserve_unknown = True


@resource.register()
class Mushroom(resource.UserResource):
    """A record that belongs to one user."""

    mapping = NamedSchema()


@resource.register()
class Toadstool(resource.ShareableResource):
    """A record with a required field that users share."""

    mapping = NamedSchema()


@resource.register()
class Moisture(resource.ShareableResource):
    """A record without fields."""

    mapping = resource.ResourceSchema()


@resource.register()
class Psilo(resource.ShareableResource):
    """A record with an optional field."""

    mapping = EdibleSchema()


@resource.register()
class Spore(resource.ShareableResource):
    """A record with any fields."""

    mapping = OpenSchema()
