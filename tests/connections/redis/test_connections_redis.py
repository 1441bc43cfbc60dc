"""Clients of Redis as settings describe them (S-13, B-10.2 to B-10.4, S-23.17)."""

from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis import ReadOnlyError, ResponseError
from servers.redis import running_redis

from cliquet.connections.redis.client import (
    Address,
    create_from_config,
    parse_url,
    translated_errors,
)
from cliquet.settings import SettingError
from cliquet.storage.exceptions import BackendError, ReadonlyError
from cliquet.testing.bounded import Thread


def client_of(prefix: str = "storage_", **settings: Any) -> Any:
    config = SimpleNamespace(
        get_settings=lambda: {f"{prefix}{name}": value for name, value in settings.items()}
    )
    return create_from_config(config, prefix=prefix)


# URLs


@pytest.mark.clause("S-13.1", "B-10.3", "S-23.17")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", Address("localhost", 6379, 0)),
        ("redis://", Address("localhost", 6379, 0)),
        ("redis://example.org", Address("example.org", 6379, 0)),
        ("redis://example.org:7000", Address("example.org", 7000, 0)),
        ("redis://example.org/", Address("example.org", 6379, 0)),
        ("redis://example.org/3", Address("example.org", 6379, 3)),
        ("redis://:secret@example.org:7000/3", Address("example.org", 7000, 3, None, "secret")),
        ("redis://mat:secret@example.org", Address("example.org", 6379, 0, "mat", "secret")),
        ("redis://mat:s%40cr%2Ft@example.org", Address("example.org", 6379, 0, "mat", "s@cr/t")),
        ("rediss://example.org/3", Address("example.org", 6379, 3, tls=True)),
        ("redis://[::1]:7000/3", Address("::1", 7000, 3)),
        ("redis://example.org/3?timeout=4", Address("example.org", 6379, 3)),
    ],
)
def test_the_parts_of_a_url_are_used(url: str, expected: Address) -> None:
    assert parse_url(url) == expected


BAD_URLS = [
    "localhost:6379",
    "redis:localhost",
    "http://localhost",
    "unix:///var/run/redis.sock",
    "redis://localhost/one",
    "redis://localhost/-1",
    "redis://localhost/1/2",
    "redis://localhost/٣",
    "redis://localhost:port",
    "redis://localhost:99999",
    "redis://[::1/0",
    "redis://:sec#ret@localhost",
]


@pytest.mark.clause("S-22", "S-23.17")
@pytest.mark.parametrize("url", BAD_URLS)
def test_another_form_fails_at_the_start_and_names_the_setting(url: str) -> None:
    with pytest.raises(ValueError, match=r"^Setting 'storage_url'"):
        client_of(url=url, pool_size=25)


