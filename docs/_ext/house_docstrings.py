"""Render the docstrings of the house: their sections, and the public names they refer to.

The house writes ``name : meaning`` under ``Parameters``, since types live in annotations. Napoleon
would take the meaning for a type, and look each of its words up as a class. Hence this small
reading of the same sections: each becomes a heading and a definition list.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

SECTIONS = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Notes")
_ITEM = re.compile(r"(?P<names>[\w.*]+(?:, [\w.*]+)*) : (?P<meaning>.*)")


def render_sections(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with its sections as reStructuredText."""
    rendered: list[str] = []
    underline = ""
    in_item = False
    for number, line in enumerate(lines):
        if underline and line == underline:
            underline = ""
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        item = _ITEM.fullmatch(line)
        if line in SECTIONS and following == "-" * len(line):
            rendered += ["", f".. rubric:: {line}", ""]
            underline, in_item = following, False
        elif item:
            names = ", ".join(f"``{name}``" for name in item["names"].split(", "))
            rendered += ["", names, f"    {item['meaning']}"]
            in_item = True
        else:
            if in_item and line and not line.startswith(" "):
                rendered.append("")
                in_item = False
            rendered.append(line)
    return rendered


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = render_sections(lines)


def _resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.reference | None:
    """Lead from a name that a package re-exports to the module that defines it."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("cliquet."):
        return None
    package, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(package), name)
        defined = f"{found.__module__}.{found.__qualname__}"
    except (ImportError, AttributeError):
        return None
    if defined == target:
        return None
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], defined, node, contnode
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to autodoc and to the resolution of references."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("missing-reference", _resolve_public_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
