"""The versions that the library supports are the same wherever they are written down."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text("utf-8")


SUPPORTED = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', read("pyproject.toml"))
OLDEST, NEWEST = SUPPORTED[0], SUPPORTED[-1]


def test_the_classifiers_have_each_version_from_the_oldest_to_the_newest() -> None:
    minors = [int(version.removeprefix("3.")) for version in SUPPORTED]

    assert minors == list(range(minors[0], minors[-1] + 1))
    assert len(minors) > 3


def test_the_metadata_and_the_tools_name_the_oldest_version() -> None:
    project = read("pyproject.toml")

    assert f'requires-python = ">={OLDEST}"' in project
    assert f'python_version = "{OLDEST}"' in project  # of mypy
    assert f'target-version = "py{OLDEST.replace(".", "")}"' in project  # of ruff
    assert f"sys.version_info < ({OLDEST.replace('.', ', ')})" in read("Makefile")


def test_tox_runs_the_tests_on_each_version() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(read("tox.ini"))
    names = re.split(r"[,\s]+", parser["tox"]["env_list"])

    versions = [f"3.{name.removeprefix('py3')}" for name in names if name.startswith("py3")]
    assert versions == SUPPORTED


def test_the_workflow_runs_the_tests_on_each_version() -> None:
    workflow = read(".github/workflows/tests.yml")
    (matrix,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.MULTILINE)

    assert re.findall(r'"(.*?)"', matrix) == SUPPORTED


@pytest.mark.parametrize("page", ["README.rst", "docs/reference/versions.rst", "CHANGELOG.rst"])
def test_pages_name_the_oldest_and_the_newest_version(page: str) -> None:
    ranges = re.findall(r"\b(3\.1\d) to (3\.\d+)", read(page))

    assert ranges
    assert set(ranges) == {(OLDEST, NEWEST)}


def test_tox_and_make_check_the_same() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(read("tox.ini"))
    makefile = read("Makefile").replace("$(BIN)/", "")

    for environment in ("lint", "docs"):
        commands = parser[f"testenv:{environment}"]["commands"].split("\n")
        assert len(commands) > 2
        for command in commands:
            assert command in makefile


@pytest.mark.parametrize("name", [".pre-commit-config.yaml", ".github/workflows/tests.yml"])
def test_paths_in_the_configuration_of_tools_exist(name: str) -> None:
    paths = re.findall(r"(?<![\w./-])(?:tests|docs|cliquet|\.ci)(?:/[\w./]+)?", read(name))

    assert paths
    assert [path for path in paths if not (ROOT / path.rstrip("/")).exists()] == []


@pytest.mark.parametrize("name", [".pre-commit-config.yaml", ".github/workflows/tests.yml"])
def test_the_configuration_of_tools_is_yaml(name: str) -> None:
    assert isinstance(yaml.safe_load(read(name)), dict)


@pytest.mark.parametrize(
    "name",
    [
        *(".github/workflows/tests.yml", ".ci/run", ".pre-commit-config.yaml"),
        *("README.rst", "CONTRIBUTING.rst", "docs/releasing.rst", "docs/contributing.rst"),
    ],
)
def test_targets_of_make_that_are_named_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = re.findall(r"(?:``|run: |^ *)make((?: [a-z][a-z-]*)+)\b(?!=)", read(name), re.MULTILINE)

    assert {target for some in named for target in some.split()} <= targets


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / ".ci").rglob("*") if path.is_file()),
    ids=lambda path: path.name,
)
def test_programs_of_the_checks_can_be_run(path: Path) -> None:
    is_program = path.read_text("utf-8").startswith("#!")

    assert is_program == os.access(path, os.X_OK)


def test_hooks_before_a_commit_need_no_network() -> None:
    config = read(".pre-commit-config.yaml")

    assert re.findall(r"repo: (.*)", config) == ["local"]
    entries = re.findall(r"entry: (.*)", config)
    assert entries
    assert all(entry.startswith(".venv/bin/") for entry in entries)
    assert config.count("language: system") == len(entries)
