"""The comparison over HTTP: what is sent, to which servers, and what is made of the answers."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from cliquet.scripts import granian_server
from cliquet.testing.bounded import Thread

pytest.importorskip("psycopg2")

ROOT = Path(__file__).parents[2]
# Its modules find each other through the path, as in the environments of the peers.
sys.path.insert(0, str(ROOT / "benchmarks" / "compare"))
try:
    import http_load
    import http_servers
    import report
    from databases import Databases
    from operations import HTTP_OPERATIONS, Peer, Sent
finally:
    sys.path.remove(str(ROOT / "benchmarks" / "compare"))

PEER = Peer(root="/v1/", collection="/v1/tasks", page_of_100="", sorted_page="")
BY_NAME = {operation.name: operation for operation in HTTP_OPERATIONS}
TOLD = """
    Latency Distribution
     99%    1.50ms
  2000 requests in 2.00s, 1.00MB read
  Non-2xx or 3xx responses: {failed}
Requests/sec:   1000.00
"""


@pytest.mark.parametrize("name", ["PUT, own records", "PATCH, own records"])
def test_clients_with_own_records_write_one_after_the_other(name: str) -> None:
    ids = [f"id-{number}" for number in range(8)]

    sent = http_load.requests_in_turn(BY_NAME[name], PEER, ids, "")

    assert [one.path for one in sent] == [f"/v1/tasks/{one}" for one in ids] * 2
    assert all(sent[number].body != sent[number + 8].body for number in range(8))


@pytest.mark.parametrize("name", ["PUT", "PATCH"])
def test_clients_of_one_record_change_it_each_time(name: str) -> None:
    ids = [f"id-{number}" for number in range(8)]

    sent = http_load.requests_in_turn(BY_NAME[name], PEER, ids, "")

    assert {one.path for one in sent} == {"/v1/tasks/id-0"}
    assert len({one.body for one in sent}) == len(sent)


@pytest.fixture
def received() -> Iterator[tuple[int, list[tuple[str, str, bytes]]]]:
    """The port of a server, and the condition, path and body of each PUT to it."""
    requests: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.headers["If-Match"], self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, requests
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sends_the_requests_in_turn(
    received: tuple[int, list[tuple[str, str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, requests = received
    monkeypatch.setattr(http_load, "CONNECTIONS", 1)
    bodies = [rb'{"a":"\u00e8 0"}', rb'{"a":"\u00e8 1"}']
    sent = [Sent("PUT", "/a?b=c", 200, body, {"If-Match": '"8"'}) for body in bodies]

    told = http_load._wrk(port, sent, 1)

    assert {request[:2] for request in requests} == {('"8"', "/a?b=c")}
    assert {body for _, _, body in requests[:2]} == set(bodies)
    assert all(one[2] != other[2] for one, other in itertools.pairwise(requests))
    assert http_load.figures_of(told, 1.0, "PUT")["failed"] == 0


def test_figures_are_those_that_wrk_prints() -> None:
    figures = http_load.figures_of(TOLD.format(failed=200), 0.5, "PUT")

    assert figures == {"per_second": 1000.0, "p99_ms": 1.5, "cpu_us": 250.0, "failed": 0.1}


@pytest.mark.parametrize(("answered", "failed"), [(2000, 1200), (0, 0)])
def test_round_with_too_few_answers_is_left_out(
    answered: int, failed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told = TOLD.format(failed=failed).replace("2000", str(answered))

    assert http_load.figures_of(told, 0.5, "PUT") is None
    assert f"PUT: left out, {failed} of {answered} requests failed" in capsys.readouterr().err


def test_rounds_of_all_take_turns_and_give_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    running = [
        SimpleNamespace(
            peer=PEER,
            name="",
            server="",
            port=port,
            pid=0,
            figures={},
            requests=lambda operation: [],
        )
        for port in (1, 2)
    ]

    def wrk(port: int, requests: object, seconds: int) -> str:
        order.append(port)
        return TOLD.format(failed=0)

    monkeypatch.setattr(http_load, "_wrk", wrk)
    monkeypatch.setattr(http_load, "cpu_seconds", lambda pid: len(order) ** 2)
    monkeypatch.setattr(http_load.time, "sleep", lambda seconds: None)

    http_load._measure(BY_NAME["PUT"], running, "sqlite", None, 3)

    # The first two are to warm up. Each takes two seconds more than the one before.
    assert order == [1, 2, 2, 1, 1, 2, 2, 1]
    assert [one["cpu_us"] for one in running[0].figures["PUT"]] == [3500, 4500, 7500]
    assert http_load.medians(running[0].figures["PUT"])["cpu_us"] == 4500


@pytest.mark.parametrize(("peer", "interface"), [("drf", "wsgi"), ("fastapi", "asgi")])
def test_granian_is_told_what_the_command_tells_it(
    peer: str, interface: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(granian_server, "options", lambda threads=4: {"blocking_threads": threads})

    options = http_servers.options(peer, "granian", 8888)

    assert f"--blocking-threads={1 if interface == 'asgi' else 4}" in options
    assert {f"--interface={interface}", "--workers=2"} <= set(options)


def test_table_has_the_ratios_and_failures_of_one_server() -> None:
    figures = {"per_second": 400.0, "p99_ms": 1.0, "cpu_us": 2.0, "failed": 0.0}
    served = {
        "cliquet": {"hello": figures, "PUT, own records": figures, "resident_mb": 90.0},
        "kinto": {"hello": figures | {"per_second": 100.0, "failed": 0.03}, "resident_mb": 120.0},
    }

    lines = report.http_table("sqlite", "granian", served).splitlines()

    assert lines[1].startswith("sqlite, over HTTP (granian, two workers; wrk)")
    assert [line.split()[-2:] for line in lines if line.startswith("PUT, own")] == [
        ["400/1.0/2", "-"],
        ["records", "-"],
    ]
    assert [line for line in lines if "failed" in line] == ["hello: 3.0% of kinto failed"]
    assert [line.split()[-1] for line in lines if line.startswith("hello ")] == [
        "100/1.0/2",
        "4.00",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("server", http_servers.SERVERS)
def test_service_on_each_server_answers_what_is_measured(server: str, tmp_path: Path) -> None:
    pytest.importorskip(server)
    url = Databases(None, tmp_path).url("cliquet", "sqlite")

    with http_servers.served("cliquet", server, "sqlite", url) as (port, pid):
        running = http_load.Running(http_load.peer("cliquet"), server, "cliquet", port, pid)
        sent = {operation.name: running.requests(operation) for operation in HTTP_OPERATIONS}

        assert len({one.path for one in sent["PUT, own records"]}) == http_load.OWN_RECORDS
        assert http_servers.cpu_seconds(pid) > 0
        assert http_servers.resident_mb(pid) > 40
