"""Users who write one record at once, on backends that have no transaction in common (X-30)."""

import contextlib
import functools
import http.client
import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers.postgresql import new_database
from servers.processes import temporary_folder
from servers.redis import running_redis

from cliquet.scripts.permission_checking import check
from cliquet.testing.web import basic_auth
from processes.application import AMANITAS, make_application
from processes.client import at_once
from processes.site import running_site

ROUNDS = 900 if os.environ.get("CLIQUET_TEST_FULL") else 40
KILLS = 20 if os.environ.get("CLIQUET_TEST_FULL") else 2
USERS = 3
COMBINATIONS = [
    ("redis", "redis"),
    ("postgresql", "redis"),
    ("sqlite", "redis"),
    ("redis", "postgresql"),
    ("redis", "sqlite"),
    ("postgresql", "postgresql"),
]


@contextlib.contextmanager
def combined_backends(storage: Any, permission: Any, postgresql_server: Any) -> Iterator[Any]:
    """Give the settings of two empty backends, each in a database of its own."""
    with contextlib.ExitStack() as stack:
        redis_url = stack.enter_context(running_redis())
        folder = stack.enter_context(temporary_folder("sqlite"))

        def url(kind: Any, family: Any) -> Any:
            if family == "redis":
                return f"{redis_url}/{1 if kind == 'storage' else 2}"
            if family == "sqlite":
                return f"sqlite:///{folder}/{kind}.db"
            return stack.enter_context(new_database(postgresql_server))

        yield {
            f"{kind}_{name}": value
            for kind, family in (("storage", storage), ("permission", permission))
            for name, value in (
                ("backend", f"cliquet.{kind}.{family}"),
                ("url", url(kind, family)),
            )
        }


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def site(processes: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    server = request.getfixturevalue("postgresql_server")
    with (
        combined_backends(*request.param, server) as settings,  # type: ignore[call-arg]
        running_site(settings, workers=4, threads=2) as running,
    ):
        running.settings = settings
        yield running


@pytest.fixture
def users(site: Any) -> Iterator[list[Any]]:
    """Three users, each with a connection, and their ids."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(USERS):
            client, spare = site.clients(2, basic_auth(uuid.uuid4().hex))
            spare.close()
            stack.callback(client.close)
            clients.append(client)
        yield clients


@pytest.fixture
def ids(users: list[Any]) -> list[Any]:
    return [client.send("GET", "/v0/").json["user"]["id"] for client in users]


def public(rank: Any) -> dict[str, Any]:
    return {"data": {"rank": rank}, "permissions": {"read": [f"group:{rank}"]}}


PUBLISHED = {"permissions": {"read": ["system.Everyone"]}}


def put(client: Any, record_id: Any, body: Any) -> Any:
    return client.send("PUT", f"{AMANITAS}/{record_id}", body)


def put_if_absent(client: Any, record_id: Any, body: Any) -> Any:
    return client.send("PUT", f"{AMANITAS}/{record_id}", body, If_None_Match="*")


def post(client: Any, record_id: Any, body: Any) -> Any:
    return client.send("POST", AMANITAS, {**body, "data": {**body["data"], "id": record_id}})


def batch_of_put(client: Any, record_id: Any, body: Any) -> Any:
    request = {"method": "PUT", "path": f"/amanitas/{record_id}", "body": body}
    answer = client.send("POST", "/v0/batch", {"requests": [request]})
    return answer._replace(status=answer.json["responses"][0]["status"])


def sees(client: Any, record_id: Any) -> Any:
    return client.send("GET", f"{AMANITAS}/{record_id}").status


@pytest.mark.clause("X-30", "D-54", "D-62", "X-24")
@pytest.mark.parametrize("create", [put, put_if_absent, post, batch_of_put])
def test_of_several_creators_one_alone_has_rights(
    users: list[Any], ids: list[Any], create: Callable[..., Any]
) -> None:
    for _ in range(ROUNDS):
        record_id = str(uuid.uuid4())

        answers = at_once(
            [
                lambda rank=rank, client=client, record_id=record_id: create(
                    client, record_id, public(rank)
                )
                for rank, client in enumerate(users)
            ]
        )

        statuses = [answer.status for answer in answers]
        assert statuses.count(201) == 1, statuses
        assert set(statuses) <= {201, 403, 409, 412}
        winner = statuses.index(201)
        found = users[winner].send("GET", f"{AMANITAS}/{record_id}")
        assert found.data["rank"] == winner
        expected = {"write": [ids[winner]], "read": [f"group:{winner}"]}
        assert found.json["permissions"] == expected
        assert [sees(client, record_id) for client in users].count(200) == 1


@pytest.mark.clause("X-30", "D-53", "D-62", "X-24")
def test_a_patch_that_fails_has_changed_no_permission(users: list[Any], ids: list[Any]) -> None:
    owner, one, other = users
    is_public = []
    for _ in range(ROUNDS):
        record_id = str(uuid.uuid4())
        body = {"data": {"rank": 0}, "permissions": {"write": ids[1:]}}
        etag = put(owner, record_id, body).headers["etag"]
        url = f"{AMANITAS}/{record_id}"

        publishing, changing = at_once(
            [
                lambda url=url, etag=etag: one.send("PATCH", url, PUBLISHED, If_Match=etag),
                lambda url=url, etag=etag: other.send(
                    "PATCH", url, {"data": {"rank": 1}}, If_Match=etag
                ),
            ]
        )

        assert sorted([publishing.status, changing.status]) == [200, 412]
        permissions = owner.send("GET", url).json["permissions"]
        expected = {"write": sorted(ids)}
        if publishing.status == 200:
            expected["read"] = ["system.Everyone"]
        assert permissions == expected
        is_public.append(publishing.status == 200)
    assert {*is_public} == {True, False} or ROUNDS < 100


@pytest.mark.clause("X-30", "D-55", "B-15.17")
def test_patches_of_different_permissions_are_all_kept(users: list[Any], ids: list[Any]) -> None:
    owner = users[0]
    for _ in range(ROUNDS // 2):
        record_id = str(uuid.uuid4())
        url = f"{AMANITAS}/{record_id}"
        put(owner, record_id, {"data": {}, "permissions": {"write": ids[1:]}})

        def patch(rank: Any, client: Any, url: Any = url) -> Any:
            change = {} if rank == 1 else {"read": [f"group:{rank}"]}
            return client.send("PATCH", url, {"data": {f"m{rank}": 1}, "permissions": change})

        answers = at_once(
            [lambda rank=rank, c=client: patch(rank, c) for rank, client in enumerate(users)]
        )

        assert [answer.status for answer in answers] == [200] * USERS
        last = max(answers, key=lambda answer: answer.data["last_modified"])
        found = owner.send("GET", url)
        # As the answer that was given last says.
        assert found.json == last.json
        assert found.data.keys() >= {"m0", "m1", "m2"}


@pytest.mark.clause("X-30", "D-62", "H-5.18")
def test_who_creates_anew_what_another_deletes_has_it_alone(
    users: list[Any], ids: list[Any]
) -> None:
    owner = users[0]
    for _ in range(ROUNDS // 2):
        record_id = str(uuid.uuid4())
        url = f"{AMANITAS}/{record_id}"
        put(owner, record_id, {"data": {"rank": 0}, "permissions": {"write": ids[1:]}})

        def write(rank: Any, client: Any, url: Any = url, record_id: Any = record_id) -> Any:
            if rank == 0:
                return client.send("DELETE", url)
            body = public(rank)
            body["permissions"]["write"] = ids[:1]
            return put(client, record_id, body)

        answers = at_once(
            [lambda rank=rank, c=client: write(rank, c) for rank, client in enumerate(users)]
        )

        statuses = [answer.status for answer in answers]
        assert statuses[0] == 200
        assert set(statuses[1:]) <= {200, 201, 403}
        assert statuses.count(201) <= 1
        if 201 not in statuses:
            assert [sees(client, record_id) for client in users] == [403] * USERS
            continue
        winner = statuses.index(201)
        found = users[winner].send("GET", url)
        assert found.data["rank"] == winner
        expected = {"write": sorted([ids[0], ids[winner]]), "read": [f"group:{winner}"]}
        assert found.json["permissions"] == expected


# Processes that end between the record and its permissions


def write_until(stop: Any, client: Any, record_ids: Any) -> Any:
    """Create and delete records again and again, whatever becomes of the requests."""
    for turn in itertools.count():
        if stop.is_set():
            return turn
        url = f"{AMANITAS}/{record_ids[turn % len(record_ids)]}"
        # The worker may have been killed.
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = client.send("PUT", url, public(turn))
            assert answer.status in (200, 201, 403, 503), answer
            if turn % 2:
                client.send("DELETE", url)


@pytest.mark.clause("X-30", "B-22.10")
def test_processes_that_are_killed_leave_nothing_that_a_repair_does_not_find(
    site: Any, users: list[Any], ids: list[Any]
) -> None:
    stop = threading.Event()
    record_ids = [str(uuid.uuid4()) for _ in range(12)]

    def kill() -> None:
        for _ in range(KILLS):
            time.sleep(0.3)
            site.kill_one()
        stop.set()

    *turns, _ = at_once(
        [*(functools.partial(write_until, stop, one, record_ids) for one in users), kill]
    )

    assert min(turns) > 0
    registry = make_application(site.settings).app.registry
    found = check(registry, repairs=True, owner="group:admins")
    left = check(registry)
    assert (left.remaining, left.foreign_objects) == (0, 0)
    assert left.objects == left.records
    # What was wrong is what was under way in a worker that was killed.
    assert found.without_record + found.without_owner <= KILLS * USERS
    for record_id in record_ids:
        writers = registry.permission.object_permission_principals(
            f"/amanitas/{record_id}", "write"
        )
        assert len(writers) <= 1
        assert writers <= {*ids, "group:admins"}
