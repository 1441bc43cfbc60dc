"""``cliquet start --reload`` where a start fails: the process waits for the change of a file."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from cliquet.scripts import cliquet, reloading

pytestmark = pytest.mark.clause("E-7.1")


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files that are watched, one list for each time that the process has waited."""
    watched: list[str] = []
    waits: list[list[str]] = []

    class Reloader:
        watch_files = watched.extend

    monkeypatch.setattr(reloading.hupper, "get_reloader", Reloader)
    monkeypatch.setattr(reloading, "wait_main", lambda: waits.append(watched))
    return waits


def test_a_file_that_cannot_be_compiled_is_watched(
    waited: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "service_of_this_test.py"
    file.write_text("def (")
    monkeypatch.syspath_prepend(str(tmp_path))

    def fail() -> None:
        try:
            importlib.import_module("service_of_this_test")
        except SyntaxError:
            sys.exit(1)

    monkeypatch.setattr(cliquet, "main", fail)
    reloading.main()

    [files] = waited
    assert {str(file), __file__} <= set(files)


def test_an_error_that_nobody_expected_is_shown(
    waited: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        # An error may be its own cause.
        error = RuntimeError("unexpected")
        error.__cause__ = error
        raise error

    monkeypatch.setattr(cliquet, "main", fail)
    reloading.main()

    assert __file__ in waited[0]
    assert "RuntimeError: unexpected" in capsys.readouterr().err


@pytest.mark.parametrize("code", [None, 0, cliquet.INTERRUPTED])
def test_a_program_that_is_told_to_end_does_not_wait(
    waited: list[list[str]], code: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cliquet, "main", lambda: sys.exit(code))

    with pytest.raises(SystemExit):
        reloading.main()

    assert waited == []


def test_a_program_that_returns_does_not_wait(
    waited: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cliquet, "main", lambda: None)

    reloading.main()

    assert waited == []
