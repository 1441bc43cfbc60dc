"""Standbys of a PostgreSQL: streaming replication between two servers of the tests."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from cliquet.testing.bounded import wait_until
from servers.network_hosts import HERE, Host
from servers.postgresql import PostgreSQLProcess
from servers.postgresql_binaries import default_bindir
from servers.processes import free_port, identity, temporary_folder, unprivileged_user
from servers.starting import run_program


@contextlib.contextmanager
def running_standby(primary: Any, *, host: Host = HERE, port: int | None = None) -> Iterator[Any]:
    """Start a standby of a PostgreSQL, and give its process.

    Parameters
    ----------
    host, port : where it runs, by default here and on a free port.
    """
    bindir, user, port = default_bindir(), unprivileged_user(), port or free_port()
    with temporary_folder("standby", user, in_memory=True) as folder:
        source = ["-h", primary.address, "-p", str(primary.port), "-U", "postgres"]
        # Its checkpoint would else take its time.
        backup = [f"{bindir}/pg_basebackup", *source, "-D", f"{folder}/data", "-R", "-c", "fast"]
        words, identified = host.command(backup, user)
        run_program(words, check=True, capture_output=True, **identity(identified))
        command = [str(bindir / "postgres"), "-D", f"{folder}/data", "-p", str(port)]
        options = [
            f"listen_addresses={host.address}",
            "unix_socket_directories=",
            "max_connections=200",
            # As documented: a primary that comes back has to wait for its standby.
            "wal_retrieve_retry_interval=1s",
        ]
        for option in options:
            command += ["-c", option]
        server = PostgreSQLProcess(
            command,
            port,
            user=user,
            host=host,
            stop_signal=signal.SIGINT,
            log_path=f"{folder}/log",
        )
        try:
            server.start()
            yield server
        finally:
            server.crash()


def make_synchronous(primary: Any) -> None:
    """Let each commit wait for a standby, if ``synchronous_commit`` of the server is on."""
    ask(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    ask(primary, "SELECT pg_reload_conf()")
    wait_until(
        lambda: ask(primary, "SELECT sync_state FROM pg_stat_replication") == "sync",
        "a synchronous standby",
    )


def make_asynchronous(primary: Any) -> None:
    """Let no commit wait for a standby any more."""
    ask(primary, "ALTER SYSTEM RESET synchronous_standby_names")
    ask(primary, "SELECT pg_reload_conf()")


def promote(standby: Any) -> None:
    """Make a standby the primary, which accepts writes."""
    assert ask(standby, "SELECT pg_promote(true, 60)")


def ask(server: Any, statement: str, database: str = "postgres") -> Any:
    """Run a statement as the administrator; return the first value, if it gives one."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(f"{server.url}/{database}")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def wait_for_standby(primary: Any, standby: Any) -> None:
    """Return when a standby shows everything that the primary has committed."""
    written = ask(primary, "SELECT pg_current_wal_insert_lsn()::text")
    wait_until(
        lambda: ask(standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'"), "the replay"
    )


@contextlib.contextmanager
def paused(standby: Any) -> Iterator[None]:
    """Let a standby stay as it is during the block."""
    ask(standby, "SELECT pg_wal_replay_pause()")
    wait_until(lambda: ask(standby, "SELECT pg_get_wal_replay_pause_state()") == "paused")
    try:
        yield
    finally:
        ask(standby, "SELECT pg_wal_replay_resume()")
