"""An example of a view beside resources, whose input is validated: a tasting of mushrooms."""

from __future__ import annotations

from typing import Any

import colander
from pyramid.config import Configurator

import cliquet
from cliquet import Service, errors
from cliquet.resource import Request
from cliquet.storage import Filter, Sort
from cliquet.utils import COMPARISON


class TastingSchema(colander.MappingSchema):  # type: ignore[misc]  # colander has no types
    """What a client sends: the members of the body, and a parameter of the query string."""

    guests = colander.SchemaNode(colander.Integer(), validator=colander.Range(min=1, max=20))
    dish = colander.SchemaNode(colander.String(), missing="soup")
    min_cap_mm = colander.SchemaNode(colander.Integer(), location="querystring", missing=0)


def validate_dish(request: Request, **kwargs: Any) -> None:
    """Refuse what no schema can know of."""
    if request.validated.get("dish") in request.registry.dishes_of_yesterday:
        errors.raise_invalid(request, name="dish", description="There was some yesterday")


tasting = Service(name="tasting", path="/tasting", description="Mushrooms for a meal")


@tasting.post(schema=TastingSchema(), validators=(validate_dish,), permission="private")
def post_tasting(request: Request) -> dict[str, Any]:
    """Choose some of the user's mushrooms for a meal."""
    wanted = request.validated
    edible = Filter("edible", True, COMPARISON.EQ)
    large = Filter("cap_mm", wanted["min_cap_mm"], COMPARISON.MIN)
    found, _ = request.registry.storage.get_all(
        "mushroom",
        str(request.prefixed_userid),
        filters=[edible, large],
        sorting=[Sort("name", 1)],
        limit=wanted["guests"],
    )
    return {"dish": wanted["dish"], "mushrooms": [record["name"] for record in found]}


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application, with the resource of the other example."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="tastings")
    config.registry.dishes_of_yesterday = {"risotto"}
    config.scan("mushrooms")
    config.scan("tastings")
    return config.make_wsgi_app()
