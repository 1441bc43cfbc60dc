"""The contract in the repository: its clauses, and what cites them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from support.sources import text_of

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "docs" / "contract"

# Where numbers are looked for, and what only looks like one there.
CITING = ("cliquet", "tests", "benchmarks", "loadtests", "docs", "config", "CHANGELOG.rst")
SUFFIXES = {".py", ".rst", ".ini", ".sql", ".txt", ".conf"}
NOT_CITATIONS = {
    # The samples of the tests of these very tools.
    "tests/project/test_docs.py",
    "tests/project/test_clauses.py",
}


@pytest.fixture(scope="module")
def tools() -> dict[str, ModuleType]:
    """The modules of ``docs/_ext`` that read clauses and their citations."""
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import clause_marks
        import clause_texts
    finally:
        sys.path.pop(0)
    return {"marks": clause_marks, "texts": clause_texts}


@pytest.fixture(scope="module")
def numbers(tools: dict[str, ModuleType]) -> list[str]:
    """The number of each clause that has a text."""
    return [clause.number for clause in tools["texts"].read_clauses(CONTRACT)]


def test_every_clause_has_one_text(tools: dict[str, ModuleType], numbers: list[str]) -> None:
    clauses = tools["texts"].read_clauses(CONTRACT)

    assert len(numbers) > 1000
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert [clause.number for clause in clauses if not clause.text] == []


def test_every_citation_has_a_text(tools: dict[str, ModuleType], numbers: list[str]) -> None:
    known = {*numbers, *tools["texts"].read_sections(CONTRACT)}
    unknown = {
        f"{path}:{text.count(chr(10), 0, citation.start()) + 1}: {citation[0]}"
        for path, text, citation in citations(tools["texts"].NUMBER)
        if citation[0] not in known
    }

    assert unknown == set()


@pytest.mark.slow
def test_every_clause_of_the_protocol_is_cited_by_a_test(
    tools: dict[str, ModuleType], numbers: list[str]
) -> None:
    cited = tools["marks"].collect_clauses(ROOT)

    protocol = [number for number in numbers if number[0] in "HDX"]
    assert len(protocol) > 400
    assert [number for number in protocol if number not in cited] == []


def citations(pattern: re.Pattern[str]) -> list[tuple[str, str, re.Match[str]]]:
    """Return the file of each citation, its text, and where the number is."""
    found = []
    for name in CITING:
        for path in sorted((ROOT / name).rglob("*")) or [ROOT / name]:
            where = path.relative_to(ROOT).as_posix()
            if (
                path.suffix not in SUFFIXES
                or "/_build/" in where
                or "/.venv/" in where
                or where in NOT_CITATIONS
            ):
                continue
            text = text_of(path)
            found += [(where, text, match) for match in pattern.finditer(text)]
    assert found
    return found
