"""Every setting has a test that changes it and sees its effect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cliquet.settings import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def marked() -> dict[str, set[str]]:
    """The tests that bear the mark of each setting."""
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import clause_marks
    finally:
        sys.path.pop(0)
    found: dict[str, set[str]] = clause_marks.collect(ROOT, "setting")
    return found


def test_every_setting_has_a_test_of_its_effect(marked: dict[str, set[str]]) -> None:
    missing = [name for name in SETTINGS if name not in marked]

    assert missing == [], "mark a test of its effect with @pytest.mark.setting(name)"


def test_every_mark_names_a_setting(marked: dict[str, set[str]]) -> None:
    assert {name: tests for name, tests in marked.items() if name not in SETTINGS} == {}
