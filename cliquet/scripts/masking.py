"""What may be shown of the value of a setting: no secret, and no password inside a URL (E-7.2)."""

from __future__ import annotations

import re
from typing import Any, Final

from cliquet.settings import find

__all__ = ["MASK", "shown"]

MASK: Final = "********"

# Of plugins and applications, whose settings no table describes.
_SECRET_NAME: Final = re.compile(
    r"secret|passw|passphrase|token|dsn|private|credential|api_?key", re.IGNORECASE
)
# Up to the last `@`, since passwords are often not escaped.
_IN_URL: Final = re.compile(r"(://[^:@/\s]*:)\S+@")
# In a query string, a list of options, or a literal.
_NAMED: Final = re.compile(
    r"""((?:secret|passw\w*|token|credential|api_?key)\w*["']?\s*[=:]\s*["']?)[^\s"'&,;}]+""",
    re.IGNORECASE,
)


def shown(name: str, value: Any) -> str:
    """Return the value of a setting in one line, as it may be shown to anybody.

    Parameters
    ----------
    name : bare name.
    """
    text = _text(value)
    row = find(name)
    if text and ((row is not None and row.is_secret) or _SECRET_NAME.search(name)):
        return MASK
    return _NAMED.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1{MASK}@", text))


def _text(value: Any) -> str:
    """Return a value as files have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    return " ".join(str(value).split())
