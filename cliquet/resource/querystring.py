"""The query string of a list: filters, sort criteria, page size, selected fields.

This module defines the syntax of these parameters, and turns text into typed values. It knows
neither the request nor the storage: a wrong parameter raises :class:`InvalidParameter`, which the
resource turns into a 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

from cliquet.resource.bounds import Bounds, FilterCount
from cliquet.resource.parameters import (
    MAX_TIMESTAMP,
    OVERLONG_INTEGER,
    InvalidParameter,
    coerce,
    coerce_list,
    invalid_value,
    parse_timestamp,
    timestamp_of,
)
from cliquet.storage.operators import COMPARISON, EQUALITY_WITH_SEVERAL, Takes
from cliquet.storage.query import MISSING, Filter, Sort
from cliquet.types import JSONValue

__all__ = [
    "MAX_ARRAY_SEARCHES",
    "MAX_FIELDS",
    "MAX_PATTERNS",
    "MAX_PATTERN_CHARACTERS",
    "MAX_SORT_FIELDS",
    "MAX_TIMESTAMP",
    "FilterSet",
    "InvalidParameter",
    "parse_fields",
    "parse_filters",
    "parse_limit",
    "parse_sort",
    "parse_timestamp",
    "split_prefix",
]

MAX_SORT_FIELDS: Final = 64
"""Greatest number of criteria in one ``_sort``.

