"""The files and pages of docs/deploy that no other test uses are right as far as one can tell."""

import contextlib
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from servers.pgbouncer import pgbouncer_process
from servers.processes import free_port, missing
from servers.starting import run_program

from cliquet import settings
from deployment.service import DEPLOY, ROOT


@pytest.mark.usefixtures("processes")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("no systemd-analyze: install systemd")
    unit = (DEPLOY / "mushrooms.service").read_text()
    # It wants programs that are there.
    unit = re.sub(r"/srv/mushrooms/venv/bin/gunicorn", sys.executable, unit)
    path = tmp_path / "mushrooms.service"
    path.write_text(unit)
    said = run_program(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_the_image_is_made_of_files_that_exist() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if re.match("COPY (?!--from)", line)]
    assert copied
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []


def test_the_stop_time_of_systemd_outlasts_that_of_gunicorn() -> None:
    (grace,) = re.findall(r"graceful_timeout = (\d+)", (DEPLOY / "gunicorn.conf.py").read_text())
    (limit,) = re.findall(r"TimeoutStopSec=(\d+)", (DEPLOY / "mushrooms.service").read_text())
    assert int(grace) < int(limit)


def test_gunicorn_serves_other_hosts_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(DEPLOY / "gunicorn.conf.py")
    for name in ("MUSHROOMS_BIND", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    alone = runpy.run_path(path)
    assert (alone["bind"], alone["forwarded_allow_ips"]) == ("127.0.0.1:8000", "127.0.0.1")

    monkeypatch.setenv("MUSHROOMS_BIND", "10.0.0.11:8000")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.5,10.0.0.6")
    several = runpy.run_path(path)
    assert several["bind"] == "10.0.0.11:8000"
    assert several["forwarded_allow_ips"] == "10.0.0.5,10.0.0.6"


def test_the_scaffold_has_the_same_lines_of_gunicorn() -> None:
    templates = ROOT / "cliquet" / "scripts" / "templates"
    texts = [(DEPLOY / "gunicorn.conf.py"), (templates / "gunicorn.conf.py.txt")]
    parts = [text.read_text().partition("logconfig_dict = ")[2] for text in texts]
    assert parts[0] == parts[1] != ""


@pytest.mark.usefixtures("processes")
def test_pgbouncer_serves_with_the_file(postgresql_url: str) -> None:
    """It is asked for a password, which it finds in the list of users."""
    direct = urlsplit(postgresql_url)
    port = free_port()
    text = (DEPLOY / "pgbouncer.ini").read_text()
    target = f"host={direct.hostname} port={direct.port} dbname={direct.path[1:]} user=postgres"
    for before, after in {
        "host=127.0.0.1 port=5432": target,
        "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
    }.items():
        assert before in text
        text = text.replace(before, after)
    with pgbouncer_process(text, port, (DEPLOY / "userlist.txt").read_text()):
        with contextlib.closing(connect(port, "secret")) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
        with pytest.raises(psycopg2.OperationalError, match="authentication"):
            connect(port, "wrong")


def connect(port: int, password: str) -> Any:
    return psycopg2.connect(f"postgresql://mushrooms:{password}@127.0.0.1:{port}/mushrooms")


def test_patroni_reads_the_file() -> None:
    """It asks for a synchronous standby, which alone keeps what was acknowledged."""
    yaml = pytest.importorskip("yaml")
    asked = yaml.safe_load((DEPLOY / "patroni.yml").read_text())["bootstrap"]["dcs"]
    assert asked["synchronous_mode"] is asked["synchronous_mode_strict"] is True
    # As Patroni demands.
    assert asked["loop_wait"] + 2 * asked["retry_timeout"] <= asked["ttl"]


@pytest.mark.parametrize("page", sorted(DEPLOY.glob("*.rst")), ids=lambda page: page.stem)
def test_settings_of_the_pages_are_in_the_table(page: Path) -> None:
    named = re.findall(r"cliquet\.([a-z_.]+) =", page.read_text())
    assert [name for name in named if settings.find(name) is None] == []
