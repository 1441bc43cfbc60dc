"""The storage in a cluster of Redis servers."""

from collections.abc import Iterator
from typing import Any

import pytest
from servers.redis_cluster import RedisCluster
from support.configured import loading

from cliquet.storage import redis
from cliquet.testing.storage import UntransactedStorageContract

load = loading(redis, "storage")


@pytest.fixture
def storage(redis_cluster: RedisCluster) -> Iterator[Any]:
    storage = load(redis_cluster.url)
    yield storage
    storage._client.close()


@pytest.mark.clause("E-9.6")
class TestClusterStorage(UntransactedStorageContract):
    """The suite."""
