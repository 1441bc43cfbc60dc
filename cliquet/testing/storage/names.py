"""Tests of names that look like patterns, because ids may contain any character."""

from __future__ import annotations

import pytest

from cliquet.core.globs import Exact, Pattern
from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.testing.storage.common import COLLECTION, clause

__all__ = ["NameTests"]

STAR = "remote:*"
PARENTS = (STAR, "remote:alice", "remote:", "remote:*/notes", "remote:x*")


def fill(storage: StorageBase) -> dict[str, int]:
    """Give each parent one record and one tombstone; return their timestamps by parent."""
    for parent in PARENTS:
        storage.create(COLLECTION, parent, {"id": "kept", "parent": parent})
        storage.create(COLLECTION, parent, {"id": "gone"})
        storage.delete(COLLECTION, parent, "gone")
    return storage.all_resources_timestamps(COLLECTION)


class NameTests:
    """Tests that a text is a pattern because of its type, and not because of its characters."""

    @clause("X-29")
    @pytest.mark.parametrize("kind", [str, Exact])
    def test_a_parent_called_by_a_star_is_one_parent(
        self, storage: StorageBase, kind: type[str]
    ) -> None:
        stamps = fill(storage)
        star = kind(STAR)

        page, total = storage.get_all(COLLECTION, star)

        assert [record["parent"] for record in page] == [STAR]
        assert total == storage.count_all(COLLECTION, star) == 1
        assert storage.count_all(COLLECTION, star, include_deleted=True) == 2
        assert [record["parent"] for record in storage.list_all(COLLECTION, star)] == [STAR]
        assert storage.collection_timestamp(COLLECTION, star) == stamps[STAR]
        assert storage.get(COLLECTION, star, "kept")["parent"] == STAR
        assert storage.find_tombstone(COLLECTION, star, "gone") is not None

    @clause("X-29")
    @pytest.mark.parametrize("kind", [str, Exact])
    def test_what_is_written_under_a_star_changes_one_parent(
        self, storage: StorageBase, kind: type[str]
    ) -> None:
        stamps = fill(storage)
        star = kind(STAR)

        def write() -> None:
            storage.update(COLLECTION, star, "kept", {"parent": "changed"})
            storage.create(COLLECTION, star, {"id": "new"})
            storage.delete(COLLECTION, star, "kept")
            assert storage.trim_objects(COLLECTION, star, [], 0) == 1

        storage.atomic(write, collection_id=COLLECTION, parent_id=star)

        changed = storage.all_resources_timestamps(COLLECTION)
        assert {parent for parent in PARENTS if changed[parent] != stamps[parent]} == {STAR}
        assert storage.count_all(COLLECTION, star) == 0
        assert all(type(parent) is str for parent in changed)

    @clause("X-29", "B-21.19")
    @pytest.mark.parametrize("collection_id", [COLLECTION, None])
    def test_an_exact_parent_is_deleted_alone(
        self, storage: StorageBase, collection_id: str | None
    ) -> None:
        fill(storage)

        deleted = storage.delete_all(collection_id, Exact(STAR))

        assert [tombstone["id"] for tombstone in deleted] == ["kept"]
        with pytest.raises(RecordNotFoundError):
            storage.get(COLLECTION, STAR, "kept")
        assert [storage.count_all(COLLECTION, parent) for parent in PARENTS] == [0, 1, 1, 1, 1]

    @clause("X-29", "B-21.19")
    @pytest.mark.parametrize("collection_id", [COLLECTION, None])
    @pytest.mark.parametrize("max_retained", [None, 0])
    def test_an_exact_parent_is_purged_alone(
        self, storage: StorageBase, collection_id: str | None, max_retained: int | None
    ) -> None:
        fill(storage)

        assert storage.purge_deleted(collection_id, Exact(STAR), max_retained=max_retained) == 1

        left = [storage.count_all(COLLECTION, name, include_deleted=True) for name in PARENTS]
        assert left == [1, 2, 2, 2, 2]

    @clause("X-29", "B-21.19")
    def test_a_pattern_tells_its_stars_from_those_of_names(self, storage: StorageBase) -> None:
        fill(storage)
        below = Pattern.of("remote:*", "")

        listed = storage.list_all(COLLECTION, below)

        assert {record["parent"] for record in listed} == {STAR, "remote:*/notes"}
        assert storage.count_all(COLLECTION, below) == 2
        assert storage.count_all(COLLECTION, Pattern.of("", "*")) == 2
        assert len(storage.delete_all(COLLECTION, below)) == 2
        assert storage.purge_deleted(None, Pattern.of("", "*/notes")) == 2
        assert storage.trim_objects(COLLECTION, Pattern.of("", "x*"), [], 0) == 1
        assert [storage.count_all(COLLECTION, parent) for parent in PARENTS] == [0, 1, 1, 0, 0]

    @clause("X-29", "B-21.19")
    @pytest.mark.parametrize("kind", [str, Pattern])
    def test_deletions_take_plain_texts_for_patterns(
        self, storage: StorageBase, kind: type[str]
    ) -> None:
        fill(storage)

        assert len(storage.delete_all(COLLECTION, kind("remote:*"))) == len(PARENTS)
        assert storage.purge_deleted(None, kind("remote:*")) == 2 * len(PARENTS)

    @clause("X-29")
    @pytest.mark.parametrize("star", ["*", "?", "[a-z]*", "%", "_"])
    def test_a_record_and_a_collection_may_be_called_anything(
        self, storage: StorageBase, star: str
    ) -> None:
        for collection_id in (COLLECTION, star):
            for object_id in ("alice", star):
                storage.create(collection_id, "p", {"id": object_id})

        storage.delete(star, "p", star)
        assert len(storage.delete_all(star, "p")) == 1
        assert storage.purge_deleted(star, "p") == 2

        assert storage.count_all(COLLECTION, "p", include_deleted=True) == 2
