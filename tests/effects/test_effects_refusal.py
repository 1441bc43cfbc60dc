"""A request that is refused, or undone, changes no permission, wherever permissions are kept."""

import uuid
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from pyramid.httpexceptions import HTTPForbidden
from support.combinations import running_combination
from support.sharing import object_id, permissions_of, send_content, user_id
from webtest import TestApp

from cliquet import events, resource
from cliquet.testing.storage.common import in_another_thread
from cliquet.testing.web import basic_auth

URL = "/v0/morels"
OWNER = basic_auth("owner", "0")
OTHER = basic_auth("other", "1")
THIRD = basic_auth("third", "2")


class Morel(resource.ShareableResource):
    """Fails once it has written, as its name says; and lets others in before it does."""

    meanwhile = []

    class MorelSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MorelSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        if new["name"] == "slow" and self.meanwhile:
            in_another_thread(self.meanwhile.pop())
        return super().process_record(new, old)

    def postprocess(self, result: Any, action: Any = events.ACTIONS.READ, old: Any = None) -> Any:
        if not isinstance(result, list) and action is not events.ACTIONS.READ:
            name = self.request.headers.get("X-Fails")
            if name == "refused":
                raise HTTPForbidden
            if name == "crash":
                raise RuntimeError(name)
        return super().postprocess(result, action=action, old=old)


class _Objecting:
    """A data manager that keeps a transaction from being committed."""

    def __init__(self, manager: Any) -> None:
        self.transaction_manager = manager

    def tpc_vote(self, transaction: Any) -> None:
        raise RuntimeError("objection")

    def sortKey(self) -> str:  # noqa: N802
        return "an application's"

    def ignore(self, transaction: Any) -> None:
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = ignore


def fail_before_commit(event: Any) -> None:
    if event.request.headers.get("X-Fails") == "subscriber":
        raise RuntimeError("subscriber")
    if event.request.headers.get("X-Fails") == "objection":
        event.request.tm.get().join(_Objecting(event.request.tm))


