"""The program, run in this process, and files of services on the memory backends."""

import pytest

from scripts.command_line import MEMORY, run, write_ini


@pytest.fixture
def cliquet(monkeypatch, capsys):
    """Run the program with the arguments given."""

    def call(*arguments):
        return run(monkeypatch, capsys, *arguments)

    return call


@pytest.fixture
def ini(tmp_path):
    return write_ini(tmp_path / "service.ini", MEMORY)
