"""``cliquet flush-cache``: empty the cache of a service."""

from __future__ import annotations

import argparse

from cliquet import settings
from cliquet.initialization.backends import is_in_memory
from cliquet.scripts.command import (
    Command,
    CommandError,
    application,
    require_file,
)

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments, because a service has only one cache."""


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    with application(require_file(arguments, parser)) as registry:
        cache = getattr(registry, "cache", None)
        if cache is None:
            raise CommandError("the service has no cache: its setting cache_backend is empty")
        if is_in_memory(cache):
            raise CommandError(
                "the cache is in the memory of each process of the service: start them again"
            )
        cache.flush()
        prefix = settings.read(registry.settings, "cache_prefix")
        of = f"with the prefix {prefix!r}" if prefix else "of every prefix"
        print(f"cache: all entries {of} are removed")


COMMAND = Command("flush-cache", "empty the cache", _add_arguments, _run)
