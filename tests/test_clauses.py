"""Every clause of the HTTP protocol is cited by a test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# How many clauses each section of the contract has.
SECTIONS = {
    1: 7, 2: 16, 3: 14, 4: 13, 5: 18, 6: 11, 7: 10, 8: 18, 9: 12, 10: 11, 11: 8, 12: 20, 13: 7,
    14: 13, 15: 8, 16: 7, 17: 6, 18: 3, 19: 8, 20: 13, 21: 4, 22: 5, 23: 8, 24: 11, 25: 24, 26: 13,
    27: 3, 28: 6, 29: 14, 30: 6, 31: 4, 32: 3, 33: 3, 34: 7,
}  # fmt: skip
DEFECTS = 76
DECISIONS = 27

CLAUSES = [
    *(f"H-{section}.{n}" for section, last in SECTIONS.items() for n in range(1, last + 1)),
    *(f"D-{n}" for n in range(1, DEFECTS + 1)),
    *(f"X-{n}" for n in range(1, DECISIONS + 1)),
]


@pytest.fixture(scope="module")
def cited():
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import clause_marks
    finally:
        sys.path.pop(0)
    return clause_marks.collect_clauses(ROOT)


def test_every_clause_of_the_protocol_is_cited_by_a_test(cited):
    assert [clause for clause in CLAUSES if clause not in cited] == []
