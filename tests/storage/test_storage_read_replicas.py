"""Reads from a standby of PostgreSQL: never older than what the client has shown to know."""

import contextlib
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from pyramid.config import Configurator
from servers.postgresql import PostgreSQLProcess, running_postgresql
from servers.postgresql_standby import ask, paused, running_standby, wait_for_standby
from support.busy import BUSY_SECONDS
from support.judged_statements import judging
from support.spread import URL, Russula, Words, elsewhere
from support.statements import texts_sent
from webtest import TestApp

from cliquet import settings as library_settings
from cliquet.connections.postgresql import replica as replica_module
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import run_until, wait_until
from cliquet.testing.testapp.views import Mushroom, Toadstool
from cliquet.testing.web import basic_auth, make_app

MUSHROOMS, TOADSTOOLS = "/v0/mushrooms", "/v0/toadstools"
USER, OTHER = basic_auth("mat"), basic_auth("alice")
READS_AFTER_WRITES = 500


class Servers(NamedTuple):
    """A primary and its standby."""

    primary: PostgreSQLProcess
    standby: PostgreSQLProcess

    def app(self, *more: Any, **settings: Any) -> TestApp:
        """Return a client of a service that reads from the standby, with more resources."""
        urls = {
            f"{kind}_{name}": f"{server.url}/postgres"
            for kind in ("storage", "permission")
            for name, server in (("url", self.primary), ("read_url", self.standby))
        }
        backends = {
            f"{kind}_backend": f"cliquet.{kind}.postgresql" for kind in ("storage", "permission")
        }
        given = {
            **urls,
            **backends,
            "cache_backend": "",
            "statement_timeout_seconds": "1",
            "toadstool_create_principals": "system.Authenticated",
            **settings,
        }
        return make_app([Mushroom, Toadstool, *more], settings=given, configure=with_own_view)


def with_own_view(config: Configurator) -> None:
    """Add a view of the application, which reads too."""
    config.add_route("own", "/own")
    config.add_view(read_in_own_view, route_name="own", renderer="json")


def read_in_own_view(request: Any) -> Any:
    parent = request.GET["parent"]
    return request.registry.storage.collection_timestamp("mushroom", parent)


@pytest.fixture(scope="module")
def servers(processes: None) -> Iterator[Servers]:
    with running_postgresql() as primary, running_standby(primary) as standby:
        yield Servers(primary, standby)


@pytest.fixture
def app(servers: Servers) -> Iterator[TestApp]:
    app = servers.app()
    registry = app.app.registry
    for backend in (registry.storage, registry.permission):
        backend.initialize_schema()
        backend.flush()
        # The applications of one process share what they know of it.
        backend.replica._behind_until = 0.0
    wait_for_standby(*servers)
    yield app
    registry.storage.client.dispose()
    registry.storage.replica.client.dispose()


