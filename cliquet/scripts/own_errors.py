"""Errors of the code of an application, which are shown with the lines that raised them.

An error of the library, or of the packages that read the file, is told in one line. An error of the
application is not: its author needs the place.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from cliquet.settings.secrets import masked

__all__ = ["frames_of_application", "packages_of", "shown"]

_LIBRARY: Final = "cliquet"
# What is called between the file and the application, or by both: the error is not theirs.
_BETWEEN: Final = frozenset(
    {
        "colander",
        "cornice",
        "hupper",
        "paste",
        "pkg_resources",
        "plaster",
        "plaster_pastedeploy",
        "pyramid",
        "pyramid_multiauth",
        "pyramid_retry",
        "pyramid_tm",
        "transaction",
        "venusian",
        "webob",
        "zope",
    }
)
_STANDARD: Final = sysconfig.get_path("stdlib")


def frames_of_application(error: BaseException) -> list[traceback.FrameSummary] | None:
    """Return the frames of the application, if its code has raised an error.

    The error is the application's if the innermost frame that is neither of the standard library
    nor of a framework is one of its own: its code has called what failed. The library often adds
    the name of a setting to an error; then the cause of the error decides.

    Returns
    -------
    The outermost frame first; an empty list if the code could not be compiled; ``None`` if the
    error is one of the library or of a package that reads the file.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SyntaxError):
            # Python tells the place itself.
            return []
        owners = [_owner(found) for found in _frames(cause.__traceback__)]
        decisive = [owner for owner in owners if owner is not None]
        if decisive and decisive[-1] != _LIBRARY:
            frames = zip(traceback.extract_tb(cause.__traceback__), owners, strict=True)
            return [frame for frame, owner in frames if owner not in (None, _LIBRARY)]
        cause = cause.__cause__
    return None


def packages_of(error: BaseException) -> list[str]:
    """Return the top packages of the code that led to an error, the outermost first."""
    names = (found.tb_frame.f_globals.get("__name__", "") for found in _frames(error.__traceback__))
    return [str(name).partition(".")[0] for name in names]


def shown(error: BaseException, frames: list[traceback.FrameSummary]) -> str:
    """Return an error as Python shows it, with these frames alone."""
    while error.__cause__ is not None and frames_of_application(error.__cause__) is not None:
        error = error.__cause__
    lines = traceback.format_exception_only(type(error), error)
    if frames:
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *lines]
    return masked("".join(lines)).rstrip("\n")


def _frames(tb: TracebackType | None) -> Iterator[TracebackType]:
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _owner(tb: TracebackType) -> str | None:
    """Return the top package of the code of a frame; ``None`` if it decides nothing."""
    file = tb.tb_frame.f_code.co_filename
    package = str(tb.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    # An application may have the name of a module of the standard library.
    is_standard = package in sys.stdlib_module_names and file.startswith(_STANDARD)
    return None if is_standard or file.startswith("<frozen") or package in _BETWEEN else package
