"""What the contract suites use to make a working backend fail, without patching it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FaultyBackend", "RecordingLogger", "fail"]


def fail(*_args: Any, **_kwargs: Any) -> Any:
    """Raise, in the place of a method that works."""
    raise RuntimeError("out of order")


class FaultyBackend:
    """A backend some of whose methods are replaced, the others working.

    Parameters
    ----------
    backend : the backend that works.
    methods : name to replacement.
    """

    def __init__(self, backend: object, **methods: Callable[..., Any]) -> None:
        self._backend = backend
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._backend, name)


class RecordingLogger:
    """Takes the place of a logger; keeps the texts of the exceptions logged."""

    def __init__(self) -> None:
        self.exceptions: list[str] = []

    def exception(self, text: str, *_args: Any, **_kwargs: Any) -> None:
        """Keep the text."""
        self.exceptions.append(text)
