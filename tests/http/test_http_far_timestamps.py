"""Timestamps that clients give stay near the clock; those that are told are read (X-28)."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from processes.backends import FAMILIES, SPREAD, fresh_backends
from support.shared_apps import make_app
from support.sharing import grant
from testapp import Spore
from webtest import TestApp

from cliquet import resource, utils
from cliquet.events import AfterResourceChanged
from cliquet.storage.timestamps import MAX_TIMESTAMP

URL = "/v0/spores"
END_OF_9998 = 253370764799999
DAY_MS = 86_400_000
FAR = [253402300799998, 253402300799999, 253402300800000, 2**52, MAX_TIMESTAMP - 40]
EVENTS = []


class Puffball(resource.ShareableResource):
    """A resource with permissions."""

    class PuffballSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = PuffballSchema()


def app_on(backends: Any, **settings: Any) -> Any:
    EVENTS.clear()
    client = make_app(
        [Spore, Puffball],
        settings={**backends, "puffball_create_principals": "system.Everyone", **settings},
        configure=lambda config: config.add_subscriber(EVENTS.append, AfterResourceChanged),
    )
    for kind in ("storage", "permission", "cache"):
        getattr(client.app.registry, kind).initialize_schema()
    return client


@pytest.fixture(scope="module", params=FAMILIES)
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with fresh_backends(request.param, postgresql_server) as backends:
        yield app_on(backends)


@pytest.fixture
def home(app: Any, headers: dict[str, str]) -> dict[str, Any]:
    """The collection of the user, for the storage."""
    parent_id = app.get("/v0/", headers=headers).json["user"]["id"]
    return {"collection_id": "spore", "parent_id": parent_id}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stop the clock at the time that it gives."""
    now = utils.msec_time()
    monkeypatch.setattr(utils, "msec_time", lambda: now)
    return now


# What clients may give


def gives(send: Any, record_id: Any, timestamp: Any) -> Iterator[Any]:
    """Yield the ways to give a timestamp to a record of this id, which was never used."""
    body = {"data": {"last_modified": timestamp}}
    url = f"{URL}/{record_id}"
    yield "body", lambda **kw: send("POST", URL, body, **kw)
    yield "body", lambda **kw: send("POST", URL, {"data": {"id": record_id, **body["data"]}}, **kw)
    yield "body", lambda **kw: send("PUT", url, body, **kw)
    yield "body", lambda **kw: send("PATCH", url, body, **kw)
    merge = {"Content-Type": "application/merge-patch+json"}
    yield "body", lambda **kw: send("PATCH", url, body["data"], merge, **kw)
    operation = {"op": "add", "path": "/data/last_modified", "value": timestamp}
    patch = {"Content-Type": "application/json-patch+json"}
    yield "body", lambda **kw: send("PATCH", url, [operation], patch, **kw)
    yield "querystring", lambda **kw: send("DELETE", f"{url}?last_modified={timestamp}", **kw)


def sender(app: TestApp, headers: Any) -> Any:
    def send(
        method: Any, url: Any, body: Any = None, more: Any = None, *, status: Any = None
    ) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        sent = {**headers, **({"Content-Type": "application/json"} if body is not None else {})}
        return app.request(
            url, method=method, body=content, headers={**sent, **(more or {})}, status=status
        )

    return send


def in_batch(app: TestApp, headers: Any) -> Any:
    def send(
        method: Any, url: Any, body: Any = None, more: Any = None, *, status: Any = None
    ) -> Any:
        item = {"method": method, "path": url, "headers": dict(more or {})}
        if body is not None:
            item["body"] = body
        response = app.post_json("/v0/batch", {"requests": [item]}, headers=headers)
        (answer,) = response.json["responses"]
        assert status in (None, answer["status"])
        return type("Answer", (), {"json": answer["body"], "status_code": answer["status"]})

    return send


