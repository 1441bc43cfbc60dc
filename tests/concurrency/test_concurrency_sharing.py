"""Permission check and write of shareable records, with other clients in between."""

import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from support.sharing import FORBIDDEN, UNAUTHORIZED, contents, error, grant, permissions_of, user_id
from webtest import TestApp

from cliquet import resource
from cliquet.testing.storage.common import in_another_thread, in_threads
from cliquet.testing.web import basic_auth

URL = "/v0/morels"
COLLECTION = "/morels"
OWNER = basic_auth("owner", "0")
USER = basic_auth("user", "1")
THREADS = 8


class Morel(resource.ShareableResource):
    """Tells when a body is validated: after the permission check, before anything is written."""

    meanwhile = []

    class MorelSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)

        name = colander.SchemaNode(
            colander.String(), validator=lambda node, value: Morel.run_meanwhile(value)
        )
        code = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = MorelSchema()

    @classmethod
    def run_meanwhile(cls, name: Any) -> None:
        if name == "slow" and cls.meanwhile:
            in_another_thread(cls.meanwhile.pop())


@pytest.fixture
def meanwhile() -> Iterator[Any]:
    """Functions that another client runs while the body of a record named `slow` is validated."""
    Morel.meanwhile.clear()
    yield Morel.meanwhile
    assert Morel.meanwhile == []


@pytest.fixture
def app() -> TestApp:
    return make_app([Morel])


