"""``cliquet groups``: users are put into groups, taken out, and listed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cliquet.testing.bounded import Threads
from scripts.command_line import MEMORY, run, run_process, write_ini

pytestmark = pytest.mark.clause("E-19.2")

Groups = Callable[..., Any]
ANN, BEN = "basicauth:ann", "basicauth:ben"


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data.db"
    fixture = "postgresql_url" if request.param == "postgresql" else "redis_url"
    return str(request.getfixturevalue(fixture))


def service(tmp_path: Path, url: str, **settings: str) -> str:
    family = url.partition(":")[0]
    backend = {"permission_backend": f"cliquet.permission.{family}", "permission_url": url}
    return str(write_ini(tmp_path / "service.ini", {**MEMORY, **backend, **settings}))


@pytest.fixture
def groups(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Groups:
    ini = service(tmp_path, url)
    run(monkeypatch, capsys, "--ini", ini, "migrate")
    return lambda *arguments: run(monkeypatch, capsys, "--ini", ini, "groups", *arguments)


def rows(outcome: Any) -> list[list[str]]:
    assert outcome.code == 0
    return [line.split("\t") for line in outcome.out.splitlines()]


def test_users_come_and_go(groups: Groups) -> None:
    added = groups("add", "group:staff", ANN, BEN)
    groups("add", "group:cooks", BEN)

    assert (added.code, added.out) == (0, f"{ANN} is in group:staff\n{BEN} is in group:staff\n")
    assert sorted(rows(groups("list"))) == [
        ["group:cooks", BEN],
        ["group:staff", ANN],
        ["group:staff", BEN],
    ]
    assert rows(groups("list", "--user", ANN)) == [["group:staff", ANN]]
    assert rows(groups("list", "--group", "group:cooks")) == [["group:cooks", BEN]]

    assert groups("remove", "group:staff", BEN).out == f"{BEN} is not in group:staff\n"
    assert rows(groups("list", "--user", BEN)) == [["group:cooks", BEN]]
    assert groups("remove", "group:staff").out == "nobody is in group:staff\n"
    assert rows(groups("list")) == [["group:cooks", BEN]]


def test_all_users_may_be_in_a_group(groups: Groups) -> None:
    groups("add", "group:all", "system.Authenticated")

    assert rows(groups("list", "--user", ANN)) == [["group:all", "system.Authenticated"]]
    assert rows(groups("list")) == [["group:all", "system.Authenticated"]]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("add", "group:staff", "ann"),
            "'ann' is not the id of a user; allowed: an id as GET /v1/",
        ),
        (("add", "group:staff", "system.Everyone"), "is not the id of a user"),
        (("add", "basicauth:ben", ANN), "cannot be the name of a group, because it may be a user"),
        (("add", "basicauth_ben", ANN), "cannot be the name of a group"),
        (("add", "system.Everyone", ANN), "cannot be the name of a group"),
        (("add", "", ANN), "cannot be the name of a group"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    groups: Groups, arguments: tuple[str, ...], said: str
) -> None:
    outcome = groups(*arguments)

    assert outcome.code == 1
    assert outcome.err.startswith("cliquet groups: ")
    assert said in outcome.err
    assert groups("list").out == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups_enabled": "true"}, "is a record of the service, whose members are changed"),
        ({"readonly": "true"}, "the service is read-only"),
        ({"permission_backend": "cliquet.permission.memory"}, "in the memory of the service"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path,
    settings: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    ini = service(tmp_path, url, **settings)

    outcome = run(monkeypatch, capsys, "--ini", ini, "groups", "add", "/groups/x", ANN)

    assert outcome.code == 1
    assert said in outcome.err


def test_users_come_from_standard_input(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ANN}\n{BEN} {ANN}\n\n"))
    added = groups("add", "group:staff", "basicauth:cid", "-")

    assert added.code == 0
    assert [line.split()[0] for line in added.out.splitlines()] == ["basicauth:cid", ANN, BEN]
    assert len(rows(groups("list"))) == 3

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ANN} {BEN}"))
    assert groups("remove", "group:staff", "-").code == 0
    assert rows(groups("list")) == [["group:staff", "basicauth:cid"]]


def test_an_empty_standard_input_changes_nothing(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups("add", "group:staff", ANN)
    for action in ("add", "remove"):
        monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
        outcome = groups(action, "group:staff", "-")
        assert (outcome.code, outcome.out) == (1, "")
        assert "standard input has no ids" in outcome.err

    assert rows(groups("list")) == [["group:staff", ANN]]


def test_one_wrong_id_among_many_changes_nothing(groups: Groups) -> None:
    outcome = groups("add", "group:staff", ANN, BEN, "carl")

    assert (outcome.code, outcome.out) == (1, "")
    assert groups("list").out == ""


@pytest.mark.usefixtures("processes")
def test_two_programs_add_to_one_group_at_once(groups: Groups, tmp_path: Path) -> None:
    assert groups("list").code == 0
    ini = str(tmp_path / "service.ini")
    users = [[f"basicauth:{name}{number}" for number in range(20)] for name in "ab"]

    with Threads(2) as pool:
        outcomes = list(
            pool.map(
                lambda ids: run_process("--ini", ini, "groups", "add", "group:staff", *ids), users
            )
        )

    assert [outcome.code for outcome in outcomes] == [0, 0]
    found = {user for _, user in rows(groups("list"))}
    assert found == {user for ids in users for user in ids}
