"""Paths that all lead to one route."""

import uuid
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from testapp import Mushroom

from cliquet.testing.web import add_resource, basic_auth, make_app
from cliquet.web.only_routes import is_only_route
from cliquet.web.service import Service


class Route:
    predicates: tuple[Any, ...] = ()

    def __init__(self, pattern: str, *predicates: Any) -> None:
        self.pattern = pattern
        self.predicates = predicates


@pytest.mark.parametrize(
    ("pattern", "before", "start", "expected"),
    [
        ("/v0/mushrooms/{id}", ["/v0/mushrooms", "v0/lists/{id}"], "/v0/mushrooms/", True),
        ("v0/mushrooms/{id}", [], "/v0/mushrooms/", True),
        ("/v0/{kind}/{id}", ["/v0/mushrooms/x/y"], "/v0/mushrooms/", True),
        # Another route may have such a path.
        ("/v0/mushrooms/{id}", ["/v0/mushrooms/best"], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}", ["/v0/{kind}/best"], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}", ["/v0/mushrooms/{name}.png"], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}", ["/v0/*rest"], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}", ["/v0/{a:.+}"], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}", ["/v0/:kind/:id"], "/v0/mushrooms/", False),
        # The route itself may not have it, or have it with other variables.
        ("/v0/mushrooms/{id:[a-z]+}", [], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{id}.json", [], "/v0/mushrooms/", False),
        ("/v0/mushrooms/{name}", [], "/v0/mushrooms/", False),
        ("/v0/lists/{id}", [], "/v0/mushrooms/", False),
        ("/v0/{id}", [], "/v0/mushrooms/", False),
    ],
)
def test_all_paths_lead_to_a_route_that_nothing_comes_before(
    pattern: str, before: list[str], start: str, expected: bool
) -> None:
    assert is_only_route(Route(pattern), map(Route, before), start) is expected


def test_a_route_with_predicates_does_not_have_all_of_them() -> None:
    assert not is_only_route(Route("/v0/a/{id}", bool), [], "/v0/a/")


@pytest.mark.clause("H-25.12", "H-25.25")
def test_items_of_a_batch_find_the_routes_that_an_application_puts_before() -> None:
    ids = [str(uuid.uuid4()) for _ in range(7)]
    best = Service(name="best", path=f"/mushrooms/{ids[3]}")

    @best.get(permission="__no_permission_required__")
    def get(request: Request) -> dict[str, str]:
        return {"data": "the best"}

    def configure(config: Configurator) -> None:
        config.add_cornice_service(best)
        add_resource(config, Mushroom)

    app = make_app(configure=configure)
    headers = basic_auth()
    for one in ids:
        app.post_json("/v0/mushrooms", {"data": {"id": one, "name": "Cep"}}, headers=headers)
    given = ["/mushrooms/{}", "/v0/mushrooms/{}"]
    requests = [{"path": given[n % 2].format(name)} for n, name in enumerate(ids)]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=headers).json["responses"]

    assert [answer["status"] for answer in answers] == [200] * 7
    assert answers[3]["body"]["data"] == "the best"
    others = [*answers[:3], *answers[4:]]
    assert [one["body"]["data"]["id"] for one in others] == [*ids[:3], *ids[4:]]
    assert [one["path"] for one in answers] == [f"/v0/mushrooms/{name}" for name in ids]
