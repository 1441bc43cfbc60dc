"""Hosts of a network, each with a cable that can be pulled: network namespaces of Linux.

Nothing of them stays: a namespace ends with the process that holds it, and its cable with it.
"""

import contextlib
import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from servers.processes import START_TIMEOUT_SECONDS
from servers.starting import run_program, start_process

# The addresses of all these hosts, none of which is one of another machine.
NETWORK = "10.231.0.0/16"

_PROGRAMS = ("ip", "nsenter", "setpriv", "unshare")
# What holds a namespace does nothing, and says when it is there.
_HOLDER = ("sh", "-c", "echo ready; exec sleep infinity")


class Host:
    """Where servers run: this one, without a cable of its own.

    Attributes
    ----------
    address : where the others find it.
    """

    address = "127.0.0.1"
    has_cable = False

    def command(self, words: Sequence[str], user: Any) -> tuple[list[str], Any]:
        """Return what runs a program there as a user, and as whom that is to be started."""
        return list(words), user


HERE = Host()


class NetworkHost(Host):
    """A network namespace, which has an address and a cable.

    Parameters
    ----------
    pid : process that holds the namespace.

    Attributes
    ----------
    cable : name of the end of the cable that is on this machine.
    """

    has_cable = True

    def __init__(self, pid: int, cable: str, address: str, gateway: str) -> None:
        self.address = address
        self.cable = cable
        self._enter = [str(shutil.which("nsenter")), f"--net=/proc/{pid}/ns/net", "--"]
        self._gateway = gateway
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _run("ip", "address", "add", f"{gateway}/30", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        # Its packets go on to the other hosts, by this machine.
        with open(f"/proc/sys/net/ipv4/conf/{cable}/forwarding", "w") as file:
            file.write("1")
        self._run("ip", "address", "add", f"{address}/30", "dev", "eth0")
        self._run("ip", "link", "set", "lo", "up")
        self.plug()

    def command(self, words: Sequence[str], user: Any) -> tuple[list[str], Any]:
        if user is None:
            return [*self._enter, *words], None
        # Only root may enter. A change of user would undo what ends it with its parent.
        change = [
            *(str(shutil.which("setpriv")), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"),
            *("--clear-groups", "--pdeathsig=QUIT"),
        ]
        return [*self._enter, *change, *words], None

    def unplug(self) -> None:
        """Pull the cable: nobody gets an error, and nothing arrives any more."""
        self._run("ip", "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Put the cable in."""
        self._run("ip", "link", "set", "eth0", "up")
        self._run("ip", "route", "replace", "default", "via", self._gateway)

    def _run(self, *words: str) -> None:
        _run(*self._enter, *words)


@contextlib.contextmanager
def network_hosts(number: int) -> Iterator[list[NetworkHost]]:
    """Give hosts, or skip the test where the system allows no namespaces."""
    refusal = why_not()
    if refusal is not None:
        pytest.skip(f"no network namespaces: {refusal}")
    with contextlib.ExitStack() as stack:
        third = random.SystemRandom().randrange(256)
        first = 4 * random.SystemRandom().randrange(64 - number)
        hosts = []
        for rank in range(number):
            holder = start_process(
                [str(shutil.which("unshare")), "--net", *_HOLDER],
                lives_on=True,
                stdout=subprocess.PIPE,
            )
            stack.callback(_end, holder)
            assert holder.stdout.readline() == b"ready\n"
            prefix, last = f"10.231.{third}.", first + 4 * rank
            cable = f"cq{secrets.token_hex(5)}"
            hosts.append(
                NetworkHost(holder.pid, cable, f"{prefix}{last + 2}", f"{prefix}{last + 1}")
            )
        yield hosts


def why_not() -> str | None:
    """Return why there are no network namespaces here; ``None`` where there are."""
    if os.geteuid() != 0:
        return "they need root"
    for name in _PROGRAMS:
        if shutil.which(name) is None:
            return f"no {name}: install iproute2 and util-linux"
    tried = run_program(
        ["unshare", "--net", "ip", "link", "add", "cqtry", "type", "veth", "peer", "name", "cqend"],
        capture_output=True,
        text=True,
    )
    return tried.stderr.strip() or "refused" if tried.returncode else None


def _end(holder: Any) -> None:
    holder.kill_group()
    holder.wait(START_TIMEOUT_SECONDS)
    holder.stdout.close()


def _run(*words: str) -> None:
    run_program(words, check=True, capture_output=True)
