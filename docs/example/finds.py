"""An example of fields whose values are stored in one form: what was found where, and when."""

from __future__ import annotations

import datetime
from typing import Any

import colander
from pyramid.config import Configurator

import cliquet
from cliquet import resource
from cliquet.types import Record


class Moment(colander.String):  # type: ignore[misc]  # colander has no types
    """A date with its time, stored as ``toISOString()`` of JavaScript writes it, in UTC."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        """Convert what a client has sent, and what is stored, to the one form."""
        moment = colander.DateTime().deserialize(node, super().deserialize(node, cstruct))
        if moment is colander.null:
            return moment
        try:
            utc = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        except OverflowError as error:
            # In UTC, it is a moment of the year 0 or 10000.
            raise colander.Invalid(node, "Invalid date") from error
        return f"{utc.isoformat(timespec='milliseconds')}Z"


class FindSchema(resource.ResourceSchema):
    """The fields of a find."""

    class Options:
        # PATCH refuses to change it, and `process_record` below lets PUT keep it.
        readonly_fields = ("code",)

    code = colander.SchemaNode(colander.String(), missing=colander.drop)
    name = colander.SchemaNode(colander.String())
    # As text, dates are compared letter by letter: they need one form.
    found_at = colander.SchemaNode(Moment(), missing=colander.drop)
    # What colander stores by itself, for comparison.
    noted_at = colander.SchemaNode(colander.DateTime(), missing=colander.drop)
    # 5.7 is refused, which is 5 otherwise.
    number = colander.SchemaNode(colander.Integer(strict=True), missing=1)
    # "maybe" is refused, which is true otherwise.
    is_edible = colander.SchemaNode(
        colander.Boolean(true_choices=("true",), false_choices=("false",)), missing=colander.drop
    )
    kind = colander.SchemaNode(
        colander.String(), validator=colander.OneOf(("fungus", "berry")), missing="fungus"
    )
    words = colander.SchemaNode(
        colander.Sequence(), colander.SchemaNode(colander.String()), missing=colander.drop
    )
    place = colander.SchemaNode(
        colander.Mapping(),
        colander.SchemaNode(colander.String(), name="town"),
        colander.SchemaNode(colander.Integer(), name="height", missing=colander.drop),
        missing=colander.drop,
    )
    notes = colander.SchemaNode(colander.Mapping(unknown="preserve"), missing=colander.drop)


@resource.register()
class Find(resource.UserResource):
    """Finds at ``/v1/finds``."""

    mapping = FindSchema()

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Keep what PUT must not change, whatever it sends."""
        new = super().process_record(new, old)
        if old is not None:
            new.pop("code", None)
            if "code" in old:
                new["code"] = old["code"]
        return new


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="finds")
    config.scan("finds")
    return config.make_wsgi_app()
