"""Record ids: how they are made, and which ones are acceptable."""

from __future__ import annotations

import re
import uuid
from typing import Any

__all__ = ["UUID4", "Generator"]


class Generator:
    """Base of the id generators (P-18.1, B-8.1).

    The class named by the setting ``id_generator`` is instantiated at start-up without argument.

    Parameters
    ----------
    config : kept as attribute, for subclasses that need it.

    Raises
    ------
    AssertionError : an id that it made is not one that it accepts (P-18.2).
    NotImplementedError : on the base class itself, which makes no id.
    """

    regexp = r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$"
    """Which ids are acceptable: the whole text must match."""

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self._compiled = re.compile(self.regexp)
        if not self.match(self()):
            # Raised by hand: an `assert` statement disappears under `python -O` (B-8.3).
            raise AssertionError("Generated record id does comply with regexp.")

    def match(self, record_id: str) -> bool:
        """Return whether `record_id` is acceptable, as a whole.

        `$` alone would let a final newline through (P-34.16).
        """
        return self._compiled.fullmatch(record_id) is not None

    def __call__(self) -> str:
        """Return a new id."""
        raise NotImplementedError


class UUID4(Generator):
    """Random UUIDs, in lower case and with hyphens (B-8.4, P-18.3)."""

    regexp = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

    def __call__(self) -> str:
        return str(uuid.uuid4())
