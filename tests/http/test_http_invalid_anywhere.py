"""`raise_invalid` gives one answer, whichever kind of view calls it."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from webtest import TestApp

from cliquet import Service, errors, resource
from cliquet.testing.web import basic_auth, make_app

CASES: list[dict[str, Any]] = [
    {},
    {"name": "title"},
    {"description": "nothing fits"},
    {"name": "title", "description": "it is too long"},
    {"name": "title", "description": "title is too long"},
    {"location": "querystring", "name": "page", "description": "it is no number"},
    {"location": "header", "name": "X-Colour", "description": b"it is no colour"},
    {"location": "cookies", "name": "a", "description": "it is stale", "age": 3},
]


def refuse(request: Any) -> None:
    errors.raise_invalid(request, **CASES[int(request.headers["X-Case"])])


class Moss(resource.UserResource):
    mapping = resource.ResourceSchema()

    def collection_get(self) -> Any:
        refuse(self.request)


@pytest.fixture(scope="module")
def app() -> TestApp:
    def configure(config: Any) -> None:
        service = Service(name="service", path="/service")
        service.add_view("GET", refuse, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        config.add_route("plain", "/plain")
        config.add_view(refuse, route_name="plain", permission=NO_PERMISSION_REQUIRED)

    return make_app([Moss], configure=configure)


@pytest.mark.clause("P-19.3")
@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("accept", ["application/json", "application/problem+json, */*;q=0.1"])
def test_all_kinds_of_views_give_the_same_answer(app: TestApp, case: int, accept: str) -> None:
    headers = {**basic_auth(), "X-Case": str(case), "Accept": accept}

    plain, service, listed = (
        app.get(f"/v0/{path}", headers=headers, status=400)
        for path in ("plain", "service", "mosss")
    )

    assert plain.json == service.json == listed.json
    assert plain.content_type == service.content_type == listed.content_type
