"""Modules that are imported when something in them is first used.

A service that does not use them starts faster, and is smaller. It is for packages that only rare
requests or settings need, and that are installed with the library.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["LazyModule"]


class LazyModule:
    """Stands for a module, and imports it when one of its attributes is read.

    `importlib.util.LazyLoader` is not used: before Python 3.13 it lets a second thread see the
    module before it is complete, and it changes what others import.

    Parameters
    ----------
    name : name of the module, such as ``jsonpatch``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # Nothing is kept here, so that a test that replaces a name in the module is seen.
        return getattr(importlib.import_module(self._name), attribute)
