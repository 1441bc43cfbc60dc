"""Judges every statement that a suite of tests has PostgreSQL run (E-9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.statements import record

__all__ = ["judging"]

# Statements that only differ in their values have the same shape.
_known: set[str] = set()


def judging(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Record what a client sends during a test; afterwards, fail if Citus would refuse it."""
    sent = record(client, monkeypatch)
    yield
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    for text in sent:
        shape = shapes.shape_of(text)
        if shape not in _known:
            allowed = shapes.ALLOWED + shapes.BESIDE_REQUESTS
            problems = shapes.unexplained_problems_of(text, allowed)
            assert problems == set(), f"{problems}: {text[:2000]}"
            _known.add(shape)
