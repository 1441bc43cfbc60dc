"""Measure how far a reader of the package has to go: lengths, `self` references, import knots.

A reference ``self.name`` is *near* if its class has the name itself, *above* if a base class in the
package has it, and *away* if only a subclass or another package has it. Only the last ones make a
reader search. Another folder with the package may be given, to compare two versions.
"""

from __future__ import annotations

import argparse
import ast
import graphlib
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "cliquet"
# Services do not run what is for tests.
TESTING = ("cliquet.testing", "cliquet.tests")


class Class(NamedTuple):
    """A class as its module defines it.

    Attributes
    ----------
    bases : base classes by their full names, those of other packages included.
    names : what the class or its methods define on instances.
    references : the names after ``self.``, each as often as it is written.
    """

    bases: list[str]
    names: set[str]
    references: list[str]


def read(package: Path) -> dict[str, ast.Module]:
    """Return the syntax trees of the modules by their names."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(TESTING):
            trees[name] = ast.parse(path.read_text("utf-8"))
    return trees


def classes_of(module: str, tree: ast.Module) -> Iterator[tuple[str, Class]]:
    """Yield the classes of a module with their full names."""
    origins = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = []
        for base in node.bases:
            first, dot, rest = ast.unparse(base).partition(".")
            bases.append(origins.get(first, f"{module}.{first}") + dot + rest)
        used = [one for one in ast.walk(node) if _is_of_self(one)]
        names = {one.attr for one in used if not isinstance(one.ctx, ast.Load)}
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(statement.name)
            elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
                names |= {one.id for one in ast.walk(statement) if isinstance(one, ast.Name)}
        references = [one.attr for one in used if isinstance(one.ctx, ast.Load)]
        yield f"{module}.{node.name}", Class(bases, names, references)


def _is_of_self(node: ast.AST) -> bool:
    is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return is_attribute and node.value.id == "self"  # type: ignore[attr-defined]  # narrowed above


def places(classes: dict[str, Class]) -> Counter[str]:
    """Return how many references are near, above and away."""
    found: Counter[str] = Counter()
    for name, one in classes.items():
        inherited: set[str] = set()
        waiting, seen = list(one.bases), {name}
        while waiting:
            base = waiting.pop()
            if base in classes and base not in seen:
                seen.add(base)
                inherited |= classes[base].names
                waiting += classes[base].bases
        for reference in one.references:
            place = "near" if reference in one.names else "above"
            found[place if reference in one.names | inherited else "away"] += 1
    return found


def knots(trees: dict[str, ast.Module]) -> list[str]:
    """Return the modules of a cycle of imports at run time, or nothing."""
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        graph[module] = imported = set()
        for statement in _at_run_time(tree.body):
            if isinstance(statement, ast.ImportFrom):
                whole = [f"{statement.module}.{alias.name}" for alias in statement.names]
                imported |= {one if one in trees else str(statement.module) for one in whole}
            elif isinstance(statement, ast.Import):
                imported |= {alias.name for alias in statement.names}
        # A package is being imported already when one of its modules is.
        imported -= {parent for parent in trees if module.startswith(f"{parent}.")} | {module}
        imported &= trees.keys()
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def _at_run_time(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from statement.orelse
        elif isinstance(statement, (ast.If, ast.Try)):
            yield from _at_run_time([*statement.body, *statement.orelse])
        else:
            yield statement


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="?", type=Path, default=PACKAGE)
    package: Path = parser.parse_args().package
    trees = read(package)
    lines = {name: len((_path(package, name)).read_text("utf-8").splitlines()) for name in trees}
    longest = max(lines, key=lambda name: lines[name])
    over = sum(number > 250 for number in lines.values())
    print(f"modules: {len(trees)}, median {statistics.median(lines.values()):.0f} lines")
    print(f"longest: {longest}, {lines[longest]} lines; {over} over 250")
    classes = {
        name: one for module, tree in trees.items() for name, one in classes_of(module, tree)
    }
    found = places(classes)
    total = sum(found.values())
    shares = ", ".join(f"{found[place] / total:.1%} {place}" for place in ("near", "above", "away"))
    print(f"`self` references: {total} in {len(classes)} classes, {shares}")
    print(f"import knots: {' -> '.join(knots(trees)) or 'none'}")


def _path(package: Path, name: str) -> Path:
    path = package.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


if __name__ == "__main__":
    main()
