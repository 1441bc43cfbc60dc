"""``cliquet flush-cache``: empty the cache of a service."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def _quiet() -> Iterator[None]:
    """Write only errors: success is the exit code, and `cliquet check` tells the doubts."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    file = require_file(arguments, parser)
    with _quiet(), application(file) as registry:
        cache = getattr(registry, "cache", None)
        if cache is None:
            raise CommandError("the service has no cache: its setting cache_backend is empty")
        if is_in_memory(cache):
            raise CommandError(
                "the cache is in the memory of each process of the service: start them again"
            )
        cache.flush()


COMMAND = Command("flush-cache", "empty the cache", _add_arguments, _run)
