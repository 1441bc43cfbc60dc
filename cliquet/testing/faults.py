"""Helpers with which the contract suites make a working backend fail, without patching it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FaultyBackend", "RecordingLogger", "fail"]


def fail(*_args: Any, **_kwargs: Any) -> Any:
    """Raise an error; this function replaces a working method."""
    raise RuntimeError("out of order")


class FaultyBackend:
    """A backend with some replaced methods; the others work.

    Parameters
    ----------
    backend : the backend that works.
    methods : replacements by the names of the methods.
    """

    def __init__(self, backend: object, **methods: Callable[..., Any]) -> None:
        self._backend = backend
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._backend, name)


class RecordingLogger:
    """Replaces a logger, and keeps the texts of logged exceptions."""

    def __init__(self) -> None:
        self.exceptions: list[str] = []

    def exception(self, text: str, *_args: Any, **_kwargs: Any) -> None:
        """Keep the text."""
        self.exceptions.append(text)