@pytest.fixture(autouse=True)
def judged(
    app: TestApp, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let a distributed database accept what replicas are asked too (E-9.3)."""
    storage, permission = app.app.registry.storage, app.app.registry.permission
    clients = [storage.client, storage.replica.client, permission.client, permission.replica.client]
    has_shards = "spread" in request.fixturenames
    if has_shards:
        # Its migration is left out.
        request.getfixturevalue("spread")
    yield from judging(monkeypatch, *clients, has_shards=has_shards)


@pytest.fixture
def record(app: TestApp, servers: Servers) -> dict[str, Any]:
    """A record that the standby has."""
    created = create(app)
    wait_for_standby(*servers)
    return created


def create(app: TestApp, name: str = "Cep", headers: Any = USER) -> Any:
    body = {"data": {"name": name}}
    return app.post_json(MUSHROOMS, body, headers=headers).json["data"]


def change(app: TestApp, record: Any, name: str) -> Any:
    return app.patch_json(f"{MUSHROOMS}/{record['id']}", {"data": {"name": name}}, headers=USER)


@contextlib.contextmanager
def asked(app: TestApp) -> Iterator[dict[str, list[str]]]:
    """Give what the primary and the standby are asked meanwhile."""
    storage = app.app.registry.storage
    with texts_sent(storage.client) as primary, texts_sent(storage.replica.client) as standby:
        yield {"primary": primary, "standby": standby}


@contextlib.contextmanager
def served_by(app: TestApp, name: str, *, statements: int = 1) -> Iterator[None]:
    with asked(app) as sent:
        yield
    other = {"primary": "standby", "standby": "primary"}[name]
    assert (len(sent[name]), len(sent[other])) == (statements, 0), sent


# Who is served by whom


@pytest.mark.clause("E-22.1")
@pytest.mark.setting("storage_read_url")
@pytest.mark.parametrize("method", ["get", "head"])
def test_who_knows_nothing_is_served_by_the_replica(
    app: TestApp, record: dict[str, Any], method: str
) -> None:
    url = f"{MUSHROOMS}/{record['id']}"
    with served_by(app, "standby"):
        answer = getattr(app, method)(url, headers=USER)
    assert answer.headers["ETag"] == f'"{record["last_modified"]}"'
    with served_by(app, "standby"):
        listed = getattr(app, method)(MUSHROOMS, headers=USER)
    assert (listed.headers["Total-Records"], listed.headers["ETag"]) == (
        "1",
        f'"{record["last_modified"]}"',
    )


@pytest.mark.clause("E-22.1", "E-22.2")
def test_who_knows_what_the_replica_has_is_served_by_it(
    app: TestApp, record: dict[str, Any]
) -> None:
    timestamp = record["last_modified"]
    one = f"{MUSHROOMS}/{record['id']}"
    with served_by(app, "standby"):
        app.get(one, headers={**USER, "If-None-Match": f'"{timestamp}"'}, status=304)
    with served_by(app, "standby"):
        app.get(MUSHROOMS, headers={**USER, "If-None-Match": f'"{timestamp}"'}, status=304)
    for parameter in (f"_since={timestamp}", f'_since="{timestamp}"', f"_before={timestamp + 1}"):
        with asked(app) as sent:
            app.get(f"{MUSHROOMS}?{parameter}", headers=USER)
        assert bool(sent["primary"]) == parameter.startswith("_before")
    with served_by(app, "standby"):
        app.get(one, headers={**USER, "Sync-Bookmark": str(timestamp)})


@pytest.mark.clause("E-22.2")
@pytest.mark.parametrize(
    "shown",
    [
        lambda new: ("", {"If-None-Match": f'"{new - 1}"'}),
        lambda new: ("", {"If-None-Match": f'"{new}"'}),
        lambda new: ("", {"If-Match": f'"{new}"'}),
        lambda new: ("", {"Sync-Bookmark": str(new)}),
        lambda new: (f"?_since={new}", {}),
        lambda new: (f"?_before={new + 1}", {}),
        lambda new: (f"?gt_last_modified={new - 1}", {}),
        lambda new: (f"?min_last_modified={new}&_sort=name", {}),
    ],
)
def test_who_knows_something_newer_is_served_by_the_primary(
    app: TestApp, servers: Servers, record: dict[str, Any], shown: Any
) -> None:
    with paused(servers.standby):
        new = change(app, record, "new").json["data"]["last_modified"]
        query, headers = shown(new)
        with asked(app) as sent:
            answer = app.get(f"{MUSHROOMS}{query}", headers={**USER, **headers}, status="*")
        assert sent["primary"]
    assert answer.headers["ETag"] == f'"{new}"'
    if answer.status_int == 200:
        assert [item["name"] for item in answer.json["data"]] in (["new"], [])


@pytest.mark.clause("E-22.2")
@pytest.mark.parametrize("header", ["If-None-Match", "If-Match", "Sync-Bookmark"])
def test_so_is_the_reader_of_a_record(
    app: TestApp, servers: Servers, record: dict[str, Any], header: str
) -> None:
    with paused(servers.standby):
        new = change(app, record, "new").json["data"]["last_modified"]
        known = new - 1 if header == "If-None-Match" else new
        value = str(known) if header == "Sync-Bookmark" else f'"{known}"'
        answer = app.get(f"{MUSHROOMS}/{record['id']}", headers={**USER, header: value})
    assert answer.json["data"]["name"] == "new"


@pytest.mark.clause("E-22.2")
def test_the_counter_decides_also_for_a_record_that_is_older(
    app: TestApp, servers: Servers, record: dict[str, Any]
) -> None:
    """What is known is of another record: the replica has it if the counter says so."""
    url = f"{MUSHROOMS}/{record['id']}"
    newer = create(app)["last_modified"]
    wait_for_standby(*servers)
    with served_by(app, "standby"):
        app.get(url, headers={**USER, "Sync-Bookmark": str(newer)})
    with paused(servers.standby):
        newest = create(app)["last_modified"]
        with asked(app) as sent:
            app.get(url, headers={**USER, "Sync-Bookmark": str(newest)})
    assert [len(sent[name]) for name in ("standby", "primary")] == [1, 1]


@pytest.mark.clause("E-22.2")
@pytest.mark.parametrize(
    "query", ["_token=x", "_sync=", "_since=yesterday", "_total=no", "_unknown=1"]
)
def test_pages_tokens_and_what_is_not_understood_are_for_the_primary(
    app: TestApp, record: dict[str, Any], query: str
) -> None:
    with asked(app) as sent:
        app.get(f"{MUSHROOMS}?{query}", headers=USER, status="*")
    assert sent["standby"] == []


@pytest.mark.clause("E-22.3")
def test_what_the_replica_does_not_have_is_looked_for_on_the_primary(
    app: TestApp, servers: Servers, record: dict[str, Any]
) -> None:
    """A client that has just created a record may not show it."""
    with paused(servers.standby):
        new = create(app)
        url = f"{MUSHROOMS}/{new['id']}"
        assert app.get(url, headers=USER).json["data"]["id"] == new["id"]
        # This collection has no counter there.
        create(app, headers=OTHER)
        assert len(app.get(MUSHROOMS, headers=OTHER).json["data"]) == 1


@pytest.mark.clause("E-22.4")
def test_writes_and_what_they_read_are_for_the_primary(
    app: TestApp, record: dict[str, Any]
) -> None:
    url = f"{MUSHROOMS}/{record['id']}"
    with asked(app) as sent:
        app.put_json(url, {"data": {"name": "put"}}, headers=USER)
        app.patch_json(url, {"data": {"name": "patched"}}, headers=USER)
        app.post_json(MUSHROOMS, {"data": {"name": "posted"}}, headers=USER)
        app.delete(url, headers=USER)
        app.delete(MUSHROOMS, headers=USER)
    assert sent["standby"] == []


@pytest.mark.clause("E-22.4")
def test_a_batch_reads_what_it_has_written(
    app: TestApp, servers: Servers, record: dict[str, Any]
) -> None:
    url = f"{MUSHROOMS}/{record['id']}"
    requests = [
        {"method": "PATCH", "path": url, "body": {"data": {"name": "new"}}},
        {"path": url},
        {"path": MUSHROOMS},
    ]
    with paused(servers.standby), asked(app) as sent:
        batch = app.post_json("/v0/batch", {"requests": requests}, headers=USER)
    read, listed = (answer["body"]["data"] for answer in batch.json["responses"][1:])
    assert (read["name"], listed[0]["name"], sent["standby"]) == ("new", "new", [])
    assert int(batch.headers["Sync-Bookmark"]) == read["last_modified"]


@pytest.mark.clause("E-22.4")
def test_views_of_the_application_and_code_outside_of_requests_read_the_primary(
    app: TestApp, record: dict[str, Any]
) -> None:
    with asked(app) as sent:
        app.get("/v0/own?parent=x", headers=USER)
        app.app.registry.storage.get_all("mushroom", "x")
    assert (sent["standby"], len(sent["primary"]) > 1) == ([], True)


# Bookmarks


@pytest.mark.clause("E-22.5")
def test_writes_return_a_bookmark(app: TestApp) -> None:
    def bookmark(answer: Any) -> int:
        return int(answer.headers["Sync-Bookmark"])

    created = app.post_json(MUSHROOMS, {"data": {"name": "a"}}, headers=USER)
    assert bookmark(created) == created.json["data"]["last_modified"]
    changed = change(app, created.json["data"], "b")
    assert bookmark(changed) == changed.json["data"]["last_modified"]
    url = f"{MUSHROOMS}/{created.json['data']['id']}"
    deleted = app.delete(url, headers=USER)
    assert bookmark(deleted) == deleted.json["data"]["last_modified"]
    create(app)
    emptied = app.delete(MUSHROOMS, headers={**USER, "Origin": "https://example.com"})
    assert bookmark(emptied) == emptied.json["data"][0]["last_modified"]
    assert "Sync-Bookmark" in ", ".join(emptied.headers.getall("Access-Control-Expose-Headers"))
    # Nothing was written.
    refused = app.post_json(MUSHROOMS, {"data": {}}, headers=USER, status=400)
    assert "Sync-Bookmark" not in refused.headers
    assert "Sync-Bookmark" not in app.get(MUSHROOMS, headers=USER).headers


@pytest.mark.clause("E-22.5")
def test_the_bookmark_of_a_record_with_a_timestamp_of_the_past_is_that_of_the_write(
    app: TestApp, servers: Servers, record: dict[str, Any]
) -> None:
    with paused(servers.standby):
        body = {"data": {"name": "old", "last_modified": 1000}}
        written = app.post_json(MUSHROOMS, body, headers=USER)
        bookmark = written.headers["Sync-Bookmark"]
        assert written.json["data"]["last_modified"] == 1000
        assert int(bookmark) > record["last_modified"]
        listed = app.get(MUSHROOMS, headers={**USER, "Sync-Bookmark": bookmark})
    assert len(listed.json["data"]) == 2


@pytest.mark.clause("E-5.1", "E-22.5")
def test_the_description_of_the_service_has_bookmarks(app: TestApp) -> None:
    document = app.get("/v0/__api__").json
    OpenAPIV31SpecValidator(document).validate()
    paths, known = document["paths"], document["components"]

    def headers(url: str, method: str, status: str) -> set[str]:
        return set(paths[url][method]["responses"][status]["headers"])

    reads = {"$ref": "#/components/parameters/Sync-Bookmark"}
    for url in ("/mushrooms", "/mushrooms/{id}", "/toadstools"):
        assert reads in paths[url]["get"]["parameters"]
        assert reads not in paths[url]["delete"]["parameters"]
    assert known["parameters"]["Sync-Bookmark"]["in"] == "header"
    for url, method, status in (
        ("/mushrooms", "post", "201"),
        ("/mushrooms", "delete", "200"),
        ("/mushrooms/{id}", "put", "200"),
        ("/mushrooms/{id}", "put", "201"),
        ("/mushrooms/{id}", "patch", "200"),
        ("/toadstools/{id}", "delete", "200"),
        ("/batch", "post", "200"),
    ):
        assert "Sync-Bookmark" in headers(url, method, status)
    assert "Sync-Bookmark" not in headers("/mushrooms", "get", "200")


@pytest.mark.clause("E-22.5")
def test_a_bookmark_costs_no_statement(
    servers: Servers, app: TestApp, record: dict[str, Any]
) -> None:
    counts = []
    for each in (app, servers.app(storage_read_url="", permission_read_url="")):
        with texts_sent(each.app.registry.storage.client) as sent:
            each.post_json(MUSHROOMS, {"data": {"name": "a"}}, headers=USER)
            url = f"{MUSHROOMS}/{uuid.uuid4()}"
            each.put_json(url, {"data": {"name": "b"}}, headers=USER)
            each.delete(url, headers=USER)
        counts.append(len(sent))
    assert counts[0] == counts[1]


@pytest.mark.clause("E-22.2", "E-22.5")
def test_reads_after_own_writes_are_never_stale(
    app: TestApp, servers: Servers, record: dict[str, Any]
) -> None:
    """With a replica that stands still. 10 000 of them were run by hand."""
    url = f"{MUSHROOMS}/{record['id']}"
    stale = 0
    with paused(servers.standby):
        for number in range(READS_AFTER_WRITES // 2):
            written = change(app, record, str(number))
            headers = {**USER, "Sync-Bookmark": written.headers["Sync-Bookmark"]}
            stale += app.get(url, headers=headers).json["data"]["name"] != str(number)
            (listed,) = app.get(MUSHROOMS, headers=headers).json["data"]
            stale += listed["name"] != str(number)
    assert stale == 0


@pytest.mark.clause("E-22.2", "E-22.5")
def test_nor_while_the_replica_follows(app: TestApp, record: dict[str, Any]) -> None:
    url = f"{MUSHROOMS}/{record['id']}"
    with asked(app) as sent:
        has_seen_both = threading.Event()
        for number, _ in enumerate(run_until(has_seen_both)):
            # Both have served.
            if number >= 100 and sent["standby"] and sent["primary"]:
                has_seen_both.set()
            written = change(app, record, str(number))
            headers = {**USER, "Sync-Bookmark": written.headers["Sync-Bookmark"]}
            wait_for_moment(number)
            assert app.get(url, headers=headers).json["data"]["name"] == str(number)


def wait_for_moment(number: int) -> None:
    """Let some reads come when the replica has the write, and others before."""
    # On a busy machine, it follows later.
    time.sleep(0.002 * (number % 8) * (1 + number // 100))


# Shared records


@pytest.fixture
def shared(app: TestApp, servers: Servers) -> str:
    """URL of a record that another user may read, which the replica knows."""
    body = {
        "data": {"name": "Fly"},
        "permissions": {"read": [user_id(app, OTHER)]},
    }
    created = app.post_json(TOADSTOOLS, body, headers=USER).json["data"]
    wait_for_standby(*servers)
    return f"{TOADSTOOLS}/{created['id']}"


def user_id(app: TestApp, headers: Any) -> str:
    found: str = app.get("/v0/", headers=headers).json["user"]["id"]
    return found


@pytest.mark.clause("E-22.6")
@pytest.mark.setting("permission_read_url")
def test_permissions_come_from_the_replica_too(app: TestApp, shared: str) -> None:
    with served_by(app, "standby", statements=2):
        assert app.get(shared, headers=OTHER).json["data"]["name"] == "Fly"
    with asked(app) as sent:
        assert len(app.get(TOADSTOOLS, headers=OTHER).json["data"]) == 1
    assert sent["standby"]
    app.get(shared, headers=basic_auth("nobody"), status=403)


@pytest.mark.clause("E-22.6")
def test_what_was_taken_counts_at_once_for_who_knows_of_it(
    app: TestApp, servers: Servers, shared: str
) -> None:
    with paused(servers.standby):
        body = {"data": {"name": "Fly"}, "permissions": {"read": []}}
        replaced = app.put_json(shared, body, headers=USER)
        bookmark = {"Sync-Bookmark": replaced.headers["Sync-Bookmark"]}
        app.get(shared, headers={**OTHER, **bookmark}, status=403)
        listed = app.get(TOADSTOOLS, headers={**OTHER, **bookmark}, status="*")
        assert listed.status_int == 403 or listed.json["data"] == []
        # Who knows nothing sees what the replica knows, until it knows better.
        app.get(shared, headers=OTHER)
    wait_for_standby(*servers)
    app.get(shared, headers=OTHER, status=403)


@pytest.mark.clause("E-22.6")
def test_who_creates_a_shared_record_may_read_it_at_once(
    app: TestApp, servers: Servers, shared: str
) -> None:
    with paused(servers.standby):
        created = app.post_json(TOADSTOOLS, {"data": {"name": "new"}}, headers=OTHER).json["data"]
        app.get(f"{TOADSTOOLS}/{created['id']}", headers=OTHER)


@pytest.mark.clause("E-22.6")
@pytest.mark.setting("permission_read_url")
def test_without_its_setting_permissions_and_what_they_permit_are_of_the_primary(
    servers: Servers, shared: str
) -> None:
    app = servers.app(permission_read_url="")
    with asked(app) as sent:
        app.get(shared, headers=OTHER)
        assert len(app.get(TOADSTOOLS, headers=OTHER).json["data"]) == 1
    assert not any("access_control_entries" in text for text in sent["standby"])
    create(app)
    wait_for_standby(*servers)
    with served_by(app, "standby"):
        app.get(MUSHROOMS, headers=USER)


# Resources with shards


@pytest.fixture
def spread(servers: Servers, app: TestApp) -> TestApp:
    """A service with a resource whose records are in four shards."""
    actions = ("create", "read", "write")
    principals = {f"russula_{action}_principals": "system.Authenticated" for action in actions}
    made = servers.app(Russula, **principals)
    made.app.registry.id_generator = Words()
    made.app.registry.storage.initialize_schema()
    return made


def put(app: TestApp, name: str, number: int) -> dict[str, str]:
    """Write a record; return the headers with which its client sees it."""
    answer = app.put_json(f"{URL}/{name}", {"data": {"n": number}}, headers=USER)
    return {**USER, "Sync-Bookmark": answer.headers["Sync-Bookmark"]}


def seen(app: TestApp, name: str, headers: dict[str, str]) -> int:
    found: int = app.get(f"{URL}/{name}", headers=headers).json["data"]["n"]
    return found


@pytest.mark.clause("E-22.8", "E-23.2")
def test_records_in_shards_come_from_the_replica_and_their_lists_from_the_primary(
    spread: TestApp, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_USUAL_LAG_MS", -60_000)
    other = elsewhere("one")
    put(spread, other, 0)
    knowing = put(spread, "one", 1)
    wait_for_standby(*servers)
    for headers in (USER, knowing):
        with served_by(spread, "standby"):
            assert seen(spread, "one", headers) == 1
    # The last change of this shard is earlier, so that nothing says that the replica is not late,
    with asked(spread) as sent:
        assert seen(spread, other, knowing) == 0
    assert sent["primary"]
    # nor that it is.
    with served_by(spread, "standby"):
        seen(spread, "one", knowing)
    with asked(spread) as sent:
        listed = spread.get(URL, headers=USER)
    assert (len(listed.json["data"]), sent["standby"]) == (2, [])


@pytest.mark.clause("E-22.2", "E-22.5", "E-22.8")
def test_reads_after_own_writes_to_shards_are_never_stale(
    spread: TestApp, servers: Servers
) -> None:
    names = ["one", elsewhere("one")]
    for name in names:
        put(spread, name, -1)
    wait_for_standby(*servers)
    stale = []
    for stops in (paused(servers.standby), contextlib.nullcontext()):
        with stops:
            for number in range(60):
                name = names[number % 2]
                knowing = put(spread, name, number)
                stale += [name] * (seen(spread, name, knowing) != number)
                (listed,) = spread.get(f"{URL}?n={number}", headers=knowing).json["data"]
                etag = {**USER, "If-None-Match": spread.get(URL, headers=USER).headers["ETag"]}
                spread.get(URL, headers=etag, status=304)
                assert listed["id"] == name
    assert stale == []


@pytest.mark.clause("E-22.7")
def test_a_bookmark_of_another_collection_does_not_make_a_replica_late(
    app: TestApp, servers: Servers, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_USUAL_LAG_MS", -60_000)
    newer = create(app, headers=OTHER)["last_modified"]
    wait_for_standby(*servers)
    for path in (f"{MUSHROOMS}/{record['id']}", MUSHROOMS):
        app.get(path, headers={**USER, "Sync-Bookmark": str(newer)})
    with served_by(app, "standby"):
        app.get(MUSHROOMS, headers={**USER, "Sync-Bookmark": str(record["last_modified"])})


# Replicas that fail


@pytest.fixture
def failing(servers: Servers, app: TestApp, record: dict[str, Any]) -> Iterator[Any]:
    """A service, a record that its own standby has, and that standby."""
    with running_standby(servers.primary) as standby:
        wait_for_standby(servers.primary, standby)
        app = Servers(servers.primary, standby).app()
        yield app, record, standby
        app.app.registry.storage.replica.client.dispose()


@pytest.mark.clause("E-22.7", "H-31.1")
def test_a_replica_that_is_gone_costs_nothing_and_comes_back(
    failing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_REST_SECONDS", 0.2)
    app, record, standby = failing
    url = f"{MUSHROOMS}/{record['id']}"
    with served_by(app, "standby"):
        app.get(url, headers=USER)
    standby.stop()

    for _ in range(3):
        app.get(url, headers=USER)
        app.get(MUSHROOMS, headers=USER)
        app.get(TOADSTOOLS, headers=USER, status="*")
    heartbeat = app.get("/v0/__heartbeat__")
    assert (heartbeat.json["storage_replica"], heartbeat.json["permission_replica"]) == (None, None)
    assert heartbeat.json["storage"] is True

    standby.start()
    wait_until(lambda: app.get("/v0/__heartbeat__").json["storage_replica"])

    def is_used() -> bool:
        with asked(app) as sent:
            app.get(url, headers=USER)
        return bool(sent["standby"])

    wait_until(is_used, "the return of the replica")


@pytest.mark.clause("E-22.7")
def test_a_replica_that_hangs_is_left_alone_after_one_wait(failing: Any) -> None:
    app, record, standby = failing
    url = f"{MUSHROOMS}/{record['id']}"
    app.get(url, headers=USER)
    standby.signal_all(signal.SIGSTOP)
    try:
        started = time.monotonic()
        app.get(url, headers=USER)
        # A statement is given up after three seconds. Without that, it would last for ever.
        assert time.monotonic() - started < 3 + BUSY_SECONDS
        started = time.monotonic()
        for _ in range(40):
            app.get(url, headers=USER)
        # Rather than as long as that each.
        assert time.monotonic() - started < BUSY_SECONDS
    finally:
        standby.signal_all(signal.SIGCONT)


@pytest.mark.clause("E-22.7")
def test_a_replica_that_stays_behind_is_not_asked_by_who_knows_more(
    app: TestApp, servers: Servers, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_USUAL_LAG_MS", -60_000)
    monkeypatch.setattr(replica_module, "_BEHIND_SECONDS", 60)
    url = f"{MUSHROOMS}/{record['id']}"
    with paused(servers.standby):
        new = str(change(app, record, "new").json["data"]["last_modified"])
        app.get(url, headers={**USER, "Sync-Bookmark": new})
        with served_by(app, "primary"):
            app.get(url, headers={**USER, "Sync-Bookmark": new})
        with served_by(app, "standby"):
            app.get(url, headers=USER)


@pytest.mark.clause("E-22.7")
def test_a_query_that_takes_too_long_is_not_run_twice(app: TestApp, record: dict[str, Any]) -> None:
    replica = app.app.registry.storage.replica
    with pytest.raises(Exception, match="canceling statement") as caught:
        replica.client.rows("SELECT pg_sleep(20)")
    with pytest.raises(type(caught.value)):
        replica.fail(caught.value)
    assert replica.may_serve(0)


# Metrics


@contextlib.contextmanager
def told(app: TestApp, *, statsd: Any) -> Iterator[dict[str, dict[str, int]]]:
    """Give what both kinds of metrics say of the reads meanwhile, by component and outcome."""

    def of_prometheus() -> dict[str, int]:
        text = app.get("/__metrics__").text
        return {
            f"{sample.labels['component']}.replica.{sample.labels['outcome']}": int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "cliquet_replica_reads_total"
        }

    before, found = of_prometheus(), dict[str, dict[str, int]]()
    statsd.clear()
    yield found
    after = of_prometheus()
    found["prometheus"] = {
        name: change for name in after if (change := after[name] - before.get(name, 0))
    }
    found["statsd"] = dict(Counter(name for name in statsd if ".replica." in name))


@pytest.mark.clause("E-22.9")
def test_metrics_tell_where_reads_went(
    app: TestApp,
    servers: Servers,
    record: dict[str, Any],
    shared: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replica_module, "_USUAL_LAG_MS", -60_000)
    monkeypatch.setattr(replica_module, "_BEHIND_SECONDS", 60)
    monkeypatch.setattr(replica_module, "_REST_SECONDS", 0.2)
    sent: list[str] = []
    watched = servers.app(prometheus_enabled="true", statsd_url="udp://localhost:8125")
    client = watched.app.registry.statsd
    monkeypatch.setattr(client, "count", lambda name, unique=None: sent.append(name))
    url = f"{MUSHROOMS}/{record['id']}"

    with told(watched, statsd=sent) as found:
        watched.get(url, headers=USER)
        watched.get(f"{MUSHROOMS}/{uuid.uuid4()}", headers=USER, status=404)
        watched.get(shared, headers=OTHER)
        with paused(servers.standby):
            new = change(watched, record, "new").headers["Sync-Bookmark"]
            for _ in range(3):
                watched.get(url, headers={**USER, "Sync-Bookmark": new})
    assert found["prometheus"] == found["statsd"]
    assert {name: n for name, n in found["statsd"].items() if name.startswith("storage")} == {
        "storage.replica.served": 2,
        "storage.replica.missing": 1,
        "storage.replica.late": 1,
        "storage.replica.avoided": 2,
    }
    assert found["statsd"]["permission.replica.served"] > 0

    replica = watched.app.registry.storage.replica
    assert 'cliquet_replica_up{component="storage"} 1.0' in watched.get("/__metrics__").text
    monkeypatch.setattr(replica.client, "rows", lambda *_: fail())
    with told(watched, statsd=sent) as found:
        watched.get(url, headers=USER)
        watched.get(url, headers=USER)
    assert found["statsd"] == found["prometheus"]
    assert found["statsd"]["storage.replica.failed"] >= 1
    assert sum(found["statsd"].values()) >= 2
    assert 'cliquet_replica_up{component="storage"} 0.0' in watched.get("/__metrics__").text
    monkeypatch.undo()
    wait_until(lambda: not replica.is_down, "the return of the replica")


def fail() -> Any:
    raise BackendError(message="no answer")


@pytest.mark.clause("E-22.9")
def test_a_service_without_a_replica_has_no_metrics_of_one(servers: Servers) -> None:
    plain = servers.app(storage_read_url="", permission_read_url="", prometheus_enabled="true")
    assert "replica" not in plain.get("/__metrics__").text


# Settings


@pytest.mark.clause("E-22.1")
@pytest.mark.setting("storage_read_url", "permission_read_url")
@pytest.mark.parametrize("kind", ["storage", "permission"])
def test_other_backends_refuse_the_setting(kind: str) -> None:
    with pytest.raises(library_settings.SettingError, match=f"{kind}_read_url"):
        make_app(settings={f"{kind}_read_url": "postgresql://u:secret@db/x"})


@pytest.mark.clause("E-22.1")
@pytest.mark.setting("storage_read_url")
def test_without_the_setting_nothing_changes(servers: Servers, app: TestApp) -> None:
    plain = servers.app(storage_read_url="", permission_read_url="")
    written = plain.post_json(MUSHROOMS, {"data": {"name": "a"}}, headers=USER)
    read = plain.get(MUSHROOMS, headers={**USER, "Sync-Bookmark": "x"})
    assert "Sync-Bookmark" not in written.headers
    assert read.status_int == 200
    assert set(plain.get("/v0/__heartbeat__").json) == {"storage", "permission"}
    assert "Sync-Bookmark" not in plain.get("/v0/__api__").text
    assert not plain.app.registry.registrations.on_traversal
    assert ask(servers.standby, "SELECT pg_is_in_recovery()")
