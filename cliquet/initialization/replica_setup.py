"""The settings that name replicas of the backends (E-22), and their heartbeats."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from cliquet import settings
from cliquet.settings.secrets import without_credentials
from cliquet.web.replicas import let_requests_read_replicas

__all__ = ["setup_replica"]


def setup_replica(config: Configurator, kind: str, backend: Any) -> None:
    """Let requests read from the replica of a backend, if the settings name one.

    Parameters
    ----------
    kind : ``storage`` or ``permission``.

    Raises
    ------
    cliquet.settings.SettingError : there is a setting, but the backend knows no replicas.
    """
    name = f"{kind}_read_url"
    given = settings.read(config.get_settings(), name)
    if not given:
        return
    replica = getattr(backend, "replica", None)
    if replica is None:
        allowed = f"nothing, unless {kind}_backend is cliquet.{kind}.postgresql"
        raise settings.SettingError(name, without_credentials(str(given)), allowed)

    def ping(_request: Request) -> bool | None:
        # The service is well without it: the primary serves everything.
        return True if replica.is_reached() else None

    config.registry.heartbeats[f"{kind}_replica"] = ping
    let_requests_read_replicas(config)
