"""A test that has started all kinds of processes and hangs; `test_harness_killed` kills its run."""

import contextlib
import os
import subprocess
from pathlib import Path

from deployment.service import GUNICORN, deployed
from processes.backends import backend_settings
from processes.site import running_site
from scripts.command_line import MEMORY, PROGRAM, write_ini
from servers.nginx import running_nginx
from servers.postgresql import running_postgresql
from servers.processes import free_port, wait_until_open
from servers.redis import running_redis
from servers.starting import run_program, start_process

SITE = """
server {
    listen 80;
}
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/tls/mushrooms.crt;
    ssl_certificate_key /etc/nginx/tls/mushrooms.key;
}
"""


def test_it_starts_everything_and_hangs(processes: None, tmp_path: Path) -> None:
    port = free_port()
    ini = write_ini(tmp_path / "service.ini", MEMORY)
    with contextlib.ExitStack() as stack:
        for server in (
            running_redis(),
            running_postgresql(),
            running_nginx(SITE, {}),
            deployed(GUNICORN),
            running_site(backend_settings("sqlite", f"sqlite:///{tmp_path}/data.db"), workers=2),
        ):
            stack.enter_context(server)
        # It starts again what it serves, in a process of its own, when a file changes.
        command = [*PROGRAM, "start", "--reload", "--ini", ini, "--port", str(port)]
        wait_until_open(port, start_process(command, stderr=subprocess.DEVNULL))
        # Grandchildren that take no notice of the end of their parents.
        start_process(["/bin/sh", "-c", "sleep 600 & exec sleep 600"])
        Path(os.environ["STARTED"]).touch()
        run_program(["sleep", "600"], check=True)
