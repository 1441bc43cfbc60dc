"""The program, run in this process, and files of services on the memory backends."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plaster.loaders
import pytest

from scripts.command_line import MEMORY, run, write_ini


@pytest.fixture(autouse=True, scope="session")
def installed_packages_stay() -> Iterator[None]:
    """Look once, and not for each command, which of the installed packages reads such files.

    Plaster reads the metadata of all packages for that, which took half of the time of these tests.
    """
    find = plaster.loaders.find_loaders

    @functools.cache
    def found(scheme: str, protocols: tuple[str, ...]) -> Any:
        return find(scheme, protocols)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            plaster.loaders,
            "find_loaders",
            lambda scheme, protocols=None: found(scheme, tuple(protocols or ())),
        )
        yield


@pytest.fixture
def cliquet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the program with the arguments given."""

    def call(*arguments: Any) -> Any:
        return run(monkeypatch, capsys, *arguments)

    return call


@pytest.fixture
def ini(tmp_path: Path) -> Any:
    return write_ini(tmp_path / "service.ini", MEMORY)
