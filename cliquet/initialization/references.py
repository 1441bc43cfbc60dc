"""The import of Python objects that settings name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyramid.config import Configurator

from cliquet import settings

__all__ = ["resolve", "resolve_all"]


def resolve(config: Configurator, setting: str, *, allowed: str | None = None) -> Any:
    """Return the object that a setting names.

    Parameters
    ----------
    setting : bare name.
    allowed : description of the allowed values, for the error; ``None`` if there is none.

    Raises
    ------
    ImportError : there is no such object; the message names the setting (S-22).
    """
    value = settings.read(config.get_settings(), setting)
    return _import(config, value, f"Setting '{setting}' is {value!r}", allowed)


def resolve_all(config: Configurator, setting: str) -> Iterator[Any]:
    """Yield the objects that a list names, and import each of them only then.

    Raises
    ------
    ImportError : there is no such object; the message names the setting and the item (S-22).
    """
    for value in settings.read(config.get_settings(), setting):
        yield _import(config, value, f"Setting '{setting}' has {value!r}", None)


def _import(config: Configurator, value: Any, given: str, allowed: str | None) -> Any:
    try:
        return config.maybe_dotted(value)
    except ImportError as error:
        end = "" if allowed is None else f"; allowed: {allowed}."
        raise ImportError(f"{given}: {error}{end}", name=error.name) from error
