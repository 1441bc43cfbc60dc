"""The file of a database of SQLite: who may read it, and whether it is still the one in use."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = [
    "Identity",
    "create_private",
    "forget_companions",
    "identities_of_companions",
    "identity",
]

Identity = tuple[int, int]
"""Device and inode of a file: another file at the same path has another one."""

# Its log and its index (``-wal``, ``-shm``) get the same from SQLite.
_PRIVATE_MODE: Final = 0o600


def identity(path: Path) -> Identity | None:
    """Return what tells the file at a path from any other, or ``None`` if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _companions(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}-{end}") for end in ("wal", "shm")]


def identities_of_companions(path: Path) -> set[Identity]:
    """Return those of the log and of its index, as they are now."""
    return {found for companion in _companions(path) if (found := identity(companion)) is not None}


def forget_companions(path: Path, stale: Collection[Identity]) -> None:
    """Remove the log and its index if they are those of a file which is there no more.

    SQLite would take the log for that of the new file, and write what is in it over what is there
    (seen with 3.40). It leaves them, when it is closed, to whoever has the path.

    Parameters
    ----------
    stale : identities of companions of the former file.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Another process may be doing the same, and have made those of the new file since.
        fcntl.flock(folder, fcntl.LOCK_EX)
        for companion in _companions(path):
            if identity(companion) in stale:
                companion.unlink()
    finally:
        os.close(folder)


def create_private(path: Path) -> None:
    """Make an empty file for its owner alone, if there is no file; one that exists stays as it is.

    Not while the process has connections to it: to close the file would release their locks.

    Raises
    ------
    OSError : the folder cannot be used.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE_MODE))
