"""Groups of users as shared records, whose members have the URI of the record as a principal."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from support.sharing import Toadstool, make_sharing_app, user_id
from webtest import TestApp

from cliquet import resource
from cliquet.events import ResourceChanged
from cliquet.testing.web import basic_auth

pytestmark = [pytest.mark.clause("E-19.1"), pytest.mark.setting("groups_enabled")]

OWNER, MEMBER, OTHER = basic_auth("owner"), basic_auth("member"), basic_auth("other")
GROUPS, RECORDS = "/v0/groups", "/v0/toadstools"
ID = "00000000-0000-4000-8000-000000000001"
SETTINGS = {
    "groups_enabled": "true",
    "group_create_principals": "system.Authenticated",
    "toadstool_create_principals": "system.Authenticated",
}


@pytest.fixture(scope="module")
def all_events() -> list[Any]:
    return []


@pytest.fixture
def events(all_events: list[Any]) -> list[Any]:
    """The list of the test, and of all: applications that use one list are shared."""
    all_events.clear()
    return all_events


@pytest.fixture
def app(events: list[Any]) -> TestApp:
    def configure(config: Any) -> None:
        config.add_subscriber(
            lambda event: events.append((event.payload["resource_name"], event.payload["action"])),
            ResourceChanged,
        )

    return make_sharing_app(settings=SETTINGS, resources=(Toadstool,), configure=configure)


@pytest.fixture
def member(app: TestApp) -> str:
    return str(user_id(app, MEMBER))


@pytest.fixture
def other(app: TestApp) -> str:
    return str(user_id(app, OTHER))


def made(app: TestApp, *members: str, **more: Any) -> str:
    """Let the owner create a group, and return its URI."""
    body = {"data": {"members": list(members)}, **more}
    created = app.post_json(GROUPS, body, headers=OWNER, status=201)
    return f"/groups/{created.json['data']['id']}"


def shared_with(app: TestApp, group: str) -> str:
    """Let the owner share a record with a group, and return its URL."""
    body = {"data": {"name": "cep"}, "permissions": {"read": [group]}}
    created = app.post_json(RECORDS, body, headers=OWNER, status=201)
    return f"{RECORDS}/{created.json['data']['id']}"


def principals(app: TestApp, user: str) -> set[str]:
    found: set[str] = app.app.registry.permission.user_principals(user)
    return found


def change(app: TestApp, group: str, *members: str, method: str = "PATCH", **kw: Any) -> Any:
    call = getattr(app, f"{method.lower()}_json")
    headers = kw.pop("headers", OWNER)
    return call(f"/v0{group}", {"data": {"members": list(members)}}, headers=headers, **kw)


def test_members_open_what_is_shared_with_the_group(app: TestApp, member: str) -> None:
    group = made(app, member)
    url = shared_with(app, group)

    assert principals(app, member) == {group}
    assert app.get(url, headers=MEMBER).json["data"]["name"] == "cep"
    assert len(app.get(RECORDS, headers=MEMBER).json["data"]) == 1
    app.get(url, headers=OTHER, status=403)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_members_come_and_go_with_the_record(
    app: TestApp, member: str, other: str, method: str
) -> None:
    group = made(app, member)
    url = shared_with(app, group)

    change(app, group, other, method=method)

    assert (principals(app, member), principals(app, other)) == (set(), {group})
    app.get(url, headers=MEMBER, status=403)
    app.get(url, headers=OTHER, status=200)


def test_other_formats_of_patch_change_members_too(app: TestApp, member: str, other: str) -> None:
    group = made(app, member)
    operations = [{"op": "add", "path": "/data/members/-", "value": other}]
    headers = {**OWNER, "Content-Type": "application/json-patch+json"}

    app.patch_json(f"/v0{group}", operations, headers=headers, status=200)

    assert principals(app, other) == principals(app, member) == {group}


@pytest.mark.parametrize("place", [GROUPS, "record"])
def test_a_deletion_takes_the_principal_and_what_was_shared_with_it(
    app: TestApp, member: str, place: str
) -> None:
    group, kept = made(app, member), made(app, member)
    url = shared_with(app, group)
    uri = url.removeprefix("/v0")

    path = f"/v0{group}" if place == "record" else f"{GROUPS}?id={group.rpartition('/')[2]}"
    app.delete(path, headers=OWNER, status=200)

    assert principals(app, member) == {kept}
    app.get(url, headers=MEMBER, status=403)
    permissions = app.app.registry.permission.object_permissions(uri)
    assert permissions == {"write": {user_id(app, OWNER)}}


def test_nobody_chooses_the_id_of_a_group(app: TestApp, member: str) -> None:
    group = made(app, member)
    shared_with(app, group)
    app.delete(f"/v0{group}", headers=OWNER)
    body = {"data": {"members": [user_id(app, OTHER)]}}

    app.put_json(f"/v0{group}", body, headers=OTHER, status=404)
    app.put_json(f"/v0/groups/{ID}", body, headers=OTHER, status=404)
    chosen = {"data": {**body["data"], "id": group.rpartition("/")[2]}}
    refused = app.post_json(GROUPS, chosen, headers=OTHER, status=400)

    assert refused.json["details"][0]["name"] == "data.id"
    assert principals(app, user_id(app, OTHER)) == set()


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (["system.Authenticated"], "data.members.0"),
        (["system.Everyone"], "data.members.0"),
        (["/groups/x"], "data.members.0"),
        (["group:staff"], "data.members.0"),
        (["basicauth:a", "basicauth:"], "data.members.1"),
        ([":a"], "data.members.0"),
        ([f"basicauth:{'a' * 600}"], "data.members.0"),
        ([5], "data.members.0"),
        ("basicauth:a", "data.members"),
        ([f"basicauth:{n}" for n in range(1001)], "data.members"),
    ],
)
def test_only_users_are_members(app: TestApp, members: list[Any] | str, name: str) -> None:
    refused = app.post_json(GROUPS, {"data": {"members": members}}, headers=OWNER, status=400)

    assert refused.json["details"][0]["name"] == name


def test_a_misspelt_member_list_is_refused(app: TestApp) -> None:
    refused = app.post_json(GROUPS, {"data": {"membres": []}}, headers=OWNER, status=400)

    assert "did you mean 'members'?" in refused.json["message"]


def test_a_user_is_a_member_once(app: TestApp, member: str) -> None:
    answer = app.post_json(GROUPS, {"data": {"members": [member, member]}}, headers=OWNER)

    assert answer.json["data"]["members"] == [member]


def test_members_do_not_see_or_change_the_group_unless_it_says_so(
    app: TestApp, member: str
) -> None:
    group = made(app, member)
    app.get(f"/v0{group}", headers=MEMBER, status=403)
    change(app, group, headers=MEMBER, status=403)

    app.patch_json(f"/v0{group}", {"permissions": {"read": [group]}}, headers=OWNER)

    assert app.get(f"/v0{group}", headers=MEMBER).json["data"]["members"] == [member]
    change(app, group, headers=MEMBER, status=403)


def test_only_who_may_create_groups_can() -> None:
    app = make_sharing_app(settings={"groups_enabled": "true"}, resources=(Toadstool,))

    app.post_json(GROUPS, {"data": {}}, headers=OWNER, status=403)
    app.post_json(GROUPS, {"data": {}}, status=401)


def test_a_batch_sees_what_it_has_changed(app: TestApp, member: str) -> None:
    group = made(app, member, permissions={"write": []})
    app.patch_json(f"/v0{group}", {"permissions": {"write": [group]}}, headers=OWNER)
    url = shared_with(app, group).removeprefix("/v0")
    requests = [
        {"path": url},
        {"method": "PATCH", "path": group, "body": {"data": {"members": []}}},
        {"path": url},
    ]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=MEMBER).json["responses"]

    assert [answer["status"] for answer in answers] == [200, 200, 403]


def test_a_batch_creates_groups(app: TestApp, member: str) -> None:
    requests = [
        {"method": "POST", "path": "/groups", "body": {"data": {"members": [member]}}},
        {"method": "POST", "path": "/groups", "body": {"data": {"members": [member]}}},
        {"method": "POST", "path": "/groups", "body": {"data": {"members": ["x"]}}},
        {"method": "POST", "path": "/groups", "body": {"data": {"members": [member], "id": ID}}},
    ]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=OWNER).json["responses"]

    assert [answer["status"] for answer in answers] == [201, 201, 400, 400]
    expected = {f"/groups/{answer['body']['data']['id']}" for answer in answers[:2]}
    assert principals(app, member) == expected


@pytest.mark.clause("H-34.1")
def test_members_change_with_the_transaction(
    app: TestApp, member: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = made(app, member)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("after the write")

    from cliquet.views.groups import Group

    monkeypatch.setattr(Group, "postprocess", fail)
    change(app, group, other, status=500)

    # A storage in Redis keeps what it has written; the members follow the record.
    is_undone = app.app.registry.storage.joins_transactions
    assert principals(app, member) == ({group} if is_undone else set())
    assert principals(app, other) == (set() if is_undone else {group})

    app.delete(f"/v0{group}", headers=OWNER, status=500)

    assert principals(app, member) == ({group} if is_undone else set())
    assert principals(app, other) == set()


def test_a_false_condition_changes_nobody(app: TestApp, member: str, other: str) -> None:
    group = made(app, member)

    change(app, group, other, headers={**OWNER, "If-Match": '"1"'}, status=412)

    assert principals(app, other) == set()


def test_subscribers_are_told(app: TestApp, events: list[Any], member: str) -> None:
    group = made(app, member)
    change(app, group)
    app.delete(f"/v0{group}", headers=OWNER)

    assert events == [("group", "create"), ("group", "update"), ("group", "delete")]


def test_without_the_setting_there_are_no_groups() -> None:
    app = make_sharing_app(resources=(Toadstool,))

    app.get(GROUPS, headers=OWNER, status=404)


def test_groups_need_a_permission_backend() -> None:
    with pytest.raises(ConfigurationError, match="permission backend is missing"):
        make_sharing_app(
            settings={"groups_enabled": "true", "permission_backend": ""}, resources=()
        )


class Group(resource.ShareableResource):
    """A resource of the application with the name of ours."""


class Crew(resource.ShareableResource):
    """A resource of the application with the path of ours."""


@pytest.mark.parametrize(
    "other",
    [Group, (Crew, {"collection_path": "/groups", "record_path": "/groups/{{id}}"})],
)
def test_a_resource_in_the_place_of_groups_stops_the_start(other: object) -> None:
    with pytest.raises(ConfigurationError, match=r"class \w+: it has the name or the path of the"):
        make_sharing_app(settings=SETTINGS, resources=(other,))

    make_sharing_app(settings={}, resources=(other,))
