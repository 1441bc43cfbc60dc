"""Resources of the sample application."""

from __future__ import annotations

import colander

from cliquet import resource

__all__ = ["Moisture", "Mushroom", "Psilo", "Spore", "Toadstool"]


class NamedSchema(resource.ResourceSchema):
    """One mandatory field."""

    name = colander.SchemaNode(colander.String())


class EdibleSchema(resource.ResourceSchema):
    """One optional field."""

    edible = colander.SchemaNode(colander.Boolean(), missing=False)


class OpenSchema(resource.ResourceSchema):
    """No field, and whatever is sent is kept."""

    class Options:
        preserve_unknown = True


@resource.register()
class Mushroom(resource.UserResource):
    """A record of each user's own."""

    mapping = NamedSchema()


@resource.register()
class Toadstool(resource.ShareableResource):
    """A record with a mandatory field, that users share."""

    mapping = NamedSchema()


@resource.register()
class Moisture(resource.ShareableResource):
    """A record without field."""


@resource.register()
class Psilo(resource.ShareableResource):
    """A record with an optional field."""

    mapping = EdibleSchema()


@resource.register()
class Spore(resource.ShareableResource):
    """A record of any fields."""

    mapping = OpenSchema()
