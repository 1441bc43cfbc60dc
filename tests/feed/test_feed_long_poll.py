"""``Prefer: wait``: a request for changes that waits for one (E-14.1)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testapp import Spore
from webtest import TestApp

from cliquet.feed import stopping
from cliquet.feed.hub import hub_of
from cliquet.resource.live import wanted_seconds
from cliquet.testing.bounded import Thread, Timer, wait_until
from cliquet.testing.web import basic_auth, make_app

SPORES = "/v0/spores"
AMANITAS = "/v0/amanitas"

# The longest wait that a service allows. What is answered before the half of it has not waited for
# its end, however busy the machine is.
LONG_SECONDS = 60
EARLY_SECONDS = 30


def create(app: Any, user: str = "mat", url: str = SPORES, **data: Any) -> Any:
    response = app.post_json(url, {"data": data}, headers=basic_auth(user), status=201)
    return response.json["data"]


def token(app: Any, user: str = "mat", url: str = SPORES) -> str:
    response = app.get(f"{url}?_sync=", headers=basic_auth(user), status=200)
    found: str = response.headers["Sync-Token"]
    return found


def poll(
    app: Any, since: str, seconds: Any = LONG_SECONDS, url: str = SPORES, **options: Any
) -> Any:
    headers = {**basic_auth(options.pop("user", "mat")), "Prefer": f"wait={seconds}"}
    environ = {"wsgi.multithread": options.pop("multithread", True)}
    separator = "&" if "?" in url else "?"
    return app.get(
        f"{url}{separator}_sync={since}", headers=headers, extra_environ=environ, **options
    )


def wait_until_waiting(app: Any) -> None:
    """Return once a request waits for changes, and the storage is asked for them."""
    hub = hub_of(app.app.registry)
    wait_until(lambda: hub._number == 1 and hub.watcher._positions, "a request that waits")
    # It has asked at once, and asks again when it is woken for the first time.
    time.sleep(0.3)


def soon(function: Callable[[], Any], seconds: float = 0.3) -> None:
    timer = Timer(seconds, function)
    timer.daemon = True
    timer.start()


@pytest.mark.clause("E-14.1")
def test_a_change_ends_the_wait(live_app: TestApp) -> None:
    since = token(live_app)
    begin = time.monotonic()
    soon(lambda: create(live_app, n=1))

    response = poll(live_app, since)

    assert [record["n"] for record in response.json["data"]] == [1]
    assert response.headers["Preference-Applied"] == "wait=60"
    assert "no-store" in response.headers["Cache-Control"]
    assert 0.2 < time.monotonic() - begin < EARLY_SECONDS
    assert response.headers["Sync-Token"] != since


@pytest.mark.clause("E-14.1")
def test_what_has_changed_already_is_answered_at_once(live_app: TestApp) -> None:
    since = token(live_app)
    create(live_app, n=1)
    begin = time.monotonic()

    response = poll(live_app, since)

    assert len(response.json["data"]) == 1
    assert time.monotonic() - begin < EARLY_SECONDS


@pytest.mark.clause("E-14.1")
def test_after_the_time_nothing_is_answered_with_a_token(live_app: TestApp) -> None:
    since = token(live_app)
    begin = time.monotonic()

    response = poll(live_app, since, 1)

    assert response.json["data"] == []
    assert response.headers["Preference-Applied"] == "wait=1"
    assert response.headers["Sync-Token"]
    assert 0.9 < time.monotonic() - begin < EARLY_SECONDS


@pytest.mark.clause("E-14.1", "E-11.2")
def test_a_change_that_the_user_cannot_see_does_not_end_the_wait(live_app: TestApp) -> None:
    create(live_app, url=AMANITAS)
    since = token(live_app, url=AMANITAS)
    soon(lambda: create(live_app, "eve", url=AMANITAS), 0.2)

    response = poll(live_app, since, 1, url=AMANITAS)

    assert response.json["data"] == []


@pytest.mark.clause("E-14.1", "E-11.3")
@pytest.mark.parametrize("hidden", [1, 3])
def test_what_the_user_cannot_see_does_not_hide_what_comes_after_it(
    live_app: TestApp, hidden: int
) -> None:
    """The first page is empty, and there is another one."""
    create(live_app, url=AMANITAS)
    since = token(live_app, url=AMANITAS)
    for number in range(hidden):
        create(live_app, "eve", url=AMANITAS, last_modified=10 + number)
    create(live_app, n=1, url=AMANITAS)
    begin = time.monotonic()

    response = poll(live_app, since, url=f"{AMANITAS}?_limit=1")

    assert time.monotonic() - begin < EARLY_SECONDS
    assert response.json["data"] or "Next-Page" in response.headers


@pytest.mark.clause("E-14.1", "E-17.2")
def test_scripts_of_other_origins_may_read_that_the_service_has_waited(live_app: TestApp) -> None:
    since = token(live_app)

    def exposed(**options: Any) -> list[str]:
        response = poll(live_app, since, 1, **options)
        names = ", ".join(response.headers.getall("Access-Control-Expose-Headers"))
        assert ("Preference-Applied" in response.headers) == ("Preference-Applied" in names)
        return names.split(", ")

    assert "Preference-Applied" in exposed()
    assert "Preference-Applied" not in exposed(multithread=False)


@pytest.mark.clause("E-14.1")
@pytest.mark.setting("feed_max_wait_seconds")
def test_the_service_limits_the_wait(make: Callable[..., Any]) -> None:
    app = make(feed_max_wait_seconds="1")
    since = token(app)

    response = poll(app, since, 3600)

    assert response.headers["Preference-Applied"] == "wait=1"


@pytest.mark.clause("E-14.1")
@pytest.mark.setting("feed_max_wait_seconds")
def test_a_service_without_waits_answers_at_once(make: Callable[..., Any]) -> None:
    app = make(feed_max_wait_seconds="0")

    response = poll(app, token(app))

    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("E-14.1")
def test_without_a_token_there_is_nothing_to_wait_for(live_app: TestApp) -> None:
    assert poll(live_app, "").json["data"] == []


@pytest.mark.clause("E-14.1")
def test_errors_are_those_of_the_list(live_app: TestApp) -> None:
    response = poll(live_app, "damaged", status=400)

    assert "_sync" in response.json["message"]
    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("E-14.1", "E-14.6")
def test_a_server_with_one_thread_does_not_wait(live_app: TestApp) -> None:
    begin = time.monotonic()

    response = poll(live_app, token(live_app), multithread=False)

    assert response.json["data"] == []
    assert "Preference-Applied" not in response.headers
    assert time.monotonic() - begin < EARLY_SECONDS


@pytest.mark.clause("E-14.1")
@pytest.mark.setting("feed_max_streams")
def test_who_comes_when_too_many_wait_is_answered_at_once(make: Callable[..., Any]) -> None:
    app = make(feed_max_streams="1")
    since = token(app)
    first = Thread(target=poll, args=(app, since))
    first.start()
    wait_until_waiting(app)

    response = poll(app, since)

    assert "Preference-Applied" not in response.headers
    create(app, n=1)
    first.join()


@pytest.mark.clause("E-14.1")
def test_a_batch_does_not_wait(live_app: TestApp) -> None:
    since = token(live_app)
    request = {"path": f"{SPORES}?_sync={since}", "headers": {"Prefer": "wait=60"}}
    begin = time.monotonic()

    response = live_app.post_json(
        "/v0/batch",
        {"requests": [request]},
        headers={**basic_auth(), "Prefer": "wait=60"},
        extra_environ={"wsgi.multithread": True},
    )

    (answer,) = response.json["responses"]
    assert answer["status"] == 200
    assert "Preference-Applied" not in answer["headers"]
    assert time.monotonic() - begin < EARLY_SECONDS


@pytest.mark.clause("E-14.1")
def test_nothing_is_locked_while_somebody_waits(make: Callable[..., Any], tmp_path: Path) -> None:
    """A subscriber writes whenever a list is read; its transaction ends before the wait."""

    def configure(config: Any) -> None:
        def on_read(event: Any) -> None:
            config.registry.storage.create("reads", "all", record={})

        config.add_subscriber(on_read, "cliquet.events.ResourceRead")

    url = f"sqlite:///{tmp_path}/data.db"
    settings = {"storage_backend": "cliquet.storage.sqlite", "storage_url": url}
    app = make_app([Spore], settings={**settings, "sync_enabled": "true"}, configure=configure)
    since = token(app)
    waiting = Thread(target=poll, args=(app, since))
    waiting.start()
    wait_until_waiting(app)
    begin = time.monotonic()

    create(app, n=1)

    assert time.monotonic() - begin < EARLY_SECONDS
    assert app.app.registry.storage.client.pool_status().in_use <= 1
    waiting.join()


@pytest.mark.clause("E-14.1", "E-14.6")
def test_a_wait_ends_with_the_process(live_app: TestApp) -> None:
    since = token(live_app)
    soon(stopping.begin)
    begin = time.monotonic()

    response = poll(live_app, since)

    assert response.json["data"] == []
    assert time.monotonic() - begin < EARLY_SECONDS


@pytest.mark.clause("E-14.1")
@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5),
        ('Wait = "7"; foo', 7),
        ("respond-async, wait=5", 5),
        ("wait=5, wait=9", 5),
        ("wait=-5", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait, wait=5", 0),
        ("waiting=5", 0),
        ("wait=9999999999999", 0),
        # What is in a quoted text is no preference (RFC 7240 2, RFC 9110 5.6.4).
        ('x="a, wait=5, b"', 0),
        ('x="a, wait=5, b", wait=7', 7),
        ('x="a\\", wait=5", wait=7', 7),
        ('respond-async;x="a,wait=5,"', 0),
        ('wait="\\7"', 7),
        ('wait="5', 0),
        ("wait=5 6", 0),
        ("x;wait=5", 0),
        ("", 0),
    ],
)
def test_the_wait_that_a_client_prefers(prefer: str, seconds: int) -> None:
    assert wanted_seconds(prefer) == seconds


@pytest.mark.clause("E-14.1")
@pytest.mark.setting("feed_max_wait_seconds", "feed_recheck_seconds", "feed_max_streams")
@pytest.mark.parametrize(
    "name", ["feed_max_wait_seconds", "feed_recheck_seconds", "feed_max_streams"]
)
def test_a_wrong_setting_stops_the_start(make: Callable[..., Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        make(**{name: "-1"})


@pytest.mark.clause("E-14.1", "E-14.5")
def test_no_connection_to_postgresql_is_held_while_somebody_waits(
    make: Callable[..., Any], postgresql_url: str
) -> None:
    settings = {}
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.postgresql"
        settings[f"{kind}_url"] = postgresql_url
    app = make(**settings)
    registry = app.app.registry
    for backend in (registry.storage, registry.permission):
        backend.initialize_schema()
    since = token(app, url=AMANITAS)
    waiting = Thread(target=poll, args=(app, since, LONG_SECONDS, AMANITAS))
    waiting.start()
    wait_until_waiting(app)

    def is_idle() -> bool:
        with client.connect(readonly=True) as session:
            # Other tests have other databases of the same server.
            open_ones = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state LIKE 'idle in%' AND datname = current_database()"
            )
            return bool(session.execute(open_ones).fetchone() == (0,))

    # The watcher asks four times a second, and takes some milliseconds.
    client = registry.storage.client
    wait_until(lambda: client.pool_status().in_use == 0, "no connection", seconds=EARLY_SECONDS)
    wait_until(is_idle, "no transaction", seconds=EARLY_SECONDS)
    create(app, url=AMANITAS)
    waiting.join()
    registry.storage.client.dispose()
