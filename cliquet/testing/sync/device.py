"""Devices with copies, which follow the documentation for clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["Device", "PlainDevice", "Send"]

Send = Callable[[str], Any]
"""A function that sends a GET for a URL as the user of a device, and returns the response."""

_MOST_STARTS: Final = 50


class Device:
    """A copy that is kept with tokens (E-11.6).

    Parameters
    ----------
    send : function that sends a request.
    url : URL of the collection.
    limit : size of the pages.

    Attributes
    ----------
    records : the copy: records by id.
    token : token of the last page; empty before the first synchronisation.
    told : ids of everything that the service has ever told.
    reasons : why the device had to start again during the last synchronisation.
    """

    def __init__(self, send: Send, url: str, limit: int) -> None:
        self._send = send
        self._url = url
        self._limit = limit
        self.records: dict[str, Any] = {}
        self.token = ""
        self.told: set[str] = set()
        self.reasons: list[str] = []

    def synchronise(self, between_pages: Callable[[], None] = lambda: None) -> None:
        """Bring the copy up to date.

        Parameters
        ----------
        between_pages : is called before each page but the first.
        """
        self.reasons = []
        while not self._read_pages(between_pages):
            self.token = ""
            assert len(self.reasons) < _MOST_STARTS, f"started again too often: {self.reasons}"

    def _read_pages(self, between_pages: Callable[[], None]) -> bool:
        """Read all pages; return whether the device need not start again."""
        is_start = not self.token
        answered: set[str] = set()
        url = f"{self._url}?_limit={self._limit}&_sync={self.token}"
        while True:
            response = self._send(url)
            if response.status_code == 410:
                body = response.json
                assert body["errno"] == 131, body
                assert 'rel="full"' in response.headers["Link"], response.headers
                self.reasons.append(body["details"]["reason"])
                return False
            assert response.status_code == 200, response
            page = response.json["data"]
            assert len(page) <= self._limit, "the page is longer than was asked for"
            ids = [item["id"] for item in page]
            assert len(ids) == len(set(ids)), f"an item came twice on a page: {page}"
            answered.update(ids)
            self._apply(page)
            if "Next-Page" not in response.headers:
                break
            url = response.headers["Next-Page"]
            between_pages()
        if is_start:
            self.records = {name: self.records[name] for name in answered}
        self.token = response.headers["Sync-Token"]
        return True

    def _apply(self, page: Iterable[Any]) -> None:
        for item in page:
            self.told.add(item["id"])
            if item.get("deleted") is True:
                self.records.pop(item["id"], None)
            else:
                self.records[item["id"]] = item


class PlainDevice:
    """A copy that is kept with ``_since`` and the ETag of the list, as kinto.js does (E-12.4).

    It cannot be told that groups have changed, or that deletions were forgotten: then
    :meth:`start_again` is called.

    Parameters
    ----------
    send, url, limit : as for :class:`Device`.
    """

    def __init__(self, send: Send, url: str, limit: int) -> None:
        self._send = send
        self._url = url
        self._limit = limit
        self.records: dict[str, Any] = {}
        self.told: set[str] = set()
        self.etag = ""
        self._starts = 0

    def start_again(self) -> None:
        """Forget everything, also what is being read."""
        self.records = {}
        self.etag = ""
        self._starts += 1

    def synchronise(self, between_pages: Callable[[], None] = lambda: None) -> None:
        """Bring the copy up to date."""
        starts = self._starts
        since = f"&_since={self.etag}" if self.etag else ""
        url = f"{self._url}?_limit={self._limit}{since}"
        etag = ""
        while True:
            response = self._send(url)
            if not since and response.status_code == 403:
                # There is no record to start with.
                url = f"{self._url}?_limit={self._limit}&_since=0"
                since = "0"
                continue
            assert response.status_code == 200, response
            # The tag of the first page: what changes meanwhile is listed the next time.
            etag = etag or response.headers["ETag"].strip('"')
            for item in response.json["data"]:
                self.told.add(item["id"])
                if item.get("deleted") is True:
                    self.records.pop(item["id"], None)
                else:
                    self.records[item["id"]] = item
            if "Next-Page" not in response.headers:
                break
            url = response.headers["Next-Page"]
            between_pages()
        if starts == self._starts:
            self.etag = etag
        else:
            self.records = {}
