"""One answer for all streams that ask the same question, in threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from cliquet.core.forks import in_child
from cliquet.core.lazy import LazyModule
from cliquet.feed.source import Page
from cliquet.feed.stream import Question

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["SharedAnswers", "is_useful"]

_MAX_KEPT: Final = 64

# Only services with streams need it.
_futures = LazyModule("concurrent.futures")


def is_useful(page: Page, question: Question) -> bool:
    """Return whether the answer to somebody else's question is one to this question too.

    An error may be theirs alone.
    """
    return page.status == 200 and page.judged_at > question.not_before


class SharedAnswers:
    """Remembers the latest answers, and those that are being read."""

    def __init__(self) -> None:
        self._forget()
        in_child(self, SharedAnswers._forget)

    def _forget(self) -> None:
        # The threads that read the answers stay in the parent of a fork.
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Page]] = OrderedDict()

    def answer(self, question: Question, read: Callable[[str], Page]) -> Page:
        """Return the answer to a question, which is read if nobody has asked it yet."""
        key = question.shared_as
        if key is None:
            return read(question.query)
        with self._lock:
            answer = self._answers.get(key)
            is_ours = answer is None or (answer.done() and not _has_use(answer, question))
            if answer is None or is_ours:
                answer = self._answers[key] = _futures.Future()
                while len(self._answers) > _MAX_KEPT:
                    self._answers.popitem(last=False)
        if is_ours:
            try:
                answer.set_result(read(question.query))
            except BaseException as error:
                answer.set_exception(error)
                raise
            return answer.result()
        page = None if answer.exception() is not None else answer.result()
        if page is None or not is_useful(page, question):
            return read(question.query)
        return page


def _has_use(answer: Future[Page], question: Question) -> bool:
    return answer.exception() is None and is_useful(answer.result(), question)
