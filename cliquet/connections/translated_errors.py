"""How the errors of a driver become those of backends: the same way for all drivers.

The module of each driver makes one :class:`TranslatedErrors`, under the name ``translated_errors``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError

__all__ = ["TranslatedErrors", "logged"]

P = ParamSpec("P")
T = TypeVar("T")


def logged(error: Exception) -> BackendError:
    """Log an error of a driver, and return that of the backend.

    The line has no traceback, because the code that handles the error writes one.
    """
    logs.logger.error(str(error))
    return BackendError(original=error)


class TranslatedErrors:
    """Turns the errors of a driver into those of backends, in a block or in all of a function.

    .. code-block:: python

        with translated_errors:
            connection.execute(...)

        @translated_errors
        def flush(self): ...

    No error of a driver leaves a backend: the new error has it as its cause, and as its attribute
    ``original``. It has no state, so that threads share it.

    Parameters
    ----------
    errors : base classes of the errors of the driver.
    translate : function that logs such an error, and returns the one that is raised instead.
    """

    def __init__(
        self, *errors: type[Exception], translate: Callable[[Exception], BackendError] = logged
    ) -> None:
        self._errors = errors
        self._translate = translate

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and isinstance(error, self._errors):
            raise self._translate(error) from error

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return function(*args, **kwargs)

        return wrapped
