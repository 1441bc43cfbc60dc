"""Reads what has changed on the server, and keeps it with the token of where it ends (E-11.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

import httpx

from cliquet.client.service import ClientError, Service, error_of
from cliquet.client.told import Change, Told

__all__ = ["Pull"]

_MAX_STARTS: Final = 3


class Pull:
    """Reads the changes of one collection into a replica.

    Parameters
    ----------
    service : the collection.
    told : keeps the records and the token.
    filters : parameters of the list, such as ``{"status": "open"}``.
    page_size : greatest number of records of a page; ``None`` for what the service allows.
    """

    def __init__(
        self,
        service: Service,
        told: Told,
        filters: Mapping[str, str],
        page_size: int | None,
    ) -> None:
        self.service = service
        self.told = told
        self._parameters = {**filters, **({} if page_size is None else {"_limit": str(page_size)})}
        self._starts = 0

    def query(self, token: str) -> str:
        """Return the query string for what comes after a token; for an empty one, of the start."""
        return urlencode({**self._parameters, "_sync": token})

    def all_changes(self) -> Iterator[Change]:
        """Read pages until there is nothing more now.

        Yields
        ------
        The changes, after they were kept.

        Raises
        ------
        httpx.TransportError, ClientError : the service cannot be reached, or refuses. The pages
            that were read are kept, and the next time goes on after them.
        """
        self._starts = 0
        # The pages of an interrupted synchronisation tell nothing of later changes.
        is_resumed = self.told.progress().page is not None
        for _ in range(2 if is_resumed else 1):
            is_last = False
            while not is_last:
                changes, is_last = self.page()
                yield from changes

    def page(self, headers: Mapping[str, str] | None = None) -> tuple[list[Change], bool]:
        """Read one page, and return the changes and whether it was the last one."""
        progress = self.told.progress()
        if progress.token is None and progress.page is None:
            self.told.start(self.query(""))
            progress = self.told.progress()
        query = progress.page or self.query(progress.token or "")
        response = self.service.send("GET", f"{self.service.url}?{query}", headers=headers)
        if _must_start_again(response):
            self.start_again(error_of(response))
            return [], False
        if response.status_code != 200:
            raise error_of(response)
        token = response.headers.get("Sync-Token")
        following = response.headers.get("Next-Page")
        # The service may know itself by another host, to which no credentials must go.
        page = None if following is None else httpx.URL(following).query.decode("ascii")
        if token is None and page is None:
            raise ClientError(200, {}, f"{self.service.url} has no tokens: see sync_enabled")
        items = response.json()["data"]
        changes = self.told.apply(items, since=progress, token=token, page=page)
        return ([], False) if changes is None else (changes, token is not None)

    def start_again(self, reason: ClientError) -> None:
        """Begin from nothing, unless that was tried just now."""
        self._starts += 1
        if self._starts > _MAX_STARTS:
            raise reason
        self.told.start(self.query(""))


def _must_start_again(response: httpx.Response) -> bool:
    if response.status_code == 410:
        return True
    # A token of another user's collection, or of other filters.
    return response.status_code == 400 and error_of(response).names("_sync")
