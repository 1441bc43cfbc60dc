"""The program of the workers: they serve the application on a socket that the tests opened.

Arguments: number of the socket, number of threads, settings as JSON. For each line that it reads it
starts a worker, which writes its process id once it is ready. Workers are forks of this process,
which has imported everything: they start four times faster than by themselves.
"""

import json
import os
import signal
import socket
import sys
import traceback
from typing import Any

import waitress.server
from servers.starting import end_with_parent

from processes.application import make_application

WORKER_HEADER = "X-Worker"
FAILED = 0


def naming_itself(application: Any) -> Any:
    """Say in each response which process sent it."""
    name = str(os.getpid())

    def serve(environ: Any, start_response: Any) -> Any:
        def start(status: int | str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, (WORKER_HEADER, name)], exc_info)

        return application(environ, start)

    return serve


def work(number: Any, threads: Any, settings: Any) -> None:
    """Be a worker."""
    end_with_parent(signal.SIGKILL)
    # The pipe is for process ids; the library writes its logs there.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Threads interrupt each other a thousand times more often than usual, between any two lines.
    sys.setswitchinterval(sys.getswitchinterval() / 1000)
    try:
        client = make_application(settings)
        listening = socket.socket(fileno=number)
        server = waitress.server.create_server(
            naming_itself(client.app), sockets=[listening], threads=threads
        )
    except Exception:
        os.write(answers, f"{FAILED}\n".encode())
        raise
    os.write(answers, f"{os.getpid()}\n".encode())
    server.run()


def main(number: Any, threads: Any, settings: Any) -> None:
    settings = json.loads(settings)
    # The drivers too.
    for name in settings:
        if name.endswith("_backend"):
            __import__(settings[name])
    # The system forgets the workers that ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1):
        if os.fork() == 0:
            try:
                work(int(number), int(threads), settings)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