@pytest.mark.clause("X-28", "D-4")
@pytest.mark.setting("timestamp_max_ahead_seconds")
@pytest.mark.parametrize("make_sender", [sender, in_batch])
@pytest.mark.parametrize(
    ("seconds", "latest", "bound"),
    [
        (None, DAY_MS, "86400 seconds ahead of the clock"),
        ("60", 60_000, "60 seconds ahead of the clock"),
        ("0", 0, "0 seconds ahead of the clock"),
        ("", None, "the end of 9998"),
    ],
)
def test_a_timestamp_may_lie_ahead_of_the_clock_up_to_a_bound(
    headers: dict[str, str],
    clock: int,
    make_sender: Callable[..., Any],
    seconds: str | None,
    latest: int | None,
    bound: str,
) -> None:
    settings = {} if seconds is None else {"timestamp_max_ahead_seconds": seconds}
    app = app_on({}, **settings)
    send = make_sender(app, headers)
    limit = END_OF_9998 if latest is None else clock + latest
    for number in range(7):
        record_id = str(uuid.uuid4())
        if number > 2:
            past = {"data": {"last_modified": 5}}
            send("PUT", f"{URL}/{record_id}", past)
        before = app.get(f"{URL}?_since=0", headers=headers)

        for beyond in (limit + 1, MAX_TIMESTAMP):
            location, give = list(gives(send, record_id, beyond))[number]
            refused = give(status=400).json

            name = "data.last_modified" if location == "body" else "last_modified"
            description = (
                f"last_modified should be at most {limit}, {bound}"
                " (setting timestamp_max_ahead_seconds)"
            )
            assert refused["errno"] == 107
            assert refused["details"] == [
                {"location": location, "name": name, "description": description}
            ]
            assert name in refused["message"]
        after = app.get(f"{URL}?_since=0", headers=headers)
        assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])

        _, give = list(gives(send, record_id, limit - number))[number]
        accepted = give()
        assert accepted.status_code in (200, 201)
        if latest != 0:  # What is not ahead of the collection may be replaced (B-21.5).
            assert accepted.json["data"]["last_modified"] == limit - number


@pytest.mark.clause("X-28", "X-34")
@pytest.mark.parametrize("value", ["-1", "tomorrow", "1.5"])
def test_a_bound_that_is_none_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValueError, match="timestamp_max_ahead_seconds"):
        app_on({}, timestamp_max_ahead_seconds=value)


# What the service has told


def everything_works(app: TestApp, headers: Any, home: Any) -> Any:
    """Use a collection in every way that takes or gives a timestamp; return its timestamp.

    Webtest fails on each status that is not expected.
    """
    whole = app.get(URL, headers=headers)
    etag = whole.headers["ETag"]
    stamp = int(etag.strip('"'))
    assert stamp <= MAX_TIMESTAMP
    assert whole.headers["Last-Modified"].endswith("GMT")

    # What was told is accepted, in headers, filters, and tokens.
    app.get(URL, headers={**headers, "If-None-Match": etag}, status=304)
    app.get(URL, headers={**headers, "If-Match": etag}, status=200)
    for name in ("_since", "_to", "_before", "last_modified", "not_last_modified"):
        app.get(f"{URL}?{name}={stamp}", headers=headers, status=200)
        app.get(f"{URL}?{name}=%22{stamp}%22", headers=headers, status=200)
    for prefix in ("gt", "lt", "min", "max"):
        app.get(f"{URL}?{prefix}_last_modified={stamp}", headers=headers, status=200)
    for prefix in ("in", "exclude"):
        app.get(f"{URL}?{prefix}_last_modified={stamp},1", headers=headers, status=200)
        app.get(f"{URL}?{prefix}_last_modified=[{stamp},1]", headers=headers, status=200)

    # Every write.
    created = app.post_json(URL, {"data": {}}, headers=headers, status=201).json["data"]
    url = f"{URL}/{created['id']}"
    record = app.get(url, headers=headers)
    known = {**headers, "If-Match": record.headers["ETag"]}
    # As a client does that sends what it has got, timestamp included.
    replaced = app.put_json(url, {"data": record.json["data"]}, headers=known, status=200)
    known["If-Match"] = replaced.headers["ETag"]
    whole = {"data": {**replaced.json["data"], "a": 1}}
    patched = app.patch_json(url, whole, headers=known, status=200)
    other = app.put_json(f"{URL}/{uuid.uuid4()}", {"data": {}}, headers=headers, status=201)
    deleted = app.delete(
        url, headers={**headers, "If-Match": patched.headers["ETag"]}, status=200
    ).json["data"]
    # Over the tombstone, with its timestamp.
    again = app.put_json(
        url, {"data": {"last_modified": deleted["last_modified"]}}, headers=headers, status=201
    )
    stamps = [
        created["last_modified"],
        replaced.json["data"]["last_modified"],
        patched.json["data"]["last_modified"],
        other.json["data"]["last_modified"],
        deleted["last_modified"],
        again.json["data"]["last_modified"],
    ]
    assert len(set(stamps)) == len(stamps)
    assert max(stamps) <= MAX_TIMESTAMP
    assert EVENTS[-1].payload["timestamp"] == stamps[-1]

    batch = {
        "defaults": {"method": "POST", "path": "/spores"},
        "requests": [{"body": {"data": {}}}, {"method": "GET"}],
    }
    answers = app.post_json("/v0/batch", batch, headers=headers).json["responses"]
    assert [answer["status"] for answer in answers] == [201, 200]

    # Page after page.
    for sort in ("-last_modified", "last_modified", "id"):
        seen, url = [], f"{URL}?_limit=1&_sort={sort}&_since=0"
        while url:
            page = app.get(url, headers=headers, status=200)
            seen += [item["id"] for item in page.json["data"]]
            url = page.headers.get("Next-Page")
            url = url and "{0.path}?{0.query}".format(urlsplit(url))
        complete = app.get(f"{URL}?_since=0", headers=headers).json["data"]
        assert sorted(seen) == sorted(item["id"] for item in complete)

    etag = app.head(URL, headers=headers).headers["ETag"]
    emptied = app.delete(URL, headers={**headers, "If-Match": etag}, status=200).json["data"]
    latest = int(app.head(URL, headers=headers).headers["ETag"].strip('"'))
    assert latest <= MAX_TIMESTAMP
    assert max(item["last_modified"] for item in emptied) <= MAX_TIMESTAMP
    assert app.app.registry.storage.collection_timestamp(**home) == latest
    assert app.get("/v0/__heartbeat__", status=200).json["storage"] is True
    return latest


