"""What a client prefers: the header ``Prefer`` (RFC 7240).

Preferences are separated by commas, and have parameters after semicolons.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Final

__all__ = ["NO_COUNT", "STRICT", "Preference"]


class Preference:
    """One value of one preference."""

    def __init__(self, name: str, value: str) -> None:
        self._text = f"{name}={value}"
        self._pattern = re.compile(
            rf"(?:\A|,)\s*{name}\s*=\s*(?:{value}|\"{value}\")\s*(?=[,;]|\Z)", re.IGNORECASE
        )

    def is_in(self, prefer: str) -> bool:
        """Return whether the value of the header ``Prefer`` asks for it."""
        return self._pattern.search(prefer) is not None

    def add_applied(self, headers: MutableMapping[str, str]) -> None:
        """Tell the client that the response follows it (RFC 7240 3)."""
        applied = headers.get("Preference-Applied")
        headers["Preference-Applied"] = f"{applied}, {self._text}" if applied else self._text


NO_COUNT: Final = Preference("count", "none")
STRICT: Final = Preference("handling", "strict")
