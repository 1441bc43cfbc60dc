"""Two requests, of which the second comes at each moment of the first, one after the other."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any

import pytest

from cliquet.connections import memory, participants
from cliquet.permission.redis import joining
from cliquet.resource.shareable_model import ShareableModel
from cliquet.testing.bounded import Threads
from cliquet.transactions import own

# Longer than it takes to answer, unless the answer waits for the other request.
PAUSE_SECONDS = 0.05

# In the operation: what is read under the lock, and what is written. Then the ends of all parts of
# the transaction, in whatever order they come.
STEPS: tuple[tuple[Any, str], ...] = (
    (ShareableModel, "get_record"),
    (ShareableModel, "_write_permissions"),
    (ShareableModel, "_forget"),
)
ENDS: tuple[tuple[Any, str], ...] = (
    (own._Decision, "tpc_vote"),
    (participants.SQLDataManager, "tpc_vote"),
    (memory._MemoryDataManager, "tpc_finish"),
    (joining._Part, "commit"),
    (joining._Part, "tpc_vote"),
)


class Interleaving:
    """Lets a function in another thread come at one moment of another function.

    The moments are those after the methods above, and before them too where something ends, in the
    order in which the thread of the first function comes to them.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._thread = threading.get_ident()
        self._passed = 0
        self._chosen = -1
        self._second: Callable[[], Any] = lambda: None
        self._begun: Future[Any] | None = None
        self._threads = Threads(1)
        for owner, name in (*STEPS, *ENDS):
            watched = self._watched(getattr(owner, name), is_end=(owner, name) in ENDS)
            monkeypatch.setattr(owner, name, watched)

    def _watched(self, method: Callable[..., Any], *, is_end: bool) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            if is_end:
                self._pass()
            result = method(*args, **kwargs)
            self._pass()
            return result

        return watched

    def _pass(self) -> None:
        if threading.get_ident() != self._thread:
            return
        self._passed += 1
        if self._passed == self._chosen and self._begun is None:
            self._begun = self._threads.submit(self._second)
            # It may wait for the first one, which goes on then.
            wait([self._begun], timeout=PAUSE_SECONDS)

    def moments(self) -> Iterator[int]:
        """Yield the numbers of the moments, as long as the last run has come to its own."""
        moment = 1
        while moment == 1 or self._begun is not None:
            yield moment
            moment += 1

    def run(
        self, moment: int, first: Callable[[], Any], second: Callable[[], Any]
    ) -> tuple[Any, Any]:
        """Return what both functions do; ``None`` for a second one whose moment did not come."""
        self._passed, self._chosen, self._second, self._begun = 0, moment, second, None
        done = first()
        self._chosen = -1
        return done, None if self._begun is None else self._begun.result()

    def close(self) -> None:
        self._threads.shutdown()
