"""Settings of an application on each of the bundled families of backends."""

import contextlib
from collections.abc import Iterator
from typing import Any

from servers.postgresql import new_database
from servers.processes import temporary_folder
from servers.redis import running_redis
from servers.redis_cluster import running_cluster

from cliquet.testing.web import MEMORY_BACKENDS

SPREAD = "spread"
FAMILIES = ("memory", "redis", "sqlite", "postgresql", SPREAD)
"""The last one is PostgreSQL, with collections that are spread over several counters."""

_SPREAD_RESOURCES = ("lichen", "spore", "amanita")
_SHARDS = 4


def backend_settings(family: Any, url: Any) -> Any:
    """Return the settings that name the storage, cache and permission backends of a family."""
    settings = {}
    for kind in ("storage", "cache", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.{family}"
        settings[f"{kind}_url"] = url
        if family == "sqlite":
            # The lock of the file is whoever's comes first, and not whose turn it is.
            settings[f"{kind}_busy_timeout_seconds"] = "60"
    return settings


def redis_settings(server_url: Any) -> Any:
    """Return the settings of a Redis, with a database for each kind."""
    settings = backend_settings("redis", server_url)
    for number, kind in enumerate(("storage", "cache", "permission"), start=2):
        settings[f"{kind}_url"] = f"{server_url}/{number}"
    return settings


@contextlib.contextmanager
def fresh_backends(family: Any, postgresql_server: Any) -> Iterator[Any]:
    """Give the settings of empty backends, and remove what they hold afterwards.

    Parameters
    ----------
    postgresql_server : function that returns the URL of the server; called if it is needed.
    """
    if family == "memory":
        yield MEMORY_BACKENDS
    elif family == "redis":
        with running_redis() as url:
            yield redis_settings(url)
    elif family == "redis, cluster":
        with running_cluster() as cluster:
            yield backend_settings("redis", cluster.url)
    elif family == "sqlite":
        with temporary_folder("sqlite") as folder:
            yield backend_settings("sqlite", f"sqlite:///{folder}/file.db")
    else:
        with new_database(postgresql_server()) as url:
            shards = {f"{name}_shards": str(_SHARDS) for name in _SPREAD_RESOURCES}
            settings = backend_settings("postgresql", url)
            yield {**settings, **shards} if family == SPREAD else settings
