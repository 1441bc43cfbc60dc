"""The example service does what the README prints, served by the command of the Makefile."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyramid.paster import get_app
from servers.processes import free_port
from servers.starting import run_program, start_process
from support import pages
from webtest import TestApp

from cliquet.testing.web import basic_auth

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"

START_UP_SECONDS = 120


def session() -> list[tuple[str, str]]:
    """Return the (commands, printed answer) pairs of the README's session."""
    return pages.session(pages.section(README.read_text(), "A session with curl"))


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def serve_command(port: int) -> list[str]:
    """Return what `make serve` runs once everything is installed."""
    recipe = run_program(
        ["make", "--dry-run", "serve", f"PORT={port}", f"VENV={sys.prefix}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = [line for line in recipe.splitlines() if "cliquet start" in line]
    command = shlex.split(line)
    return command[1:] if command[0] == "exec" else command


@pytest.fixture
def server(processes: None, tmp_path: Path) -> Iterator[str]:
    """The address of the example service, really started."""
    with running_server(tmp_path) as url:
        yield url


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Serve the example, whose data are in another folder than the clone."""
    port = free_port()
    url = f"http://localhost:{port}/"
    log = folder / "server.log"
    kinds = ("STORAGE", "PERMISSION", "CACHE")
    variables = {f"CLIQUET_{kind}_URL": f"sqlite:///{folder}/mushrooms.db" for kind in kinds}
    with log.open("w") as output:
        process = start_process(
            serve_command(port),
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_UP_SECONDS
        while not is_up(f"{url}v1/"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pages.needs_shell
def test_session_of_the_readme_gives_the_printed_answers(server: str) -> None:
    assert len(session()) >= 8
    # It goes on with the variables of the session, and with its records.
    copy = pages.session(pages.section(README.read_text(), "Keep a copy"))
    assert copy
    pages.check_session(session() + copy, server)


@pytest.mark.clause("E-1.2")
@pytest.mark.usefixtures("processes")
def test_data_of_the_example_survive_a_restart(tmp_path: Path) -> None:
    def send(url: str, body: bytes | None = None) -> Any:
        headers = {**basic_auth(), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}v1/mushrooms", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)["data"]

    with running_server(tmp_path) as url:
        record = send(url, b'{"data": {"name": "Morel"}}')

    with running_server(tmp_path) as url:
        assert send(url) == [record]


def test_timestamps_of_the_readme_are_as_a_server_would_give_them() -> None:
    answers = " ".join(answer for _, answer in session())
    morel, amanita, changed_morel, tombstone = sorted(
        set(re.findall(r'"last_modified":(\d+)', answers))
    )

    # The last answer shows what changed last first, and nothing older than the first list.
    last = [record["last_modified"] for record in json.loads(session()[-2][1])["data"]]
    assert last == [int(tombstone), int(changed_morel)]
    assert int(morel) < int(amanita) < int(changed_morel)


def test_first_resource_of_the_readme_serves_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pages.section(README.read_text(), "A first resource")
    ((_, source),) = pages.code_blocks(first)
    (tmp_path / "readme_library.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "readme_library", raising=False)

    import readme_library

    app = TestApp(readme_library.main({}, **{"cliquet.storage_backend": "cliquet.storage.memory"}))
    created = app.post_json("/v1/books", {"data": {"title": "Dune"}}, headers=basic_auth())
    assert created.status_code == 201
    assert app.get(f"/v1/books/{created.json['data']['id']}", headers=basic_auth()).json == {
        "data": created.json["data"]
    }


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> TestApp:
    """A client of the example service, loaded from the file that the tests keep."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "example"))
    return TestApp(get_app(str(ROOT / "config" / "testing.ini")))


@pytest.mark.clause("S-1.1")
def test_settings_of_a_file_take_effect_under_both_prefixes(example: TestApp) -> None:
    for name in ("Morel", "Cep", "Truffle"):
        example.post_json("/v1/mushrooms", {"data": {"name": name}}, headers=basic_auth())

    page = example.get("/v1/mushrooms", headers=basic_auth())

    assert len(page.json["data"]) == 2
    assert "Next-Page" in page.headers


@pytest.mark.clause("S-2.4")
def test_list_over_several_lines_of_a_file_is_a_list(example: TestApp) -> None:
    one, two, three = (f"https://{name}.example.com" for name in ("one", "two", "three"))

    answers = {
        origin: example.get("/v1/", headers={"Origin": origin}, expect_errors=True).headers.get(
            "Access-Control-Allow-Origin"
        )
        for origin in (one, two, three)
    }

    assert answers == {one: one, two: two, three: None}
