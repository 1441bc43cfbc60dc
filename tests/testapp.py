"""Resources that the tests of the HTTP protocol use."""

from typing import Any

import colander

from cliquet import resource
from cliquet.resource.schema import URL, TimeStamp


class Mushroom(resource.UserResource):
    """One mandatory field."""

    class MushroomSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MushroomSchema()


class Spore(resource.UserResource):
    """No field, and everything is kept."""

    class SporeSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = SporeSchema()


class Lichen(resource.UserResource):
    """Everything is kept, and any field can be filtered and sorted on."""

    class LichenSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = LichenSchema()

    def is_known_field(self, field: Any) -> bool:
        return True


class Psilo(resource.UserResource):
    """Optional fields only."""

    class PsiloSchema(resource.ResourceSchema):
        edible = colander.SchemaNode(colander.Boolean(), missing=False)
        rank = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        picked_at = TimeStamp()
        link = URL(missing=colander.drop)

    mapping = PsiloSchema()


class Truffle(resource.UserResource):
    """Unique and read-only fields."""

    class TruffleSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("email", "code")
            readonly_fields = ("age",)

        name = colander.SchemaNode(colander.String())
        email = colander.SchemaNode(colander.String(), missing=colander.drop)
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        age = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = TruffleSchema()


class Growth(resource.UserResource):
    """Several scalar fields to filter and sort on, and a nested one."""

    class GrowthSchema(resource.ResourceSchema):
        title = colander.SchemaNode(colander.String(), missing=colander.drop)
        number = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        is_wild = colander.SchemaNode(colander.Boolean(), missing=colander.drop)
        address = colander.SchemaNode(colander.Mapping(unknown="preserve"), missing=colander.drop)

    mapping = GrowthSchema()


RESOURCES = (Mushroom, Spore, Lichen, Psilo, Truffle, Growth)
