"""The cache in PostgreSQL: the contract, its own connections, the purge, long keys, plans."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers.postgresql import running_postgresql
from support.configured import config_of, loading
from support.statements import run, texts_sent

from cliquet import settings
from cliquet.cache import postgresql
from cliquet.cache.postgresql import Cache
from cliquet.cache.relational import cache as relational
from cliquet.connections.postgresql import client as connections
from cliquet.connections.postgresql import config as postgresql_config
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Threads
from cliquet.testing.cache import PREFIX, CacheContract, CachePrefixContract
from cliquet.testing.transactions import request_transaction

EXPIRED = "clock_timestamp() AT TIME ZONE 'UTC' - interval '1 second'"
load = loading(postgresql, "cache")


@pytest.fixture(scope="module")
def installed(postgresql_module_url: str) -> Iterator[Cache]:
    backend = load(postgresql_module_url)
    backend.initialize_schema()
    yield backend
    backend.client.dispose()


@pytest.fixture
def cache(installed: Cache) -> Cache:
    run(installed, "TRUNCATE cache")
    return installed


@pytest.fixture
def prefixed_cache(cache: Cache) -> Cache:
    return Cache(cache.client, cache_prefix=PREFIX)


class TestPostgreSQLCache(CacheContract, CachePrefixContract):
    pass


# Construction


@pytest.mark.clause("B-11.1", "S-12.4")
def test_a_missing_extra_is_named_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "sqlalchemy", None)
    with pytest.raises(ImportWarning, match="PostgreSQL SQLAlchemy dependency missing"):
        load("postgresql://localhost/x")


@pytest.mark.clause("B-21.32", "B-22.33", "S-12.3", "B-14.4")
def test_connections_are_its_own_even_with_the_url_of_the_storage(postgresql_url: str) -> None:
    values = {"storage_url": postgresql_url, "cache_url": postgresql_url, "cache_pool_size": 3}
    config = config_of(values)
    storage_client = postgresql_config.create_from_config(config, "storage_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache = postgresql.load_from_config(config)
    assert cache.client is not storage_client
    assert cache.client.engine.pool.size() == 3  # type: ignore[attr-defined]


@pytest.mark.clause("S-11.6", "B-13.9")
def test_loaded_with_prefix() -> None:
    assert load("postgresql://localhost/x", cache_prefix="p_").prefix == "p_"
    assert load("postgresql://localhost/x").prefix == ""


@pytest.mark.clause("S-11.6", "B-14.1")
@pytest.mark.parametrize("prefix", ["p" * 193, "p\x00", "p\ud800"], ids=["long", "NUL", "half"])
def test_a_prefix_that_cannot_be_stored_is_refused_at_start(prefix: str) -> None:
    with pytest.raises(settings.SettingError, match="cache_prefix"):
        load("postgresql://localhost/x", cache_prefix=prefix)


# The request


@pytest.mark.clause("B-21.32", "B-22.33", "B-18.7")
def test_an_entry_set_in_a_request_whose_connection_failed_remains(cache: Cache) -> None:
    url = cache.client.engine.url.render_as_string(hide_password=False)
    config = config_of({"storage_url": url})
    client = postgresql_config.create_from_config(config, "storage_")
    with request_transaction() as request:
        with client.begin() as session:
            session.execute("CREATE TABLE never (id text)")
        cache.set("key", "value")
        with client.begin() as session, pytest.raises(BackendError):
            session.execute("SELECT broken")
        request.abort()
    assert cache.get("key") == "value"
    assert run(cache, "SELECT to_regclass('never')") == [(None,)]
    client.dispose()


@pytest.mark.clause("B-14.7", "B-2.5")
@pytest.mark.usefixtures("processes")
def test_a_server_that_stops_is_a_backend_error() -> None:
    calls: list[Callable[[Cache], Any]] = [
        lambda backend: backend.flush(),
        lambda backend: backend.initialize_schema(),
        lambda backend: backend.get("key"),
        lambda backend: backend.set("key", "value"),
        lambda backend: backend.set("key", "value", 0),
        lambda backend: backend.ttl("key"),
        lambda backend: backend.expire("key", 10),
        lambda backend: backend.delete("key"),
    ]
    with running_postgresql() as server:
        backend = load(f"{server.url}/postgres")
        backend.initialize_schema()
        backend.set("key", "value")
        server.stop()
        for call in calls:
            with pytest.raises(BackendError):
                call(backend)
        server.start()
        assert backend.get("key") == "value"
        backend.client.dispose()


# Statements


@pytest.mark.clause("B-14.5", "B-22.34")
@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.get("key"),
        lambda cache: cache.ttl("key"),
        lambda cache: cache.set("key", "value", 10),
        lambda cache: cache.expire("key", 10),
        lambda cache: cache.delete("key"),
        lambda cache: cache.flush(),
    ],
)
def test_each_method_sends_one_statement(cache: Cache, call: Callable[[Cache], Any]) -> None:
    cache.set("key", "value")
    with texts_sent(cache.client) as statements:
        call(cache)
    assert len(statements) == 1


@pytest.mark.clause("B-22.34", "B-21.32")
def test_reading_never_writes(cache: Cache) -> None:
    run(cache, f"INSERT INTO cache VALUES ('old', '1', {EXPIRED})")
    url = cache.client.engine.url.update_query_dict(
        {"options": "-c default_transaction_read_only=on"}
    )
    reader = load(url.render_as_string(hide_password=False))
    cache.set("key", "value", 10)
    assert reader.get("key") == "value"
    assert reader.ttl("key") > 0
    assert reader.get("old") is None
    assert run(cache, "SELECT count(*) FROM cache WHERE key = 'old'") == [(1,)]
    reader.client.dispose()


@pytest.mark.clause("B-13.5", "B-22.32")
def test_the_clock_is_that_of_the_server(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("key", "value", 90)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 60 < cache.ttl("key") <= 90


@pytest.mark.clause("B-13.5")
def test_time_zones_do_not_matter(cache: Cache) -> None:
    url = cache.client.engine.url.update_query_dict({"options": "-c timezone=Pacific/Auckland"})
    elsewhere = load(url.render_as_string(hide_password=False))
    elsewhere.set("there", 1, 90)
    cache.set("here", 1, 90)
    assert 60 < cache.ttl("there") <= 90
    assert 60 < elsewhere.ttl("here") <= 90
    elsewhere.client.dispose()


@pytest.mark.clause("B-13.3")
def test_an_absurd_time_to_live_is_accepted(cache: Cache) -> None:
    cache.set("key", "value", 1e15)
    assert 9e10 < cache.ttl("key") <= 1e15


# The purge


@pytest.mark.clause("B-21.32", "B-23.18")
def test_writers_purge_now_and_then(cache: Cache) -> None:
    run(cache, f"INSERT INTO cache SELECT n, '1', {EXPIRED} FROM generate_series(1, 10) AS n")
    writer = Cache(cache.client)
    writer.set("a", 1)
    assert run(cache, "SELECT key FROM cache") == [("a",)]

    run(cache, f"INSERT INTO cache VALUES ('old', '1', {EXPIRED})")
    with texts_sent(writer.client) as statements:
        writer.set("b", 1, 10)
    assert len(statements) == 1
    assert ("old",) in run(cache, "SELECT key FROM cache")

    writer._purge_at_seconds = time.monotonic()
    writer.set("c", 1)
    assert sorted(run(cache, "SELECT key FROM cache")) == [("a",), ("b",), ("c",)]


@pytest.mark.clause("B-21.32")
def test_a_large_purge_goes_on_with_the_next_write(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relational, "PURGE_SIZE", 4)
    run(cache, f"INSERT INTO cache SELECT n, '1', {EXPIRED} FROM generate_series(1, 10) AS n")
    writer = Cache(cache.client)
    left = []
    for _ in range(4):
        writer.set("a", 1)
        left += run(cache, "SELECT count(*) FROM cache WHERE ttl IS NOT NULL")
    assert left == [(6,), (2,), (0,), (0,)]


@pytest.mark.clause("B-21.32", "B-22.34")
def test_a_purge_does_not_wait_for_a_writer(cache: Cache) -> None:
    run(cache, f"INSERT INTO cache SELECT n, '1', {EXPIRED} FROM generate_series(1, 3) AS n")
    with Threads(1) as pool, cache.client.begin() as session:
        session.execute("UPDATE cache SET value = '2' WHERE key = '2'")
        pool.submit(Cache(cache.client).set, "a", 1).result()
    assert sorted(run(cache, "SELECT key FROM cache")) == [("2",), ("a",)]


@pytest.mark.clause("B-21.32")
def test_a_purge_that_fails_does_not_fail_the_write(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Cache(cache.client)
    monkeypatch.setattr(writer, "_purge", "SELECT broken, %s")
    writer.set("a", 1)
    assert cache.get("a") == 1


@pytest.mark.clause("B-21.32", "B-22.34")
def test_writers_flushes_and_purges_never_deadlock(cache: Cache) -> None:
    def work(number: int) -> None:
        writer = Cache(cache.client)
        for turn in range(30):
            for key in range(20):
                writer.set(f"key-{(key * (number + 1)) % 20}", turn, 0.001)
            writer._purge_at_seconds = time.monotonic()
            writer.set("last", turn)
            if turn % 10 == 0:
                writer.flush()

    with Threads(4) as pool:
        list(pool.map(work, range(4)))


# Keys


@pytest.mark.clause("B-14.1")
@pytest.mark.parametrize(
    "key",
    ["k" * 255, "k" * 256, "\U0001f600" * 5_000, "a\x00b", "\ud800", "\x00" * 300],
    ids=["255", "256", "long", "NUL", "half", "many NUL"],
)
def test_keys_of_any_length_and_characters_are_told_apart(
    cache: Cache, prefixed_cache: Cache, key: str
) -> None:
    for other in (f"{key}1", f"{key}2", f"1{key}"):
        cache.set(other, other[-1], 10)
        prefixed_cache.set(other, "prefixed")
    cache.set(key, "value")
    assert cache.get(key) == "value"
    assert [cache.get(f"{key}1"), cache.get(f"{key}2")] == ["1", "2"]
    assert cache.get(f"{PREFIX}{key}1") == "prefixed"
    prefixed_cache.flush()
    assert prefixed_cache.get(f"{key}1") is None
    assert cache.ttl(f"{key}2") > 0
    assert cache.delete(key) == "value"
    # What is stored is no key of another entry.
    stored = [text for (text,) in run(cache, "SELECT key FROM cache")]
    assert max(map(len, stored)) <= 256
    assert [cache.get(text) for text in stored if len(text) == 256] == [None] * len(
        [text for text in stored if len(text) == 256]
    )


@pytest.mark.clause("B-22.28", "B-22.43")
@pytest.mark.parametrize("prefix", ["a_", "a%", "a\\", "\U0010ffff", "x\ud7ff", "é'"], ids=ascii)
def test_flush_takes_its_prefix_literally(cache: Cache, prefix: str) -> None:
    others = ["aX1", "a", "b", "", "A_1", "x\ue000", "\U0010fffe", "é"]
    for key in others:
        cache.set(key, "other")
    own = Cache(cache.client, cache_prefix=prefix)
    for key in ("", "1", "\U0010ffff"):
        own.set(key, "own")
    own.flush()
    assert [own.get(key) for key in ("", "1", "\U0010ffff")] == [None] * 3
    assert [cache.get(key) for key in others] == ["other"] * len(others)


@pytest.mark.clause("B-14.1", "B-22.37")
@pytest.mark.parametrize("text", ["'; DROP TABLE cache; --", "%s", "\\", "{condition}", "$1"])
def test_keys_and_values_are_data(cache: Cache, text: str) -> None:
    cache.set("kept", 1)
    cache.set(text, text, 10)
    assert cache.get(text) == text
    cache.expire(text, 20)
    assert cache.ttl(text) > 10
    assert cache.delete(text) == text
    assert cache.get("kept") == 1


# Plans


@pytest.mark.clause("B-23.18", "B-22.28")
def test_lookups_flush_and_purge_use_the_indexes(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(
        cache,
        "INSERT INTO cache SELECT 'p' || n % 100 || '_' || n, '1',"
        " clock_timestamp() AT TIME ZONE 'UTC' + (n - 20) * interval '1 second'"
        " FROM generate_series(1, 20000) AS n",
    )
    run(cache, "ANALYZE cache")
    plans: list[str] = []
    bound = connections.PostgreSQLSession._bound

    def explained(session: Any, statement: str, parameters: Any) -> bytes:
        with cache.client.autocommit() as other:
            other._cursor.execute(b"EXPLAIN " + bound(session, statement, parameters))  # type: ignore[attr-defined]
            plans.append("\n".join(line for (line,) in other._cursor.fetchall()))  # type: ignore[attr-defined]
        return bound(session, statement, parameters)

    own = Cache(cache.client, cache_prefix="p7_")
    # Where the sessions of a client are watched, single queries have one too.
    monkeypatch.setattr(cache.client, "session_factory", cache.client.session_factory)
    monkeypatch.setattr(connections.PostgreSQLSession, "_bound", explained)
    own.get("7")
    own.ttl("7")
    own.expire("7", 10)
    own.delete("7")
    own.flush()
    assert len(plans) == 5
    own.set("7", 1)
    assert "cache_by_expiry" in plans[-1]
    assert [plan for plan in plans if "Seq Scan" in plan] == []
    assert "(key >= 'p7_'::text) AND (key < 'p7`'::text)" in plans[4]


# Schema


@pytest.mark.clause("B-21.35", "B-14.4")
def test_the_table_of_the_original_is_used_as_it_is(postgresql_url: str) -> None:
    cache = load(postgresql_url)
    run(
        cache,
        "CREATE TABLE cache (key VARCHAR(256) PRIMARY KEY, value TEXT NOT NULL,"
        " ttl TIMESTAMP DEFAULT NULL)",
    )
    cache.initialize_schema()
    assert run(cache, "SELECT to_regclass('metadata')") == [(None,)]
    own = Cache(cache.client, cache_prefix="p_")
    for key in ("k", "é" * 1_000):
        own.set(key, [1], 90)
        assert own.get(key) == [1]
        assert 60 < own.ttl(key) <= 90
    cache.set("P_", 2)
    own.flush()
    assert own.get("k") is None
    assert cache.delete("P_") == 2
    cache.client.dispose()


@pytest.mark.clause("B-14.4", "B-21.35")
def test_the_schema_is_made_by_migrate_alone(postgresql_url: str) -> None:
    cache = load(postgresql_url)
    with pytest.raises(BackendError):
        cache.get("key")
    cache.initialize_schema(dry_run=True)
    assert run(cache, "SELECT to_regclass('cache')") == [(None,)]
    cache.initialize_schema()
    assert cache.get("key") is None
    cache.client.dispose()
