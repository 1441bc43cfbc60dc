"""Tests of the service over HTTP, with backends that keep everything in memory."""

from __future__ import annotations

from typing import Any

import pytest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from webtest import TestApp

from library import main

ALICE = basic_auth("alice", "a password")
BOB = basic_auth("bob", "another one")


@pytest.fixture
def app() -> TestApp:
    return TestApp(main({}, userid_hmac_secret="the secret of the tests", **MEMORY_BACKENDS))


def user_id(app: TestApp, user: dict[str, str]) -> str:
    answer: str = app.get("/v1/", headers=user).json["user"]["id"]
    return answer


def add(
    app: TestApp, path: str, user: dict[str, str] = ALICE, status: int = 201, **body: Any
) -> Any:
    return app.post_json(f"/v1{path}", body, headers=user, status=status).json


@pytest.fixture
def books(app: TestApp) -> str:
    """The path of the books on a shelf that Alice shows to Bob."""
    shared = {"read": [user_id(app, BOB)]}
    shelf = add(app, "/shelves", data={"name": "Novels"}, permissions=shared)
    return f"/shelves/{shelf['data']['id']}/books"


def titles(app: TestApp, books: str, user: dict[str, str]) -> list[str]:
    records = app.get(f"/v1{books}?_sort=title", headers=user).json["data"]
    return [record["title"] for record in records]


def test_books_are_shared_with_their_shelf(app: TestApp, books: str) -> None:
    add(app, books, data={"title": "Dune"})

    assert titles(app, books, BOB) == ["Dune"]


def test_readers_of_a_shelf_add_no_books(app: TestApp, books: str) -> None:
    add(app, books, BOB, 403, data={"title": "Dune"})

    assert titles(app, books, ALICE) == []


def test_a_book_has_a_title(app: TestApp, books: str) -> None:
    error = add(app, books, status=400, data={"year": 1965})

    assert error["message"] == "data.title in body: Required"


def test_each_shelf_has_its_own_books(app: TestApp, books: str) -> None:
    other = add(app, "/shelves", data={"name": "Cooking"})["data"]["id"]
    add(app, f"/shelves/{other}/books", data={"title": "Soups"})

    assert titles(app, books, ALICE) == []
