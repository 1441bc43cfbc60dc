"""What a resource reads of its request: query string and body, parsed and checked.

The methods are thin, and separate from the endpoints, because applications override them one by one
(P-11.7). The parsing itself is in the pure modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyramid.request import Request

from cliquet import errors, settings, utils
from cliquet.resource import pagination, querystring
from cliquet.resource.bounds import Bounds
from cliquet.resource.model import Model
from cliquet.resource.parameters import InvalidParameter, latest_given, parse_timestamp
from cliquet.resource.schema import ResourceSchema
from cliquet.storage import Filter, Sort
from cliquet.types import Record
from cliquet.web.validation import json_body

__all__ = ["RequestReader"]

_DEPRECATED_TO = "_to is now deprecated, you should use _before instead"
_DEPRECATED_TO_URL = (
    "http://cliquet.rtfd.org/en/2.4.0/api/resource.html#list-of-available-url-parameters"
)


class RequestReader:
    """The part of a resource that reads the request."""

    mapping: ResourceSchema
    model: Model
    request: Request

    # Those of the request, read once.
    _query_bounds: Bounds | None = None
    # A mapping, and what it became when it was bound to the request.
    _bound_mapping: tuple[ResourceSchema, ResourceSchema] | None = None

    @property
    def _schema(self) -> ResourceSchema:
        """The schema of the records, with what depends on the request worked out."""
        mapping, bound = self.mapping, self._bound_mapping
        if bound is None or bound[0] is not mapping:
            bound = self._bound_mapping = (mapping, mapping.for_request(self.request))
        return bound[1]

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Answer 400 for what the pure modules refuse."""
        try:
            yield
        except InvalidParameter as error:
            location, name, description = error.location, error.name, error.description
        else:
            return
        errors.raise_invalid(self.request, location=location, name=name, description=description)

    def is_known_field(self, field: str) -> bool:
        """Whether `field` can be filtered and sorted on (P-11.5, H-12.5).

        Overridden by applications whose records have no schema.
        """
        return field in self._get_known_fields()

    def _is_known_path(self, path: str) -> bool:
        """Whether a field, or a member of nested objects, can be filtered and sorted on (E-3.2)."""
        if self.is_known_field(path):
            return True
        root, *members = path.split(".")
        if not members or not root or not all(members):
            return False
        return self.mapping.get_option("preserve_unknown") is True or self.is_known_field(root)

    def _get_known_fields(self) -> list[str]:
        """Return the declared fields and the three that every record may have (P-11.6)."""
        return [
            *(node.name for node in self._schema.children),
            self.model.id_field,
            self.model.modified_field,
            self.model.deleted_field,
        ]

    def _extract_filters(self, queryparams: Any = None) -> list[Filter]:
        """Read the filters of the query string (H-12)."""
        params = self.request.GET if queryparams is None else queryparams
        with self._refusing():
            found = querystring.parse_filters(
                params.items(),
                is_known_field=self._is_known_path,
                id_field=self.model.id_field,
                modified_field=self.model.modified_field,
                deleted_field=self.model.deleted_field,
                declared_fields=[node.name for node in self._schema.children],
                bounds=self._bounds(),
            )
        if found.deprecated_to:
            errors.send_alert(self.request, _DEPRECATED_TO, url=_DEPRECATED_TO_URL)
        return found.filters

    def _bounds(self) -> Bounds:
        """Return the bounds of the query string."""
        if self._query_bounds is None:
            request = self.request
            # Most requests have nothing to be bounded.
            self._query_bounds = (
                Bounds.from_settings(request.registry.settings) if request.GET else Bounds()
            )
        return self._query_bounds

    def _extract_limit(self) -> int | None:
        """Read ``_limit`` (H-14.1 to H-14.4)."""
        configured = self.request.registry.settings
        with self._refusing():
            return querystring.parse_limit(
                self.request.GET.get("_limit"),
                paginate_by=settings.read(configured, "paginate_by"),
                max_fetch_size=settings.read(configured, "storage_max_fetch_size"),
            )
        raise AssertionError  # pragma: no cover - `_refusing` raises

    def _extract_sorting(self, limit: int | None) -> list[Sort]:
        """Read ``_sort``, and complete it to a total order (H-13, D-24)."""
        with self._refusing():
            sorting = querystring.parse_sort(
                self.request.GET.get("_sort"),
                is_known_field=self._is_known_path,
                modified_field=self.model.modified_field,
                bounds=self._bounds(),
            )
        return pagination.complete_sorting(
            sorting, id_field=self.model.id_field, modified_field=self.model.modified_field
        )

    def _extract_partial_fields(self) -> list[str] | None:
        """Read ``_fields`` (H-15)."""
        with self._refusing():
            return querystring.parse_fields(
                self.request.GET.get("_fields"),
                known_fields=self._get_known_fields(),
                preserve_unknown=self.mapping.get_option("preserve_unknown") is True,
                id_field=self.model.id_field,
                modified_field=self.model.modified_field,
                deleted_field=self.model.deleted_field,
                bounds=self._bounds(),
            )
        raise AssertionError  # pragma: no cover - `_refusing` raises

    def _body_data(self) -> Record:
        """Return ``data`` as the client sent it, before the schema dropped anything (H-8.12)."""
        try:
            body = json_body(self.request)
        except ValueError:
            body = None
        data = body.get("data", {}) if isinstance(body, dict) else None
        if not isinstance(data, dict):
            errors.raise_invalid(
                self.request,
                name="data",
                description="Provide at least one of data or permissions",
            )
        return data

    def _new_record(self) -> Record:
        """Return the validated record of the body, with the client's timestamp (X-5).

        Raises
        ------
        HTTPBadRequest : the timestamp is none.
        """
        record: Record = dict(self.request.validated["data"])
        self._set_reserved(record, self._given_timestamp(self._body_data()))
        return record

    def _given_timestamp(self, data: Record) -> int | None:
        """Return the timestamp that a body gives, if any (D-3, D-4).

        Raises
        ------
        HTTPBadRequest : it is no integer, or negative.
        """
        given = data.get(self.model.modified_field)
        if given is None:
            return None
        if type(given) is not int or given < 0:
            errors.raise_invalid(
                self.request,
                name=f"data.{self.model.modified_field}",
                description=f"Invalid value for {self.model.modified_field}",
            )
        timestamp: int = given
        return timestamp

    def _raise_400_if_ahead(
        self, timestamp: int | None, existing: Record | None = None, *, location: str = "body"
    ) -> None:
        """Refuse a timestamp so far ahead that a collection would be stuck there (X-28).

        Parameters
        ----------
        timestamp : that a client gives to what it writes, in ms, if it does.
        existing : what is replaced. A timestamp that is not later is not used, wherever it lies: a
            client may send a record as it has got it (H-9.1, D-5).

        Raises
        ------
        HTTPBadRequest : it is later than ``timestamp_max_ahead_seconds`` allows.
        """
        name = self.model.modified_field
        if timestamp is None or (existing is not None and timestamp <= existing[name]):
            return
        seconds = settings.read(self.request.registry.settings, "timestamp_max_ahead_seconds")
        latest = latest_given(utils.msec_time(), seconds)
        if timestamp <= latest:
            return
        bound = "the end of 9998" if seconds is None else f"{seconds} seconds ahead of the clock"
        errors.raise_invalid(
            self.request,
            location=location,
            name=f"data.{name}" if location == "body" else name,
            description=(
                f"{name} should be at most {latest}, {bound} (setting timestamp_max_ahead_seconds)"
            ),
        )

    def _set_reserved(self, record: Record, timestamp: int | None) -> None:
        """Give a record the client's timestamp, and none of what makes a tombstone."""
        # A live record has no such member: it would be taken for a tombstone (H-12.19).
        record.pop(self.model.deleted_field, None)
        if timestamp is None:
            record.pop(self.model.modified_field, None)
        else:
            record[self.model.modified_field] = timestamp

    def _extract_deletion_timestamp(self) -> int | None:
        """Read ``?last_modified`` of DELETE (H-21.3, D-6)."""
        name = self.model.modified_field
        value = self.request.GET.get(name)
        if value is None:
            return None
        try:
            return parse_timestamp(value)
        except ValueError:
            description = f"Invalid value for {value}"
        errors.raise_invalid(
            self.request, location="querystring", name=name, description=description
        )
