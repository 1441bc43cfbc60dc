"""Serves what a file describes with ``cliquet start``, and asks it."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from servers.processes import ServerProcess, free_port

from cliquet.testing.web import basic_auth
from scripts.command_line import PROGRAM


def send(url: Any, body: Any = None) -> Any:
    headers = {**basic_auth(), "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@contextmanager
def served(ini: Any) -> Iterator[Any]:
    """Serve what a file describes, and give its URL and the file of what it prints."""
    port = free_port()
    log = ini.with_suffix(".log")
    command = [*PROGRAM, "start", "--ini", str(ini), "--port", str(port)]
    server = ServerProcess(command, port, log_path=log)
    server.start()
    try:
        yield f"http://localhost:{port}/v1", log
    finally:
        server.stop()
