"""Filters, sorting and pages of a list, evaluated in Python.

These are functions of plain values for backends whose server cannot do this. All values are
compared with :mod:`cliquet.storage.ordering`, so that all backends agree.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from cliquet.storage.following import Criterion, followed
from cliquet.storage.operators import Field, Keys
from cliquet.storage.ordering import MISSING, SortKey, resolve, sort_key
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.selection import Names, Selection
from cliquet.storage.values import copy_again, copy_object
from cliquet.types import JSONValue, Record

__all__ = [
    "Entry",
    "Test",
    "apply_filters",
    "apply_pagination_rules",
    "apply_sorting",
    "compile_filter",
    "live_ones",
    "matching",
    "on_page",
    "page",
    "purgeable",
    "surplus",
]

Test = Callable[["Entry"], bool]
"""A function that says whether an entry is kept."""

Made = TypeVar("Made")


class Entry(NamedTuple):
    """The record or tombstone of one id in a collection.

    Parameters
    ----------
    timestamp : time of the last change, in milliseconds since the Epoch.
    data : the record without its id and timestamp, or ``None`` for a tombstone.
    """

    id: str
    timestamp: int
    data: Mapping[str, JSONValue] | None

    @classmethod
    def from_record(cls, record: Mapping[str, JSONValue], names: Names) -> Entry:
        """Return the entry for a record or tombstone."""
        data = dict(record)
        object_id = data.pop(names.id_field)
        timestamp = data.pop(names.modified_field)
        is_tombstone = data == {names.deleted_field: True}
        return cls(object_id, timestamp, None if is_tombstone else data)

    def to_record(self, names: Names) -> Record:
        """Return a new record, or a new tombstone."""
        record: Record = (
            {names.deleted_field: True} if self.data is None else copy_object(self.data)
        )
        record[names.id_field] = self.id
        record[names.modified_field] = self.timestamp
        return record

    def to_stored_record(self, names: Names) -> Record:
        """Return the same for an entry whose data are a copy that a storage has made."""
        data: Any = self.data
        record: Record = {names.deleted_field: True} if data is None else copy_again(data)
        record[names.id_field] = self.id
        record[names.modified_field] = self.timestamp
        return record


def apply_filters(entries: Iterable[Entry], filters: Sequence[Filter], names: Names) -> list[Entry]:
    """Return the entries that match all `filters`.

    Raises
    ------
    ValueError : a value does not fit its operator.
    """
    tests = [compile_filter(item, names, in_rule=False) for item in filters]
    if not tests:
        return list(entries)
    if len(tests) == 1:
        return list(filter(tests[0], entries))
    return [entry for entry in entries if all(test(entry) for test in tests)]


def apply_pagination_rules(
    entries: Iterable[Entry], rules: Sequence[PaginationRule], names: Names
) -> list[Entry]:
    """Return the entries that match at least one of `rules`; all of them if there is no rule.

    Raises
    ------
    ValueError : a value does not fit its operator.
    """
    if not rules:
        return list(entries)
    criteria = followed(rules)
    if criteria:
        return list(filter(_follows(criteria, names), entries))
    compiled = [[compile_filter(item, names, in_rule=True) for item in rule] for rule in rules]
    return [
        entry for entry in entries if any(all(test(entry) for test in rule) for rule in compiled)
    ]


def _follows(criteria: Sequence[Criterion], names: Names) -> Test:
    """Return a test for whether an entry follows a record; the first difference decides."""
    steps = [
        (_reader(field, names), _keys(field, names).place(value), ascends)
        for field, value, ascends in criteria
    ]

    def follows(entry: Entry) -> bool:
        for read, operand, ascends in steps:
            key = sort_key(read(entry))
            if key != operand:
                return (key > operand) is ascends
        return False

    return follows


def apply_sorting(entries: list[Entry], sorting: Sequence[Sort], names: Names) -> list[Entry]:
    """Return the entries in the order of `sorting`."""
    if not sorting:
        return entries
    # The sort of Python keeps the order of equal items, so that the least important criteria come
    # first. Criteria with the same direction become one key, which saves a pass.
    groups: list[tuple[bool, list[str]]] = []
    for field, direction in sorting:
        descends = direction < 0
        if groups and groups[-1][0] == descends:
            groups[-1][1].append(field)
        else:
            groups.append((descends, [field]))
    for descends, fields in reversed(groups):
        entries = sorted(entries, key=_sort_key_reader(fields, names), reverse=descends)
    return entries


def page(
    entries: Iterable[Entry],
    names: Names,
    *,
    sorting: Sequence[Sort] | None,
    pagination_rules: Sequence[PaginationRule] | None,
    limit: int | None,
) -> list[Entry]:
    """Apply the pagination rules, sort, and cut, in this order.

    Parameters
    ----------
    limit : greatest number of entries; ``None`` or 0 for no limit.
    """
    kept = apply_pagination_rules(entries, pagination_rules or (), names)
    kept = apply_sorting(kept, sorting or (), names)
    return kept[:limit] if limit else kept


def live_ones(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that are not tombstones."""
    return [entry for entry in entries if entry.data is not None]


