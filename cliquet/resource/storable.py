"""The last check of a record before it is written: its types and its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cliquet import settings
from cliquet.core import jsonio
from cliquet.types import Record
from cliquet.web import limits

__all__ = ["storable"]

_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})


def storable(request: Any, record: Record) -> Record:
    """Return a record with the types of JSON.

    A schema may give dates, decimals or sets. Hooks get them, but storages do not keep them.

    Raises
    ------
    HTTPRequestEntityTooLarge : it is larger than ``max_record_bytes``. The limit of bodies is not
        enough: a body may be larger than a record, because it may be a batch or have unknown
        members, and a small patch can make a large record.
    """
    converted = {
        name: value if type(value) in _PLAIN_TYPES else jsonio.loads(jsonio.dumps(value))
        for name, value in record.items()
    }
    limit = _limit(request)
    if limit is not None and len(jsonio.dumps(converted)) > limit:
        raise limits.record_too_large(request)
    return converted


def _limit(request: Any) -> int | None:
    configured = request.registry.settings
    # Tests of applications make their own requests, which may lack settings (P-31).
    limit: int | None = settings.read(
        configured if isinstance(configured, Mapping) else {}, "max_record_bytes"
    )
    return limit
