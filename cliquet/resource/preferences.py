"""What a client prefers: the header ``Prefer`` (RFC 7240).

Preferences are separated by commas, and have parameters after semicolons.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Final

__all__ = ["NO_COUNT", "STRICT", "Preference"]

# A quoted text may contain what separates preferences and parameters.
_PREFERENCE: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')
_NAME_AND_VALUE: Final = re.compile(r'\s*([^\s=;,"]+)\s*=\s*("?)([^\s=;,"]*)\2\s*(?:;|\Z)')


class Preference:
    """One value of one preference."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._text = f"{name}={value}"

    def is_in(self, prefer: str) -> bool:
        """Return whether the value of the header ``Prefer`` asks for it.

        If it has several values of the preference, the first one counts (RFC 7240 2).
        """
        if self._name not in prefer.lower():
            return False
        for found in _PREFERENCE.finditer(prefer):
            named = _NAME_AND_VALUE.match(found[0])
            if named is not None and named[1].lower() == self._name:
                return named[3].lower() == self._value
        return False

    def add_applied(self, headers: MutableMapping[str, str]) -> None:
        """Tell the client that the response follows its preference (RFC 7240 3)."""
        applied = headers.get("Preference-Applied")
        headers["Preference-Applied"] = f"{applied}, {self._text}" if applied else self._text


NO_COUNT: Final = Preference("count", "none")
STRICT: Final = Preference("handling", "strict")
