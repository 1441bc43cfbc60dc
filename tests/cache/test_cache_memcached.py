"""The cache in Memcached: the contract's suite, and what is particular to it."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pymemcache
import pytest
from servers.memcached import running_memcached
from servers.processes import ServerProcess, free_port, unprivileged_user
from servers.starting import run_program
from support.configured import loading

from cliquet import utils
from cliquet.cache import CacheBase, memcached
from cliquet.connections.memcached import Servers, parse_host
from cliquet.settings import SettingError
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Threads, wait_until
from cliquet.testing.cache import CacheContract

DAY_SECONDS = 24 * 3600
load = loading(memcached, "cache")


@pytest.fixture
def open_cache() -> Iterator[Callable[..., memcached.Cache]]:
    """Load caches whose connections are closed in the end."""
    caches = []

    def load_cache(*args: Any, **settings: Any) -> Any:
        caches.append(load(*args, **settings))
        return caches[-1]

    yield load_cache
    for cache in caches:
        cache._client.close()


@pytest.fixture
def cache(memcached_server: str, open_cache: Callable[..., memcached.Cache]) -> memcached.Cache:
    cache = open_cache(memcached_server)
    cache.flush()
    return cache


@contextlib.contextmanager
def stoppable_memcached() -> Iterator[Any]:
    port = free_port()
    command = [shutil.which("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0"]
    server = ServerProcess(command, port, user=unprivileged_user())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Move the clock of the application away from that of the server."""
    clock = SimpleNamespace(offset_ms=0)
    real = utils.msec_time
    monkeypatch.setattr(utils, "msec_time", lambda: real() + clock.offset_ms)
    return clock


class TestCache(CacheContract):
    pass


# Configuration


@pytest.mark.clause("B-21.34", "B-3.10", "E-2.1")
def test_the_configuration_names_servers_which_are_not_asked_yet() -> None:
    cache = load("nowhere.example 10.0.0.1:7000\n[::1]:7001")

    assert isinstance(cache, memcached.Cache)
    assert isinstance(cache._client, Servers)
    assert set(cache._client.clients) == {"nowhere.example:11211", "10.0.0.1:7000", "::1:7001"}
    assert cache._client.pool_size == 25
    assert cache._client.pool_timeout_seconds == 30


@pytest.mark.clause("B-21.34")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", 11211)),
        ("example.org:7000", ("example.org", 7000)),
        ("[::1]:7000", ("::1", 7000)),
        ("[::1]", ("::1", 11211)),
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(text: str, expected: tuple[Any, ...]) -> None:
    assert parse_host(text) == expected


@pytest.mark.clause("B-21.34", "S-22")
@pytest.mark.parametrize(
    "hosts", ["", " ", "host:port", "host:99999", ":7000", "memcached://host", "user@host", "[::1"]
)
def test_another_form_fails_at_the_start_and_names_the_setting(hosts: str) -> None:
    with pytest.raises(SettingError, match="cache_hosts"):
        load(hosts)


WITHOUT_THE_LIBRARY = """
import sys

sys.modules["pymemcache"] = None
from cliquet.cache import memcached

class Config:
    def get_settings(self):
        return {"cache_hosts": "localhost"}

try:
    memcached.load_from_config(Config())
except ImportError as error:
    print(error)
"""


@pytest.mark.clause("E-2.1", "S-11.1")
@pytest.mark.usefixtures("processes")
def test_the_module_can_be_imported_without_the_library_and_names_the_extra() -> None:
    run = run_program(
        [sys.executable, "-c", WITHOUT_THE_LIBRARY], capture_output=True, text=True, check=True
    )

    assert "pip install 'cliquet[memcached]'" in run.stdout


# Keys and prefixes


@pytest.mark.clause("B-14.1", "B-21.34")
def test_keys_that_differ_only_where_the_server_is_blind_are_different(cache: CacheBase) -> None:
    keys = ["k" * 249, "k" * 250, "k" * 251, "k" * 999, "a b", "a  b", "a\tb", "é", "e\u0301"]
    keys += ["\ud800", "\ud801", "\x00", "\x7f", ""]
    for key in keys:
        cache.set(key, key)

    assert [cache.get(key) for key in keys] == keys


