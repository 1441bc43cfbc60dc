"""Timestamps of records and collections, and the headers that carry them (H-9)."""

import re
import uuid
from typing import Any

import colander
import pytest
from support.clocks import NOW_MS, Clock
from support.listings import listed, state, store
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.resource.model import Model
from cliquet.testing.web import basic_auth

URL = "/v0/mushrooms"
BODY = {"data": {"name": "cep"}}
DATE = "Tue, 28 Apr 2015 12:07:57 GMT"


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all, in memory whatever the backends: databases have their own clock."""
    return make_app(RESOURCES)


@pytest.fixture
def headers() -> dict[str, str]:
    """Each test is another user, whose records nobody else sees."""
    return basic_auth(uuid.uuid4().hex)


def collection_timestamp(app: TestApp, headers: Any, url: Any = URL) -> int:
    """Return the timestamp of a collection, from its ETag."""
    return int(app.head(url, headers=headers).headers["ETag"].strip('"'))


def put(app: TestApp, headers: Any, record_id: Any, body: Any = BODY, **kwargs: Any) -> Any:
    return app.put_json(f"{URL}/{record_id}", body, headers=headers, **kwargs)


# How timestamps advance


@pytest.mark.clause("H-9.1", "H-9.2")
def test_each_change_advances_record_and_collection_together(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    record_id = str(uuid.uuid4())
    url = f"{URL}/{record_id}"
    changes = [
        lambda: put(app, headers, record_id, status=201),
        lambda: put(app, headers, record_id, status=200),
        lambda: app.patch_json(url, {"data": {"name": "truffle"}}, headers=headers),
        lambda: app.delete(url, headers=headers),
        lambda: app.post_json(URL, BODY, headers=headers, status=201),
    ]

    seen = []
    for change in changes:
        clock.now += 1000
        stamp = change().json["data"]["last_modified"]
        seen.append((stamp, collection_timestamp(app, headers)))

    expected = [NOW_MS + 1000 * n for n in range(1, 6)]
    assert seen == [(stamp, stamp) for stamp in expected]


@pytest.mark.clause("H-9.2")
def test_within_one_millisecond_the_timestamps_run_ahead_of_the_clock(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    first, second, third = store(app, headers, URL, *[{"name": "cep"}] * 3)
    deleted = app.delete(f"{URL}/{first['id']}", headers=headers).json["data"]

    stamps = [item["last_modified"] for item in (first, second, third, deleted)]
    assert stamps == [NOW_MS, NOW_MS + 1, NOW_MS + 2, NOW_MS + 3]
    assert collection_timestamp(app, headers) == NOW_MS + 3


@pytest.mark.clause("H-9.1", "H-9.2")
def test_a_clock_that_goes_back_does_not_take_the_timestamp_along(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    (first,) = store(app, headers, URL, {"name": "cep"})
    clock.now -= 60_000

    (second,) = store(app, headers, URL, {"name": "cep"})

    assert second["last_modified"] == first["last_modified"] + 1
    assert collection_timestamp(app, headers) == second["last_modified"]


@pytest.mark.clause("H-9.2")
def test_a_patch_without_effect_advances_nothing(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    (record,) = store(app, headers, URL, {"name": "cep"})
    before = state(app, headers, URL)
    clock.now += 1000

    app.patch_json(f"{URL}/{record['id']}", BODY, headers=headers, status=200)

    assert state(app, headers, URL) == before


@pytest.mark.clause("H-9.3")
def test_the_first_access_gives_now_which_stays_until_the_first_change(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    first = collection_timestamp(app, headers)
    clock.now += 5000
    app.get(f"{URL}/{uuid.uuid4()}", headers=headers, status=404)
    later = collection_timestamp(app, headers)
    (record,) = store(app, headers, URL, {"name": "cep"})
    clock.now += 5000
    app.get(f"{URL}/{record['id']}", headers=headers)

    assert (first, later) == (NOW_MS, NOW_MS)
    assert collection_timestamp(app, headers) == record["last_modified"] == NOW_MS + 5000


@pytest.mark.clause("H-9.3", "X-22")
@pytest.mark.parametrize(
    ("method", "url", "condition", "status"),
    [
        ("GET", URL, {"If-None-Match": f'"{NOW_MS}"'}, 304),
        ("GET", URL, {"If-Match": '"1"'}, 412),
        ("POST", URL, {"If-Match": '"1"'}, 412),
        ("DELETE", URL, {"If-Match": '"1"'}, 412),
        ("PUT", f"{URL}/9b2f64a8-0d55-4f8e-a1b7-0a4c6a3d5e21", {"If-Match": '"1"'}, 412),
        ("GET", f"{URL}?_limit=abc", {}, 400),
    ],
)
def test_the_first_access_counts_even_when_it_is_refused(
    app: TestApp,
    headers: dict[str, str],
    clock: Clock,
    method: str,
    url: str,
    condition: dict[str, Any],
    status: int,
) -> None:
    send = getattr(app, f"{method.lower()}_json", None) if method in ("POST", "PUT") else None
    arguments = {"headers": {**headers, **condition}, "status": status}

    refused = send(url, BODY, **arguments) if send else app.request(url, method=method, **arguments)
    clock.now += 5000

    assert status == 400 or refused.headers["ETag"] == f'"{NOW_MS}"'
    assert collection_timestamp(app, headers) == NOW_MS


@pytest.mark.clause("H-9.4")
def test_records_deleted_together_have_distinct_timestamps(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    store(app, headers, URL, *[{"name": "cep"}] * 4)
    before = collection_timestamp(app, headers)

    deleted = app.delete(URL, headers=headers).json["data"]

    stamps = sorted(item["last_modified"] for item in deleted)
    assert stamps == [before + n for n in range(1, 5)]
    assert collection_timestamp(app, headers) == stamps[-1]


# Headers


@pytest.mark.clause("H-9.5", "H-9.6", "H-9.7")
def test_the_headers_of_a_record_are_its_timestamp_as_etag_and_as_date(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    (record,) = store(app, headers, URL, {"name": "cep"})
    clock.now += 5000
    store(app, headers, URL, {"name": "later"})

    response = app.get(f"{URL}/{record['id']}", headers=headers)

    assert response.headers["ETag"] == f'"{NOW_MS}"'
    assert response.headers["Last-Modified"] == DATE


@pytest.mark.clause("H-9.6")
@pytest.mark.parametrize(
    ("milliseconds", "date"),
    [
        (1_430_222_877_000, DATE),
        (1_430_222_877_999, DATE),
        (1_430_222_878_000, "Tue, 28 Apr 2015 12:07:58 GMT"),
    ],
)
def test_the_date_is_floored_to_the_second(
    app: TestApp, headers: dict[str, str], clock: Clock, milliseconds: int, date: str
) -> None:
    body = {"data": {"name": "cep", "last_modified": milliseconds}}

    response = put(app, headers, uuid.uuid4(), body, status=201)

    assert response.headers["ETag"] == f'"{milliseconds}"'
    assert response.headers["Last-Modified"] == date


@pytest.mark.clause("H-9.6")
@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:01 GMT"),
    ],
)
def test_conditions_by_date_are_ignored(
    app: TestApp, headers: dict[str, str], header: str, date: str
) -> None:
    (record,) = store(app, headers, URL, {"name": "cep"})
    conditional = {**headers, header: date}

    app.get(URL, headers=conditional, status=200)
    app.get(f"{URL}/{record['id']}", headers=conditional, status=200)
    put(app, conditional, record["id"], status=200)


@pytest.mark.clause("H-9.7")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("of_record", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
def test_reading_gives_the_timestamp_of_what_is_read(
    app: TestApp,
    headers: dict[str, str],
    clock: Clock,
    method: str,
    of_record: bool,
    is_known: bool,
) -> None:
    (record,) = store(app, headers, URL, {"name": "cep"})
    clock.now += 5000
    (latest,) = store(app, headers, URL, {"name": "later"})
    stamp = record["last_modified"] if of_record else latest["last_modified"]
    condition = {"If-None-Match": f'"{stamp}"'} if is_known else {}

    response = app.request(
        f"{URL}/{record['id']}" if of_record else URL,
        method=method,
        headers={**headers, **condition},
        status=304 if is_known else 200,
    )

    assert response.headers["ETag"] == f'"{stamp}"'
    assert response.headers["Last-Modified"] == (
        DATE if of_record else "Tue, 28 Apr 2015 12:08:02 GMT"
    )


@pytest.mark.clause("H-9.7")
def test_writing_a_record_gives_the_timestamp_that_it_is_stored_with(
    app: TestApp, headers: dict[str, str], clock: Clock
) -> None:
    record_id = str(uuid.uuid4())
    url = f"{URL}/{record_id}"
    created = put(app, headers, record_id, status=201)
    clock.now += 1000
    replaced = put(app, headers, record_id, status=200)
    clock.now += 1000
    patched = app.patch_json(url, {"data": {"name": "x"}}, headers=headers)
    clock.now += 1000
    unchanged = app.patch_json(url, {"data": {"name": "x"}}, headers=headers)

    stamps = [NOW_MS, NOW_MS + 1000, NOW_MS + 2000, NOW_MS + 2000]
    responses = [created, replaced, patched, unchanged]
    assert [response.headers["ETag"] for response in responses] == [f'"{s}"' for s in stamps]
    assert [response.json["data"]["last_modified"] for response in responses] == stamps
    assert unchanged.headers["Last-Modified"] == "Tue, 28 Apr 2015 12:07:59 GMT"


@pytest.mark.clause("H-9.7")
def test_creations_deletions_and_other_errors_have_no_timestamp(
    app: TestApp, headers: dict[str, str]
) -> None:
    created = app.post_json(URL, BODY, headers=headers, status=201)
    record = created.json["data"]
    url = f"{URL}/{record['id']}"
    again = app.post_json(URL, {"data": {"name": "x", "id": record["id"]}}, headers=headers)
    store(app, headers, "/v0/truffles", {"name": "black", "code": 1})
    conflict = {"data": {"name": "white", "code": 1}}
    responses = [
        created,
        again,
        app.get(f"{URL}?_limit=abc", headers=headers, status=400),
        app.get(URL, status=401),
        app.get(f"{URL}/{uuid.uuid4()}", headers=headers, status=404),
        app.put_json(URL, BODY, headers=headers, status=405),
        app.get(URL, headers={**headers, "Accept": "text/html"}, status=406),
        app.put_json(f"/v0/truffles/{uuid.uuid4()}", conflict, headers=headers, status=409),
        app.post(URL, "a", headers={**headers, "Content-Type": "text/plain"}, status=415),
        app.delete(url, headers=headers),
        app.delete(URL, headers=headers),
    ]

    assert again.status_code == 200
    for response in responses:
        assert "ETag" not in response.headers, response.request.url
        assert "Last-Modified" not in response.headers, response.request.url


class MeanwhileModel(Model):
    """Somebody writes just before the records are read."""

    def get_records(self, *args: Any, **kwargs: Any) -> Any:
        self.create_record({"name": "meanwhile"})
        return super().get_records(*args, **kwargs)


class Meanwhile(resource.UserResource):
    default_model = MeanwhileModel

    class MeanwhileSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MeanwhileSchema()


@pytest.mark.clause("H-9.8")
def test_the_etag_of_a_list_is_never_newer_than_its_records(headers: dict[str, str]) -> None:
    app = make_app([Meanwhile])
    store(app, headers, "/v0/meanwhiles", {"name": "before"})

    response = app.get("/v0/meanwhiles", headers=headers)

    etag = int(response.headers["ETag"].strip('"'))
    assert [item["name"] for item in response.json["data"]] == ["meanwhile", "before"]
    assert [item["last_modified"] > etag for item in response.json["data"]] == [True, False]


@pytest.mark.clause("H-9.8", "H-9.5")
@pytest.mark.parametrize("query", ["", "?name=cep", "?_limit=1", "?_sort=name", "?_since=0"])
def test_the_etag_of_a_list_ignores_filters_and_limits(
    app: TestApp, headers: dict[str, str], query: str
) -> None:
    *_, last = store(app, headers, URL, *({"name": name} for name in ("cep", "a", "b")))

    etag = app.get(f"{URL}{query}", headers=headers).headers["ETag"]

    assert re.fullmatch(r'"[0-9]+"', etag)
    assert etag == f'"{last["last_modified"]}"'


# Timestamps that clients supply


@pytest.fixture
def stamps(app: TestApp, headers: dict[str, str], clock: Clock) -> dict[str, Any]:
    """Make a collection whose timestamp is NOW_MS + 1000, with a clock a little later.

    Gives the ids of a live record and of a tombstone, both of NOW_MS, and of neither.
    """
    live, tombstone, never = (str(uuid.uuid4()) for _ in range(3))
    old = {"data": {"name": "old", "last_modified": NOW_MS}}
    put(app, headers, live, old)
    put(app, headers, tombstone, {"data": {"name": "old", "last_modified": NOW_MS - 1}})
    app.delete(f"{URL}/{tombstone}?last_modified={NOW_MS}", headers=headers)
    put(app, headers, uuid.uuid4(), {"data": {"name": "last", "last_modified": NOW_MS + 1000}})
    # The server's next timestamp is the clock's, which tells it from the others.
    clock.now = NOW_MS + 9000
    return {"live": live, "tombstone": tombstone, "never": never}


SERVER = NOW_MS + 9000
FUTURE = NOW_MS + 50_000

# Request, client's timestamp, what the record gets, what the collection becomes.
SUPPLIED = [
    # Later than the collection's: both get it.
    ("POST", None, FUTURE, FUTURE, FUTURE),
    ("PUT", "never", FUTURE, FUTURE, FUTURE),
    ("PUT", "tombstone", FUTURE, FUTURE, FUTURE),
    ("POST", "tombstone", FUTURE, FUTURE, FUTURE),
    ("PUT", "live", FUTURE, FUTURE, FUTURE),
    ("PATCH", "live", FUTURE, FUTURE, FUTURE),
    ("DELETE", "live", FUTURE, FUTURE, FUTURE),
    # Later than the record's and not than the collection's.
    ("POST", None, NOW_MS + 500, NOW_MS + 500, SERVER),
    ("PUT", "never", NOW_MS + 500, NOW_MS + 500, SERVER),
    ("PUT", "tombstone", NOW_MS + 500, NOW_MS + 500, SERVER),
    ("POST", "tombstone", NOW_MS + 500, NOW_MS + 500, SERVER),
    ("PUT", "live", NOW_MS + 500, NOW_MS + 500, SERVER),
    ("PATCH", "live", NOW_MS + 500, NOW_MS + 500, SERVER),
    ("DELETE", "live", NOW_MS + 500, NOW_MS + 500, SERVER),
    # The collection's: it would hide the change.
    ("POST", None, NOW_MS + 1000, SERVER, SERVER),
    ("PUT", "live", NOW_MS + 1000, SERVER, SERVER),
    ("PATCH", "live", NOW_MS + 1000, SERVER, SERVER),
    ("DELETE", "live", NOW_MS + 1000, SERVER, SERVER),
    # The record's, and earlier.
    ("PUT", "tombstone", NOW_MS, SERVER, SERVER),
    ("POST", "tombstone", NOW_MS, NOW_MS, SERVER),
    ("PUT", "live", NOW_MS, SERVER, SERVER),
    ("PATCH", "live", NOW_MS - 5, SERVER, SERVER),
    ("DELETE", "live", NOW_MS, SERVER, SERVER),
    ("POST", None, NOW_MS - 5, NOW_MS - 5, SERVER),
    ("PUT", "never", NOW_MS - 5, NOW_MS - 5, SERVER),
    ("PUT", "tombstone", NOW_MS - 5, SERVER, SERVER),
    ("POST", "tombstone", NOW_MS - 5, NOW_MS - 5, SERVER),
    ("PUT", "live", NOW_MS - 5, SERVER, SERVER),
    ("DELETE", "live", NOW_MS - 5, SERVER, SERVER),
    # 0 is a timestamp like another (D-5).
    ("POST", None, 0, 0, SERVER),
    ("PUT", "never", 0, 0, SERVER),
    ("PUT", "tombstone", 0, SERVER, SERVER),
    ("PUT", "live", 0, SERVER, SERVER),
    ("PATCH", "live", 0, SERVER, SERVER),
    ("DELETE", "live", 0, SERVER, SERVER),
]


@pytest.mark.clause("H-9.1", "H-9.2", "H-9.9", "H-9.10", "X-5", "X-19", "D-5")
@pytest.mark.parametrize(("method", "target", "given", "record", "collection"), SUPPLIED)
def test_a_supplied_timestamp(
    app: TestApp,
    headers: dict[str, str],
    stamps: dict[str, Any],
    method: str,
    target: Any,
    given: int,
    record: int,
    collection: int,
) -> None:
    # The schema of mushrooms does not declare the member.
    data = {"name": "new", "last_modified": given}
    if method == "POST":
        if target is not None:
            data["id"] = stamps[target]
        response = app.post_json(URL, {"data": data}, headers=headers, status=201)
    elif method == "DELETE":
        url = f"{URL}/{stamps[target]}?last_modified={given}"
        response = app.delete(url, headers=headers, status=200)
    else:
        send = app.put_json if method == "PUT" else app.patch_json
        response = send(f"{URL}/{stamps[target]}", {"data": data}, headers=headers)

    written = response.json["data"]
    assert written["last_modified"] == record
    assert collection_timestamp(app, headers) == collection
    assert written in state(app, headers, URL)[0]


@pytest.mark.clause("H-9.9")
@pytest.mark.parametrize("clock_ms", [-60_000, 0, 1000])
def test_a_past_timestamp_makes_the_collection_larger_than_it_was(
    app: TestApp, headers: dict[str, str], stamps: dict[str, Any], clock: Clock, clock_ms: int
) -> None:
    clock.now = NOW_MS + clock_ms
    before = collection_timestamp(app, headers)

    put(app, headers, stamps["never"], {"data": {"name": "x", "last_modified": NOW_MS - 5}})

    assert collection_timestamp(app, headers) == before + 1


@pytest.mark.clause("H-9.11", "D-58")
def test_several_records_may_have_the_same_past_timestamp(
    app: TestApp, headers: dict[str, str]
) -> None:
    same = {"name": "imported", "last_modified": NOW_MS}
    store(app, headers, URL, {"name": "recent"})

    records = store(app, headers, URL, same, same, same)

    assert [record["last_modified"] for record in records] == [NOW_MS] * 3
    assert sorted(listed(app, headers, f"{URL}?last_modified={NOW_MS}")) == sorted(
        record["id"] for record in records
    )


@pytest.mark.clause("H-9.12")
def test_an_old_record_is_not_polled_although_the_etag_changes(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, URL, {"name": "recent"})
    etag = app.get(URL, headers=headers).headers["ETag"]

    (old,) = store(app, headers, URL, {"name": "old", "last_modified": NOW_MS})

    polled = app.get(f"{URL}?_since={etag}", headers=headers)
    assert polled.json["data"] == []
    assert int(polled.headers["ETag"].strip('"')) > int(etag.strip('"'))
    assert old["id"] in listed(app, headers, URL)
