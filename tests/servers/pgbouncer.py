"""PgBouncer in transaction mode, between an application and PostgreSQL."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.processes import (
    ServerProcess,
    free_port,
    missing,
    temporary_folder,
    unprivileged_user,
)

CONFIGURATION = """\
[databases]
* = {target}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
"""


def pgbouncer_executable() -> Any:
    """Return the path of ``pgbouncer``, which ordinary users often have outside their PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("pgbouncer", path=path)


@contextlib.contextmanager
def pgbouncer_process(configuration: str, port: Any, users: str = "") -> Iterator[ServerProcess]:
    """Start a PgBouncer with the text of its file and that of its list of users."""
    executable = pgbouncer_executable()
    if executable is None:
        missing("no PgBouncer: install pgbouncer")
    user = unprivileged_user()
    with temporary_folder("pgbouncer", user) as folder:
        path = Path(folder, "pgbouncer.ini")
        path.write_text(configuration.replace("/etc/pgbouncer", folder))
        path.chmod(0o644)
        Path(folder, "userlist.txt").write_text(users)
        server = ServerProcess([executable, str(path)], port, user=user, log_path=f"{folder}/log")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def running_pgbouncer(postgresql_url: Any, *, pool_size: int = 20) -> Iterator[str]:
    """Start a PgBouncer and give the URL of the same database through it.

    Parameters
    ----------
    postgresql_url : of a database, directly.
    pool_size : greatest number of connections to the server.
    """
    direct = urlsplit(postgresql_url)
    port = free_port()
    configuration = CONFIGURATION.format(target=_target(direct), port=port, pool_size=pool_size)
    with pgbouncer_process(configuration, port):
        yield f"postgresql://{direct.username}@127.0.0.1:{port}{direct.path}"


def _target(url: Any) -> str:
    # An empty password is refused.
    password = f" password={url.password}" if url.password else ""
    return f"host={url.hostname} port={url.port or 5432} user={url.username}{password}"
