"""What clients of the service may rely on."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from webtest import TestApp

import flags

OPERATOR, USER = basic_auth("olga", "secret"), basic_auth("uma", "secret")
MENU = "/v1/flags/new-menu"
PAGE = {"Origin": "https://shop.example.com"}
PREFLIGHT = {"Access-Control-Request-Method": "GET"}


@pytest.fixture
def app() -> TestApp:
    """The service with the settings of the file, backends in memory, and one operator."""
    file = configparser.ConfigParser(defaults={"here": "."})
    file.read(Path(flags.__file__).with_name("development.ini"))
    settings = {name: value for name, value in file["app:main"].items() if "cliquet." in name}
    for name in ("storage", "permission", "cache"):
        settings.pop(f"cliquet.{name}_url", None)
        settings[f"cliquet.{name}_backend"] = MEMORY_BACKENDS[f"{name}_backend"]
    app = TestApp(flags.main({}, **settings))
    user_id = app.get("/v1/", headers=OPERATOR).json["user"]["id"]
    app.app.registry.permission.add_user_principal(user_id, "group:operators")
    return app


def switch(app: TestApp, percent: int, name: str = "new-menu") -> dict[str, Any]:
    body = {"data": {"description": "The new menu", "percent": percent}}
    flag: dict[str, Any] = app.put_json(f"/v1/flags/{name}", body, headers=OPERATOR).json["data"]
    return flag


def test_anybody_reads_and_operators_write(app: TestApp) -> None:
    switch(app, 10)

    assert [flag["percent"] for flag in app.get("/v1/flags").json["data"]] == [10]
    assert app.get(MENU).json["data"]["percent"] == 10
    body = {"data": {"percent": 100}}
    app.patch_json(MENU, body, status=401)
    app.patch_json(MENU, body, headers=USER, status=403)
    app.patch_json(MENU, body, headers=OPERATOR, status=200)


def test_nobody_deletes_all_flags(app: TestApp) -> None:
    switch(app, 10)

    app.delete("/v1/flags", headers=OPERATOR, status=405)
    app.delete(MENU, headers=OPERATOR, status=200)


@pytest.mark.parametrize("wrong", [{"percent": 101}, {"description": ""}, {"colour": "red"}])
def test_what_does_not_fit_is_refused(app: TestApp, wrong: dict[str, Any]) -> None:
    body = {"data": {"description": "The new menu", **wrong}}
    app.put_json(MENU, body, headers=OPERATOR, status=400)


def test_caches_may_keep_what_is_read_without_credentials(app: TestApp) -> None:
    switch(app, 10)

    for url in ("/v1/flags", MENU):
        assert app.get(url).headers["Cache-Control"] == "max-age=60"
        assert "max-age" not in app.get(url, headers=OPERATOR).headers["Cache-Control"]


def test_a_client_that_has_the_flags_gets_nothing_again(app: TestApp) -> None:
    switch(app, 10)
    known = {"If-None-Match": app.get("/v1/flags").headers["ETag"]}

    unchanged = app.get("/v1/flags", headers=known, status=304)
    switch(app, 20)
    changed = app.get("/v1/flags", headers=known, status=200)

    assert unchanged.headers["Cache-Control"] == "max-age=60"
    assert changed.json["data"][0]["percent"] == 20


def test_pages_of_our_sites_may_read(app: TestApp) -> None:
    preflight = app.options("/v1/flags", headers={**PAGE, **PREFLIGHT}, status=200)
    answer = app.get("/v1/flags", headers=PAGE)

    assert preflight.headers["Access-Control-Max-Age"] == "86400"
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    # Caches keep the answers to pages of different sites apart.
    assert "Origin" in answer.headers["Vary"]
    app.get("/v1/flags", headers={"Origin": "https://shop.example.net"}, status=400)


def test_a_user_keeps_a_flag_when_more_users_get_it() -> None:
    users = [f"user {number}" for number in range(1000)]
    on = {
        percent: {user for user in users if flags.is_on({"id": "a", "percent": percent}, user)}
        for percent in (0, 10, 50, 100)
    }

    assert on[0] <= on[10] <= on[50] <= on[100]
    assert [len(on[percent]) // 100 for percent in (0, 100)] == [0, 10]
    assert 50 < len(on[10]) < 150
    other = {user for user in users if flags.is_on({"id": "b", "percent": 10}, user)}
    assert other != on[10]