@pytest.fixture
def url() -> str:
    return f"{URL}/{uuid.uuid4()}"


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let threads interrupt each other a thousand times more often than usual."""
    interval_seconds = sys.getswitchinterval()
    sys.setswitchinterval(interval_seconds / 1000)
    yield
    sys.setswitchinterval(interval_seconds)


def client(app: TestApp) -> TestApp:
    """Return a client for one thread: each keeps cookies of its own."""
    return TestApp(app.app)


def body(name: Any, **members: Any) -> dict[str, Any]:
    return {"data": {"name": name, **members}}


def uri_of(url: Any) -> Any:
    return url.removeprefix("/v0")


def owner_creates(app: TestApp, url: Any, **kwargs: Any) -> Any:
    grant(app, COLLECTION, "morel:create", user_id(app, OWNER))
    return client(app).put_json(url, {**body("theirs"), **kwargs}, headers=OWNER, status=201)


@pytest.mark.clause("D-62", "H-5.4")
def test_a_put_allowed_to_replace_does_not_create(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    owner_creates(app, url, permissions={"write": [user_id(app, USER)]})
    meanwhile.append(lambda: client(app).delete(url, headers=OWNER, status=200))

    response = app.put_json(url, body("slow"), headers=USER, status="*")

    assert error(response) == FORBIDDEN
    ((tombstone,), _) = contents(app, "morel")
    assert tombstone["deleted"] is True
    assert permissions_of(app, uri_of(url)) == {}


@pytest.mark.clause("D-62", "H-5.4")
def test_a_put_allowed_to_create_does_not_replace(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    grant(app, COLLECTION, "morel:create", user_id(app, USER))
    meanwhile.append(lambda: owner_creates(app, url))

    response = app.put_json(url, body("slow"), headers=USER, status="*")

    assert error(response) == FORBIDDEN
    ((record,), _) = contents(app, "morel")
    assert record["name"] == "theirs"
    assert permissions_of(app, uri_of(url)) == {"write": {user_id(app, OWNER)}}


@pytest.mark.clause("D-62", "H-5.16")
def test_an_anonymous_put_allowed_to_create_does_not_replace(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    grant(app, COLLECTION, "morel:create", "system.Everyone")
    meanwhile.append(lambda: owner_creates(app, url))

    response = app.put_json(url, body("slow"), status="*")

    assert error(response) == UNAUTHORIZED
    assert contents(app, "morel")[0][0]["name"] == "theirs"


@pytest.mark.clause("D-62")
def test_a_put_allowed_to_do_both_creates_anew_what_was_deleted(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    me = user_id(app, USER)
    grant(app, COLLECTION, "morel:create", me)
    owner_creates(app, url, permissions={"write": [me], "read": ["group:friends"]})
    meanwhile.append(lambda: client(app).delete(url, headers=OWNER, status=200))

    response = app.put_json(url, body("slow"), headers=USER, status=201)

    # With fresh permissions (H-5.18).
    assert response.json["permissions"] == {"write": [me]}


@pytest.mark.clause("D-62")
def test_a_put_allowed_to_do_both_replaces_what_was_created(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    me = user_id(app, USER)
    grant(app, COLLECTION, "morel:create", me)
    meanwhile.append(lambda: owner_creates(app, url, permissions={"write": [me]}))

    response = app.put_json(url, body("slow"), headers=USER, status=200)

    assert response.json["data"]["name"] == "slow"
    assert set(response.json["permissions"]["write"]) == {me, user_id(app, OWNER)}


@pytest.mark.clause("D-62", "H-5.18")
def test_a_put_allowed_to_replace_does_not_replace_what_another_has_created_anew(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    me = user_id(app, USER)
    owner_creates(app, url, permissions={"write": [me]})

    def create_anew() -> None:
        client(app).delete(url, headers=OWNER, status=200)
        client(app).put_json(url, body("anew"), headers=OWNER, status=201)

    meanwhile.append(create_anew)

    response = app.put_json(url, body("slow"), headers=USER, status="*")

    assert error(response) == FORBIDDEN
    assert "anew" not in response.text
    records, _ = contents(app, "morel")
    assert [record["name"] for record in records] == ["anew"]
    assert permissions_of(app, uri_of(url)) == {"write": {user_id(app, OWNER)}}


@pytest.mark.clause("D-62", "D-55")
def test_a_put_replaces_what_another_has_changed_where_it_still_may(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    me = user_id(app, USER)
    owner_creates(app, url, permissions={"write": [me]})
    meanwhile.append(lambda: client(app).patch_json(url, body("other"), headers=OWNER, status=200))

    response = app.put_json(url, body("slow"), headers=USER, status=200)

    assert set(response.json["permissions"]["write"]) == {me, user_id(app, OWNER)}


@pytest.mark.clause("D-62", "P-16.3")
def test_a_put_that_needs_no_permission_is_not_judged_by_another(
    url: str, meanwhile: list[Any]
) -> None:
    class OpenViewSet(resource.ShareableViewSet):
        def get_view_arguments(
            self, endpoint_type: Any, resource_cls: Any, method: str
        ) -> dict[Any, Any]:
            arguments = super().get_view_arguments(endpoint_type, resource_cls, method)
            return {**arguments, "permission": NO_PERMISSION_REQUIRED}

    app = make_app([(Morel, {"viewset": OpenViewSet()})])
    meanwhile.append(lambda: owner_creates(app, url))

    app.put_json(url, body("slow"), headers=USER, status=200)


@pytest.mark.clause("D-55", "E-4.1", "H-24.6")
def test_json_patches_of_permissions_are_all_preserved(
    app: TestApp, url: str, frequent_switches: None
) -> None:
    owner_creates(app, url, permissions={"read": ["group:first"]})

    def add(rank: Any) -> Any:
        operation = {"op": "add", "path": "/permissions/read/-", "value": f"group:{rank}"}
        return client(app).patch(
            url,
            json.dumps([operation]),
            headers={**OWNER, "Content-Type": "application/json-patch+json"},
            status=200,
        )

    in_threads(THREADS, add)

    expected = {"group:first", *(f"group:{rank}" for rank in range(THREADS))}
    assert permissions_of(app, uri_of(url))["read"] == expected


@pytest.mark.clause("D-62", "D-54", "D-49")
@pytest.mark.parametrize("condition", [{}, {"If-None-Match": "*"}])
def test_of_several_creators_of_one_record_one_has_it(
    app: TestApp, frequent_switches: None, condition: dict[str, Any]
) -> None:
    users = [basic_auth(f"user{rank}") for rank in range(THREADS)]
    names = {user_id(app, user): f"name{rank}" for rank, user in enumerate(users)}
    grant(app, COLLECTION, "morel:create", "system.Authenticated")

    for _ in range(5):
        url = f"{URL}/{uuid.uuid4()}"

        def create(rank: Any, url: Any = url) -> Any:
            return client(app).put_json(
                url, body(f"name{rank}"), headers={**users[rank], **condition}, status="*"
            )

        responses = in_threads(THREADS, create)

        statuses = sorted(response.status_code for response in responses)
        assert statuses == [201] + [403] * (THREADS - 1)
        (winner,) = permissions_of(app, uri_of(url))["write"]
        records, _ = contents(app, "morel")
        (record,) = [item for item in records if item["id"] == url.rsplit("/", 1)[1]]
        assert record["name"] == names[winner]
        for response in responses:
            if response.status_code == 403:
                assert names[winner] not in response.text


@pytest.mark.clause("D-56", "D-49")
def test_of_several_creators_with_one_unique_value_one_has_it(
    app: TestApp, frequent_switches: None
) -> None:
    users = [basic_auth(f"user{rank}") for rank in range(THREADS)]
    grant(app, COLLECTION, "morel:create", "system.Authenticated")

    def create(rank: Any) -> Any:
        return client(app).post_json(
            URL, body(f"name{rank}", code="x"), headers=users[rank], status="*"
        )

    responses = in_threads(THREADS, create)

    statuses = sorted(response.status_code for response in responses)
    assert statuses == [201] + [409] * (THREADS - 1)
    ((record,), _) = contents(app, "morel")
    conflict = {"field": "code", "existing": {"id": record["id"]}}
    details = [response.json.get("details") for response in responses]
    assert details.count(conflict) == THREADS - 1


@pytest.mark.clause("D-62", "D-61", "H-5.18", "B-15.17")
def test_a_record_that_is_replaced_while_it_is_deleted_leaves_no_permissions(
    app: TestApp, frequent_switches: None
) -> None:
    me = user_id(app, USER)

    for _ in range(10):
        url = f"{URL}/{uuid.uuid4()}"
        owner_creates(app, url, permissions={"write": [me]})

        def run(rank: Any, url: Any = url) -> Any:
            if rank == 0:
                return client(app).delete(url, headers=OWNER, status="*").status_code
            send = client(app).put_json if rank % 2 else client(app).patch_json
            return send(url, body(f"name{rank}"), headers=USER, status="*").status_code

        deletion, *writes = in_threads(5, run)

        assert deletion == 200
        assert set(writes) <= {200, 403, 404}
        assert permissions_of(app, uri_of(url)) == {}
        assert client(app).get(url, headers=OWNER, status=403)
        records, _ = contents(app, "morel")
        assert all(item["deleted"] for item in records)


@pytest.mark.clause("B-15.17", "H-24.7")
def test_all_who_write_at_once_may_write_from_then_on(
    app: TestApp, url: str, frequent_switches: None
) -> None:
    users = [basic_auth(f"user{rank}") for rank in range(THREADS)]
    for user in users:
        app.app.registry.permission.add_user_principal(user_id(app, user), "group:writers")
    owner_creates(app, url, permissions={"write": ["group:writers"]})

    def write(rank: Any) -> Any:
        return client(app).patch_json(
            url, {"data": {"name": f"name{rank}"}}, headers=users[rank], status=200
        )

    in_threads(THREADS, write)

    expected = {"group:writers", *(user_id(app, user) for user in (OWNER, *users))}
    assert permissions_of(app, uri_of(url))["write"] == expected
