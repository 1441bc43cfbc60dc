"""What the commands of the program share: how they are declared, and how they load a service."""

from __future__ import annotations

import argparse
import configparser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyramid.exceptions import ConfigurationError
from pyramid.paster import bootstrap

from cliquet.settings import SettingError
from cliquet.storage.exceptions import BackendError

__all__ = ["Command", "CommandError", "application", "require_file", "told"]

Parser = argparse.ArgumentParser

# Wrong files, settings and servers. Anything else is a defect: it keeps its traceback (P-30.3).
_EXPECTED = (
    BackendError,
    ConfigurationError,
    SettingError,
    ImportError,
    LookupError,
    OSError,
    configparser.Error,
)


class CommandError(Exception):
    """The command cannot do its work; the message tells the user why, in one line."""


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : on the command line.
    summary : one line for the list of commands.
    add_arguments : declares those that the command has beside ``--ini``.
    run : does the work; called with the parsed arguments and the parser of the command, whose
        ``error()`` is for what is wrong with them.
    """

    name: str
    summary: str
    add_arguments: Callable[[Parser], None]
    run: Callable[[argparse.Namespace, Parser], None]


def told(error: BaseException) -> str:
    """Return the message of an error in one line."""
    text = " ".join(str(error).split())
    # The message of these is the missing key alone, which says nothing.
    if isinstance(error, KeyError) or not text:
        return f"{type(error).__name__}: {text}"
    return text


def require_file(arguments: argparse.Namespace, parser: Parser) -> str:
    """Return the file given as ``--ini``; without one, the program ends with its usage (P-30.6)."""
    if arguments.ini is None:
        parser.error("the following arguments are required: --ini")
    file: str = arguments.ini
    return file


@contextmanager
def application(ini: str) -> Iterator[Any]:
    """Load the service that a file describes, and give its registry (P-30.3).

    Parameters
    ----------
    ini : path of the file, with ``#name`` for another section than ``app:main``.

    Raises
    ------
    CommandError : the file, or something that it names, is missing or wrong.
    """
    try:
        environment = bootstrap(ini)
    except FileNotFoundError as error:
        raise CommandError(f"{ini}: there is no such file: {error.filename}") from error
    except _EXPECTED as error:
        raise CommandError(f"{ini}: {told(error)}") from error
    with environment:
        yield environment["registry"]
