"""Judges every statement that a suite of tests has PostgreSQL run (E-9.3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from support.statements import record

__all__ = ["judging"]

# Statements that only differ in their values have the same shape.
_known: set[tuple[str, bool]] = set()


def judging(
    monkeypatch: pytest.MonkeyPatch, *clients: Any, has_shards: bool = False
) -> Iterator[None]:
    """Record what clients send during a test; afterwards, fail if Citus would refuse it.

    Parameters
    ----------
    has_shards : whether they send what is only sent if a resource has shards.
    """
    sent = [record(client, monkeypatch) for client in dict.fromkeys(clients)]
    yield
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    allowed = shapes.ALLOWED + shapes.BESIDE_REQUESTS + (shapes.OVER_SHARDS if has_shards else ())
    for text in itertools.chain.from_iterable(sent):
        shape = shapes.shape_of(text)
        if (shape, has_shards) not in _known:
            problems = shapes.unexplained_problems_of(text, allowed, over_shards=has_shards)
            assert problems == set(), f"{problems}: {text[:2000]}"
            _known.add((shape, has_shards))
