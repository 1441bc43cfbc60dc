"""Permissions in a cluster of Redis servers."""

from collections.abc import Iterator
from typing import Any

import pytest
from servers.redis_cluster import RedisCluster
from support.configured import loading

from cliquet.permission import redis
from cliquet.testing.permission import PermissionContract

load = loading(redis, "permission")


@pytest.fixture
def permission(redis_cluster: RedisCluster) -> Iterator[Any]:
    permission = load(redis_cluster.url)
    yield permission
    permission._client.close()


@pytest.mark.clause("E-9.6")
class TestClusterPermission(PermissionContract):
    """The suite."""
