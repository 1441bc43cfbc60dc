"""A request that is stopped within its commit for longer than its locks in Redis last (X-30)."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.combinations import name_of, running_combination
from support.sharing import BODY, URL, user_id

from cliquet.connections import participants
from cliquet.permission.redis import joining
from cliquet.testing.bounded import Threads, wait_until
from cliquet.testing.web import basic_auth
from cliquet.transactions import own

OWNER = basic_auth("owner")
MEMBER = basic_auth("member")
LEASE_MS = 50
PAIRS = [(storage, "redis", False) for storage in ("sqlite", "postgresql", "redis", "memory")]


@pytest.fixture(params=PAIRS, ids=name_of)
def slow_app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An application whose storage takes longer to commit than the locks last."""
    settings = {
        "groups_enabled": "true",
        "group_create_principals": "system.Authenticated",
    }
    with running_combination(request.param, request, **settings) as app:
        monkeypatch.setattr(joining, "LEASE_MS", LEASE_MS)
        for owner in (own._Decision, participants.SQLDataManager):
            monkeypatch.setattr(owner, "tpc_vote", slow(owner.tpc_vote))
        yield app


def slow(vote: Any) -> Any:
    def voting(*args: Any) -> None:
        vote(*args)
        time.sleep(3 * LEASE_MS / 1000)

    return voting


pytestmark = pytest.mark.clause("X-30", "B-18.7")


def test_new_records_have_their_permissions(slow_app: Any) -> None:
    created = slow_app.post_json(URL, BODY, headers=OWNER, status=201).json["data"]["id"]
    requests = [{"method": "POST", "path": URL.removeprefix("/v0"), "body": BODY}] * 3
    answer = slow_app.post_json("/v0/batch", {"requests": requests}, headers=OWNER).json
    ids = [one["body"]["data"]["id"] for one in answer["responses"]]

    for record_id in [created, *ids]:
        slow_app.get(f"{URL}/{record_id}", headers=OWNER, status=200)


def test_changed_permissions_are_those_of_the_request(slow_app: Any) -> None:
    member = user_id(slow_app, MEMBER)
    created = slow_app.post_json(URL, BODY, headers=OWNER, status=201).json["data"]["id"]
    url = f"{URL}/{created}"

    shared = {"permissions": {"read": [member]}}
    slow_app.patch_json(url, shared, headers=OWNER, status=200)
    slow_app.get(url, headers=MEMBER, status=200)
    slow_app.patch_json(url, {"permissions": {"read": []}}, headers=OWNER, status=200)
    slow_app.get(url, headers=MEMBER, status=403)
    slow_app.delete(url, headers=OWNER, status=200)

    permission = slow_app.app.registry.permission
    assert permission.object_permissions(url.removeprefix("/v0")) == {}


def test_new_groups_have_their_members(slow_app: Any) -> None:
    member = user_id(slow_app, MEMBER)
    body = {"data": {"members": [member]}}
    created = slow_app.post_json("/v0/groups", body, headers=OWNER, status=201).json["data"]["id"]

    slow_app.get(f"/v0/groups/{created}", headers=OWNER, status=200)
    principals = slow_app.app.registry.permission.user_principals(member)
    assert principals == {f"/groups/{created}"}


@pytest.fixture(params=PAIRS, ids=name_of)
def stopped(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Make an application that is stopped after its storage has committed, until nobody waits.

    Then somebody else does something, and the application goes on.
    """
    threads = Threads(1)
    meanwhile: list[Callable[[], Any]] = []
    made: list[Any] = []

    def stopping(vote: Any) -> Any:
        def voting(*args: Any) -> None:
            vote(*args)
            if meanwhile:
                act, permission = meanwhile.pop(), made[0].app.registry.permission
                wait_until(lambda: not permission._client.keys("*lock:*"), "the end of the locks")
                wait_until(lambda: not permission._changes._committing(), "the end of the wait")
                threads.submit(act).result()

        return voting

    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> tuple[Any, Callable[..., None]]:
            app = stack.enter_context(running_combination(request.param, request, **settings))
            made.append(app)
            monkeypatch.setattr(joining, "LEASE_MS", LEASE_MS)
            for owner in (own._Decision, participants.SQLDataManager):
                monkeypatch.setattr(owner, "tpc_vote", stopping(owner.tpc_vote))
            return app, meanwhile.append

        yield make
    # In memory, the records become visible after everything else.
    assert not meanwhile or request.param[0] == "memory"
    threads.shutdown()


def ids(response: Any) -> set[str]:
    return {record["id"] for record in response.json["data"]}


def create(app: Any, *readers: str) -> str:
    body = {**BODY, "permissions": {"read": list(readers)}}
    created: str = app.post_json(URL, body, headers=OWNER, status=201).json["data"]["id"]
    return created


def share(app: Any, record_id: str, *readers: str) -> None:
    body = {"permissions": {"read": list(readers)}}
    app.patch_json(f"{URL}/{record_id}", body, headers=OWNER, status=200)


@pytest.mark.clause("H-9.8")
@pytest.mark.parametrize("way", ["create", "share"])
def test_what_is_shared_when_nobody_waits_is_told(stopped: Any, way: str) -> None:
    app, meanwhile = stopped()
    member = user_id(app, MEMBER)
    create(app, member)
    target = create(app)
    answers: list[Any] = []

    meanwhile(lambda: answers.append(app.get(URL, headers=MEMBER, status=200)))
    if way == "create":
        target = create(app, member)
    else:
        share(app, target, member)

    known = answers or [app.get(URL, headers=MEMBER)]
    etag = known[0].headers["ETag"]
    assert target in ids(known[0]) | ids(app.get(f"{URL}?_since={etag}", headers=MEMBER))
    shown = app.get(f"{URL}/{target}", headers=OWNER).json
    assert (shown["data"]["name"], shown["permissions"]["read"]) == ("death cap", [member])


@pytest.mark.clause("E-11.3", "E-12.4")
@pytest.mark.parametrize("way", ["share", "take"])
@pytest.mark.parametrize("query", ["_sync", "_since"])
def test_what_changes_when_nobody_waits_is_told_to_those_who_keep_copies(
    stopped: Any, way: str, query: str
) -> None:
    name = "toadstool_sync_enabled" if query == "_sync" else "toadstool_sync_departures"
    app, meanwhile = stopped(**{name: "true"})
    member = user_id(app, MEMBER)
    create(app, member)
    readers = [member] if way == "share" else []
    target = create(app, *([] if readers else [member]))
    known: set[str] = set()
    position = ["" if query == "_sync" else "0"]

    def poll() -> None:
        response = app.get(f"{URL}?{query}={position[0]}", headers=MEMBER, status=200)
        for record in response.json["data"]:
            (known.discard if record.get("deleted") else known.add)(record["id"])
        position[0] = response.headers["Sync-Token" if query == "_sync" else "ETag"]

    poll()
    meanwhile(poll)
    share(app, target, *readers)
    poll()

    assert (target in known) == bool(readers)
