"""The templates of the files that commands write, which are in the folder ``templates``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

__all__ = ["render"]

# This is not the `$` of `string.Template`, because a Makefile is full of dollar signs.
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def render(template: str, values: Mapping[str, str]) -> str:
    """Return the text of a template with each ``{{name}}`` replaced by its value.

    Parameters
    ----------
    template : name of a file in the folder ``templates``.

    Raises
    ------
    KeyError : a name has no value.
    """
    file = resources.files("cliquet.scripts") / "templates" / template
    text = file.read_text("utf-8")
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
