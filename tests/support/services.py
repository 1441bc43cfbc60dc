"""Servers that tests run against, started on demand on free ports.

They are defined in the package `servers`. These environment variables name running ones instead:

``CLIQUET_TEST_REDIS_URL``
    A Redis, without the number of a database: number 1 is emptied.
``CLIQUET_TEST_POSTGRESQL_URL``
    A PostgreSQL, with a user who may create databases: each test has its own.
"""

from servers.memcached import memcached_server, running_memcached
from servers.pgbouncer import running_pgbouncer
from servers.postgresql import (
    new_database,
    postgresql_module_url,
    postgresql_server,
    postgresql_url,
    running_postgresql,
)
from servers.postgresql_binaries import postgresql_bindirs
from servers.processes import free_port, missing
from servers.redis import redis_server, redis_url, running_durable_redis, running_redis
from servers.starting import processes

__all__ = [
    "free_port",
    "memcached_server",
    "missing",
    "new_database",
    "postgresql_bindirs",
    "postgresql_module_url",
    "postgresql_server",
    "postgresql_url",
    "processes",
    "redis_server",
    "redis_url",
    "running_durable_redis",
    "running_memcached",
    "running_pgbouncer",
    "running_postgresql",
    "running_redis",
]
