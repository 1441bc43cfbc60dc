"""The words of faults that schemas find, for clients that know JSON and not colander.

Only the texts of colander itself are replaced. Those that the contract has, and those of the
application, stay.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, Final

import colander

from cliquet.core import jsonio

__all__ = ["plain", "reword"]

_DATE: Final = "2015-01-22"
_TIME: Final = "18:30:00"
_MOMENT: Final = datetime.datetime(2015, 1, 22, 18, 30, tzinfo=datetime.timezone.utc)


def reword(invalid: colander.Invalid) -> None:
    """Replace the texts of a fault and of all faults below it."""
    pending = [invalid]
    while pending:
        one = pending.pop()
        pending.extend(one.children)
        msg = one.msg
        # A text of the application may have any other domain, or none.
        if getattr(msg, "domain", None) == "colander":
            make = _WORDS.get(str(msg))
            if make is not None:
                one.msg = make(one.node, msg.mapping or {})


def plain(invalid: colander.Invalid) -> None:
    """Fix the text of one fault, so that it stays as colander has written it."""
    if hasattr(invalid.msg, "interpolate"):
        invalid.msg = invalid.msg.interpolate()


def _shown(value: Any) -> str:
    """Return a value as the client has sent it; a text is shown without quotes."""
    try:
        return value if isinstance(value, str) else jsonio.dumps(value).decode()
    except (TypeError, ValueError):
        # The text of a parameter may have been made into something else.
        return str(value)


def _expecting(text: str, key: str = "val") -> Callable[[Any, Any], str]:
    return lambda node, mapping: f'"{_shown(mapping.get(key))}" {text}'


def _date(node: Any, mapping: Any) -> str:
    form = getattr(node.typ, "format", None)
    if form:
        return f"Invalid date: a text such as {_MOMENT.strftime(form)} is expected"
    if isinstance(node.typ, colander.DateTime):
        return f"Invalid date: a date and time such as {_DATE}T{_TIME}Z is expected"
    return f"Invalid date: a date such as {_DATE} is expected"


_WORDS: Final[dict[str, Callable[[Any, Any], str]]] = {
    # Clients may know how this one begins.
    '"${val}" is not a mapping type: ${err}': _expecting(
        "is not a mapping type: an object is expected"
    ),
    'Unrecognized keys in mapping: "${val}"': lambda node, mapping: (
        f"Unknown members: {', '.join(sorted(map(str, mapping.get('val', ()))))}"
    ),
    '"${val}" is not iterable': _expecting("is not an array"),
    "${cstruct} is not iterable": _expecting("is not an array", "cstruct"),
    '"${val}" is not a number': _expecting("is not a number"),
    '"${val}" is neither in (${false_choices}) nor in (${true_choices})': _expecting(
        "is not a boolean: true or false is expected"
    ),
    "${val} is not a string": _expecting("is not a boolean: true or false is expected"),
    "Invalid date": _date,
    "Invalid time": lambda node, mapping: f"Invalid time: a time such as {_TIME} is expected",
    "Invalid UUID string": lambda node, mapping: (
        "Invalid UUID string: a UUID such as 3f0c1c4e-6a0d-4b0f-9d3e-5f6a7b8c9d0e is expected"
    ),
    '"${val}" is not a valid "${cls}"': lambda node, mapping: (
        f'"{_shown(mapping.get("val"))}" is not one of '
        f"{', '.join(map(str, getattr(node.typ, 'values', ())))}"
    ),
}
