"""Log entries as one JSON object in each line, for programs that collect them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from typing import Any, Final

import orjson

from cliquet.core import jsonio
from cliquet.monitoring import moments
from cliquet.monitoring.renderers import LINE_ENDS, decode_value
from cliquet.types import ReadOnlySettings

__all__ = ["JSONFormatter", "JSONLogRenderer"]

_LOGGER: Final = "cliquet"
# The names of the methods that are no names of levels.
_LEVELS: Final = {"exception": "error", "warn": "warning", "fatal": "critical"}
_TEXT: Final = frozenset({str})
_PLAIN: Final = frozenset({str, int, bool, dict, type(None)})
# A value within more than so many others becomes its text; it may even contain itself.
_MOST_DEPTH: Final = 8


class JSONLogRenderer:
    """Renders an entry as a JSON object in one line.

    Its members are ``time`` (ISO 8601, UTC), ``level``, ``logger`` (the name of the project),
    ``event``, and the fields of the entry, which keep their types. A field without value is left
    out. One that has the name of another member gets an underscore.

    Parameters
    ----------
    settings : mapping with ``project_name``.

    .. versionadded:: 3.2
    """

    # The line has its own, so that nobody needs to make one in local time.
    has_time = True

    def __init__(self, settings: ReadOnlySettings) -> None:
        self._project = settings.get("project_name") or _LOGGER

    def __call__(self, logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> str:
        event = event_dict.pop("event", None)
        message: dict[str, Any] = {
            "time": moments.utc_now(),
            "level": _LEVELS.get(name, name),
            "logger": self._project,
            "event": "" if event is None else decode_value(event),
        }
        return _plain_line(message, event_dict) or self._line(message, event_dict)

    def _line(self, message: dict[str, Any], event_dict: Mapping[str, Any]) -> str:
        for field, value in event_dict.items():
            if value is None:
                continue
            if field in message:
                if field == "time" and "t" in event_dict:
                    # That of the summary of a request, which is the same in local time.
                    continue
                field = f"{field}_"
            message[field] = _value(value)
        return _line(message)


class JSONFormatter(logging.Formatter):
    """Formats what other libraries log as :class:`JSONLogRenderer` does for entries of the service.

    A line that this renderer has made stays as it is, so that one output has one form. The
    class is named in the section of a formatter: ``class = cliquet.logs.JSONFormatter``.

    .. versionadded:: 3.2
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object in one line."""
        text = record.getMessage()
        if record.name == _LOGGER and text.startswith('{"time"'):
            return text
        message = {
            "time": _iso(datetime.fromtimestamp(record.created, timezone.utc)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": decode_value(text),
        }
        if record.exc_info:
            message["exception"] = decode_value(self.formatException(record.exc_info))
        if record.stack_info:
            message["stack"] = decode_value(self.formatStack(record.stack_info))
        return _line(message)


def _plain_line(message: dict[str, Any], fields: Mapping[str, Any]) -> str | None:
    """Return the line of plain values in ASCII, which nearly all entries have, else ``None``.

    Their types are compared at once, and the text is judged as a whole: to look at each value takes
    longer than all the rest.
    """
    if message.keys() & fields.keys() or not {*map(type, fields.values())} <= _PLAIN:
        return None
    shown = {name: value for name, value in fields.items() if value is not None}
    for value in shown.values():
        if type(value) is dict and not {*map(type, value), *map(type, value.values())} <= _TEXT:
            return None
    try:
        # It refuses half surrogate pairs and great integers, for which `jsonio` has a text.
        line = orjson.dumps({**message, **shown})
    except TypeError:
        return None
    return line.decode("ascii") if line.isascii() else None


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(message: dict[str, Any]) -> str:
    try:
        line = jsonio.dumps(message).decode("utf-8")
    except (TypeError, ValueError):
        # The name of a field is no text, or one that UTF-8 does not have.
        line = jsonio.dumps(_value(message)).decode("utf-8")
    return line if line.isascii() else line.translate(LINE_ENDS)


def _value(value: Any, depth: int = 0) -> Any:
    """Return a value that JSON has; what JSON has no form for becomes a text."""
    # The types are compared exactly, because a subclass, such as an enumeration, may have no JSON
    # form.
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if depth < _MOST_DEPTH:
        if isinstance(value, Mapping):
            return {decode_value(name): _value(item, depth + 1) for name, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_value(item, depth + 1) for item in value]
    return decode_value(value)
