"""Who gets ``write`` by writing, and who sees the permissions of a record: two settings."""

from __future__ import annotations

from typing import Any

import pytest
from support.sharing import URL, Toadstool, make_sharing_app, permissions_of, user_id
from webtest import TestApp

from cliquet.settings import SettingError
from cliquet.testing.web import basic_auth

OWNER = basic_auth("owner")
MEMBER = basic_auth("member")
READER = basic_auth("reader")
ADMIN = basic_auth("admin")
GROUP = "group:editors"
SETTINGS = {
    "toadstool_create_principals": "system.Authenticated",
    "toadstool_write_principals": "group:admins",
}
NAME = {"data": {"name": "cep"}}


def made(**settings: str) -> TestApp:
    app = make_sharing_app(settings={**SETTINGS, **settings}, resources=(Toadstool,))
    permission = app.app.registry.permission
    permission.add_user_principal(user_id(app, MEMBER), GROUP)
    permission.add_user_principal(user_id(app, ADMIN), "group:admins")
    return app


@pytest.fixture
def implicit() -> TestApp:
    return made(explicit_permissions="false")


def shared(app: TestApp, **permissions: list[str]) -> str:
    """Let the owner create a record, and return its URL."""
    given = permissions or {"write": [GROUP]}
    created = app.post_json(URL, {**NAME, "permissions": given}, headers=OWNER, status=201)
    return str(created.headers["Location"].removeprefix("http://localhost"))


def writers(app: TestApp, url: str) -> set[str]:
    found: set[str] = permissions_of(app, url.removeprefix("/v0")).get("write", set())
    return found


WRITES = [
    ("PUT", NAME),
    ("PATCH", NAME),
    ("PATCH", {"permissions": {"read": ["system.Everyone"]}}),
    ("PUT", {"permissions": {"write": [GROUP], "read": ["system.Everyone"]}}),
]


def write(app: TestApp, method: str, url: str, body: Any, headers: Any) -> Any:
    return getattr(app, f"{method.lower()}_json")(url, body, headers=headers, status=200)


@pytest.mark.clause("E-18.3")
@pytest.mark.setting("explicit_permissions")
@pytest.mark.parametrize(("method", "body"), WRITES)
@pytest.mark.parametrize("headers", [MEMBER, ADMIN], ids=["member", "admin by a setting"])
def test_who_edits_through_a_group_gets_nothing(
    implicit: TestApp, method: str, body: dict[str, Any], headers: dict[str, Any]
) -> None:
    url = shared(implicit)

    answer = write(implicit, method, url, body, headers)

    assert user_id(implicit, headers) not in writers(implicit, url)
    assert set(answer.json["permissions"]["write"]) == writers(implicit, url) >= {GROUP}
    permission = implicit.app.registry.permission
    permission.remove_principal(GROUP)
    if headers is MEMBER:
        implicit.patch_json(url, NAME, headers=MEMBER, status=403)


@pytest.mark.clause("E-18.3", "H-24.7")
@pytest.mark.parametrize(("method", "body"), WRITES)
def test_by_default_who_edits_gets_write(method: str, body: dict[str, Any]) -> None:
    app = made()
    url = shared(app)

    write(app, method, url, body, MEMBER)

    assert user_id(app, MEMBER) in writers(app, url)


