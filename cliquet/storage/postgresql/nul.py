"""The character NUL, which PostgreSQL cannot store."""

from __future__ import annotations

from typing import Any

__all__ = ["holds_nul"]


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
