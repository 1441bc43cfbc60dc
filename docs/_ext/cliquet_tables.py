"""Tables of the documentation that come from the code: settings, errors, clauses and tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clause_marks import clause_order, collect_clauses
from clause_texts import Clause, read_clauses
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cliquet import settings
from cliquet.errors import ERRORS
from cliquet.web import problems
from cliquet.web.problem_types import TYPES, example

ROOT = Path(__file__).parents[2]

DOCUMENTS = {
    "H": "HTTP protocol: behaviour",
    "D": "HTTP protocol: defects not to repeat",
    "X": "HTTP protocol: decisions",
    "S": "Settings",
    "P": "Python API",
    "B": "Backends",
    "E": "Beyond the original",
}


def list_table(header: Sequence[str], rows: Iterable[Sequence[str]], widths: str) -> str:
    """Return the reStructuredText of a table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}".rstrip())
    return "\n".join([*lines, ""])


class InitializationSequence(SphinxDirective):
    """The default of the setting ``initialization_sequence``, as an .ini file writes it."""

    def run(self) -> list[nodes.Node]:
        names = settings.SETTINGS["initialization_sequence"].default
        text = "cliquet.initialization_sequence =\n    " + "\n    ".join(names)
        return [nodes.literal_block(text, text, language="ini")]


class ErrorsTable(SphinxDirective):
    """Every member of ``ERRORS``."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                f":ref:`{error.value} <errno-{error.value}>`",
                f"``{error.name}``",
                str(error.status),
                error.sentence or "",
            )
            for error in ERRORS
        ]
        header = ("errno", "Name", "Status", "Usual message")
        return self.parse_text_to_nodes(list_table(header, rows, "10 30 10 50"))


class ErrorSections(SphinxDirective):
    """A section for each member of ``ERRORS``, with the words of the pages of the service."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(
            "\n".join(map(self.section_of, ERRORS)), allow_section_headings=True
        )

    @staticmethod
    def section_of(error: ERRORS) -> str:
        """Return the reStructuredText of a section, which ``errno-111`` and the like name."""
        kind = TYPES[error]
        title = f"{error.value}: {kind.title}"
        problem = problems.problem(
            example(error), error.status, f"/v1{problems.PAGES_PATH}{error.value}"
        )
        shown = json.dumps(problem, indent=2).splitlines()
        return "\n".join(
            (
                f".. _errno-{error.value}:",
                "",
                title,
                "-" * len(title),
                "",
                f"Status {error.status}, ``cliquet.errors.ERRORS.{error.name}``",
                "",
                f"**When the service sends it.** {kind.meaning}",
                "",
                f"**What a client should do.** {kind.advice}",
                "",
                ".. code-block:: json",
                "",
                *(f"   {line}" for line in shown),
                "",
            )
        )


class ClausesTable(SphinxDirective):
    """The clauses of the contract, each with its text and the tests that cite it."""

    def run(self) -> list[nodes.Node]:
        tests = collect_clauses(ROOT)
        clauses = sorted(read_clauses(ROOT / "docs" / "contract"), key=_order)
        parts: list[nodes.Node] = []
        for letter, title in DOCUMENTS.items():
            rows = [
                (
                    clause.number,
                    clause.text,
                    ", ".join(f"``{test}``" for test in sorted(tests.get(clause.number, ()))),
                )
                for clause in clauses
                if clause.number.startswith(f"{letter}-")
            ]
            text = f".. rubric:: {title} ({len(rows)} clauses)\n\n"
            text += list_table(("Clause", "Text", "Tests"), rows, "10 50 40")
            parts += self.parse_text_to_nodes(text)
        return parts


def _order(clause: Clause) -> list[tuple[int, str]]:
    return clause_order(clause.number)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("initialization-sequence", InitializationSequence)
    app.add_directive("errors-table", ErrorsTable)
    app.add_directive("error-sections", ErrorSections)
    app.add_directive("clauses-table", ClausesTable)
    # The tables change with the code and not with the pages: they are made anew on each build.
    pages = ["reference/settings", "reference/limits", "api/errors", "reference/errors", "clauses"]
    app.connect("env-get-outdated", lambda *_: pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
