"""The errors that backends of all kinds may raise.

::

    Exception
     ├── BackendError              the server of the backend failed: 503
     │    ├── ReadonlyError        it accepts no write
     │    └── TimeLimitError       it took longer than a setting allows
     ├── RecordNotFoundError       no live record has this id: 404
     │    └── ObjectNotFoundError  the same under its newer name
     └── IntegrityError
          └── UnicityError         another record has a unique value: 409, or 200 on POST

Errors of drivers never leave a backend: they become the attribute ``original``.
"""

from __future__ import annotations

from typing import Any

from cliquet.types import Record

__all__ = [
    "BackendError",
    "IntegrityError",
    "ObjectNotFoundError",
    "ReadonlyError",
    "RecordNotFoundError",
    "TimeLimitError",
    "UnicityError",
]


class BackendError(Exception):
    """The server of a backend cannot be reached, or has refused the operation (B-2.2).

    Parameters
    ----------
    original : the exception of the driver, if there is one.
    message : text instead of the default one, which is the class name and the text of `original`.
    retryable : whether the same request may succeed if it is run again from its start, for example
        after a deadlock.
    """

    def __init__(
        self,
        original: BaseException | None = None,
        message: str | None = None,
        *args: Any,
        retryable: bool = False,
        **kwargs: Any,
    ) -> None:
        self.original = original
        self.retryable = retryable
        if message is None:
            message = f"{type(original).__name__}: {original}"
        super().__init__(message, *args)


class ReadonlyError(BackendError):
    """The backend is read-only, and the operation needs a write (B-21.7)."""


class TimeLimitError(BackendError):
    """An operation ran or waited longer than a setting allows, and was given up (X-34).

    Parameters
    ----------
    setting : name of the setting.

    .. versionadded:: 3.2
    """

    def __init__(self, setting: str, original: BaseException | None = None) -> None:
        self.setting = setting
        reason = "" if original is None else f": {original}"
        super().__init__(original, f"Given up after the time that {setting} allows{reason}")


class RecordNotFoundError(Exception):
    """No live record has the given id (B-2.3)."""


class ObjectNotFoundError(RecordNotFoundError):
    """The newer name of :class:`RecordNotFoundError`."""


class IntegrityError(Exception):
    """A rule of the stored data would be broken (B-2.4)."""


class UnicityError(IntegrityError):
    """Another live record of the collection has the same value in a unique field (B-2.4).

    Parameters
    ----------
    field : name of the unique field.
    record : the existing record, complete.
    """

    def __init__(self, field: str, record: Record, *args: Any, **kwargs: Any) -> None:
        self.field = field
        self.record = record
        self.msg = f"{record!r} already has the same value in its unique field {field!r}."
        super().__init__(self.msg, *args)
