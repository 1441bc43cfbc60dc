"""Which tests cite which clauses and settings, read from the sources of the tests."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

# The contract suites are tests too; they are shipped, for the backends of others.
FOLDERS = ("tests", "cliquet/testing")


def collect_clauses(root: Path) -> dict[str, set[str]]:
    """Return the tests that prove each clause, as ``file::test``.

    Parameters
    ----------
    root : folder of the repository.
    """
    return collect(root, "clause")


def collect(root: Path, marker: str) -> dict[str, set[str]]:
    """Return the tests that bear a marker by each of its arguments, without importing them.

    Parameters
    ----------
    root : folder of the repository.
    marker : ``clause``, or ``setting``.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            source = path.read_text("utf-8")
            if f"{marker}(" not in source:
                continue
            where = path.relative_to(root).as_posix()
            for name, test in marks_of(source, marker):
                found[name].add(f"{where}::{test}" if test else where)
    return dict(found)


def marks_of(source: str, marker: str = "clause") -> list[tuple[str, str]]:
    """Return the (argument, test) pairs of a module; the test is "" for a mark outside of any."""
    return list(_marks(ast.parse(source), "", marker))


def _marks(node: ast.AST, owner: str, marker: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        inner = owner
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{owner}::{child.name}" if owner else child.name
        elif isinstance(child, ast.Call) and _is_mark(child.func, marker):
            for argument in child.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, owner
        yield from _marks(child, inner, marker)


def _is_mark(function: ast.expr, marker: str) -> bool:
    # `pytest.mark.clause`, or `clause` where a suite gave it a shorter name.
    if isinstance(function, ast.Attribute):
        return function.attr == marker
    return isinstance(function, ast.Name) and function.id == marker


def clause_order(clause: str) -> list[tuple[int, str]]:
    """Return a sort key that puts H-2.10 after H-2.9."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"[-.]", clause)]
