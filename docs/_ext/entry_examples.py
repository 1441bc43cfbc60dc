"""Puts the examples of ``docs/reference/entries.txt`` below the entries of their names."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from entry_texts import place_of, read
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Examples:
    """The examples by the names of entries, published or where they are defined."""

    def __init__(self) -> None:
        self._by_name: dict[str, str] = {}
        for example in read():
            if example.names != ("setup",):
                for name in example.names:
                    self._by_name[name] = self._by_name[".".join(place_of(name))] = example.text

    def add(
        self, app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
    ) -> None:
        """Add the example of a name to the lines of its docstring."""
        defined = f"{getattr(obj, '__module__', '')}.{getattr(obj, '__qualname__', '')}"
        text = self._by_name.get(name) or self._by_name.get(defined)
        if text is not None and what in ("class", "exception", "function", "data"):
            lines += ["", ".. rubric:: Example", "", ".. code-block:: pycon", ""]
            lines += [f"    {line}".rstrip() for line in text.splitlines()]
            lines.append("")


class EntryExample(SphinxDirective):
    """The example of a name whose entry is written by hand."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        for example in read():
            if self.arguments[0] in example.names:
                return [nodes.literal_block(example.text, example.text, language="pycon")]
        raise self.error(f"there is no example of {self.arguments[0]}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to autodoc, after the sections of the docstrings were rendered."""
    app.add_directive("entry-example", EntryExample)
    app.connect("autodoc-process-docstring", Examples().add, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
