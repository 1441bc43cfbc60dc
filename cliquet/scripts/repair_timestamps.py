"""``cliquet repair-timestamps``: set back collections whose timestamp is ahead of the clock.

Each collection of each parent is repaired by itself, in one step. An interruption does no harm, and
the service can run meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cliquet import settings, utils
from cliquet.core.globs import exact
from cliquet.initialization.backends import module_of
from cliquet.scripts.changeable_storage import changeable_storage
from cliquet.scripts.command import (
    Command,
    CommandError,
    application,
    require_file,
)
from cliquet.scripts.progress import Progress
from cliquet.scripts.purge_deleted import parse_age
from cliquet.storage.base import DEFAULT_MODIFIED_FIELD, StorageBase
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.transfer import CollectionTimestamp

__all__ = ["COMMAND", "Repaired", "repair"]

_BOUND: Final = "timestamp_max_ahead_seconds"


@dataclass(frozen=True)
class Repaired:
    """A collection that was ahead of the clock, and the result of its repair.

    Attributes
    ----------
    before : its timestamp before the repair, in ms.
    after : its timestamp after the repair; ``None`` if the collection was not changed.
    number : number of records and tombstones that were later than the clock.
    """

    collection_id: str
    parent_id: str
    before: int
    after: int | None
    number: int


def repair(
    storage: StorageBase,
    *,
    max_ahead_ms: int,
    collection_ids: Collection[str] = (),
    parent_ids: Collection[str] = (),
    dry_run: bool = False,
) -> Iterator[Repaired]:
    """Set back the timestamps of collections that are ahead of the clock, and yield these.

    Parameters
    ----------
    max_ahead_ms : collections that are ahead by no more than this are left alone.
    collection_ids, parent_ids : only repair collections with these ids; if empty, repair all.
    dry_run : change nothing.

    Raises
    ------
    CommandError : the storage does not support this; or, at the end, nothing is stored under one of
        the ids.
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    unknown = set(collection_ids)
    for found in storage.export_timestamps():
        unknown.discard(found.collection_id)
        if collection_ids and found.collection_id not in collection_ids:
            continue
        if parent_ids and found.parent_id not in parent_ids:
            continue
        now = utils.msec_time()
        if found.timestamp > now + max_ahead_ms:
            done = _count(storage, found, now) if dry_run else _rewind(storage, found, now)
            if done is not None:
                yield done
    if unknown:
        raise CommandError(f"no collection is named {', '.join(map(repr, sorted(unknown)))}")


def _rewind(storage: StorageBase, found: CollectionTimestamp, now: int) -> Repaired | None:
    try:
        number = storage.rewind(found.collection_id, found.parent_id, now)
    except NotImplementedError:
        raise CommandError(
            f"the storage backend {module_of(storage)} cannot bring a collection back: it has no"
            " rewind()"
        ) from None
    if number is None:
        # Another process has repaired it meanwhile.
        return None
    # The contract of the storage defines this value. Later writes may have increased it already.
    latest = now + max(number, 1)
    return Repaired(found.collection_id, found.parent_id, found.timestamp, latest, number)


def _count(storage: StorageBase, found: CollectionTimestamp, now: int) -> Repaired:
    number = storage.count_all(
        found.collection_id,
        exact(found.parent_id),
        filters=[Filter(DEFAULT_MODIFIED_FIELD, now, COMPARISON.GT)],
        include_deleted=True,
    )
    return Repaired(found.collection_id, found.parent_id, found.timestamp, None, number)


def _max_ahead_ms(configured: Any) -> int:
    """Return how far ahead of the clock clients may bring a collection, in ms.

    If the setting gives no bound, this is its default, a day.
    """
    seconds = settings.read(configured, _BOUND)
    if seconds is None:
        # A deployer who removes the bound has collections that are ahead on purpose, but hardly by
        # more than the default.
        seconds = settings.SETTINGS[_BOUND].default
    return int(seconds) * 1000


def _age(text: str) -> int:
    try:
        return parse_age(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 1d, 12h or 90s") from None


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ahead",
        type=_age,
        metavar="AGE",
        help="only collections that are further ahead of the clock than 1d, 12h, 90s; by default"
        f" than the setting {_BOUND}",
    )
    parser.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="only this collection, named after its resource; may be given several times",
    )
    parser.add_argument(
        "--parent",
        action="append",
        default=[],
        metavar="ID",
        help="only the collections of this parent; may be given several times",
    )
    parser.add_argument("--dry-run", action="store_true", help="only list them, and change nothing")


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    collections = entries = 0
    with application(require_file(arguments, parser)) as registry:
        storage = changeable_storage(
            registry,
            in_memory=": start it again, with an empty one",
            writes=not arguments.dry_run,
        )
        ahead = arguments.ahead
        found = repair(
            storage,
            max_ahead_ms=_max_ahead_ms(registry.settings) if ahead is None else ahead,
            collection_ids=arguments.collection,
            parent_ids=arguments.parent,
            dry_run=arguments.dry_run,
        )
        # Standard output is only for the repaired collections.
        with Progress(sys.stderr) as progress:
            for one in found:
                collections += 1
                entries += one.number
                print(_line(one))
                progress.tell(f"{collections:,} collections")
    done = "would be brought back" if arguments.dry_run else "brought back"
    print(f"all: {collections:,} collections with {entries:,} records and tombstones {done}")


def _line(one: Repaired) -> str:
    # Parents come from users, so that a parent may contain the end of a line.
    parent_id = one.parent_id if one.parent_id.isprintable() else repr(one.parent_id)
    home = f"{one.collection_id} of {parent_id}" if parent_id else one.collection_id
    after = "" if one.after is None else f" -> {one.after}"
    return f"{home}: {one.before}{after}, {one.number:,} records and tombstones"


COMMAND = Command(
    "repair-timestamps",
    "bring collections that ran ahead of the clock back to it",
    _add_arguments,
    _run,
)
