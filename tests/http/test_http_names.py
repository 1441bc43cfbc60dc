"""Users, URLs and records whose names look like patterns, or like nothing, on every backend."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import colander
import pytest
from servers.postgresql import new_database
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service, resource
from cliquet.authorization import PRIVATE
from cliquet.events import ResourceChanged
from cliquet.permission import PermissionBase

pytestmark = pytest.mark.clause("X-29", "D-48")

REMOTE = {
    "multiauth.policies": "remote basicauth",
    "multiauth.policy.remote.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
    "tale_create_principals": "system.Authenticated",
}
USERS = ("*", "alice", "a*", "remote:*", "**", "?", "%")
FORESTS = ("*", "oak", "o*", "**", "[o]ak", "%")
RECORD_ID = "00000000-0000-4000-8000-000000000001"


class Schema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String(), missing=colander.drop)


class Note(resource.UserResource):
    mapping = Schema()


class Tale(resource.ShareableResource):
    mapping = Schema()


class Cap(resource.ShareableResource):
    """Shared records below another object, which the URL names."""

    mapping = Schema()

    def get_parent_id(self, request: Any) -> str:
        return f"/forests/{request.matchdict['forest_id']}"


class Leaf(resource.UserResource):
    """Records of a user below another object."""

    mapping = Schema()

    def get_parent_id(self, request: Any) -> str:
        return f"{request.prefixed_userid}/{request.matchdict['forest_id']}"


def below(name: Any) -> dict[str, Any]:
    """Return where a resource below a forest is registered."""
    path = f"/forests/{{{{forest_id}}}}/{name}"
    return {"collection_path": path, "record_path": f"{path}/{{{{id}}}}"}


RESOURCES = (Note, Tale, (Cap, below("caps")), (Leaf, below("leaves")))


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql", "redis"])
def urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Settings of the storage and permission backends of a family."""
    family = request.param

    def settings(url: Any) -> dict[Any, Any]:
        return {
            f"{kind}_{name}": value
            for kind in ("storage", "permission")
            for name, value in (("backend", f"cliquet.{kind}.{family}"), ("url", url))
        }

    if family == "postgresql":
        with new_database(request.getfixturevalue("postgresql_server")) as url:
            yield settings(url)
    elif family == "redis":
        yield settings(f"{request.getfixturevalue('redis_server')}/3")
    else:
        yield settings(f"sqlite:///{tmp_path_factory.mktemp('names')}/data.db")


@pytest.fixture(scope="module")
def service(urls: Any) -> Any:
    def leave(request: Any) -> dict[str, Any]:
        """Delete all that a user has, as an application would."""
        registry = request.registry
        deleted = registry.storage.delete_all(None, request.prefixed_userid)
        return {"deleted": len(deleted)}

    def forget(event: Any) -> None:
        """Delete what belongs to the record, by what the event says, as an application would."""
        if event.payload["action"] == "delete" and "cap_id" in event.payload:
            registry = event.request.registry
            registry.permission.delete_object_permissions(event.payload["uri"])
            registry.storage.delete_all("spore", event.payload["forest_id"])
            registry.storage.purge_deleted("spore", event.payload["forest_id"])

    def configure(config: Any) -> None:
        leaving = Service(name="leaving", path="/leaving")
        leaving.add_view("POST", leave, permission=PRIVATE)
        config.add_cornice_service(leaving)
        config.add_subscriber(forget, ResourceChanged)

    app = make_app(RESOURCES, settings={**REMOTE, **urls}, configure=configure)
    for kind in ("storage", "permission"):
        getattr(app.app.registry, kind).initialize_schema()
    return app


