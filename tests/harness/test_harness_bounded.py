"""Programs that never end fail the test that waits for them, and are killed."""

import subprocess

import pytest
from servers import starting
from servers.starting import run_program, start_process

pytestmark = pytest.mark.usefixtures("processes")

# Its child holds the pipe, as the workers of a server do.
ENDLESS = ["/bin/sh", "-c", "sleep 60 & echo begun; wait"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "LONGEST_RUN_SECONDS", 0.3)


def test_a_wait_for_a_program_that_does_not_end_kills_it() -> None:
    process = start_process(ENDLESS, stdout=subprocess.DEVNULL)

    with pytest.raises(AssertionError, match=r"killed after 0.3 s: \['/bin/sh'"):
        process.wait(timeout=None)
    assert process.wait(60) == -9


def test_what_is_read_of_a_program_that_does_not_end_ends() -> None:
    with start_process(ENDLESS, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "begun\n"
    assert process.returncode == -9


def test_a_program_whose_readers_have_bounds_of_their_own_lives_on() -> None:
    with start_process(["sleep", "1"], stdout=subprocess.PIPE, lives_on=True) as process:
        assert process.wait(60) == 0


def test_a_program_that_is_run_to_its_end_has_one() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_program(["sleep", "60"])
