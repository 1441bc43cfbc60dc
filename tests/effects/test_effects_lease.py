"""A request that is stopped within its commit for longer than its locks in Redis last (X-30)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.combinations import name_of, running_combination
from support.sharing import BODY, URL, user_id

from cliquet.connections import participants
from cliquet.permission.redis import joining
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
