"""Tests of the list of all changes of a collection after a position."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.changes import Change, Changes
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.history import History
from cliquet.testing.storage.common import HOME, OTHER_PARENT, clause, create, timestamp, where

LEFT, GONE, LATE = DepartureKind.LEFT, DepartureKind.GONE, DepartureKind.LATE


def changes(storage: StorageBase, after: int = 0, **wanted: Any) -> Changes:
    """Return the changes of the collection of the tests."""
    return storage.list_changes(**HOME, after=after, **wanted)


def short(found: Changes) -> list[tuple[str, DepartureKind | None, bool | None]]:
    """Return the id and the kind of each change, and whether its record is alive."""
    return [
        (one.id, one.kind, None if one.record is None else "deleted" not in one.record)
        for one in found.found
    ]


class ChangeTests:
    """Tests of the merged list of records, tombstones and departures."""

    @pytest.fixture
    def changing(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it records departures."""
        if not storage.keeps_departures:
            pytest.skip("this storage keeps no departures")
        return storage

    @clause("E-11.2", "E-11.9")
    def test_records_and_tombstones_come_in_the_order_of_their_positions(
        self, changing: StorageBase
    ) -> None:
        first, second, third = (create(changing, id=name, n=1) for name in "cab")
        tombstone = changing.delete(**HOME, object_id="a")

        found = changes(changing)

        assert found == Changes(
            tombstone["last_modified"],
            changing.collection_history(**HOME),
            [
                Change(first["last_modified"], "c", None, first),
                Change(third["last_modified"], "b", None, third),
                Change(tombstone["last_modified"], "a", None, tombstone),
            ],
        )
        assert short(changes(changing, second["last_modified"], limit=1)) == [("b", None, True)]
        assert changes(changing, tombstone["last_modified"]).found == []

    @clause("E-11.2")
    def test_an_untouched_collection_has_no_changes(self, changing: StorageBase) -> None:
        found = changes(changing)

        assert found == Changes(timestamp(changing), changing.collection_history(**HOME), [])
        assert found.history.epoch != ""

    @clause("E-12.2")
    def test_departures_come_with_what_is_there_now(self, changing: StorageBase) -> None:
        for name in ("kept", "dead", "late"):
            create(changing, id=name, n=1)
        changing.delete(**HOME, object_id="dead")
        after = timestamp(changing)
        last = changing.record_departures(
            **HOME,
            departures=[
                Departure("kept", LEFT, ["alice"]),
                Departure("dead", GONE, ["alice"]),
                Departure("never", GONE, ["alice"]),
                Departure("late", LATE),
                Departure("late", LEFT, ["bob"]),
            ],
        )
        assert last is not None

        found = changes(changing, after, principals=["alice"])

        assert [one.position for one in found.found] == list(range(last - 4, last))
        assert short(found) == [
            ("kept", LEFT, True),
            ("dead", GONE, False),
            ("never", GONE, None),
            ("late", LATE, True),
        ]
        late = found.found[-1].record
        assert late is not None
        assert late["n"] == 1
        assert late["last_modified"] < after
        assert found.timestamp == last
        assert short(changes(changing, after)) == [("late", LATE, True)]

    @clause("E-12.2", "E-11.8")
    @pytest.mark.parametrize("ids", [["a", "b"], ["b", "nul\0", "a"], []])
    def test_only_wanted_records_are_shown(self, changing: StorageBase, ids: list[str]) -> None:
        for name in "abc":
            create(changing, id=name)
        changing.delete(**HOME, object_id="b")
        before = timestamp(changing)
        departures = [Departure(name, LEFT, ["alice"]) for name in "ac"]
        changing.record_departures(**HOME, departures=[*departures, Departure("c", LATE)])

        found = short(changes(changing, ids=ids, principals=["alice"]))

        shown = [("a", None, True), ("b", None, False)] if ids else []
        departed = [("a", LEFT, True if ids else None), ("c", LEFT, None), ("c", LATE, None)]
        assert found == [*shown, *departed]
        assert short(changes(changing, before - 1, ids=ids)) == [*shown[1:], departed[-1]]

    @clause("E-11.7")
    def test_each_record_is_compared_with_filters(self, changing: StorageBase) -> None:
        create(changing, id="a", n=1)
        create(changing, id="b", n=2)
        create(changing, id="c", n=2)
        changing.delete(**HOME, object_id="c")
        changing.record_departures(
            **HOME,
            departures=[Departure("a", LATE), Departure("b", LATE), Departure("x", LATE)],
        )

        found = changes(changing, filters=where("n", "EQ", 2))

        matching = [one.id for one in found.found if one.record is not None and one.matches]
        assert [one.id for one in found.found] == ["a", "b", "c", "a", "b", "x"]
        assert matching == ["b", "b"]

    @clause("E-11.3")
    @pytest.mark.parametrize("limit", [1, 2, 3, 4, None])
    def test_pages_join_seamlessly(self, changing: StorageBase, limit: int | None) -> None:
        for n in range(6):
            create(changing, id=f"r{n}")
            changing.record_departures(**HOME, departures=[Departure(f"r{n}", LEFT, ["alice"])])
        everything = changes(changing, principals=["alice"]).found
        assert len(everything) == 12

        read: list[Change] = []
        while True:
            after = read[-1].position if read else 0
            page = changes(changing, after, principals=["alice"], limit=limit).found
            if not page:
                break
            assert len(page) == (limit or 12)
            read += page

        assert read == everything

    @clause("E-11.3")
    def test_a_page_may_begin_among_records_with_one_timestamp(self, changing: StorageBase) -> None:
        create(changing, id="x")
        position = changing.record_departures(**HOME, departures=[Departure("d", LATE)])
        assert position is not None
        create(changing, id="z")
        for name in "acb":
            create(changing, id=name, last_modified=position)

        found = changes(changing, position, after_id="a")

        assert [one.id for one in found.found] == ["b", "c", "d", "z"]
        assert [one.id for one in changes(changing, position).found] == ["z"]
        limited = changes(changing, position, after_id="b", limit=2, ids=["a", "b", "c"])
        assert [one.id for one in limited.found] == ["c", "d"]

    @clause("E-11.3")
    def test_what_came_after_a_moment_can_be_left_out(self, changing: StorageBase) -> None:
        first = create(changing, id="a")
        upto = changing.record_departures(**HOME, departures=[Departure("a", LEFT, ["alice"])])
        create(changing, id="b")
        changing.record_departures(**HOME, departures=[Departure("b", LEFT, ["alice"])])

        found = changes(changing, upto=upto, principals=["alice"])

        assert [one.position for one in found.found] == [first["last_modified"], upto]

    @clause("E-11.2", "B-3.11")
    def test_other_names_of_the_fields_are_used(self, changing: StorageBase) -> None:
        names: dict[str, Any] = {"id_field": "key", "modified_field": "time"}
        for key in "ab":
            changing.create(**HOME, record={"key": key, "last_modified": "x"}, **names)
        changing.delete(**HOME, object_id="a", **names, deleted_field="gone")
        changing.record_departures(**HOME, departures=[Departure("b", LATE)])

        found = changes(changing, **names, deleted_field="gone").found

        assert [one.record for one in found] == [
            {"key": "b", "time": found[0].position, "last_modified": "x"},
            {"key": "a", "time": found[1].position, "gone": True},
            {"key": "b", "time": found[0].position, "last_modified": "x"},
        ]

    @clause("E-11.5", "E-13.1")
    def test_the_history_comes_with_the_changes(self, changing: StorageBase) -> None:
        create(changing, id="a")
        gone = changing.delete(**HOME, object_id="a")["last_modified"]
        changing.purge_deleted(**HOME)
        epoch = changing.collection_history(**HOME).epoch

        assert changes(changing) == Changes(gone, History(gone, epoch), [])
        assert changing.list_changes(**OTHER_PARENT, after=0).history.purged == 0