@pytest.mark.slow
@pytest.mark.clause("X-28", "X-21", "D-4")
@pytest.mark.parametrize("timestamp", FAR)
@pytest.mark.parametrize("is_deletion", [False, True])
def test_a_collection_that_ran_ahead_works_as_any_other(
    app: TestApp, headers: dict[str, str], home: dict[str, Any], timestamp: int, is_deletion: bool
) -> None:
    storage = app.app.registry.storage
    if is_deletion:
        storage.create(**home, record={"id": "a"})
        storage.delete(**home, object_id="a", last_modified=timestamp)
    else:
        storage.create(**home, record={"id": str(uuid.uuid4()), "last_modified": timestamp})

    latest = everything_works(app, headers, home)

    # In the order of the changes, hence seen by who polls.
    assert latest > timestamp
    missed = app.get(f"{URL}?_since={timestamp}", headers=headers).json["data"]
    assert {item["last_modified"] > timestamp for item in missed} == {True}


@pytest.mark.clause("X-28", "X-21")
# Not with shards, which would have to go back together (E-23.5).
@pytest.mark.parametrize("app", [one for one in FAMILIES if one != SPREAD], indirect=True)
@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_collection_at_the_last_timestamp_goes_on(
    app: TestApp, headers: dict[str, str], home: dict[str, Any], room: int
) -> None:
    before = utils.msec_time()
    supplied = {"id": str(uuid.uuid4()), "last_modified": MAX_TIMESTAMP - room}
    app.app.registry.storage.create(**home, record=supplied)

    latest = everything_works(app, headers, home)

    # From the clock: each change can be told from the one before, and be asked for.
    assert before <= latest < before + DAY_MS
    since = int(app.head(URL, headers=headers).headers["ETag"].strip('"'))
    created = app.post_json(URL, {"data": {}}, headers=headers).json["data"]
    seen = app.get(f"{URL}?_since={since}", headers=headers).json["data"]
    assert created["id"] in [item["id"] for item in seen]
    stale = {**headers, "If-Match": f'"{since}"'}
    app.put_json(f"{URL}/{created['id']}", {"data": {}}, headers=stale, status=412)


@pytest.mark.clause("X-28")
def test_a_shared_record_that_ran_ahead_can_be_written_by_all_who_may(
    app: TestApp, headers: dict[str, str]
) -> None:
    record_id = str(uuid.uuid4())
    url = f"/v0/puffballs/{record_id}"
    app.app.registry.storage.create("puffball", "", {"id": record_id, "last_modified": FAR[-1]})
    grant(app, f"/puffballs/{record_id}", "write", "system.Authenticated")

    told = app.get(url, headers=headers)
    known = {**headers, "If-Match": told.headers["ETag"]}
    replaced = app.put_json(url, {"data": told.json["data"]}, headers=known, status=200)

    assert replaced.json["data"]["last_modified"] == FAR[-1] + 1
    known = {**headers, "If-Match": replaced.headers["ETag"]}
    app.patch_json(url, {"permissions": {"read": []}}, headers=known, status=200)
