"""The import of Python objects that settings name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings

__all__ = ["is_absence", "resolve", "resolve_all", "resolve_callable"]


def resolve(
    config: Configurator, setting: str, *, allowed: str | None = None, meant: str = ""
) -> Any:
    """Return the object that a setting names.

    Parameters
    ----------
    setting : bare name.
    allowed : description of the allowed values, for the error; ``None`` if there is none.
    meant : end of the error that names what was probably meant.

    Raises
    ------
    ImportError : there is no such object; the message names the setting (S-22).
    """
    value = settings.read(config.get_settings(), setting)
    end = "" if allowed is None else f"; allowed: {allowed}{meant or '.'}"
    return _import(config, value, f"Setting '{setting}' is {value!r}", end)


def resolve_callable(config: Configurator, setting: str, *, allowed: str) -> Any:
    """Return the class or the function that a setting names.

    Parameters
    ----------
    allowed : description of the allowed values, for the error.

    Raises
    ------
    ImportError : there is no such object.
    pyramid.exceptions.ConfigurationError : it cannot be called, as a module cannot.
    """
    found = resolve(config, setting, allowed=allowed)
    if not callable(found):
        value = settings.read(config.get_settings(), setting)
        raise ConfigurationError(
            f"Setting '{setting}' is {value!r}, which cannot be called; allowed: {allowed}."
        )
    return found


def resolve_all(
    config: Configurator, setting: str, *, attribute: str | None = None
) -> Iterator[Any]:
    """Yield the objects that a list names, and import each of them only then.

    Parameters
    ----------
    attribute : name of the function that a module must have, if modules are allowed.

    Raises
    ------
    ImportError : there is no such object; the message names the setting and the item (S-22).
    pyramid.exceptions.ConfigurationError : the object is neither a function nor such a module.
    """
    for value in settings.read(config.get_settings(), setting):
        found = _import(config, value, f"Setting '{setting}' has {value!r}", "")
        if not callable(found) and (attribute is None or not hasattr(found, attribute)):
            allowed = "a function" if attribute is None else f"a module with {attribute}()"
            raise ConfigurationError(
                f"Setting '{setting}' has {value!r}, which is none; allowed: {allowed}."
            )
        yield found


def is_absence(error: ImportError, name: str) -> bool:
    """Return whether the named module does not exist; otherwise it fails to import another."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _import(config: Configurator, value: Any, given: str, end: str) -> Any:
    try:
        return config.maybe_dotted(value)
    except ImportError as error:
        # What is allowed helps nobody whose module exists, and lacks another one.
        end = end if is_absence(error, str(value)) else ""
        raise ImportError(f"{given}: {error}{end}", name=error.name) from error
