"""The entry point of the program, which may be interrupted while its modules are still loading."""

from __future__ import annotations

import importlib
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` names.

    Raises
    ------
    SystemExit : see :func:`cliquet.scripts.cliquet.main`.
    """
    try:
        # This takes half a second, in which many a person notices a mistake in the command.
        importlib.import_module("cliquet.scripts.cliquet").main()
    except KeyboardInterrupt:
        sys.exit(130)
