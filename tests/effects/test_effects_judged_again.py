"""What a request may do is judged on the record that it writes, not on the one that it has met.

Another client acts between the permission check and the write, on every storage with every
permission backend.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from support.combinations import running_combination
from support.shared_apps import make_app
from support.sharing import grant, object_id, permissions_of, send_content, user_id
from webtest import TestApp

from cliquet import resource
from cliquet.resource import ShareableModel, shareable
from cliquet.testing.storage.common import in_another_thread
from cliquet.testing.web import basic_auth

URL = "/v0/morels"
OWNER = basic_auth("owner", "0")
USER = basic_auth("user", "1")


class MorelModel(ShareableModel):
    """Lets another client act once the permission is checked, before anything is locked."""

    meanwhile = []

    def atomic(self, operation: Any, parent_id: Any = None) -> Any:
        if self.meanwhile:
            in_another_thread(self.meanwhile.pop())
        return super().atomic(operation, parent_id)


class Morel(resource.ShareableResource):
    default_model = MorelModel

    class MorelSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MorelSchema()


@pytest.fixture(scope="module")
def combined_app(combination: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    settings = {"morel_create_principals": "system.Authenticated"}
    with running_combination(combination, request, resources=[Morel], **settings) as app:
        yield app


@pytest.fixture
def meanwhile() -> Iterator[Any]:
    """Functions that another client runs."""
    MorelModel.meanwhile.clear()
    yield MorelModel.meanwhile
    assert MorelModel.meanwhile == []


@pytest.fixture
def me(app: Any) -> Any:
    return user_id(app, USER)


@pytest.fixture
def url(app: Any, me: Any) -> Any:
    """A record of the owner, that the user may write."""
    url = f"{URL}/{uuid.uuid4()}"
    app.put_json(url, body("theirs", write=[me]), headers=OWNER, status=201)
    return url


def body(name: Any, **permissions: Any) -> dict[str, Any]:
    return {"data": {"name": name}, "permissions": permissions}


def send(app: TestApp, method: str, url: Any, headers: Any = USER, status: int | str = "*") -> Any:
    content = None if method == "DELETE" else body("mine", read=["system.Everyone"])
    return send_content(app, method, url, content, headers, status)


def send_in_batch(app: TestApp, method: str, url: Any) -> Any:
    request = {"method": method, "path": url}
    if method != "DELETE":
        request["body"] = body("mine", read=["system.Everyone"])
    requests = [{"method": "GET", "path": url}, request]
    (_, answer) = app.post_json("/v0/batch", {"requests": requests}, headers=USER).json["responses"]
    return answer


def recreated(app: TestApp, url: Any, **given: Any) -> Any:
    """Let the owner delete a record and create another one of the same id, for nobody else."""

    def recreate() -> None:
        app.delete(url, headers=OWNER, status=200)
        data = {"name": "anew", "id": url.rsplit("/", 1)[1], **given}
        content = {"data": data, "permissions": {"read": ["group:new"]}}
        app.post_json(URL, content, headers=OWNER, status=201)

    return recreate


METHODS = ["PUT", "PATCH", "DELETE"]


@pytest.mark.clause("D-62", "X-30", "H-5.18")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("has_same_timestamp", [False, True])
@pytest.mark.parametrize("is_in_batch", [False, True])
def test_what_was_created_anew_is_not_written_by_who_may_no_longer(
    app: TestApp,
    url: str,
    meanwhile: list[Any],
    method: str,
    has_same_timestamp: bool,
    is_in_batch: bool,
) -> None:
    former = app.get(url, headers=OWNER).json["data"]
    data = {"last_modified": former["last_modified"]} if has_same_timestamp else {}
    meanwhile.append(recreated(app, url, **data))

    if is_in_batch:
        answer = send_in_batch(app, method, url)
        assert answer["status"] == 403
        assert "anew" not in str(answer)
    else:
        answer = send(app, method, url, status=403)
        assert "anew" not in answer.text

    found = app.get(url, headers=OWNER).json
    assert found["data"]["name"] == "anew"
    owner = user_id(app, OWNER)
    assert permissions_of(app, object_id(url)) == {"write": {owner}, "read": {"group:new"}}
    if has_same_timestamp:
        assert found["data"]["last_modified"] == former["last_modified"]


@pytest.mark.clause("D-62", "X-30")
@pytest.mark.parametrize("method", METHODS)
def test_who_has_lost_the_permission_meanwhile_is_refused(
    app: TestApp, url: str, meanwhile: list[Any], method: str
) -> None:
    owner = user_id(app, OWNER)
    meanwhile.append(
        lambda: app.patch_json(url, {"permissions": {"write": []}}, headers=OWNER, status=200)
    )

    send(app, method, url, status=403)

    assert app.get(url, headers=OWNER).json["data"]["name"] == "theirs"
    assert permissions_of(app, object_id(url)) == {"write": {owner}}


@pytest.mark.clause("D-62", "D-55")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", [{"data": {"name": "other"}}, {"permissions": {"read": ["x"]}}])
def test_who_still_has_the_permission_is_not(
    app: TestApp, url: str, meanwhile: list[Any], method: str, change: dict[str, Any]
) -> None:
    meanwhile.append(lambda: app.patch_json(url, change, headers=OWNER, status=200))

    send(app, method, url, status=200)


@pytest.mark.clause("D-62", "X-11", "D-49")
@pytest.mark.parametrize("method", METHODS)
def test_a_412_shows_nothing_of_what_was_created_anew(
    app: TestApp, url: str, meanwhile: list[Any], method: str
) -> None:
    etag = app.get(url, headers=OWNER).headers["ETag"]
    meanwhile.append(recreated(app, url))

    answer = send(app, method, url, {**USER, "If-Match": etag})

    assert answer.status_code in (403, 412)
    assert "anew" not in answer.text
    assert app.get(url, headers=OWNER).headers["ETag"] not in str(answer.headers)


@pytest.mark.clause("D-62", "H-5.12")
def test_what_was_created_anew_is_not_deleted_with_what_is_shared(
    app: TestApp, url: str, me: str, meanwhile: list[Any]
) -> None:
    shared = f"{URL}/{uuid.uuid4()}"
    app.put_json(shared, body("shared", write=[me]), headers=OWNER, status=201)
    meanwhile.append(recreated(app, url))

    deleted = app.delete(URL, headers=USER, status=200).json["data"]

    assert [record["id"] for record in deleted] == [shared.rsplit("/", 1)[1]]
    assert app.get(url, headers=OWNER).json["data"]["name"] == "anew"


@pytest.mark.clause("D-62", "H-5.12")
def test_a_list_of_which_nothing_is_shared_any_more_is_refused(
    app: TestApp, url: str, meanwhile: list[Any]
) -> None:
    meanwhile.append(recreated(app, url))

    app.delete(URL, headers=USER, status=403)

    assert app.get(url, headers=OWNER).json["data"]["name"] == "anew"


# Who else may judge


@pytest.fixture
def asked_app() -> Any:
    """An application whose permission backend judges by itself, and the users that it lets in."""

    def check(
        object_id: Any, permission: Any, principals: Any, get_bound_permissions: Any = None
    ) -> bool:
        return not allowed.isdisjoint(principals)

    app = make_app([Morel], settings={"morel_create_principals": "system.Authenticated"})
    allowed = {user_id(app, OWNER), user_id(app, USER)}
    app.app.registry.permission.check_permission = check
    return app, allowed


@pytest.mark.clause("D-62", "B-15.10", "P-25.4")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_backend_that_judges_by_itself_is_asked_again(
    asked_app: tuple[Any, ...], meanwhile: list[Any], method: str, is_revoked: bool
) -> None:
    app, allowed = asked_app
    url = f"{URL}/{uuid.uuid4()}"
    app.put_json(url, body("theirs"), headers=OWNER, status=201)
    me = user_id(app, USER)
    meanwhile.append(lambda: allowed.discard(me) if is_revoked else None)

    send(app, method, url, status=403 if is_revoked else 200)

    if is_revoked:
        assert app.get(url, headers=OWNER).json["data"]["name"] == "theirs"


@pytest.mark.clause("D-62", "X-3")
@pytest.mark.parametrize("method", METHODS)
def test_what_a_setting_allows_is_not_judged_by_permissions(
    meanwhile: list[Any], method: str
) -> None:
    app = make_app([Morel], settings={"morel_write_principals": "system.Authenticated"})
    grant(app, "/morels", "morel:create", user_id(app, OWNER))
    url = f"{URL}/{uuid.uuid4()}"
    app.put_json(url, body("theirs"), headers=OWNER, status=201)
    meanwhile.append(recreated(app, url))

    send(app, method, url, status=200)


@pytest.mark.clause("D-62", "P-14.5", "B-15.15")
def test_permissions_that_an_application_deletes_itself_are_judged_too(
    me_only_app: tuple[Any, ...], meanwhile: list[Any]
) -> None:
    app, url, deleted = me_only_app
    meanwhile.append(recreated(app, url))

    app.delete(url, headers=USER, status=403)

    assert deleted == [(url.removeprefix("/v0"),)] * 2
    assert app.get(url, headers=OWNER).json["data"]["name"] == "anew"


@pytest.fixture
def me_only_app() -> Any:
    """An application that has replaced a method of its backend, and a record that a user may write.

    The third: what the method was called with.
    """
    app = make_app([Morel], settings={"morel_create_principals": "system.Authenticated"})
    permission = app.app.registry.permission
    delete = permission.delete_object_permissions
    deleted = []

    def noting(*object_ids: Any) -> None:
        deleted.append(object_ids)
        delete(*object_ids)

    permission.delete_object_permissions = noting
    url = f"{URL}/{uuid.uuid4()}"
    app.put_json(url, body("theirs", write=[user_id(app, USER)]), headers=OWNER, status=201)
    return app, url, deleted


@pytest.mark.clause("D-62", "X-24", "H-5.4")
def test_a_put_that_is_refused_stays_refused_when_its_operation_is_repeated(
    app: TestApp, url: str, meanwhile: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = app.app.registry.storage
    is_locked = storage.joins_transactions
    check, checked = shareable.judging.check_put, []

    def check_and_disturb(*args: Any) -> None:
        # As a hook of an application may read it.
        storage.collection_timestamp("morel", "")
        try:
            check(*args)
        finally:
            if not checked and not is_locked:
                # What the refusal was based on has changed: the operation runs again.
                in_another_thread(lambda: storage.purge_deleted("morel", ""))
            checked.append(args)

    monkeypatch.setattr(shareable.judging, "check_put", check_and_disturb)
    monkeypatch.setitem(app.app.registry.settings, "morel_create_principals", [])
    meanwhile.append(lambda: app.delete(url, headers=OWNER, status=200))

    send(app, "PUT", url, status=403)

    assert len(checked) == (1 if is_locked else 2)
    assert storage.get_all("morel", "")[0] == []
