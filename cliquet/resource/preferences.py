"""What a client prefers: the header ``Prefer`` (RFC 7240).

Preferences are separated by commas, and have parameters after semicolons.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Final

__all__ = ["NO_COUNT", "STRICT", "Preference", "value_of"]

# A quoted text may contain what separates preferences and parameters.
_PREFERENCE: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')
_NAME: Final = re.compile(r'\s*([^\s=;,"]+)\s*(?=[=;]|\Z)')
_VALUE: Final = re.compile(r'\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s=;,"]*))\s*(?:;|\Z)')
_ESCAPED: Final = re.compile(r"\\(.)")


def value_of(prefer: str, name: str) -> str | None:
    """Return the value of a preference; ``None`` if a client does not mention it.

    Parameters
    ----------
    prefer : value of the header ``Prefer``. If it mentions a preference several times, the first
        one counts (RFC 7240 2).
    name : name of the preference in small letters.

    Returns
    -------
    str
        It is empty if the preference has no value, or none that can be read.
    """
    if name not in prefer.lower():
        return None
    for found in _PREFERENCE.finditer(prefer):
        text = found[0]
        named = _NAME.match(text)
        if named is not None and named[1].lower() == name:
            value = _VALUE.match(text, named.end())
            if value is None:
                return ""
            return value[2] if value[1] is None else _ESCAPED.sub(r"\1", value[1])
    return None


class Preference:
    """One value of one preference."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._text = f"{name}={value}"

    def is_in(self, prefer: str) -> bool:
        """Return whether the value of the header ``Prefer`` asks for it."""
        value = value_of(prefer, self._name)
        return value is not None and value.lower() == self._value

    def add_applied(self, headers: MutableMapping[str, str]) -> None:
        """Tell the client that the response follows its preference (RFC 7240 3)."""
        applied = headers.get("Preference-Applied")
        headers["Preference-Applied"] = f"{applied}, {self._text}" if applied else self._text


NO_COUNT: Final = Preference("count", "none")
STRICT: Final = Preference("handling", "strict")
