"""The files that ``docs/architecture.rst`` names are there, and requests go through them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from servers.starting import run_program

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cliquet"
PAGE = (ROOT / "docs" / "architecture.rst").read_text("utf-8")
TITLE = re.compile(r"^(?P<title>\S.*)\n-+\n", re.MULTILINE)
WRITTEN_PATH = re.compile(r"``([a-z_./]+)``")

WAYS = {"POST": "The way of a POST", "filtered GET": "The way of a filtered list"}


def section(title: str) -> str:
    """Return the text of a section of the page."""
    titles = list(TITLE.finditer(PAGE))
    for number, found in enumerate(titles):
        if found["title"] == title:
            end = titles[number + 1].start() if number + 1 < len(titles) else len(PAGE)
            return PAGE[found.end() : end]
    raise LookupError(title)


def rows() -> dict[str, list[str]]:
    """Return the paths in each row of the table of what to change."""
    text = section("To change one thing")
    _, *items = re.split(r"^   \* - ", text, flags=re.MULTILINE)
    return {
        item.split("\n", 1)[0]: [
            path for path in WRITTEN_PATH.findall(item) if "/" in path or ".py" in path
        ]
        for item in items
    }


@pytest.fixture(scope="module")
def traced(processes: None, own_settings: None) -> dict[str, list[str]]:
    """The files of each request, in their turn."""
    tool = ROOT / "benchmarks" / "files_of_requests.py"
    run = run_program(
        [sys.executable, str(tool), "--files"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    ways: dict[str, list[str]] = {}
    files: list[str] = []
    for line in run.stdout.splitlines():
        if line.startswith("  "):
            files.append(line.strip())
        else:
            files = ways[line.partition(":")[0]] = []
    return ways


@pytest.mark.parametrize("request_name", WAYS)
def test_a_request_goes_through_the_files_that_the_page_names(
    request_name: str, traced: dict[str, list[str]]
) -> None:
    told = re.findall(r"^#\. ``(\S+)``", section(WAYS[request_name]), flags=re.MULTILINE)

    # `python benchmarks/files_of_requests.py --files` prints what the page is to say.
    assert told == traced[request_name], "docs/architecture.rst names another way"


def test_the_files_to_change_are_there() -> None:
    table = rows()

    assert len(table) > 10
    assert all(paths for what, paths in table.items() if what != "To change"), table
    missing = {
        path
        for paths in table.values()
        for path in paths
        if not (PACKAGE / path).exists() and not (ROOT / path).exists()
    }
    assert missing == set()
