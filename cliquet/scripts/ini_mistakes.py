"""Mistakes in the sections of a file, which the reader of the file does not tell, or not where."""

from __future__ import annotations

import configparser
import importlib.metadata
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from cliquet.core.mistakes import did_you_mean

__all__ = ["named_use", "other_servers", "unread_settings"]

_PREFIXES: Final = ("cliquet.", "multiauth.", "event_listeners.")
_GROUPS: Final = {
    "server": ("paste.server_factory", "paste.server_runner"),
    "app": ("paste.app_factory", "paste.composite_factory", "paste.filter_factory"),
}
_LOADED: Final = ("app:", "application:", "server:", "composite:", "pipeline:", "filter")


def named_use(ini: str, text: str, error: BaseException) -> str:
    """Return the words of an error about what a section names, with the section.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for another section than ``app:main``.
    text : what the reader of the file, or an import, said, in words.
    error : the same, with the calls that led to it.
    """
    path, _, name = ini.partition("#")
    parser = _parsed(path)
    section = f"app:{name or 'main'}"
    apps = [one.removeprefix("app:") for one in parser.sections() if one.startswith("app:")]
    if section not in parser and "No section" in text and apps:
        return f"{text}; allowed: {', '.join(f'{path}#{app}' for app in apps)}"
    if "No loader given" in text:
        example = "egg:waitress#main" if "server:" in text else "call:shop:main"
        return f"{text}; allowed: use, as in use = {example}"
    read = _last_read(error)
    if read is None:
        return text
    kind = read.section.partition(":")[0]
    known = [
        f"egg:{one.dist.name}#{one.name}"
        for group in _GROUPS.get(kind, _GROUPS["app"])
        for one in importlib.metadata.entry_points(group=group)
        if one.dist is not None
    ]
    other = "" if read.is_of(path) else f" of {read.path}"
    return (
        f"[{read.section}]{other} {read.option} = {read.value}: {text.rstrip('.')}; allowed: "
        f"call:MODULE:FUNCTION, or egg:DISTRIBUTION#NAME{did_you_mean(read.value, known)}"
    )


class _Read(NamedTuple):
    """What PasteDeploy was reading: the option of a section that names an object."""

    path: str
    section: str
    option: str
    value: str

    def is_of(self, path: str) -> bool:
        return os.path.abspath(self.path) == os.path.abspath(path)


def _last_read(error: BaseException) -> _Read | None:
    """Return what PasteDeploy was reading when an error came; its calls know, its words do not."""
    found = None
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        known = frame.f_locals
        if frame.f_globals.get("__name__") == "paste.deploy.loadwsgi" and "section" in known:
            path = str(getattr(known.get("self"), "filename", ""))
            if "use" in known:
                found = _Read(path, known["section"], "use", str(known["use"]))
            elif "found_expr" in known:
                # The option that names a function without the word `use`.
                option, value = known["found_protocol"], known["found_expr"]
                found = _Read(path, known["section"], str(option), str(value))
        traceback = traceback.tb_next
    return found


def other_servers(ini: str) -> list[str]:
    """Return the sections of servers, where that of the file's name is missing."""
    path, _, name = ini.partition("#")
    sections = _parsed(path).sections()
    if f"server:{name or 'main'}" in sections:
        return []
    return [one for one in sections if one.startswith("server:")]


def unread_settings(ini: str) -> Iterator[str]:
    """Yield settings of the library in sections where nothing reads them, in words."""
    parser = _parsed(ini.partition("#")[0])
    for section in [parser.default_section, *parser.sections()]:
        if section.startswith(_LOADED):
            continue
        own = parser.defaults() if section == parser.default_section else parser[section]
        for key in own:
            is_inherited = section != parser.default_section and key in parser.defaults()
            if key.startswith(_PREFIXES) and not is_inherited:
                yield f"[{section}] has {key}, which is only read in [app:main]."


def _parsed(path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path)
    except (OSError, UnicodeError, configparser.Error):
        # The reader of the file tells it.
        return configparser.RawConfigParser()
    return parser
