"""Whether a PUT creates or replaces a record, which is not asked before it is needed.

The record is read to know this, unless settings permit the request in both cases. Then the endpoint
finds it out, under the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cliquet.core.shortcuts import Shortcut
from cliquet.types import Record

__all__ = ["UndecidedPut"]

# The endpoint of these classes calls `settle_put` before anything is written.
_SETTLES_PUT = Shortcut("_check_put", "put")


class _Decided:
    """An attribute of a context that is set as soon as somebody wants to know it."""

    def __init__(self, default: Any) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, context: Any, owner: type) -> Any:
        if context is None:
            return self._default
        context.decide()
        return context.__dict__.get(self._name, self._default)


class UndecidedPut:
    """The part of the context of a route that waits until somebody asks what a PUT requires."""

    required_permission: Any = _Decided(None)
    allowed_principals: Any = _Decided(None)
    permission_object_id: Any = _Decided(None)
    current_record: Any = _Decided(None)
    # The response shows the permissions of this object, which is the record in the URL.
    _shown_object_id: Any = _Decided(None)
    # Whether nobody has asked yet.
    is_undecided = False
    # What the endpoint has found out, of which nothing is made before somebody asks.
    _settled: tuple[str, Callable[[], Record | None]] | None = None
    # What the context of a route has.
    on_collection: bool
    _request: Any
    _service: Any
    _set_requirement: Any
    _required_by_put: Any
    _principals_of_settings: Any

    def _may_wait(self) -> bool:
        """Return whether the endpoint will settle what a PUT requires, under the lock."""
        cls = self._service.resource
        return not self.on_collection and isinstance(cls, type) and _SETTLES_PUT.is_open_in(cls)

    def decide(self) -> None:
        """Read the record, if nobody has asked before, and set what the request requires."""
        if self.is_undecided:
            self.is_undecided = False
            if self._settled is None:
                required = self._required_by_put(self._request)
            else:
                required, find_existing = self._settled
                self.current_record = find_existing()
            self._set_requirement(required)

    def grants_of_put(self) -> list[list[str]]:
        """Return the principals that have, by settings, what a PUT may require; one list for each.

        This is only for a PUT that is undecided.
        """
        return [self._principals_of_settings(name) for name in ("create", "write")]

    def settle_put(self, required: str, find_existing: Callable[[], Record | None]) -> bool:
        """Remember what a PUT has required, if it was permitted whatever that is.

        Parameters
        ----------
        find_existing : returns the record that it replaces, or ``None``.

        Returns
        -------
        Whether it was.
        """
        if not self.is_undecided:
            return False
        self._settled = required, find_existing
        return True
