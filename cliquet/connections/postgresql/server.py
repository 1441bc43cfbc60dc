"""What a process knows of the server of a URL: whether it answers, and which connections are old.

A host that vanishes, a process that is stopped and a database that hangs have in common that no
error comes. The driver then waits for ever, and with it the thread of a request, until no thread is
left for anybody. Therefore a thread of this module ends the waits that are longer than any
statement may take, and of the requests that come while a server does not answer, only one at a time
asks whether it does again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any, Final

from cliquet.monitoring import logs

try:
    import psycopg2
    from psycopg2 import OperationalError
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    OperationalError = Exception  # type: ignore[assignment,misc]

__all__ = ["GRACE_SECONDS", "NoAnswerError", "Server"]

GRACE_SECONDS: Final = 2.0
"""Time after the end of a statement timeout in which the error of the server may arrive."""

_INTERVAL_SECONDS: Final = 0.5
# A server that lives refuses a connection, or makes it, in less time.
_SILENCE_SECONDS: Final = 1.0
# SQLAlchemy sends some queries with the first connection.
_SETUP_SECONDS: Final = 5.0


class NoAnswerError(OperationalError):
    """The server has not answered in time, and the connection was closed."""


class Server:
    """The state that the clients of one URL share.

    Attributes
    ----------
    deadlines : connections that wait for an answer, and until when on the monotonic clock.
    """

    def __init__(self) -> None:
        self.deadlines: dict[Any, float] = {}
        self._generation = 0
        self._is_silent = False
        self._asking = threading.Lock()
        self._asked = 0.0
        self._last_place: dict[str, str] | None = None
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """Begin anew in a forked process: the connections and threads belong to its parent."""
        self.deadlines.clear()
        self._is_silent = False
        self._asking = threading.Lock()
        self._thread = None

    # Connections that are as old as one that was found to be useless lead to the same server, which
    # may have become a standby, or be gone: each of them would fail one request before it is
    # dropped.

    def admit(self, info: dict[Any, Any]) -> None:
        """Mark a connection as one of the present generation."""
        info["generation"] = self._generation

    def end_generation(self, info: dict[Any, Any]) -> None:
        """Forget all connections that are as old as that of `info`."""
        if info.get("generation") == self._generation:
            self._generation += 1

    def can_serve(self, connection: Any, info: dict[Any, Any]) -> bool:
        """Return whether a connection is of the present generation, and the server keeps it open.

        Parameters
        ----------
        info : what is remembered of the connection; ``poll`` says whether its socket can be read.
        """
        if info["generation"] != self._generation:
            return False
        # An idle server sends nothing: a socket that can be read was closed, or has a notice. A
        # question to the server would cost each request a round trip.
        if not info["poll"].poll(0):
            return True
        try:
            self.ask(connection, connection.cursor(), "SELECT 1", patience_seconds=GRACE_SECONDS)
        except psycopg2.Error:
            return False
        return True

    def ask(
        self,
        connection: Any,
        cursor: Any,
        text: str | bytes,
        parameters: Any = None,
        *,
        patience_seconds: float | None,
    ) -> None:
        """Execute statements, and wait for the answer.

        Parameters
        ----------
        patience_seconds : longest time to wait; ``None`` for any time.

        Raises
        ------
        NoAnswerError : the answer has not come in time.
        psycopg2.Error : the server has refused them.
        """
        if patience_seconds is None:
            cursor.execute(text, parameters)
            return
        self.deadlines[connection] = time.monotonic() + patience_seconds
        try:
            cursor.execute(text, parameters)
        except psycopg2.Error as error:
            if self.deadlines.pop(connection, None) is None:
                raise NoAnswerError("The server has not answered in time.") from error
            raise
        finally:
            self.deadlines.pop(connection, None)

    def end_wait(self, connection: Any) -> None:
        """Say that a connection does not wait for an answer any more."""
        self.deadlines.pop(connection, None)

    def connect(self, dialect: Any, arguments: Any, options: dict[str, Any]) -> Any:
        """Return a new connection, whose deadline is set until its owner removes it.

        Raises
        ------
        psycopg2.Error : the server cannot be reached, or has not answered before, and another
            thread asks it now.
        """
        self._watch()
        if not self._is_silent:
            return self._connect(dialect, arguments, options)
        # Usually the answer comes at once, if one comes.
        patience_seconds = max(0.0, self._asked + _SILENCE_SECONDS - time.monotonic())
        if not self._asking.acquire(timeout=patience_seconds):
            raise OperationalError(
                "The server has not answered before, and another request is asking it again."
            )
        try:
            self._asked = time.monotonic()
            return self._connect(dialect, arguments, options)
        finally:
            self._asking.release()

    def _connect(self, dialect: Any, arguments: Any, options: dict[str, Any]) -> Any:
        started = time.monotonic()
        errors: list[Exception] = []
        for place in self._in_order(places_of(options)):
            try:
                connection = dialect.connect(*arguments, **{**options, **place})
            except OperationalError as error:
                errors.append(error)
                continue
            self._is_silent = False
            self._last_place = place
            self.deadlines[connection] = time.monotonic() + _SETUP_SECONDS
            return connection
        self._is_silent = time.monotonic() - started > _SILENCE_SECONDS
        if len(errors) == 1:
            raise errors[0]
        raise OperationalError("\n".join(str(error).strip() for error in errors))

    def _in_order(self, places: list[dict[str, str]]) -> list[dict[str, str]]:
        """Begin with the place that was the right one, and not with one that is gone."""
        return sorted(places, key=lambda place: place != self._last_place)

    def _watch(self) -> None:
        """Start the thread that ends waits, unless this process has it."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=_watch,
                args=(weakref.ref(self),),
                name="cliquet-postgresql-deadlines",
                daemon=True,
            )
            self._thread.start()

    def end_overdue_waits(self) -> None:
        """End the waits whose deadline is over; :meth:`ask` raises in their threads."""
        now = time.monotonic()
        # Unlike a list, a copy is made without a moment in which other threads may run.
        for connection, deadline in self.deadlines.copy().items():
            if deadline < now:
                self._give_up(connection, deadline)

    def _give_up(self, connection: Any, deadline: float) -> None:
        try:
            copy = socket.socket(fileno=os.dup(connection.fileno()))
        except (OSError, psycopg2.Error):
            # It was closed meanwhile.
            self.end_wait(connection)
            return
        with copy:
            # If the connection still waits, it was not closed before, and its number is no other's.
            if self.deadlines.get(connection) == deadline:
                del self.deadlines[connection]
                self._is_silent = True
                logs.logger.error("postgresql.silent", error="The server has not answered in time.")
                with contextlib.suppress(OSError):
                    copy.shutdown(socket.SHUT_RDWR)


def places_of(options: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the options that name one server each, of those that name several.

    The driver itself would not go on to the next server if a proxy accepts the connection, and
    closes it because there is no server behind it.
    """
    hosts = str(options.get("host", "")).split(",")
    if len(hosts) == 1 or "hostaddr" in options:
        return [{}]
    ports = str(options.get("port") or "").split(",")
    # One port is that of all hosts.
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    places = [{"host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]
    if options.get("target_session_attrs") != "prefer-standby":
        return places
    return [
        {**place, "target_session_attrs": wanted}
        for wanted in ("standby", "any")
        for place in places
    ]


def _watch(reference: weakref.ref[Server]) -> None:
    while (server := reference()) is not None:
        server.end_overdue_waits()
        del server
        time.sleep(_INTERVAL_SECONDS)
