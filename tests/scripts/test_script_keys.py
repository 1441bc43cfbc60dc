"""``cliquet keys``: keys are made, listed and revoked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cliquet.security import api_keys
from cliquet.storage import sqlite
from scripts.command_line import MEMORY, run, write_ini

Keys = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data.db"


@pytest.fixture
def keys(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Keys:
    settings = {**MEMORY, "storage_backend": "cliquet.storage.sqlite", "storage_url": url}
    ini = write_ini(tmp_path / "service.ini", settings)
    run(monkeypatch, capsys, "--ini", ini, "migrate")
    return lambda *arguments: run(monkeypatch, capsys, "--ini", ini, "keys", *arguments)


def rows(outcome: Any) -> list[list[str]]:
    return [line.split("\t") for line in outcome.out.splitlines()]


@pytest.mark.clause("E-16.4")
def test_a_key_is_printed_once_and_listed_without_its_secret(keys: Keys) -> None:
    made = keys("create", "robot", "--label", "nightly import", "--expires", "90d")
    keys("create", "crawler")

    listed, [row] = keys("list"), rows(keys("list", "--user", "robot"))

    key = made.out.strip()
    assert (made.code, made.out.count("\n")) == (0, 1)
    assert key.startswith("ck_")
    assert len(rows(listed)) == 2
    assert key.split("_", 2)[2] not in listed.out
    assert row[0].replace("-", "") in key
    assert row[3:] == ["valid", "robot", "nightly import"]


@pytest.mark.clause("E-16.4")
def test_a_user_may_be_named_with_the_policy_of_keys(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        **MEMORY,
        "storage_backend": "cliquet.storage.sqlite",
        "storage_url": url,
        "multiauth.policies": "basicauth program",
        "multiauth.policy.program.use": "cliquet.authentication.APIKeyPolicy",
    }
    ini = write_ini(tmp_path / "named.ini", settings)
    run(monkeypatch, capsys, "--ini", ini, "migrate")

    for user in ("robot", "program:robot", "basicauth:ann", "program:"):
        made = run(monkeypatch, capsys, "--ini", ini, "keys", "create", user)
    listed = rows(run(monkeypatch, capsys, "--ini", ini, "keys", "list"))
    named = rows(run(monkeypatch, capsys, "--ini", ini, "keys", "list", "--user", "program:robot"))

    assert [row[4] for row in listed] == ["robot", "robot", "basicauth:ann"]
    assert named == listed[:2]
    assert (made.code, made.err) == (1, "cliquet keys: '' is no id of a user\n")


@pytest.mark.clause("E-16.4")
def test_a_revoked_key_is_no_longer_listed(keys: Keys) -> None:
    keys("create", "robot")
    [[key_id, *_]] = rows(keys("list"))

    outcome = keys("revoke", key_id)

    assert (outcome.code, outcome.out) == (0, f"{key_id} revoked\n")
    assert keys("list").out == ""
    again = keys("revoke", key_id)
    assert (again.code, again.err) == (1, f"cliquet keys: there is no key '{key_id}'\n")


@pytest.mark.clause("E-16.4")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "ACTION"),
        (("create",), "USER"),
        (("create", "robot", "--expires", "soon"), "'soon' is no time"),
        (("revoke",), "ID"),
    ],
)
def test_wrong_arguments_are_told(keys: Keys, arguments: tuple[str, ...], told: str) -> None:
    outcome = keys(*arguments)

    assert outcome.code == 2
    assert told in outcome.err


@pytest.mark.clause("E-16.4")
def test_an_id_that_no_user_can_have_is_told(keys: Keys) -> None:
    outcome = keys("create", "")

    assert (outcome.code, outcome.err) == (1, "cliquet keys: '' is no id of a user\n")


@pytest.mark.clause("E-16.4")
def test_keys_in_memory_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ini = write_ini(tmp_path / "service.ini", MEMORY)

    outcome = run(monkeypatch, capsys, "keys", "create", "robot", "--ini", ini)

    assert outcome.code == 1
    assert "in the memory of the service" in outcome.err


@pytest.mark.clause("E-16.4")
def test_an_ended_key_is_listed_as_such(keys: Keys, url: str) -> None:
    from pyramid.config import Configurator

    config = Configurator(settings={"storage_url": url})
    api_keys.create(sqlite.load_from_config(config), "robot", expires_ms=1)

    [row] = rows(keys("list"))

    assert row[2:5] == ["1970-01-01", "ended", "robot"]
