"""A storage as small as possible, built on the base."""

from typing import Any

import pytest
from support.places import Place

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.memory import MemoryBasedStorage
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.testing.storage.common import rule, where

PLACE: Place = {"collection_id": "mushroom", "parent_id": "alice"}


class SmallStorage(MemoryBasedStorage):
    def __init__(self) -> None:
        self.records = []
        self.clock = 0

    def _bump_timestamp(self, collection_id: Any, parent_id: Any, last_modified: Any = None) -> Any:
        self.clock += 1
        return last_modified or self.clock

    def create(
        self, collection_id: Any, parent_id: Any, record: Any, unique_fields: Any = None, **_: Any
    ) -> Any:
        record = {"id": self.id_generator(), **record}
        self.check_unicity(collection_id, parent_id, record, unique_fields, for_creation=True)
        self.records.append(self.set_record_timestamp(collection_id, parent_id, record))
        return record

    def get_all(
        self,
        collection_id: Any,
        parent_id: Any,
        include_deleted: Any = False,
        auth: Any = None,
        **options: Any,
    ) -> Any:
        records = [r for r in self.records if include_deleted or "deleted" not in r]
        return self.extract_record_set(records, **options)

    def delete(
        self,
        collection_id: Any,
        parent_id: Any,
        object_id: Any,
        with_deleted: Any = True,
        auth: Any = None,
        **names: Any,
    ) -> Any:
        for record in self.records:
            if record["id"] == object_id and "deleted" not in record:
                self.records.remove(record)
                del record["last_modified"]
                self.set_record_timestamp(collection_id, parent_id, record)
                tombstone = self.strip_deleted_record(record, **names)
                self.records += [tombstone] if with_deleted else []
                return tombstone
        raise RecordNotFoundError(object_id)


@pytest.fixture
def storage() -> SmallStorage:
    storage = SmallStorage()
    for n in range(4):
        storage.create(**PLACE, record={"id": str(n), "n": n})
    return storage


@pytest.mark.clause("B-9.2")
def test_records_are_filtered_sorted_and_cut(storage: SmallStorage) -> None:
    page, total = storage.get_all(
        **PLACE,
        filters=where("n", "MIN", 1),
        sorting=[Sort("n", -1)],
        pagination_rules=[rule(("n", "LT", 3))],
        limit=1,
    )

    assert page == [{"id": "2", "last_modified": 3, "n": 2}]
    assert total == 3


@pytest.mark.clause("B-21.10")
def test_lists_and_counts_rely_on_the_published_method(storage: SmallStorage) -> None:
    storage.delete(**PLACE, object_id="0")

    assert storage.list_all(**PLACE, sorting=[Sort("n", 1)], limit=1)[0]["id"] == "1"
    assert storage.count_all(**PLACE) == 3
    assert storage.count_all(**PLACE, filters=where("n", "GT", 1)) == 2
    assert storage.count_all(**PLACE, include_deleted=True) == 4


@pytest.mark.clause("B-9.2", "B-5.16", "B-5.17")
@pytest.mark.parametrize(("with_deleted", "left"), [(True, 4), (False, 2)])
def test_records_can_be_deleted_together(
    storage: SmallStorage, with_deleted: bool, left: int
) -> None:
    result = storage.delete_all(**PLACE, filters=where("n", "LT", 2), with_deleted=with_deleted)

    assert result == [
        {"id": "0", "last_modified": 5, "deleted": True},
        {"id": "1", "last_modified": 6, "deleted": True},
    ]
    assert storage.count_all(**PLACE, include_deleted=True) == left


@pytest.mark.clause("B-21.19")
def test_deleting_from_all_collections_is_refused(storage: StorageBase) -> None:
    with pytest.raises(ValueError, match="SmallStorage"):
        storage.delete_all(None, "alice")


@pytest.mark.clause("B-9.2", "B-7.1", "B-7.2", "B-7.4")
def test_unique_values_are_checked(storage: SmallStorage) -> None:
    storage.create(**PLACE, record={"n": None}, unique_fields=["n"])

    with pytest.raises(UnicityError) as caught:
        storage.create(**PLACE, record={"n": 2.0}, unique_fields=["n"])
    assert caught.value.field == "n"
    assert caught.value.record["id"] == "2"

    with pytest.raises(UnicityError) as caught:
        storage.create(**PLACE, record={"id": "1"}, unique_fields=None)
    assert caught.value.field == "id"

    storage.check_unicity(**PLACE, record={"id": "2", "n": 2}, unique_fields=("n",))


@pytest.mark.clause("B-9.2")
def test_lists_of_dictionaries_can_be_filtered_and_sorted(storage: SmallStorage) -> None:
    records = [
        {"id": "a", "last_modified": 2, "n": 1},
        {"id": "b", "last_modified": 1, "deleted": True},
        {"id": "c", "last_modified": 3, "deleted": True, "n": 0},
    ]

    assert storage.apply_filters(records, where("n", "MIN", 0)) == [records[0], records[2]]
    assert storage.apply_filters(records, [Filter("deleted", True, COMPARISON.EQ)]) == [records[1]]
    by_time = storage.apply_sorting(records, [Sort("last_modified", 1)])
    assert by_time == [records[1], records[0], records[2]]


@pytest.mark.clause("B-9.2", "B-3.1")
def test_the_base_alone_makes_no_timestamp() -> None:
    with pytest.raises(NotImplementedError):
        MemoryBasedStorage().set_record_timestamp("c", "p", {})
