"""The value of a setting of a service in a form that may be shown to anybody."""

from __future__ import annotations

from typing import Any

from cliquet.settings import find
from cliquet.settings.masking import MASK, is_secret_name, masked, text_of
from cliquet.settings.parsers import Anything

__all__ = ["MASK", "shown"]


def shown(name: str, value: Any) -> str:
    """Return the value of a setting in one line, in a form that may be shown to anybody.

    Parameters
    ----------
    name : bare name.
    """
    text = text_of(value)
    row = find(name)
    # The table does not describe the settings of plugins and applications: only the name says
    # whether such a value is a secret.
    is_described = row is not None and not isinstance(row.parse, Anything)
    is_secret = row.is_secret if row is not None and is_described else is_secret_name(name)
    if text and is_secret and not isinstance(value, bool):
        return MASK
    return masked(text)
