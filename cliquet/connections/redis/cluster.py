"""A client of a cluster of Redis servers.

It offers the commands, the pipelines and the scripts of the client of one server, and sends each to
the server that has its key. The client of the driver does so too, but repeats a command after a
timeout, when it may have been executed.
"""

from __future__ import annotations

import functools
import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis
from redis.commands import CoreCommands
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    TryAgainError,
)

from cliquet.connections.redis.client import Options
from cliquet.connections.redis.cluster_servers import ClusterServers
from cliquet.connections.redis.partitions import slot_of

__all__ = ["ClusterClient"]

_Command = tuple[tuple[Any, ...], dict[str, Any]]

# Time for which a command waits while its slot moves to another server, and for a new primary.
PATIENCE_SECONDS = 3.0
PAUSE_SECONDS = 0.01
MAX_PAUSE_SECONDS = 0.1

# Answers of a server that does not have the key, or not now. Nothing was executed.
_ELSEWHERE = (AskError, TryAgainError, ClusterDownError)


class _Commands(CoreCommands):
    """The commands of the driver, which are sent otherwise."""

    # Some releases of the driver count their commands.
    _event_dispatcher: Any = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError


class ClusterClient(_Commands):
    """A client of a cluster, which is not asked before the first command.

    Parameters
    ----------
    options : settings of one node. It names the other nodes, which have the same password.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.servers = ClusterServers(options)

    # Commands

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command with one key, or with several in the same slot."""
        slot = slot_of(_key_of(args))
        return self.on_slot(slot, lambda node: _run(node, *args, **options), (args, options))

    def pipeline(self, transaction: bool = True) -> _Pipeline:
        """Return a pipeline; the keys of a transaction are in one slot."""
        return _Pipeline(self, is_transaction=transaction)

    def register_script(self, script: Any) -> Any:
        """Return a function that runs a script, whose keys are in one slot."""
        return _Script(self, script)

    def scan_iter(self, *args: Any, **options: Any) -> Iterator[bytes]:
        """Yield the keys of all servers that match a pattern; some may come twice."""
        for node in self.servers.primaries():
            yield from node.scan_iter(*args, **options)

    def close(self) -> None:
        """Close all connections."""
        self.servers.close()

    def on_slot(
        self, slot: int, call: Callable[[redis.Redis], Any], command: _Command | None = None
    ) -> Any:
        """Call a function with the client of the server that has a slot; return its result.

        Parameters
        ----------
        command : the command that the function runs, if it is a single one.

        Raises
        ------
        redis.RedisError : the server cannot be reached, or has not had the slot in time. What
            failed in the middle is not repeated, because it may have been executed.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause_seconds = PAUSE_SECONDS
        while True:
            servers = self.servers.by_slot()
            node = servers[slot]
            try:
                return self._call(node, call, command)
            except (redis.ConnectionError, redis.TimeoutError, ClusterDownError):
                # Nobody knows for how long. Another server may have taken its place afterwards.
                self.servers.forget(servers, node)
                raise
            except _ELSEWHERE as error:
                if isinstance(error, MovedError):
                    self.servers.forget(servers, None)
                if time.monotonic() > deadline:
                    raise
            # The pause is random, so that not all try again at the same moment.
            time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)

    def _call(
        self,
        node: redis.Redis | None,
        call: Callable[[redis.Redis], Any],
        command: _Command | None,
    ) -> Any:
        if node is None:
            raise ClusterDownError("CLUSTERDOWN Hash slot not served")
        try:
            return call(node)
        except AskError as error:
            if command is None or isinstance(error, MovedError):
                raise
            return self._ask(error, command)

    def _ask(self, error: AskError, command: _Command) -> Any:
        """Run a command on the server to which its slot moves at this moment."""
        # The driver does not type its errors.
        node = self.servers.node(str(error.host), int(error.port))
        _, answer = _send(node, commands=[(("ASKING",), {}), command], is_transaction=False)
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Pipeline(_Commands):
    """Commands that are sent together, to each server its own.

    Those of a transaction are one step of one server. Others may be executed twice if a slot moves
    meanwhile, so that they must be such that this does no harm.
    """

    def __init__(self, client: ClusterClient, *, is_transaction: bool) -> None:
        self._client = client
        self._is_transaction = is_transaction
        self._commands: list[_Command] = []

    def execute_command(self, *args: Any, **options: Any) -> _Pipeline:
        """Keep a command."""
        self._commands.append((args, options))
        return self

    def execute(self) -> list[Any]:
        """Run the commands, and return their answers in their order."""
        commands, self._commands = self._commands, []
        if not commands:
            return []
        slots = [slot_of(_key_of(args)) for args, _ in commands]
        if self._is_transaction:
            send = functools.partial(_send, commands=commands)
            done: list[Any] = self._client.on_slot(slots[0], send)
            return done
        servers = self._client.servers.by_slot()
        groups: dict[int, list[int]] = {}
        for rank, slot in enumerate(slots):
            groups.setdefault(id(servers[slot]), []).append(rank)
        answers: list[Any] = [None] * len(commands)
        for ranks in groups.values():
            some = [commands[rank] for rank in ranks]
            found = self._client.on_slot(
                slots[ranks[0]], functools.partial(_send, commands=some, is_transaction=False)
            )
            for rank, (args, options), answer in zip(ranks, some, found, strict=True):
                if isinstance(answer, _ELSEWHERE):
                    answers[rank] = self._client.execute_command(*args, **options)
                elif isinstance(answer, Exception):
                    raise answer
                else:
                    answers[rank] = answer
        return answers


class _Script:
    """A script, which servers keep by the digest of its text."""

    def __init__(self, client: ClusterClient, text: str) -> None:
        self._client = client
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[bytes] = (), args: Sequence[Any] = ()) -> Any:
        given = [len(keys), *keys, *args]
        try:
            return self._client.execute_command("EVALSHA", self._digest, *given)
        except NoScriptError:
            return self._client.execute_command("EVAL", self._text, *given)


def _send(
    node: redis.Redis, *, commands: Sequence[_Command], is_transaction: bool = True
) -> list[Any]:
    pipe: Any = node.pipeline(transaction=is_transaction)
    for args, options in commands:
        pipe.execute_command(*args, **options)
    answers: list[Any] = pipe.execute(raise_on_error=is_transaction)
    return answers


def _run(node: redis.Redis, *args: Any, **options: Any) -> Any:
    return node.execute_command(*args, **options)  # type: ignore[no-untyped-call]  # not typed upstream


def _key_of(args: Sequence[Any]) -> bytes:
    """Return the first key of a command."""
    key = args[3] if args[0] in ("EVAL", "EVALSHA") else args[1]
    return key if isinstance(key, bytes) else str(key).encode()
