"""The tests that the guide to testing shows."""

from __future__ import annotations

from typing import Any
from unittest import mock

import mushrooms
import pytest
from webtest import TestApp

from cliquet import resource
from cliquet.events import ResourceChanged
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth, make_app

ALICE = basic_auth("alice", "a password")
BOB = basic_auth("bob", "another one")


@pytest.fixture
def app() -> TestApp:
    return TestApp(mushrooms.main({}, userid_hmac_secret="of the tests", **MEMORY_BACKENDS))


def test_users_see_their_own_mushrooms_alone(app: TestApp) -> None:
    app.post_json("/v1/mushrooms", {"data": {"name": "Morel"}}, headers=ALICE, status=201)

    assert app.get("/v1/mushrooms", headers=BOB).json == {"data": []}


def test_a_mushroom_needs_a_name(app: TestApp) -> None:
    error = app.post_json("/v1/mushrooms", {"data": {}}, headers=ALICE, status=400).json

    assert error["details"] == [
        {"location": "body", "name": "data.name", "description": "Required"}
    ]


# The guide shows the tests below one by one.


def test_one_resource_without_an_application() -> None:
    app = make_app([mushrooms.Mushroom], settings={"paginate_by": 1})
    for name in ("Cep", "Morel"):
        app.post_json("/v0/mushrooms", {"data": {"name": name}}, headers=basic_auth())

    page = app.get("/v0/mushrooms?_sort=name", headers=basic_auth())

    assert [record["name"] for record in page.json["data"]] == ["Cep"]
    assert "Next-Page" in page.headers


def test_records_have_the_time_of_their_change(app: TestApp) -> None:
    body = {"data": {"name": "Morel"}}
    # Far ahead: a timestamp never goes back.
    with mock.patch("cliquet.utils.msec_time", return_value=9_000_000_000_000):
        record = app.post_json("/v1/mushrooms", body, headers=ALICE).json["data"]

    assert record["last_modified"] == 9_000_000_000_000


def test_a_subscriber_is_told() -> None:
    told: list[str] = []

    def tell(event: Any) -> None:
        told.extend(change["new"]["name"] for change in event.impacted_records)

    class Mushroom(resource.UserResource):
        mapping = mushrooms.MushroomSchema()

    app = make_app(
        [Mushroom], configure=lambda config: config.add_subscriber(tell, ResourceChanged)
    )
    app.post_json("/v0/mushrooms", {"data": {"name": "Morel"}}, headers=basic_auth())

    assert told == ["Morel"]
