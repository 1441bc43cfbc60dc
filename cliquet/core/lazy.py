"""Modules and regular expressions that are loaded when they are first used.

A service that does not use them starts faster, and is smaller. It is for modules that only rare
requests or settings need: of packages that are installed with the library, or of the library
itself, where the rules of its layers hold for them as for an import.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["LazyModule", "lazy_pattern", "load_name"]


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
        if attribute.startswith("__"):
            # The scan of Pyramid asks all objects of a module for such a name.
            raise AttributeError(f"{self._name} is not imported for {attribute}")
        # Nothing is kept here, so that a test that replaces a name in the module is seen.
        return getattr(importlib.import_module(self._name), attribute)


def load_name(module: str, homes: Mapping[str, str], name: str) -> Any:
    """Return an object for the ``__getattr__`` of a module that publishes it, and keep it there.

    Parameters
    ----------
    module : name of the module that is asked.
    homes : the names that it publishes in this way, and the module where each is defined.

    Raises
    ------
    AttributeError : the module has no such name (PEP 562).
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(homes[name]), name)
    vars(sys.modules[module])[name] = value
    return value


def lazy_pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return a regular expression that is compiled at its first use.

    To compile one of several lines takes as long as to import a module. This is for those that most
    processes never need, such as those of secrets, which only errors are searched for.
    """
    return cast("re.Pattern[str]", _LazyPattern(text, flags))


class _LazyPattern:
    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            # A copy asks for such names before it has a text.
            raise AttributeError(attribute)
        # It is kept, so that later uses cost nothing more.
        value = getattr(re.compile(self._text, self._flags), attribute)
        self.__dict__[attribute] = value
        return value