@pytest.mark.clause("S-22")
def test_the_error_does_not_tell_the_password() -> None:
    with pytest.raises(SettingError) as raised:
        client_of(url="redis://mat:secret@localhost/one", pool_size=25)

    assert "secret" not in str(raised.value)
    assert "secret" not in str(raised.value.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


# Clients


@pytest.mark.clause("B-10.4", "S-13.1")
def test_the_client_has_the_address_of_the_url() -> None:
    options = client_of(url="redis://mat:secret@example.org:7000/3").connection_pool
    kwargs = options.connection_kwargs

    assert (kwargs["host"], kwargs["port"], kwargs["db"]) == ("example.org", 7000, 3)
    assert (kwargs["username"], kwargs["password"]) == ("mat", "secret")
    assert issubclass(options.connection_class, redis.Connection)


@pytest.mark.clause("S-23.17")
def test_tls_is_used_where_the_scheme_asks_for_it() -> None:
    pool = client_of(url="rediss://example.org").connection_pool
    assert issubclass(pool.connection_class, redis.SSLConnection)


@pytest.mark.clause("S-13.2", "B-10.4")
def test_the_pool_has_the_size_of_the_setting_and_lets_threads_wait() -> None:
    pool = client_of(url="", pool_size="3").connection_pool

    assert isinstance(pool, redis.BlockingConnectionPool)
    assert pool.max_connections == 3


@pytest.mark.clause("S-13.2", "S-22")
@pytest.mark.parametrize("prefix", ["storage_", "event_listeners.redis.", "woodland_"])
@pytest.mark.parametrize("size", ["many", "0", "-1", "1.5"])
def test_a_size_that_is_none_fails_at_the_start(prefix: str, size: str) -> None:
    with pytest.raises(ValueError, match=f"{prefix}pool_size"):
        client_of(prefix=prefix, url="", pool_size=size)


@pytest.mark.clause("B-10.2", "S-13.3")
@pytest.mark.parametrize(
    "prefix",
    ["storage_", "cache_", "permission_", "event_listeners.queue.", "woodland_", ""],
)
def test_any_prefix_will_do(prefix: str) -> None:
    pool = client_of(prefix=prefix, url="redis://example.org", pool_size="7").connection_pool

    assert pool.connection_kwargs["host"] == "example.org"
    assert pool.max_connections == 7


@pytest.mark.clause("B-10.2")
@pytest.mark.parametrize("given", [{"url": ""}, {"pool_size": 25}])
def test_a_plugin_that_lacks_one_of_the_two_settings_is_told_so(given: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match="woodland_"):
        client_of(prefix="woodland_", **given)


@pytest.mark.clause("B-10.3", "S-23.17")
@pytest.mark.parametrize("path", ["", "/", "/1"])
def test_the_database_of_the_url_is_the_one_written_to(
    redis_server: str, redis_url: str, path: str
) -> None:
    number = int(path.strip("/") or 0)
    with client_of(url=f"{redis_server}{path}") as client:
        client.set("cliquet-test", "x")
        found = []
        for database in (0, 1):
            with redis.Redis.from_url(f"{redis_server}/{database}") as other:
                found += [database] * other.delete("cliquet-test")

    assert found == [number]


@pytest.mark.clause("S-13.1", "S-23.17")
@pytest.mark.usefixtures("processes")
def test_user_and_password_are_sent() -> None:
    with running_redis() as url:
        address = url.removeprefix("redis://")
        with redis.Redis.from_url(url) as administrator:
            administrator.execute_command("ACL SETUSER", "mat", "on", ">secret", "+@all")
        with client_of(url=f"redis://mat:secret@{address}") as client:
            assert client.ping()
        with (
            client_of(url=f"redis://mat:wrong@{address}") as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


@pytest.mark.clause("S-13.2", "B-10.4")
def test_a_thread_waits_for_a_connection_in_use(redis_url: str) -> None:
    with client_of(url=redis_url, pool_size=1) as client:
        answers = []
        thread = Thread(target=lambda: answers.append(client.ping()))
        with client.client():
            # Holds the only connection.
            thread.start()
            thread.join(0.1)
            before = list(answers)
        thread.join()

    assert (before, answers) == ([], [True])


@pytest.mark.clause("B-21.35", "B-10.4")
@pytest.mark.parametrize(
    ("prefix", "given", "expected"),
    [
        ("cache_", {"pool_timeout": "2.5"}, 2.5),
        ("storage_", {"pool_timeout": 1}, 1),
        ("permission_", {}, 30),
        # Of these, the table of settings says nothing: the driver's own default.
        ("event_listeners.redis.", {}, 20),
        ("event_listeners.redis.", {"pool_timeout": "3"}, 3),
        ("woodland_", {"pool_size": 1}, 20),
    ],
)
def test_a_thread_waits_for_a_connection_as_long_as_the_setting_says(
    prefix: str, given: dict[str, Any], expected: float
) -> None:
    pool = client_of(prefix=prefix, url="", **given).connection_pool

    assert pool.timeout == expected


# Errors


@pytest.mark.clause("B-21.7")
@pytest.mark.parametrize(
    "error",
    [
        redis.ReadOnlyError("You can't write against a read only replica."),
        # As the servers before 7 tell it of a script.
        redis.ResponseError("Error running script: -READONLY You can't write against a replica"),
    ],
)
def test_a_server_that_takes_no_write_is_told_apart(error: ReadOnlyError | ResponseError) -> None:
    @translated_errors
    def method() -> None:
        raise error

    with pytest.raises(ReadonlyError) as raised:
        method()

    assert raised.value.original is error


@pytest.mark.clause("E-9.4", "B-2.5")
def test_errors_about_clusters_become_those_of_backends_too() -> None:
    @translated_errors
    def method() -> None:
        raise redis.exceptions.RedisClusterException("no node")

    with pytest.raises(BackendError, match="no node"):
        method()
