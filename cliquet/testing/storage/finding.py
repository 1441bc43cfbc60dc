"""Tests of several reads at once."""

from __future__ import annotations

from typing import Any

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.testing.storage.common import HOME, OTHER_PARENT, clause, create
from cliquet.types import Record

__all__ = ["FindingTests"]


def _by_id(record: Record) -> str:
    found: str = record["id"]
    return found


class FindingTests:
    """Tests that ``find_many`` does what ``get`` does for each id."""

    @clause("B-5.6")
    def test_several_reads_at_once_are_reads_one_after_the_other(
        self, storage: StorageBase
    ) -> None:
        records = [create(storage, name=f"n {n}", tags=[n, {"x": None}]) for n in range(4)]
        storage.delete(**HOME, object_id=records[2]["id"])
        other = storage.create(**OTHER_PARENT, record={})
        ids = [
            *(record["id"] for record in records),
            other["id"],
            "nothing",
            "",
            "a\x00b",
        ]

        found = storage.find_many(**HOME, object_ids=ids)

        expected = [storage.get(**HOME, object_id=records[n]["id"]) for n in (0, 1, 3)]
        assert sorted(found, key=_by_id) == sorted(expected, key=_by_id)
        assert storage.find_many(**HOME, object_ids=[]) == []

    @clause("B-5.6")
    def test_several_reads_at_once_have_the_names_of_the_caller(self, storage: StorageBase) -> None:
        record = create(storage, name="a")

        (found,) = storage.find_many(
            **HOME, object_ids=[record["id"]], id_field="key", modified_field="at"
        )

        assert found == {"name": "a", "key": record["id"], "at": record["last_modified"]}

    @clause("X-24")
    def test_several_reads_at_once_see_the_changes_of_their_operation(
        self, storage: StorageBase
    ) -> None:
        record = create(storage, name="a")

        def operation() -> list[Record]:
            storage.update(**HOME, object_id=record["id"], record={"name": "b"})
            return storage.find_many(**HOME, object_ids=[record["id"]])

        assert [one["name"] for one in storage.atomic(operation, **HOME)] == ["b"]

    @clause("X-24")
    def test_what_was_read_ahead_is_what_would_be_read(self, storage: StorageBase) -> None:
        records = [create(storage, name=f"n {n}") for n in range(4)]
        ids = [*(record["id"] for record in records), "nothing"]
        storage.delete(**HOME, object_id=ids[3])

        def operation() -> list[Any]:
            storage.update(**HOME, object_id=ids[0], record={"name": "first"})
            storage.look_ahead(**HOME, object_ids=ids, aces={})
            storage.update(**HOME, object_id=ids[1], record={"name": "second"})
            storage.delete(**HOME, object_id=ids[2])
            found = [_name_of(storage, one) for one in ids]
            storage.look_ahead(**HOME, object_ids=ids, aces={})
            storage.delete_all(**HOME)
            return [*found, *(_name_of(storage, one) for one in ids)]

        expected = ["first", "second", None, None, None, *[None] * 5]
        assert storage.atomic(operation, **HOME) == expected
        assert [_name_of(storage, one) for one in ids] == [None] * 5


def _name_of(storage: StorageBase, object_id: str) -> Any:
    try:
        return storage.get(**HOME, object_id=object_id)["name"]
    except RecordNotFoundError:
        return None
