"""Eight clients at once on one application with the memory backends (D-53 to D-61)."""

import itertools
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.testing.storage.common import in_threads
from cliquet.testing.web import basic_auth

THREADS = 8
ROUNDS = 10
LICHENS = "/v0/lichens"
TRUFFLES = "/v0/truffles"


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Let threads interrupt each other a thousand times more often than usual."""
    interval_seconds = sys.getswitchinterval()
    sys.setswitchinterval(interval_seconds / 1000)
    yield
    sys.setswitchinterval(interval_seconds)


@pytest.fixture(scope="module", params=["true", "false"], ids=["transaction", "no-transaction"])
def app(request: pytest.FixtureRequest) -> TestApp:
    """One application for all, with one transaction for each request or without (X-24)."""
    return make_app(RESOURCES, settings={"transaction_per_request": request.param})


def at_once(app: TestApp, function: Any) -> Any:
    """Call `function` in each thread with a client of its own; return what they return."""
    outcomes = in_threads(THREADS, lambda rank: function(TestApp(app.app), rank))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def statuses(outcomes: Any) -> Any:
    return Counter(response.status_code for response in outcomes)


def create(app: TestApp, headers: Any, url: Any = LICHENS, **data: Any) -> Any:
    return app.post_json(url, {"data": data}, headers=headers, status=201).json["data"]


def revision(app: TestApp, headers: Any) -> int:
    """Return the timestamp of the collection."""
    return int(app.head(LICHENS, headers=headers).headers["ETag"].strip('"'))


@pytest.mark.clause("D-53", "X-24")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_one_of_the_writes_with_the_same_condition_succeeds(
    app: TestApp, headers: dict[str, str], method: str
) -> None:
    for _ in range(ROUNDS):
        record = create(app, headers)
        url = f"{LICHENS}/{record['id']}"
        conditional = {**headers, "If-Match": f'"{record["last_modified"]}"'}

        def write(client: Any, rank: Any, url: Any = url, conditional: Any = conditional) -> Any:
            if method == "DELETE":
                return client.delete(url, headers=conditional, status="*")
            send = client.put_json if method == "PUT" else client.patch_json
            return send(url, {"data": {"rank": rank}}, headers=conditional, status="*")

        outcomes = at_once(app, write)

        found = statuses(outcomes)
        assert found[200] == 1
        assert found[412] + (found[404] if method == "DELETE" else 0) == THREADS - 1
        (winner,) = [response for response in outcomes if response.status_code == 200]
        if method != "DELETE":
            assert app.get(url, headers=headers).json == winner.json


@pytest.mark.clause("D-53", "X-24")
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_no_update_is_lost_under_if_match(
    app: TestApp, headers: dict[str, str], method: str
) -> None:
    url = f"{LICHENS}/{create(app, headers, n=0)['id']}"

    def increment(client: Any, _rank: Any) -> None:
        for _ in range(ROUNDS):
            for _attempt in range(10_000):
                current = client.get(url, headers=headers)
                body = {"data": {"n": current.json["data"]["n"] + 1}}
                conditional = {**headers, "If-Match": current.headers["ETag"]}
                response = getattr(client, method)(url, body, headers=conditional, status="*")
                if response.status_code == 200:
                    break
                assert response.status_code == 412
            else:
                pytest.fail("never succeeded")

    at_once(app, increment)

    assert app.get(url, headers=headers).json["data"]["n"] == THREADS * ROUNDS


@pytest.mark.clause("D-54", "X-24")
def test_if_none_match_star_creates_once(app: TestApp, headers: dict[str, str]) -> None:
    conditional = {**headers, "If-None-Match": "*"}
    for _ in range(ROUNDS):
        url = f"{LICHENS}/{uuid.uuid4()}"

        def put(client: Any, rank: Any, url: Any = url) -> Any:
            return client.put_json(url, {"data": {"rank": rank}}, headers=conditional, status="*")

        outcomes = at_once(app, put)

        assert statuses(outcomes) == {201: 1, 412: THREADS - 1}
        (winner,) = [response for response in outcomes if response.status_code == 201]
        assert app.get(url, headers=headers).json == winner.json


@pytest.mark.clause("D-54")
@pytest.mark.parametrize("over_tombstone", [False, True])
def test_without_condition_one_creates_and_the_others_replace(
    app: TestApp, headers: dict[str, str], over_tombstone: bool
) -> None:
    for _ in range(ROUNDS):
        url = f"{LICHENS}/{uuid.uuid4()}"
        if over_tombstone:
            app.put_json(url, {"data": {}}, headers=headers)
            app.delete(url, headers=headers)

        def put(client: Any, rank: Any, url: Any = url) -> Any:
            return client.put_json(url, {"data": {"rank": rank}}, headers=headers, status="*")

        outcomes = at_once(app, put)

        assert statuses(outcomes) == {201: 1, 200: THREADS - 1}
        last = max(outcomes, key=lambda response: response.json["data"]["last_modified"])
        assert app.get(url, headers=headers).json == last.json


@pytest.mark.clause("D-55")
def test_patches_of_different_members_are_all_kept(app: TestApp, headers: dict[str, str]) -> None:
    url = f"{LICHENS}/{create(app, headers)['id']}"

    def patch(client: Any, rank: Any) -> None:
        for n in range(ROUNDS):
            client.patch_json(url, {"data": {f"m{rank}_{n}": n}}, headers=headers, status=200)

    at_once(app, patch)

    record = app.get(url, headers=headers).json["data"]
    expected = {f"m{rank}_{n}": n for rank in range(THREADS) for n in range(ROUNDS)}
    assert {name: value for name, value in record.items() if name.startswith("m")} == expected


@pytest.mark.clause("D-56", "H-23.4")
def test_equal_unique_fields_make_one_record(app: TestApp, headers: dict[str, str]) -> None:
    for n in range(ROUNDS):
        body = {"data": {"name": "black", "email": f"{n}@x.org"}}

        def post(client: Any, _rank: Any, body: Any = body) -> Any:
            return client.post_json(TRUFFLES, body, headers=headers, status="*")

        outcomes = at_once(app, post)

        assert statuses(outcomes) == {201: 1, 200: THREADS - 1}
        assert len({response.json["data"]["id"] for response in outcomes}) == 1
    assert app.head(TRUFFLES, headers=headers).headers["Total-Records"] == str(ROUNDS)


@pytest.mark.clause("D-56", "H-23.5")
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_one_of_the_records_gets_a_unique_value(
    app: TestApp, headers: dict[str, str], method: str
) -> None:
    for n in range(ROUNDS):
        records = [create(app, headers, TRUFFLES, name=str(rank)) for rank in range(THREADS)]

        def take(client: Any, rank: Any, n: Any = n, records: Any = records) -> Any:
            url = f"{TRUFFLES}/{records[rank]['id']}"
            body = {"data": {"name": "black", "code": n}}
            return getattr(client, method)(url, body, headers=headers, status="*")

        outcomes = at_once(app, take)

        assert statuses(outcomes) == {200: 1, 409: THREADS - 1}
        holders = app.get(f"{TRUFFLES}?code={n}", headers=headers).json["data"]
        assert len(holders) == 1


@pytest.mark.clause("D-57", "H-9.2")
def test_all_writes_have_distinct_timestamps(app: TestApp, headers: dict[str, str]) -> None:
    def write(client: Any, _rank: Any) -> Any:
        stamps = []
        for n in range(ROUNDS):
            record = create(client, headers, n=n)
            url = f"{LICHENS}/{record['id']}"
            changes = [
                client.put_json(url, {"data": {}}, headers=headers, status=200),
                client.patch_json(url, {"data": {"n": n}}, headers=headers, status=200),
                client.delete(url, headers=headers, status=200),
            ]
            stamps.append(record["last_modified"])
            stamps += [response.json["data"]["last_modified"] for response in changes]
        return stamps

    outcomes = at_once(app, write)

    stamps = list(itertools.chain.from_iterable(outcomes))
    assert len(set(stamps)) == len(stamps) == THREADS * ROUNDS * 4
    assert all(found == sorted(found) for found in outcomes)
    assert revision(app, headers) == max(stamps)


@pytest.mark.clause("D-58", "H-9.11")
def test_records_imported_at_once_keep_the_same_past_timestamp(
    app: TestApp, headers: dict[str, str]
) -> None:
    create(app, headers)
    before = revision(app, headers)

    def put(client: Any, _rank: Any) -> None:
        for _ in range(ROUNDS):
            body = {"data": {"last_modified": 1000}}
            client.put_json(f"{LICHENS}/{uuid.uuid4()}", body, headers=headers, status=201)

    at_once(app, put)

    imported = app.get(f"{LICHENS}?last_modified=1000", headers=headers)
    assert imported.headers["Total-Records"] == str(THREADS * ROUNDS)
    assert revision(app, headers) >= before + THREADS * ROUNDS


@pytest.mark.clause("D-59", "H-9.3")
def test_first_accesses_all_give_the_same_timestamp(app: TestApp) -> None:
    for _ in range(ROUNDS):
        headers = basic_auth(uuid.uuid4().hex)

        def read(client: Any, _rank: Any, headers: Any = headers) -> Any:
            return client.get(LICHENS, headers=headers, status=200).headers["ETag"]

        assert len(set(at_once(app, read))) == 1


@pytest.mark.clause("D-59")
def test_first_accesses_that_write_all_succeed(app: TestApp) -> None:
    for _ in range(ROUNDS):
        headers = basic_auth(uuid.uuid4().hex)

        def write(client: Any, rank: Any, headers: Any = headers) -> Any:
            if rank % 2:
                return int(client.get(LICHENS, headers=headers).headers["ETag"].strip('"'))
            return create(client, headers, rank=rank)["last_modified"]

        outcomes = at_once(app, write)

        written = outcomes[::2]
        assert len(set(written)) == THREADS // 2
        assert revision(app, headers) == max(written)


@pytest.mark.clause("D-60", "H-9.8")
def test_a_client_that_polls_with_the_etag_it_was_given_sees_every_change(
    app: TestApp, headers: dict[str, str]
) -> None:
    create(app, headers)
    writers = THREADS - 1
    running = threading.Semaphore(0)

    def write(client: Any, rank: Any) -> Any:
        try:
            changes = []
            kept = create(client, headers, rank=rank)
            for n in range(3 * ROUNDS):
                record = create(client, headers, n=n)
                changes.append(record["last_modified"])
                url = f"{LICHENS}/{kept['id']}"
                client.patch_json(url, {"data": {"n": n}}, headers=headers, status=200)
                if n % 3 == 0:
                    gone = create(client, headers, n=n)
                    client.delete(f"{LICHENS}/{gone['id']}", headers=headers, status=200)
            return changes
        finally:
            running.release()

    def poll(client: Any) -> Any:
        replica, seen, since, finished = {}, [], '"0"', 0
        while True:
            # Known before the last look, so that nothing can be written after it.
            while finished < writers and running.acquire(blocking=False):
                finished += 1
            response = client.get(f"{LICHENS}?_since={since}", headers=headers)
            for item in response.json["data"]:
                replica[item["id"]] = item
                seen.append((item["id"], item["last_modified"]))
            since = response.headers["ETag"]
            if finished == writers:
                return replica, seen

    def act(client: Any, rank: Any) -> Any:
        return poll(client) if rank == 0 else write(client, rank)

    (replica, seen), *changes = at_once(app, act)

    content = app.get(f"{LICHENS}?_since=0", headers=headers).json["data"]
    assert replica == {item["id"]: item for item in content}
    created = set(itertools.chain.from_iterable(changes))
    assert created <= {stamp for _, stamp in seen}


@pytest.mark.clause("D-61", "X-24")
def test_a_record_is_never_both_live_and_deleted(app: TestApp, headers: dict[str, str]) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]

    def interleave(client: Any, rank: Any) -> None:
        for n in range(3 * ROUNDS):
            url = f"{LICHENS}/{ids[n % 3]}"
            if (rank + n // 3) % 2:
                client.put_json(url, {"data": {"n": n}}, headers=headers, status=[200, 201])
            else:
                client.delete(url, headers=headers, status=[200, 404])
            entries = client.get(f"{LICHENS}?_since=0", headers=headers).json["data"]
            found = [item["id"] for item in entries]
            assert len(found) == len(set(found))

    at_once(app, interleave)

    for record_id in ids:
        url = f"{LICHENS}/{record_id}"
        app.put_json(url, {"data": {}}, headers=headers, status=[200, 201])
        app.delete(url, headers=headers, status=200)
    entries = app.get(f"{LICHENS}?_since=0", headers=headers).json["data"]
    assert sorted(item["id"] for item in entries) == sorted(ids)
    assert all(item.get("deleted") is True for item in entries)
    assert app.head(LICHENS, headers=headers).headers["Total-Records"] == "0"


class Failing(resource.UserResource):
    """Fails once everything is written, when the client asks for it."""

    def postprocess(self, *args: Any, **kwargs: Any) -> Any:
        if "X-Fail" in self.request.headers:
            raise RuntimeError("after the write")
        return super().postprocess(*args, **kwargs)


@pytest.mark.clause("X-18", "H-34.1")
def test_requests_that_fail_leave_nothing_behind_and_lock_nobody_out(
    headers: dict[str, str],
) -> None:
    app = make_app([Failing])
    url = "/v0/failings"
    app.put_json(f"{url}/{uuid.uuid4()}", {"data": {}}, headers=headers, status=201)

    def write(client: Any, rank: Any) -> None:
        for _ in range(ROUNDS):
            if rank % 2:
                client.post_json(url, {"data": {}}, headers={**headers, "X-Fail": "1"}, status=500)
                client.delete(url, headers={**headers, "X-Fail": "1"}, status=500)
            else:
                client.post_json(url, {"data": {}}, headers=headers, status=201)

    at_once(app, write)

    polled = app.get(f"{url}?_since=0", headers=headers)
    assert polled.headers["Total-Records"] == str(1 + THREADS // 2 * ROUNDS)
    assert len(polled.json["data"]) == 1 + THREADS // 2 * ROUNDS
    assert polled.headers["ETag"] == f'"{polled.json["data"][0]["last_modified"]}"'


@pytest.mark.clause("D-61", "D-53", "H-17.1")
def test_collection_deletions_report_each_record_once(
    app: TestApp, headers: dict[str, str]
) -> None:
    ids = [create(app, headers, n=n)["id"] for n in range(THREADS * ROUNDS)]

    def delete(client: Any, rank: Any) -> Any:
        if rank % 2:
            return client.delete(LICHENS, headers=headers).json["data"]
        return client.delete(f"{LICHENS}?_limit=7", headers=headers).json["data"]

    outcomes = at_once(app, delete)

    deleted = [item["id"] for found in outcomes for item in found]
    assert sorted(deleted) == sorted(ids)
    stamps = [item["last_modified"] for found in outcomes for item in found]
    assert len(set(stamps)) == len(stamps)
