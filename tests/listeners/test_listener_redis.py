"""The listener that feeds a list of Redis, against a real server (S-15.6, P-23)."""

import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from pyramid.httpexceptions import HTTPInsufficientStorage
from redis import Redis
from servers.processes import free_port
from structlog.testing import capture_logs
from support.configured import config_of
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.listeners import ListenerBase
from cliquet.listeners.redis import Listener, load_from_config
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth, make_app

AUTH = basic_auth()
USER = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
CEP = {"data": {"name": "cep"}}


@pytest.fixture
def make_listening_app(redis_url: str) -> Callable[..., TestApp]:
    """Return a maker of applications that feed the database."""

    def make(*, configure: Any = None, **options: Any) -> TestApp:
        return make_app(
            [Mushroom, Spore],
            settings={
                "event_listeners": "redis",
                "event_listeners.redis.use": "cliquet.listeners.redis",
                "event_listeners.redis.url": redis_url,
                **{f"event_listeners.redis.{name}": value for name, value in options.items()},
            },
            configure=configure,
        )

    return make


def queue(redis_client: Any, name: str = "cliquet.events") -> list[Any]:
    """Return what the list holds, oldest first."""
    return [json.loads(item) for item in reversed(redis_client.lrange(name, 0, -1))]


def post(client: Any, **kwargs: Any) -> Any:
    kwargs.setdefault("status", 201)
    return client.post_json("/v0/mushrooms", CEP, headers=AUTH, **kwargs)


