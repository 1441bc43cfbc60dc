"""Hosts of URLs: the syntax of the header ``Host``, and the hosts that a service allows.

The functions are pure, and work on texts.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["ANY", "Authority", "allowed", "comparable", "is_authority", "is_pattern", "parse"]

ANY: Final = "*"
"""Entry of ``allowed_hosts`` that stands for all hosts."""

# Names of the DNS and of containers. RFC 3986 allows more, such as the comma with which servers
# join several headers, but no resolver knows such names.
_NAME: Final = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?"
_REST: Final = r"(?::(?P<port>[0-9]{0,5}))?"
_AUTHORITY: Final = re.compile(
    rf"(?:(?P<name>{_NAME})|\[(?P<address>[0-9a-f:.]{{2,45}})\]){_REST}", re.ASCII | re.IGNORECASE
)
# Nearly all hosts match this, and need no closer look.
_PLAIN: Final = re.compile(rf"{_NAME}(?::[0-9]{{1,4}})?", re.ASCII | re.IGNORECASE)
_MAX_NAME: Final = 255
_MAX_PORT: Final = 65535
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class Authority(NamedTuple):
    """A host, and a port as decimal digits; the port is empty if there is none."""

    host: str
    port: str


def parse(text: str) -> Authority | None:
    """Read an authority without user information (RFC 9112 3.2, RFC 3986 3.2).

    Returns
    -------
    Its parts in a form that can be compared; ``None`` if the text is not an authority.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    name, address, port = match.group("name", "address", "port")
    if port and int(port) > _MAX_PORT:
        return None
    if name is None:
        try:
            # All eight groups are written, because Python 3.13 shortens some addresses in another
            # way than Python 3.12.
            host = f"[{ipaddress.IPv6Address(address).packed.hex(':', 2)}]"
        except ValueError:
            return None
    elif len(name) > _MAX_NAME:
        return None
    else:
        host = name.lower().removesuffix(".")
    return Authority(host, str(int(port)) if port else "")


def is_authority(text: str) -> bool:
    """Return whether a text may be the host of a URL."""
    return _is_authority(text) if len(text) <= _MAX_NAME else parse(text) is not None


# Each request has a host, of which a service has few.
@functools.lru_cache(maxsize=64)
def _is_authority(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None or parse(text) is not None


def is_pattern(text: str) -> bool:
    """Return whether a text may be an entry of ``allowed_hosts``.

    An entry is a name or an address, with or without a port; ``*.`` before a name stands for all
    names below it.
    """
    return text == ANY or is_authority(text.removeprefix("*."))


def allowed(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return an expression that the :func:`comparable` text of each allowed host matches.

    Parameters
    ----------
    patterns : entries for which :func:`is_pattern` is true.
    """
    alternatives = []
    for pattern in patterns:
        if pattern == ANY:
            return re.compile(".*", re.DOTALL)
        host, port = parse(pattern.removeprefix("*.")) or ("", "")
        below = r"[^:\[\]]+\." if pattern.startswith("*.") else ""
        alternatives.append(f"{below}{re.escape(host)}:{port or '[0-9]*'}")
    return re.compile("|".join(f"(?:{alternative})" for alternative in alternatives))


def comparable(text: str, scheme: str) -> str:
    """Return the host and the port of an authority in the form that :func:`allowed` compares.

    Parameters
    ----------
    scheme : scheme of the URL; its default port is left out.
    """
    host, port = parse(text) or ("", "")
    return f"{host}:{port or _DEFAULT_PORTS.get(scheme, '')}"
