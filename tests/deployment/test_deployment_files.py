"""The files and pages of docs/deploy that no other test uses are right as far as one can tell."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from servers.processes import missing
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


@pytest.mark.parametrize("page", sorted(DEPLOY.glob("*.rst")), ids=lambda page: page.stem)
def test_settings_of_the_pages_are_in_the_table(page: Path) -> None:
    named = re.findall(r"cliquet\.([a-z_.]+) =", page.read_text())
    assert [name for name in named if settings.find(name) is None] == []