def matching(entries: Iterable[Entry], selection: Selection) -> list[Entry]:
    """Return the entries that match the filters."""
    return apply_filters(entries, selection.filters, selection.names)


def on_page(entries: Iterable[Entry], selection: Selection) -> list[Entry]:
    """Return the page of the entries that match the filters."""
    return page(
        entries,
        selection.names,
        sorting=selection.sorting,
        pagination_rules=selection.pagination_rules,
        limit=selection.limit,
    )


def surplus(entries: Iterable[Entry], selection: Selection, max_objects: int) -> list[Entry]:
    """Return all matching records except the most recent ones, the oldest first."""
    names = selection.names
    oldest_last = [Sort(names.modified_field, -1), Sort(names.id_field, -1)]
    found = apply_sorting(matching(live_ones(entries), selection), oldest_last, names)
    return found[max_objects:][::-1]


def purgeable(
    entries: Iterable[Entry], before: int | None, max_retained: int | None
) -> list[Entry]:
    """Return the tombstones of one collection that a purge deletes."""
    tombstones = [entry for entry in entries if entry.data is None]
    if max_retained is not None:
        tombstones.sort(key=lambda entry: (entry.timestamp, entry.id), reverse=True)
        tombstones = tombstones[max_retained:]
    if before is not None:
        tombstones = [entry for entry in tombstones if entry.timestamp < before]
    return tombstones


def _reader(field: str, names: Names) -> Callable[[Entry], Any]:
    """Return a function that gives the value of a field, or `MISSING`."""
    attribute = _attribute(field, names)
    if attribute is not None:
        return attrgetter(attribute)
    if field == names.deleted_field:
        # A live record is not deleted, whatever member it has with this name.
        return lambda entry: True if entry.data is None else MISSING
    if "." not in field:
        return lambda entry: MISSING if entry.data is None else entry.data.get(field, MISSING)
    return lambda entry: MISSING if entry.data is None else resolve(entry.data, field)


def _attribute(field: str, names: Names) -> str | None:
    """Return the attribute of an entry that has the value of a field, if there is one."""
    if field == names.id_field:
        return "id"
    return "timestamp" if field == names.modified_field else None


def _sort_key_reader(fields: Sequence[str], names: Names) -> Callable[[Entry], Any]:
    # All ids are text and all timestamps are integers, so that the comparison needs no rank.
    attributes = [name for field in fields if (name := _attribute(field, names))]
    if len(attributes) == len(fields):
        return attrgetter(*attributes)
    readers = [_key_reader(field, names) for field in fields]
    if len(readers) == 1:
        return readers[0]
    if len(readers) == 2:
        first, second = readers
        return lambda entry: (first(entry), second(entry))
    # A generator would be resumed for each of them.
    return lambda entry: tuple([reader(entry) for reader in readers])


def _key_reader(field: str, names: Names) -> Callable[[Entry], Any]:
    read = _reader(field, names)
    if _attribute(field, names) is not None:
        return read
    return lambda entry: sort_key(read(entry))


def compile_filter(item: Filter, names: Names, *, in_rule: bool) -> Test:
    """Turn a filter into a function.

    Parameters
    ----------
    in_rule : whether the filter belongs to a pagination rule, where order operators follow the
        total order, and `MISSING` is a normal value.

    Raises
    ------
    ValueError : the value does not fit the operator.
    TypeError : the value is not JSON.
    """
    name, value, operator = item
    operator.check(name, value, in_rule=in_rule)
    field, meaning = _EntryField(name, names), operator.meaning
    return meaning.test(field, meaning.operand(field.keys, value, in_rule=in_rule), in_rule=in_rule)


class _EntryField(Field[Entry]):
    """A field of entries, whose ids are all text and whose timestamps are all integers."""

    def __init__(self, name: str, names: Names) -> None:
        self._read = _reader(name, names)
        self.keys = _keys(name, names)

    def value(self) -> Callable[[Entry], Any]:
        return self._read

    def made(self, make: Callable[[Any], Made]) -> Callable[[Entry], Made]:
        read = self._read
        if self.keys is _ID_KEYS and make is _id_key:
            # An id is its own key, so that no function is called for each entry.
            return read
        return lambda entry: make(read(entry))


def _keys(name: str, names: Names) -> Keys:
    return _ID_KEYS if name == names.id_field else _KEYS


class _IdKeys(Keys):
    """Keys of values that are compared with ids: ids are texts, and numbers become texts."""

    def each(self, values: Iterable[Any]) -> frozenset[Hashable]:
        # There may be thousands of ids, and each call of a function takes its time.
        return frozenset([value if type(value) is str else _id_key(value) for value in values])


def _id_key(value: Any) -> Hashable:
    """Return a key that only equal values have; a text is its own."""
    value = _as_id(value)
    return str(value) if isinstance(value, str) else sort_key(value)


def _id_place(value: Any) -> SortKey:
    return sort_key(_as_id(value))


def _as_id(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else value


_KEYS: Final = Keys(exact=sort_key, place=sort_key)
_ID_KEYS: Final = _IdKeys(exact=_id_key, place=_id_place)
