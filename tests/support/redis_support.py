"""What the tests of the Redis backends share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

_FIRST, _LAST = "cliquet-test-first-command", "cliquet-test-last-command"


class Command(NamedTuple):
    """One command that a server executed.

    Attributes
    ----------
    name : in capitals.
    key : its first argument; empty without any.
    is_of_a_script : whether a script executed it; else a client sent it.
    """

    name: str
    key: str
    is_of_a_script: bool


def keys_of(client: Any) -> set[Any]:
    """Return all the keys of a database."""
    return set(client.scan_iter(count=1000))


@contextmanager
def watching_commands(client: Any) -> Iterator[Any]:
    """Give a list which, after the block, has the commands executed in it."""
    commands = []
    with client.monitor() as monitor:
        # Opens the connection that is then used.
        client.echo(_FIRST)
        yield commands
        client.echo(_LAST)
        while True:
            seen = monitor.next_command()
            name, _, arguments = seen["command"].partition(" ")
            if arguments == _LAST:
                break
            if arguments == _FIRST:
                commands.clear()
                continue
            key = arguments.split(" ", 1)[0]
            commands.append(Command(name.upper(), key, seen["client_type"] == "lua"))
