"""The limits of a query string, which are checked before its parts are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from cliquet import settings
from cliquet.core import jsonio
from cliquet.resource.parameters import InvalidParameter
from cliquet.types import JSONValue

__all__ = ["Bounds", "FilterCount"]

_DOTS: Final = 100
"""This number of dots is too much in the names of a query string, unless one name may have more."""


class Bounds(NamedTuple):
    """The limits of a query string; ``None`` for no limit.

    Attributes
    ----------
    max_filters : number of filters.
    max_filter_values : number of values of all the filters together, including those inside arrays
        and objects.
    max_field_depth : number of parts of a dotted name.
    """

    max_filters: int | None = None
    max_filter_values: int | None = None
    max_field_depth: int | None = None

    @classmethod
    def from_settings(cls, configured: Mapping[str, Any]) -> Bounds:
        """Return the limits from the settings with the same names."""
        return cls(
            settings.read(configured, "max_filters"),
            settings.read(configured, "max_filter_values"),
            settings.read(configured, "max_field_depth"),
        )

    def check_depth(self, name: str | None, path: str) -> None:
        """Check a dotted name in a parameter.

        Raises
        ------
        InvalidParameter : it has too many parts.
        """
        limit = self.max_field_depth
        if limit is not None and path.count(".") >= limit:
            description = (
                f"More than {limit} parts in the name of a field (setting max_field_depth)"
            )
            raise InvalidParameter("querystring", name, description)

    def check_dots(self, number: int) -> None:
        """Check the number of dots in all the names of a query string together.

        Each name may lead through the same objects, which are as large as their record.

        Raises
        ------
        InvalidParameter : there are at least :data:`_DOTS` dots, and at least as many as the parts
            that one name may have.
        """
        if self.max_field_depth is None or number < _DOTS:
            return
        limit = max(self.max_field_depth, _DOTS)
        if number >= limit:
            description = (
                f"{limit} dots and more in the names of the fields (setting max_field_depth)"
            )
            raise InvalidParameter("querystring", None, description)


class FilterCount:
    """Counts the filters of one query string, and their values.

    Its methods raise `InvalidParameter` as soon as there are too many.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._filters = 0
        self._dots = 0
        self._values = 0

    def add_filter(self, name: str) -> None:
        """Count a filter before it is read."""
        self._filters += 1
        limit = self._bounds.max_filters
        if limit is not None and self._filters > limit:
            description = f"More than {limit} filters (setting max_filters)"
            raise InvalidParameter("querystring", name, description)

    def add_name(self, name: str) -> None:
        """Count the dots of a name after the name itself was checked."""
        self._dots += name.count(".")
        if self._dots:
            self._bounds.check_dots(self._dots)

    def expect(self, name: str, text: str) -> None:
        """Check a list of values between commas before it is read."""
        self._judge(name, self._values + text.count(",") + 1)

    def add_values(self, name: str, values: Iterable[JSONValue]) -> None:
        """Count the values of a filter after they are read."""
        for value in values:
            is_simple = not isinstance(value, (list, dict))
            self._values += 1 if is_simple else jsonio.count_values(value)
        self._judge(name, self._values)

    def _judge(self, name: str, number: int) -> None:
        limit = self._bounds.max_filter_values
        if limit is not None and number > limit:
            description = f"More than {limit} values in the filters (setting max_filter_values)"
            raise InvalidParameter("querystring", name, description)
