"""One request of a client: sent, judged and counted.

Knows nothing of locust: requests go through a function that is given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from loadtests.figures import Figures
from loadtests.service import authorization, message_of

MAX_REASON_CHARACTERS = 200


class Answer(NamedTuple):
    """What came back. When nothing did, the status is 0 and `error` says why."""

    status: int
    headers: Mapping[str, str]  # whatever the case of their names
    content: bytes
    error: str = ""

    def json(self) -> Any:
        """Return the body.

        Raises
        ------
        ValueError : it is not JSON.
        """
        return json.loads(self.content)


#: Sends the method, URL, headers and body of a request.
Send = Callable[[str, str, dict[str, str], bytes | None], Answer]
#: Says what is wrong with the body of an expected answer, ``None`` if nothing is. It may raise
#: what a body of another shape makes it raise.
Problem = Callable[[Any], str | None]


class Account:
    """A user of the service, with the ETags of the records that it is known to have, by id."""

    def __init__(self, name: str, *, shared: bool = False) -> None:
        self.authorization = authorization(name)
        #: Whether several clients use it at once: each may lose a race against another.
        self.shared = shared
        self.etags: dict[str, str] = {}


def make_accounts(clients: int, prefix: str) -> list[Account]:
    """Return the account of each client: of five, two share one and three have their own."""
    shared = Account(f"{prefix}-shared", shared=True)
    return [
        shared if number % 5 >= 3 else Account(f"{prefix}-{number}") for number in range(clients)
    ]


class Exchange:
    """Sends the requests of an account, and counts them in the figures."""

    def __init__(self, account: Account, send: Send, figures: Figures) -> None:
        self._account = account
        self._send = send
        self._figures = figures

    def __call__(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        expected: Collection[int],
        in_race: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        problem: Problem | None = None,
    ) -> Answer | None:
        """Return the answer, ``None`` if it is a failure.

        Parameters
        ----------
        operation : under which name the request is counted.
        in_race : statuses that are expected too if other clients use the account.
        body : to be sent as JSON.
        problem : judges the body of an answer of status 200 or 201.
        """
        sent_headers = {"Authorization": self._account.authorization, **(headers or {})}
        content = None
        if body is not None:
            sent_headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        start = time.perf_counter()
        answer = self._send(method, url, sent_headers, content)
        latency_ms = (time.perf_counter() - start) * 1000
        statuses = {*expected, *(in_race if self._account.shared else ())}
        failure = _failure(answer, statuses, problem)
        self._figures.add(operation, latency_ms, failure and failure[:MAX_REASON_CHARACTERS])
        return answer if failure is None else None


def _failure(answer: Answer, statuses: set[int], problem: Problem | None) -> str | None:
    if answer.status == 0:
        return f"no answer: {answer.error}"
    if answer.status not in statuses:
        wanted = " or ".join(map(str, sorted(statuses)))
        message = _message(answer)
        return f"status {answer.status} instead of {wanted}" + (f", {message}" if message else "")
    if problem is None or answer.status not in (200, 201):
        return None
    try:
        return problem(answer.json())
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"status {answer.status}, with an unexpected body: {answer.content[:100]!r}"


def _message(answer: Answer) -> str:
    try:
        return message_of(answer.json())
    except ValueError:
        return ""
