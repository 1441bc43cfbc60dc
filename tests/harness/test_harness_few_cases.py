"""A quick run keeps a few cases of each test, and a witness of each behaviour."""

import re
import sys
from pathlib import Path

import pytest
from servers.starting import run_program
from support.few_cases import few_cases, spread

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (1, [0]),
        (2, [0, 9]),
        (3, [0, 4, 9]),
        (4, [0, 3, 6, 9]),
        (10, [*range(10)]),
        (11, [*range(10)]),
    ],
)
def test_cases_lie_evenly_between_the_first_and_the_last(most: int, kept: list[int]) -> None:
    assert spread(range(10), most) == kept


def test_each_test_keeps_some_of_its_cases(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    functions = {item.nodeid.partition("[")[0] for item in items}

    kept = few_cases(items, 1)

    assert sorted(item.nodeid.partition("[")[0] for item in kept) == sorted(functions)


def test_the_command_line_says_how_many(processes: None) -> None:
    tested = f"{__file__}::{test_cases_lie_evenly_between_the_first_and_the_last.__name__}"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]

    run = run_program(
        [*command, "--most-cases", "2", tested], cwd=ROOT, capture_output=True, text=True
    )

    assert re.search(r"2 passed in", run.stdout), run.stdout
