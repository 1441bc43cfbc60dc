"""From the call of a logger to the text of an entry: one entry, without context and destination.

It does what structlog does with a chain of processors. A chain, and a logger of structlog for each
entry, would take longer than all the rest.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from cliquet.core.lazy import LazyModule
from cliquet.monitoring import field_bounds
from cliquet.monitoring.renderers import decode_value

if TYPE_CHECKING:
    import structlog
else:
    # Ordinary entries need nothing of it, and it brings asyncio and much else.
    structlog = LazyModule("structlog")

__all__ = ["Renderer", "exception_of", "interpolated", "leave_to_structlog", "rendered"]

Renderer = Callable[[Any, str, MutableMapping[str, Any]], str]
"""A final structlog processor: it takes a logger, the name of the method and an entry, and returns
the text."""


def rendered(
    standard: logging.Logger,
    method_name: str,
    fields: MutableMapping[str, Any],
    renderer: Renderer,
    exc_info: Any,
    max_field_bytes: int | None,
) -> str | None:
    """Return the text of an entry, or ``None`` if the renderer drops it.

    Parameters
    ----------
    fields : of the entry, which may be changed.
    exc_info : from :func:`exception_of`.
    max_field_bytes : greatest length of a field; ``None`` for no limit.

    Raises
    ------
    ValueError : the renderer returned what structlog does not allow.
    """
    try:
        if exc_info is None:
            fields.pop("exc_info", None)
        else:
            fields["exc_info"] = exc_info
            fields = structlog.processors.format_exc_info(standard, method_name, fields)
        if max_field_bytes is not None:
            # The fields are cut after the traceback has become a text.
            field_bounds.bound(fields, max_field_bytes)
        return _text_of(renderer(standard, method_name, fields))
    except structlog.DropEvent:
        return None


def _text_of(result: Any) -> str:
    if type(result) is str and result.isascii():
        return result
    if isinstance(result, tuple):
        # These are the arguments for the method of the logger.
        args, kwargs = result
        return decode_value(args[0] if args else kwargs)
    if isinstance(result, (str, bytes, bytearray, dict)):
        return decode_value(result)
    raise ValueError(f"the renderer of logs returned {result!r}, which is no text")


def interpolated(event: str | None, args: tuple[Any, ...]) -> str | None:
    """Return the event of an entry with its positional arguments in their places."""
    if not args:
        return event
    interpolate = structlog.stdlib.PositionalArgumentsFormatter()
    formatted = interpolate(None, "", {"event": event, "positional_args": args})
    return str(formatted["event"])


def leave_to_structlog(
    method_name: str, event: str | None, args: tuple[Any, ...], fields: dict[str, Any]
) -> None:
    """Write an entry in the way that structlog itself is configured, at first its defaults."""
    # The arguments are interpolated here, because the default logger of structlog takes none before
    # 22.2.
    getattr(structlog.get_logger(), method_name)(interpolated(event, args), **fields)


def exception_of(value: Any) -> Any:
    """Turn the argument ``exc_info`` of a caller into a triple; ``None`` if there is no exception.

    It has the type `Any` because `logging` and structlog have different names for the same triple.
    """
    if value is None:
        return None
    if isinstance(value, BaseException):
        return (type(value), value, value.__traceback__)
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], BaseException):
        return value
    handled = sys.exc_info()
    return handled if value and handled[1] is not None else None
