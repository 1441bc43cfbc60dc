"""What a resource answers besides a body: headers, and the refusals of conditional requests.

The methods are thin, and separate from the endpoints, because applications override them one by one
(P-11.7). The decisions themselves are in the pure modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from pyramid.httpexceptions import (
    HTTPConflict,
    HTTPNotFound,
    HTTPNotModified,
    HTTPPreconditionFailed,
    HTTPServiceUnavailable,
)
from pyramid.response import Response

from cliquet import errors, settings, utils
from cliquet.core.overriding import Shortcut
from cliquet.monitoring import logs
from cliquet.resource import headers, preconditions
from cliquet.resource.paging import Pager
from cliquet.security import authentication
from cliquet.storage.base import Page
from cliquet.storage.exceptions import BackendError, RecordNotFoundError, UnicityError
from cliquet.types import Record

__all__ = ["ResponseWriter"]

_READONLY_TIMESTAMP = (
    "Collection timestamp cannot be written. "
    "Records endpoint must be hit at least once from a writable instance."
)
# The others ask for the timestamp of the collection before a list is read.
_TIMESTAMP_WITH_PAGE = Shortcut(
    "_timestamp_comes_with_page",
    "timestamp",
    "_add_timestamp_header",
    "_raise_304_if_not_modified",
    "_raise_412_if_modified",
)
# What a 304 repeats of the response it stands for (RFC 9110 15.4.5, D-40).
_VALIDATOR_HEADERS = ("ETag", "Last-Modified", "Cache-Control", "Expires")


class ResponseWriter(Pager):
    """The part of a resource that adorns and refuses."""

    context: Any
    record_id: str | None
    _timestamp: int | None = None

    @property
    def timestamp(self) -> int:
        """The timestamp of the collection in ms, read once per request (P-9.9, P-9.13).

        Raises
        ------
        BackendError : the storage failed.
        HTTPServiceUnavailable : the same in read-only mode, where a collection that was never read
            has no timestamp and cannot get one (H-26.9).
        """
        if self._timestamp is None:
            with self._reading_timestamp():
                self._timestamp = self.model.timestamp()
            logs.bind(collection_timestamp=self._timestamp)
        return self._timestamp

    @contextmanager
    def _reading_timestamp(self) -> Iterator[None]:
        try:
            yield
        except BackendError as error:
            if not settings.read(self.request.registry.settings, "readonly"):
                raise
            logs.logger.exception(str(error))
            raise errors.http_error(
                HTTPServiceUnavailable(),
                errno=errors.ERRORS.BACKEND,
                message=_READONLY_TIMESTAMP,
            ) from error

    def _timestamp_comes_with_page(self) -> bool:
        """Whether a listing can do without asking for the timestamp before it lists.

        Not when a condition may make the list superfluous, nor when the application has a method of
        its own that may want the timestamp.
        """
        if any(self.request.headers.get(name) for name in ("If-Match", "If-None-Match")):
            return False
        return self.model.pages_have_timestamp and _TIMESTAMP_WITH_PAGE.is_open(self)

    def _take_timestamp(self, records: list[Record]) -> bool:
        """Take the timestamp that came with a page, unless one was read before.

        Returns
        -------
        Whether there is one. If not, the page may be older than any that is read from now on.
        """
        if self._timestamp is None and isinstance(records, Page):
            timestamp = records.timestamp
            if timestamp is None and records.claim is not None:
                with self._reading_timestamp():
                    timestamp = records.claim()
            if timestamp is not None:
                self._timestamp = timestamp
                logs.bind(collection_timestamp=timestamp)
        return self._timestamp is not None

    def _add_timestamp_header(self, response: Response, timestamp: int | None = None) -> None:
        """Set ``ETag`` and ``Last-Modified``, of the collection by default (H-9.7)."""
        headers.add_timestamp_headers(
            response.headers, self.timestamp if timestamp is None else timestamp
        )

    def _add_cache_header(self, response: Response) -> None:
        """Set the caching headers."""
        expires_seconds = None
        resource_name = getattr(self.context, "resource_name", None)
        if resource_name and isinstance(resource_name, str):
            expires_seconds = settings.read(
                self.request.registry.settings, f"{resource_name}_cache_expires_seconds"
            )
        if expires_seconds:
            # A public view has not asked yet who the user is, whose answer is private (D-69).
            _ = self.request.authenticated_userid
        headers.add_cache_headers(
            response.headers, expires_seconds, authentication.is_private(self.request)
        )

    def _subject(self, record: Record | None) -> preconditions.Subject:
        if record is not None:
            return preconditions.Subject.record(
                record,
                modified_field=self.model.modified_field,
                deleted_field=self.model.deleted_field,
            )
        if self.record_id is not None:
            return preconditions.Subject.absent()
        return preconditions.Subject.collection(lambda: self.timestamp)

    def _raise_304_if_not_modified(self, record: Record | None = None) -> None:
        """Answer 304 when the client has this version already (H-10.8).

        Raises
        ------
        HTTPNotModified : nothing is newer than what the client names.
        """
        value = self.request.headers.get("If-None-Match")
        if not value:
            return
        with self._refusing():
            is_not_modified = preconditions.is_not_modified(self._subject(record), value)
        if is_not_modified:
            response = HTTPNotModified()
            for name in _VALIDATOR_HEADERS:
                if name in self.request.response.headers:
                    response.headers[name] = self.request.response.headers[name]
            raise response

    def _raise_412_if_modified(self, record: Record | None = None) -> None:
        """Answer 412 when a precondition does not hold (H-10.6, H-10.9).

        Parameters
        ----------
        record : the record or tombstone that the request is about; ``None`` where there is none,
            or on the collection.

        Raises
        ------
        HTTPPreconditionFailed : somebody else was faster.
        """
        if_match = self.request.headers.get("If-Match")
        if_none_match = self.request.headers.get("If-None-Match")
        if not if_match and not if_none_match:
            return
        with self._refusing():
            is_modified = preconditions.is_modified_meanwhile(
                self._subject(record), if_match=if_match, if_none_match=if_none_match
            )
        if is_modified:
            response = errors.http_error(
                HTTPPreconditionFailed(),
                errno=errors.ERRORS.MODIFIED_MEANWHILE,
                message=errors.ERRORS.MODIFIED_MEANWHILE.sentence,
                details={} if record is None else {"existing": self._disclosed(record)},
            )
            if record is None:
                self._add_timestamp_header(response)
            elif self._may_read(record):
                self._add_timestamp_header(response, record[self.model.modified_field])
            raise response

    def _raise_400_if_invalid_id(self, record_id: Any) -> None:
        """Refuse an id that the generator could not have made (H-7.8).

        Raises
        ------
        HTTPBadRequest : `record_id` is no text, or of another form.
        """
        generator: Any = self.model.id_generator
        if (
            not isinstance(record_id, str)
            or not generator.match(record_id)
            or not utils.is_storable_key(record_id)
        ):
            errors.raise_invalid(self.request, location="path", description="Invalid record id")

    def _raise_400_if_id_mismatch(self, new_id: Any, record_id: Any) -> None:
        """Refuse a body whose id is not the URL's (H-19.5).

        Raises
        ------
        HTTPBadRequest : they differ.
        """
        if new_id != record_id:
            errors.raise_invalid(
                self.request,
                name=self.model.id_field,
                description="Record id does not match existing record",
            )

    def _raise_conflict(self, exception: UnicityError) -> NoReturn:
        """Answer 409 for a unique field that is taken (H-23.5).

        Raises
        ------
        HTTPConflict : always.
        """
        field, existing = exception.field, exception.record
        raise errors.http_error(
            HTTPConflict(),
            errno=errors.ERRORS.CONSTRAINT_VIOLATED,
            message=f"Conflict of field {field} on record {existing[self.model.id_field]}",
            details={"field": field, "existing": self._disclosed(existing)},
        )

    def _may_read(self, record: Record) -> bool:
        """Whether the client may see a record that stands in its way; its own it may."""
        return True

    def _disclosed(self, existing: Record) -> Record:
        """Return what an error body may show of a record (X-11)."""
        return existing

    def _get_record_or_404(self, record_id: Any) -> Record:
        """Return a live record (P-11.8).

        Raises
        ------
        HTTPNotFound : there is none.
        """
        current: Record | None = getattr(self.context, "current_record", None)
        if current is not None:
            return current
        try:
            return self.model.get_record(record_id)
        except RecordNotFoundError:
            raise self._not_found() from None

    def _not_found(self) -> HTTPNotFound:
        return errors.http_error(
            HTTPNotFound(),
            errno=errors.ERRORS.MISSING_RESOURCE,
            message=errors.ERRORS.MISSING_RESOURCE.sentence,
        )
