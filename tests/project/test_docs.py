"""What the documentation and the project files say is true."""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cliquet import settings
from cliquet.errors import ERRORS
from cliquet.web.problem_types import TYPES

ROOT = Path(__file__).parents[2]
CLAUSE = re.compile(r"[HDXSPBE]-[0-9]+(\.[0-9]+)?[a-z]?")


@pytest.fixture
def clause_marks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that the table of clauses is made with."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    monkeypatch.delitem(sys.modules, "clause_marks", raising=False)
    import clause_marks

    return clause_marks


def test_clauses_are_found_wherever_a_mark_may_stand(clause_marks: ModuleType) -> None:
    source = """
pytestmark = pytest.mark.clause("H-1.1")
CASES = [pytest.param(1, marks=pytest.mark.clause("H-1.2"))]

@pytest.mark.clause("H-1.3", "D-1")
def test_function(): pass

@pytest.mark.clause("H-1.4")
class TestClass:
    @clause("H-1.5")
    def test_method(self): pass
"""

    assert sorted(clause_marks.marks_of(source)) == [
        ("D-1", "test_function"),
        ("H-1.1", ""),
        ("H-1.2", ""),
        ("H-1.3", "test_function"),
        ("H-1.4", "TestClass"),
        ("H-1.5", "TestClass::test_method"),
    ]


@pytest.mark.clause("E-20.4")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_each_error_number_has_its_section(monkeypatch: pytest.MonkeyPatch, error: ERRORS) -> None:
    pytest.importorskip("sphinx", reason="the directive is one of Sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import cliquet_tables

    section = cliquet_tables.ErrorSections.section_of(error)

    (page,) = (ROOT / "docs").rglob("reference/errors.rst")
    assert ".. error-sections::" in page.read_text("utf-8")
    assert section.startswith(f".. _errno-{error.value}:\n")
    for text in TYPES[error][:3]:
        assert text in section


def test_clauses_are_sorted_by_their_numbers(clause_marks: ModuleType) -> None:
    clauses = ["H-10.1", "H-2.10", "H-2.9", "H-2.1"]

    assert sorted(clauses, key=clause_marks.clause_order) == [
        "H-2.1",
        "H-2.9",
        "H-2.10",
        "H-10.1",
    ]


@pytest.mark.slow
def test_every_cited_clause_has_the_form_of_one(clause_marks: ModuleType) -> None:
    found = clause_marks.collect_clauses(ROOT)

    wrong = {name: tests for name, tests in found.items() if not CLAUSE.fullmatch(name)}
    # The sample of this very module apart.
    assert wrong == {}


@pytest.mark.parametrize("name", ["example.ini", "testing.ini"])
def test_settings_of_the_sample_files_are_in_the_table(name: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "config" / name)
    prefixed = [key for key in parser["app:main"] if key != "use"]

    unknown = [key for key in prefixed if settings.find(key.partition(".")[2]) is None]

    assert prefixed
    assert unknown == []


def test_commented_settings_of_the_example_are_in_the_table() -> None:
    source = (ROOT / "config" / "example.ini").read_text()
    commented = re.findall(r"^# cliquet\.([\w.]+) = ", source, re.MULTILINE)

    assert commented
    assert [name for name in commented if settings.find(name) is None] == []


def test_settings_that_the_pages_mention_are_in_the_table() -> None:
    # The contract names settings of the original and of plugins too.
    pages = " ".join(
        path.read_text()
        for path in (ROOT / "docs").rglob("*.rst")
        if not {"_build", "contract", ".venv"} & {*path.relative_to(ROOT).parts}
    )
    mentioned = set(re.findall(r"``cliquet\.(\w+_[\w.]+) =", pages))
    mentioned |= set(re.findall(r"settings? ``([a-z_.{}]+)``", pages))

    assert {"userid_hmac_secret", "paginate_by"} & mentioned
    unknown = {name for name in mentioned if settings.find(name) is None} - set(settings.SETTINGS)
    assert unknown == set()


def test_each_setting_stands_once_below_a_theme_of_its_page() -> None:
    page = (ROOT / "docs" / "reference" / "settings.rst").read_text("utf-8")
    lists = re.findall(r"^\.\. settings::\n\n((?:   \S+\n)+)", page, re.MULTILINE)
    names = " ".join(lists).split()

    missing = [name for name in settings.SETTINGS if name not in names]
    assert missing == [], "add its name to a list of docs/reference/settings.rst"
    assert sorted(names) == sorted(settings.SETTINGS)


def test_tests_that_the_page_on_security_names_exist() -> None:
    named = re.findall(
        r"``((?:tests|cliquet/testing)/[^`]+|test_\w+)``",
        (ROOT / "docs" / "security.rst").read_text(),
    )
    sources = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]

    assert len(named) > 50
    for name in named:
        if name.startswith("test_"):
            assert any(f"\ndef {name}(" in source for source in sources), name
            continue
        path = ROOT / name
        files = path.rglob("test_*.py") if path.is_dir() else [path]
        assert any("def test_" in file.read_text() for file in files), name


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"<([^>:]+)>`_", (ROOT / "README.rst").read_text())

    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_changelog_begins_with_the_version_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "([^"]+)"', project, re.MULTILINE)
    releases = re.findall(r"^(\d[\w.]*) \(.*\)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.M)

    assert releases[0] == version


def test_every_target_of_the_makefile_is_in_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    documented = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))

    assert documented == phony
    assert {"serve", "test", "test-fast", "lint", "docs", "bench", "clean", "help"} <= phony