@pytest.fixture(params=["alone", "in a batch"])
def send(service: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Sends a request for a user, by itself or in a batch; returns the body of the response."""

    def send_alone(
        user: Any, method: str, url: Any, body: Any = None, *, status: int | str = 200
    ) -> Any:
        response = service.request(
            quote(url, safe="/?&=*"),
            method=method,
            body=b"" if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            environ={"REMOTE_USER": user},
            status=status,
        )
        return response.json

    def send_in_batch(
        user: Any, method: str, url: Any, body: Any = None, *, status: int | str = 200
    ) -> Any:
        item = {"method": method, "path": quote(url, safe="/?&=*"), "body": body or {}}
        (answer,) = send_alone(user, "POST", "/v0/batch", {"requests": [item]})["responses"]
        assert answer["status"] == status, answer
        return answer["body"]

    yield send_alone if request.param == "alone" else send_in_batch
    service.app.registry.storage.flush()
    service.app.registry.permission.flush()


@pytest.fixture
def permission(service: Any) -> Any:
    return service.app.registry.permission


def names(answer: Any) -> list[Any]:
    return [record["name"] for record in answer["data"]]


@pytest.mark.parametrize("url", ["/v0/notes", "/v0/forests/oak/leaves", "/v0/forests/*/leaves"])
def test_a_user_called_by_a_star_lists_and_deletes_what_is_theirs(
    send: Callable[..., Any], url: str
) -> None:
    for user in USERS:
        send(user, "POST", url, {"data": {"name": user}}, status=201)

    listed = {user: names(send(user, "GET", url)) for user in USERS}
    counted = names(send("*", "GET", f"{url}?_limit=10&_sort=name"))
    filtered = names(send("*", "GET", f"{url}?name=alice"))
    deleted = send("*", "DELETE", url)
    left = {user: names(send(user, "GET", url)) for user in USERS}

    assert listed == {user: [user] for user in USERS}
    assert counted == ["*"]
    assert filtered == []
    assert len(deleted["data"]) == 1
    assert left == {user: [] if user == "*" else [user] for user in USERS}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_user_called_by_a_star_reaches_no_record_of_another(
    send: Callable[..., Any], method: str
) -> None:
    record = send("alice", "POST", "/v0/notes", {"data": {"name": "x"}}, status=201)["data"]

    send("*", method, f"/v0/notes/{record['id']}", {"data": {"name": "y"}}, status=404)

    assert names(send("alice", "GET", "/v0/notes")) == ["x"]


def test_a_segment_of_the_url_is_one_name(send: Callable[..., Any]) -> None:
    urls = [f"/v0/forests/{forest}/leaves" for forest in FORESTS]
    for url in urls:
        send("alice", "POST", url, {"data": {"name": url}}, status=201)

    listed = [names(send("alice", "GET", url)) for url in urls]
    send("alice", "DELETE", urls[0])
    left = [names(send("alice", "GET", url)) for url in urls]

    assert listed == [[url] for url in urls]
    assert left == [[], *listed[1:]]


def test_shared_records_of_another_parent_do_not_answer_for_a_star(
    send: Callable[..., Any], permission: PermissionBase
) -> None:
    for forest in FORESTS[1:]:
        permission.add_principal_to_ace(f"/forests/{forest}/caps", "cap:create", "remote:bob")
        body = {"data": {"name": forest}, "permissions": {"read": ["remote:*"]}}
        send("bob", "POST", f"/v0/forests/{forest}/caps", body, status=201)

    assert names(send("*", "GET", "/v0/forests/oak/caps")) == ["oak"]
    send("*", "GET", "/v0/forests/*/caps", status=403)
    send("alice", "GET", "/v0/forests/oak/caps", status=403)


def test_shared_records_of_a_star_are_listed_and_deleted_by_themselves(
    send: Callable[..., Any], permission: PermissionBase
) -> None:
    made = {}
    for forest in FORESTS:
        permission.add_principal_to_ace(f"/forests/{forest}/caps", "cap:create", "remote:*")
        body = {"data": {"name": forest}, "permissions": {"read": ["remote:alice"]}}
        url = f"/v0/forests/{forest}/caps/{RECORD_ID}"
        made[forest] = send("*", "PUT", url, body, status=201)

    assert names(send("alice", "GET", "/v0/forests/*/caps")) == ["*"]
    deleted = send("*", "DELETE", "/v0/forests/*/caps")

    assert len(deleted["data"]) == 1
    kept = [permission.object_permissions(f"/forests/{name}/caps/{RECORD_ID}") for name in FORESTS]
    assert kept[0] == {}
    assert kept[1:] == [{"read": {"remote:alice"}, "write": {"remote:*"}}] * len(FORESTS[1:])


def test_a_record_below_a_star_is_deleted_with_its_permissions_alone(
    send: Callable[..., Any], permission: PermissionBase
) -> None:
    for forest in FORESTS:
        permission.add_principal_to_ace(f"/forests/{forest}/caps", "cap:create", "remote:alice")
        send("alice", "PUT", f"/v0/forests/{forest}/caps/{RECORD_ID}", {"data": {}}, status=201)

    send("alice", "DELETE", f"/v0/forests/*/caps/{RECORD_ID}")

    kept = [permission.object_permissions(f"/forests/{name}/caps/{RECORD_ID}") for name in FORESTS]
    assert kept == [{}, *[{"write": {"remote:alice"}}] * len(FORESTS[1:])]


def test_a_user_called_by_a_star_has_no_right_of_others(send: Callable[..., Any]) -> None:
    body = {"data": {"name": "x"}, "permissions": {"read": ["remote:alice", "remote:*s"]}}
    tale = send("bob", "POST", "/v0/tales", body, status=201)["data"]

    send("*", "GET", f"/v0/tales/{tale['id']}", status=403)
    send("*", "PATCH", f"/v0/tales/{tale['id']}", {"data": {"name": "y"}}, status=403)
    send("*", "DELETE", f"/v0/tales/{tale['id']}", status=403)
    send("*", "GET", "/v0/tales", status=403)
    send("*", "DELETE", "/v0/tales", status=403)

    assert send("alice", "GET", f"/v0/tales/{tale['id']}")["data"] == tale


@pytest.mark.parametrize("user", ["", "a\0b", "\ud800", "x\udfff" * 100], ids=ascii)
@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v0/notes"),
        ("POST", "/v0/notes"),
        ("DELETE", "/v0/notes"),
        ("GET", "/v0/tales"),
        ("POST", "/v0/tales"),
        ("PUT", f"/v0/tales/{RECORD_ID}"),
        ("GET", "/v0/forests/oak/leaves"),
    ],
)
def test_an_id_that_cannot_be_stored_is_nobody(
    send: Callable[..., Any], user: str, method: str, url: str
) -> None:
    send(user, method, url, {"data": {}} if method.startswith("P") else None, status=401)


@pytest.mark.parametrize(
    "user", ["\n", " ", "a/b", "é", "\U0001f344", "a:b", "'", "%s", "{x}", "..", "\\"]
)
def test_any_other_id_is_a_user(send: Callable[..., Any], user: str) -> None:
    note = send(user, "POST", "/v0/notes", {"data": {"name": "x"}}, status=201)["data"]
    tale = send(user, "POST", "/v0/tales", {"data": {"name": "x"}}, status=201)

    assert tale["permissions"] == {"write": [f"remote:{user}"]}
    assert send(user, "GET", "/v0/notes")["data"] == [note]
    assert len(send(user, "DELETE", "/v0/tales")["data"]) == 1


def test_an_application_that_deletes_what_a_user_has_means_that_user(
    send: Callable[..., Any],
) -> None:
    for user in USERS:
        send(user, "POST", "/v0/notes", {"data": {"name": user}}, status=201)

    assert send("*", "POST", "/v0/leaving")["deleted"] == 1

    assert names(send("alice", "GET", "/v0/notes")) == ["alice"]


@pytest.mark.clause("P-21.3")
def test_an_application_that_deletes_what_an_event_names_means_that_object(
    send: Callable[..., Any], service: TestApp, permission: PermissionBase
) -> None:
    storage = service.app.registry.storage
    for forest in FORESTS:
        permission.add_principal_to_ace(f"/forests/{forest}/caps", "cap:create", "remote:alice")
        send("alice", "PUT", f"/v0/forests/{forest}/caps/{RECORD_ID}", {"data": {}}, status=201)
        storage.create("spore", forest, {})
        storage.delete("spore", forest, storage.create("spore", forest, {})["id"])

    send("alice", "DELETE", f"/v0/forests/*/caps/{RECORD_ID}")

    kept = [permission.object_permissions(f"/forests/{name}/caps/{RECORD_ID}") for name in FORESTS]
    assert kept == [{}, *[{"write": {"remote:alice"}}] * len(FORESTS[1:])]
    spores = [storage.list_all("spore", name, include_deleted=True) for name in FORESTS]
    assert [len(found) for found in spores] == [0, *[2] * len(FORESTS[1:])]
