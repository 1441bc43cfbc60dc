"""What tests leave behind for the garbage collector, in a run that is to be over soon.

To free an application takes as long as to make one: its ten thousand objects refer to each other in
cycles, so that the collector has to visit them several times. A run of some thousand tests can keep
them all, in about a gigabyte of memory for each of two workers.
"""

import contextlib
import gc
from collections.abc import Iterator

import pytest

# Ten million objects take less than two gigabytes.
MOST_OBJECTS = 10_000_000


class KeptGarbage:
    """A plug-in of pytest that leaves what a test has made where it is.

    Collections during a test, its own or those that it asks for, look at its own objects only.
    """

    def __init__(self) -> None:
        self._objects = 0

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self) -> None:
        self._objects += gc.get_count()[0]
        if self._objects > MOST_OBJECTS:
            self._objects = 0
            gc.unfreeze()
            gc.collect()
        gc.freeze()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector, which may call anything at any time, out of what is counted."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
