"""A part of the tests that still asks each question: a few of the cases of each test.

Over half of all tests are cases of products: each malformed request, each row of a table. A change
that breaks one of them most often breaks a neighbour too, so a quick run needs only some.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from servers.starting import starts_a_server

T = TypeVar("T")


def spread(cases: Sequence[T], most: int) -> list[T]:
    """Return at most so many, in their order: the first, the last and what lies evenly between.

    Parameters of several kinds, as the backends, vary most slowly or fastest: both are met so.
    """
    if len(cases) <= most:
        return list(cases)
    step = (len(cases) - 1) / max(most - 1, 1)
    return [cases[round(number * step)] for number in range(most)]


def few_cases(items: Iterable[pytest.Item], most: int) -> set[pytest.Item]:
    """Return those to run, where each test has so many cases at most."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {item for those in cases.values() for item in spread(those, most)}


def few_calls(calls: Sequence[Any], most: int) -> list[Any]:
    """Return those of the cases of a test of which :func:`few_cases` can choose so many.

    Marks leave out some of them later: of each combination of marks there are so many.
    """
    alike: dict[object, list[int]] = {}
    for number, call in enumerate(calls):
        marks = *sorted(mark.name for mark in call.marks), starts_a_server(call.params)
        alike.setdefault(marks, []).append(number)
    kept = itertools.chain.from_iterable(spread(numbers, most) for numbers in alike.values())
    return [calls[number] for number in sorted(kept)]


def set_examples(most: int | None) -> None:
    """Let each property take its time, and be tried on so many examples unless it says how many."""
    settings.register_profile(
        "tests",
        max_examples=100 if most is None else most,
        # A machine that is busy, so that examples take long, is no defect of the tests.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("tests")
