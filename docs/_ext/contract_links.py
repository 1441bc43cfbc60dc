"""Anchors of the clauses in ``docs/contract``, and links that lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clause_texts import NUMBER, section_of
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

# Pages whose mentions of clauses become links.
_LINKED = ("contract/", "clauses")


class ClauseAnchors(SphinxTransform):
    """Give each clause of a page an anchor, and its section one by the number of the section."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        if not self.env.docname.startswith("contract/"):
            return
        for title in self.document.findall(nodes.title):
            if (found := NUMBER.match(title.astext())) is not None:
                self._register(found[0], title.parent)
        for item in self.document.findall(nodes.list_item):
            number = _number_of(item)
            if number is None:
                continue
            self._register(number, item)
            section = item.parent
            while not isinstance(section, nodes.section):
                section = section.parent
            if section_of(number) != number and not self._is_known(section_of(number)):
                self._register(section_of(number), section)

    def _is_known(self, number: str) -> bool:
        return number.lower() in self.env.get_domain("std").data["labels"]

    def _register(self, number: str, node: nodes.Element) -> None:
        anchor = number.lower().replace(".", "-")
        node["ids"].append(anchor)
        domain = self.env.get_domain("std")
        domain.data["anonlabels"][number.lower()] = self.env.docname, anchor
        domain.data["labels"][number.lower()] = self.env.docname, anchor, number


class ClauseLinks(SphinxTransform):
    """Make links of the numbers of clauses in running text."""

    default_priority = 410

    def apply(self, **kwargs: Any) -> None:
        if not self.env.docname.startswith(_LINKED):
            return
        for text in list(self.document.findall(nodes.Text)):
            if _is_linkable(text):
                parts = list(_with_links(text.astext(), self.env.docname))
                if len(parts) > 1:
                    text.parent.replace(text, parts)


def _number_of(item: nodes.list_item) -> str | None:
    first = item.next_node(nodes.paragraph)
    if first is None or not first.children or not isinstance(first[0], nodes.strong):
        return None
    text = first[0].astext()
    return text if NUMBER.fullmatch(text) else None


def _is_linkable(text: nodes.Text) -> bool:
    parent: Any = text.parent
    while parent is not None and not isinstance(parent, nodes.Body):
        if isinstance(
            parent, (nodes.literal, nodes.strong, nodes.title, nodes.reference, nodes.label)
        ):
            return False
        parent = parent.parent
    return not isinstance(parent, nodes.literal_block)


def _with_links(text: str, docname: str) -> Iterator[nodes.Node]:
    position = 0
    for found in NUMBER.finditer(text):
        if found.start() > position:
            yield nodes.Text(text[position : found.start()])
        link = pending_xref(
            "",
            nodes.inline("", found[0]),
            refdoc=docname,
            refdomain="std",
            reftype="ref",
            reftarget=found[0].lower(),
            refexplicit=True,
            refwarn=True,
        )
        yield link
        position = found.end()
    if position < len(text):
        yield nodes.Text(text[position:])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the transforms."""
    app.add_transform(ClauseAnchors)
    app.add_transform(ClauseLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
