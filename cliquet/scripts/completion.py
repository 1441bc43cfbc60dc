"""``cliquet completion``: print what a shell needs to complete command lines of the program.

The words come from the parsers of the program, so that no command and no option is forgotten.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cliquet.scripts.command import Command
from cliquet.scripts.templating import render

__all__ = ["COMMAND", "SHELLS", "Option", "Words", "script", "words_of"]

SHELLS: Final = ("bash", "fish", "zsh")

FILES: Final = "<files>"
"""Stands for the names of files."""


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes
    ----------
    names : its spellings, such as ``-v`` and ``--version``.
    summary : what it does.
    values : the values that it takes, or :data:`FILES`; empty if they are not known; ``None`` if it
        takes no value.
    """

    names: tuple[str, ...]
    summary: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Words:
    """The words that may follow a command.

    Attributes
    ----------
    path : the command and its actions, such as ``keys create``; empty for the program itself.
    commands : commands or actions with their summaries, in the order of the help.
    values : values of the arguments without name, or :data:`FILES`.
    """

    path: str
    options: tuple[Option, ...]
    commands: dict[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()


def words_of(parser: argparse.ArgumentParser, path: str = "") -> Iterator[Words]:
    """Yield the words after the program, and after each of its commands and their actions."""
    options: list[Option] = []
    commands: dict[str, str] = {}
    values: list[str] = []
    children: dict[str, argparse.ArgumentParser] = {}
    # The list has no public name, as in all releases of Python so far.
    for action in parser._actions:
        if action.option_strings:
            # An option that the help does not mention repeats one of the command.
            summary = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
            values_of = _values(action) if action.nargs != 0 else None
            options.append(Option(tuple(action.option_strings), summary, values_of))
        elif isinstance(action, argparse._SubParsersAction):
            children = dict(action.choices)
            summaries = {str(one.dest): one.help or "" for one in action._choices_actions}
            commands = {name: summaries.get(name, "") for name in children}
        else:
            values += _values(action)
    yield Words(path, tuple(options), commands, tuple(values))
    for name, child in children.items():
        yield from words_of(child, f"{path} {name}".strip())


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    return (FILES,) if action.metavar in ("FILE", "DIR") or action.dest == "ini" else ()


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the program that makes a shell complete command lines.

    Parameters
    ----------
    shell : one of :data:`SHELLS`.
    parser : parser of the whole program.
    """
    known = list(words_of(parser))
    if shell == "fish":
        with_value = {
            name
            for words in known
            for option in words.options
            if option.values is not None
            for name in option.names
        }
        return render(
            "completion.fish.txt",
            {"with_value": " ".join(sorted(with_value)), "completions": "\n".join(_fish(known))},
        )
    return render(
        f"completion.{shell}.txt",
        {
            "paths": "\n".join(_paths(known)),
            "values": "\n".join(_cases(known)),
            "words": "\n".join(_words(known)),
        },
    )


# Both bash and zsh walk along the words of the line. What stands in the branches of their `case`
# has one form in both.


def _paths(known: list[Words]) -> Iterator[str]:
    """Yield which word makes which command current, as ``'keys create'``."""
    for words in known:
        if words.path:
            before, _, name = words.path.rpartition(" ")
            yield f"            {shlex.quote(f'{before}:{name}')}) at={shlex.quote(words.path)} ;;"


def _cases(known: list[Words]) -> Iterator[str]:
    """Yield which options take which values."""
    for words in known:
        for option in words.options:
            if option.values is not None:
                patterns = "|".join(shlex.quote(f"{words.path}:{name}") for name in option.names)
                yield f"            {patterns}) expected={shlex.quote(_listed(option.values))} ;;"


def _words(known: list[Words]) -> Iterator[str]:
    """Yield what may come next, by the current command."""
    for words in known:
        names = [name for option in words.options for name in option.names]
        listed = _listed((*words.commands, *words.values, *names))
        yield f"        {shlex.quote(words.path)}) expected={shlex.quote(listed)} ;;"


def _listed(values: tuple[str, ...]) -> str:
    # A value that is not known is completed by nothing; the empty text means that none is expected.
    return " ".join(values) or "-"


def _fish(known: list[Words]) -> Iterator[str]:
    for words in known:
        condition = shlex.quote(f"__cliquet_at {shlex.quote(words.path)}")
        for name, summary in words.commands.items():
            yield f"complete -c cliquet -n {condition} -a {name} -d {_fish_quoted(summary)}"
        for value in words.values:
            values = "-F" if value == FILES else f"-a {shlex.quote(value)}"
            yield f"complete -c cliquet -n {condition} {values}"
        for option in words.options:
            yield f"complete -c cliquet -n {condition} {_fish_option(option)}"


def _fish_option(option: Option) -> str:
    parts = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    if option.values is not None:
        parts.append("-r")
        if FILES in option.values:
            parts.append("-F")
        elif option.values:
            parts.append(f"-a {shlex.quote(' '.join(option.values))}")
    return " ".join([*parts, f"-d {_fish_quoted(option.summary)}"])


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    print(script(arguments.shell, arguments.program), end="")


COMMAND = Command(
    "completion", "print the completion of a shell: bash, fish or zsh", _add_arguments, _run
)
