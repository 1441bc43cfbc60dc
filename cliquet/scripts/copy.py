"""``cliquet copy``: copy everything that one service has stored into the backends of another."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from cliquet import settings
from cliquet.core.globs import as_published
from cliquet.initialization.backends import module_of
from cliquet.permission.base import PermissionBase
from cliquet.permission.grants import Grant, UserPrincipal
from cliquet.scripts import copying, logged_steps
from cliquet.scripts.command import Command, CommandError, application, find_file
from cliquet.scripts.copying import Copied
from cliquet.scripts.grants_of_parents import grants_of
from cliquet.scripts.progress import Progress
from cliquet.storage.base import StorageBase
from cliquet.storage.transfer import ImportedCollection

__all__ = ["COMMAND", "copy"]

PROBE = "cliquet:copy"
"""Parent and user of a mark that is written to the target for a moment.

If the mark can be read in the source, both are the same server."""


def copy(
    source: Any,
    target: Any,
    *,
    overwrite: bool = False,
    parent_ids: Sequence[str] = (),
    dry_run: bool = False,
) -> None:
    """Make the backends of one registry hold the same data as those of another.

    Parameters
    ----------
    source, target : registries of two services.
    overwrite : whether the target may lose data that is newer than the data of the source.
    parent_ids : ids or patterns of the parents whose data are copied, or removed from the target;
        by default all.
    dry_run : only count what would be written and removed.

    Raises
    ------
    CommandError : the copy was refused, or the source has changed meanwhile.
    cliquet.storage.exceptions.BackendError : a server failed.
    """
    kinds = [kind for kind in ("storage", "permission") if getattr(source, kind, None) is not None]
    if not kinds:
        raise CommandError("the source has neither storage nor permissions to copy")
    for kind in kinds:
        _check(kind, source, target)
    if dry_run:
        target = _comparable(target, kinds)
    else:
        _prepare(source, target, kinds)
    choice = _Choice(source, parent_ids, dry_run)

    is_complete = True
    try:
        if "storage" in kinds:
            is_complete = _copy_records(source.storage, target.storage, choice, overwrite)
        if "permission" in kinds:
            _copy_grants(source.permission, target.permission, choice)
    except (copying.DisorderError, copying.UnstorableError) as error:
        raise CommandError(str(error)) from error
    if not is_complete:
        raise CommandError(
            "the source changed during the copy: stop what writes to it, and run the same command"
            " again"
        )


class _Choice:
    """What is copied, and whether it is only counted."""

    def __init__(self, registry: Any, parent_ids: Sequence[str], dry_run: bool) -> None:
        self.parent_ids = parent_ids
        self.dry_run = dry_run
        # If everything is copied, the routes of the application are not needed.
        self.is_wanted: Callable[[Grant], bool] = (
            grants_of(registry, parent_ids) if parent_ids else lambda grant: True
        )


class _Empty:
    """A backend that has nothing, in the place of one without tables."""

    def export(self, *parents: Any) -> Iterator[Any]:
        return iter(())

    export_timestamps = export


def _comparable(target: Any, kinds: list[str]) -> Any:
    """Return backends to compare with: those of the target, or empty ones if it has no tables yet.

    Raises
    ------
    CommandError : the tables of the target are those of a former version.
    """
    found = {}
    for kind in kinds:
        backend = found[kind] = getattr(target, kind)
        with logged_steps.collected() as steps:
            backend.initialize_schema(dry_run=True)
        events = {step["event"] for step in steps}
        if "schema.to_create" in events:
            found[kind] = _Empty()
        elif "schema.to_migrate" in events:
            raise CommandError(f"the {kind} of the target needs `cliquet migrate` first")
    return SimpleNamespace(**found)


def _prepare(source: Any, target: Any, kinds: list[str]) -> None:
    """Make the tables of the target.

    Raises
    ------
    CommandError : the target cannot be written to, or is the source.
    """
    if settings.read(target.settings, "readonly"):
        raise CommandError("the target is read-only: its setting readonly is true")
    for kind in kinds:
        getattr(target, kind).initialize_schema()
    if _is_same_place(source, target, kinds):
        raise CommandError("the source and the target are the same place")


def _check(kind: str, source: Any, target: Any) -> None:
    """Make sure that backends of a kind can be copied.

    Raises
    ------
    CommandError : they cannot be copied.
    """
    if getattr(target, kind, None) is None:
        raise CommandError(f"the source has a {kind} backend and the target has none")
    for registry in (source, target):
        backend = getattr(registry, kind)
        if not backend.is_transferable:
            raise CommandError(
                f"the {kind} backend {module_of(backend)} cannot be copied: it has no"
                " export() and import_()"
            )


def _is_same_place(source: Any, target: Any, kinds: list[str]) -> bool:
    """Return whether something written to the target can be read in the source.

    The settings cannot answer this, because one server may have many names.
    """
    return ("storage" in kinds and _shares_records(source.storage, target.storage)) or (
        "permission" in kinds and _shares_grants(source.permission, target.permission)
    )


def _shares_records(source: StorageBase, target: StorageBase) -> bool:
    # Each run uses a new name: an earlier run may have been killed before it removed its mark.
    name = f"{PROBE}:{uuid.uuid4()}"
    target.import_([ImportedCollection(PROBE, name, 1)])
    try:
        return bool(source.all_resources_timestamps(name))
    finally:
        target.import_([ImportedCollection(PROBE, name, None)])


def _shares_grants(source: PermissionBase, target: PermissionBase) -> bool:
    mark = UserPrincipal(PROBE, str(uuid.uuid4()))
    target.import_([mark], [])
    try:
        return mark.principal in source.user_principals(PROBE)
    finally:
        target.import_([], [mark])


def _copy_records(
    source: StorageBase, target: StorageBase, choice: _Choice, overwrite: bool
) -> bool:
    """Copy the storage; return whether both are known to be the same in the end."""
    parent_ids = choice.parent_ids
    newer = None if overwrite else copying.find_newer_collection(source, target, parent_ids)
    if newer is not None:
        raise CommandError(
            f"the target has changes that the source has not, in {newer.collection_id!r} of"
            f" {newer.parent_id!r}: --overwrite removes them"
        )
    total = sum(1 for _ in source.export_timestamps(*([parent_ids] if parent_ids else [])))
    with Progress(sys.stdout) as progress:

        def tell(copied: Copied) -> None:
            text = f"{copied.collections:,} of {total:,} collections, {_counts(copied, 'records')}"
            progress.tell(text, copied.collections, total)

        copied = copying.copy_records(
            source, target, tell, parent_ids=parent_ids, dry_run=choice.dry_run
        )
    counts = _counts(copied, "records", choice.dry_run)
    print(f"storage: {copied.collections:,} collections, {counts}")
    if choice.dry_run:
        return True
    return not copied.has_moved and copying.has_same_timestamps(source, target, parent_ids)


def _copy_grants(source: PermissionBase, target: PermissionBase, choice: _Choice) -> None:
    with Progress(sys.stdout) as progress:
        # The total is only known when everything has been read.
        copied = copying.copy_grants(
            source,
            target,
            lambda copied: progress.tell(_counts(copied, "principals")),
            is_wanted=choice.is_wanted,
            dry_run=choice.dry_run,
        )
    print(f"permission: {_counts(copied, 'principals', choice.dry_run)}")


def _counts(copied: Copied, what: str, dry_run: bool = False) -> str:
    to_be = "to be " if dry_run else ""
    return (
        f"{copied.entries:,} {what} compared, {copied.written:,} {to_be}written,"
        f" {copied.removed:,} {to_be}removed"
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from-ini", metavar="FILE", help="the service to copy from; default: that of --ini"
    )
    parser.add_argument("--to-ini", metavar="FILE", required=True, help="the service to copy to")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="remove what is more recent in the target than in the source, instead of refusing",
    )
    parser.add_argument(
        "--parent",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only this parent of records, such as a user, or all that match, with * for any"
        " characters; may be given several times",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only compare, and count what would be done"
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    from_ini = arguments.from_ini or find_file(arguments.ini)
    if from_ini is None:
        parser.error("the following arguments are required: --from-ini")
    with application(from_ini) as source, application(arguments.to_ini) as target:
        copy(
            source,
            target,
            overwrite=arguments.overwrite,
            parent_ids=[as_published(one) for one in arguments.parent],
            dry_run=arguments.dry_run,
        )


COMMAND = Command("copy", "copy all, or some parents, to other backends", _add_arguments, _run)
