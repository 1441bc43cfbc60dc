"""The URI of a record of the requested collection is the same as the route would make it."""

from typing import Any
from urllib.parse import quote

import pytest
from pyramid.config import Configurator
from pyramid.events import ContextFound

from cliquet import resource
from cliquet.security import object_uris
from cliquet.testing.web import basic_auth, make_app

pytestmark = pytest.mark.usefixtures("own_settings")

NAMES = ("plain", "a b", "é", "100%", "a%2Fb", "a+b", "~x", "a;b", "日本", "a.b", "*")


PATH = "/forests/{{forest}}/mosses"
PATHS = {"collection_path": PATH, "record_path": f"{PATH}/{{{{id}}}}"}


class Moss(resource.ShareableResource):
    """Records below a variable of the URL."""

    mapping = resource.ResourceSchema()


class Fern(Moss):
    """Records without one."""


@pytest.mark.clause("P-25.8", "D-49")
def test_it_is_the_same_as_that_of_the_route() -> None:
    seen: list[tuple[Any, list[str], list[str]]] = []

    def compare(event: Any) -> None:
        request = event.request
        route = f"{request.matched_route.name.removesuffix('-collection')}-record"
        found = object_uris._around_id(request, route)
        made = object_uris._around_id_of_route(request, route, request.matchdict)
        seen.append((request.matchdict.get("forest"), found, made))

    def configure(config: Configurator) -> None:
        config.add_subscriber(compare, ContextFound)

    settings = {f"{name}_create_principals": "system.Authenticated" for name in ("moss", "fern")}
    app = make_app([(Moss, PATHS), Fern], settings=settings, configure=configure)

    for name in NAMES:
        url = f"/v0/forests/{quote(name, safe='')}/mosses"
        created = app.post_json(url, {"data": {}}, headers=basic_auth(), status=201).json
        object_id = f"/forests/{name}/mosses/{created['data']['id']}"
        assert app.app.registry.permission.object_permissions(object_id)
    app.post_json("/v0/ferns", {"data": {}}, headers=basic_auth(), status=201)
    assert [found for _, found, _ in seen] == [made for _, _, made in seen]
    assert [forest for forest, _, _ in seen] == [*NAMES, None]
    assert seen[-1][1] == ["/ferns/", ""]
