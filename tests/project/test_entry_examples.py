"""Each published Python name has an entry in the reference, and an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "docs" / "_ext"

# The modules that `docs/contract` publishes, and those that came later.
PUBLISHED = (
    "cliquet",
    "cliquet.initialization",
    "cliquet.utils",
    "cliquet.errors",
    "cliquet.events",
    "cliquet.logs",
    "cliquet.listeners",
    "cliquet.authentication",
    "cliquet.authorization",
    "cliquet.resource",
    "cliquet.resource.model",
    "cliquet.resource.schema",
    "cliquet.resource.viewset",
    "cliquet.schema",
    "cliquet.storage",
    "cliquet.storage.exceptions",
    "cliquet.storage.generators",
    "cliquet.storage.memory",
    "cliquet.cache",
    "cliquet.cache.memory",
    "cliquet.permission",
    "cliquet.permission.memory",
    "cliquet.views.batch",
    "cliquet.views.errors",
    "cliquet.views.heartbeat",
    "cliquet.views.hello",
    "cliquet.scripts.cliquet",
    "cliquet.client",
    "cliquet.testing.web",
    "cliquet.testing.cache",
    "cliquet.testing.permission",
    "cliquet.testing.storage",
    "cliquet.testing.sync",
    "cliquet.tests.support",
    "cliquet.tests.testapp",
)

# Modules of the standard library that tests of applications replace there.
MODULES = {"random", "unittest"}


@pytest.fixture(scope="module")
def examples() -> ModuleType:
    """The module that reads the examples."""
    sys.path.insert(0, str(EXTENSIONS))
    try:
        return importlib.import_module("entry_texts")
    finally:
        sys.path.remove(str(EXTENSIONS))


def published_names() -> Iterator[tuple[str, Any]]:
    for module in PUBLISHED:
        imported = importlib.import_module(module)
        for name in imported.__all__:
            # The parts of the suite of storages are documented, and run, as one.
            if name.endswith("Tests") and module == "cliquet.testing.storage":
                continue
            if name not in MODULES and not inspect.ismodule(getattr(imported, name)):
                yield f"{module}.{name}", getattr(imported, name)


def identity(name: str, value: Any) -> Any:
    """Return what several names of one object have in common."""
    simple = isinstance(value, (str, int, list, tuple, dict))
    return name.rpartition(".")[2] if simple else id(value)


def test_every_published_name_has_an_example(examples: ModuleType) -> None:
    shown = set()
    for example in examples.read():
        for name in set(example.names) - {"setup"}:
            module, _, attribute = name.rpartition(".")
            shown.add(identity(name, getattr(importlib.import_module(module), attribute)))

    missing = [name for name, value in published_names() if identity(name, value) not in shown]
    assert missing == [], "add an example to docs/reference/entries.txt"


def documented_modules() -> str:
    pages = (ROOT / "docs" / "reference").glob("*.rst")
    return "\n".join(page.read_text("utf-8") for page in sorted(pages))


def test_every_published_name_has_an_entry(examples: ModuleType) -> None:
    text = documented_modules()
    modules = set(re.findall(r"^\.\. automodule:: (\S+)$(?!\n   :no-members:)", text, re.M))
    names = set(
        re.findall(r"^\.\. (?:auto(?:class|function|exception|data)|py:data):: (\S+)", text, re.M)
    )
    last = {name.rpartition(".")[2] for name in names}

    has_entry: dict[Any, bool] = {}
    for name, value in published_names():
        places = {name.rpartition(".")[0], examples.place_of(name)[0]}
        found = bool(places & modules) or name.rpartition(".")[2] in last
        has_entry[identity(name, value)] = found or has_entry.get(identity(name, value), False)
    missing = [name for name, value in published_names() if not has_entry[identity(name, value)]]

    assert missing == [], "add it to a page of docs/reference"


@pytest.mark.slow
def test_examples_of_entries_do_what_they_show(
    examples: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "example"))
    setup, *others = examples.read()
    assert setup.names == ("setup",)
    parser = doctest.DocTestParser()
    said: list[str] = []
    for example in others:
        names: dict[str, Any] = {"__name__": __name__}
        exec(setup.text, names)
        case = parser.get_doctest(
            example.text, names, example.names[0], "docs/reference/entries.txt", example.line
        )
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(case, out=said.append)

    assert said == [], "".join(said)
