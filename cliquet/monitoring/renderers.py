"""The renderers of log entries: coloured lines for people, JSON lines for machines.

They are the last processors in a chain of structlog, and know nothing of the origin and the
destination of entries.
"""

from __future__ import annotations

import functools
import math
import os
import platform
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from cliquet import utils
from cliquet.core import jsonio
from cliquet.types import ReadOnlySettings

__all__ = ["ClassicLogRenderer", "MozillaHekaRenderer", "decode_value"]

_BRIGHT = "\x1b[1m"
_YELLOW = "\x1b[33m"
_CYAN = "\x1b[36m"
_MAGENTA = "\x1b[35m"
_RESET = "\x1b[0m"

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
    """Renders an entry as a coloured line for people; a traceback keeps its lines.

    Parameters
    ----------
    settings : not used, but all renderers are made with them.
    """

    def __init__(self, settings: ReadOnlySettings) -> None:
        pass

    def __call__(self, logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> str:
        line = ""
        if "path" in event_dict:
            target = _take(event_dict, "path") + _querystring(event_dict.pop("querystring", None))
            request = f'"{_take(event_dict, "method"):<5} {target}"'
            outcome = f" {_take(event_dict, 'code')} ({_take(event_dict, 't')} ms)"
            line = f"{_BRIGHT}{request}{_RESET}{_YELLOW}{outcome}{_RESET} "
        line += _take(event_dict, "event")
        for name, label in _labels(tuple(event_dict)):
            value = event_dict[name]
            # Most values are shown as they are, and a call for each would take half of the time of
            # the line.
            if value is not None and (type(value) is not str or not value.isprintable()):
                controls = _CONTROLS_BUT_LAYOUT if name in _MULTILINE_FIELDS else _CONTROLS
                value = _printable(value, controls)
            line += f"{label}{value}{_RESET}"
        return line


@functools.lru_cache(maxsize=256)
def _labels(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the names of fields in their order, each with the text before its value."""
    return tuple(
        (name, f" {_CYAN}{_printable(name)}{_RESET}={_MAGENTA}")
        for name in sorted(names, key=decode_value)
    )


def _take(event_dict: MutableMapping[str, Any], key: str) -> str:
    value = event_dict.pop(key, None)
    if type(value) is str and value.isprintable():
        return value
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
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
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
        return line if line.isascii() else line.translate(_LINE_ENDS)


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
