"""The settings that bound what one request may cost (X-34).

Each has a default that ordinary requests do not come near, and a refusal whose message names it.
"""

from __future__ import annotations

from typing import Final

from cliquet.settings.model import Setting

__all__ = ["ROWS"]

ROWS: Final[tuple[Setting, ...]] = ()
