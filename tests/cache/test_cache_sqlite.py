"""The cache in SQLite: the contract, the sibling file, the clock, processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.starting import start_process
from support.clocks import Clock
from support.configured import config_of, loading

from cliquet import settings
from cliquet.cache import sqlite
from cliquet.cache.sqlite import Cache
from cliquet.connections.sqlite import config as sqlite_config
from cliquet.storage.exceptions import BackendError
from cliquet.testing.cache import PREFIX, CacheContract, CachePrefixContract
from cliquet.testing.transactions import request_transaction

load = loading(sqlite, "cache")


def keys(cache: Cache) -> list[str]:
    with cache.client.autocommit() as session:
        rows = session.execute("SELECT key FROM cache ORDER BY key").fetchall()
    return [key for (key,) in rows]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return load(f"sqlite:///{tmp_path}/data.db")


@pytest.fixture
def prefixed_cache(cache: Cache) -> Cache:
    return Cache(cache.client, cache_prefix=PREFIX)


class TestSQLiteCache(CacheContract, CachePrefixContract):
    pass


# The file


@pytest.mark.clause("E-1.5", "B-22.33")
def test_entries_are_in_a_file_beside_that_of_the_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    cache = load(url)
    cache.initialize_schema(dry_run=True)
    assert list(tmp_path.iterdir()) == []
    cache.set("key", "value")
    assert (tmp_path / "data.db-cache").exists()
    assert not (tmp_path / "data.db").exists()
    assert load(url).get("key") == "value"


@pytest.mark.clause("E-1.5", "B-22.33", "B-21.32")
def test_an_entry_set_in_a_request_that_has_the_lock_of_the_file_remains(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    values = {"storage_url": url, "cache_url": url, "cache_busy_timeout_seconds": 0.1}
    config = config_of(values)
    client = sqlite_config.create_from_config(config, "storage_")
    cache = sqlite.load_from_config(config)
    with request_transaction() as request:
        with client.begin() as session:
            session.execute("CREATE TABLE never (id TEXT)")
            session.has_written = True
        cache.set("key", "value")
        assert load(url).get("key") == "value"
        request.abort()
    assert cache.get("key") == "value"


@pytest.mark.clause("E-1.2", "E-1.5")
def test_a_private_cache_vanishes_with_its_client() -> None:
    first, second = load("sqlite://"), load("sqlite://")
    first.set("key", 1)
    assert second.get("key") is None
    folder = first.client.path.parent
    del first
    assert not folder.exists()


@pytest.mark.clause("E-1.2", "S-11.6")
def test_what_cannot_be_used_is_named_at_start(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingError, match="cache_url"):
        load(f"sqlite:///{tmp_path}/missing/data.db")
    with pytest.raises(settings.SettingError, match="cache_prefix"):
        load(f"sqlite:///{tmp_path}/data.db", cache_prefix="p" * 193)


@pytest.mark.clause("B-14.7", "B-2.5")
def test_a_file_that_is_no_database_is_a_backend_error(tmp_path: Path) -> None:
    (tmp_path / "data.db-cache").write_bytes(b"no database" * 1000)
    cache = load(f"sqlite:///{tmp_path}/data.db")
    with pytest.raises(BackendError):
        cache.get("key")
    with pytest.raises(BackendError):
        cache.set("key", 1)


# The clock


@pytest.mark.clause("B-13.3", "B-13.6", "B-24")
def test_an_entry_vanishes_at_the_millisecond(cache: Cache, clock: Clock) -> None:
    cache.set("key", "value", 0.01)
    clock.now += 9
    assert cache.get("key") == "value"
    assert cache.ttl("key") == 0.001
    clock.now += 1
    assert cache.get("key") is None
    assert cache.ttl("key") < 0
    cache.expire("key", 10)
    assert cache.get("key") is None
    assert cache.delete("key") is None


@pytest.mark.clause("B-13.4", "B-13.5", "B-22.32")
def test_expire_counts_from_now(cache: Cache, clock: Clock) -> None:
    cache.set("key", "value", 90.5)
    clock.now += 30_001
    assert cache.ttl("key") == 60.499
    cache.expire("key", 10)
    assert cache.ttl("key") == 10


# The purge


@pytest.mark.clause("B-22.34", "B-21.32", "B-23.18")
def test_writers_purge_now_and_then_and_readers_never(cache: Cache, clock: Clock) -> None:
    cache.set("old", 1, 1)
    cache.set("lasting", 1)
    clock.now += 1_000
    cache.get("old")
    cache.ttl("old")
    cache.set("a", 1)
    assert keys(cache) == ["a", "lasting", "old"]
    cache._purge_at_seconds = time.monotonic()
    cache.set("b", 1, 10)
    assert keys(cache) == ["a", "b", "lasting"]


@pytest.mark.clause("B-14.1", "B-22.28")
def test_keys_of_any_length_and_characters_are_told_apart(
    cache: Cache, prefixed_cache: Cache
) -> None:
    odd = [
        "k" * 255,
        "k" * 256,
        "k" * 10_000 + "1",
        "k" * 10_000 + "2",
        "a\x00b",
        "a\x00c",
        "\ud800",
    ]
    for key in odd:
        cache.set(key, key[-1].encode("utf-8", "replace").decode())
        prefixed_cache.set(key, "prefixed")
    assert len(keys(cache)) == 2 * len(odd)
    prefixed_cache.flush()
    assert [cache.get(f"{PREFIX}{key}") for key in odd] == [None] * len(odd)
    assert [cache.get(key) for key in odd] == ["k", "k", "1", "2", "b", "c", "?"]


@pytest.mark.clause("B-22.28", "B-22.43")
@pytest.mark.parametrize("prefix", ["a_", "a%", "a*", "[a]", "a?", "\U0010ffff"], ids=ascii)
def test_flush_takes_its_prefix_literally(cache: Cache, prefix: str) -> None:
    others = ["aX1", "a", "b", "", "A_1", "\U0010fffe"]
    for key in others:
        cache.set(key, "other")
    own = Cache(cache.client, cache_prefix=prefix)
    own.set("1", "own")
    own.flush()
    assert own.get("1") is None
    assert [cache.get(key) for key in others] == ["other"] * len(others)


@pytest.mark.clause("B-23.18", "E-1.6")
def test_lookups_flush_and_purge_use_the_indexes(cache: Cache) -> None:
    own = Cache(cache.client, cache_prefix="p_")
    statements = [own._select, own._select_remaining, own._update_expiry, own._delete_live]
    statements += [own._flush, own._purge]
    with cache.client.autocommit() as session:
        for statement in statements:
            values = (1,) * statement.count("%s")
            rows = session.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            assert "SEARCH cache" in rows[0][3]
            assert [row for row in rows if row[3].startswith("SCAN cache")] == []


# Processes

PROGRAM = """
import sys
from types import SimpleNamespace
from cliquet.cache import sqlite

url, number = sys.argv[1:]
settings = {"cache_url": url, "cache_busy_timeout_seconds": 60}
cache = sqlite.load_from_config(SimpleNamespace(get_settings=lambda: settings))
for turn in range(200):
    cache.set(f"key-{number}", turn, 60)
    cache.set("shared", number, 0.01)
    assert cache.get("shared") in ("0", "1", None)
    assert cache.get(f"key-{number}") == turn
"""


@pytest.mark.clause("E-1.4", "E-1.1")
@pytest.mark.usefixtures("processes")
def test_processes_share_one_file(cache: Cache, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/data.db"]
    running = [
        start_process([*command, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    assert [process.communicate(timeout=120)[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0]
    assert [cache.get("key-0"), cache.get("key-1")] == [199, 199]
