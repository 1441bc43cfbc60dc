"""How near two names are, for messages that ask what was meant, and what must be awaited."""

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.core.mistakes import differs_by, is_async


@pytest.mark.parametrize(
    ("one", "other", "number"),
    [
        ("process_record", "process_record", 0),
        ("proces_record", "process_record", 1),
        ("porcess_record", "process_record", 1),
        ("bracess_record", "process_record", 2),
        ("process_records", "process_record", 1),
        ("qrocezs_record", "process_record", 2),
        ("collection_get", "process_record", None),
    ],
)
def test_names_differ_by_letters(one: str, other: str, number: int | None) -> None:
    assert differs_by(one, other, 2) == number


@given(st.text("abcxyz", max_size=6), st.text("abcxyz", max_size=6), st.integers(0, 3))
def test_a_bound_takes_nothing_else_away(one: str, other: str, most: int) -> None:
    number = differs_by(one, other, 12)

    assert number is not None
    assert differs_by(one, other, most) == (number if number <= most else None)


async def coroutine() -> None:
    """Do nothing."""


async def generator() -> Any:
    yield


def plain() -> None:
    """Do nothing."""


class Calls:
    async def __call__(self) -> None:
        """Do nothing."""

    async def method(self) -> None:
        """Do nothing."""


@functools.wraps(plain)
async def named() -> None:
    """Do nothing."""


@pytest.mark.clause("E-8.19")
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (coroutine, True),
        (generator, True),
        (Calls(), True),
        (Calls().method, True),
        (functools.partial(coroutine), True),
        (named, True),
        (functools.wraps(coroutine)(lambda: None), False),
        (plain, False),
        (Calls, False),
        (print, False),
        (None, False),
        ("text", False),
    ],
)
def test_what_must_be_awaited(found: object, expected: bool) -> None:
    assert is_async(found) is expected
