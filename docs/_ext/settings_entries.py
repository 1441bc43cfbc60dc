"""The entries of settings on their page, and links to them from wherever a page names one.

The directive ``settings`` stands under the title of a theme, and lists the names of its settings.
All that an entry says comes from the table in the code.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from cliquet import settings
from cliquet.scripts.production_ini import assignment_of
from cliquet.settings.of_resources import FAMILIES_OF_RESOURCES

PAGE = "reference/settings"
# As in the example service, which the pages use.
NAMES = {"module": "mushrooms", "resource": "mushroom"}
# The contract names settings of the original, and the changelog those of former releases.
_LINKED = ("api/", "deploy/", "examples/", "explanation/", "howto/", "reference/", "tutorial/")

logger = logging.getLogger(__name__)


def plain(text: str) -> str:
    """Return a text without markup as reStructuredText shows it."""
    return text.replace("*", r"\*")


def default_of(row: settings.Setting) -> str:
    """Return the default of a setting as a deployer would write it."""
    value = row.default
    if isinstance(value, tuple) and value:
        return f"{len(value)} names, see below"
    if value is None or value in ("", ()):
        return "nothing"
    return f"``{str(value).lower() if isinstance(value, bool) else value}``"


class Settings(SphinxDirective):
    """The entries of the settings whose names are the content, one in a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        names = [line.strip() for line in self.content if line.strip()]
        for name in names:
            if name not in settings.SETTINGS:
                raise self.error(f"there is no setting {name}")
        seen = self.env.__dict__.setdefault("cliquet_settings", [])
        seen += names
        rows = [settings.SETTINGS[name] for name in names]
        return self.parse_text_to_nodes("\n".join(map(entry, rows)))


def entry(row: settings.Setting) -> str:
    """Return the entry of a setting, as reStructuredText."""
    lines = [f".. setting:: {row.name}", "", f"   {plain(row.sentence)}", ""]
    lines += ["   .. rst-class:: facts", "", f"   {'  '.join(_facts(row))}", ""]
    if row.is_family:
        lines += ["   .. code-block:: ini", ""]
        lines += [f"      {line}" for line in assignment_of(row, NAMES)]
    return "\n".join([*lines, ""])


def _facts(row: settings.Setting) -> list[str]:
    unit = f" {row.unit}" if row.unit else ""
    default = default_of(row)
    facts = [f"Default: {default}{unit if default != 'nothing' else ''}."]
    facts.append(f"Value: {plain(row.parse.allowed)}{f', in{unit}' if unit else ''}.")
    if row.refusal is not None:
        facts.append(f"Beyond it: {plain(row.refusal)}.")
    if row.in_defaults or row in FAMILIES_OF_RESOURCES:
        variable, *_ = settings.environment_names(row.name, "")
        facts.append(f"In the environment: ``{variable}``.")
    if row.version_added != "3.1":
        facts.append(f"New in {row.version_added}.")
    return facts


class Bounds(SphinxDirective):
    """Links to the settings that bound requests, with what is beyond each bound."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for row in settings.SETTINGS.values():
            if row.refusal is None:
                continue
            unit = f" {row.unit}" if row.unit else ""
            lines += [f":setting:`{row.name}`", f"    {plain(row.sentence)}", ""]
            lines += ["    .. rst-class:: facts", ""]
            lines += [f"    Default: {default_of(row)}{unit}. Beyond it: {plain(row.refusal)}.", ""]
        return self.parse_text_to_nodes("\n".join(lines))


class SettingLinks(SphinxTransform):
    """Make a link of each name of a setting in running text."""

    default_priority = 410

    def apply(self, **kwargs: Any) -> None:
        docname = self.env.docname
        if not docname.startswith(_LINKED) or docname == PAGE:
            return
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext()
            if not _is_telling(name) or _is_inside_link(literal):
                continue
            link = pending_xref(
                "",
                refdoc=docname,
                refdomain="std",
                reftype="setting",
                reftarget=name,
                refexplicit=True,
                refwarn=True,
            )
            literal.parent.replace(literal, link)
            link += literal


def _is_telling(name: str) -> bool:
    # A word such as `vary` or `readonly` may mean something else.
    return name in settings.SETTINGS and ("_" in name or "." in name)


def _is_inside_link(literal: nodes.literal) -> bool:
    parent: Any = literal.parent
    while parent is not None and not isinstance(parent, nodes.Body):
        if isinstance(parent, (nodes.reference, nodes.title, pending_xref)):
            return True
        parent = parent.parent
    return False


def _forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    if docname == PAGE:
        env.__dict__["cliquet_settings"] = []


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of settings that the page leaves out, or has twice."""
    counts = Counter(env.__dict__.get("cliquet_settings", ()))
    for name in settings.SETTINGS:
        if counts[name] != 1:
            logger.warning(
                "the setting %s stands %d times below a theme of docs/%s.rst; once is right",
                name,
                counts[name],
                PAGE,
            )


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives, the role and the transform."""
    app.add_object_type("setting", "setting", "pair: %s; setting")
    app.add_directive("settings", Settings)
    app.add_directive("bounds", Bounds)
    app.add_transform(SettingLinks)
    app.connect("env-purge-doc", _forget)
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
