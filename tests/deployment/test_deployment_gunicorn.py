"""What gunicorn adds: reload, processes that are replaced, and loading before the fork."""

import http.client
import itertools
import os
import signal
import threading
from typing import Any

import pytest
from processes.client import at_once

from cliquet.testing.bounded import Thread, run_until
from deployment.service import (
    GUNICORN,
    MUSHROOMS,
    SERVERS,
    deployed,
    on_postgresql,
    slow_request,
    wait_until,
)


def answering_processes(service: Any) -> set[Any]:
    """Return the ids of the processes that answer several requests at once."""
    answers = at_once([lambda: service.send("GET", "/v1/")] * 6)
    return {int(answer.headers["x-worker"]) for answer in answers}


@pytest.mark.clause("E-9.1")
@pytest.mark.usefixtures("processes")
def test_a_reload_answers_every_request() -> None:
    with deployed(SERVERS["gunicorn sync"]) as service:
        answers, is_over = [], threading.Event()

        def keep_creating() -> None:
            answers.extend(service.create("Morel") for _ in run_until(is_over))

        threads = [Thread(target=keep_creating) for _ in range(3)]
        for thread in threads:
            thread.start()
        before = wait_until(lambda: answering_processes(service))
        service.signal(signal.SIGHUP)
        wait_until(lambda: service.log().count("Worker exiting") >= service.server.processes)
        wait_until(lambda: not answering_processes(service) & before)
        is_over.set()
        for thread in threads:
            thread.join()

        assert {answer.status for answer in answers} == {201}
        assert len(service.stored_names()) == len(answers)


@pytest.mark.clause("H-34.1", "E-1.4")
@pytest.mark.usefixtures("processes")
def test_a_process_that_is_killed_loses_its_request_and_nothing_that_was_acknowledged() -> None:
    with deployed(SERVERS["gunicorn sync"]) as service:
        assert service.create("before").status == 201
        with slow_request(service) as outcomes:
            killed = wait_until(service.has_begun)
            os.kill(killed, signal.SIGKILL)
            assert service.create("after").status == 201
            assert isinstance(wait_until(lambda: outcomes)[0], (OSError, http.client.HTTPException))

        assert service.names() == ["after", "before"]
        # Another one takes its place.
        wait_until(lambda: len(answering_processes(service) - {killed}) == 2)


@pytest.mark.clause("E-9.1")
def test_processes_do_not_share_connections_that_were_opened_before_the_fork(
    postgresql_url: str,
) -> None:
    server = GUNICORN._replace(
        command=(*GUNICORN.command, "--preload"), ready="Booting worker with pid"
    )
    with deployed(server, on_postgresql(postgresql_url), migrates=True) as service:

        def creations() -> list[Any]:
            return [service.create("Cep") for _ in range(10)]

        answers: list[Any] = []

        def have_all_answered() -> bool:
            answers.extend(itertools.chain(*at_once([creations] * 6)))
            return len({answer.headers["x-worker"] for answer in answers}) == server.processes

        # On a busy machine, one of them may be slow to begin.
        wait_until(have_all_answered)

        assert {answer.status for answer in answers} == {201}
        assert len({answer.data["last_modified"] for answer in answers}) == len(answers)
        listed = service.send("GET", MUSHROOMS)
        assert listed.headers["total-records"] == str(len(answers))
