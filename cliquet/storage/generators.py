"""The generators of record ids, which also decide which ids are acceptable."""

from __future__ import annotations

import os
import re
from typing import Any

__all__ = ["UUID4", "Generator"]

# The digit that says which kind of UUID it is has two random bits (RFC 9562 4.1).
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


class Generator:
    """Base class of the id generators (P-18.1).

    The class that the setting ``id_generator`` names is instantiated at start-up without arguments.

    Parameters
    ----------
    config : becomes an attribute, for subclasses that need it.

    Raises
    ------
    AssertionError : the generator does not accept an id that it has made (P-18.2).
    NotImplementedError : it is the base class itself, which makes no ids.
    """

    regexp = r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$"
    """Pattern of acceptable ids, which the whole text must match."""

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self._compiled = re.compile(self.regexp)
        if not self.match(self()):
            # It is raised here because an `assert` statement disappears with `python -O`.
            raise AssertionError("Generated record id does comply with regexp.")

    def match(self, record_id: str) -> bool:
        """Return whether the whole `record_id` is acceptable.

        A pattern that ends with `$` would also accept a final newline.
        """
        return self._compiled.fullmatch(record_id) is not None

    def __call__(self) -> str:
        """Return a new id."""
        raise NotImplementedError


class UUID4(Generator):
    """Random UUIDs, in lower case and with hyphens (P-18.3)."""

    regexp = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

    def __call__(self) -> str:
        # The standard library first makes an object of the text, which takes three times as long.
        text = os.urandom(16).hex()
        variant = _VARIANT[text[16]]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
