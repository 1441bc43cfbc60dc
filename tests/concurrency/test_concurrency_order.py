"""A second writer at each moment of a first one: record and permissions have one order.

Records and permissions may be committed one after the other. Whoever writes the record last has
also the last word on its permissions, and on the members of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import colander
import pytest
from support.combinations import COMBINATIONS, backend_settings, name_of
from support.interleaving import Interleaving
from support.sharing import permissions_of, user_id
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth, make_app

URL = "/v0/morels"
OWNER = basic_auth("owner")
EDITOR = basic_auth("editor")
ADMIN = basic_auth("admin")

pytestmark = [pytest.mark.slow, pytest.mark.clause("B-18.7", "E-19.1", "H-5.18", "X-24", "X-30")]


class Morel(resource.ShareableResource):
    """Without unique fields: requests of a batch may be made together."""

    class MorelSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MorelSchema()


Apps = tuple[TestApp, TestApp]
Request = Callable[[str], Any]


@pytest.fixture(scope="module", params=COMBINATIONS, ids=name_of)
def apps(request: pytest.FixtureRequest) -> Iterator[Apps]:
    """Clients of two applications on one storage, as in two processes; in memory, of one."""
    settings = {
        "groups_enabled": "true",
        "group_create_principals": "system.Authenticated",
        "morel_create_principals": "system.Authenticated",
        # Somebody may write every record as soon as others can see it.
        "morel_write_principals": "group:admins",
    }
    with backend_settings(request.param, request) as backends:
        # A private memory cannot be shared by two.
        number = 1 if "memory" in request.param else 2
        made = [make_app([Morel], settings={**backends, **settings}) for _ in range(number)]
        registry = made[0].app.registry
        for backend in (registry.storage, registry.permission):
            backend.initialize_schema()
            backend.flush()
        registry.permission.add_user_principal(user_id(made[0], ADMIN), "group:admins")
        yield made[0], TestApp(made[-1].app)
        for app in made:
            for backend in (app.app.registry.storage, app.app.registry.permission):
                dispose = getattr(getattr(backend, "client", None), "dispose", None)
                if dispose is not None:
                    dispose()


@pytest.fixture
def interleaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interleaving]:
    made = Interleaving(monkeypatch)
    yield made
    made.close()


def delete(app: TestApp) -> Request:
    return lambda url: app.delete(url, headers=OWNER, status="*").status_int


def delete_all(app: TestApp) -> Request:
    return lambda url: app.delete(url.rpartition("/")[0], headers=OWNER, status="*").status_int


# Groups


def change_members(app: TestApp, *members: str) -> Request:
    body = {"data": {"members": list(members)}}
    return lambda url: app.patch_json(url, body, headers=OWNER, status="*").status_int


MEMBERS = ("basicauth:former", "basicauth:one", "basicauth:other")
OF_GROUPS: dict[str, Callable[[TestApp], Request]] = {
    "members": lambda app: change_members(app, MEMBERS[1]),
    "others": lambda app: change_members(app, MEMBERS[2]),
    "deletion": delete,
    "deletion of all": delete_all,
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("members", "others"),
        ("members", "deletion"),
        ("members", "deletion of all"),
        ("deletion of all", "members"),
    ],
)
def test_members_of_a_group_have_its_principal_and_nobody_else(
    apps: Apps, interleaving: Interleaving, first: str, second: str
) -> None:
    app, other = apps
    make_first, make_second = OF_GROUPS[first](app), OF_GROUPS[second](other)
    permission = app.app.registry.permission
    for moment in interleaving.moments():
        body = {"data": {"members": [MEMBERS[0]]}}
        group = app.post_json("/v0/groups", body, headers=OWNER, status=201).json["data"]["id"]
        url = f"/v0/groups/{group}"

        statuses = interleaving.run(moment, partial(make_first, url), partial(make_second, url))

        assert set(statuses) <= {200, 403, 404, 503, None}, moment
        found = app.get(url, headers=OWNER, status="*")
        members = set(found.json["data"]["members"]) if found.status_int == 200 else set()
        principal = f"/groups/{group}"
        holders = {one for one in MEMBERS if principal in permission.user_principals(one)}
        assert holders == members, moment


# Records


def edit(app: TestApp) -> Request:
    """Write as somebody who may, and so gets the permission by name."""
    body = {"data": {"name": "edited"}}
    return lambda url: app.patch_json(url, body, headers=EDITOR, status="*").status_int


def share(app: TestApp, name: str) -> Request:
    body = {"data": {"name": name}, "permissions": {"read": [f"group:{name}"], "write": []}}
    return lambda url: app.put_json(url, body, headers=OWNER, status="*").status_int


def edit_with_others(app: TestApp) -> Request:
    """Write several records by one request, as somebody who may by a setting."""

    def edit_all(url: str) -> Any:
        body = {"data": {"name": "edited with others"}}
        aside = app.post_json(URL, {"data": {"name": "aside"}}, headers=OWNER).json["data"]["id"]
        paths = [url.removeprefix("/v0"), f"/morels/{aside}"]
        requests = [{"method": "PATCH", "path": path, "body": body} for path in paths]
        answer = app.post_json("/v0/batch", {"requests": requests}, headers=ADMIN, status="*")
        return answer.status_int

    return edit_all


OF_RECORDS: dict[str, Callable[[TestApp], Request]] = {
    "edited": edit,
    "edited with others": edit_with_others,
    "one": lambda app: share(app, "one"),
    "other": lambda app: share(app, "other"),
    "deletion": delete,
    "deletion of all": delete_all,
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("one", "other"),
        ("edited", "one"),
        ("one", "edited"),
        ("edited", "deletion"),
        ("one", "deletion"),
        ("edited with others", "one"),
        ("one", "edited with others"),
        ("deletion", "edited"),
        ("deletion of all", "one"),
    ],
)
def test_permissions_are_those_of_the_last_who_wrote_the_record(
    apps: Apps, interleaving: Interleaving, first: str, second: str
) -> None:
    app, other = apps
    owner, editor, admin = (user_id(app, headers) for headers in (OWNER, EDITOR, ADMIN))
    shared = {name: {"read": {f"group:{name}"}, "write": {owner}} for name in ("one", "other")}
    # The editors were put out by whoever wrote the record since. The administrators were not.
    expected = {name: [aces] for name, aces in shared.items()}
    expected["edited"] = [{"write": {owner, editor, "group:editors"}}]
    expected["edited with others"] = [
        {"write": {owner, admin, "group:editors"}},
        {**shared["one"], "write": {owner, admin}},
    ]
    make_first, make_second = OF_RECORDS[first](app), OF_RECORDS[second](other)
    app.app.registry.permission.add_user_principal(editor, "group:editors")
    for moment in interleaving.moments():
        body = {"data": {"name": "new"}, "permissions": {"write": ["group:editors"]}}
        record = app.post_json(URL, body, headers=OWNER, status=201).json["data"]
        url = f"{URL}/{record['id']}"

        statuses = interleaving.run(moment, partial(make_first, url), partial(make_second, url))

        assert set(statuses) <= {200, 201, 403, 404, 503, None}, moment
        records, _ = app.app.registry.storage.get_all("morel", "")
        names = [one["name"] for one in records if one["id"] == record["id"]]
        wanted = expected[names[0]] if names else [{}]
        assert permissions_of(app, f"/morels/{record['id']}") in wanted, (moment, statuses)


def create(app: TestApp) -> Request:
    return lambda url: app.post_json(URL, {"data": {"name": "new"}}, headers=OWNER).status_int


def create_two(app: TestApp) -> Request:
    one = {"method": "POST", "path": "/morels", "body": {"data": {"name": "new"}}}
    body = {"requests": [one, one]}
    return lambda url: app.post_json("/v0/batch", body, headers=OWNER).status_int


def take(app: TestApp) -> Request:
    """Take the first record that is there from whoever has it."""
    body = {"data": {"name": "taken"}, "permissions": {"write": []}}

    def take_first(url: str) -> Any:
        for record in app.get(f"{URL}?_limit=1", headers=ADMIN).json["data"]:
            return app.put_json(f"{URL}/{record['id']}", body, headers=ADMIN, status="*").status_int

    return take_first


def remove(app: TestApp) -> Request:
    return lambda url: app.delete(URL, headers=ADMIN, status="*").status_int


@pytest.mark.parametrize("make_first", [create, create_two])
@pytest.mark.parametrize("make_second", [take, remove])
def test_who_writes_a_new_record_that_is_visible_has_the_last_word_on_its_permissions(
    apps: Apps, interleaving: Interleaving, make_first: Any, make_second: Any
) -> None:
    first, second = make_first(apps[0]), make_second(apps[1])
    owner, admin = (user_id(apps[0], headers) for headers in (OWNER, ADMIN))
    storage, permission = apps[0].app.registry.storage, apps[0].app.registry.permission
    for moment in interleaving.moments():
        storage.flush()
        permission.delete_object_permissions("/morels/*")

        statuses = interleaving.run(moment, partial(first, URL), partial(second, URL))

        assert set(statuses) <= {200, 201, 404, 503, None}, moment
        records, _ = storage.get_all("morel", "")
        writers = {"new": owner, "taken": admin}
        expected = {f"/morels/{one['id']}": {"write": {writers[one["name"]]}} for one in records}
        held = permission.get_accessible_objects([owner, admin])
        aces = {uri: permission.object_permissions(uri) for uri in held}
        assert aces == expected, (moment, statuses)
