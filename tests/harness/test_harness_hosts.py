"""The hosts with cables, which tests of lost networks use."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.network_hosts import NetworkHost, network_hosts
from servers.processes import ServerProcess
from servers.starting import run_program

from cliquet.testing.bounded import wait_until

PORT = 8080
SERVER = [sys.executable, "-m", "http.server", str(PORT)]


@pytest.fixture
def hosts(processes: None) -> Iterator[list[NetworkHost]]:
    """Two hosts, of which the first one has a server."""
    with network_hosts(2) as made:
        server = ServerProcess(made[0].command(SERVER, None)[0], PORT)
        server.address = made[0].address
        server.start()
        yield made
        server.kill()


def is_reached(host: NetworkHost) -> bool:
    with socket.create_connection((host.address, PORT), 20):
        return True


def test_a_host_is_reached_by_this_machine_and_by_other_hosts(hosts: list[NetworkHost]) -> None:
    first, second = hosts
    words = ["bash", "-c", f"exec 3<>/dev/tcp/{first.address}/{PORT}"]

    assert is_reached(first)
    assert run_program(second.command(words, None)[0]).returncode == 0


def test_whoever_asks_an_unplugged_host_hears_nothing(hosts: list[NetworkHost]) -> None:
    host = hosts[0]
    with socket.create_connection((host.address, PORT), 20) as before:
        host.unplug()
        before.settimeout(0.3)
        before.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            before.recv(1)
        with pytest.raises(TimeoutError):
            socket.create_connection((host.address, PORT), 0.3)
        host.plug()
        before.settimeout(60)

        assert before.recv(4) == b"HTTP"


def test_nothing_of_the_hosts_stays(processes: None) -> None:
    with network_hosts(2) as hosts:
        cables = [Path("/sys/class/net", host.cable) for host in hosts]
        assert all(cable.exists() for cable in cables)

    # The system removes a namespace some moments after its last process has ended.
    wait_until(lambda: not any(cable.exists() for cable in cables), "the end of the cables")
