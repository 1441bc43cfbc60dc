"""``cliquet migrate``: create or upgrade the schemas of the backends."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from typing import Any

from cliquet import settings
from cliquet.initialization.migrations import run_migrations
from cliquet.scripts import logged_steps
from cliquet.scripts.command import Command, CommandError, application, require_file

__all__ = ["COMMAND", "init_schema"]


def init_schema(env: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Create or upgrade the schemas of the cache, the storage and the permissions.

    It may be run again at any time. It does not touch the storage and the permissions of a
    read-only service, and warns of that. Then it runs the migrations of plugins, which belong to
    the storage. Command lines of other projects call this function, hence its signature is
    published (P-30.7).

    Parameters
    ----------
    env : mapping returned by ``pyramid.paster.bootstrap``; only its ``registry`` is used.
    dry_run : only log the steps, without doing them.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : a server cannot be reached, or refuses.
    """
    registry = env["registry"]
    is_readonly = settings.read(registry.settings, "readonly")
    # A backend of another project may not know the argument.
    options = {"dry_run": True} if dry_run else {}
    for kind in ("cache", "storage", "permission"):
        backend = getattr(registry, kind, None)
        if backend is None:
            continue
        if is_readonly and kind != "cache":
            # The warning names our module and not the caller's: an application that turns the
            # warnings of its own modules into errors must not fail here.
            warnings.warn(  # noqa: B028
                f"Cannot migrate the {kind} backend while in readonly mode."
            )
        else:
            backend.initialize_schema(**options)
    if getattr(registry, "storage", None) is not None and not is_readonly:
        run_migrations(registry, dry_run=dry_run)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be done, and change nothing"
    )
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="also spread the tables over the servers of Citus, of which this is the coordinator",
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    steps: list[str] = []

    def tell(step: str) -> None:
        steps.append(step)
        # Each is seen at once, because the next one may take long.
        print(step, flush=True)

    with application(require_file(arguments, parser)) as registry:
        if arguments.distribute:
            # Where it cannot be done, nothing is made at all.
            with logged_steps.collected():
                _distribute(registry, dry_run=True)
        with logged_steps.told(getattr(registry, "log_renderer", None), tell):
            init_schema({"registry": registry}, dry_run=arguments.dry_run)
            if arguments.distribute:
                _distribute(registry, dry_run=arguments.dry_run)
        if not steps:
            print("nothing to do")


def _distribute(registry: Any, *, dry_run: bool) -> None:
    """Spread the tables of the storage and of the permissions over the servers of Citus.

    Raises
    ------
    CommandError : a backend is not one of PostgreSQL, or the service is read-only.
    cliquet.storage.exceptions.BackendError : the database is not the coordinator of Citus.
    """
    if settings.read(registry.settings, "readonly"):
        raise CommandError("--distribute: the service is read-only (setting readonly)")
    backends = {
        kind: backend
        for kind in ("storage", "permission")
        if (backend := getattr(registry, kind, None)) is not None
    }
    for kind, backend in backends.items():
        if not hasattr(backend, "distribute"):
            raise CommandError(f"--distribute: {kind}_backend is not cliquet.{kind}.postgresql")
    for backend in backends.values():
        backend.distribute(dry_run=dry_run)


COMMAND = Command("migrate", "create or upgrade the tables of the backends", _add_arguments, _run)
