"""The renderers of log entries: lines for people, and lines of JSON in the format of Mozilla.

They are the last processors in a chain of structlog, and know nothing of the origin and the
destination of entries.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import platform
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from cliquet import utils
from cliquet.core import jsonio
from cliquet.types import ReadOnlySettings

__all__ = ["LINE_ENDS", "ClassicLogRenderer", "MozillaHekaRenderer", "decode_value"]


class _Colours(NamedTuple):
    bright: str = "\x1b[1m"
    yellow: str = "\x1b[33m"
    cyan: str = "\x1b[36m"
    magenta: str = "\x1b[35m"
    reset: str = "\x1b[0m"


_COLOURED = _Colours()
_PLAIN = _Colours("", "", "", "", "")

# Clients choose paths, query strings and user agents: a line feed would forge an entry, and an
# escape code would control the terminal. These are the C0 and C1 controls, and the separators of
# str.splitlines().
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MULTILINE_FIELDS = frozenset({"exception", "stack"})


def decode_value(value: Any) -> str:
    """Return a text of any value that UTF-8 can always encode; this never raises."""
    try:
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception:  # Any __str__ may fail, and a log entry must not replace the response.
        text = f"<{type(value).__name__} without text>"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _printable(value: Any, controls: re.Pattern[str] = _CONTROLS) -> str:
    text = value if type(value) is str else decode_value(value)
    # To Python, controls, separators of lines and half surrogate pairs are not printable. Nearly
    # all texts have none of them, and a line has twenty texts.
    if text.isprintable():
        return text
    return controls.sub(
        lambda match: match[0].encode("unicode_escape").decode("ascii"), decode_value(text)
    )


class ClassicLogRenderer:
    """Renders an entry as a line for people; a traceback keeps its lines.

    The line is coloured if all streams that it is written to are terminals. The environment
    variable ``NO_COLOR`` (https://no-color.org) forbids colours, and ``FORCE_COLOR`` demands them.
    A field without value is left out.

    Parameters
    ----------
    settings : not used, but all renderers are made with them.
    """

    def __init__(self, settings: ReadOnlySettings) -> None:
        self._colours: _Colours | None = None
        if os.environ.get("NO_COLOR"):
            self._colours = _PLAIN
        elif os.environ.get("FORCE_COLOR"):
            self._colours = _COLOURED
        # The handlers that were looked at, and what they are.
        self._judged: tuple[tuple[logging.Handler, ...], _Colours] | None = None

    def __call__(self, logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> str:
        colours = self._colours or self._judge()
        line = ""
        if "path" in event_dict:
            take = event_dict.pop
            target = _shown(take("path")) + _querystring(take("querystring", None))
            request = f'"{_shown(take("method", None)):<5} {target}"'
            outcome = f" {_shown(take('code', None))} ({_shown(take('t', None))} ms)"
            reset = colours.reset
            line = f"{colours.bright}{request}{reset}{colours.yellow}{outcome}{reset} "
        line += _shown(event_dict.pop("event", None))
        for name, label in _labels(tuple(event_dict), colours):
            value = event_dict[name]
            if value is None:
                continue
            # Most values are shown as they are, and a call for each would take half of the time of
            # the line.
            kind = type(value)
            if kind is not int and (kind is not str or not value.isprintable()):
                controls = _CONTROLS_BUT_LAYOUT if name in _MULTILINE_FIELDS else _CONTROLS
                value = _printable(value, controls)
            line += f"{label}{value}{colours.reset}"
        return line

    def _judge(self) -> _Colours:
        """Look where lines go, again whenever the configuration of logging has changed."""
        logger = logging.getLogger("cliquet")
        handlers = tuple(logger.handlers)
        if logger.propagate:
            handlers = (*handlers, *logging.root.handlers)
        judged = self._judged
        if judged is None or judged[0] != handlers:
            judged = self._judged = (handlers, _COLOURED if _are_terminals(handlers) else _PLAIN)
        return judged[1]


def _are_terminals(handlers: tuple[logging.Handler, ...]) -> bool:
    """Return whether handlers write to terminals, and to nothing else."""
    # Without any, the module writes to the standard error. Others, such as Sentry's, write nothing.
    streams = [
        stream
        for handler in handlers or (logging.lastResort,)
        if (stream := getattr(handler, "stream", None)) is not None
    ]
    try:
        return bool(streams) and all(stream.isatty() for stream in streams)
    except (AttributeError, ValueError):
        # It is a stream of the application without this method, or closed.
        return False


@functools.lru_cache(maxsize=256)
def _labels(names: tuple[str, ...], colours: _Colours) -> tuple[tuple[str, str], ...]:
    """Return the names of fields in their order, each with the text before its value."""
    return tuple(
        (name, f" {colours.cyan}{_printable(name)}{colours.reset}={colours.magenta}")
        for name in sorted(names, key=decode_value)
    )


def _shown(value: Any) -> str:
    if type(value) is str and value.isprintable():
        return value
    if type(value) is int:
        return str(value)
    return "?" if value is None else _printable(value)


def _querystring(parameters: Any) -> str:
    if not parameters:
        return ""
    if not isinstance(parameters, Mapping):
        return "?" + _printable(parameters)
    try:
        text = "&".join(map("=".join, parameters.items()))
    except TypeError:
        # A name, or a value, is no text.
        text = "\n"
    if text.isprintable():
        return "?" + text
    return "?" + "&".join(f"{_printable(k)}={_printable(v)}" for k, v in parameters.items())


_SEVERITIES = {
    "critical": 0,
    "fatal": 0,
    "exception": 2,
    "error": 2,
    "warning": 4,
    "warn": 4,
    "info": 6,
    "debug": 7,
}
# JSON escapes line feeds. It need not escape these characters, but some programs that read the
# output take them for the end of a line.
LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
_NANOSECONDS_PER_MILLISECOND = 1_000_000


class MozillaHekaRenderer:
    """Renders an entry as a JSON object in one line, in the format of Mozilla.

    Parameters
    ----------
    settings : mapping with ``project_name``.

    Raises
    ------
    KeyError : there is no ``project_name``.
    """

    ENV_VERSION = "2.0"

    def __init__(self, settings: ReadOnlySettings) -> None:
        self.appname = settings["project_name"]
        self.hostname = os.environ.get("HOSTNAME") or platform.node()
        self.pid = os.getpid()

    def __call__(self, logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> str:
        message: dict[str, Any] = {
            "Timestamp": utils.msec_time() * _NANOSECONDS_PER_MILLISECOND,
            "Logger": self.appname,
            "Hostname": self.hostname,
            "Severity": _SEVERITIES.get(name, _SEVERITIES["info"]),
            "Pid": self.pid,
            "EnvVersion": self.ENV_VERSION,
        }
        for member in message.keys() & event_dict.keys():
            message[member] = event_dict.pop(member)
        # If the entry has a `Type`, the text of the event stays among the fields, so that nothing
        # is lost.
        kind = event_dict.pop("Type" if "Type" in event_dict else "event", None)
        message["Type"] = "" if kind is None else decode_value(kind)
        fields = dict(event_dict)
        if "Fields" in fields:
            given = fields.pop("Fields")
            fields.update(given if isinstance(given, Mapping) else {"Fields": given})
        if not _are_ascii(tuple(fields)):
            fields = {decode_value(name): value for name, value in fields.items()}
        for name, value in fields.items():
            # As in the classic renderer, most values need no call.
            if value is not None and (type(value) is not str or not value.isascii()):
                fields[name] = _field(value)
        message["Fields"] = fields
        line = jsonio.dumps(message).decode("utf-8")
        return line if line.isascii() else line.translate(LINE_ENDS)


@functools.lru_cache(maxsize=256)
def _are_ascii(names: tuple[Any, ...]) -> bool:
    return all(isinstance(name, str) and name.isascii() for name in names)


def _field(value: Any) -> Any:
    """Flatten a value of ``Fields``, because Heka only accepts a scalar or a list of texts."""
    # The types are compared exactly, because a subclass, such as an enumeration, may have no JSON
    # form.
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return [decode_value(item) for item in value]
    if isinstance(value, (Mapping, list, tuple)):
        return jsonio.dumps(value).decode("utf-8")
    if type(value) is float and math.isfinite(value):
        return value
    return decode_value(value)
