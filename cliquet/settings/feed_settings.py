"""The settings of the live feed."""

from __future__ import annotations

from typing import Final

from cliquet.settings.model import Setting
from cliquet.settings.parsers import Integer, Number

__all__ = ["ROWS"]

ROWS: Final = (
    Setting(
        "feed_max_wait_seconds",
        Integer(),
        60,
        "Longest time that Prefer: wait lets a request for changes wait; 0 for none.",
        unit="seconds",
        version_added="3.2",
    ),
    Setting(
        "feed_recheck_seconds",
        Number(),
        5,
        "Longest time after which a stream knows that a user has lost access; more than 0.",
        unit="seconds",
        version_added="3.2",
    ),
    Setting(
        "feed_max_streams",
        Integer(optional=True, zero_is_none=True),
        50,
        "Most clients of one process that wait for changes, in streams or not; each takes a thread "
        "of the server. Nothing or 0 for no limit.",
        unit="clients",
        refusal="503",
        version_added="3.2",
    ),
)
