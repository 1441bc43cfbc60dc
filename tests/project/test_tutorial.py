"""The service that the tutorial writes has types, passes its tests, and answers what is printed."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.command_line import run_process
from scripts.serving import served
from servers.processes import free_port
from servers.starting import run_program, start_process
from support import pages

from cliquet.testing.bounded import wait_until

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial"
PAGE = (TUTORIAL / "index.rst").read_text("utf-8")


@pytest.fixture(scope="module")
def begun(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new service that the tutorial begins with."""
    folder = tmp_path_factory.mktemp("tutorial") / "library"
    made = run_process("init", str(folder))
    assert made.code == 0, made.err
    return folder


@pytest.fixture(scope="module")
def library(begun: Path) -> Path:
    """The same when the reader has followed the tutorial."""
    folder = begun.parent / "followed" / "library"
    shutil.copytree(begun, folder)
    (folder / "tests" / "test_tasks.py").unlink()
    for name in ("library/__init__.py", "library/authorization.py", "library/resources.py"):
        shutil.copy(TUTORIAL / name, folder / name)
    shutil.copy(TUTORIAL / "tests" / "test_shelves.py", folder / "tests")
    return folder


def run_tool(folder: Path, *arguments: str, **environ: str) -> Any:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    return run_program(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_tests_of_the_tutorial_pass(library: Path) -> None:
    done = run_tool(library, "pytest", "-q", "-p", "no:cacheprovider", PYTHONPATH=str(library))

    assert done.returncode == 0, done.stdout + done.stderr


def test_code_of_the_tutorial_passes_its_own_checks(library: Path) -> None:
    checks = (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "--follow-imports=silent", "--cache-dir", "/dev/null"),
    )
    for check in checks:
        done = run_tool(library, *check, MYPYPATH=str(ROOT))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_tutorial_shows_what_to_change_in_the_new_service(begun: Path) -> None:
    """The emphasized lines are those that differ from what `cliquet init` writes."""
    before = (begun / "library" / "__init__.py").read_text().splitlines()
    after = (TUTORIAL / "library" / "__init__.py").read_text().splitlines()
    changed = {
        number + 1
        for kind, _, _, first, last in difflib.SequenceMatcher(None, before, after).get_opcodes()
        if kind != "equal"
        for number in range(first, last)
        if after[number]
    }

    (emphasized,) = re.findall(r":emphasize-lines: (\S+)", PAGE)
    shown = set()
    for part in emphasized.split(","):
        first, _, last = part.partition("-")
        shown |= set(range(int(first), int(last or first) + 1))
    # The docstring of the module is the other change.
    assert changed - {1} == shown


@pages.needs_shell
def test_session_of_the_tutorial_gives_the_printed_answers(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(library))
    ini = library / "config" / "development.ini"
    migrated = run_process("migrate", "--ini", str(ini))
    assert migrated.code == 0, migrated.err
    text = pages.section(PAGE, "Call it").replace(".. code-block:: bash\n\n   make serve\n", "")

    with served(ini) as (url, _):
        pairs = pages.session(text)
        assert len(pairs) > 5
        pages.check_session(pairs, url.removesuffix("v1"))


@pages.needs_shell
def test_the_deployment_of_the_tutorial_answers_what_is_printed(library: Path) -> None:
    text = pages.section(PAGE, "Deploy it")
    blocks = pages.code_blocks(text)
    # The first installs what the environment of the tests has.
    (_, prepare), (_, serve), (_, ask), (kind, printed) = blocks[1:]
    assert (serve, kind) == ("gunicorn --paste config/production.ini", "json")
    port = free_port()
    programs = Path(sys.executable).parent
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith("CLIQUET_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{library}{os.pathsep}{ROOT}",
    }
    # gunicorn gets the variables that the lines before have set.
    script = f"{prepare}\nexec {serve} --bind localhost:{port}\n"
    log = library.parent / "gunicorn.log"
    with log.open("w") as output:
        server = start_process(
            ["bash", "-eu", "-c", script],
            cwd=library,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: is_served(port) or server.poll() is not None, what="the heartbeat")
        assert server.poll() is None, log.read_text()
        answer = run_program(
            ["bash", "-eu"],
            input=ask.replace("localhost:8888", f"localhost:{port}"),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    finally:
        server.terminate()
        server.wait(60)

    assert json.loads(answer.stdout) == json.loads(printed)
    # The program has found nothing wrong.
    assert "error:" not in log.read_text().lower()


def is_served(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex(("localhost", port)) == 0
