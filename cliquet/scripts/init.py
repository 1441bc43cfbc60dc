"""``cliquet init``: make a new service.

Without a folder, the command is the former name of ``cliquet migrate``.
"""

from __future__ import annotations

import argparse
import shlex
import warnings
from pathlib import Path

from cliquet.scripts.command import Command, CommandError, application, told
from cliquet.scripts.migrate import init_schema
from cliquet.scripts.scaffold import (
    local_origin,
    module_name,
    requirement,
    service_files,
    write_files,
)

__all__ = ["COMMAND"]

_NEXT_STEPS = """\
The new service is in {folder}. Next:

{steps}
README.rst says what to change, and how to deploy it.
"""

# A clone and a wheel are on the machine of a developer alone.
_ELSEWHERE = """
pyproject.toml asks for "{requirement}",
and cliquet comes from {origin}, which other machines lack. Before
the service goes to another host, to Docker or to CI, do what README.rst says under
"Where cliquet comes from".
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", help="empty, or to be made; names the service"
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if arguments.folder is not None and arguments.ini is not None:
        parser.error("either DIR, to make a service, or --ini, as for migrate")
    elif arguments.folder is not None:
        _make_service(arguments.folder)
    elif arguments.ini is not None:
        _migrate(arguments.ini)
    else:
        # The usage does not mention --ini, because it is deprecated here.
        parser.error("the following arguments are required: DIR")


def _make_service(given: str) -> None:
    """Write a service into a folder, and say what to do next.

    Raises
    ------
    CommandError : the folder cannot be used; nothing is written.
    """
    folder = Path(given)
    try:
        write_files(folder, service_files(module_name(folder.resolve().name)))
    except OSError as error:
        raise CommandError(f"cannot write the service: {told(error)}") from error
    steps = {
        "make serve": "serve it on http://localhost:8888/v1/",
        "make test": "run its tests",
    }
    lines = "".join(f"    {command:<12} # {meaning}\n" for command, meaning in steps.items())
    if folder.resolve() != Path.cwd():
        lines = f"    cd {shlex.quote(given)}\n{lines}"
    print(_NEXT_STEPS.format(folder=folder.resolve(), steps=lines), end="")
    origin = local_origin()
    if origin is not None:
        print(_ELSEWHERE.format(origin=origin, requirement=requirement()), end="")


def _migrate(ini: str) -> None:
    """Do what ``cliquet migrate`` does, which had the name ``cliquet init`` before."""
    warnings.warn(
        '"cliquet init" is deprecated. Use "cliquet migrate" instead.',
        DeprecationWarning,
        stacklevel=1,
    )
    with application(ini) as registry:
        init_schema({"registry": registry})


COMMAND = Command(
    "init",
    "make a new service in the folder DIR; without it, deprecated synonym of migrate",
    _add_arguments,
    _run,
)
