"""The same requests, in the same order, to applications on every family of backends."""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cliquet.testing.web import basic_auth
from processes.application import make_application
from processes.backends import FAMILIES, fresh_backends
from processes.requests import Requests
from processes.transcripts import Transcript

REQUESTS = 350
# In the two last the first requests to a collection fail.
SEEDS = range(30) if os.environ.get("CLIQUET_TEST_FULL") else (0, 8, 26)


class Subject:
    """One application and its transcript."""

    def __init__(self, family: Any, settings: Any) -> None:
        self.family = family
        self.client = make_application(
            {**settings, "id_generator": "processes.application.OrderedIds"}
        )
        registry = self.client.app.registry
        for backend in (registry.storage, registry.permission, registry.cache):
            backend.initialize_schema()
            backend.flush()
        self.transcript = Transcript()

    def answer(self, step: Any) -> Any:
        """Send a request, and return its response, normalised."""
        resolve = self.transcript.resolve
        headers = {name: resolve(value) for name, value in step.headers.items()}
        body = None if step.body is None else resolve(step.body, in_json=True).encode()
        response = self.client.request(
            resolve(step.url),
            method=step.method,
            headers={**basic_auth(step.user), **headers},
            body=body or b"",
            expect_errors=True,
        )
        return self.transcript.read(
            step, response.status_code, response.headers, response.body.decode()
        )


@pytest.fixture(scope="module")
def subjects(processes: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    """One application on each family of backends."""

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with contextlib.ExitStack() as stack:
        settings = {
            family: stack.enter_context(fresh_backends(family, postgresql_server))
            for family in FAMILIES
        }
        yield lambda: [Subject(*pair) for pair in settings.items()]


@pytest.mark.clause("B-6.19", "X-16", "X-22", "X-26", "D-31", "D-67")
@pytest.mark.parametrize("seed", SEEDS)
def test_all_storages_answer_the_same(subjects: Callable[..., Any], seed: int) -> None:
    reference, *others = subjects()
    requests = Requests(random.Random(seed), reference.transcript)
    statuses = Counter()

    for number in range(REQUESTS):
        step = requests.next()
        expected = reference.answer(step)
        statuses[expected.status] += 1
        assert expected.status < 500, (number, step, expected)
        for other in others:
            found = other.answer(step)
            assert found == expected, (other.family, number, step)

    for other in others:
        assert other.transcript.order() == reference.transcript.order()
    # The requests are what they are meant to be: all sorts.
    assert {200, 201, 400, 403, 404, 412} <= set(statuses)
