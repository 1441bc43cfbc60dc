"""The character NUL, which PostgreSQL cannot store."""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["dumped", "holds_nul"]


def holds_nul(value: Any) -> bool:
    """Return whether a JSON value contains NUL, and not only the six characters of its escape."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def dumped(data: dict[str, Any]) -> str:
    """Return the JSON text of a record.

    Raises
    ------
    TypeError : it contains the character.
    """
    text = orjson.dumps(data)
    if b"\\u0000" in text and holds_nul(data):
        raise TypeError("PostgreSQL cannot store the character NUL.")
    return text.decode()
