"""Reads the examples of the documentation: their blocks, sections, and sessions with ``curl``."""

from __future__ import annotations

import json
import os
import re
import shutil
import textwrap
from typing import Any

import pytest
from servers.starting import run_program

BETWEEN_ANSWERS = "@@ next answer @@"
ADDRESS_ON_PAGES = "http://localhost:8888/"

needs_shell = pytest.mark.skipif(
    not os.environ.get("CI") and not all(map(shutil.which, ("bash", "curl", "make"))),
    reason="needs bash, curl and make",
)


def code_blocks(source: str, language: str | None = None) -> list[tuple[str, str]]:
    """Return the (language, text) of each code block of a reStructuredText source."""
    blocks = re.findall(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", source, re.MULTILINE)
    return [
        (found, textwrap.dedent(text).strip())
        for found, text in blocks
        if language in (None, found)
    ]


def section(source: str, title: str) -> str:
    """Return the text under a title of a page, up to the next one."""
    underlined = rf"^{re.escape(title)}\n-+\n(.*?)(?=^[^\n]+\n---+\n|\Z)"
    match = re.search(underlined, source, re.MULTILINE | re.DOTALL)
    assert match, f"the page has no section {title!r}"
    return match[1]


def session(source: str) -> list[tuple[str, str]]:
    """Return the (commands, printed answer) pairs of a session."""
    blocks = code_blocks(source)
    assert [language for language, _ in blocks] == ["bash", "json"] * (len(blocks) // 2)
    return [(blocks[i][1], blocks[i + 1][1]) for i in range(0, len(blocks), 2)]


def check_session(pairs: list[tuple[str, str]], server: str) -> None:
    """Run the commands of a session, and compare what a server answers with what is printed.

    Parameters
    ----------
    server : address of the server, with a slash at its end.
    """
    script = f"\necho\necho '{BETWEEN_ANSWERS}'\n".join(commands for commands, _ in pairs)

    run = run_program(
        ["bash", "-eu", "-o", "pipefail"],
        input=script.replace(ADDRESS_ON_PAGES, server),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    answers = [json.loads(answer) for answer in run.stdout.split(BETWEEN_ANSWERS)]
    assert without_chance(answers) == without_chance([json.loads(printed) for _, printed in pairs])


def without_chance(value: Any) -> Any:
    """Replace timestamps, which depend on the moment, and users, which depend on a secret."""
    if isinstance(value, list):
        return [without_chance(item) for item in value]
    if isinstance(value, dict):
        return {
            name: "a timestamp" if name == "last_modified" else without_chance(item)
            for name, item in value.items()
        }
    if isinstance(value, str):
        return re.sub(r"basicauth:[0-9a-f]+…?", "basicauth:…", value)
    return value
