"""Reads the URL of a database, which may name several servers of which one is the primary.

What cannot work is refused at the start, with the name of the setting: the driver would find out
at the first request, and then again at every one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from warnings import warn

from cliquet import settings
from cliquet.settings.secrets import without_credentials

try:
    import psycopg2
    import sqlalchemy
    from psycopg2 import extensions
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    sqlalchemy = None  # type: ignore[assignment]

__all__ = ["ALLOWED_URL", "for_driver", "read_url"]

ALLOWED_URL = "postgresql://[user[:password]@][host][:port][,host[:port]...]/database[?option=...]"

# Options of the driver that the URL may replace. By default the driver waits for ever for a server
# that does not answer, and two hours before it checks whether a silent server still exists. What
# was sent and not even acknowledged by the host is given up soon; a long query is not concerned.
_CONNECTION_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
_NUMBERS = frozenset({*_CONNECTION_DEFAULTS, "keepalives"})

_SESSION_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")

# What comes before the hosts, several hosts, and what follows them.
_SEVERAL_HOSTS = re.compile(r"([\w+]+://(?:[^:/@]*(?::[^@]*)?@)?)([^/?@]*,[^/?@]*)(.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^\s:\[\]]+))(?::(?P<port>[0-9]+))?")


def read_url(configured: Mapping[str, Any], name: str) -> Any:
    """Return a URL in the form of SQLAlchemy, with psycopg2 as the driver.

    Parameters
    ----------
    configured : the settings.
    name : that of the setting with the URL.

    Raises
    ------
    cliquet.settings.SettingError : the URL, or one of its options, cannot be used.
    """
    given = str(configured.get(name) or "")

    def refused(allowed: str) -> settings.SettingError:
        return settings.SettingError(name, without_credentials(given), allowed)

    several = _SEVERAL_HOSTS.fullmatch(given)
    try:
        url = sqlalchemy.make_url(given if several is None else f"{several[1]}{several[3]}")
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # A `ValueError` comes from a wrong port.
        raise refused(ALLOWED_URL) from None
    backend, _, driver = url.drivername.partition("+")
    if backend == "postgres":
        warn(
            f"{name}: the scheme postgres:// is deprecated: use postgresql://.",
            DeprecationWarning,
            stacklevel=4,
        )
    elif backend != "postgresql":
        raise refused(ALLOWED_URL)
    if driver not in ("", "psycopg2"):
        raise refused(f"{ALLOWED_URL}, with psycopg2")
    if "@" in (url.host or ""):
        # Otherwise the driver would take the end of the password for the host, and show it in
        # errors.
        raise refused(f"{ALLOWED_URL}, where each @ of the password is written %40")
    url = url.set(drivername="postgresql+psycopg2")
    password = url.query.get("password")
    if isinstance(password, str):
        # SQLAlchemy hides the password in this place.
        url = url.difference_update_query(["password"]).set(password=password)
    if several is not None:
        places = [_HOST.fullmatch(host) for host in several[2].split(",")]
        if not all(place and 0 < int(place["port"] or 1) < 65536 for place in places):
            raise refused(ALLOWED_URL)
        # SQLAlchemy hands both to the driver as they are.
        url = url.update_query_dict(
            {
                "host": ",".join(place["ipv6"] or place["name"] for place in places if place),
                "port": ",".join(place["port"] or "" for place in places if place),
            }
        )
    _check_options(url, refused)
    return url


def _check_options(url: Any, refused: Any) -> None:
    for option, value in url.query.items():
        if option in _NUMBERS and not re.fullmatch("-?[0-9]{1,9}", str(value)):
            raise refused(f"{option}=NUMBER")
    attributes = url.query.get("target_session_attrs", "any")
    if attributes not in _SESSION_ATTRIBUTES:
        raise refused(f"target_session_attrs={'|'.join(_SESSION_ATTRIBUTES)}")
    _, options = url.get_dialect()().create_connect_args(url)
    try:
        extensions.make_dsn(**options)
    except psycopg2.ProgrammingError as error:
        raise refused(f"options of libpq ({str(error).strip()})") from None


def for_driver(url: Any, *, writes: bool) -> Any:
    """Return a URL with the defaults of its options.

    They limit the wait for a server that is gone, and choose among several servers the one that
    accepts writes.

    Parameters
    ----------
    writes : whether the service needs a server that accepts writes.
    """
    defaults = {
        **_CONNECTION_DEFAULTS,
        **({"target_session_attrs": "read-write"} if writes and "," in _hosts(url) else {}),
    }
    given = {
        *url.query,
        *({"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else ()),
        *({"target_session_attrs"} if "PGTARGETSESSIONATTRS" in os.environ else ()),
    }
    return url.update_query_dict(
        {name: value for name, value in defaults.items() if name not in given}
    )


def _hosts(url: Any) -> str:
    given = url.query.get("host", "")
    return given if isinstance(given, str) else ",".join(given)
