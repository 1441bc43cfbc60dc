"""Streams of an application, in a thread each (E-14.2 to E-14.7)."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.authentication import CallbackAuthenticationPolicy
from support.busy import BUSY_SECONDS
from support.streams import FeedOnLoop, LocalStream, LoopStream
from webtest import TestApp

from cliquet.core.globs import Pattern
from cliquet.feed import capacity, slow_clients, stopping
from cliquet.feed.source import Page, Source
from cliquet.testing.bounded import Timer, run_until, wait_until
from cliquet.testing.web import basic_auth

SPORES = "/v0/spores"
AMANITAS = "/v0/amanitas"

Begin = Callable[..., LocalStream | LoopStream]


def create(app: Any, user: str = "mat", url: str = SPORES, **body: Any) -> Any:
    response = app.post_json(url, {"data": {}, **body}, headers=basic_auth(user), status=201)
    return response.json["data"]


def delete(app: Any, record: Any, user: str = "mat", url: str = SPORES) -> Any:
    path = f"{url}/{record['id']}"
    return app.delete(path, headers=basic_auth(user), status=200).json["data"]


def share(app: Any, record: Any, *principals: str, owner: str = "mat") -> None:
    app.patch_json(
        f"{AMANITAS}/{record['id']}",
        {"permissions": {"read": list(principals)}},
        headers=basic_auth(owner),
        status=200,
    )


def principal(app: Any, user: str) -> str:
    found: str = app.get("/v0/", headers=basic_auth(user)).json["user"]["id"]
    return found


@pytest.mark.clause("E-14.2")
def test_a_stream_tells_what_is_there_and_what_happens(live_app: TestApp, stream_of: Begin) -> None:
    first = create(live_app)
    stream = stream_of(f"{SPORES}?_sync=")
    assert stream.until_items(1) == [first]

    second = create(live_app)
    stream.until_items(2)
    tombstone = delete(live_app, first)

    assert stream.until_items(3) == [first, second, tombstone]


@pytest.mark.clause("E-14.2")
def test_the_headers_of_a_stream(live_app: TestApp, stream_of: Begin) -> None:
    stream = stream_of(f"{SPORES}?_sync=", headers={"Origin": "https://example.com"})

    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["vary"].split(", ").count("Accept") == 1
    assert stream.headers["access-control-allow-origin"] == "*"
    assert "content-length" not in stream.headers
    assert len(stream.headers["x-request-id"]) == 32


@pytest.mark.clause("E-14.2")
@pytest.mark.parametrize("query", ["_sync=", "_sync=damaged", "_sync=&_sort=id"])
def test_a_list_in_the_place_of_a_stream_varies_too(live_app: TestApp, query: str) -> None:
    response = live_app.get(f"{SPORES}?{query}", headers=basic_auth(), expect_errors=True)

    assert response.headers["Vary"].split(", ").count("Accept") == 1


@pytest.mark.clause("E-14.2")
@pytest.mark.parametrize("query", ["", "_since=1", "_token=_sync"])
def test_what_is_never_a_stream_does_not_vary(live_app: TestApp, query: str) -> None:
    response = live_app.get(f"{SPORES}?{query}", headers=basic_auth(), expect_errors=True)

    assert "Accept" not in response.headers["Vary"].split(", ")


@pytest.mark.clause("E-14.2", "E-14.3")
def test_the_last_event_id_wins_over_the_parameter(live_app: TestApp, stream_of: Begin) -> None:
    create(live_app)
    first = stream_of(f"{SPORES}?_sync=")
    first.until_items(1)
    first.close()
    second = create(live_app)

    again = stream_of(f"{SPORES}?_sync=", headers={"Last-Event-ID": first.token})

    assert again.until_items(1)[0] == second


@pytest.mark.clause("E-14.2")
def test_tokens_of_streams_and_of_lists_are_the_same(live_app: TestApp, stream_of: Begin) -> None:
    stream = stream_of(f"{SPORES}?_sync=")
    stream.until_items(0)
    record = create(live_app)

    listed = live_app.get(
        f"{SPORES}?_sync={stream.named('checkpoint')[0].id}", headers=basic_auth()
    )

    assert listed.json["data"] == [record]
    stream.until_items(1)
    assert stream.token == listed.headers["Sync-Token"]


@pytest.mark.clause("E-14.2", "H-6.2")
@pytest.mark.parametrize("url", [SPORES, f"{SPORES}?_since=0", f"{SPORES}/some-id"])
def test_what_is_no_list_of_changes_is_no_stream(live_app: TestApp, url: str) -> None:
    headers = {**basic_auth(), "Accept": "text/event-stream"}

    response = live_app.get(url, headers=headers, expect_errors=True)

    assert response.status_int in (404, 406)
    is_list = response.status_int == 406 and not url.endswith("some-id")
    assert ("A stream needs the parameter _sync" in response.json["message"]) == is_list


@pytest.mark.clause("E-14.2", "E-11.1")
def test_a_resource_without_tokens_has_no_streams(make: Callable[..., Any]) -> None:
    headers = {**basic_auth(), "Accept": "text/event-stream"}
    app = make(spore_sync_enabled="false")

    response = app.get(f"{SPORES}?_sync=", headers=headers, status=406)
    as_html = app.get(f"{SPORES}?_sync=", headers={**headers, "Accept": "text/html"}, status=406)

    assert response.json["message"].endswith("Streams are off here: sync_enabled is false")
    assert "Streams" not in as_html.json["message"]


@pytest.mark.clause("E-14.2")
@pytest.mark.parametrize("accept", ["*/*", "application/json, text/event-stream;q=0.5"])
def test_who_takes_json_gets_a_list(live_app: TestApp, accept: str) -> None:
    headers = {**basic_auth(), "Accept": accept}

    response = live_app.get(f"{SPORES}?_sync=", headers=headers)

    assert response.json == {"data": []}


@pytest.mark.clause("E-14.2")
@pytest.mark.parametrize(("user", "token", "status"), [("mat", "damaged", 400), (None, "", 401)])
def test_who_gets_no_stream_gets_the_error(
    stream_of: Begin, user: str | None, token: str, status: int
) -> None:
    stream = stream_of(f"{SPORES}?_sync={token}", user)

    assert stream.status == status
    assert stream.json["code"] == status


@pytest.mark.clause("E-14.2", "E-11.5")
def test_an_outdated_token_is_reset_and_the_stream_ends(
    live_app: TestApp, stream_of: Begin
) -> None:
    first = create(live_app)
    before = stream_of(f"{SPORES}?_sync=")
    before.until_items(1)
    before.close()
    delete(live_app, first)
    live_app.app.registry.storage.purge_deleted("spore", Pattern("*"))

    stream = stream_of(f"{SPORES}?_sync={before.token}")

    stream.until_over()
    assert [(event.name, event.data) for event in stream.events if event.name] == [
        ("reset", {"reason": "horizon"})
    ]


@pytest.mark.clause("E-14.2", "E-13.1")
def test_a_flush_resets_a_stream_that_is_open(live_app: TestApp, stream_of: Begin) -> None:
    create(live_app)
    stream = stream_of(f"{SPORES}?_sync=")
    stream.until_items(1)

    live_app.app.registry.storage.flush()
    create(live_app)

    stream.until_over()
    assert stream.events[-1].name == "reset"
    assert stream.events[-1].data == {"reason": "epoch"}


@pytest.mark.clause("E-14.2", "E-11.7")
def test_filters_and_fields_are_those_of_the_list(live_app: TestApp, stream_of: Begin) -> None:
    create(live_app, data={"n": 1})
    stream = stream_of(f"{SPORES}?_sync=&_fields=n&_limit=1")
    create(live_app, data={"n": 2, "more": 3})

    items = stream.until_items(2)

    assert [item["n"] for item in items] == [1, 2]
    assert "more" not in items[1]


@pytest.mark.clause("E-14.3")
def test_a_long_list_comes_in_pages_that_can_be_resumed(
    live_app: TestApp, stream_of: Begin
) -> None:
    records = [create(live_app) for _ in range(7)]
    stream = stream_of(f"{SPORES}?_sync=&_limit=2")
    assert stream.until_items(7) == records
    middle = stream.named("checkpoint")[1].id
    assert middle

    again = stream_of(f"{SPORES}?_sync=&_limit=2", headers={"Last-Event-ID": middle})

    assert again.until_items(3) == records[4:]


@pytest.mark.clause("E-14.4", "E-12.2")
def test_who_loses_a_record_is_told(live_app: TestApp, stream_of: Begin) -> None:
    bob = principal(live_app, "bob")
    kept, lost = create(live_app, url=AMANITAS), create(live_app, url=AMANITAS)
    share(live_app, kept, bob)
    share(live_app, lost, bob)
    stream = stream_of(f"{AMANITAS}?_sync=", "bob")
    stream.until_items(2)

    share(live_app, lost)
    departure = stream.until_items(3)[2]
    live_app.patch_json(
        f"{AMANITAS}/{lost['id']}", {"data": {"secret": 1}}, headers=basic_auth(), status=200
    )
    live_app.patch_json(
        f"{AMANITAS}/{kept['id']}", {"data": {"shown": 1}}, headers=basic_auth(), status=200
    )
    stream.until_items(4)

    assert departure["id"] == lost["id"]
    assert departure["deleted"] is True
    assert [item.get("shown") for item in stream.items[3:]] == [1]


@pytest.mark.clause("E-14.4")
@pytest.mark.slow
def test_nothing_is_shown_that_was_written_while_access_was_taken(
    live_app: TestApp, stream_of: Begin
) -> None:
    bob = principal(live_app, "bob")
    records = [create(live_app, url=AMANITAS) for _ in range(3)]
    streams = [stream_of(f"{AMANITAS}?_sync=", "bob") for _ in range(3)]
    chance = random.Random(14)

    def write(record: Any, **data: Any) -> None:
        url = f"{AMANITAS}/{record['id']}"
        live_app.put_json(url, {"data": data}, headers=basic_auth(), status=200)

    # Who reads after two writes is told of the last one alone.
    is_enough = threading.Event()
    for number, _ in enumerate(run_until(is_enough)):
        if number >= 60 and all(len(told.items) > 10 for told in streams):
            is_enough.set()
        record = chance.choice(records)
        share(live_app, record)
        write(record, secret=number)
        time.sleep(chance.choice([0, 0, 0.01, 0.05]))
        write(record, public=number)
        share(live_app, record, bob)
        time.sleep(chance.choice([0, 0, 0.01]))
    for record in records:
        share(live_app, record, bob)
        write(record, public="end")

    for stream in streams:
        stream.until(lambda told=stream: ends(told) == {one["id"] for one in records})  # type: ignore[misc]
        assert [item for item in stream.items if "secret" in item] == []


def ends(told: Any) -> set[str]:
    """Return the records whose last state was told."""
    return {item["id"] for item in told.items if item.get("public") == "end"}


@pytest.mark.clause("E-14.4")
@pytest.mark.setting("feed_recheck_seconds")
def test_who_loses_access_to_the_collection_is_told_in_time(
    make: Callable[..., Any], stream_of: Begin
) -> None:
    app = make(feed_recheck_seconds="1")
    bob = principal(app, "bob")
    permission = app.app.registry.permission
    create(app, url=AMANITAS)
    permission.add_principal_to_ace("/amanitas", "read", bob)
    stream = stream_of(f"{AMANITAS}?_sync=", "bob", app=app)
    stream.until_items(1)

    permission.remove_principal_from_ace("/amanitas", "read", bob)
    stream.until_over(1 + BUSY_SECONDS)

    assert stream.events[-1].name in ("reset", "end")


@pytest.mark.clause("E-14.4")
def test_who_joins_a_group_begins_again(live_app: TestApp, stream_of: Begin) -> None:
    bob = principal(live_app, "bob")
    shared = create(live_app, url=AMANITAS)
    share(live_app, shared, bob)
    stream = stream_of(f"{AMANITAS}?_sync=", "bob")
    stream.until_items(1)

    live_app.app.registry.permission.add_user_principal(bob, "group:friends")

    stream.until_over(1 + BUSY_SECONDS)
    assert stream.events[-1].data == {"reason": "view"}


VALID_KEYS: set[str] = set()


class KeyPolicy(CallbackAuthenticationPolicy):
    """Knows users by a header, as long as their key is valid."""

    def unauthenticated_userid(self, request: Any) -> str | None:
        key: str | None = request.headers.get("X-Key")
        return key if key in VALID_KEYS else None

    def callback(self, user_id: str, request: Any) -> list[str]:
        return []

    def remember(self, request: Any, user_id: str, **kwargs: Any) -> list[Any]:
        return []

    def forget(self, request: Any) -> list[Any]:
        return []


@pytest.mark.clause("E-14.4")
def test_credentials_that_end_are_told(make: Callable[..., Any], stream_of: Begin) -> None:
    VALID_KEYS.add("mat")
    policy = {"multiauth.policies": "key", "multiauth.policy.key.use": KeyPolicy}
    app = make(**policy)
    stream = stream_of(f"{SPORES}?_sync=", None, app=app, headers={"X-Key": "mat"})
    stream.until_items(0)

    VALID_KEYS.clear()

    stream.until_over(1 + BUSY_SECONDS)
    assert (stream.events[-1].name, stream.events[-1].data["code"]) == ("end", 401)


@pytest.mark.clause("E-14.2")
def test_the_end_of_the_service_is_told(make: Callable[..., Any], stream_of: Begin) -> None:
    app = make(feed_recheck_seconds="1")
    stream = stream_of(f"{SPORES}?_sync=", app=app)
    stream.until_items(0)

    app.app.registry.settings["eos"] = "2016-01-01"

    stream.until_over(1 + BUSY_SECONDS)
    assert (stream.events[-1].name, stream.events[-1].data["errno"]) == ("end", 202)


@pytest.mark.clause("E-14.2", "E-14.6")
def test_the_end_of_the_process_is_told(live_app: TestApp, stream_of: Begin) -> None:
    stream = stream_of(f"{SPORES}?_sync=")
    stream.until_items(0)

    stopping.begin()

    stream.until_over(2 + BUSY_SECONDS)
    assert (stream.events[-1].name, stream.events[-1].data["code"]) == ("end", 503)
    late = stream_of(f"{SPORES}?_sync=")
    assert late.status == 503
    assert late.headers["retry-after"] == "30"


@pytest.mark.clause("E-14.6")
@pytest.mark.parametrize(
    ("threads", "max_streams", "expected"),
    [
        (None, 50, 50),
        (None, None, None),
        (1, 50, 0),
        (4, 50, 2),
        (10, 50, 6),
        (20, 50, 16),
        (20, 3, 3),
        (20, None, 16),
    ],
)
def test_streams_leave_threads_to_other_requests(
    monkeypatch: pytest.MonkeyPatch,
    threads: int | None,
    max_streams: int | None,
    expected: int | None,
) -> None:
    monkeypatch.setattr(capacity, "_threads", None)
    capacity.announce(threads)

    assert capacity.limit(max_streams) == expected


@pytest.mark.clause("E-14.6")
def test_a_server_with_few_threads_has_few_streams(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_threads", 2)
    app = make()
    first = LocalStream(app, f"{SPORES}?_sync=", basic_auth())

    second = LocalStream(app, f"{SPORES}?_sync=", basic_auth())

    assert (first.status, second.status) == (200, 503)
    assert "threads" in second.json["message"]
    app.get(SPORES, headers=basic_auth(), status=200)
    first.close()


@pytest.mark.clause("E-14.6")
@pytest.mark.setting("feed_max_streams")
def test_there_is_a_greatest_number_of_streams(make: Callable[..., Any]) -> None:
    app = make(feed_max_streams="2")
    first, second = (LocalStream(app, f"{SPORES}?_sync=", basic_auth()) for _ in range(2))

    third = LocalStream(app, f"{SPORES}?_sync=", basic_auth())
    assert third.status == 503
    assert third.headers["retry-after"] == "30"
    assert "feed_max_streams" in third.json["message"]
    wanted = {**basic_auth(), "Accept": "text/event-stream, application/problem+json"}
    problem = LocalStream(app, f"{SPORES}?_sync=", wanted)
    assert (problem.status, problem.headers["content-type"]) == (503, "application/problem+json")
    assert problem.headers["retry-after"] == "30"
    assert problem.headers["vary"].endswith(", Accept")
    assert problem.json["detail"] == third.json["message"]

    first.close()
    fourth = LocalStream(app, f"{SPORES}?_sync=", basic_auth())
    assert fourth.status == 200
    for stream in (second, fourth):
        stream.close()


@pytest.mark.clause("E-14.6")
def test_a_server_without_threads_refuses_streams(live_app: TestApp) -> None:
    stream = LocalStream(live_app, f"{SPORES}?_sync=", basic_auth(), **{"wsgi.multithread": False})

    assert stream.status == 503
    assert "cliquet feed" in stream.json["message"]


@pytest.mark.clause("E-14.5")
def test_streams_of_one_view_share_one_query(
    make: Callable[..., Any], stream_of: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(feed_recheck_seconds="60", amanita_read_principals="system.Everyone")
    streams = [stream_of(f"{AMANITAS}?_sync=", f"user{n}", app=app) for n in range(8)]
    for stream in streams:
        stream.until_items(0)
    # The first of them is woken once more.
    hub = app.app.registry.feed
    wait_until(lambda: hub.watcher._positions, "the first answer to the watcher")
    time.sleep(0.3)
    asked: list[Any] = []
    read = Source.read

    def counted(source: Source, query: str) -> Page:
        asked.append(query)
        return read(source, query)

    monkeypatch.setattr(Source, "read", counted)

    record = create(app, url=AMANITAS)

    assert all(stream.until_items(1) == [record] for stream in streams)
    assert len(asked) == 1


@pytest.mark.clause("E-14.6", "E-14.5")
def test_nothing_is_left_of_a_stream_that_was_closed(live_app: TestApp, stream_of: Begin) -> None:
    stream = stream_of(f"{SPORES}?_sync=")
    stream.until_items(0)
    hub = live_app.app.registry.feed
    assert hub.watcher.is_running

    stream.close()

    wait_until(lambda: not hub.watcher.is_running, "the end of the watcher")
    assert hub._number == 0


@pytest.mark.clause("E-14.7")
def test_prometheus_counts_streams_events_and_delays(
    make: Callable[..., Any], stream_of: Begin
) -> None:
    app = make(prometheus_enabled="true")
    stream = stream_of(f"{SPORES}?_sync=", app=app)
    stream.until_items(0)
    create(app)
    stream.until_items(1)

    def lines() -> list[str]:
        text: str = app.get("/__metrics__").text
        return text.splitlines()

    assert "cliquet_feed_streams 1.0" in lines()
    assert "cliquet_feed_events_total 1.0" in lines()
    assert "cliquet_feed_delay_seconds_count 1.0" in lines()
    stream.close()
    assert "cliquet_feed_streams 0.0" in lines()


@pytest.mark.clause("E-14.7")
def test_statsd_counts_them_too(
    make: Callable[..., Any], stream_of: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(statsd_url="udp://127.0.0.1:8125")
    sent: list[Any] = []
    client = app.app.registry.statsd._client
    for name in ("gauge", "incr", "timing"):
        monkeypatch.setattr(
            client,
            name,
            lambda stat, value=1, *, n=name, **k: sent.append((n, stat)),
            raising=False,
        )
    stream = stream_of(f"{SPORES}?_sync=", app=app)
    stream.until_items(0)
    create(app)
    stream.until_items(1)
    stream.close()

    assert sent.count(("gauge", "feed.streams")) == 2
    assert ("incr", "feed.events") in sent
    assert ("timing", "feed.delay") in sent


@pytest.mark.clause("E-14.1", "E-14.6")
def test_requests_wait_on_a_loop_too(
    live_app: TestApp, feed_of: Callable[[Any], FeedOnLoop]
) -> None:
    feed = feed_of(live_app)
    listed = live_app.get(f"{SPORES}?_sync=", headers=basic_auth())
    headers = {**basic_auth(), "Accept": "*/*", "Prefer": "wait=10"}
    path = f"{SPORES}?_sync={listed.headers['Sync-Token']}"
    Timer(0.3, create, (live_app,)).start()

    answer = LoopStream(feed, path, headers)

    assert len(answer.json["data"]) == 1
    assert answer.headers["preference-applied"] == "wait=10"


@pytest.mark.clause("E-14.1", "E-14.6")
def test_a_wait_on_a_loop_ends(live_app: TestApp, feed_of: Callable[[Any], FeedOnLoop]) -> None:
    feed = feed_of(live_app)
    listed = live_app.get(f"{SPORES}?_sync=", headers=basic_auth())
    headers = {**basic_auth(), "Accept": "*/*", "Prefer": "wait=1"}
    path = f"{SPORES}?_sync={listed.headers['Sync-Token']}"

    assert LoopStream(feed, path, headers).json["data"] == []
    Timer(0.2, feed.server.stop).start()
    begin = time.monotonic()
    assert LoopStream(feed, path, {**headers, "Prefer": "wait=60"}).json["data"] == []
    assert time.monotonic() - begin < 2 + BUSY_SECONDS


@pytest.mark.clause("E-14.6")
def test_a_loop_serves_the_rest_of_the_service(
    live_app: TestApp, feed_of: Callable[[Any], FeedOnLoop]
) -> None:
    feed = feed_of(live_app)
    accept = {"Accept": "application/json"}

    assert LoopStream(feed, "/v0/", accept).json["url"]
    assert LoopStream(feed, "/v0/unknown", accept).status == 404
    assert LoopStream(feed, SPORES, accept, method="POST").status == 405
    for method, path, errno in (("POST", SPORES, 115), ("GET", "/v0/unknown", 111)):
        problem = LoopStream(feed, path, {"Accept": "application/problem+json"}, method=method)
        assert problem.json["type"] == f"/v0/__errors__/{errno}"
    head = LoopStream(feed, SPORES, {**accept, **basic_auth()}, method="HEAD")
    assert (head.status, head.headers["total-records"]) == (200, "0")


@pytest.mark.clause("E-14.6")
def test_a_loop_has_a_greatest_number_of_clients(live_app: TestApp) -> None:
    feed = FeedOnLoop(live_app, max_clients=1)
    first = LoopStream(feed, f"{SPORES}?_sync=", basic_auth())
    first.until_items(0)

    second = LoopStream(feed, f"{SPORES}?_sync=", basic_auth())

    assert (second.status, second.headers["retry-after"]) == (503, "30")
    assert "--clients" in second.json["message"]
    first.close()
    feed.close()


@pytest.mark.clause("E-14.5")
def test_a_client_that_takes_nothing_is_left(
    live_app: TestApp, feed_of: Callable[[Any], FeedOnLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "SLOW_SECONDS", 0.3)
    feed = feed_of(live_app)
    slow = LoopStream(feed, f"{SPORES}?_sync=", basic_auth(), takes=1)
    fast = LoopStream(feed, f"{SPORES}?_sync=", basic_auth())
    slow.until_items(0)

    record = create(live_app)

    assert fast.until_items(1) == [record]
    slow.until_over()
    assert slow.items == []
    assert not fast.is_over
    fast.close()
