"""The class of a row in the table of settings, and the error of a bad value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from cliquet.settings.secrets import MASK, is_secret_name, masked

__all__ = ["Parser", "Setting", "SettingError"]


class SettingError(ValueError):
    """A setting has a value that cannot be used.

    Parameters
    ----------
    name : bare name of the setting.
    value : the value given; anything in it that looks like a secret is masked.
    allowed : description of the values that are accepted.
    """

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        value = _without_secrets(name, value)
        super().__init__(f"Setting '{name}' is {value!r}; allowed: {allowed}.")
        self.name = name
        self.value = value
        self.allowed = allowed


def _without_secrets(name: str, value: Any) -> Any:
    """Return a value that may be written into logs: itself, unless it contains a secret."""
    if value and is_secret_name(name) and not isinstance(value, bool):
        return MASK
    text = str(value)
    shown = masked(text)
    return value if shown == text else shown


class Parser(Protocol):
    """The type of a setting.

    A call returns the typed value for a text or a native value, or raises `ValueError`. It is
    idempotent: parsing a parsed value gives the same value.
    """

    @property
    def allowed(self) -> str:
        """Description of the accepted values, for errors and for the reference page."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether loading keeps the value as text instead of converting it."""
        ...

    def __call__(self, value: Any) -> Any: ...


_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


class Setting(NamedTuple):
    """One row of the table: a setting, or a family of settings with a pattern as its name.

    Parameters
    ----------
    name : bare name; placeholders such as ``{resource_name}`` make the row a family.
    parse : type of the value.
    default : value of the setting when it is not given, in the form that a deployer would write.
    sentence : its effect, for the reference page.
    unit : unit of a number.
    in_defaults : whether `DEFAULT_SETTINGS` has it, so that an environment variable can set it.
    version_added : first release that had it.
    is_secret : whether its value must be masked everywhere, for example in ``cliquet settings``.
    refusal : for a limit of requests, the answer to a request beyond it, normally a status.
    placeholders : regular expression of each placeholder; by default it is any text without a dot.
    """

    name: str
    parse: Parser
    default: Any
    sentence: str
    unit: str | None = None
    in_defaults: bool = True
    version_added: str = "3.1"
    is_secret: bool = False
    refusal: str | None = None
    placeholders: Mapping[str, str] = MappingProxyType({})

    @property
    def is_family(self) -> bool:
        return "{" in self.name

    def pattern(self) -> re.Pattern[str]:
        """Return the regular expression of the names that belong to this row."""
        # Parts with an odd index are the names of placeholders. By default a placeholder is any
        # text without a dot. It may be empty, because a resource may have no name (S-10.3).
        parts = _PLACEHOLDER.split(self.name)
        return re.compile(
            "".join(
                f"(?:{self.placeholders.get(part, '[^.]*')})" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
        )

    def value(self, given: Any, name: str | None = None) -> Any:
        """Return the typed value for a given value.

        Raises
        ------
        SettingError : the value is not allowed.
        """
        try:
            return self.parse(given)
        except ValueError:
            # The cause of the error would show the value.
            raise SettingError(name or self.name, given, self.parse.allowed) from None
