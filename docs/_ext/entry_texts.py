"""Reads the examples of ``docs/reference/entries.txt``, for the pages and for the tests."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ENTRIES = Path(__file__).parents[1] / "reference" / "entries.txt"


class Example(NamedTuple):
    """Names, and the session that shows them."""

    names: tuple[str, ...]
    text: str
    line: int


def read(path: Path = ENTRIES) -> Iterator[Example]:
    """Yield the examples; the first one, ``setup``, is what all of them begin with."""
    names: list[str] = []
    lines: list[str] = []
    start = 0
    for number, line in enumerate([*path.read_text("utf-8").splitlines(), "end"], 1):
        if line.startswith(" ") or not line:
            lines.append(line)
        elif not line.startswith("#"):
            if lines and names:
                yield Example(tuple(names), textwrap.dedent("\n".join(lines)).strip("\n"), start)
                names = []
            if not names:
                start = number
            names.append(line)
            lines = []


def place_of(name: str) -> tuple[str, str]:
    """Return the module that defines a public name, and its name there."""
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    defined = getattr(found, "__module__", None)
    # Constants, and what other packages define, are documented where they are published.
    if not isinstance(defined, str) or not defined.startswith("cliquet"):
        return module, attribute
    return defined, getattr(found, "__qualname__", attribute)
