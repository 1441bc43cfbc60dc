"""The shared logger, and the context of the request that its entries contain.

An entry is rendered here and given, as text, to the standard logger ``cliquet``. The logging
configuration of the deployer decides which entries are written, and where. Nothing global is
configured, neither in structlog nor in `logging`, so that each of two applications keeps its own
renderer. The module knows nothing of requests: the web layer passes a function that computes their
fields.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import partial
from typing import Any, NamedTuple

from cliquet.monitoring import entries, field_bounds
from cliquet.monitoring.entries import Renderer
from cliquet.monitoring.renderers import ClassicLogRenderer, MozillaHekaRenderer, decode_value

__all__ = [
    "ClassicLogRenderer",
    "LogContext",
    "Logger",
    "MozillaHekaRenderer",
    "begin",
    "bind",
    "current",
    "decode_value",
    "end",
    "fields",
    "logger",
    "logger_for",
    "request_id",
    "scope",
    "using",
    "without_tracebacks",
]

LOGGER_NAME = "cliquet"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

# Context


# A plain dictionary, because each request copies it, and a proxy takes four times as long.
_NOTHING: Mapping[str, Any] = {}


class LogContext(NamedTuple):
    """The fields that the entries of one request contain. It is never modified, only replaced.

    `structlog.contextvars` is not used. It keeps one variable for each field, so that no field can
    be computed on demand, and to restore the outer fields one must know each name that was bound
    meanwhile. Because it is immutable, a context that is copied to another thread or task
    (``asyncio.to_thread``, Python 3.14 without GIL) shares nothing with the original.
    """

    renderer: Renderer | None = None
    request_fields: Callable[[], Mapping[str, Any]] | None = None
    bound: Mapping[str, Any] = _NOTHING
    max_field_bytes: int | None = None

    def merged(self) -> dict[str, Any]:
        """Return a new dict with the fields of the request and the bound ones, which win."""
        if self.request_fields is None:
            return dict(self.bound)
        return {**self.request_fields(), **self.bound}


_EMPTY = LogContext()
# The context of four values. It is made several times in a request, and the class itself is called
# through a function in Python.
_context: Callable[[tuple[Any, ...]], LogContext] = partial(tuple.__new__, LogContext)
_current: ContextVar[LogContext] = ContextVar("cliquet_log_context", default=_EMPTY)
_with_tracebacks: ContextVar[bool] = ContextVar("cliquet_log_tracebacks", default=True)


def begin(
    request_fields: Callable[[], Mapping[str, Any]] | None = None,
    renderer: Renderer | None = None,
    *,
    max_field_bytes: int | None = None,
) -> Token[LogContext]:
    """Start a new context, for example at the beginning of a request.

    Parameters
    ----------
    request_fields : computes the fields of the request. It is called for each entry that is really
        rendered, and never for one that the level drops. It must not raise.
    renderer : renderer of the application that serves the request.
    max_field_bytes : greatest length of the fields of its entries; ``None`` for no limit.

    Returns
    -------
    A token with which :func:`end` brings the previous context back.
    """
    return _current.set(_context((renderer, request_fields, _NOTHING, max_field_bytes)))


def end(token: Token[LogContext]) -> None:
    """Bring back the context that was current before the call of :func:`begin` that gave `token`.

    Raises
    ------
    ValueError : `token` was given in another thread or task.
    RuntimeError : `token` has been used already.
    """
    _current.reset(token)


@contextmanager
def using(renderer: Renderer | None) -> Iterator[None]:
    """Write the entries of a block outside of requests with the renderer of an application."""
    token = begin(renderer=renderer)
    try:
        yield
    finally:
        end(token)


@contextmanager
def without_tracebacks() -> Iterator[None]:
    """Write all errors that are logged in a block without their tracebacks."""
    token = _with_tracebacks.set(False)
    try:
        yield
    finally:
        _with_tracebacks.reset(token)


def current() -> LogContext:
    """Return the current context."""
    return _current.get()


@contextmanager
def scope(context: LogContext | None = None) -> Iterator[None]:
    """Drop the fields that a block has bound when it ends, for example around a sub-request.

    Parameters
    ----------
    context : the context in which the block begins; by default, the current one.
    """
    token = _current.set(context or _current.get())
    try:
        yield
    finally:
        _current.reset(token)


def bind(**new_fields: Any) -> None:
    """Add fields to every later entry of the current context."""
    renderer, request_fields, bound, max_field_bytes = _current.get()
    _current.set(_context((renderer, request_fields, {**bound, **new_fields}, max_field_bytes)))


def fields() -> dict[str, Any]:
    """Return a copy of the fields of the current context."""
    return _current.get().merged()


def _unbind(keys: tuple[str, ...], *, missing_is_error: bool) -> None:
    remaining = fields()
    for key in keys:
        if missing_is_error:
            del remaining[key]
        else:
            remaining.pop(key, None)
    _current.set(_current.get()._replace(request_fields=None, bound=remaining))


# Logger


class _RenderedRecord(logging.LogRecord):
    """A record whose message already contains the traceback.

    Collectors such as that of Sentry read ``exc_info``. But a formatter that finds it appends the
    traceback to the message, which would break the single line of Heka. The formatter keeps its
    text in ``exc_text``; here that text is forgotten.
    """

    def __init__(self, record: logging.LogRecord) -> None:
        # It copies the record instead of making a new one: the record factory of the application
        # may have added attributes (that of OpenTelemetry does) which its formats need.
        self.__dict__.update(record.__dict__)
        self.__dict__.pop("exc_text", None)

    @property
    def exc_text(self) -> str | None:
        return None

    @exc_text.setter
    def exc_text(self, value: str | None) -> None:
        pass


class Logger:
    """A structlog logger whose bound fields belong to the current context.

    The renderer is that of the context, else `renderer`. If there is neither, nothing is set up,
    and the configuration of structlog itself applies, at first its defaults.

    `structlog.stdlib.LoggerFactory` is not used, because it replaces the logger class of the
    process.
    """

    def __init__(self, renderer: Renderer | None = None) -> None:
        self._renderer = renderer
        self._standard: logging.Logger | None = None

    def debug(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level DEBUG; `args` are interpolated into `event`, `entry` are fields."""
        self._log("debug", logging.DEBUG, event, args, entry)

    def info(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level INFO."""
        self._log("info", logging.INFO, event, args, entry)

    def warning(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level WARNING."""
        self._log("warning", logging.WARNING, event, args, entry)

    def error(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level ERROR; with ``exc_info``, the entry has the traceback."""
        self._log("error", logging.ERROR, event, args, entry)

    def critical(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level CRITICAL."""
        self._log("critical", logging.CRITICAL, event, args, entry)

    def exception(self, event: str | None = None, *args: Any, **entry: Any) -> None:
        """Log at level ERROR, with the traceback of the exception being handled."""
        entry.setdefault("exc_info", True)
        self._log("exception", logging.ERROR, event, args, entry)

    warn = warning
    fatal = critical

    def bind(self, **new_fields: Any) -> Logger:
        """Add fields to every later entry of the current context, from any logger."""
        bind(**new_fields)
        return self

    def new(self, **new_fields: Any) -> Logger:
        """Forget the fields of the current context, those of the request too, and then bind."""
        _current.set(_current.get()._replace(request_fields=None, bound=new_fields))
        return self

    def unbind(self, *keys: str) -> Logger:
        """Remove fields from the current context.

        Raises
        ------
        KeyError : one of them does not exist; then none is removed.
        """
        _unbind(keys, missing_is_error=True)
        return self

    def try_unbind(self, *keys: str) -> Logger:
        """Remove those of the fields that exist from the current context."""
        _unbind(keys, missing_is_error=False)
        return self

    @property
    def _context(self) -> dict[str, Any]:
        # structlog.get_context() reads this attribute.
        return fields()

    def writes(self, level: int) -> bool:
        """Return whether an entry of a level would be written, before it is built in vain."""
        if _current.get().renderer is None and self._renderer is None:
            # It is for the configuration of structlog to say.
            return True
        return (self._standard or self._standard_logger()).isEnabledFor(level)

    def _standard_logger(self) -> logging.Logger:
        if self._standard is None:
            # The logger is not made at import, because fileConfig() disables the loggers that exist
            # when it runs.
            self._standard = logging.getLogger(LOGGER_NAME)
        return self._standard

    def _log(
        self,
        method_name: str,
        level: int,
        event: str | None,
        args: tuple[Any, ...],
        entry: dict[str, Any],
    ) -> None:
        context = _current.get()
        renderer = context.renderer or self._renderer
        if renderer is None:
            entries.leave_to_structlog(method_name, event, args, {**context.merged(), **entry})
            return

        standard = self._standard_logger()
        # The level is checked before anything is built, and not by filter_by_level in the chain,
        # because most entries of a request end here.
        if not standard.isEnabledFor(level):
            return

        exc_info = None
        if (given := entry.pop("exc_info", None)) is not None and _with_tracebacks.get():
            exc_info = entries.exception_of(given)
        if args:
            event = entries.interpolated(event, args)
        max_bytes = context.max_field_bytes
        shown = context.merged()
        shown.update(entry)
        if event is not None:
            shown["event"] = event
        line = entries.rendered(standard, method_name, shown, renderer, exc_info, max_bytes)
        if line is None:
            return

        # Only public parts of logging.Logger are used. findCaller() is not, because the frame where
        # it starts when it is called from outside changed with Python 3.11.
        caller = sys._getframe(2)
        code = caller.f_code
        record = standard.makeRecord(
            standard.name,
            level,
            code.co_filename,
            caller.f_lineno,
            line,
            (),
            exc_info,
            code.co_name,
        )
        if event is not None:
            # Collectors group entries by their message, and no two lines are equal.
            if type(event) is not str or not event.isascii():
                event = decode_value(event)
            record.__dict__["cliquet_event"] = (
                event if max_bytes is None else field_bounds.cut(event, max_bytes)
            )
        standard.handle(record if exc_info is None else _RenderedRecord(record))


logger = Logger()
"""The logger shared by the package and its plugins."""


def logger_for(renderer: Renderer) -> Logger:
    """Return a logger for entries outside of requests, for example at the start of an application.

    Parameters
    ----------
    renderer : is used if the current context has none.
    """
    return Logger(renderer)


def request_id(header_value: str | None) -> str:
    """Return the request id of the client if it is acceptable, else a generated one.

    Parameters
    ----------
    header_value : the header ``X-Request-Id`` of the request; ``None`` if there is none.
    """
    if header_value is not None and _REQUEST_ID.fullmatch(header_value):
        return header_value
    return os.urandom(16).hex()
