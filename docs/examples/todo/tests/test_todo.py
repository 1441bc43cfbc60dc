"""What clients of the service may rely on."""

from __future__ import annotations

from typing import Any

import pytest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from webtest import TestApp

import todo

ALICE, BOB = basic_auth("alice", "secret"), basic_auth("bob", "secret")


@pytest.fixture
def app() -> TestApp:
    return TestApp(todo.main({}, userid_hmac_secret="of the tests", **MEMORY_BACKENDS))


def add(app: TestApp, title: str, **fields: Any) -> dict[str, Any]:
    body = {"data": {"title": title, **fields}}
    created: dict[str, Any] = app.post_json("/v1/todos", body, headers=ALICE).json["data"]
    return created


def titles(app: TestApp, query: str, user: dict[str, str] = ALICE) -> list[str]:
    return [item["title"] for item in app.get(f"/v1/todos?{query}", headers=user).json["data"]]


def test_what_is_not_given_has_a_default(app: TestApp) -> None:
    created = add(app, "Buy bread")

    assert (created["priority"], created["is_done"]) == ("normal", False)


def test_nobody_sees_the_list_of_another_user(app: TestApp) -> None:
    add(app, "Buy bread")

    assert titles(app, "", BOB) == []


def test_open_things_are_listed_by_their_date(app: TestApp) -> None:
    add(app, "Pay the rent", due="2026-02-01", priority="high")
    add(app, "Water the plants", due="2026-01-15")
    add(app, "Call Bob", is_done=True)

    assert titles(app, "is_done=false&_sort=due") == ["Water the plants", "Pay the rent"]
    assert titles(app, "priority=high&max_due=2026-02-28") == ["Pay the rent"]


def test_the_service_notes_when_something_was_done(app: TestApp) -> None:
    url = f"/v1/todos/{add(app, 'Buy bread')['id']}"

    done = app.patch_json(url, {"data": {"is_done": True}}, headers=ALICE).json["data"]
    again = app.patch_json(url, {"data": {"title": "Buy rye"}}, headers=ALICE).json["data"]
    undone = app.patch_json(url, {"data": {"is_done": False}}, headers=ALICE).json["data"]

    assert done["done_at"] > 0
    assert again["done_at"] == done["done_at"]
    assert "done_at" not in undone


@pytest.mark.parametrize(
    "wrong", [{"title": ""}, {"priority": "urgent"}, {"due": "soon"}, {"colour": "red"}]
)
def test_what_does_not_fit_is_refused(app: TestApp, wrong: dict[str, str]) -> None:
    body = {"data": {"title": "Buy bread", **wrong}}

    answer = app.post_json("/v1/todos", body, headers=ALICE, status=400).json

    assert [fault["name"] for fault in answer["details"]] == [f"data.{name}" for name in wrong]


def test_a_device_asks_for_what_changed_since_it_was_offline(app: TestApp) -> None:
    bread = add(app, "Buy bread")
    known = app.get("/v1/todos", headers=ALICE).headers["ETag"]
    add(app, "Call Bob")
    app.delete(f"/v1/todos/{bread['id']}", headers=ALICE)

    changes = app.get(f"/v1/todos?_since={known}&_sort=last_modified", headers=ALICE).json["data"]

    assert [change.get("title", "(deleted)") for change in changes] == ["Call Bob", "(deleted)"]


def test_a_device_does_not_overwrite_what_it_has_not_seen(app: TestApp) -> None:
    bread = add(app, "Buy bread")
    url, seen = f"/v1/todos/{bread['id']}", {"If-Match": f'"{bread["last_modified"]}"'}
    app.patch_json(url, {"data": {"title": "Buy rye bread"}}, headers=ALICE)

    refused = app.patch_json(
        url, {"data": {"is_done": True}}, headers={**ALICE, **seen}, status=412
    )

    assert refused.json["details"]["existing"]["title"] == "Buy rye bread"
