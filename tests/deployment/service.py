"""The example service as one deploys it: the files of docs/deploy, a real server, a folder."""

import contextlib
import http.client
import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from processes.client import Client
from servers.processes import ServerProcess, free_port, temporary_folder
from servers.starting import run_program

from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
BIN = Path(sys.executable).parent
FILES = (
    ROOT / "config" / "production.ini",
    DEPLOY / "gunicorn.conf.py",
    DEPLOY / "wsgi.py",
    ROOT / "docs" / "example" / "mushrooms.py",
    Path(__file__).with_name("lingering.py"),
)

MUSHROOMS = "/v1/mushrooms"
USER = basic_auth("mat", "1")
# Longer than any start takes, even on a busy machine.
PATIENCE_SECONDS = 60


class Server(NamedTuple):
    """A server, as docs/deploy/servers.rst starts it, apart from the port.

    Attributes
    ----------
    command : words; ``{port}`` stands for the port.
    processes : number of them.
    ready : what is printed for each process that is ready, so that tests reach all of them.
    stopping : what is printed once it has been told to stop.
    """

    command: tuple
    processes: int = 2
    ready: str = "mushrooms 1.0 starting."
    stopping: str = "Handling signal: term"

    def alone(self) -> Any:
        """Return the same server with one process."""
        return self._replace(command=(*self.command, "--workers", "1"), processes=1)


GUNICORN = Server(("gunicorn", "--paste", "production.ini", "--bind", "127.0.0.1:{port}"))
GRANIAN = Server(
    (
        *("granian", "--interface", "wsgi", "wsgi:application", "--port", "{port}"),
        *("--workers", "2", "--blocking-threads", "8", "--respawn-failed-workers"),
        # One stop in twenty lasts that long: a process overlooks the signal.
        *("--workers-kill-timeout", "5"),
    ),
    ready="Started worker-",
    stopping="Shutting down granian",
)
SERVERS = {
    "gunicorn sync": GUNICORN._replace(
        command=(*GUNICORN.command, "--worker-class", "sync", "--threads", "1")
    ),
    "gunicorn gthread": GUNICORN,
    "granian": GRANIAN,
    "waitress": Server(
        ("waitress-serve", "--listen", "127.0.0.1:{port}", "wsgi:application"), processes=1
    ),
}

# It serves those who wait, beside one of them.
FEED = Server(
    ("cliquet", "--ini", "production.ini", "feed", "--host", "127.0.0.1", "--port", "{port}"),
    processes=1,
)


class Service(ServerProcess):
    """The service in its folder, under one of the servers.

    Parameters
    ----------
    folder : holds the files of the service, and is where it is started.
    environment : settings, by the names of their environment variables.
    """

    def __init__(self, folder: Any, server: Any, environment: Any) -> None:
        port = free_port()
        self.server = server
        self.folder = Path(folder)
        self.environment = environment
        words = [word.format(port=port) for word in server.command]
        super().__init__(
            [*self._prefix(), str(BIN / words[0]), *words[1:]], port, log_path=f"{folder}/log"
        )

    def _prefix(self) -> list[Any]:
        variables = {
            **self.environment,
            "DEPLOYMENT_FOLDER": str(self.folder),
            "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}",
        }
        pairs = [f"{name}={value}" for name, value in variables.items()]
        return [shutil.which("env"), f"--chdir={self.folder}", *pairs]

    def start(self) -> None:
        path = Path(self.log_path)
        self._said_before = self.log().count(self.server.ready) if path.exists() else 0
        super().start()

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        # It may have been started before.
        said = self._said_before + self.server.processes
        wait_until(lambda: self.log().count(self.server.ready) >= said)

    def migrate(self) -> None:
        command = [*self._prefix(), str(BIN / "cliquet"), "--ini", "production.ini", "migrate"]
        run_program(command, check=True, capture_output=True)

    def client(self, *, user: Any = USER) -> Any:
        """Return a client, with a connection of its own."""
        return Client(self.port, user)

    def send(self, *request: Any, **kwargs: Any) -> Any:
        """Send one request on a connection of its own."""
        with contextlib.closing(self.client(**kwargs)) as client:
            return client.send(*request)

    def create(self, name: Any) -> Any:
        """Create a record, by a connection of its own."""
        return self.send("POST", MUSHROOMS, {"data": {"name": name}})

    def names(self) -> list[Any]:
        """Return the names of the records that the service lists."""
        return sorted(record["name"] for record in self.send("GET", MUSHROOMS).data)

    def stored_names(self) -> list[Any]:
        """Return the names of the records in the file, whether or not the service runs."""
        with contextlib.closing(sqlite3.connect(self.folder / "data.db")) as connection:
            rows = connection.execute("SELECT data FROM records WHERE NOT deleted").fetchall()
        return sorted(json.loads(data)["name"] for (data,) in rows)

    def log(self) -> Any:
        """Return what the server and the service printed."""
        return Path(self.log_path).read_text()

    def signal(self, number: Any) -> None:
        self.process.send_signal(number)

    def wait_for_end(self) -> Any:
        """Return the exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def has_begun(self) -> Any:
        """Return the id of the process that serves the slow request, ``None`` before it does."""
        path = self.folder / "begun"
        return int(path.read_text()) if path.exists() else None

    def release(self) -> None:
        """Let the slow request finish."""
        (self.folder / "released").touch()


def wait_until(condition: Any) -> Any:
    """Return what a condition gives, once that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)
    return found


def on_sqlite(folder: Any) -> dict[Any, Any]:
    """Return settings of a service that keeps everything in a file."""
    settings = {"CLIQUET_USERID_HMAC_SECRET": "secret-of-the-tests"}
    for kind in ("STORAGE", "PERMISSION", "CACHE"):
        settings[f"CLIQUET_{kind}_BACKEND"] = f"cliquet.{kind.lower()}.sqlite"
        settings[f"CLIQUET_{kind}_URL"] = f"sqlite:///{folder}/data.db"
    return {**settings, "CLIQUET_INCLUDES": "lingering"}


def on_postgresql(url: Any) -> Any:
    """Return the function of the folder for a service that keeps everything in a database."""
    settings = {
        "CLIQUET_USERID_HMAC_SECRET": "secret-of-the-tests",
        "CLIQUET_INCLUDES": "lingering",
    }
    for kind in ("STORAGE", "PERMISSION", "CACHE"):
        settings[f"CLIQUET_{kind}_BACKEND"] = f"cliquet.{kind.lower()}.postgresql"
        settings[f"CLIQUET_{kind}_URL"] = url
    return lambda folder: settings


@contextlib.contextmanager
def deployed(server: Any, settings: Any = on_sqlite, *, migrates: bool = False) -> Iterator[Any]:
    """Put the files of the service into a folder, serve it, and stop it.

    Parameters
    ----------
    settings : function that returns environment variables from the folder.
    migrates : create the tables first; SQLite makes them by itself.
    """
    with temporary_folder("deployment") as made:
        for path in FILES:
            shutil.copy(path, made)
        service = Service(made, server, settings(made))
        if migrates:
            service.migrate()
        try:
            service.start()
            yield service
        finally:
            service.release()
            service.stop()


@contextlib.contextmanager
def slow_request(service: Any) -> Iterator[Any]:
    """Send the creation of a record named ``slow``; give the list that its outcome comes to.

    The outcome is the answer, or what the client met instead of one.
    """
    outcomes = []

    def send() -> None:
        try:
            outcomes.append(service.create("slow"))
        except (OSError, http.client.HTTPException) as error:
            outcomes.append(error)

    thread = Thread(target=send)
    thread.start()
    yield outcomes
    thread.join()