@pytest.mark.clause("P-23.4", "S-15.6")
def test_the_payload_of_a_change_is_pushed_as_json(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    record = post(make_listening_app()).json["data"]

    assert queue(redis_client) == [
        {
            "timestamp": record["last_modified"],
            "action": "create",
            "uri": "/mushrooms",
            "user_id": USER,
            "resource_name": "mushroom",
        }
    ]


@pytest.mark.clause("P-23.4")
def test_consumers_at_the_right_end_get_events_in_order(
    make_listening_app: Callable[..., TestApp], redis_client: Any
) -> None:
    client = make_listening_app()
    for number in range(3):
        client.put_json(
            f"/v0/mushrooms/00000000-0000-4000-8000-00000000000{number}", CEP, headers=AUTH
        )

    taken = [json.loads(redis_client.rpop("cliquet.events"))["mushroom_id"][-1] for _ in range(3)]
    assert taken == ["0", "1", "2"]


@pytest.mark.clause("S-15.6", "S-15.2")
@pytest.mark.setting("event_listeners.{name}.url", "event_listeners.{name}.listname")
def test_the_published_example_works(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    client = make_listening_app(
        pool_size="5", listname="queue", actions="create", resources="article mushroom"
    )
    record = post(client).json["data"]
    client.delete(f"/v0/mushrooms/{record['id']}", headers=AUTH)
    client.post_json("/v0/spores", {"data": {}}, headers=AUTH)

    assert [event["action"] for event in queue(redis_client, "queue")] == ["create"]
    assert queue(redis_client) == []


@pytest.mark.clause("S-15.6")
def test_the_dotted_name_works_too(redis_url: str, redis_client: Redis) -> None:
    settings = {
        "event_listeners": "cliquet.listeners.redis",
        "event_listeners.redis.url": redis_url,
    }
    post(make_app([Mushroom], settings=settings))

    assert len(queue(redis_client)) == 1


@pytest.mark.clause("S-15.6", "S-13.3")
def test_nothing_but_defaults_is_needed() -> None:
    config = config_of({})
    listener = load_from_config(config, "event_listeners.redis.")

    pool = listener._client.connection_pool
    assert listener.listname == "cliquet.events"
    assert pool.max_connections == 25
    assert (pool.connection_kwargs["host"], pool.connection_kwargs["port"]) == ("localhost", 6379)


@pytest.mark.clause("P-23.3", "P-23.1")
def test_the_listener_is_made_of_a_client_and_a_name(redis_client: Redis) -> None:
    listener = Listener(redis_client, "queue")
    listener(SimpleNamespace(payload={"a": "é"}))

    assert isinstance(listener, ListenerBase)
    assert listener.listname == "queue"
    assert queue(redis_client, "queue") == [{"a": "é"}]


# Before and after the commit


@pytest.mark.clause("P-34.6")
def test_the_list_is_fed_after_the_commit(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    lengths = []

    def configure(config: Any) -> None:
        config.add_subscriber(look, ResourceChanged)
        config.add_subscriber(look, AfterResourceChanged)

    def look(event: Any) -> None:
        lengths.append(redis_client.llen("cliquet.events"))

    post(make_listening_app(configure=configure))

    assert lengths == [0, 1]


@pytest.mark.clause("P-34.6")
def test_a_setting_has_the_list_fed_before_the_commit(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    lengths = []

    def look(event: Any) -> None:
        lengths.append(redis_client.llen("cliquet.events"))

    post(
        make_listening_app(
            before_commit="true",
            configure=lambda config: config.add_subscriber(look, ResourceChanged),
        )
    )

    assert lengths == [1]
    assert len(queue(redis_client)) == 1


@pytest.mark.clause("P-34.6", "P-22.2")
def test_a_request_that_is_rolled_back_feeds_nothing(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    def refuse(event: Any) -> None:
        raise HTTPInsufficientStorage

    client = make_listening_app(
        configure=lambda config: config.add_subscriber(refuse, ResourceChanged)
    )
    post(client, status=507)

    assert queue(redis_client) == []


@pytest.mark.clause("P-34.6", "X-23")
def test_a_request_that_is_run_again_feeds_the_list_once(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    failures = [1, 2]

    def fail_at_first(event: Any) -> None:
        if failures:
            failures.pop()
            raise BackendError(ValueError("deadlock"), retryable=True)

    client = make_listening_app(
        configure=lambda config: config.add_subscriber(fail_at_first, ResourceChanged)
    )
    post(client)

    assert len(queue(redis_client)) == 1


# Failures


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Any:
    """What was logged as an error."""
    caplog.set_level(logging.ERROR, logger="cliquet")
    return caplog


@pytest.mark.clause("P-23.5", "S-18.6")
@pytest.mark.parametrize("before_commit", ["true", "false"])
def test_a_server_that_is_away_is_logged_and_fails_no_request(
    make_listening_app: Callable[..., Any], errors: Any, before_commit: str
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    client = make_listening_app(url=url, before_commit=before_commit)

    record = post(client).json["data"]

    (entry,) = errors.records
    assert "Unable to send the payload to Redis" in entry.getMessage()
    assert isinstance(entry.exc_info[1], redis.ConnectionError)
    assert client.get("/v0/mushrooms", headers=AUTH).json["data"] == [record]


@pytest.mark.clause("P-23.5", "S-18.6")
def test_a_server_that_refuses_is_logged_and_fails_no_request(
    make_listening_app: Callable[..., Any], redis_client: Redis, errors: Any
) -> None:
    redis_client.set("cliquet.events", "no list")

    post(make_listening_app())

    (entry,) = errors.records
    assert "Unable to send the payload to Redis" in entry.getMessage()
    assert redis_client.get("cliquet.events") == b"no list"


@pytest.mark.clause("P-23.5")
def test_a_host_name_that_cannot_be_is_logged_and_fails_no_request(
    make_listening_app: Callable[..., Any], errors: Any
) -> None:
    post(make_listening_app(url=f"redis://{'a' * 64}.example/0"))

    (entry,) = errors.records
    assert "Unable to send the payload to Redis" in entry.getMessage()


@pytest.mark.clause("P-23.5", "S-18.6")
@pytest.mark.parametrize("value", [object(), float("nan"), {1}])
def test_a_payload_without_json_form_is_logged_and_not_sent(
    redis_client: Redis, value: object
) -> None:
    listener = Listener(redis_client, "queue")
    with capture_logs() as entries:
        listener(SimpleNamespace(payload={"value": value}))

    (entry,) = entries
    assert (entry["event"], entry["log_level"]) == ("Unable to dump the payload", "error")
    assert queue(redis_client, "queue") == []


@pytest.mark.clause("P-23.5")
def test_a_server_that_was_away_is_found_again(
    make_listening_app: Callable[..., Any], redis_client: Redis
) -> None:
    client = make_listening_app()
    post(client)
    # The pool keeps a connection that the server no longer knows.
    for known in redis_client.client_list():
        if known["cmd"] != "client|list":
            redis_client.client_kill(known["addr"])
    post(client)

    assert len(queue(redis_client)) == 2


@pytest.mark.clause("S-13.2", "S-13.3")
def test_more_threads_than_connections_wait_for_one(
    make_listening_app: Callable[..., Any], redis_client: Redis, errors: Any
) -> None:
    client = make_listening_app(pool_size="1")
    threads = [Thread(target=post, args=(client,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(queue(redis_client)) == 8
    assert errors.records == []
