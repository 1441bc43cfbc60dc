"""The program ``cliquet``, which reads the command line and runs a command.

Exit codes: 0 when the work is done, 1 when it cannot be, 2 when the command line is wrong, 130
when it was interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
import warnings
from importlib.metadata import version
from typing import Final, NoReturn

from cliquet.scripts import (
    check,
    check_permissions,
    completion,
    copy,
    feed,
    flush_cache,
    groups,
    init,
    keys,
    migrate,
    purge_deleted,
    purge_untouched,
    repair_timestamps,
    routes,
    settings,
    shell,
    start,
)
from cliquet.scripts.command import (
    INI_FILES,
    INI_VARIABLE,
    ApplicationError,
    Command,
    CommandError,
    told,
)
from cliquet.scripts.migrate import init_schema
from cliquet.storage.exceptions import BackendError

__all__ = ["init_schema", "main"]

COMMANDS = (
    start.COMMAND,
    feed.COMMAND,
    migrate.COMMAND,
    settings.COMMAND,
    check.COMMAND,
    routes.COMMAND,
    shell.COMMAND,
    purge_deleted.COMMAND,
    purge_untouched.COMMAND,
    check_permissions.COMMAND,
    repair_timestamps.COMMAND,
    flush_cache.COMMAND,
    groups.COMMAND,
    keys.COMMAND,
    copy.COMMAND,
    init.COMMAND,
    completion.COMMAND,
)

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the number of the signal, as shells have it."""

_DEBUG_HELP = "show all calls that led to an error; before or after the command"
_INI_HELP = (
    f"the file that describes the service; before or after the command; default: {INI_VARIABLE} of "
    f"the environment, else {' or '.join(INI_FILES)}"
)


def main() -> None:
    """Run the command that ``sys.argv`` names.

    Raises
    ------
    SystemExit : with code 1, 2 or 130, when the work was not done; with 0 after ``--help`` and
        ``--version``.
    """
    parser, parsers = _make_parsers()
    arguments = parser.parse_args()
    command: Command = arguments.command
    # Messages go to standard error. Where logging is already set up, this call changes nothing.
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(message)s")
    # At the level DEBUG, the libraries and our class of the pool report each connection that is
    # taken, which means each statement, and each transaction, which means each request. The driver
    # of Redis reports what its server does not know.
    for name in ("sqlalchemy", "cliquet.connections", "txn", "redis"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not sys.warnoptions:
        # Python hides such warnings of modules, but the person who types the command needs them.
        warnings.filterwarnings("default", "", DeprecationWarning, r"cliquet\.scripts\.")
    try:
        command.run(arguments, parsers[command.name])
        # An error in writing the rest of the buffer is raised here, not when the interpreter ends.
        sys.stdout.flush()
    except BrokenPipeError:
        # The program that reads our output, such as `head`, has ended. Python will still try to
        # write the rest of the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (CommandError, BackendError) as error:
        if arguments.debug:
            traceback.print_exception(error)
        _fail(command, str(error) if isinstance(error, ApplicationError) else told(error))
    except KeyboardInterrupt:
        _fail(command, "interrupted; the same command goes on", INTERRUPTED)


def _fail(command: Command, message: str, code: int = 1) -> NoReturn:
    print(f"cliquet {command.name}: {message}", file=sys.stderr)
    sys.exit(code)


def _make_parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the program, and those of its commands."""
    parser = argparse.ArgumentParser(prog="cliquet", description="Manage a cliquet service.")
    parser.add_argument("-v", "--version", action="version", version=version("cliquet"))
    parser.add_argument("--ini", metavar="FILE", help=_INI_HELP)
    parser.add_argument("--debug", action="store_true", help=_DEBUG_HELP)
    adder = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parsers = {}
    for command in COMMANDS:
        parsers[command.name] = child = adder.add_parser(
            command.name, help=command.summary, description=f"{command.summary}."
        )
        # A default would replace the value that was given before the command.
        child.add_argument("--ini", metavar="FILE", help=_INI_HELP, default=argparse.SUPPRESS)
        child.add_argument(
            "--debug", action="store_true", help=_DEBUG_HELP, default=argparse.SUPPRESS
        )
        command.add_arguments(child)
        child.set_defaults(command=command, program=parser)
    return parser, parsers
