"""Mistakes in the sections of a file, which the reader of the file does not tell, or not where."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from typing import Final

__all__ = ["named_use", "unread_settings"]

_PREFIXES: Final = ("cliquet.", "multiauth.", "event_listeners.")
_LOADED: Final = ("app:", "application:", "server:", "composite:", "pipeline:", "filter")


def named_use(ini: str, text: str) -> str:
    """Return an error of the option ``use``, or of its lack, with the section that it is about.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for another section than ``app:main``.
    text : what the reader of the file, or an import, said.
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
    for found in parser.sections():
        use = parser[found].get("use", "")
        missing = text.replace("'", " ").split()
        if found.startswith(_LOADED) and any(part in missing for part in use.split(":") if part):
            return (
                f"[{found}] use = {use}: {text}; allowed: call:MODULE:FUNCTION, or "
                "egg:DISTRIBUTION#NAME"
            )
    return text


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
