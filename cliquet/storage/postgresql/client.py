"""Clients of PostgreSQL under their published address (P-29.5)."""

from __future__ import annotations

from typing import Any

from cliquet.connections.postgresql import client
from cliquet.connections.postgresql import config as postgresql_config
from cliquet.connections.postgresql.client import PostgreSQLClient

__all__ = ["PostgreSQLClient", "create_from_config", "sqlalchemy"]

# Tests of applications set it to None, as if the package were missing (B-24).
sqlalchemy = client.sqlalchemy


def create_from_config(config: Any, prefix: str = "") -> PostgreSQLClient:
    """Return the client that the settings describe.

    Parameters
    ----------
    prefix : prefix of the settings ``url``, ``pool_size`` and so on, such as ``storage_``.

    Raises
    ------
    ImportWarning : SQLAlchemy or psycopg2 is not installed (S-12.4).
    """
    if sqlalchemy is None:
        raise ImportWarning(postgresql_config.MISSING_EXTRA)
    return postgresql_config.create_from_config(config, prefix)
