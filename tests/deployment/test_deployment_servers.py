"""The example service under each of the servers that the documentation names."""

import itertools
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from processes.client import Client, at_once

from deployment.service import (
    MUSHROOMS,
    SERVERS,
    Service,
    deployed,
    slow_request,
    wait_until,
)

CLIENTS = 6


@pytest.fixture(scope="module", params=SERVERS)
def service(processes: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The service on SQLite, in two processes where the server has them."""
    with deployed(SERVERS[request.param]) as running:
        yield running


@pytest.fixture
def client(service: Any) -> Iterator[Any]:
    made = service.client()
    yield made
    made.close()


@pytest.mark.clause("H-10.1")
def test_a_record_is_created_read_modified_under_conditions_and_deleted(client: Client) -> None:
    created = client.send("POST", MUSHROOMS, {"data": {"name": "Morel"}})
    path = f"{MUSHROOMS}/{created.data['id']}"
    read = client.send("GET", path)
    etag = read.headers["etag"]
    modified = client.send("PATCH", path, {"data": {"edible": True}}, If_Match=etag)
    refused = client.send("PATCH", path, {"data": {"edible": False}}, If_Match=etag)
    unchanged = client.send("GET", path, If_None_Match=modified.headers["etag"])
    deleted = client.send("DELETE", path)
    gone = client.send("GET", path)

    answers = (created, read, modified, refused, unchanged, deleted, gone)
    assert [answer.status for answer in answers] == [201, 200, 200, 412, 304, 200, 404]
    changes = client.send("GET", f"{MUSHROOMS}?_since={read.data['last_modified']}").data
    assert [change["id"] for change in changes if change.get("deleted")] == [created.data["id"]]


@pytest.mark.clause("E-1.4", "E-9.1")
def test_simultaneous_creations_are_all_kept_at_times_of_their_own(service: Service) -> None:
    def creations() -> list[Any]:
        return [service.create("Cep") for _ in range(5)]

    answers = list(itertools.chain(*at_once([creations] * CLIENTS)))

    assert [answer.status for answer in answers] == [201] * len(answers)
    times = {answer.data["last_modified"] for answer in answers}
    assert len(times) == len(answers)
    listed = {record["id"] for record in service.send("GET", MUSHROOMS).data}
    assert listed >= {answer.data["id"] for answer in answers}


@pytest.mark.clause("E-9.1", "H-9.5")
def test_processes_agree_on_etags(service: Service) -> None:
    written = service.create("Truffle")
    answers = {}

    def everybody_answered() -> bool:
        read = at_once([lambda: service.send("GET", MUSHROOMS)] * CLIENTS)
        answers.update((answer.headers["x-worker"], answer) for answer in read)
        return len(answers) == service.server.processes

    wait_until(everybody_answered)

    etags = {answer.headers["etag"] for answer in answers.values()}
    assert etags == {f'"{written.data["last_modified"]}"'}


@pytest.mark.clause("S-5.5", "S-18.1")
def test_the_logging_section_of_the_file_is_in_force(service: Service) -> None:
    service.create("Chanterelle")
    lines = wait_until(
        lambda: [line for line in service.log().splitlines() if '"method":"POST"' in line]
    )
    assert "/v1/mushrooms" in lines[-1]
    assert service.log().count("mushrooms 1.0 starting.") == service.server.processes


@pytest.mark.clause("H-34.1")
@pytest.mark.parametrize("name", ["gunicorn sync", "gunicorn gthread", "granian"])
@pytest.mark.usefixtures("processes")
def test_a_request_under_way_is_finished_before_the_server_stops(name: str) -> None:
    server = SERVERS[name].alone()
    with deployed(server) as service, slow_request(service) as outcomes:
        wait_until(service.has_begun)
        service.signal(signal.SIGTERM)
        wait_until(lambda: server.stopping in service.log())
        service.release()

        assert wait_until(lambda: outcomes)[0].status == 201
        assert service.wait_for_end() == 0
        assert service.stored_names() == ["slow"]
