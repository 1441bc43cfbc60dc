"""``cliquet shell``: Python with the application of a file, its backends and a request."""

from __future__ import annotations

import argparse
import code
import importlib
import importlib.util
import logging
import sys
from typing import Any, Final

from cliquet.scripts.command import Command, environment, require_file

__all__ = ["COMMAND", "names_of"]

_MEANINGS: Final = {
    "app": "the WSGI application",
    "registry": "its registry",
    "settings": "its settings",
    "storage": "the storage of records",
    "cache": "the cache",
    "permission": "the permission backend",
    "request": "a request to the root, of nobody",
}


def names_of(loaded: dict[str, Any]) -> dict[str, Any]:
    """Return what the shell knows by name; backends that the service lacks are ``None``."""
    registry = loaded["registry"]
    backends = {kind: getattr(registry, kind, None) for kind in ("storage", "cache", "permission")}
    return {
        "app": loaded["app"],
        "registry": registry,
        "settings": registry.settings,
        **backends,
        "request": loaded["request"],
    }


def _banner(ini: str) -> str:
    lines = [f"{name:<12} {meaning}" for name, meaning in _MEANINGS.items()]
    return "\n".join([f"Python {sys.version.split()[0]} with {ini}:", *lines, ""])


def _interact(banner: str, names: dict[str, Any]) -> None:
    if importlib.util.find_spec("IPython") is not None:
        print(banner)
        importlib.import_module("IPython").start_ipython(argv=["--no-banner"], user_ns=names)
        return
    if importlib.util.find_spec("readline") is not None:
        # With it, the arrow keys and the tabulator work; Windows does not have it.
        readline = importlib.import_module("readline")
        completer = importlib.import_module("rlcompleter").Completer(names)
        readline.set_completer(completer.complete)
        readline.parse_and_bind("tab: complete")
    code.interact(banner, local=names, exitmsg="")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments: a program is given as the standard input."""


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    # What the modules of a shell say of themselves helps nobody.
    logging.getLogger().setLevel(logging.INFO)
    with environment(ini) as loaded:
        names: dict[str, Any] = {"__name__": "__main__", **names_of(loaded)}
        if sys.stdin.isatty():
            _interact(_banner(ini), names)
        else:
            program = compile(sys.stdin.read(), "<standard input>", "exec")
            exec(program, names)  # noqa: S102 - it is what the person has asked for


COMMAND = Command("shell", "start Python with the application and a request", _add_arguments, _run)
