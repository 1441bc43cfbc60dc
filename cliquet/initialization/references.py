"""The import of Python objects that settings name."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings
from cliquet.core.mistakes import did_you_mean

# It is asked in case of an error alone: what looks for near names is slow to import.
Meant = Callable[[], str]

__all__ = ["is_absence", "resolve", "resolve_all", "resolve_callable"]


def resolve(
    config: Configurator, setting: str, *, allowed: str | None = None, meant: Meant | None = None
) -> Any:
    """Return the object that a setting names.

    Parameters
    ----------
    setting : bare name.
    allowed : description of the allowed values, for the error; ``None`` if there is none.
    meant : returns the end of the error that names what was probably meant.

    Raises
    ------
    ImportError : there is no such object; the message names the setting (S-22).
    """
    value = settings.read(config.get_settings(), setting)
    return _import(config, value, f"Setting '{setting}' is {value!r}", allowed, meant)


def resolve_callable(
    config: Configurator, setting: str, *, allowed: str, names: Iterable[str] = ()
) -> Any:
    """Return the class or the function that a setting names.

    Parameters
    ----------
    allowed : description of the allowed values, for the error.
    names : values that are no Python names, and may have been meant.

    Raises
    ------
    ImportError : there is no such object.
    pyramid.exceptions.ConfigurationError : it cannot be called, as a module cannot.
    """
    value = settings.read(config.get_settings(), setting)
    found = resolve(config, setting, allowed=allowed, meant=lambda: did_you_mean(str(value), names))
    if not callable(found):
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
        allowed = "a function" if attribute is None else f"a module with {attribute}()"
        found = _import(config, value, f"Setting '{setting}' has {value!r}", allowed)
        if not callable(found) and (attribute is None or not hasattr(found, attribute)):
            raise ConfigurationError(
                f"Setting '{setting}' has {value!r}, which is none; allowed: {allowed}."
            )
        yield found


def is_absence(error: ImportError, name: str) -> bool:
    """Return whether the named module does not exist; otherwise it fails to import another."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _import(
    config: Configurator, value: Any, given: str, allowed: str | None, meant: Meant | None = None
) -> Any:
    try:
        return config.maybe_dotted(value)
    except ImportError as error:
        reason, end = str(error), ""
        # What is allowed helps nobody whose module exists, and lacks another one.
        if is_absence(error, str(value)):
            absent, near = _absence(error, str(value))
            reason = absent or reason
            end = (meant() if meant else "") or near or "."
            end = f"; allowed: {allowed}{end}" if allowed else end
        raise ImportError(f"{given}: {reason}{end}", name=error.name) from error


def _absence(error: ImportError, value: str) -> tuple[str, str]:
    """Return what exactly does not exist, if a module does, and the end that names the nearest."""
    parent, _, last = str(error.name).rpartition(".")
    module = sys.modules.get(parent)
    if module is None:
        return "", ""
    known = {name for name in vars(module) if name[0] != "_"}
    if hasattr(module, "__path__"):
        known |= {found.name for found in pkgutil.iter_modules(module.__path__)}
        absent = ""
    else:
        absent = f"the module {parent!r} has no {last!r}"
    rest = value.removeprefix(f"{parent}.{last}")
    return absent, did_you_mean(last, known, shown={one: f"{parent}.{one}{rest}" for one in known})
