"""What the package depends on: nothing that is known to be unsafe, and nothing without a reason."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")

# The last release with an advisory that concerns more than its documentation. It takes an index of
# advisories to find those to come; these must not come back.
LAST_UNSAFE = {
    "gunicorn": "22.0.0",  # CVE-2024-6827
    "orjson": "3.9.14",  # CVE-2024-27454
    "pyjwt": "2.11.0",  # CVE-2026-32597
    "pyramid": "2.0.1",  # CVE-2023-40587
    "redis": "4.5.4",  # CVE-2023-28859
    "sentry-sdk": "2.7.1",  # CVE-2024-40647
    "setuptools": "78.1.0",  # CVE-2025-47273
    "starlette": "0.49.0",  # CVE-2025-62727
    "waitress": "3.0.0",  # CVE-2024-49768, CVE-2024-49769
    "webob": "1.8.7",  # CVE-2024-42353
    "werkzeug": "3.1.3",  # CVE-2025-66221
}

REQUIREMENT = re.compile(r"""^ +["']([A-Za-z][\w.-]*(?:\[[\w,]+\])?[^"'\[\]]*)["'],(.*)$""")


def requirements() -> Iterator[Any]:
    """Give the requirements of the file, with whether a reason stands beside or above each."""
    section = PYPROJECT[PYPROJECT.index("dependencies = [") : PYPROJECT.index("[tool.")]
    above = ""
    for line in section.splitlines():
        found = REQUIREMENT.match(line)
        if found and re.search(r"[<>=]", found[1]):
            has_reason = "#" in found[2] or above.lstrip().startswith("#")
            yield Requirement(found[1]), has_reason
        else:
            above = line


# What published installations ask for by these names; raven has no maintainer, and is on its own.
PUBLISHED_EXTRAS = {
    "postgresql": {"sqlalchemy", "psycopg2-binary"},
    "monitoring": {"statsd", "prometheus_client", "sentry-sdk", "newrelic", "werkzeug"},
    "memcached": {"pymemcache"},
}
# Whatever a message or a page tells to install.
TOLD = re.compile(r"cliquet\[([\w,]+)\]")


def extras() -> dict[str, set[str]]:
    """Return the packages of each extra, those of the extras that it names included."""
    given: dict[str, list[str]] = {}
    for requirement in metadata.requires("cliquet") or []:
        one = Requirement(requirement)
        if found := re.search(r"extra == [\"'](\w+)[\"']", str(one.marker)):
            given.setdefault(found[1], []).append(requirement)
    return {name: set(_packages(given, name)) for name in given}


def _packages(given: dict[str, list[str]], name: str) -> Iterator[str]:
    for one in map(Requirement, given[name]):
        if one.name == "cliquet":
            for extra in one.extras:
                yield from _packages(given, extra)
        else:
            yield one.name


@pytest.mark.clause("P-1.1")
def test_published_extras_bring_what_they_brought() -> None:
    assert {name: extras()[name] for name in PUBLISHED_EXTRAS} == PUBLISHED_EXTRAS


@pytest.mark.clause("P-1.1")
@pytest.mark.parametrize("package", ["statsd", "sentry-sdk", "newrelic", "raven", "werkzeug"])
def test_each_tool_of_monitoring_can_be_had_alone(package: str) -> None:
    assert {package} in extras().values()


@pytest.mark.parametrize("folder", ["cliquet", "docs"])
def test_every_extra_that_users_are_told_of_exists(folder: str) -> None:
    texts = [
        path.read_text("utf-8")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in {".py", ".rst", ".txt"} and not {"_build", ".venv"} & {*path.parts}
    ]
    told = {name for text in texts for found in TOLD.findall(text) for name in found.split(",")}

    assert len(told) > 5
    assert told - set(extras()) == set()


@pytest.mark.parametrize("name", LAST_UNSAFE)
def test_releases_with_known_faults_are_not_accepted(name: str) -> None:
    accepted = [one for one, _ in requirements() if canonicalize_name(one.name) == name]

    assert accepted
    assert not any(LAST_UNSAFE[name] in one.specifier for one in accepted)


def test_every_requirement_has_a_lower_bound() -> None:
    unbounded = [
        str(one)
        for one, _ in requirements()
        if not any(item.operator in (">=", "==") for item in one.specifier)
    ]

    assert unbounded == []


def test_every_requirement_of_users_says_why_it_is_there() -> None:
    users = PYPROJECT.index("\ntest = [")
    needless = [
        str(one)
        for one, has_reason in requirements()
        if not has_reason and PYPROJECT.index(one.name) < users
    ]

    assert needless == []
