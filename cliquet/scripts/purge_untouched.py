"""``cliquet purge-untouched``: delete the timestamps of collections that hold nothing.

A client that reads a collection for the first time gets a timestamp, which the storage keeps until
something is written. Anybody with new credentials adds one. This command removes the old ones.
"""

from __future__ import annotations

import argparse
from typing import Final

from cliquet import utils
from cliquet.initialization.backends import module_of
from cliquet.scripts.command import Command, CommandError, application, require_file
from cliquet.scripts.purge_deleted import parse_age, purgeable
from cliquet.storage.base import StorageBase

__all__ = ["COMMAND", "MIN_AGE_MS", "purge"]

MIN_AGE_MS: Final = 86_400_000
"""Newer timestamps stay: the clocks of the hosts of a service may differ, but not by a day."""


def purge(storage: StorageBase, age_ms: int, now_ms: int) -> int:
    """Delete the timestamps of collections that were empty for a while; return their number.

    Raises
    ------
    CommandError : the storage does not support this.
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    try:
        return storage.forget_untouched(now_ms - age_ms)
    except NotImplementedError:
        raise CommandError(
            f"the storage backend {module_of(storage)} does not forget timestamps: it has no"
            " forget_untouched()"
        ) from None


def _age(text: str) -> int:
    try:
        age_ms = parse_age(text)
    except ValueError:
        age_ms = 0
    if age_ms < MIN_AGE_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is no age of a day or more, such as 30d")
    return age_ms


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--before",
        type=_age,
        metavar="AGE",
        required=True,
        help="only what was not written since 30d, 12w, a day at least",
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    with application(require_file(arguments, parser)) as registry:
        number = purge(purgeable(registry), arguments.before, utils.msec_time())
    print(f"{number:,} collections without records forgotten")


COMMAND = Command("purge-untouched", "forget collections that hold nothing", _add_arguments, _run)
