"""``cliquet init``: the former name of ``cliquet migrate`` (P-30.4)."""

from __future__ import annotations

import argparse
import warnings

from cliquet.scripts.command import Command, application, require_file
from cliquet.scripts.migrate import init_schema

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the former command had no arguments."""


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    warnings.warn(
        '"cliquet init" is deprecated. Use "cliquet migrate" instead.',
        DeprecationWarning,
        stacklevel=1,
    )
    with application(ini) as registry:
        init_schema({"registry": registry})


COMMAND = Command("init", "deprecated synonym of migrate", _add_arguments, _run)
