"""Tests of collections that are ahead of the clock, and are set back."""

from __future__ import annotations

import threading
import time

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import UnicityError
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.storage.transfer import ImportedCollection, StorageTransfer
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    PARENT,
    clause,
    create,
    in_threads,
    listed,
    revisions,
    timestamp,
    tombstones,
)

FAR = 9_000_000_000_000


def now_ms() -> int:
    """Return the time in ms, rounded down as in storages."""
    return time.time_ns() // 1_000_000


def rewind(storage: StorageBase, now: int) -> int | None:
    """Set back the collection of the tests."""
    return storage.rewind(COLLECTION, PARENT, now)


class RewindTests:
    """Tests of the repair of timestamps that are later than the clock."""

    @pytest.fixture
    def rewindable(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it can set back a collection."""
        if type(storage).rewind is StorageTransfer.rewind:
            pytest.skip("this storage has no rewind()")
        return storage

    @clause("X-28")
    def test_what_ran_ahead_follows_the_clock_in_the_same_order(
        self, rewindable: StorageBase
    ) -> None:
        create(rewindable, id="past", last_modified=5)
        create(rewindable, id="d", n=1, last_modified=FAR)
        create(rewindable, id="a", n=2)
        create(rewindable, id="c", n=3)
        create(rewindable, id="gone")
        rewindable.delete(**HOME, object_id="gone")
        create(rewindable, id="b", n=4)
        # It is later than the clock and earlier than the collection: two may be equal.
        create(rewindable, id="z", last_modified=FAR - 7)
        create(rewindable, id="y", last_modified=FAR - 7)
        now = now_ms()

        assert rewind(rewindable, now) == 7

        everything = rewindable.list_all(**HOME, include_deleted=True)
        stamps = {record["id"]: record["last_modified"] for record in everything}
        order = ["y", "z", "d", "a", "c", "gone", "b"]
        assert stamps == {"past": 5, **{name: now + n for n, name in enumerate(order, 1)}}
        assert timestamp(rewindable) == now + 7
        assert tombstones(rewindable) == [{"id": "gone", "last_modified": now + 6, "deleted": True}]
        assert listed(rewindable, "n") == ["-", "-", "-", 1, 2, 3, 4]
        assert rewindable.count_all(**HOME) == 7

    @clause("X-28", "B-4.3")
    def test_changes_go_on_from_there(self, rewindable: StorageBase) -> None:
        create(rewindable, id="a", last_modified=FAR)
        now = now_ms()
        rewind(rewindable, now)

        updated = rewindable.update(**HOME, object_id="a", record={"n": 1})
        deleted = rewindable.atomic(lambda: rewindable.delete(**HOME, object_id="a"), **HOME)

        assert now + 1 < updated["last_modified"] < deleted["last_modified"] < FAR
        assert timestamp(rewindable) == deleted["last_modified"]
        assert rewindable.count_all(**HOME) == 0

    @clause("X-28", "B-7.1")
    def test_unique_fields_stay_unique(self, rewindable: StorageBase) -> None:
        record = {"id": "a", "code": 1, "last_modified": FAR}
        rewindable.create(**HOME, record=record, unique_fields=("code",))
        rewind(rewindable, now_ms())

        with pytest.raises(UnicityError):
            rewindable.create(**HOME, record={"code": 1}, unique_fields=("code",))
        rewindable.update(**HOME, object_id="a", record={"code": 2}, unique_fields=("code",))
        rewindable.create(**HOME, record={"code": 1}, unique_fields=("code",))

    @clause("X-28")
    @pytest.mark.parametrize("latest", [FAR, 253402300799999, MAX_TIMESTAMP])
    def test_a_collection_may_run_ahead_without_records(
        self, rewindable: StorageBase, latest: int
    ) -> None:
        rewindable.import_([ImportedCollection(PARENT, COLLECTION, latest)])
        now = now_ms()

        assert rewind(rewindable, now) == 0
        assert timestamp(rewindable) == now + 1

        create(rewindable, id="a", last_modified=latest)
        now = now_ms()
        assert rewind(rewindable, now) == 1
        assert listed(rewindable, "last_modified") == [timestamp(rewindable)] == [now + 1]

    @clause("X-28")
    def test_what_is_not_ahead_is_left_as_it_is(self, rewindable: StorageBase) -> None:
        create(rewindable, last_modified=now_ms() - 10_000)
        create(rewindable)
        before = listed(rewindable, "last_modified"), timestamp(rewindable)

        assert rewind(rewindable, max(now_ms(), timestamp(rewindable))) is None
        assert (listed(rewindable, "last_modified"), timestamp(rewindable)) == before

    @clause("X-28", "B-4.2")
    def test_a_collection_that_was_only_read_is_brought_back_too(
        self, rewindable: StorageBase
    ) -> None:
        first = timestamp(rewindable)

        assert rewind(rewindable, first - 1000) == 0
        assert timestamp(rewindable) == first - 999

    @clause("X-28")
    def test_a_collection_that_was_never_touched_stays_so(self, rewindable: StorageBase) -> None:
        assert rewind(rewindable, 5) is None
        assert list(rewindable.export_timestamps()) == []

    @clause("X-28")
    def test_other_collections_are_left_as_they_are(self, rewindable: StorageBase) -> None:
        for home in (HOME, OTHER_PARENT, OTHER_COLLECTION):
            rewindable.create(**home, record={"id": "a", "last_modified": FAR})

        rewind(rewindable, now_ms())

        for home in (OTHER_PARENT, OTHER_COLLECTION):
            assert rewindable.get(**home, object_id="a")["last_modified"] == FAR
            assert rewindable.collection_timestamp(**home) == FAR
        assert rewindable.rewind(COLLECTION, "*", 5) is None

    @clause("X-28", "D-57", "D-60")
    def test_others_may_write_meanwhile(self, rewindable: StorageBase) -> None:
        create(rewindable, id="first", last_modified=FAR)
        for n in range(40):
            create(rewindable, id=f"old{n:02}")
        is_over = threading.Event()

        def act(rank: int) -> list[str]:
            if rank == 0:
                try:
                    # Each write puts the collection ahead again, so that the next call has work.
                    for n in range(3):
                        rewind(rewindable, now_ms())
                        create(rewindable, id=f"again{n}", last_modified=FAR + n)
                finally:
                    is_over.set()
                return []
            made: list[str] = []
            while len(made) < 40 and not (is_over.is_set() and len(made) > 10):
                made.append(f"w{rank}-{len(made):02}")
                one = made[-1]
                if rank == 1:
                    rewindable.atomic(lambda one=one: create(rewindable, id=one), **HOME)  # type: ignore[misc]
                else:
                    create(rewindable, id=one)
            return made

        outcomes = in_threads(3, act)
        rewind(rewindable, now_ms())

        assert [one for one in outcomes if isinstance(one, Exception)] == []
        ids = listed(rewindable)
        stamps = listed(rewindable, "last_modified")
        for made in outcomes:
            assert [one for one in ids if one in set(made)] == made  # type: ignore[arg-type]
        assert len(set(stamps)) == len(ids) == rewindable.count_all(**HOME)
        assert max(stamps) <= timestamp(rewindable) < FAR
        assert revisions([create(rewindable)])[0] > max(stamps)
