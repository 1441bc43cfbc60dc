"""The program, run in this process, and files of services on the memory backends."""

from pathlib import Path
from typing import Any

import pytest

from scripts.command_line import MEMORY, run, write_ini


@pytest.fixture
def cliquet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the program with the arguments given."""

    def call(*arguments: Any) -> Any:
        return run(monkeypatch, capsys, *arguments)

    return call


@pytest.fixture
def ini(tmp_path: Path) -> Any:
    return write_ini(tmp_path / "service.ini", MEMORY)