@pytest.mark.clause("B-22.28", "B-13.7", "S-11.6")
def test_a_flush_leaves_the_entries_of_other_prefixes(
    memcached_server: str, open_cache: Callable[..., Any]
) -> None:
    prefixes = ["", "a", "ab", "a:b", "1:a", "é " * 200]
    caches = [open_cache(memcached_server, cache_prefix=prefix) for prefix in prefixes]
    for cache in caches:
        cache.flush()
        for key in ("key", "b", "bkey", ":key"):
            cache.set(key, cache.prefix)

    for rank, cache in enumerate(caches):
        cache.flush()
        assert [other.get("key") for other in caches] == [
            None if n <= rank else prefix for n, prefix in enumerate(prefixes)
        ]


@pytest.mark.clause("B-22.28", "B-13.6")
def test_what_was_flushed_never_comes_back(
    cache: memcached.Cache, memcached_server: Any, open_cache: Callable[..., memcached.Cache]
) -> None:
    other = open_cache(memcached_server)
    cache.set("key", "value", 3600)
    cache.flush()

    assert other.get("key") is None
    assert other.ttl("key") < 0
    assert other.delete("key") is None
    other.expire("key", 3600)
    assert other.get("key") is None
    # Lost by the server, the generation is made anew, and no former one is.
    cache._client.delete(cache._generation_key)
    other.set("another", 1)
    assert (other.get("key"), other.get("another")) == (None, 1)


@pytest.mark.clause("B-21.34", "B-13.6")
def test_entries_are_lost_with_the_generation_of_their_prefix(cache: memcached.Cache) -> None:
    cache.set("key", "value")
    cache._client.delete(cache._generation_key)

    assert cache.get("key") is None
    assert cache.delete("key") is None


# Expiry


@pytest.mark.clause("B-13.3", "B-21.34")
def test_fractions_of_seconds_count(cache: CacheBase, clock: SimpleNamespace) -> None:
    cache.set("key", "value", 1.5)
    clock.offset_ms = 1_400
    assert 0 < cache.ttl("key") <= 0.1
    assert cache.get("key") == "value"

    clock.offset_ms = 1_500
    assert cache.get("key") is None
    assert cache.ttl("key") < 0


@pytest.mark.clause("B-13.3", "B-21.34")
def test_the_server_drops_an_entry_after_its_expiry_and_not_before(cache: memcached.Cache) -> None:
    """It counts whole seconds, and its second may begin at any moment."""
    begin = time.monotonic()
    cache.set("short", "value", 0.2)
    cache.set("long", "value", 2.2)
    cache.set("lasting", "value")
    short, long = (cache._key(key) for key in ("short", "long"))

    wait_until(lambda: cache._client.get(short) is None, "the end of the short one")
    wait_until(lambda: cache.get("long") is None, "the end of the long one")
    assert time.monotonic() - begin > 2.19
    wait_until(lambda: cache._client.get(long) is None, "the end of the long one on the server")
    assert cache.get("lasting") == "value"


@pytest.mark.clause("B-13.5", "B-21.34")
@pytest.mark.parametrize("days", [29.999, 30, 31, 400])
def test_a_delay_of_more_than_a_month_is_no_date(cache: CacheBase, days: float) -> None:
    cache.set("set", "value", days * DAY_SECONDS)
    cache.set("expire", "value")
    cache.expire("expire", days * DAY_SECONDS)

    for key in ("set", "expire"):
        assert cache.get(key) == "value"
        assert days * DAY_SECONDS - 60 < cache.ttl(key) <= days * DAY_SECONDS


# Concurrency


@pytest.mark.clause("B-21.31", "B-13.6")
def test_one_of_those_who_delete_an_entry_is_given_it(cache: CacheBase) -> None:
    with Threads(8) as pool:
        for n in range(20):
            cache.set("key", n)
            found = list(pool.map(lambda _: cache.delete("key"), range(8)))
            assert [one for one in found if one is not None] == [n]


@pytest.mark.clause("B-13.8", "B-13.4")
def test_changing_an_expiry_never_brings_an_older_value_back(cache: CacheBase) -> None:
    with Threads(4) as pool:
        for n in range(50):
            cache.set("key", n)
            expiries = [pool.submit(cache.expire, "key", 1000 + rank) for rank in range(3)]
            cache.set("key", "last")
            for expiry in expiries:
                expiry.result()
            assert cache.get("key") == "last"


# Failures


