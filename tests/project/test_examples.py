"""Each project in `docs/examples` passes its tests, and its README prints what the service says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers.processes import free_port
from servers.starting import run_program, start_process

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(path.parent for path in (ROOT / "docs" / "examples").glob("*/pyproject.toml"))
ADDRESS = "http://localhost:8888/"
BETWEEN_ANSWERS = "@@ next answer @@"
PROGRAMS = Path(sys.executable).parent
SECONDS = 120

projects = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return the (language, text) of each block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def readme(project: Path) -> str:
    return (project / "README.md").read_text("utf-8")


def session(project: Path) -> list[tuple[str, str]]:
    """Return the pairs of commands, and what they print, of the section "Try it"."""
    _, _, begin = readme(project).partition("\n## Try it\n")
    section, _, _ = begin.partition("\n## ")
    pairs, commands = [], ""
    for language, text in code_blocks(section):
        if language == "sh":
            commands += text
        else:
            pairs.append((commands, text))
            commands = ""
    assert not commands, "a command prints nothing"
    return pairs


def value_of(printed: str) -> Any:
    """Return what commands print without what depends on the moment: timestamps."""
    printed = re.sub(r'("last_modified": ?)\d+', r"\1 0", printed.strip())
    try:
        return json.loads(printed)
    except ValueError:
        return printed


def environment(project: Path) -> dict[str, str]:
    """Return the environment in which the project is as if it were installed."""
    return {**os.environ, "PYTHONPATH": str(project)}


def copied(project: Path, folder: Path) -> Path:
    """Return a copy, whose data and caches are no part of the repository."""
    left_out = shutil.ignore_patterns(".*", "*.db*", "*.egg-info", "__pycache__", "build")
    return Path(shutil.copytree(project, folder / project.name, ignore=left_out))


@contextmanager
def served(project: Path) -> Iterator[str]:
    """Serve a project by the command of its README, on another port."""
    port = free_port()
    url = f"http://localhost:{port}/"
    log = project / "server.log"
    command = [
        *(sys.executable, "-c", "from cliquet.scripts.entry import main; main()"),
        *("start", "--ini", "development.ini", "--port", str(port)),
    ]
    with log.open("w") as output:
        process = start_process(
            command,
            cwd=project,
            env=environment(project),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not is_up(f"{url}v1/"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_there_are_the_projects_that_the_documentation_names() -> None:
    names = {project.name for project in PROJECTS}
    page = (ROOT / "docs" / "examples" / "index.rst").read_text("utf-8")

    assert len(names) >= 5
    for name in names:
        assert f"``{name}``" in page


@projects
@pytest.mark.usefixtures("processes")
def test_its_own_tests_pass(project: Path, tmp_path: Path) -> None:
    copy = copied(project, tmp_path)

    run = run_program(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout


@projects
@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(
    not os.environ.get("CI") and not all(map(shutil.which, ("bash", "curl"))),
    reason="needs bash and curl",
)
def test_its_readme_prints_what_the_service_says(project: Path, tmp_path: Path) -> None:
    pairs = session(project)
    copy = copied(project, tmp_path)
    # Others may run the same test on this machine.
    port_of_another = str(free_port())
    for path in (*copy.glob("*.py"), *copy.glob("*.ini")):
        path.write_text(path.read_text("utf-8").replace("9999", port_of_another), "utf-8")
    script = f"\necho\necho '{BETWEEN_ANSWERS}'\n".join(commands for commands, _ in pairs)

    with served(copy) as url:
        run = run_program(
            ["bash", "-eu", "-o", "pipefail"],
            input=script.replace(ADDRESS, url)
            .replace(".venv/bin/", f"{PROGRAMS}/")
            .replace("9999", port_of_another),
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    assert run.returncode == 0, run.stdout + run.stderr
    answers = run.stdout.split(BETWEEN_ANSWERS)
    assert [*map(value_of, answers)] == [value_of(text) for _, text in pairs]


@projects
def test_its_readme_says_how_it_is_installed_served_and_tested(project: Path) -> None:
    blocks = code_blocks(readme(project))
    commands = "\n".join(text for language, text in blocks if language == "sh")

    for line in (
        "python3 -m venv .venv",
        ".venv/bin/pip install ../../.. -e '.[test]'",
        ".venv/bin/cliquet start --ini development.ini",
        ".venv/bin/python -m pytest",
    ):
        assert line in commands.splitlines()
