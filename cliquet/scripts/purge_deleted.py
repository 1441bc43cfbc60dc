"""``cliquet purge-deleted``: delete the tombstones that no client needs any more.

Each collection of each parent is purged by itself, the oldest tombstones first, some at once. No
transaction is long, an interruption does no harm, and the service can run meanwhile: nobody waits
for more than one slice.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cliquet import utils
from cliquet.core.globs import Exact
from cliquet.scripts.changeable_storage import changeable_storage
from cliquet.scripts.command import (
    Command,
    CommandError,
    application,
    require_file,
)
from cliquet.scripts.progress import Progress
from cliquet.settings.parsers import Date
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_MODIFIED_FIELD,
    StorageBase,
)
from cliquet.storage.query import COMPARISON, Filter

__all__ = ["COMMAND", "Limit", "parse_age", "parse_before", "purge", "purgeable"]

SLICE: Final = 1000
"""Number of tombstones that go at once, unless somebody says otherwise: some 20 ms."""

_UNITS_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE: Final = re.compile(r"([0-9]{1,9})([smhdw])")
# Milliseconds since 1970, as in an ETag. A shorter number is a date such as 20310122.
_TIMESTAMP: Final = re.compile(r"[0-9]{12,15}")


@dataclass(frozen=True)
class Limit:
    """Says which tombstones are kept; without any limit, none are kept.

    Parameters
    ----------
    before_ms : keep the tombstones with this timestamp or a later one.
    max_retained : keep that many of each collection of each parent, the most recent ones.
    """

    before_ms: int | None = None
    max_retained: int | None = None


def parse_age(text: str) -> int:
    """Return a duration such as ``30d`` (units s, m, h, d, w) in ms.

    Raises
    ------
    ValueError : the text is not such a duration.
    """
    age = _AGE.fullmatch(text)
    if age is None:
        raise ValueError(text)
    return int(age[1]) * _UNITS_SECONDS[age[2]] * 1000


def parse_before(text: str, now_ms: int) -> int:
    """Return the timestamp, in ms, for the value of ``--before``.

    Parameters
    ----------
    text : an age such as ``30d`` (units s, m, h, d, w), an ISO 8601 date, or a timestamp in ms.
    now_ms : the present time since 1970.

    Raises
    ------
    ValueError : the text is none of these, or the time is in the future.
    """
    if _AGE.fullmatch(text):
        before_ms = max(0, now_ms - parse_age(text))
    elif _TIMESTAMP.fullmatch(text):
        before_ms = int(text)
    else:
        date: datetime.datetime | None = Date()(text)
        if date is None:
            raise ValueError(text)
        before_ms = int(date.timestamp() * 1000)
    if before_ms > now_ms:
        # This is probably a mistake. Somebody who wants to delete all tombstones has --keep 0.
        raise ValueError(text)
    return before_ms


def purge(
    storage: StorageBase,
    limit: Limit,
    collection_ids: Collection[str] = (),
    dry_run: bool = False,
    slice_size: int = SLICE,
) -> Counter[str]:
    """Delete tombstones, and return their number for each collection id.

    Parameters
    ----------
    collection_ids : only purge these collections; if it is empty, purge all.
    dry_run : only count the tombstones.
    slice_size : greatest number of tombstones that one transaction deletes.

    Raises
    ------
    CommandError : nothing is stored under one of the ids.
    cliquet.storage.exceptions.BackendError : the server failed.
    """
    totals = Counter(key.collection_id for key in storage.export_timestamps())
    unknown = sorted(set(collection_ids) - set(totals))
    if unknown:
        raise CommandError(
            f"no collection is named {', '.join(map(repr, unknown))}; there are:"
            f" {', '.join(sorted(totals)) or 'none'}"
        )
    chosen = set(collection_ids) or set(totals)
    total = sum(count for collection_id, count in totals.items() if collection_id in chosen)
    purged = Counter(dict.fromkeys(sorted(chosen), 0))
    done = 0
    with Progress(sys.stdout) as progress:
        for parent_id, collection_id, _ in storage.export_timestamps():
            if collection_id not in chosen:
                continue
            if dry_run:
                numbers = iter([_count(storage, collection_id, parent_id, limit)])
            else:
                numbers = _slices(storage, collection_id, parent_id, limit, slice_size)
            for number in numbers:
                purged[collection_id] += number
                progress.tell(_told(done, total, purged), done, total)
            done += 1
            progress.tell(_told(done, total, purged), done, total)
    return purged


def _told(done: int, total: int, purged: Counter[str]) -> str:
    return f"{done:,} of {total:,} collections, {sum(purged.values()):,} tombstones"


def _slices(
    storage: StorageBase, collection_id: str, parent_id: str, limit: Limit, size: int
) -> Iterator[int]:
    return storage.purge_slices(
        collection_id,
        Exact(parent_id),
        size,
        before=limit.before_ms,
        max_retained=limit.max_retained,
    )


def _count(storage: StorageBase, collection_id: str, parent_id: str, limit: Limit) -> int:
    filters = [Filter(DEFAULT_DELETED_FIELD, True, COMPARISON.EQ)]
    if limit.before_ms is not None:
        filters.append(Filter(DEFAULT_MODIFIED_FIELD, limit.before_ms, COMPARISON.LT))
    count = storage.count_all(collection_id, parent_id, filters=filters, include_deleted=True)
    return max(0, count - (limit.max_retained or 0))


def purgeable(registry: Any) -> StorageBase:
    """Return the storage of a service, if it can be purged.

    Raises
    ------
    CommandError : the storage cannot be purged.
    """
    return changeable_storage(registry, in_memory=", which alone can purge it")


def _is_confirmed() -> bool:
    print("Every tombstone will go: clients that have not seen a deletion keep the record.")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _before(text: str) -> int:
    try:
        return parse_before(text, utils.msec_time())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither an age such as 30d, 12h or 90m, nor a past date such as"
            " 2031-01-22, nor a past timestamp in milliseconds"
        ) from None


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


_number.__name__ = "number"


def _size(text: str) -> int:
    number = _number(text)
    if not number:
        raise ValueError(text)
    return number


_size.__name__ = "number"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_mutually_exclusive_group()
    limits.add_argument(
        "--before",
        type=_before,
        metavar="AGE",
        help="only tombstones older than 30d, 12h, 90m, a date, or a timestamp in milliseconds",
    )
    limits.add_argument(
        "--keep",
        type=_number,
        metavar="N",
        help="keep the N most recent ones of each collection of each parent",
    )
    limits.add_argument("--all", action="store_true", help="every tombstone; asks, or needs --yes")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="only this collection, named after its resource; may be given several times",
    )
    parser.add_argument(
        "--slice",
        type=_size,
        default=SLICE,
        metavar="N",
        help=f"remove at most N at once, after which others may write; default: {SLICE}",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only count them, and remove nothing"
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    limit = Limit(arguments.before, arguments.keep)
    is_at_risk = limit == Limit() and not arguments.dry_run
    if is_at_risk and not arguments.all:
        parser.error("--before AGE or --keep N is required; --all --yes removes every tombstone")
    asks = is_at_risk and not arguments.yes
    if asks and not sys.stdin.isatty():
        parser.error("--all needs --yes, since nobody can be asked")
    with application(require_file(arguments, parser)) as registry:
        storage = purgeable(registry)
        if asks and not _is_confirmed():
            raise CommandError("nothing was removed")
        purged = purge(storage, limit, arguments.collection, arguments.dry_run, arguments.slice)
    done = "would be removed" if arguments.dry_run else "removed"
    for collection_id, count in purged.items():
        print(f"{collection_id}: {count:,} tombstones {done}")
    print(f"all: {sum(purged.values()):,} tombstones {done}")


COMMAND = Command("purge-deleted", "forget old deletions", _add_arguments, _run)
