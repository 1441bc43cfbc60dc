"""The command ``cliquet feed``: what it refuses. What it serves is in ``tests/feed``."""

import importlib.util
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.clause("E-14.6")
def test_without_its_packages_it_says_what_to_install(
    cliquet: Callable[..., Any], ini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    outcome = cliquet("feed", "--ini", ini)

    assert outcome.code == 1
    assert "pip install cliquet[feed]" in outcome.err


@pytest.mark.clause("E-14.6")
def test_a_port_that_is_in_use_is_told_in_a_line(cliquet: Callable[..., Any], ini: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        outcome = cliquet("feed", "--ini", ini, "--host", "127.0.0.1", "--port", port)

    assert outcome.code == 1
    assert f"127.0.0.1:{port}" in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.clause("E-14.6")
@pytest.mark.parametrize("option", ["threads", "clients"])
@pytest.mark.parametrize("number", ["0", "many", "-1"])
def test_numbers_are_checked(
    cliquet: Callable[..., Any], ini: Path, option: str, number: str
) -> None:
    outcome = cliquet("feed", "--ini", ini, f"--{option}", number)

    assert outcome.code == 2
    assert f"number of {option}" in outcome.err


@pytest.mark.clause("E-14.6")
def test_a_file_that_is_missing_is_told(cliquet: Callable[..., Any]) -> None:
    outcome = cliquet("feed", "--ini", "nowhere.ini")

    assert outcome.code == 1
    assert "nowhere.ini" in outcome.err
