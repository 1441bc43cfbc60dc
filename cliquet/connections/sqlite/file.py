"""The file of an SQLite database: its mode, and whether it is still the file in use."""

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

# SQLite gives its log and its index (``-wal``, ``-shm``) the same mode.
_PRIVATE_MODE: Final = 0o600


def identity(path: Path | str) -> Identity | None:
    """Return the identity of the file at a path, or ``None`` if there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _companions(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}-{end}") for end in ("wal", "shm")]


def identities_of_companions(path: Path) -> set[Identity]:
    """Return the present identities of the log and of its index."""
    return {found for companion in _companions(path) if (found := identity(companion)) is not None}


def forget_companions(path: Path, stale: Collection[Identity]) -> None:
    """Remove the log and its index if they belong to a file that does not exist any more.

    SQLite would take the log for that of the new file, and would overwrite the new data with the
    old (seen with 3.40). It does not remove them itself when it closes a file that was replaced.

    Parameters
    ----------
    stale : identities of companions of the former file.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Another process may do the same, and may already have created those of the new file.
        fcntl.flock(folder, fcntl.LOCK_EX)
        for companion in _companions(path):
            if identity(companion) in stale:
                companion.unlink()
    finally:
        os.close(folder)


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read; an existing file stays as it is.

    The process must not have connections to the file, because closing it here would release their
    locks.

    Raises
    ------
    OSError : the folder cannot be used.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE_MODE))