@pytest.mark.clause("E-18.3")
@pytest.mark.parametrize(
    "body",
    [
        NAME,
        {"permissions": {"write": [GROUP]}},
        {"permissions": {"write": []}},
        {"permissions": {"read": ["system.Everyone"]}},
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_owners_stay_owners_whatever_they_write(
    implicit: TestApp, method: str, body: dict[str, Any]
) -> None:
    url = shared(implicit)

    write(implicit, method, url, body, OWNER)

    assert user_id(implicit, OWNER) in writers(implicit, url)


@pytest.mark.clause("E-18.3")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_creation_gives_write_to_its_creator(implicit: TestApp, method: str) -> None:
    url = URL if method == "POST" else f"{URL}/00000000-0000-4000-8000-000000000001"
    send = getattr(implicit, f"{method.lower()}_json")

    answer = send(url, {**NAME, "permissions": {"write": [GROUP]}}, headers=OWNER, status=201)

    assert set(answer.json["permissions"]["write"]) == {GROUP, user_id(implicit, OWNER)}


@pytest.mark.clause("E-18.3")
def test_no_record_is_left_without_anybody_who_may_write_it(implicit: TestApp) -> None:
    url = shared(implicit)

    write(implicit, "PUT", url, {"permissions": {"read": ["system.Everyone"]}}, MEMBER)

    assert writers(implicit, url) == {user_id(implicit, MEMBER)}


@pytest.mark.clause("E-18.3")
def test_in_a_batch_each_write_counts(implicit: TestApp) -> None:
    url = shared(implicit).removeprefix("/v0")
    requests = [
        {"method": "PATCH", "path": url, "body": NAME},
        {"method": "PATCH", "path": url, "body": {"permissions": {"read": [GROUP]}}},
    ]

    implicit.post_json("/v0/batch", {"requests": requests}, headers=MEMBER)

    assert writers(implicit, f"/v0{url}") == {GROUP, user_id(implicit, OWNER)}


# Who sees permissions


@pytest.fixture
def discreet() -> TestApp:
    return made(permissions_visible_to="write")


def seen(app: TestApp, url: str, headers: Any) -> Any:
    return app.get(url, headers=headers).json["permissions"]


@pytest.mark.clause("E-18.4")
@pytest.mark.setting("permissions_visible_to")
def test_readers_see_their_own_principals_alone(discreet: TestApp) -> None:
    reader = user_id(discreet, READER)
    url = shared(discreet, read=[reader, "group:others", "system.Authenticated"], write=[GROUP])

    assert seen(discreet, url, READER) == {"read": [reader, "system.Authenticated"]}


@pytest.mark.clause("E-18.4")
@pytest.mark.parametrize("headers", [OWNER, MEMBER, ADMIN], ids=["owner", "member", "admin"])
def test_whoever_may_write_sees_all(discreet: TestApp, headers: dict[str, Any]) -> None:
    url = shared(discreet, read=["group:others", "system.Authenticated"], write=[GROUP])

    assert seen(discreet, url, headers) == {
        "read": ["group:others", "system.Authenticated"],
        "write": sorted([GROUP, user_id(discreet, OWNER)]),
    }


@pytest.mark.clause("E-18.4")
def test_a_rule_of_the_application_counts(discreet: TestApp) -> None:
    from pyramid.interfaces import IAuthorizationPolicy

    url = shared(discreet, read=["group:others"], write=[GROUP])
    reader, uri = user_id(discreet, READER), url.removeprefix("/v0")
    permission = discreet.app.registry.permission
    permission.add_principal_to_ace("/toadstools", "write", reader)
    policy = discreet.app.registry.queryUtility(IAuthorizationPolicy)
    policy.get_bound_permissions = lambda object_id, name: [
        (object_id, name),
        ("/toadstools", "write"),
    ]

    assert seen(discreet, url, READER)["read"] == ["group:others"]
    assert permission.object_permissions(uri)["read"] == {"group:others"}


@pytest.mark.clause("E-18.4")
def test_the_answer_to_a_write_shows_what_was_written(discreet: TestApp) -> None:
    url = shared(discreet, read=["group:others"], write=[GROUP])

    answer = discreet.patch_json(url, NAME, headers=MEMBER).json["permissions"]

    assert answer["read"] == ["group:others"]


@pytest.mark.clause("E-18.4", "H-24.11")
def test_by_default_readers_see_all() -> None:
    app = made()
    url = shared(app, read=["system.Authenticated", "group:others"])

    assert seen(app, url, READER)["read"] == ["group:others", "system.Authenticated"]


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"permissions_visible_to": "nobody"}, "allowed: read or write"),
        ({"explicit_permissions": "maybe"}, "allowed: true or false"),
    ],
)
def test_other_values_stop_the_start(settings: dict[str, str], allowed: str) -> None:
    with pytest.raises(SettingError, match=allowed):
        made(**settings)
