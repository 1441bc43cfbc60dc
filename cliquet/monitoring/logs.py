"""The shared logger, and the context of the request that its entries carry.

An entry is rendered here and handed, as text, to the standard logger ``cliquet``: what is written,
and where, is the deployer's logging configuration (S-18.2). Nothing global is configured, neither
in structlog nor in `logging`, so that two applications keep their own renderer (S-23.21). Knows
nothing of requests: the web layer passes a function that computes their fields.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog

from cliquet.monitoring import field_bounds
from cliquet.monitoring.renderers import ClassicLogRenderer, MozillaHekaRenderer, decode_value

__all__ = [
    "ClassicLogRenderer",
    "LogContext",
    "Logger",
    "MozillaHekaRenderer",
    "begin",
    "bind",
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

Renderer = Callable[[Any, str, MutableMapping[str, Any]], str]
"""A final structlog processor: logger, name of the method, entry; returns the text (S-18.1)."""


# Context


class LogContext(NamedTuple):
    """What the entries of one request carry. Never modified, only replaced.

    `structlog.contextvars` is not used: it keeps one variable per field, so that none can be
    computed on demand, and putting the outer fields back means knowing each name bound meanwhile.
    Since it is immutable, a context that is copied to another thread or task
    (``asyncio.to_thread``, Python 3.14 without GIL) shares nothing with the original.
    """

    renderer: Renderer | None = None
    request_fields: Callable[[], Mapping[str, Any]] | None = None
    bound: Mapping[str, Any] = MappingProxyType({})
    max_field_bytes: int | None = None

    def merged(self) -> dict[str, Any]:
        """Return a new dict: the request's fields, over which the bound ones win."""
        if self.request_fields is None:
            return dict(self.bound)
        return {**self.request_fields(), **self.bound}


_EMPTY = LogContext()
_current: ContextVar[LogContext] = ContextVar("cliquet_log_context", default=_EMPTY)
_with_tracebacks: ContextVar[bool] = ContextVar("cliquet_log_tracebacks", default=True)


def begin(
    request_fields: Callable[[], Mapping[str, Any]] | None = None,
    renderer: Renderer | None = None,
    *,
    max_field_bytes: int | None = None,
) -> Token[LogContext]:
    """Start a fresh context, as at the beginning of a request (S-18.4).

    Parameters
    ----------
    request_fields : computes the first fields of S-18.3. It is called for each entry that is
        really rendered, and never for one that the level drops. It must not raise.
    renderer : that of the application which serves the request (S-23.21).
    max_field_bytes : where the fields of its entries are cut; ``None`` for nowhere.

    Returns
    -------
    What :func:`end` needs to bring the previous context back.
    """
    return _current.set(LogContext(renderer, request_fields, max_field_bytes=max_field_bytes))


def end(token: Token[LogContext]) -> None:
    """Bring back the context that was current before the :func:`begin` that gave `token`.

    Raises
    ------
    ValueError : `token` was given in another thread or task.
    RuntimeError : `token` has been used already.
    """
    _current.reset(token)


@contextmanager
def using(renderer: Renderer | None) -> Iterator[None]:
    """Write what is logged inside, outside of any request, as an application writes its lines."""
    token = begin(renderer=renderer)
    try:
        yield
    finally:
        end(token)


@contextmanager
def without_tracebacks() -> Iterator[None]:
    """Write the errors that are logged inside, whatever logs them, without their tracebacks."""
    token = _with_tracebacks.set(False)
    try:
        yield
    finally:
        _with_tracebacks.reset(token)


@contextmanager
def scope() -> Iterator[None]:
    """Drop at exit what was bound inside, as around a sub-request (S-23.23)."""
    token = _current.set(_current.get())
    try:
        yield
    finally:
        _current.reset(token)


def bind(**new_fields: Any) -> None:
    """Add fields to every later entry of the current context (P-27.1)."""
    context = _current.get()
    _current.set(context._replace(bound={**context.bound, **new_fields}))


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


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(header_value: str | None) -> str:
    """Return the caller's request id if it is acceptable, else a generated one (E-6.4).

    Parameters
    ----------
    header_value : the ``X-Request-Id`` of the request, ``None`` without one.
    """
    if header_value is not None and _REQUEST_ID.fullmatch(header_value):
        return header_value
    return uuid.uuid4().hex


# Logger


class _RenderedRecord(logging.LogRecord):
    """A record whose message already holds the traceback.

    Collectors such as Sentry's read ``exc_info`` (S-19.1), but a formatter that finds it appends
    the traceback to the message, and would break the single line of Heka. It does so through
    ``exc_text``, where it keeps the text that it made: here that text is forgotten.
    """

    def __init__(self, record: logging.LogRecord) -> None:
        # A copy, not a new record: the application's record factory may have added attributes
        # (OpenTelemetry's does) that its formats rely on.
        self.__dict__.update(record.__dict__)
        self.__dict__.pop("exc_text", None)

    @property
    def exc_text(self) -> str | None:
        return None

    @exc_text.setter
    def exc_text(self, value: str | None) -> None:
        pass


