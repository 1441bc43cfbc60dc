"""The tables of the contract say what the code does: defaults of settings, numbers of errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cliquet import settings
from cliquet.errors import ERRORS

CONTRACT = Path(__file__).parents[2] / "docs" / "contract"
CELL = re.compile(r"(?:\* )?- +(.*)")


def rows_of(page: str, start: str, end: str) -> list[list[str]]:
    """Return the rows of the tables between two texts of a page, a text for each cell."""
    text = (CONTRACT / page).read_text("utf-8")
    part = text[text.index(start) : text.index(end, text.index(start))]
    rows: list[list[str]] = []
    for line in part.splitlines():
        found = CELL.fullmatch(line.strip())
        if found is None:
            continue
        if line.strip().startswith("* - "):
            rows.append([])
        if rows:
            rows[-1].append(found[1].strip("`"))
    return rows


@pytest.mark.clause("S-4")
def test_the_contract_has_the_default_of_each_setting() -> None:
    rows = rows_of("settings.rst", "4. Internal defaults", "5. Initialization sequence")
    told = {name: row[1] for row in rows for name in row[0].replace("`", "").split(", ")}

    in_defaults = {row.name for row in settings.SETTINGS.values() if row.in_defaults}
    # These are described in words: a list of names, and two that follow other settings.
    described = {"initialization_sequence", "http_api_version", "vary"}
    assert in_defaults <= set(told)
    for name in sorted(in_defaults - described):
        default = settings.SETTINGS[name].default
        shown = told[name].strip("'")
        assert shown == ("()" if default == () else str(default)), name


@pytest.mark.clause("H-26.2")
def test_the_contract_has_the_number_name_and_status_of_each_error() -> None:
    rows = rows_of("http-service.rst", "- **H-26.2**", "- **H-26.3**")
    told = {int(row[0]): (row[1], row[2]) for row in rows if row[0].isdigit()}

    assert set(told) == {error.value for error in ERRORS}
    for error in ERRORS:
        name, statuses = told[error.value]
        assert name == error.name
        assert not statuses[0].isdigit() or str(error.status) in statuses
