"""Ids of objects: names that people choose."""

import random
from typing import Any

from cliquet.storage import generators


class NameGenerator(generators.Generator):
    """Makes 8 letters up where the client gives no name."""

    def __call__(self) -> Any:
        return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=8))
