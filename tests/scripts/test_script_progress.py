"""The bar on a terminal, and the lines elsewhere."""

import io
from typing import Any

import pytest
from support.clocks import Clock

from cliquet.scripts.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    """Seconds, that the test moves."""
    return Clock(0.0)


def shown(stream: Any, clock: Clock, steps: Any, total: Any) -> Any:
    """Return what is written when the work is one step further each second."""
    with Progress(stream, clock=clock) as progress:
        for done in range(1, steps + 1):
            clock.now += 1
            progress.tell(f"{done} of {total}", done, total)
    return stream.getvalue()


@pytest.mark.clause("E-7.3")
def test_a_file_gets_a_line_from_time_to_time(clock: Clock) -> None:
    assert shown(io.StringIO(), clock, 12, 12) == (
        " 42% 5 of 12, 1.0/s, 0:07 left\n 83% 10 of 12, 1.0/s, 0:02 left\n"
    )


@pytest.mark.clause("E-7.3")
def test_a_terminal_gets_a_bar_that_is_erased_in_the_end(clock: Clock) -> None:
    erase = "\r\x1b[K"
    assert shown(Terminal(), clock, 2, 2) == (
        f"{erase}[############            ]  50% 1 of 2, 1.0/s, 0:01 left"
        f"{erase}[########################] 100% 2 of 2, 1.0/s"
        f"{erase}"
    )


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize("total", [0, 1])
def test_there_may_be_more_to_do_than_was_known(clock: Clock, total: int) -> None:
    assert "100% 3 of" in shown(Terminal(), clock, 3, total)


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize(
    ("seconds", "done", "total", "speed"),
    [
        (1, 5_000, 20_000, "5,000/s, 0:03 left"),
        (10, 1, 100, "0.1/s, 16:30 left"),
        (10, 1, 3_601, "0.1/s, 10:00:00 left"),
        (10, 0, 100, "0 of 100"),
    ],
)
def test_the_speed_tells_how_long_the_rest_takes(
    clock: Clock, seconds: int, done: int, total: int, speed: str
) -> None:
    stream = io.StringIO()

    with Progress(stream, clock=clock) as progress:
        clock.now += seconds + 5
        progress._began_at += 5
        progress.tell(f"{done} of {total}", done, total)

    assert stream.getvalue().endswith(f"{speed}\n")


@pytest.mark.clause("E-7.3")
def test_without_a_total_there_is_no_bar(clock: Clock) -> None:
    for stream, line in ((Terminal(), "\r\x1b[Ksome\r\x1b[K"), (io.StringIO(), "some\n")):
        with Progress(stream, clock=clock) as progress:
            clock.now += 5
            progress.tell("some")
        assert stream.getvalue() == line


@pytest.mark.clause("E-7.3")
def test_a_line_never_wraps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()

    with Progress(stream, clock=clock) as progress:
        clock.now += 1
        progress.tell("x" * 100)

    assert stream.getvalue().count("x") == 19
