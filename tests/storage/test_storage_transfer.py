"""The contract of copies: what a storage without them does, and how entries find their places."""

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.memory import Storage
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import CollectionTimestamp, ExportedEntry, grouped


@pytest.mark.clause("E-7.3")
def test_a_storage_of_the_published_interface_cannot_be_copied() -> None:
    storage = StorageBase()

    assert not storage.is_transferable
    with pytest.raises(NotImplementedError):
        storage.export()
    with pytest.raises(NotImplementedError):
        storage.export_timestamps()
    with pytest.raises(NotImplementedError):
        storage.import_([])


def timestamps(*names: Any) -> list[Any]:
    return [CollectionTimestamp("p", name, 1) for name in names]


def entries(*names: Any) -> list[Any]:
    return [
        (CollectionKey(collection_id=name, parent_id="p"), ExportedEntry(str(n), 1, None))
        for n, name in enumerate(names)
    ]


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize(
    ("of_timestamps", "of_entries", "expected"),
    [
        ("", "", []),
        ("", "aa", []),
        ("ab", "", [("a", ""), ("b", "")]),
        ("ab", "aabb", [("a", "01"), ("b", "23")]),
        # Collections without entries, and entries whose collection has no timestamp.
        ("abcd", "bd", [("a", ""), ("b", "0"), ("c", ""), ("d", "1")]),
        ("bd", "abcde", [("b", "1"), ("d", "3")]),
        ("d", "aab", [("d", "")]),
    ],
)
def test_entries_are_put_under_their_collections(
    of_timestamps: str, of_entries: str, expected: list[Any]
) -> None:
    found = grouped(timestamps(*of_timestamps), entries(*of_entries))

    ids = [(one.collection_id, "".join(entry.id for entry in one.entries)) for one in found]
    assert ids == expected


@pytest.mark.clause("E-7.3")
def test_entries_that_are_not_read_are_passed() -> None:
    found = list(grouped(timestamps(*"abc"), entries(*"aabbc")))

    # Too late for these.
    assert [list(one.entries) for one in found[:2]] == [[], []]


@pytest.mark.clause("E-7.3")
def test_a_collection_that_vanishes_from_memory_meanwhile_is_left_out() -> None:
    storage = Storage()
    for name in "abc":
        storage.create(name, "p", {})

    found = storage.export()
    assert next(found).collection_id == "a"
    storage.flush()

    assert list(found) == []
