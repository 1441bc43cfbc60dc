"""What the words of the documentation, and of the comments, may not be."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sources import text_of

ROOT = Path(__file__).parents[2]
THIS = Path(__file__).relative_to(ROOT).as_posix()

# Pages for those who use the library and do not change it.
USER_FOLDERS = ("api", "deploy", "examples", "explanation", "howto", "reference", "tutorial")
USER_PAGES = (
    "README.rst",
    "docs/index.rst",
    "docs/quickstart.rst",
    "docs/security.rst",
    *(
        path.relative_to(ROOT).as_posix()
        for folder in USER_FOLDERS
        for path in sorted((ROOT / "docs" / folder).glob("*.rst"))
    ),
)
MARK = re.compile(r"\b[HDXSPBE]-[0-9]+(?:\.[0-9]+)?[a-z]?\b")
LINK_TO_CONTRACT = re.compile(r":(?:ref|doc):`[^`]*(?:<[hdxspbe]-[0-9][^`]*>|contract/[^`]*)`")
TITLE = re.compile(r"^(?:=|-|~){3,}$")

# References to notes that are not in the repository, and to sections of nobody knows what.
ELSEWHERE = re.compile(r"design notes?|design\.md|section [0-9]", re.IGNORECASE)
# Sentences that begin with a relative clause, and the like: a reader who learnt English at school
# stumbles over them.
STIFF = re.compile(
    r"\b[Ww]ho(?:ever|mever|m)\b|\bof what\b|\b(?:to|from|by|for|of) who\b|\bbe it\b"
    r"|(?:^|[.:;] )Who (?:[a-z]+ )?[a-z]+s\b",
    re.MULTILINE,
)
PAGES = (
    "README.rst",
    "CONTRIBUTING.rst",
    "SECURITY.md",
    "CHANGELOG.rst",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").rglob("*.rst"))
        # Somebody may have installed an example in its folder.
        if not {"_build", ".venv"} & {*path.parts}
    ),
)
SUFFIXES = {".py", ".rst", ".sql", ".ini", ".txt", ".md", ".conf"}


@pytest.mark.parametrize("page", USER_PAGES)
def test_pages_for_users_show_no_clause_marks(page: str) -> None:
    text = LINK_TO_CONTRACT.sub("", (ROOT / page).read_text("utf-8"))

    assert MARK.findall(text) == []


@pytest.mark.parametrize("page", USER_PAGES)
def test_a_section_has_at_most_one_link_to_the_contract(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    for section in sections_of(text):
        assert len(LINK_TO_CONTRACT.findall(section)) <= 1, section[:200]


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_sentences_with_a_subject(page: str) -> None:
    assert STIFF.findall((ROOT / page).read_text("utf-8")) == []


def prose_of(source: str) -> Iterator[str]:
    """Yield the comments and the docstrings of a module."""
    block: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            block.append(token.string.lstrip("# "))
        elif token.type not in (tokenize.NL, tokenize.NEWLINE):
            yield " ".join(block)
            block = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield ast.get_docstring(node) or ""


def may_be_stiff(source: str) -> bool:
    """Return false for most modules without such sentences: to tokenize all of them takes seconds.

    The lines of a comment are joined here, without looking whether it is one.
    """
    return bool(STIFF.search(re.sub(r"\s+(#\s*)?", " ", source)) or re.search(r"\bWho ", source))


def test_comments_and_docstrings_have_sentences_with_a_subject() -> None:
    found = [
        f"{path}: {text[max(0, match.start() - 40) : match.end() + 30]}"
        for path in sources("cliquet")
        # To tokenize all of them takes seconds.
        if path.endswith(".py") and may_be_stiff(text_of(ROOT / path))
        for text in prose_of(text_of(ROOT / path))
        for match in STIFF.finditer(text)
    ]

    assert found == []


def test_reasons_are_in_the_repository() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in sources("cliquet", "docs", "tests", "benchmarks", "loadtests")
        if ELSEWHERE.search(text_of(ROOT / path))
        for number, line in enumerate(text_of(ROOT / path).splitlines(), 1)
        if ELSEWHERE.search(line)
    ]

    assert found == []


def sections_of(text: str) -> list[str]:
    """Return the text between each two titles of a page."""
    sections: list[list[str]] = [[]]
    for line in text.splitlines():
        if TITLE.match(line):
            sections.append([])
        sections[-1].append(line)
    return ["\n".join(lines) for lines in sections]


def sources(*folders: str) -> Iterator[str]:
    """Return the files of some folders that somebody reads, this one excepted."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            where = path.relative_to(ROOT).as_posix()
            is_ours = "/_build/" not in where and "/.venv/" not in where
            if path.suffix in SUFFIXES and is_ours and where != THIS:
                yield where
