"""What backends may raise, whatever their kind.

::

    Exception
     ├── BackendError              the service behind the backend failed: 503
     │    ├── ReadonlyError        it accepts no write
     │    └── TimeLimitError       it took longer than a setting allows
     ├── RecordNotFoundError       no live record has this id: 404
     │    └── ObjectNotFoundError  the same, under its more recent name
     └── IntegrityError
          └── UnicityError         a unique field is taken: 409, or 200 on POST

Drivers' own errors never leave a backend: they are kept as ``original``.
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
    """The service behind a backend cannot be reached, or refused the operation (B-2.2, B-2.5).

    Parameters
    ----------
    original : the driver's exception, if there is one.
    message : replaces the default text, which is the class name and the text of `original`.
    retryable : the same request may succeed when it is run again from its start, as after a
        deadlock.
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
    """The backend is read-only and the operation needs a write (B-21.7)."""


class TimeLimitError(BackendError):
    """An operation took, or waited, longer than a setting allows, and was given up (X-34).

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
    """No live record has the id given as argument (B-2.3)."""


class ObjectNotFoundError(RecordNotFoundError):
    """Recent name of :class:`RecordNotFoundError` (B-21.30)."""


class IntegrityError(Exception):
    """A rule on the stored data would be broken (B-2.4)."""


class UnicityError(IntegrityError):
    """Another live record of the collection has the same value in a unique field (B-2.4).

    Parameters
    ----------
    field : name of the clashing field.
    record : the existing record, complete.
    """

    def __init__(self, field: str, record: Record, *args: Any, **kwargs: Any) -> None:
        self.field = field
        self.record = record
        self.msg = f"{record!r} already has the same value in its unique field {field!r}."
        super().__init__(self.msg, *args)
