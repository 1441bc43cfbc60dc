"""The types of settings.

Each parser accepts text from a file or the environment and native values from Python code, and is
idempotent. A parser that refuses a value raises a bare `ValueError`; the row adds the name of the
setting.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import iso8601

from cliquet.core import hosts

__all__ = [
    "Anything",
    "Boolean",
    "Choice",
    "Date",
    "Hosts",
    "Integer",
    "List",
    "Number",
    "Reference",
    "Text",
]

_TRUE_WORDS: Final = frozenset({"t", "true", "y", "yes", "on", "1"})
_FALSE_WORDS: Final = frozenset({"f", "false", "n", "no", "off", "0", "none", ""})
# A deployer may write these words to switch an optional setting off. Loading turns them into False.
_OFF_WORDS: Final = frozenset({"off", "false", "no", "none"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,19}(?:\.[0-9]{1,19})?")
# Numbers are seconds. 24 days are the longest time that the databases can count in milliseconds:
# SQLite treats a longer one as no time at all, and the wait functions of the system raise an error
# for some thousand times as much.
_MAX_NUMBER: Final = 2_147_483


def _is_unset(value: Any) -> bool:
    return (
        value is None
        or value is False
        or (isinstance(value, str) and (not value.strip() or value.strip().lower() in _OFF_WORDS))
    )


class Anything(NamedTuple):
    """A value of another package or a plugin, which stays as it is."""

    allowed: str = "any value"
    is_text: bool = False

    def __call__(self, value: Any) -> Any:
        return value


class Boolean(NamedTuple):
    """True for ``t``, ``true``, ``y``, ``yes``, ``on``, ``1``, and false for their opposites.

    Any other text is refused, because a misspelt ``true`` must not mean false.
    """

    allowed: str = "true or false"
    is_text: bool = False

    def __call__(self, value: Any) -> bool:
        if value is True or value is False:
            return bool(value)
        word = str(value).strip().lower()
        if word not in _TRUE_WORDS and word not in _FALSE_WORDS:
            raise ValueError(value)
        return word in _TRUE_WORDS


class Integer(NamedTuple):
    """A whole number.

    Parameters
    ----------
    minimum : least value accepted.
    maximum : greatest value accepted, if there is one.
    optional : whether "no value" (None, empty, ``off``) is accepted, and gives None.
    zero_is_none : whether 0 means "no value" too.
    any_text : whether other text is passed through.
    """

    minimum: int = 0
    maximum: int | None = None
    optional: bool = False
    zero_is_none: bool = False
    any_text: bool = False
    is_text: bool = False

    @property
    def allowed(self) -> str:
        number = f"a whole number of {self.minimum} or more"
        if self.maximum is not None:
            number = f"a whole number from {self.minimum} to {self.maximum}"
        return f"{number}, or nothing" if self.optional else number

    def __call__(self, value: Any) -> int | str | None:
        # Most calls give the parsed value of an earlier call.
        if type(value) is not int:
            if self.optional and _is_unset(value):
                return None
            if self.any_text:
                return self._integer_or_text(value)
            value = _integer(value)
        if not self.any_text and (
            value < self.minimum or (self.maximum is not None and value > self.maximum)
        ):
            raise ValueError(value)
        return None if value == 0 and self.zero_is_none else int(value)

    def _integer_or_text(self, value: Any) -> int | str:
        try:
            return _integer(value)
        except ValueError:
            return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - callers translate `ValueError` alone
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value.strip()):
            raise ValueError(value)
        return int(value)
    if isinstance(value, (int, float)) and value == value // 1:
        return int(value)
    raise ValueError(value)


class Number(NamedTuple):
    """A number greater than 0, with or without decimals, up to 2 147 483: 24 days of seconds.

    Parameters
    ----------
    optional : whether "no value" (None, empty, ``off``, 0) is accepted, and gives None.
    """

    optional: bool = False
    is_text: bool = False

    @property
    def allowed(self) -> str:
        number = f"a number greater than 0, up to {_MAX_NUMBER}"
        return f"{number}, or nothing" if self.optional else number

    def __call__(self, value: Any) -> int | float | None:
        if self.optional and _is_unset(value):
            return None
        if isinstance(value, bool):
            raise ValueError(value)  # noqa: TRY004 - callers translate `ValueError` alone
        if isinstance(value, str):
            if not _NUMBER.fullmatch(value.strip()):
                raise ValueError(value)
            value = float(value) if "." in value else int(value)
        if self.optional and value == 0:
            return None
        # A comparison with NaN is false.
        if not isinstance(value, (int, float)) or not 0 < value <= _MAX_NUMBER:
            raise ValueError(value)
        return value


class Text(NamedTuple):
    """Text, which is never turned into a number.

    Parameters
    ----------
    optional : whether "no value" gives None; otherwise it gives the empty text.
    switchable : whether ``off``, ``false`` and ``no`` mean "no value". This is for files, addresses
        and the like, which cannot have such names, and which deployers switch off.
    """

    optional: bool = False
    switchable: bool = False
    is_text: bool = True

    @property
    def allowed(self) -> str:
        return "text, or nothing" if self.optional else "text"

    def __call__(self, value: Any) -> str | None:
        if value is None or (self.switchable and _is_unset(value)):
            return None if self.optional else ""
        if self.optional and value == "":
            return None
        return value if isinstance(value, str) else str(value)


class Choice(NamedTuple):
    """One of a few words.

    Parameters
    ----------
    words : the words, in lower case.
    """

    words: tuple[str, ...]
    is_text: bool = True

    @property
    def allowed(self) -> str:
        return ", ".join(self.words[:-1]) + f" or {self.words[-1]}"

    def __call__(self, value: Any) -> str:
        word = str(value).strip().lower()
        if word not in self.words:
            raise ValueError(word)
        return word


class Reference(NamedTuple):
    """The dotted name of a Python object, or the object itself."""

    allowed: str = "a dotted Python name, or nothing"
    is_text: bool = True

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.strip()
        return "" if value is None or value is False else value


class List(NamedTuple):
    """A tuple of texts, written with white space or new lines between items.

    Parameters
    ----------
    commas : whether commas separate items too.
    """

    commas: bool = False
    # With commas, `1,2` is a list of texts. Without, a Python literal is accepted as a list.
    is_text: bool = False

    @property
    def allowed(self) -> str:
        separators = "commas or white space" if self.commas else "white space"
        return f"names with {separators} between them"

    def __call__(self, value: Any) -> tuple[Any, ...]:
        if type(value) is tuple:
            return value
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split() if self.commas else value.split())
        if value is None or value is False:
            return ()
        if isinstance(value, (int, float)):
            if isinstance(value, bool):
                raise ValueError(value)  # noqa: TRY004 - callers translate `ValueError` alone
            return (str(value),)
        if isinstance(value, Iterable) and not isinstance(value, (bytes, dict)):
            return tuple(value)
        raise ValueError(value)


class Hosts(NamedTuple):
    """A list of hosts: names, ``*.`` with a name, or addresses, each with or without a port."""

    is_text: bool = True

    @property
    def allowed(self) -> str:
        return (
            "host names or addresses such as api.example.com, *.example.com, localhost:8000 or "
            "[::1], with commas or white space between them; or nothing"
        )

    def __call__(self, value: Any) -> tuple[str, ...]:
        found = List(commas=True)(value)
        if not all(isinstance(item, str) and hosts.is_pattern(item) for item in found):
            raise ValueError(value)
        return found


# A full date is required: `2015` alone is probably a mistake, and not the first of January.
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")


class Date(NamedTuple):
    """An ISO 8601 date or date-time with a zone, which is UTC when none is given."""

    allowed: str = "an ISO 8601 date or date-time such as 2031-01-22 or 2031-01-22T18:00:00+01:00"
    is_text: bool = True

    def __call__(self, value: Any) -> datetime.datetime | None:
        if isinstance(value, datetime.datetime):
            return value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        if isinstance(value, datetime.date):
            midnight = datetime.time(tzinfo=datetime.timezone.utc)
            return datetime.datetime.combine(value, midnight)
        if _is_unset(value):
            return None
        text = str(value).strip()
        if not _DATE.match(text):
            raise ValueError(value)
        return iso8601.parse_date(text)
