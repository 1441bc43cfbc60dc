"""Bodies that come late, or not as they were announced, harm nobody under the usual servers."""

import json
import socket
from typing import Any

import pytest

from cliquet.testing.bounded import PATIENCE_SECONDS
from deployment.service import MUSHROOMS, SERVERS, USER, Service, deployed

BODY = json.dumps({"data": {"name": "Morel"}}).encode()
# So long nothing comes, where nothing will.
WAIT_SECONDS = 1


# Granian answers 500 by itself to a client that left before the end, which does not read it.
@pytest.fixture(scope="module", params=[name for name in SERVERS if name != "granian"])
def service(processes: Any, request: pytest.FixtureRequest) -> Any:
    """The service in one process."""
    server = SERVERS[request.param]
    with deployed(server if server.processes == 1 else server.alone()) as running:
        running.create("Morel")
        yield running


def exchange(
    service: Any,
    headers: Any,
    *pieces: Any,
    close: bool = False,
    patience_seconds: float = WAIT_SECONDS,
) -> Any:
    """Send the head of a POST and pieces of its body; return what comes until nothing does."""
    head = {"Host": "localhost", "Content-Type": "application/json", **USER, **headers}
    lines = [f"POST {MUSHROOMS} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as client:
        client.settimeout(patience_seconds)
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in pieces:
            client.sendall(piece)
        if close:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except TimeoutError:
            pass
    return answer


def statuses(answer: Any) -> Any:
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


@pytest.mark.clause("X-34")
def test_a_body_that_is_waited_for_is_asked_for(service: Service) -> None:
    headers = {"Expect": "100-continue", "Content-Length": len(BODY), "Connection": "close"}

    # The server ends the connection.
    answer = exchange(service, headers, BODY, patience_seconds=PATIENCE_SECONDS)

    assert statuses(answer)[-1] == 201


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    ("length", "close"), [(len(BODY) + 10, True), (len(BODY) + 10, False), (len(BODY) - 2, True)]
)
def test_a_length_that_is_a_lie_is_no_error_of_the_service(
    service: Service, length: int, close: bool
) -> None:
    answer = exchange(service, {"Content-Length": length}, BODY, close=close)

    assert all(400 <= status < 500 for status in statuses(answer)), answer
    assert service.create("Cep").status == 201


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    "pieces", [[b"zz\r\n"], [b"5\r\nab"], [b"%x\r\n%s\r\n" % (len(BODY), BODY)]]
)
def test_chunks_that_are_none_or_end_early_are_no_error_of_the_service(
    service: Service, pieces: list[Any]
) -> None:
    answer = exchange(service, {"Transfer-Encoding": "chunked"}, *pieces, close=True)

    assert all(status < 500 for status in statuses(answer))
    assert service.create("Cep").status == 201


@pytest.mark.clause("X-34")
def test_bodies_that_do_not_come_leave_others_their_threads(
    service: Service, request: pytest.FixtureRequest
) -> None:
    if "sync" in request.node.callspec.params["service"]:
        pytest.skip("a process without threads waits, behind a proxy that holds bodies back")
    head = f"POST {MUSHROOMS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{"
    waiting = [
        socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) for _ in range(3)
    ]
    try:
        for client in waiting:
            client.sendall(head.encode())

        assert service.create("Cep").status == 201
    finally:
        for client in waiting:
            client.close()
