"""Authentication by the address of the client.

It replaces the package ``pyramid_ipauth``, which does not work with Pyramid 2. It knows nothing of
settings: the options ``multiauth.policy.<name>.*`` are keyword arguments.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from zope.interface import implementer

__all__ = ["IPAuthenticationPolicy"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SEPARATOR = re.compile(r"[\s,]+")
_DASH = re.compile(r"\s*-\s*")
# Stars are only allowed at the end, so that the numbers before them are a network.
_PATTERN = re.compile(r"(?:[0-9]{1,3}\.){0,3}\*(?:\.\*){0,3}")
_MAPPED_PREFIX_BITS = 96


@implementer(IAuthenticationPolicy)
class IPAuthenticationPolicy:
    """Recognises the clients of some networks (S-16.7).

    The address is the ``REMOTE_ADDR`` of the WSGI server. No header is read, because any client can
    send ``X-Forwarded-For``. Behind a proxy it is the address of the proxy, unless the server
    trusts the proxy. A request without a usable address, for example over a Unix socket, does not
    match.

    Parameters
    ----------
    ipaddrs : a text, with white space or commas between the items, or a list. Items are addresses,
        networks (``10.0.0.0/8``), ranges (``10.0.0.1-10.0.0.9``) and patterns (``192.168.0.*``).
        An IPv4 address written as IPv6 (``::ffff:10.0.0.1``) is that IPv4 address.
    userid : id of the user for all these clients, without the name of the policy; ``None`` for
        none.
    principals : text or list of the principals that a request from there has beside those of its
        user, whichever policy recognises the user.

    Raises
    ------
    ValueError : `ipaddrs` has an item that is none of these, or no item at all.
    """

    def __init__(
        self,
        ipaddrs: str | Iterable[Any],
        userid: str | None = None,
        principals: str | Iterable[str] | None = None,
    ) -> None:
        self._networks = _networks(ipaddrs)
        # Settings turn digits into numbers, and some words into `False`.
        self._userid = None if userid in (None, False, "") else str(userid)
        self._principals = _items(principals)

    def authenticated_userid(self, request: Request) -> str | None:
        """Return `userid` for a client of the networks, else ``None``."""
        return self._userid if self._matches(request) else None

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the same as :meth:`authenticated_userid`: an address needs no check."""
        return self.authenticated_userid(request)

    def effective_principals(self, request: Request) -> list[str]:
        """Return `principals` for a client of the networks; the security policy adds the user."""
        return list(self._principals) if self._matches(request) else []

    def remember(self, request: Request, userid: str, **kwargs: Any) -> list[tuple[str, str]]:
        """Return no headers, because addresses need none."""
        return []

    def forget(self, request: Request) -> list[tuple[str, str]]:
        """Return no headers, because a client cannot send anything else (H-4.10)."""
        return []

    def _matches(self, request: Request) -> bool:
        try:
            address = _unmapped_address(ipaddress.ip_address(request.remote_addr or ""))
        except ValueError:
            # On a Unix socket, servers give nothing, or a name.
            return False
        return any(address in network for network in self._networks)


def _items(value: Any) -> tuple[str, ...]:
    """Return the texts of an option that is a text, a list, or a value converted from a text."""
    if value is None or value is False:
        return ()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(str(item).strip() for item in value)
    return tuple(filter(None, _SEPARATOR.split(str(value))))


def _networks(value: Any) -> tuple[_Network, ...]:
    if isinstance(value, str):
        value = _DASH.sub("-", value)
    networks = tuple(network for item in _items(value) for network in _networks_of(item))
    if not networks:
        raise ValueError("ipaddrs has no address")
    return networks


def _networks_of(item: str) -> list[_Network]:
    first, dash, last = item.partition("-")
    try:
        if dash:
            bounds = [ipaddress.ip_address(bound.strip()) for bound in (first, last)]
            # This raises an error if the two bounds have different types.
            found: list[_Network] = list(ipaddress.summarize_address_range(*bounds))
        elif _PATTERN.fullmatch(item) and item.count(".") == 3:
            prefix_bits = 8 * (4 - item.count("*"))
            found = [ipaddress.ip_network(f"{item.replace('*', '0')}/{prefix_bits}")]
        else:
            found = [ipaddress.ip_network(item)]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"ipaddrs has {item!r}, which is no address, network (10.0.0.0/8), range "
            f"(10.0.0.1-10.0.0.9) or pattern (192.168.0.*): {error}"
        ) from error
    return [_unmapped_network(network) for network in found]


def _unmapped_address(address: _Address) -> _Address:
    """Return the IPv4 address in an IPv6 address (RFC 4291 2.5.5.2), or the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _unmapped_network(network: _Network) -> _Network:
    address = _unmapped_address(network.network_address)
    if address.version == network.version or network.prefixlen < _MAPPED_PREFIX_BITS:
        return network
    return ipaddress.ip_network((int(address), network.prefixlen - _MAPPED_PREFIX_BITS))