class _Entry(structlog.BoundLoggerBase):
    """One entry on its way through structlog's processors."""

    def render(self, method_name: str, event: str | None, entry: dict[str, Any]) -> str | None:
        """Return the final text, or ``None`` if a processor dropped the entry."""
        try:
            args, kwargs = self._process_event(method_name, event, entry)
        except structlog.DropEvent:
            return None
        return decode_value(args[0] if args else kwargs)


class Logger:
    """A structlog logger whose bound fields belong to the current context (P-27.1).

    The renderer is the one of the context, else `renderer`. With neither, nothing is set up and
    structlog's own configuration applies, its defaults to begin with (P-27.6).

    `structlog.stdlib.LoggerFactory` is avoided because it replaces the process's logger class.
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
        """Log at level ERROR; with ``exc_info``, the traceback comes along."""
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
        """Add fields to every later entry of the current context, whoever logs it."""
        bind(**new_fields)
        return self

    def new(self, **new_fields: Any) -> Logger:
        """Forget the fields of the current context, the request's too, then bind."""
        _current.set(_current.get()._replace(request_fields=None, bound=new_fields))
        return self

    def unbind(self, *keys: str) -> Logger:
        """Remove fields from the current context.

        Raises
        ------
        KeyError : one of them is not there; none is removed.
        """
        _unbind(keys, missing_is_error=True)
        return self

    def try_unbind(self, *keys: str) -> Logger:
        """Remove fields from the current context, if they are there."""
        _unbind(keys, missing_is_error=False)
        return self

    @property
    def _context(self) -> dict[str, Any]:
        # What structlog.get_context() reads.
        return fields()

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
            method = getattr(structlog.get_logger(), method_name)
            # Interpolated here: structlog's default logger takes no arguments before 22.2.
            method(_interpolated(event, args), **{**context.merged(), **entry})
            return

        standard = self._standard
        if standard is None:
            # Not at import: fileConfig() disables the loggers that exist when it runs.
            standard = self._standard = logging.getLogger(LOGGER_NAME)
        # Before anything is built, rather than in the chain with filter_by_level: most entries
        # of a request end here.
        if not standard.isEnabledFor(level):
            return

        exc_info = _exc_info(entry.get("exc_info")) if _with_tracebacks.get() else None
        entry["exc_info"] = exc_info
        processors: tuple[Any, ...] = (structlog.processors.format_exc_info, renderer)
        max_bytes = context.max_field_bytes
        if max_bytes is not None:
            # Once the traceback is a text.
            processors = (processors[0], _bounding(max_bytes), renderer)
        event = _interpolated(event, args)
        line = _Entry(standard, processors, context.merged()).render(method_name, event, entry)
        if line is None:
            return

        # Public parts of logging.Logger only; findCaller() is left out since the frame that it
        # starts from, when it is called from outside, changed with Python 3.11.
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
            # For collectors, which group by message: no line is twice the same.
            told = {"event": decode_value(event)}
            if max_bytes is not None:
                field_bounds.bound(told, max_bytes)
            record.__dict__["cliquet_event"] = told["event"]
        standard.handle(record if exc_info is None else _RenderedRecord(record))


def _bounding(max_bytes: int) -> Renderer:
    """Return the processor that cuts the fields of an entry."""

    def cut(logger: Any, name: str, entry: MutableMapping[str, Any]) -> Any:
        field_bounds.bound(entry, max_bytes)
        return entry

    return cut


_format_arguments = structlog.stdlib.PositionalArgumentsFormatter()


def _interpolated(event: str | None, args: tuple[Any, ...]) -> str | None:
    if not args:
        return event
    formatted = _format_arguments(None, "", {"event": event, "positional_args": args})
    return str(formatted["event"])


def _exc_info(value: Any) -> Any:
    """Turn what callers pass as ``exc_info`` into a triple, or ``None`` without exception.

    Typed as `Any` because `logging` and structlog name the same triple differently.
    """
    if isinstance(value, BaseException):
        return (type(value), value, value.__traceback__)
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], BaseException):
        return value
    handled = sys.exc_info()
    return handled if value and handled[1] is not None else None


logger = Logger()
"""The logger shared by the package and its plugins (P-27.1)."""


def logger_for(renderer: Renderer) -> Logger:
    """Return a logger for entries outside requests, such as those of one application's start-up.

    Parameters
    ----------
    renderer : applies where the current context has none.
    """
    return Logger(renderer)
