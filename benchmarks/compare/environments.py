"""The environments of the peers: one virtual environment each, made when it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["PEERS", "python_of"]

FOLDER = Path(__file__).resolve().parents[2] / ".venv-bench"

# The peers in the order of the tables, with what is installed for them. Those without a list run in
# the environment of the project.
PEERS: dict[str, tuple[str, ...]] = {
    "cliquet": (),
    "limit": (),
    "kinto": ("kinto[postgresql]", "gunicorn", "granian"),
    "drf": ("djangorestframework", "psycopg2-binary", "gunicorn", "granian"),
    "fastapi": (
        "fastapi",
        "sqlalchemy[asyncio]",
        "asyncpg",
        "aiosqlite",
        "uvicorn",
        "uvicorn-worker",
        "uvloop",
        "httptools",
        "gunicorn",
        "granian",
    ),
}


def python_of(peer: str) -> str:
    """Return the interpreter of a peer's environment; the environment is made first if needed.

    Raises
    ------
    subprocess.CalledProcessError : the packages cannot be installed.
    """
    packages = PEERS[peer]
    if not packages:
        return sys.executable
    folder = FOLDER / peer
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        print(f"installing {peer} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "--disable-pip-version-check", "-qq", "install", *packages],
            check=True,
        )
        stamp.write_text("\n".join(packages))
    return str(python)


def version_of(peer: str) -> str:
    """Return the version of what is measured, as its package gives it."""
    package = {"limit": "pyramid", "drf": "djangorestframework"}.get(peer, peer)
    run = subprocess.run(
        [
            python_of(peer),
            "-c",
            f"import importlib.metadata as m; print(m.version({package!r}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
