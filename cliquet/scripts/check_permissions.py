"""``cliquet check-permissions``: find permissions without a record and records without an owner."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cliquet import settings, utils
from cliquet.initialization.backends import is_in_memory, module_of
from cliquet.scripts.command import (
    Command,
    CommandError,
    application,
    require_file,
)
from cliquet.scripts.permission_checking import Findings, check
from cliquet.scripts.progress import Progress

__all__ = ["COMMAND"]


def _require(registry: Any, *, repairs: bool) -> None:
    """Make sure that a service can be checked.

    Raises
    ------
    CommandError : the service cannot be checked.
    """
    for kind in ("storage", "permission"):
        backend = getattr(registry, kind, None)
        if backend is None:
            raise CommandError(
                f"the service has no {kind} backend: its setting {kind}_backend is empty"
            )
        if is_in_memory(backend):
            raise CommandError(
                f"the {kind} backend is in the memory of the service, which alone can check it"
            )
        if not backend.is_transferable:
            raise CommandError(
                f"the {kind} backend {module_of(backend)} cannot be checked: it has no export()"
            )
    if repairs and settings.read(registry.settings, "readonly"):
        raise CommandError("the service is read-only: its setting readonly is true")


def _principal(text: str) -> str:
    if not text or not utils.is_storable_key(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a principal")
    return text


def _tell(object_id: str, fault: str) -> None:
    # Ids come from URLs, so that an id may contain the end of a line.
    shown = object_id if object_id.isprintable() else repr(object_id)
    print(f"{shown}: {fault}")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repair", action="store_true", help="remove the entries of records that do not exist"
    )
    parser.add_argument(
        "--owner",
        type=_principal,
        metavar="PRINCIPAL",
        help="with --repair: give write on the records without owner to this principal",
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if arguments.owner is not None and not arguments.repair:
        parser.error("--owner has a meaning with --repair only")
    with application(require_file(arguments, parser)) as registry:
        _require(registry, repairs=arguments.repair)
        # Standard output is only for the faults.
        with Progress(sys.stderr) as progress:
            findings = check(
                registry,
                repairs=arguments.repair,
                owner=arguments.owner,
                tell=_tell,
                progress=lambda found: progress.tell(
                    f"{found.objects:,} objects, {found.records:,} records"
                ),
            )
    for line in _summary(findings):
        print(line)
    if findings.remaining:
        raise CommandError(_advice(findings, arguments))


def _summary(found: Findings) -> list[str]:
    lines = [
        f"entries without record: {found.without_record:,} of {found.objects:,} objects,"
        f" {found.removed:,} removed",
        f"records without owner: {found.without_owner:,} of {found.records:,} records,"
        f" {found.given:,} given away",
    ]
    if found.foreign_objects:
        lines.append(
            f"left alone: {found.foreign_objects:,} objects that no shareable resource serves"
        )
    if found.unknown_collections:
        lines.append(
            f"not checked for owners: {found.unknown_collections:,} collections whose URL does not"
            " follow from what is stored"
        )
    return lines


def _advice(found: Findings, arguments: argparse.Namespace) -> str:
    number = found.remaining
    text = f"{number:,} {'fault' if number == 1 else 'faults'} found and not repaired"
    if not arguments.repair:
        return f"{text}: see --repair"
    return f"{text}: --owner says who gets the records without owner"


COMMAND = Command(
    "check-permissions", "find permissions without record, and the reverse", _add_arguments, _run
)
