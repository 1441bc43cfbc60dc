"""Who sends the request, judged by the address it comes from (S-16.7).

Takes the place of the package ``pyramid_ipauth``, which Pyramid 2 cannot import. Knows nothing of
settings: the options ``multiauth.policy.<name>.*`` arrive as keywords.
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
# Stars at the end alone: what is between them and the front is a network.
_PATTERN = re.compile(r"(?:[0-9]{1,3}\.){0,3}\*(?:\.\*){0,3}")
_MAPPED_PREFIX_BITS = 96


@implementer(IAuthenticationPolicy)
class IPAuthenticationPolicy:
    """Knows the clients of some networks.

    The address is the one that the WSGI server gives as ``REMOTE_ADDR``: no header is read, since
    any client can send ``X-Forwarded-For``. Behind a proxy it is that of the proxy, unless the
    server is told to trust it. A request without usable address, over a Unix socket say, is not
    matched.

    Parameters
    ----------
    ipaddrs : text, with white space or commas between the items, or a list of: addresses,
        networks (``10.0.0.0/8``), ranges (``10.0.0.1-10.0.0.9``) and patterns (``192.168.0.*``).
        An IPv4 address written as IPv6 (``::ffff:10.0.0.1``) is that IPv4 address.
    userid : user that all these clients are, without the name of the policy; ``None`` for no user.
    principals : text or list: what a request from there has beside the principals of its user,
        whichever policy knows the user.

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
        # Settings turn digits into numbers, and some words into false (S-2.1).
        self._userid = None if userid in (None, False, "") else str(userid)
        self._principals = _items(principals)

    def authenticated_userid(self, request: Request) -> str | None:
        """Return `userid` for a client of the networks, else ``None``."""
        return self._userid if self._matches(request) else None

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the same as :meth:`authenticated_userid`: an address is no claim to be checked."""
        return self.authenticated_userid(request)

    def effective_principals(self, request: Request) -> list[str]:
        """Return `principals` for a client of the networks: the security policy adds the user."""
        return list(self._principals) if self._matches(request) else []

    def remember(self, request: Request, userid: str, **kwargs: Any) -> list[tuple[str, str]]:
        """Return no headers: addresses need none."""
        return []

    def forget(self, request: Request) -> list[tuple[str, str]]:
        """Return no headers: there is nothing to ask a client for (H-4.10)."""
        return []

    def _matches(self, request: Request) -> bool:
        try:
            address = _unmapped_address(ipaddress.ip_address(request.remote_addr or ""))
        except ValueError:
            # Servers on a Unix socket give nothing, or a name.
            return False
        return any(address in network for network in self._networks)


def _items(value: Any) -> tuple[str, ...]:
    """Return the texts of an option that is a text, a list, or what became of a text (S-2.1)."""
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
            # The types of the two bounds are one, or this raises.
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
    """Return the IPv4 address that an IPv6 one stands for (RFC 4291 2.5.5.2), or the same."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _unmapped_network(network: _Network) -> _Network:
    address = _unmapped_address(network.network_address)
    if address.version == network.version or network.prefixlen < _MAPPED_PREFIX_BITS:
        return network
    return ipaddress.ip_network((int(address), network.prefixlen - _MAPPED_PREFIX_BITS))
