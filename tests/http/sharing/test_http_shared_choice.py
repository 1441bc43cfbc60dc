"""An application may limit a shared list further than the search for shared records (P-25.9)."""

from typing import Any

import colander
import pytest
from support.shared_apps import make_app

from cliquet import resource
from cliquet.security import shared_listing
from cliquet.testing.web import basic_auth

ALICE, BOB = basic_auth("alice"), basic_auth("bob")
NUMBER = 4
CHOSEN: list[str] = []


class Schema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String(), missing="")


def choose(context: Any) -> None:
    """Leave the first of the shared records to a list of them."""
    if context.shared_ids:
        context.shared_ids = CHOSEN[:]


def choose_in_place(context: Any) -> None:
    if context.shared_ids:
        context.shared_ids[:] = CHOSEN


class Early(resource.ShareableResource):
    mapping = Schema()
    choose = staticmethod(choose)

    def __init__(self, request: Any, context: Any = None) -> None:
        super().__init__(request, context)
        self.choose(self.context)


class Late(resource.ShareableResource):
    mapping = Schema()
    choose = staticmethod(choose)

    def collection_get(self) -> Any:
        self.choose(self.context)
        return super().collection_get()


class Placed(resource.ShareableResource):
    mapping = Schema()
    choose = staticmethod(choose)

    def get_parent_id(self, request: Any) -> str:
        self.choose(request.context)
        return ""


RESOURCES = [Early, Late, Placed]


@pytest.mark.clause("P-25.9", "H-9.8")
@pytest.mark.parametrize("query", ["", "?_since=0", "?_limit=2", "?_sort=name"])
@pytest.mark.parametrize("most", [1, 200], ids=["many", "few"])
@pytest.mark.parametrize("chooses", [choose, choose_in_place])
@pytest.mark.parametrize("cls", RESOURCES)
def test_no_search_undoes_the_choice_of_an_application(
    monkeypatch: pytest.MonkeyPatch, cls: Any, chooses: Any, most: int, query: str
) -> None:
    monkeypatch.setattr(shared_listing, "MAX_TRAVELLING", most)
    monkeypatch.setattr(cls, "choose", staticmethod(chooses))
    name = cls.__name__.lower()
    app = make_app(RESOURCES, settings={f"{name}_create_principals": "system.Authenticated"})
    for backend in (app.app.registry.storage, app.app.registry.permission):
        backend.flush()
    bob = app.get("/v0/", headers=BOB).json["user"]["id"]
    shared = {"data": {}, "permissions": {"read": [bob]}}
    url = f"/v0/{name}s"
    created = [app.post_json(url, shared, headers=ALICE).json["data"]["id"] for _ in range(NUMBER)]
    CHOSEN[:] = created[:1]

    found = app.get(url + query, headers=BOB)

    assert [record["id"] for record in found.json["data"]] == CHOSEN
    assert found.headers["Total-Records"] == "1"
