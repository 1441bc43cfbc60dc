"""The settings that name replicas of databases."""

from __future__ import annotations

from typing import Final

from cliquet.settings.model import Setting
from cliquet.settings.parsers import Text

__all__ = ["ROWS"]

ROWS: Final = (
    Setting(
        "storage_read_url",
        Text(switchable=True),
        "",
        "PostgreSQL: replica that serves lists and records to clients that show nothing newer; "
        "storage_url serves the others.",
        version_added="3.2",
    ),
    Setting(
        "permission_read_url",
        Text(switchable=True),
        "",
        "PostgreSQL: replica that tells what these clients may do; a permission that was taken "
        "counts when the replica knows it.",
        version_added="3.2",
    ),
)
