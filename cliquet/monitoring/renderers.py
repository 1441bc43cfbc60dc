"""How log entries are written: coloured lines for people, JSON lines for machines.

Processors of structlog, the last of a chain: they know nothing of where entries come from or go.
"""

from __future__ import annotations

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

# Clients choose paths, query strings and agents: a line feed would forge an entry, an escape code
# would drive the terminal. C0 and C1 controls, and the separators that str.splitlines() knows.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MULTILINE_FIELDS = frozenset({"exception", "stack"})


def decode_value(value: Any) -> str:
    """Return the text of any value, which UTF-8 can always encode; never raises (P-27.5)."""
    try:
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception:  # The __str__ of anything: a log entry must not replace the response.
        text = f"<{type(value).__name__} without text>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _printable(value: Any, controls: re.Pattern[str] = _CONTROLS) -> str:
    return controls.sub(
        lambda match: match[0].encode("unicode_escape").decode("ascii"), decode_value(value)
    )


class ClassicLogRenderer:
    """One coloured line of text, for people (S-18.7). A traceback keeps its lines.

    Parameters
    ----------
    settings : unused; renderers are built with them (S-18.1).
    """

    def __init__(self, settings: ReadOnlySettings) -> None:
        pass

    def __call__(self, logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> str:
        parts = []
        if "path" in event_dict:
            target = _take(event_dict, "path") + _querystring(event_dict.pop("querystring", None))
            request = f'"{_take(event_dict, "method"):<5} {target}"'
            outcome = f" {_take(event_dict, 'code')} ({_take(event_dict, 't')} ms)"
            parts.append(f"{_BRIGHT}{request}{_RESET}{_YELLOW}{outcome}{_RESET}")
        parts.append(_take(event_dict, "event"))
        for key in sorted(event_dict, key=decode_value):
            controls = _CONTROLS_BUT_LAYOUT if key in _MULTILINE_FIELDS else _CONTROLS
            value = _printable(event_dict[key], controls)
            parts.append(f"{_CYAN}{_printable(key)}{_RESET}={_MAGENTA}{value}{_RESET}")
        return " ".join(parts)


def _take(event_dict: MutableMapping[str, Any], key: str) -> str:
    value = event_dict.pop(key, None)
    return "?" if value is None else _printable(value)


def _querystring(parameters: Any) -> str:
    if not parameters:
        return ""
    if not isinstance(parameters, Mapping):
        return "?" + _printable(parameters)
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
# JSON escapes line feeds; it need not escape these, which end a line for some who read the output.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
_NANOSECONDS_PER_MILLISECOND = 1_000_000


class MozillaHekaRenderer:
    """One JSON object per line, in the format of Mozilla's services (S-18.8).

    Parameters
    ----------
    settings : ``project_name`` is read from them.

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
        # A `Type` that is given leaves the event's text among the fields: nothing is lost.
        kind = event_dict.pop("Type" if "Type" in event_dict else "event", None)
        message["Type"] = "" if kind is None else decode_value(kind)
        given = event_dict.pop("Fields", {})
        if not isinstance(given, Mapping):
            given = {"Fields": given}
        message["Fields"] = {
            decode_value(key): _field(value) for key, value in {**event_dict, **given}.items()
        }
        line = jsonio.dumps(message).decode("utf-8")
        return line if line.isascii() else line.translate(_LINE_ENDS)


def _field(value: Any) -> Any:
    """Flatten a value of ``Fields``, which Heka only accepts as a scalar or a list of texts."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return [decode_value(item) for item in value]
    if isinstance(value, (Mapping, list, tuple)):
        return jsonio.dumps(value).decode("utf-8")
    # Exact types: an enumeration member or another subclass may have no JSON form of its own.
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    return decode_value(value)
