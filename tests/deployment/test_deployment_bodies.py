"""What a large body costs the service under each of the servers that the documentation names."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deployment.service import MUSHROOMS, SERVERS, USER, Service, deployed

PIECE = b"[" * 100_000
SIZE = 250 * len(PIECE)
MOST_MEGABYTES = 50


@pytest.fixture(scope="module", params=SERVERS)
def service(processes: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The service in one process, which has served a request."""
    server = SERVERS[request.param]
    with deployed(server if server.processes == 1 else server.alone()) as running:
        running.create("Morel")
        yield running


def peak_megabytes(service: Any) -> Any:
    """Return the most that the processes of a service have held so far, together."""
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = []
    for process in (pid, *children):
        status = Path(f"/proc/{process}/status").read_text()
        (kilobytes,) = [line.split()[1] for line in status.splitlines() if "VmHWM" in line]
        peaks.append(int(kilobytes) / 1024)
    return sum(peaks)


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("is_told", [True, False], ids=["length", "chunks"])
def test_a_body_of_25_megabytes_is_refused_and_never_held(service: Service, is_told: bool) -> None:
    before = peak_megabytes(service)

    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        length = {"Content-Length": str(SIZE)} if is_told else {}
        connection.request(
            "POST",
            MUSHROOMS,
            body=iter([PIECE] * (SIZE // len(PIECE))),
            headers={"Content-Type": "application/json", **length, **USER},
            encode_chunked=not is_told,
        )
        response = connection.getresponse()
        status, body = response.status, response.read()

    assert (status, b"max_body_bytes" in body) == (413, True)
    assert peak_megabytes(service) - before < MOST_MEGABYTES
    assert service.create("Cep").status == 201
