"""Totals of lists that go from page to page, so that each of them is counted once.

The total of a filtered list costs as much as all the records that match. A client that reads a list
page by page, as every client that synchronises does, would cause that cost for each page. Therefore
the token of the next page carries the total, with the timestamp of the collection and a digest of
the filters. While both are the same, the number is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from pyramid.request import Request

from cliquet import settings
from cliquet.core import jsonio
from cliquet.resource.preferences import NO_COUNT
from cliquet.security.sent_headers import sent
from cliquet.security.sent_parameters import sent_parameters
from cliquet.storage import Filter
from cliquet.storage.base import Page
from cliquet.storage.query import Continuation, KnownTotal, PaginationRule
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["Counted", "add_preference", "continued", "counted", "is_wanted"]

# Filters with more values are rather those that share records, and take long to digest.
_MAX_VALUES: Final = 100
_PLAIN: Final = (str, int, float, bool, type(None))


class Counted(NamedTuple):
    """A total, as a token carries it.

    Attributes
    ----------
    timestamp : of the collection when it was counted, in milliseconds.
    digest : of the collection and the filters.
    """

    timestamp: int
    total: int
    digest: str


def counted(
    resource: UserResource, filters: Sequence[Filter], records: Sequence[Record], total: int
) -> Counted | None:
    """Return the total of a page for the token of the next one, or ``None``.

    There is none where the total is known without counting, nor where it is not the storage's own
    count of these filters at the timestamp of the page.
    """
    if not filters or not isinstance(records, Page) or records.timestamp is None:
        return None
    if not _is_of_storage(resource):
        return None
    digest = _digest(resource, filters)
    return None if digest is None else Counted(records.timestamp, total, digest)


def is_wanted(resource: UserResource) -> bool:
    """Return whether a list has a total: settings and clients may say no (H-11.9)."""
    request = resource.request
    name = getattr(request, "current_resource_name", None)
    if isinstance(name, str) and name:
        policy = settings.read(request.registry.settings, f"{name}_total_records")
        if policy == "head" and request.method != "HEAD":
            return False
        if policy == "first-page" and sent_parameters(request).get("_token"):
            return False
    return not _is_count_refused(request)


def add_preference(request: Request, response_headers: MutableMapping[str, str]) -> None:
    """Tell a client that wants no total that there is none for this reason (RFC 7240 3)."""
    if _is_count_refused(request):
        NO_COUNT.add_applied(response_headers)
        # A cache must not give this answer to clients without the preference.
        response_headers["Cache-Control"] = "no-store"
        response_headers.pop("Expires", None)


def _is_count_refused(request: Request) -> bool:
    asked = sent(request, "Prefer")
    return asked is not None and NO_COUNT.is_in(asked)


def continued(
    resource: UserResource,
    filters: Sequence[Filter],
    rules: list[PaginationRule],
    *,
    is_total_wanted: bool,
) -> list[PaginationRule]:
    """Return the rules of a page with the total that its token carries, if it is of this list."""
    if not is_total_wanted:
        return Continuation(rules, is_counted=False)
    found = resource._counted
    if found is None or not rules or not _is_of_storage(resource):
        return rules
    if found.digest != _digest(resource, filters):
        return rules
    return Continuation(rules, KnownTotal(found.timestamp, found.total))


def _is_of_storage(resource: UserResource) -> bool:
    """Return whether the total of a page is what the storage has counted for these filters.

    A model with a method of its own may add filters, such as one on the present time, or change the
    total, even if it keeps the page with its timestamp.
    """
    model = resource.model
    return model.pages_have_timestamp and model._has_own_get_records


def _digest(resource: UserResource, filters: Sequence[Filter]) -> str | None:
    if not all(_is_plain(item.value) for item in filters):
        return None
    model = resource.model
    # The property `name` of an enumeration is two functions in Python.
    content = [
        *(model.collection_id, str(model.parent_id)),
        *((item.field, item.operator._name_, item.value) for item in filters),
    ]
    return hashlib.blake2b(jsonio.dumps(content), digest_size=8).hexdigest()


def _is_plain(value: object) -> bool:
    """Whether a value is wholly written in JSON, and not long."""
    if isinstance(value, (list, tuple)):
        return len(value) <= _MAX_VALUES and all(type(one) in _PLAIN for one in value)
    return type(value) in _PLAIN
