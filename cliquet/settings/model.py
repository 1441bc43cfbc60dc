"""What one row of the settings table says, and the error that a bad value deserves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cliquet.settings.masking import MASK, is_secret_name, masked

__all__ = ["Parser", "Setting", "SettingError"]


class SettingError(ValueError):
    """A setting has a value that cannot be used (S-22).

    Parameters
    ----------
    name : bare name of the setting.
    value : the value given; what looks like a secret in it is shown to nobody.
    allowed : what would have been accepted.
    """

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        value = _without_secrets(name, value)
        super().__init__(f"Setting '{name}' is {value!r}; allowed: {allowed}.")
        self.name = name
        self.value = value
        self.allowed = allowed


def _without_secrets(name: str, value: Any) -> Any:
    """Return a value as it may be written into logs: itself, unless it holds a secret."""
    if value and is_secret_name(name) and not isinstance(value, bool):
        return MASK
    text = str(value)
    shown = masked(text)
    return value if shown == text else shown


class Parser(Protocol):
    """The type of a setting.

    Calling it returns the typed value of text or of a native value, or raises `ValueError`. It is
    idempotent: a parsed value is parsed to itself.
    """

    @property
    def allowed(self) -> str:
        """What is accepted, for errors and for the reference page."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def is_text(self) -> bool:
        """Whether loading keeps the value as text instead of converting it (S-23.5)."""
        ...  # pragma: no cover - a protocol has no body

    def __call__(self, value: Any) -> Any: ...


_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Setting:
    """One row of the table: a setting, or a family of settings with a pattern as its name.

    Parameters
    ----------
    name : bare name (S-1.1); placeholders such as ``{resource_name}`` make it a family.
    parse : type of the value.
    default : value when nothing gives one, as deployers would write it.
    sentence : what it does, for the reference page.
    unit : unit of a number.
    in_defaults : whether `DEFAULT_SETTINGS` has it, so that the environment reaches it (S-1.5).
    version_added : first release that knew it.
    is_secret : whether it may be shown to nobody, as in ``cliquet settings``.
    refusal : of a bound on requests (X-34), what a request beyond it meets, a status as a rule.
    placeholders : regular expression of each placeholder that is not any text without dot.
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
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_family(self) -> bool:
        return "{" in self.name

    def pattern(self) -> re.Pattern[str]:
        """Return the regular expression of the names that belong to this row."""
        # Odd parts are the names of placeholders. By default any text without dot, the empty one
        # too: a resource may lack a name (S-10.3).
        parts = _PLACEHOLDER.split(self.name)
        return re.compile(
            "".join(
                f"(?:{self.placeholders.get(part, '[^.]*')})" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
        )

    def value(self, given: Any, name: str | None = None) -> Any:
        """Return the typed value of what was given.

        Raises
        ------
        SettingError : the value is not allowed.
        """
        try:
            return self.parse(given)
        except ValueError:
            # Its cause would show the value.
            raise SettingError(name or self.name, given, self.parse.allowed) from None
