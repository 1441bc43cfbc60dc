"""Parameters of a list that can only be mistakes, where a setting refuses them (E-17.5).

Without it they are ignored, or compared with values of another type, which gives an empty list.
The values have been read and bounded before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import colander

from cliquet.core.mistakes import did_you_mean
from cliquet.resource.parameters import InvalidParameter, coerce, coerce_list
from cliquet.resource.querystring import split_prefix
from cliquet.storage.operators import COMPARISON, EQUALITY_WITH_SEVERAL, Takes

__all__ = ["OF_LISTS", "OF_RECORDS", "check_filters", "check_names", "check_sort"]

# A 410 leads to a list with `_sync`, also where it has no effect (E-11.5).
OF_LISTS: Final = ("_before", "_fields", "_limit", "_since", "_sort", "_sync", "_to", "_token")
OF_RECORDS: Final = ("_fields",)
# These may have white space around them.
_STRIPPED: Final = frozenset(("_before", "_since", "_to"))
_LONGEST_HINTED: Final = 64


class _Kind(NamedTuple):
    """What values of a field are in JSON.

    Attributes
    ----------
    name : with its article.
    types : in Python; a boolean is no number.
    """

    name: str
    types: tuple[type, ...]

    def has(self, value: Any) -> bool:
        return isinstance(value, self.types) and (bool in self.types or type(value) is not bool)


_TEXT: Final = _Kind("a text", (str,))
_ARRAY: Final = _Kind("an array", (list,))
# Of decimals and enumerations, only the application knows the form. A class comes before its
# parents.
_KINDS: Final = (
    (colander.Decimal, None),
    (colander.Number, _Kind("a number", (int, float))),
    (colander.Boolean, _Kind("a boolean", (bool,))),
    (colander.String, _TEXT),
    (colander.DateTime, _TEXT),
    (colander.Date, _TEXT),
    (colander.Time, _TEXT),
    (colander.Sequence, _ARRAY),
    (colander.Tuple, _ARRAY),
    (colander.Set, _ARRAY),
    (colander.List, _ARRAY),
    (colander.Mapping, _Kind("an object", (dict,))),
)


def check_names(names: Iterable[str], known: Collection[str]) -> None:
    """Refuse parameters that begin with ``_`` and that nothing reads.

    Raises
    ------
    InvalidParameter : there is one.
    """
    for raw in names:
        name = raw.strip()
        if name.startswith("_") and (name if name in _STRIPPED else raw) not in known:
            hint = did_you_mean(name, known) if len(name) <= _LONGEST_HINTED else ""
            raise InvalidParameter("querystring", name, f"Unknown parameter '{name}'{hint}")


def check_sort(value: str | None, is_known_field: Any) -> None:
    """Refuse names in ``_sort`` that would be ignored.

    Raises
    ------
    InvalidParameter : there is one.
    """
    for item in (value or "").split(","):
        field = item.strip()
        field = field[1:] if field[:1] in ("-", "+") else field
        if field and not is_known_field(field):
            raise InvalidParameter("querystring", None, f"Unknown sort field '{field}'")


def check_filters(
    params: Iterable[tuple[str, str]], schema: Any, declared_fields: Collection[str]
) -> None:
    """Refuse filters that no value of the type that the schema declares can match.

    Parameters
    ----------
    params : names and values that :func:`~cliquet.resource.querystring.parse_filters` accepts.

    Raises
    ------
    InvalidParameter : there is one.
    """
    for raw, text in params:
        name = raw.strip()
        if name.startswith("_"):
            continue
        field, operator = split_prefix(name, declared_fields)
        kind = _kind(schema, field)
        if kind is None or operator.takes is Takes.PRESENCE:
            continue
        if operator.takes in (Takes.PATTERN, Takes.MEMBERS):
            expected = _TEXT if operator.takes is Takes.PATTERN else _ARRAY
            if kind is not expected:
                raise _refused(name, field, kind)
            continue
        values = coerce_list(name, text) if operator.takes is Takes.VALUES else [coerce(name, text)]
        for value in values:
            if not _may_match(kind, value, operator):
                raise _refused(name, field, kind, text)


def _may_match(kind: _Kind, value: Any, operator: COMPARISON) -> bool:
    if operator in EQUALITY_WITH_SEVERAL:
        # Null stands for the lack of a value, and 0 and 1 for booleans.
        is_flag = bool in kind.types and type(value) in (int, float) and value in (0, 1)
        return value is None or is_flag or kind.has(value)
    return kind is not _ARRAY and dict not in kind.types and kind.has(value)


def _refused(name: str, field: str, kind: _Kind, text: str | None = None) -> InvalidParameter:
    description = f"Invalid value for {name}: {field} is {kind.name}"
    if kind is _TEXT and text is not None and "," not in text and '"' not in text:
        # Without quotes, such a text is a number, a boolean or an array.
        description = f'{description}, written between quotes as in {name}="{text}"'
    return InvalidParameter("querystring", name, description)


def _kind(node: Any, path: str) -> _Kind | None:
    """Return what a declared field is; ``None`` if the schema does not say."""
    declared = {child.name: child for child in node.children}
    found = declared.get(path)
    if found is None:
        root, _, rest = path.partition(".")
        inner = declared.get(root) if rest else None
        return None if inner is None else _kind(inner, rest)
    typ = getattr(found, "typ", None)
    is_own = not type(found).__module__.startswith("cliquet.")
    if type(typ).__module__ != "colander" or (is_own and found.preparer is not None):
        # Code of the application may turn the value into something else.
        return None
    return next((kind for base, kind in _KINDS if isinstance(typ, base)), None)