def every_call(cache: Any) -> dict[str, Any]:
    return {
        "get": lambda: cache.get("key"),
        "set": lambda: cache.set("key", 1),
        "set for no time": lambda: cache.set("key", 1, 0),
        "ttl": lambda: cache.ttl("key"),
        "expire": lambda: cache.expire("key", 10),
        "delete": lambda: cache.delete("key"),
        "flush": cache.flush,
    }


@pytest.mark.clause("B-2.5", "B-3.10")
def test_every_call_fails_each_time_while_the_server_is_down(
    open_cache: Callable[..., Any],
) -> None:
    cache = open_cache(f"127.0.0.1:{free_port()}")

    # The driver would answer nothing at all for a while, after the first failure.
    for name, call in [*every_call(cache).items()] * 2:
        with pytest.raises(BackendError) as raised:
            call()
        assert isinstance(raised.value.original, OSError), name


@pytest.mark.clause("B-2.5", "B-21.34")
@pytest.mark.usefixtures("memcached_server")
def test_a_server_that_was_started_again_is_used_at_once(open_cache: Callable[..., Any]) -> None:
    with stoppable_memcached() as server:
        cache = open_cache(f"127.0.0.1:{server.port}")
        with Threads(4) as pool:
            list(pool.map(lambda n: cache.set(str(n), n), range(40)))
        server.stop()
        with pytest.raises(BackendError):
            cache.get("1")
        with Threads(4) as pool:
            failed = list(pool.map(lambda n: _fails(cache, n), range(8)))
        assert failed == [True] * 8

        server.start()
        cache.set("key", "value")
        assert cache.get("key") == "value"


@pytest.mark.clause("B-2.5", "B-21.34")
@pytest.mark.usefixtures("memcached_server")
def test_connections_that_the_server_has_closed_are_replaced(
    open_cache: Callable[..., Any],
) -> None:
    with stoppable_memcached() as server:
        cache = open_cache(f"127.0.0.1:{server.port}")
        with Threads(4) as pool:
            list(pool.map(lambda n: cache.set(str(n), n), range(40)))
        server.stop()
        server.start()

        cache.set("key", "value")
        assert cache.get("key") == "value"


def _fails(cache: Any, number: Any) -> bool:
    try:
        cache.set(str(number), number)
    except BackendError:
        return True
    return False


@pytest.mark.clause("B-2.5", "B-21.34")
@pytest.mark.usefixtures("processes")
def test_the_keys_of_a_server_that_is_down_do_not_move(open_cache: Callable[..., Any]) -> None:
    with running_memcached() as address:
        cache = open_cache(f"{address} 127.0.0.1:{free_port()}")
        client = cache._client
        owners = {}
        for n in range(40):
            key = f"key{n}"
            try:
                client.set(key, b"x")
                owners[key] = True
            except OSError:
                owners[key] = False

        assert set(owners.values()) == {True, False}
        for key, is_up in owners.items():
            if is_up:
                assert client.get(key) == b"x"
            else:
                with pytest.raises(OSError, match="refused"):
                    client.get(key)


@pytest.mark.clause("B-2.5", "B-21.34")
def test_a_value_beyond_the_limit_of_the_server_is_a_backend_error(cache: CacheBase) -> None:
    with pytest.raises(BackendError) as raised:
        cache.set("key", "x" * 2_000_000)

    assert isinstance(raised.value.original, pymemcache.MemcacheError)
    cache.set("key", "x" * 500_000)
    assert cache.get("key") == "x" * 500_000


@pytest.mark.clause("B-21.35", "B-2.5")
@pytest.mark.setting("cache_pool_size", "{component}_pool_timeout")
def test_threads_wait_for_a_connection_and_not_for_ever(
    memcached_server: str, open_cache: Callable[..., Any]
) -> None:
    cache = open_cache(memcached_server, cache_pool_size=1, cache_pool_timeout=10)
    with Threads(8) as pool:
        assert list(pool.map(lambda n: cache.set(str(n), n), range(80))) == [None] * 80
    assert len(next(iter(cache._client.clients.values())).client_pool.free) == 1

    hurried = open_cache(memcached_server, cache_pool_size=1, cache_pool_timeout=0.05)
    with hurried._client._slots, pytest.raises(BackendError, match="connections are in use"):
        hurried.get("key")
    assert hurried.get("unknown") is None
