"""The declaration of commands, and the loading of a service for them."""

from __future__ import annotations

import argparse
import configparser
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from plaster import PlasterError
from pyramid.exceptions import ConfigurationError
from pyramid.paster import bootstrap

from cliquet.monitoring import logs
from cliquet.scripts import ini_mistakes, own_errors
from cliquet.settings.secrets import masked
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import scope

__all__ = [
    "DEFAULT_PORT",
    "INI_FILES",
    "INI_VARIABLE",
    "ApplicationError",
    "Command",
    "CommandError",
    "application",
    "environment",
    "explained",
    "find_file",
    "require_file",
    "told",
    "variables",
]

Parser = argparse.ArgumentParser

INI_VARIABLE: Final = "CLIQUET_INI"
"""Environment variable that names the file of the service, where ``--ini`` does not."""

INI_FILES: Final = ("development.ini", "config/development.ini")
"""Files of the current folder, of which the first that exists is taken without either."""

DEFAULT_PORT: Final = 8888
"""TCP port of a service if neither its file nor the command line gives a port."""

# Errors of files, settings and servers. Any other error is a defect, and keeps its traceback.
_EXPECTED = (
    BackendError,
    ConfigurationError,
    ImportError,
    # The backends in PostgreSQL raise it when their driver is not installed.
    ImportWarning,
    LookupError,
    OSError,
    configparser.Error,
    # Values that are wrong together, such as the names of two policies.
    ValueError,
    # That of a generator whose ids do not match its own pattern is published (S-22).
    AssertionError,
)


class CommandError(Exception):
    """The command cannot do its work; the message tells the user why, in one line."""


class ApplicationError(CommandError):
    """The code of the application has raised an error.

    Parameters
    ----------
    ini : path of the file.
    shown : the error and the lines of the application that led to it.
    """

    def __init__(self, ini: str, shown: str) -> None:
        super().__init__(
            f"{ini}: the application raised an error (--debug shows all calls):\n{shown}"
        )


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : its name on the command line.
    summary : one line for the list of commands.
    add_arguments : declares the arguments that the command has beside ``--ini``.
    run : does the work; it is called with the parsed arguments and with the parser of the command,
        whose ``error()`` reports wrong arguments.
    """

    name: str
    summary: str
    add_arguments: Callable[[Parser], None]
    run: Callable[[argparse.Namespace, Parser], None]


def told(error: BaseException) -> str:
    """Return the message of an error in one line."""
    if isinstance(error, configparser.InterpolationError):
        # The message of this error contains the value, which may be a password with a percent sign.
        name = getattr(error, "reference", None)
        missing = "% stands for a variable" if name is None else f"there is no variable {name!r}"
        return f"[{error.section}] {error.option}: {missing}; write %% for a percent sign"
    text = masked(" ".join(str(error).split()))
    # The message of a `KeyError` is only the missing key, which does not say what is wrong.
    is_key = isinstance(error, KeyError) and not isinstance(error, ConfigurationError)
    if is_key or not text:
        return f"{type(error).__name__}: {text}"
    return text


def require_file(arguments: argparse.Namespace, parser: Parser) -> str:
    """Return the file of the service; if none is known, end the program with its usage."""
    file = find_file(arguments.ini)
    if file is None:
        parser.error(
            f"the following arguments are required: --ini (or the variable {INI_VARIABLE}; "
            f"there is no {' and no '.join(INI_FILES)} here)"
        )
    return file


def find_file(given: str | None) -> str | None:
    """Return the file that ``--ini`` gives, else that of the environment, else one that exists."""
    if given is not None:
        return given
    return os.environ.get(INI_VARIABLE) or next(filter(os.path.isfile, INI_FILES), None)


def variables(port: int | None = None) -> dict[str, str]:
    """Return the variables that a file may use beside those that it defines.

    All commands give them, because each must be able to load a file that ``cliquet start`` serves.

    Parameters
    ----------
    port : TCP port, the file's ``%(http_port)s``; :data:`DEFAULT_PORT` when ``None``.
    """
    return {"http_port": str(DEFAULT_PORT if port is None else port)}


@contextmanager
def explained(ini: str) -> Iterator[None]:
    """Turn the errors that a wrong file or a wrong application causes into few lines.

    Raises
    ------
    ApplicationError : code of the application raised an error, which is shown with its lines.
    CommandError : the file, or something that it names, is missing or wrong.
    """
    try:
        yield
    except CommandError:
        raise
    # The code of an application may raise anything.
    except Exception as error:
        frames = own_errors.frames_of_application(error)
        if frames is not None:
            raise ApplicationError(ini, own_errors.shown(error, frames)) from error
        is_of_use = _is_of_use(error)
        text = _explanation(error) or (told(error) if is_of_use else None)
        if text is None:
            raise
        if is_of_use:
            text = ini_mistakes.named_use(ini, text, error)
        raise CommandError(f"{ini}: {text}") from error


def _explanation(error: Exception) -> str | None:
    """Return in one line what an error of a file means; ``None`` if it is a defect."""
    if isinstance(error, FileNotFoundError):
        return f"there is no such file: {error.filename}"
    if isinstance(error, PlasterError):
        return "the name of the file must end in .ini"
    return told(error) if isinstance(error, _EXPECTED) else None


def _is_of_use(error: Exception) -> bool:
    """Return whether what a section names could not be found, before it was called."""
    # These are told with their section already, or are of the file as a whole.
    if isinstance(error, (configparser.Error, PlasterError, UnicodeError)):
        return False
    frames = own_errors.packages_of(error)
    return "paste" in frames and "cliquet" not in frames[frames.index("paste") :]


@contextmanager
def application(ini: str) -> Iterator[Any]:
    """Load the service that a file describes, and give its registry.

    The parameter and the error are those of :func:`environment`.
    """
    with environment(ini) as loaded:
        yield loaded["registry"]


@contextmanager
def environment(ini: str) -> Iterator[dict[str, Any]]:
    """Load the service that a file describes: its ``app``, ``registry`` and a ``request``.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for another section than ``app:main``.

    Raises
    ------
    CommandError : the file, or something that it names, is missing or wrong.
    """
    # The command shows the error itself, in one line.
    with logs.without_tracebacks():
        with explained(ini):
            loaded = bootstrap(ini, options=variables())
        registry = loaded["registry"]
        # Without the renderer of the service, log lines would be written to standard output.
        with (
            logs.using(getattr(registry, "log_renderer", None)),
            scope.without_time_limits(),
            loaded,
        ):
            yield loaded
