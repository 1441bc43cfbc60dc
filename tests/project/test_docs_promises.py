"""The tests that the documentation names as the proof of its promises."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"``(tests/[\w/]+\.py)::(\w+)``")
PROMISES = ("Ordered", "Unique", "Reliable", "Resumable", "Bookmarkable")


def named_in(text: str) -> list[tuple[str, str]]:
    return NAMED.findall(text)


def clauses_of(path: str, name: str) -> set[str]:
    """Return the clauses that a test cites."""
    tree = ast.parse((ROOT / path).read_text())
    (found,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return {
        argument.value
        for decorator in found.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.clause"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


ALL = sorted(
    {
        pair
        for path in (ROOT / "docs").rglob("*.rst")
        # Somebody may have installed an example in its folder.
        if ".venv" not in path.parts
        for pair in named_in(path.read_text())
    }
)


@pytest.mark.parametrize(("path", "name"), ALL)
def test_a_test_that_a_page_names_exists_and_cites_a_clause(path: str, name: str) -> None:
    assert clauses_of(path, name)


@pytest.mark.clause("E-14.3")
@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_of_the_feed_names_a_test_of_it(promise: str) -> None:
    text = (ROOT / "docs" / "api" / "live.rst").read_text()
    (fire,) = re.findall(r"^\.\. \|fire\| replace:: (.*)$", text, re.MULTILINE)
    said = text.replace("|fire|", fire)
    (paragraph,) = re.findall(rf"^{promise}\n((?: +.*\n)+)", said, re.MULTILINE)

    cited = [clauses_of(path, name) for path, name in named_in(paragraph)]

    assert any("E-14.3" in clauses or "E-11.5" in clauses for clauses in cited)
