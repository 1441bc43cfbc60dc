"""Tests of several creations at once."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import UnicityError
from cliquet.testing.storage.common import HOME, clause, create, listed, timestamp


class CreationTests:
    """Tests that ``create_many`` does what ``create`` does for each record."""

    @clause("B-4.1", "B-4.4")
    @pytest.mark.parametrize("number", [0, 1, 5])
    def test_several_creations_at_once_are_creations_one_after_the_other(
        self, storage: StorageBase, number: int
    ) -> None:
        before = create(storage, name="before")["last_modified"]
        records: list[Any] = [{"name": f"n {n}", "tags": [n, {"x": None}]} for n in range(number)]

        created = storage.create_many(**HOME, records=records)

        stamps = [record["last_modified"] for record in created]
        assert stamps == sorted({*stamps})
        assert all(stamp > before for stamp in stamps)
        assert timestamp(storage) == max([before, *stamps])
        after = create(storage, name="after")["last_modified"]
        assert after > max([before, *stamps])
        assert len(listed(storage)) == number + 2
        for record, given in zip(created, records, strict=True):
            assert storage.get(**HOME, object_id=record["id"]) == record
            assert {name: record[name] for name in given} == given

    @clause("B-3.2")
    def test_several_creations_at_once_keep_given_ids_and_timestamps(
        self, storage: StorageBase
    ) -> None:
        ids = iter(["b", "c"])
        records: list[Any] = [{"id": "a", "last_modified": 5}, {}, {"last_modified": 7}]

        created = storage.create_many(**HOME, records=records, id_generator=lambda: next(ids))

        assert [record["id"] for record in created] == ["a", "b", "c"]
        assert [created[0]["last_modified"], created[2]["last_modified"]] == [5, 7]
        with pytest.raises(UnicityError):
            storage.create_many(**HOME, records=[{"id": "d"}, {"id": "a"}])

    @clause("B-3.2")
    def test_several_creations_at_once_begin_a_collection(self, storage: StorageBase) -> None:
        created = storage.create_many(**HOME, records=[{}, {}])

        assert timestamp(storage) == created[-1]["last_modified"]
        assert len(listed(storage)) == 2
