"""The scripts that the guides show do what they say, as programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import copy_over_http
import pytest
from scripts.command_line import run_process
from scripts.serving import served
from servers.starting import run_program

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "example"
GUIDES = ROOT / "docs" / "howto"
USER = "basicauth:51c0"


@pytest.fixture
def ini(processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of the example with shared records, in a file of SQLite."""
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    return write_ini(tmp_path / "service.ini")


def write_ini(path: Path) -> Path:
    kinds = ("storage", "permission", "cache")
    lines = [f"cliquet.{kind}_backend = cliquet.{kind}.sqlite" for kind in kinds]
    lines += [f"cliquet.{kind}_url = sqlite:///{path.with_suffix('.db')}" for kind in kinds]
    lines += ["cliquet.toadstool_create_principals = system.Authenticated"]
    lines += ["cliquet.userid_hmac_secret = a secret"]
    path.write_text("\n".join(["[app:main]", "use = call:toadstools:main", *lines]) + "\n")
    assert run_process("migrate", "--ini", str(path)).code == 0
    return path


def run_script(name: str, *arguments: str, sent: str = "") -> Any:
    done = run_program(
        [sys.executable, "-W", "ignore", str(EXAMPLES / name), *arguments],
        input=sent,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_records_that_a_script_loads_are_exported(ini: Path) -> None:
    lines = "".join(json.dumps({"name": f"Cep {number}"}) + "\n" for number in range(1200))

    assert run_script("load_mushrooms.py", str(ini), USER, sent=lines) == "1200\n"

    found = [json.loads(line) for line in run_script("export_records.py", str(ini)).splitlines()]
    names = {item["record"]["name"] for item in found}
    assert names == {f"Cep {number}" for number in range(1200)}
    assert {(item["parent"], item["collection"]) for item in found} == {(USER, "mushroom")}


def test_a_script_copies_records_over_http(ini: Path, tmp_path: Path) -> None:
    other = write_ini(tmp_path / "other.ini")
    with served(ini) as (old, _), served(other) as (new, _):
        source, target = f"{old}/toadstools", f"{new}/toadstools"
        body = {"data": {"name": "Fly agaric"}, "permissions": {"read": ["system.Everyone"]}}
        created, _ = copy_over_http.send(source, "amy:1", "POST", body)

        assert [copy_over_http.copy(source, target, "amy:1") for _ in range(2)] == [1, 0]

        copied, _ = copy_over_http.send(f"{target}/{created['data']['id']}", "amy:1")
        assert copied == created


def test_pages_of_the_guides_are_in_their_table_of_contents() -> None:
    index = (GUIDES / "index.rst").read_text("utf-8")
    named = {line.strip() for line in index.splitlines() if line.startswith("   ")}

    assert {page.stem for page in GUIDES.glob("*.rst")} - {"index"} <= named
