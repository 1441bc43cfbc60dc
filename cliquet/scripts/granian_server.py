"""Serves an application with granian, in one process beside the one that watches over it.

granian is an extra. It takes a third of the processor time that waitress takes for the HTTP of a
request. The application is inherited by a fork, hence only Linux is served in this way.
"""

from __future__ import annotations

import _thread
import ctypes
import importlib.util
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from cliquet.core.lazy import LazyModule
from cliquet.feed import stopping

__all__ = ["is_installed", "options", "serve"]

# All commands import this module, and granian is an extra.
granian: Any = LazyModule("granian")
granian_constants: Any = LazyModule("granian.constants")
granian_log: Any = LazyModule("granian.log")

THREADS: Final = 4
"""Requests that are answered at the same time, as with waitress."""

GRACE_SECONDS: Final = 5
"""How long requests under way may still take at the end, as with waitress."""

_LOOK_SECONDS: Final = 0.5

_PR_SET_PDEATHSIG: Final = 1


def is_installed() -> bool:
    """Return whether granian can be used here."""
    return sys.platform == "linux" and importlib.util.find_spec("granian") is not None


def options(threads: int = THREADS) -> dict[str, int]:
    """Return what granian is told beside the application, its address and its processes.

    The others are those of granian: ``runtime_mode``, ``http``, ``backpressure`` and
    ``pipeline_flush`` were measured, and none gained anything.

    Parameters
    ----------
    threads : requests that one process answers at the same time.
    """
    # Granian 2 misses one signal in twenty. What does not end by itself is killed.
    return {"blocking_threads": threads, "workers_kill_timeout": GRACE_SECONDS}


def serve(application: Any, host: str, port: int, *, threads: int = THREADS) -> None:
    """Serve an application until this process is told to end, and its requests are answered.

    Parameters
    ----------
    host : address of this machine, or a name of it.
    port : TCP port, 0 for any free port.

    Raises
    ------
    OSError : the address cannot be listened to.
    """
    address, port = _usable_address(host, port)
    # The worker inherits the application, and whatever failed has failed before it is forked.
    multiprocessing.set_start_method("fork", force=True)
    server = granian.Granian(
        "cliquet",
        address=address,
        port=port,
        interface=granian_constants.Interfaces.WSGI,
        workers=1,
        log_level=granian_log.LogLevels.warning,
        **options(threads),
    )

    server.signal_handler_interrupt = _told_once(server.signal_handler_interrupt)
    server.main_loop_interrupt = Interrupt()

    def worker_application() -> Any:
        _become_worker()
        return application

    shown = f"[{address}]" if ":" in address else address
    logging.getLogger("granian").info("Serving on http://%s:%s", shown, port)
    server.serve(target_loader=worker_application, wrap_loader=False)


class Interrupt(threading.Event):
    """What the main thread of granian waits for, which cannot sleep through a signal.

    The main thread alone calls the handlers of signals. Of two different signals that come
    together, for example of a terminal and of a supervisor of the program, the system may hand
    both to another thread: then nothing wakes the main thread, and the program never ends.
    """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or for some seconds; call the handlers of signals meanwhile."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(_LOOK_SECONDS):
            pass
        return True


def _told_once(tell: Callable[[int, object], object]) -> Callable[[int, object], None]:
    """Return what handles the signals that end the program, instead of the handler of granian.

    That one sets a ``threading.Event``, whose lock the same thread may hold: it waits for the
    event, and may be in the middle of the handler when the signal comes once more.
    """
    is_told = False

    def handle(number: int, frame: object) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            # To start a `threading.Thread` takes locks, too.
            _thread.start_new_thread(tell, (number, frame))

    return handle


def _usable_address(host: str, port: int) -> tuple[str, int]:
    """Return the numeric form of an address that nobody listens to.

    Granian takes no names, reports errors only in its worker, and does not tell which free port it
    has found.
    """
    # Clients and proxies that name an address instead of `localhost` name 127.0.0.1.
    choices = sorted(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    family, _, _, _, found = choices[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(found)
        probe.listen()
        name = probe.getsockname()
    return str(name[0]), int(name[1])


def _become_worker() -> None:  # pragma: no cover - in the worker, a process of its own
    # Ctrl-C goes to all processes of the terminal, and a worker that is told twice never ends.
    os.setpgid(0, 0)
    # Until granian sets its own handler, the process would have that of its parent, and miss the
    # signal.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The handler of granian tells nobody.
    stopping.listen()
    # Nobody would end it if the other process was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
