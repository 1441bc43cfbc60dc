"""Each command of the program, and each of its options, has its entry in the reference."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from cliquet.scripts.cliquet import COMMANDS
from cliquet.scripts.command import Command

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "commands.rst").read_text("utf-8")


def section(command: str) -> str:
    """Return the text below the title of a command."""
    found = re.search(rf"^{command}\n-+\n(.*?)(?=^[^\n]+\n---+\n|\Z)", PAGE, re.M | re.S)
    assert found, f"docs/reference/commands.rst has no section {command}"
    return found[1]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_and_option_has_its_entry(command: Command) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    text = section(command.name)

    options = [action.option_strings for action in _actions(parser)]
    shown = [names for names in options if names and not any(name in text for name in names)]
    assert shown == []


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found: list[argparse.Action] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found += _actions(inner)
        elif "--help" not in action.option_strings:
            found.append(action)
    return found
