"""nginx, which comes from the machine only, with a site file of the documentation."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servers.processes import (
    START_TIMEOUT_SECONDS,
    ServerProcess,
    free_port,
    missing,
    temporary_folder,
)

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    # As many installations have it.
    gzip on;
    gzip_types application/json;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site;
}}
"""


def nginx_executable() -> Any:
    """Return the path of ``nginx``, which ordinary users often have outside their PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("nginx", path=path)


@contextlib.contextmanager
def running_nginx(site: Any, replacements: Any) -> Iterator[Any]:
    """Start nginx with a site file, give its TLS port and its other one, and stop it."""
    with nginx_process(site, replacements) as (server, plain_port):
        yield server.port, plain_port


@contextlib.contextmanager
def nginx_process(site: Any, replacements: Any) -> Iterator[Any]:
    """Start nginx with a site file, give its process, of the TLS port, and its other port.

    Its certificate is made on the spot.

    Parameters
    ----------
    site : text of the file, with the ports 80 and 443.
    replacements : other texts to be replaced in it.
    """
    executable = nginx_executable()
    if executable is None or shutil.which("openssl") is None:
        missing("no nginx, or no openssl: install nginx and openssl")
    plain_port, tls_port = free_port(), free_port()
    with temporary_folder("nginx") as folder:
        _make_certificate(folder)
        replaced = {
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{tls_port} ssl;",
            "/etc/nginx/tls": folder,
            **replacements,
        }
        for before, after in replaced.items():
            assert before in site, before
            site = site.replace(before, after)
        Path(folder, "site").write_text(site)
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(folder=folder))
        # As root it would give the folders of bodies to another user, who cannot reach them.
        user = "user root;\n" if os.geteuid() == 0 else ""
        configuration.write_text(user + configuration.read_text())
        command = [executable, "-p", folder, "-e", f"{folder}/log", "-c", str(configuration)]
        server = ServerProcess(command, tls_port, log_path=f"{folder}/output")
        try:
            server.start()
            yield server, plain_port
        finally:
            server.stop()


def _make_certificate(folder: Any) -> None:
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    files = ["-keyout", f"{folder}/mushrooms.key", "-out", f"{folder}/mushrooms.crt"]
    subprocess.run(
        ["openssl", "req", *options.split(), "-subj", "/CN=mushrooms.example.com", *files],
        check=True,
        capture_output=True,
        timeout=START_TIMEOUT_SECONDS,
    )
