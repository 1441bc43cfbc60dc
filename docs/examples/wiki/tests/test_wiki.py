"""What clients of the service may rely on."""

from __future__ import annotations

import configparser
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from waitress.server import create_server
from webtest import TestApp

import follow
import wiki

ALICE, BOB, CAROL = (basic_auth(name, "secret") for name in ("alice", "bob", "carol"))
RULES = "/v1/pages/house-rules"
SECONDS = 20


@pytest.fixture
def app() -> TestApp:
    """The service with the settings of the file, and backends in memory."""
    file = configparser.ConfigParser(defaults={"here": "."})
    file.read(Path(wiki.__file__).with_name("development.ini"))
    settings = {name: value for name, value in file["app:main"].items() if "cliquet." in name}
    for name in ("storage", "permission", "cache"):
        settings.pop(f"cliquet.{name}_url", None)
        settings[f"cliquet.{name}_backend"] = MEMORY_BACKENDS[f"{name}_backend"]
    return TestApp(wiki.main({}, **settings))


def user_id(app: TestApp, user: dict[str, str]) -> str:
    found: str = app.get("/v1/", headers=user).json["user"]["id"]
    return found


def group_of(app: TestApp, *members: dict[str, str]) -> str:
    """Let Alice make a group; return its principal."""
    body = {"data": {"name": "Our house", "members": [user_id(app, one) for one in members]}}
    group_id = app.post_json("/v1/groups", body, headers=ALICE).json["data"]["id"]
    return f"/groups/{group_id}"


def write_rules(app: TestApp, **permissions: list[str]) -> dict[str, Any]:
    body = {"data": {"title": "House rules", "tags": ["house"]}, "permissions": permissions}
    page: dict[str, Any] = app.put_json(RULES, body, headers=ALICE).json["data"]
    return page


def names(app: TestApp, user: dict[str, str], query: str = "") -> list[str]:
    # Whoever may read no page at all is told so.
    answer = app.get(f"/v1/pages{query}", headers=user, expect_errors=True).json
    return [page["id"] for page in answer.get("data", [])]


def test_a_page_belongs_to_its_author_until_it_is_shared(app: TestApp) -> None:
    write_rules(app)

    assert names(app, ALICE) == ["house-rules"]
    assert names(app, BOB) == []
    refused = app.get(RULES, headers=BOB, status=403).json
    assert refused["details"]["permissions"] == [
        {"permission": "read", "object": "/pages/house-rules"}
    ]


def test_members_of_a_group_may_do_what_the_group_may(app: TestApp) -> None:
    write_rules(app, write=[group_of(app, BOB)])

    changed = app.patch_json(RULES, {"data": {"text": "No shoes."}}, headers=BOB).json["data"]

    assert changed["edited_by"] == user_id(app, BOB)
    app.patch_json(RULES, {"data": {"text": "Shoes!"}}, headers=CAROL, status=403)


def test_who_joins_the_group_sees_its_pages(app: TestApp) -> None:
    group = group_of(app, BOB)
    write_rules(app, read=[group])
    assert names(app, CAROL) == []

    members = [user_id(app, BOB), user_id(app, CAROL)]
    app.patch_json(f"/v1{group}", {"data": {"members": members}}, headers=ALICE)

    assert names(app, CAROL, "?contains_tags=house") == ["house-rules"]


@pytest.mark.parametrize("name", ["House", "a--b", "-a", "%C3%A4"])
def test_the_name_of_a_page_is_plain(app: TestApp, name: str) -> None:
    body = {"data": {"title": "A page"}}
    app.put_json(f"/v1/pages/{name}", body, headers=ALICE, status=400)


def test_nobody_writes_in_the_name_of_another(app: TestApp) -> None:
    write_rules(app)
    body = {"data": {"edited_by": user_id(app, BOB)}}
    app.patch_json(RULES, body, headers=ALICE, status=400)


@pytest.fixture
def url(app: TestApp) -> Iterator[str]:
    """The address of the service, which really listens."""
    server = create_server(app.app, host="localhost", port=0, threads=8)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://localhost:{server.effective_port}/v1/pages"
    server.close()
    thread.join(SECONDS)


def test_a_reader_sees_changes_as_they_happen(app: TestApp, url: str, tmp_path: Path) -> None:
    page = write_rules(app, read=[user_id(app, BOB)])
    told: list[str] = []
    is_reading, done = threading.Event(), threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        is_reading.set()

    def read() -> None:
        changes = follow.follow(url, "bob", "secret", str(tmp_path / "bob.sqlite"), tell)
        with closing(changes):  # type: ignore[type-var]  # it is a generator
            for change in changes:
                if change.record is None:
                    break
        done.set()

    threading.Thread(target=read, daemon=True).start()
    assert is_reading.wait(SECONDS), "the reader has not read the first page"
    app.patch_json(RULES, {"data": {"title": "Rules of the house"}}, headers=ALICE)
    deadline = time.monotonic() + SECONDS
    while len(told) < 2:
        assert time.monotonic() < deadline, "the reader was not told of the change"
        time.sleep(0.05)
    # It is no longer shared, which looks like a deletion to those who could read it.
    app.patch_json(RULES, {"permissions": {"read": []}}, headers=ALICE)
    assert done.wait(SECONDS), f"the reader was told no more than {told}"

    assert told == [
        f"  {page['id']}: House rules",
        f"* {page['id']}: Rules of the house",
        f"- {page['id']}",
    ]
