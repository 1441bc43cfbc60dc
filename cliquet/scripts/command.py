"""What the commands of the program share: how they are declared, and how they load a service."""

from __future__ import annotations

import argparse
import configparser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from plaster import PlasterError
from pyramid.exceptions import ConfigurationError
from pyramid.paster import bootstrap

from cliquet.connections import scope
from cliquet.monitoring import logs
from cliquet.settings import ConflictError, SettingError
from cliquet.settings.masking import masked
from cliquet.storage.exceptions import BackendError

__all__ = [
    "DEFAULT_PORT",
    "Command",
    "CommandError",
    "application",
    "explained",
    "require_file",
    "told",
    "variables",
]

Parser = argparse.ArgumentParser

DEFAULT_PORT: Final = 8888
"""TCP port of a service whose file and command line give none."""

# Wrong files, settings and servers. Anything else is a defect: it keeps its traceback (P-30.3).
_EXPECTED = (
    BackendError,
    ConfigurationError,
    ConflictError,
    SettingError,
    ImportError,
    # Of the storage and the others in PostgreSQL, without their packages (S-12.4).
    ImportWarning,
    LookupError,
    OSError,
    UnicodeDecodeError,
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
    if isinstance(error, configparser.InterpolationError):
        # Its message shows the value, which may be a password with a percent sign.
        name = getattr(error, "reference", None)
        missing = "% stands for a variable" if name is None else f"there is no variable {name!r}"
        return f"[{error.section}] {error.option}: {missing}; write %% for a percent sign"
    text = masked(" ".join(str(error).split()))
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


def variables(port: int | None = None) -> dict[str, str]:
    """Return the variables that a file may use, beside those that it defines.

    All commands give them: what ``cliquet start`` serves, the others must be able to load.

    Parameters
    ----------
    port : TCP port, the file's ``%(http_port)s``; :data:`DEFAULT_PORT` when ``None``.
    """
    return {"http_port": str(DEFAULT_PORT if port is None else port)}


@contextmanager
def explained(ini: str) -> Iterator[None]:
    """Turn the errors that a wrong file leads to into one line which names it (P-30.3).

    Raises
    ------
    CommandError : the file, or something that it names, is missing or wrong.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise CommandError(f"{ini}: there is no such file: {error.filename}") from error
    except PlasterError as error:
        raise CommandError(f"{ini}: the name of the file must end in .ini") from error
    except AttributeError as error:
        if not _is_of_paste(error):
            raise
        raise CommandError(f"{ini}: {told(error)}") from error
    except _EXPECTED as error:
        raise CommandError(f"{ini}: {told(error)}") from error


def _is_of_paste(error: BaseException) -> bool:
    """Return whether the reader of the file raised an error, for what ``use`` names."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    name = traceback.tb_frame.f_globals.get("__name__", "") if traceback else ""
    return str(name).startswith("paste.deploy.")


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
    # The command tells the error in a line of its own.
    with logs.without_tracebacks():
        with explained(ini):
            environment = bootstrap(ini, options=variables())
        registry = environment["registry"]
        # Without that of the service, lines would be written to standard output (P-30.8).
        with (
            logs.using(getattr(registry, "log_renderer", None)),
            scope.without_time_limits(),
            environment,
        ):
            yield registry