Pagination rules grow with its square, and a resource that knows every field would otherwise make
millions of them for one URL."""

MAX_FIELDS: Final = 250
"""Greatest number of fields in one ``_fields``, because each is looked up in each record."""

MAX_PATTERN_CHARACTERS: Final = 8190
"""Greatest length of a ``like_`` filter, whose characters each cost databases time or memory."""

MAX_PATTERNS: Final = 3
"""Greatest number of ``like_`` filters of a list: each reads a text that may have megabytes."""

MAX_ARRAY_SEARCHES: Final = 10
"""Greatest number of ``contains_`` and ``contains_any_`` filters: each reads a whole array."""

_UNBOUNDED: Final = Bounds()

# It means "all of them". Every backend accepts it, even plus one for the item that shows whether
# there is a next page.
_UNBOUNDED_LIMIT: Final = 10**18

_PREFIXES: Final = {
    member.name.lower(): member for member in COMPARISON if member is not COMPARISON.EQ
}
# The longer prefixes come first, because `contains_any_` begins with `contains_`.
_PREFIXED_FIELD = re.compile(rf"({'|'.join(sorted(_PREFIXES, reverse=True))})_(\w.*)", re.DOTALL)
_BEGIN_WITH_ANOTHER: Final = {
    prefix: [other for other in _PREFIXES if prefix.startswith(f"{other}_")] for prefix in _PREFIXES
}
# A path with dots names a member of nested objects.
_SORT_ITEM = re.compile(r"([-+]?)(\w+(?:\.\w+)*)")

_TIME_PARAMETERS: Final = {
    "_since": COMPARISON.GT,
    "_before": COMPARISON.LT,
    "_to": COMPARISON.LT,
}
_LISTS: Final = (Takes.VALUES, Takes.MEMBERS)


class FilterSet(NamedTuple):
    """The filters of a query string, and their further consequences.

    Parameters
    ----------
    filters : combined by AND, in the order of the query string.
    deprecated_to : whether ``_to`` was used, so that the response tells the client that it is
        deprecated.
    """

    filters: list[Filter]
    deprecated_to: bool = False


def parse_filters(
    params: Iterable[tuple[str, str]],
    *,
    is_known_field: Callable[[str], bool],
    id_field: str,
    modified_field: str,
    deleted_field: str,
    declared_fields: Collection[str] = (),
    bounds: Bounds = _UNBOUNDED,
) -> FilterSet:
    """Read the filters of a query string.

    Filters of a storage are strictly typed, but those of a query string are not (X-17): equality
    with 0, 1, a boolean or null becomes an ``IN`` with all possible values of the text.

    Parameters
    ----------
    params : decoded names and values, with repeated names.
    is_known_field : function that says whether a field may be in a filter.
    id_field, modified_field, deleted_field : names of the reserved members.
    declared_fields : fields of the schema. A name such as ``min_age`` is a field if it is one of
        them, and otherwise an operator with a field.
    bounds : limits of the query string.

    Raises
    ------
    InvalidParameter : a field is unknown; a value cannot be compared with the field
        (D-17), or cannot be in a record (X-25); or there are more than `bounds` allow.
    """
    filters = []
    count = FilterCount(bounds)
    patterns = searches = 0
    deprecated_to = False
    for raw_name, text in params:
        name = raw_name.strip()
        if name in _TIME_PARAMETERS:
            count.add_filter(name)
            deprecated_to = deprecated_to or name == "_to"
            value = timestamp_of(name, text)
            filters.append(Filter(modified_field, value, _TIME_PARAMETERS[name]))
            continue
        if name.startswith("_"):
            continue

        count.add_filter(name)
        bounds.check_depth(None, name)
        count.add_name(name)
        field, operator = split_prefix(name, declared_fields)
        # No stored name contains NUL, and a database may fail on it.
        if "\0" in field or not is_known_field(field):
            raise InvalidParameter("querystring", name, f"Unknown filter field '{name}'")
        if operator.takes is Takes.MEMBERS:
            searches += 1
            if searches > MAX_ARRAY_SEARCHES:
                description = f"More than {MAX_ARRAY_SEARCHES} filters that begin with contains_"
                raise InvalidParameter("querystring", name, description)
        if operator.takes in _LISTS and not text.startswith("["):
            count.expect(name, text)
        if operator.takes is Takes.PRESENCE:
            filters.append(Filter(field, _presence(name, text), operator))
        elif operator.takes is Takes.PATTERN:
            patterns += 1
            if patterns > MAX_PATTERNS:
                description = f"More than {MAX_PATTERNS} filters that begin with like_"
                raise InvalidParameter("querystring", name, description)
            filters.append(Filter(field, _pattern(name, text, field == modified_field), operator))
        elif field in (id_field, modified_field):
            values = _reserved_values(name, text, operator, is_id=field == id_field)
            count.add_values(name, values)
            filters.append(_exact_filter(field, operator, values))
        else:
            is_list = operator.takes in _LISTS
            values = coerce_list(name, text) if is_list else [coerce(name, text)]
            count.add_values(name, values)
            if field == deleted_field:
                values = [_as_flag(value) for value in values]
            filters.append(_widened_filter(field, operator, values, field == deleted_field))
    return FilterSet(filters, deprecated_to)


def parse_sort(
    value: str | None,
    *,
    is_known_field: Callable[[str], bool],
    modified_field: str,
    bounds: Bounds = _UNBOUNDED,
) -> list[Sort]:
    """Read ``_sort``; by default the most recent records come first.

    A repeated field is dropped, because its first mention already decides.

    Raises
    ------
    InvalidParameter : a field is unknown or deeper than `bounds` allow, or there are more
        than :data:`MAX_SORT_FIELDS`.
    """
    sorting: dict[str, Sort] = {}
    dots = 0
    for item in (value or "").split(","):
        match = _SORT_ITEM.fullmatch(item.strip())
        if match is None:
            continue
        sign, field = match.groups()
        bounds.check_depth(None, field)
        dots += field.count(".")
        bounds.check_dots(dots)
        if not is_known_field(field):
            if "." in field:
                continue  # It is ignored, like a text that is not the name of a field.
            raise InvalidParameter("querystring", None, f"Unknown sort field '{field}'")
        sorting.setdefault(field, Sort(field, -1 if sign == "-" else 1))
        if len(sorting) > MAX_SORT_FIELDS:
            description = f"_sort should have at most {MAX_SORT_FIELDS} fields"
            raise InvalidParameter("querystring", None, description)
    # The sign does not matter: "-last_modified" names the field too.
    sorting.setdefault(modified_field, Sort(modified_field, -1))
    return list(sorting.values())


def parse_limit(
    value: str | None, *, paginate_by: int | None, max_fetch_size: int | None
) -> int | None:
    """Read ``_limit``: the number of items of a page, ``None`` for all of them.

    Parameters
    ----------
    value : the parameter; the empty text counts as absent.
    paginate_by : default and greatest size of a page, in items; ``None`` or 0 if lists have no
        pages.
    max_fetch_size : greatest size of every page, in items; ``None`` or 0 for no limit.

    Raises
    ------
    InvalidParameter : the value is not a positive integer.
    """
    candidates = [ceiling for ceiling in (paginate_by, max_fetch_size) if ceiling]
    if value:
        digits = value.lstrip("0")
        if not digits or not digits.isascii() or not digits.isdigit():
            raise InvalidParameter("querystring", None, "_limit should be an integer")
        # A long text is not given to int(), because Python refuses to convert thousands of digits.
        candidates.append(int(digits) if len(digits) <= 18 else _UNBOUNDED_LIMIT)
    return min(candidates, default=None)


def parse_fields(
    value: str | None,
    *,
    known_fields: Collection[str],
    preserve_unknown: bool,
    id_field: str,
    modified_field: str,
    deleted_field: str,
    bounds: Bounds = _UNBOUNDED,
) -> list[str] | None:
    """Read ``_fields``: the paths to return, ``None`` for whole records.

    The id, the timestamp and, for tombstones, the deletion mark are always returned.

    Raises
    ------
    InvalidParameter : the root of a path is not a known field (H-15.3), unless the resource
        preserves unknown ones; there are more than :data:`MAX_FIELDS`; or one is deeper than
        `bounds` allow.
    """
    if not value:
        return None
    if value.count(",") >= MAX_FIELDS:
        description = f"_fields should have at most {MAX_FIELDS} fields"
        raise InvalidParameter("querystring", None, description)
    # Each path is kept once, because a repeated one changes nothing.
    fields = dict.fromkeys(value.split(","))
    for field in fields:
        bounds.check_depth(None, field)
    if not preserve_unknown:
        # A declared name may itself contain dots, and wins over the nested reading.
        roots = dict.fromkeys(
            [field if field in known_fields else field.split(".", 1)[0] for field in fields]
        )
        unknown = [root for root in roots if root not in known_fields]
        if unknown:
            description = f"Fields {','.join(unknown)} do not exist"
            # Published clients expect this location and this name (H-15.3).
            raise InvalidParameter("body", "Invalid _fields parameter", description)
    return list(fields | dict.fromkeys((id_field, modified_field, deleted_field)))


def split_prefix(name: str, declared_fields: Collection[str]) -> tuple[str, COMPARISON]:
    """Split ``min_age`` into its field and its operator."""

    def is_declared(path: str) -> bool:
        # Members of a declared field belong to it: `min_age.unit` is not a minimum.
        return path in declared_fields or path.partition(".")[0] in declared_fields

    match = None if is_declared(name) else _PREFIXED_FIELD.fullmatch(name)
    if match is None:
        return name, COMPARISON.EQ
    prefix, field = match.groups()
    for shorter in _BEGIN_WITH_ANOTHER[prefix]:
        # `contains_any_of` is `contains_` for a declared field `any_of`.
        rest = name[len(shorter) + 1 :]
        if is_declared(rest):
            return rest, _PREFIXES[shorter]
    return field, _PREFIXES[prefix]


def _presence(name: str, text: str) -> bool:
    """Read the value of ``has_``: whether the field must exist."""
    value = coerce(name, text)
    if not isinstance(value, bool):
        raise invalid_value(name)
    return value


def _pattern(name: str, text: str, is_timestamp: bool) -> str:
    """Read the value of ``like_``, which is a text."""
    if len(text) > MAX_PATTERN_CHARACTERS:
        description = f"{name} should have at most {MAX_PATTERN_CHARACTERS} characters"
        raise InvalidParameter("querystring", name, description)
    value = coerce(name, text)
    if not isinstance(value, str) or is_timestamp:
        raise invalid_value(name)
    return value


def _reserved_values(name: str, text: str, operator: COMPARISON, *, is_id: bool) -> list[JSONValue]:
    """Read the values that are compared with an id or a timestamp (D-17)."""
    if operator.takes is Takes.MEMBERS:
        # Neither of them is an array.
        raise invalid_value(name)
    if operator.takes not in _LISTS:
        return [_id_value(name, text) if is_id else timestamp_of(name, text)]
    if is_id:
        ids = coerce_list(name, text)
        if not all(isinstance(item, str) for item in ids):
            raise invalid_value(name)
        return ids
    if text.startswith("["):
        return [
            timestamp_of(name, item if isinstance(item, str) else repr(item))
            for item in coerce_list(name, text)
        ]
    return [timestamp_of(name, item) for item in text.split(",")]


def _id_value(name: str, text: str) -> JSONValue:
    """Read a value that is compared with an id; a number is compared as text."""
    if OVERLONG_INTEGER.fullmatch(text.strip()):
        return text.strip()  # the storage gets no number, so that its size does not matter
    value = coerce(name, text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # The text stays as the client wrote it: the id "1e5" is not the id "100000.0".
        return text.strip()
    return value


def _as_flag(value: JSONValue) -> JSONValue:
    """Turn 0 and 1 into booleans, because the deletion mark is never a number."""
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


def _exact_filter(field: str, operator: COMPARISON, values: list[JSONValue]) -> Filter:
    return Filter(field, values if operator.takes in _LISTS else values[0], operator)


def _widened_filter(
    field: str, operator: COMPARISON, values: list[JSONValue], is_flag: bool
) -> Filter:
    """Return a filter for all possible types of the values (X-17); an order keeps their type."""
    of_several = EQUALITY_WITH_SEVERAL.get(operator)
    if of_several is None:
        return _exact_filter(field, operator, values)
    widened = []
    for value in values:
        widened.append(value)
        if value is None:
            widened.append(MISSING)  # No field has no value either.
        elif isinstance(value, bool):
            if not is_flag:
                widened.append(int(value))  # In a query string, true also means 1.
        elif isinstance(value, int | float) and value in (0, 1):
            widened.append(bool(value))
    # Several values become one filter, because several filters are combined by AND.
    return _exact_filter(field, of_several if len(widened) > 1 else operator, widened)
