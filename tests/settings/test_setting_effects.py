"""What single settings change, as far as the tests of their features do not show it."""

import threading
from typing import Any

import pytest
import redis
from servers.processes import free_port
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.bounded import PATIENCE_SECONDS, Thread
from cliquet.testing.web import basic_auth

AUTH = basic_auth("mat", "1")
USER_ID = "9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"


def post(client: Any, user: str = "mat") -> Any:
    body = {"data": {"name": "cep"}}
    return client.post_json("/v0/mushrooms", body, headers=basic_auth(user, "1"), status=201)


# Heartbeat


@pytest.mark.clause("B-21.39", "E-6.6")
@pytest.mark.setting("heartbeat_timeout_seconds")
@pytest.mark.parametrize(("seconds", "status"), [("0.05", 503), (None, 200)])
def test_a_check_of_the_heartbeat_has_so_much_time(seconds: str | None, status: int) -> None:
    done = threading.Event()
    settings = {} if seconds is None else {"heartbeat_timeout_seconds": seconds}
    app = make_app(settings=settings)
    # Where it is too slow, it lasts until the answer is there.
    lasts_seconds = 0.2 if seconds is None else PATIENCE_SECONDS
    app.app.registry.heartbeats["slow"] = lambda request: not done.wait(lasts_seconds)

    response = app.get("/v0/__heartbeat__", status=status)
    done.set()

    assert response.json["slow"] is (status == 200)


# Transactions


@pytest.mark.clause("S-14.4")
@pytest.mark.setting("tm.annotate_user")
@pytest.mark.parametrize(("value", "user"), [("true", USER_ID), ("false", "")])
def test_transactions_may_be_labelled_with_the_user(value: str, user: str) -> None:
    def configure(config: Any) -> None:
        service = Service(name="label", path="/label")
        service.add_view("GET", lambda request: {"user": request.tm.get().user.strip()})
        config.add_cornice_service(service)

    app = make_app(settings={"tm.annotate_user": value}, configure=configure)

    assert app.get("/v0/label", headers=AUTH).json == {"user": user}


# Caches


@pytest.mark.clause("B-21.34", "E-2.1")
@pytest.mark.setting("cache_hosts", "cache_backend")
def test_the_cache_in_memcached_is_on_the_hosts_of_the_setting(memcached_server: str) -> None:
    def is_well(hosts: Any) -> Any:
        settings = {"cache_backend": "cliquet.cache.memcached", "cache_hosts": hosts}
        app = make_app(settings=settings)
        try:
            return app.get("/v0/__heartbeat__", status="*").json["cache"]
        finally:
            app.app.registry.cache._client.close()

    assert is_well(memcached_server)
    assert not is_well(f"127.0.0.1:{free_port()}")


@pytest.mark.clause("B-21.33")
@pytest.mark.setting("cache_max_size_bytes")
@pytest.mark.parametrize(("size", "first"), [("1000", None), ("15000", "x"), ("", "x")])
def test_the_cache_in_memory_fills_so_many_bytes(size: str, first: str | None) -> None:
    cache = make_app(settings={"cache_max_size_bytes": size}).app.registry.cache

    cache.set("first", "x", 60)
    for number in range(20):
        cache.set(f"key {number}", "y", 60)

    assert cache.get("first") == first
    assert cache.get("key 19") == "y"


# Listeners


@pytest.mark.clause("S-15.6", "S-13.3")
@pytest.mark.setting("event_listeners.{name}.pool_size", "event_listeners.{name}.{option}")
@pytest.mark.parametrize(
    ("size", "seconds", "told"), [("1", "0.05", 1), ("2", "0.05", 2), ("1", "20", 2)]
)
def test_the_listener_has_so_many_connections(
    redis_url: str, size: str, seconds: str, told: int
) -> None:
    app = make_app(
        [Mushroom],
        settings={
            "event_listeners": "redis",
            "event_listeners.redis.use": "cliquet.listeners.redis",
            "event_listeners.redis.url": redis_url,
            "event_listeners.redis.pool_size": size,
            # An option that the driver alone knows.
            "event_listeners.redis.pool_timeout": seconds,
        },
    ).app
    users = [Thread(target=post, args=(TestApp(app), user)) for user in ("ann", "bob")]

    with redis.Redis.from_url(redis_url) as server:
        # Each connection is in use until the server takes its command.
        server.execute_command("CLIENT PAUSE", 300, "WRITE")
        for user in users:
            user.start()
        for user in users:
            user.join()
        assert server.llen("cliquet.events") == told