@pytest.fixture(scope="module")
def combined_app(combination: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    def configure(config: Any) -> None:
        config.add_subscriber(fail_before_commit, events.ResourceChanged)

    settings = {"morel_create_principals": "system.Authenticated"}
    with running_combination(
        combination, request, resources=[Morel], configure=configure, **settings
    ) as app:
        yield app


@pytest.fixture
def url() -> str:
    return f"{URL}/{uuid.uuid4()}"


@pytest.fixture
def me(app: Any) -> Any:
    return user_id(app, OWNER)


def body(name: str = "truffle", **permissions: Any) -> dict[str, Any]:
    return {"data": {"name": name}, "permissions": permissions}


def everything(app: TestApp) -> Any:
    """Return the records and what there is of permissions."""
    registry = app.app.registry
    records, _ = registry.storage.get_all("morel", "")
    ids = [f"/morels/{record['id']}" for record in records]
    users = [user_id(app, headers) for headers in (OWNER, OTHER, THIRD)]
    held = registry.permission.get_accessible_objects([*users, "group:friends"])
    return sorted(records, key=lambda record: record["id"]), permissions_by_object(app, ids), held


def permissions_by_object(app: TestApp, uris: Any) -> dict[str, Any]:
    return dict(zip(uris, app.app.registry.permission.get_objects_permissions(uris), strict=True))


def joins(app: TestApp) -> Any:
    return app.app.registry.storage.joins_transactions


def changes(app: TestApp) -> dict[str, Any]:
    """Return requests that change permissions, on records that are made for them."""
    made = [f"{URL}/{uuid.uuid4()}" for _ in range(3)]
    for url in made:
        app.put_json(url, body(read=["group:friends"]), headers=OWNER, status=201)
    return {
        "POST": ("POST", URL, body(read=["group:friends"])),
        "PUT of a new record": ("PUT", f"{URL}/{uuid.uuid4()}", body(write=["group:friends"])),
        "PUT": ("PUT", made[0], body(read=["system.Everyone"])),
        "PATCH": ("PATCH", made[1], {"permissions": {"read": ["system.Everyone"]}}),
        "DELETE": ("DELETE", made[2], None),
        "DELETE of a list": ("DELETE", URL, None),
    }


CHANGES = ["POST", "PUT of a new record", "PUT", "PATCH", "DELETE", "DELETE of a list"]


@pytest.mark.clause("X-30", "B-18.5", "X-18")
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("how", ["crash", "refused", "subscriber", "objection"])
def test_what_is_undone_changes_no_permission(app: TestApp, me: str, name: str, how: str) -> None:
    method, url, content = changes(app)[name]
    if name == "DELETE of a list":
        for permission in ("read", "write"):
            app.app.registry.permission.add_principal_to_ace("/morels", permission, me)
        if how in ("crash", "refused"):
            how = "subscriber"
    before = everything(app)

    send_content(
        app,
        method,
        url,
        content,
        {**OWNER, "X-Fails": how},
        status=403 if how == "refused" else 500,
    )

    after = everything(app)
    if joins(app):
        assert after == before
    # Redis keeps the record, and then its permissions with it.
    assert sorted(after[1]) == sorted(uri for uri in after[2] if uri != "/morels")
    assert all(me in permissions["write"] for permissions in after[1].values())


@pytest.mark.clause("X-30", "X-23", "X-18")
@pytest.mark.parametrize("name", CHANGES[:-1])
@pytest.mark.parametrize("how", ["crash", "refused"])
def test_what_is_undone_in_a_batch_changes_no_permission(
    app: TestApp, me: str, name: str, how: str
) -> None:
    method, url, content = changes(app)[name]
    before = everything(app)
    requests = [
        {"method": "PUT", "path": f"{URL}/{uuid.uuid4()}", "body": body(read=["group:friends"])},
        {"method": method, "path": url, "headers": {"X-Fails": how}},
    ]
    if content is not None:
        requests[1]["body"] = content

    answer = app.post_json("/v0/batch", {"requests": requests}, headers=OWNER, status="*")

    after = everything(app)
    if how == "crash":
        assert answer.status_code == 500
        assert after == before or not joins(app)
    else:
        assert [one["status"] for one in answer.json["responses"]] == [201, 403]
        if joins(app):
            assert {uri: after[1][uri] for uri in before[1]} == before[1]
            assert len(after[0]) == len(before[0]) + 1
    assert sorted(after[1]) == sorted(after[2])
    assert all(me in permissions["write"] for permissions in after[1].values())


@pytest.mark.clause("X-30", "H-10.6")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_failed_precondition_changes_no_permission(app: TestApp, url: str, method: str) -> None:
    app.put_json(url, body(read=["group:friends"]), headers=OWNER, status=201)
    before = everything(app)
    content = None if method == "DELETE" else body(read=["system.Everyone"])

    send_content(app, method, url, content, {**OWNER, "If-Match": '"1"'}, status=412)
    requests = [{"method": method, "path": url, "headers": {"If-Match": '"1"'}}]
    if content is not None:
        requests[0]["body"] = content
    app.post_json("/v0/batch", {"requests": requests}, headers=OWNER, status=200)

    assert everything(app) == before


# Others who write in between


@pytest.fixture
def meanwhile(app: Any) -> Iterator[list[Any]]:
    """Functions that another client runs before a record named `slow` is written.

    On a storage with locks nobody else can write then.
    """
    if joins(app):
        pytest.skip("This storage locks.")
    Morel.meanwhile.clear()
    yield Morel.meanwhile
    assert Morel.meanwhile == []


@pytest.mark.clause("X-30", "D-62", "X-24")
@pytest.mark.parametrize("how", ["PUT", "PUT if absent", "POST"])
def test_who_comes_second_has_no_right_on_the_record_of_the_first(
    app: TestApp, url: str, meanwhile: list[Any], how: str
) -> None:
    other = user_id(app, OTHER)
    meanwhile.append(lambda: app.put_json(url, body("first"), headers=OTHER, status=201))
    headers = {**OWNER, "If-None-Match": "*"} if how == "PUT if absent" else OWNER
    content = body("slow", read=["group:friends"])

    if how == "POST":
        content["data"]["id"] = url.rsplit("/", 1)[1]
        app.post_json(URL, content, headers=headers, status=409)
    else:
        app.put_json(url, content, headers=headers, status=403)

    assert permissions_of(app, object_id(url)) == {"write": {other}}


@pytest.mark.clause("X-30", "D-53", "X-24")
def test_a_patch_that_is_overtaken_makes_nothing_public(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    app.put_json(url, body(write=["system.Authenticated"]), headers=OWNER, status=201)
    etag = app.get(url, headers=OWNER).headers["ETag"]
    meanwhile.append(
        lambda: app.patch_json(url, {"data": {"name": "other"}}, headers=OTHER, status=200)
    )
    content = {"data": {"name": "slow"}, "permissions": {"read": ["system.Everyone"]}}

    app.patch_json(url, content, headers={**OWNER, "If-Match": etag}, status=412)

    assert "read" not in permissions_of(app, object_id(url))
    app.get(url, status=401)
