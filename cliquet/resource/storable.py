"""The last check of a record before it is written: its types and its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cliquet import settings
from cliquet.core import jsonio
from cliquet.types import Record
from cliquet.web import limits

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["storable"]

_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})


def storable(resource: UserResource, record: Record, old: Record | None = None) -> Record:
    """Return a record with the types of JSON.

    A schema may give dates, decimals or sets. Hooks get them, but storages do not keep them.

    Parameters
    ----------
    old : the record that it replaces. It may be larger than the limit, which is lower now or was
        not there before; its owner must still be able to shrink it, and to withdraw permissions.

    Raises
    ------
    HTTPRequestEntityTooLarge : it is larger than ``max_record_bytes``, and than `old`. The limit of
        bodies is not enough: a body may be larger than a record, because it may be a batch or have
        unknown members, and a small patch can make a large record.
    """
    converted = {
        name: value if type(value) in _PLAIN_TYPES else jsonio.loads(jsonio.dumps(value))
        for name, value in record.items()
    }
    limit = _limit(resource.request)
    # Here everything counts, so that most records are written as JSON only once.
    if (
        limit is not None
        and len(jsonio.dumps(converted)) > limit
        and _data_bytes(resource, converted) > max(limit, _data_bytes(resource, old or {}))
    ):
        raise limits.record_too_large(resource.request)
    return converted


def _data_bytes(resource: UserResource, record: Record) -> int:
    """Return the size of a record as JSON, without its timestamp and permissions.

    These are kept elsewhere, and a new record may lack a timestamp that the old one has.
    """
    model = resource.model
    apart = (model.modified_field, getattr(model, "permissions_field", None))
    data = {name: value for name, value in record.items() if name not in apart}
    return len(jsonio.dumps(data))


def _limit(request: Any) -> int | None:
    configured = request.registry.settings
    # Tests of applications make their own requests, which may lack settings (P-31).
    limit: int | None = settings.read(
        configured if isinstance(configured, Mapping) else {}, "max_record_bytes"
    )
    return limit
