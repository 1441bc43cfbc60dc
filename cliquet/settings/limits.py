"""The settings that limit the cost of one request.

Each has a default that ordinary requests do not come near, and a refusal whose message names the
setting.
"""

from __future__ import annotations

from typing import Final

from cliquet.settings.model import Setting
from cliquet.settings.parsers import Integer, Number

__all__ = ["ROWS"]

# For these settings, 0 and an empty value both mean that there is no limit.
_LIMIT: Final = Integer(optional=True, zero_is_none=True)

ROWS: Final[tuple[Setting, ...]] = (
    Setting(
        "max_body_bytes",
        _LIMIT,
        10485760,
        "Largest body of a request. It may hold 65 536 JSON values, or one for each 160 of these "
        "bytes if that is more. Nothing or 0 for no limit.",
        unit="bytes",
        version_added="3.2",
        refusal="413, errno 113; 400 for too many values",
    ),
    Setting(
        "max_record_bytes",
        _LIMIT,
        2097152,
        "Largest record that a request may write, as JSON. Nothing or 0 for no limit but "
        "`max_body_bytes`.",
        unit="bytes",
        version_added="3.2",
        refusal="413, errno 113",
    ),
    Setting(
        "timestamp_max_ahead_seconds",
        Integer(optional=True),
        86400,
        "How far ahead of the clock a timestamp may lie that a client gives to a record or to a "
        "deletion; nothing for up to the end of the year 9998.",
        unit="seconds",
        version_added="3.2",
        refusal="400",
    ),
    Setting(
        "max_filters",
        _LIMIT,
        100,
        "Most filters of one list; any query string may have ten times as many parameters. Nothing "
        "or 0 for no limit.",
        unit="filters",
        version_added="3.2",
        refusal="400",
    ),
    Setting(
        "max_filter_values",
        _LIMIT,
        1000,
        "Most values that the filters of one list may compare with, together. Nothing or 0 for no "
        "limit.",
        unit="values",
        version_added="3.2",
        refusal="400",
    ),
    Setting(
        "max_field_depth",
        _LIMIT,
        100,
        "Most parts of a dotted name in filters, `_sort` and `_fields`. The names of all filters "
        "together, and those of `_sort`, have fewer dots, or fewer than 100 if that is more. "
        "Nothing or 0 for no limit.",
        unit="parts",
        version_added="3.2",
        refusal="400",
    ),
    Setting(
        "max_url_bytes",
        _LIMIT,
        8190,
        "Longest URL, and longest header, of a request in a batch, and longest `Accept` of any "
        "request; the rest is for the server to bound. Nothing or 0 for no limit.",
        unit="bytes",
        version_added="3.2",
        refusal="414, for headers 431, in its place",
    ),
    Setting(
        "max_response_bytes",
        _LIMIT,
        10485760,
        "Size of the bodies in the answer to a batch, and of the records that it replaces, beyond "
        "which no further request is begun. Nothing or 0 for no limit.",
        unit="bytes",
        version_added="3.2",
        refusal="503 in place of each further request",
    ),
    Setting(
        "batch_timeout_seconds",
        Number(optional=True),
        30,
        "Time after which a batch begins no further request. Nothing or 0 for no limit.",
        unit="seconds",
        version_added="3.2",
        refusal="503 in place of each further request",
    ),
    Setting(
        "max_error_details",
        _LIMIT,
        100,
        "Most faults that the answer to invalid input describes; their texts have 1 024 bytes at "
        "most. Nothing or 0 for no limit.",
        unit="faults",
        version_added="3.2",
        refusal="the last one says how many are left out",
    ),
    Setting(
        "max_log_field_bytes",
        _LIMIT,
        1024,
        "Longest field of a log entry of a request; a traceback may be 64 times as long. Nothing "
        "or 0 for no limit.",
        unit="bytes",
        version_added="3.2",
        refusal="cut, and marked with …",
    ),
)
