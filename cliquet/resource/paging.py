"""The pages of a listing: where one starts, and how the client is told of the next.

The methods are thin, as those of :mod:`cliquet.resource.reading` are; tokens, rules and query
strings are made in the pure modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyramid.httpexceptions import HTTPPreconditionFailed, HTTPRequestURITooLong

from cliquet import errors, settings
from cliquet.resource import anchors, headers, pagination
from cliquet.resource.reading import RequestReader
from cliquet.storage import Filter, Sort
from cliquet.storage.query import COMPARISON, PaginationRule
from cliquet.types import Record

__all__ = ["Pager"]

# What a request line has besides the URL, which servers count too.
_LINE_BYTES = len("DELETE  HTTP/1.1\r\n")
_LOST = "The records that _token names were modified meanwhile: list again from the first page"


class Pager(RequestReader):
    """The part of a resource that cuts listings into pages."""

    # The last page that was cut, and the record after it: the published methods that write its
    # token are given its last record alone.
    _page_end: tuple[Sequence[Record], Record | None] = ((), None)

    def _cut_page(
        self, records: list[Record], sorting: list[Sort], limit: int | None, offset: int
    ) -> list[Record]:
        """Return the records of a page, and tell the client of the next one if there is any."""
        if limit is None or len(records) <= limit:
            return records
        page, following = records[:limit], records[limit]
        self._page_end = page, following
        url = self._next_page_url(sorting, limit, page[-1], offset + limit)
        self._raise_414_if_outgrown(url)
        headers.add_next_page(self.request.response.headers, url)
        return page

    def _raise_414_if_outgrown(self, url: str) -> None:
        """Refuse a request that a server may take, but not the one for its next page.

        Where the request itself is longer than the setting says, the server takes longer ones.

        Raises
        ------
        HTTPRequestURITooLong : the client would be told so in the midst of its walk.
        """
        request = self.request
        limit = settings.read(request.registry.settings, "max_url_bytes")
        if not limit or len(url) + _LINE_BYTES <= limit:
            return
        host_bytes = len(request.host_url)
        own_bytes, next_bytes = (len(u) - host_bytes + _LINE_BYTES for u in (request.url, url))
        if own_bytes <= limit < next_bytes:
            message = (
                f"The URL of the next page would be longer than {limit} bytes (setting "
                "max_url_bytes): ask for less at once"
            )
            raise errors.http_error(
                HTTPRequestURITooLong(), errno=errors.ERRORS.INVALID_PARAMETERS, message=message
            )

    def _extract_pagination_rules_from_token(
        self, limit: int | None, sorting: list[Sort]
    ) -> tuple[list[PaginationRule], int]:
        """Read ``_token``: where the page starts, and how many items came before (H-14.9)."""
        value = self.request.GET.get("_token")
        if not value:
            return [], 0
        with self._refusing():
            token = pagination.decode_token(
                value,
                sorting=sorting,
                id_field=self.model.id_field,
                modified_field=self.model.modified_field,
            )
        if isinstance(token, anchors.Anchors):
            return self._rules_from_anchors(sorting, token), token.offset
        return self._build_pagination_rules(sorting, token.last_record), token.offset

    def _rules_from_anchors(
        self, sorting: list[Sort], found: anchors.Anchors
    ) -> list[PaginationRule]:
        """Look up the records that a token names instead of holding their values.

        Raises
        ------
        HTTPPreconditionFailed : none of them stands where it stood: nobody can tell any more where
            the page starts.
        """
        id_field = self.model.id_field
        ids = [anchor.record_id for anchor, _ in found.in_turn]
        # With the filters that the resource sets itself: those that hide what is not shared (D-49).
        records, _ = self.model.get_records(
            filters=[*self._extract_filters({}), Filter(id_field, ids, COMPARISON.IN)],
            include_deleted=True,
        )
        position = anchors.find(found, sorting, records, self._reserved_fields())
        if position is None:
            raise errors.http_error(
                HTTPPreconditionFailed(),
                errno=errors.ERRORS.MODIFIED_MEANWHILE,
                message=_LOST,
            )
        rules = [pagination.rule_of(sorting, position.values)] if position.is_included else []
        return self._build_pagination_rules(sorting, position.values, rules)

    def _reserved_fields(self) -> anchors.Reserved:
        return anchors.Reserved(self.model.id_field, self.model.modified_field)

    def _build_pagination_rules(
        self,
        sorting: list[Sort],
        last_record: Mapping[str, Any],
        rules: list[PaginationRule] | None = None,
    ) -> list[PaginationRule]:
        """Return the rules that keep what follows `last_record` (B-6.22)."""
        return [*(rules or []), *pagination.pagination_rules(sorting, last_record)]

    def _build_pagination_token(self, sorting: list[Sort], last_record: Record, offset: int) -> str:
        """Return the token of the page that follows `last_record`."""
        token = pagination.encode_token(sorting, last_record, offset)
        if anchors.fits(token):
            return token
        page, following = self._page_end
        if not page or page[-1] is not last_record:
            page, following = [last_record], None
        return anchors.encode(sorting, page, following, offset, self._reserved_fields())

    def _next_page_url(
        self, sorting: list[Sort], limit: int, last_record: Record, offset: int
    ) -> str:
        """Return the absolute URL of the next page (H-14.5, H-14.12, D-70)."""
        token = self._build_pagination_token(sorting, last_record, offset)
        query = pagination.next_page_query(self.request.GET.items(), limit=limit, token=token)
        return f"{self.request.path_url}?{query}"
