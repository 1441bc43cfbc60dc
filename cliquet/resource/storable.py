"""What a request may write: a record in the types of JSON, that is not too large."""

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
    """Return a record as JSON holds it.

    A schema may give dates, decimals or sets: the hooks see them, no storage keeps them.

    Raises
    ------
    HTTPRequestEntityTooLarge : it is larger than ``max_record_bytes``. A body may be larger than
        any record: it may be a batch, and what the schema does not know is dropped; and a patch
        makes a record larger than itself.
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
    # Tests of applications have requests of their own making (P-31).
    limit: int | None = settings.read(
        configured if isinstance(configured, Mapping) else {}, "max_record_bytes"
    )
    return limit
