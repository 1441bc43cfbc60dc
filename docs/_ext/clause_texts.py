"""The texts of the clauses in ``docs/contract``.

A clause is an item of a list that begins with its number in bold type: ``- **H-10.6** The rule…``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NUMBER = re.compile(r"\b[HDXSPBE]-[0-9]+(?:\.[0-9]+)?[a-z]?\b")
_ITEM = re.compile(rf"- \*\*({NUMBER.pattern})\*\* *(.*)")
_FOOTNOTE = re.compile(r" ?\[#[^\]]+\]_")


class Clause(NamedTuple):
    """One clause.

    Attributes
    ----------
    page : file, relative to the folder of the contract.
    text : first paragraph of the rule, in one line of reStructuredText.
    """

    number: str
    page: str
    text: str


def read_clauses(folder: Path) -> list[Clause]:
    """Return the clauses of the contract, page by page; a number may be there twice by mistake."""
    return [clause for path in sorted(folder.glob("*.rst")) for clause in _clauses_of(path)]


def _clauses_of(path: Path) -> Iterator[Clause]:
    lines = iter([*path.read_text("utf-8").splitlines(), ""])
    for line in lines:
        found = _ITEM.fullmatch(line)
        if found is None:
            continue
        paragraph = [found[2]]
        for following in lines:
            if not following.strip():
                break
            if (next_item := _ITEM.fullmatch(following)) is not None:
                yield _clause(found, paragraph, path)
                found, paragraph = next_item, [next_item[2]]
            else:
                paragraph.append(following.strip())
        yield _clause(found, paragraph, path)


def _clause(found: re.Match[str], paragraph: list[str], path: Path) -> Clause:
    text = _FOOTNOTE.sub("", " ".join(part for part in paragraph if part))
    return Clause(found[1], path.name, text)


def section_of(number: str) -> str:
    """Return the section that a clause belongs to: ``H-10`` for ``H-10.6``."""
    return number.partition(".")[0]


def read_sections(folder: Path) -> set[str]:
    """Return the numbers that titles begin with, and the sections of the clauses."""
    titled = {
        found[0]
        for path in folder.glob("*.rst")
        for line in path.read_text("utf-8").splitlines()
        if (found := NUMBER.match(line)) is not None
    }
    return titled | {section_of(clause.number) for clause in read_clauses(folder)}
