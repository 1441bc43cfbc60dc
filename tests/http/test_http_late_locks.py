"""A PUT or PATCH that reads without the lock of its collection loses nothing.

Somebody else writes between the reading and the replacement: the request then looks again, under
the lock, and its answer is that of a request which came later.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import Any
from unittest import mock

import colander
import pytest
from pyramid.config import Configurator
from pyramid.events import NewRequest, NewResponse
from support.statements import record
from webtest import TestApp

from cliquet import resource
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.time_limits import Limits
from cliquet.events import ResourceChanged
from cliquet.resource import late_locks
from cliquet.resource.model import Model, ShareableModel
from cliquet.storage.atomicity import StaleReadError
from cliquet.storage.postgresql import Storage
from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth, make_app

pytestmark = [
    pytest.mark.clause("X-24", "D-53", "D-55", "B-12.10", "B-23.27"),
    pytest.mark.usefixtures("own_settings"),
]

OWNER, OTHER = basic_auth("mat"), basic_auth("alice")


class Fields(resource.ResourceSchema):
    class Options:
        preserve_unknown = True

    name = colander.SchemaNode(colander.String(), missing=colander.drop)


class Lichen(resource.UserResource):
    mapping = Fields()


class Sedge(resource.ShareableResource):
    mapping = Fields()


class Reed(Sedge):
    """Permissions decide who may write one of them."""


class Unique(resource.ResourceSchema):
    class Options:
        unique_fields = ("name",)

    name = colander.SchemaNode(colander.String())


class Rush(resource.UserResource):
    mapping = Unique()


class Hooked(Lichen):
    def process_record(self, new: Any, old: Any = None) -> Any:
        return super().process_record(new, old)


CLASSES = (Lichen, Sedge, Reed, Rush, Hooked)


@pytest.fixture(scope="module")
def client(postgresql_module_url: str) -> Iterator[PostgreSQLClient]:
    registry = served(postgresql_module_url).app.registry
    registry.storage.initialize_schema()
    registry.permission.initialize_schema()
    yield registry.storage.client
    registry.storage.client.dispose()


@pytest.fixture
def app(
    client: PostgreSQLClient, postgresql_module_url: str, monkeypatch: pytest.MonkeyPatch
) -> TestApp:
    with client.begin() as session:
        for table in ("records", "timestamps", "access_control_entries"):
            session.execute(f"DELETE FROM {table}")
    monkeypatch.setattr(late_locks, "_CONTENDED_SECONDS", 0.0)
    return replacing(served(postgresql_module_url))


def replacing(app: TestApp) -> TestApp:
    """Let an application expect that a PUT replaces a record."""
    app.app.registry.cliquet_last_puts = dict.fromkeys(CLASSES, True)
    return app


def served(
    url: str, configure: Callable[[Configurator], None] | None = None, **settings: Any
) -> TestApp:
    backends = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (("backend", f"cliquet.{kind}.postgresql"), ("url", url))
    }
    opened = {
        f"sedge_{name}_principals": "system.Authenticated" for name in ("read", "write", "create")
    }
    opened["reed_create_principals"] = "system.Authenticated"
    return make_app([*CLASSES], settings={**backends, **opened, **settings}, configure=configure)


def create(app: TestApp, path: str = "/lichens", **body: Any) -> str:
    """Create a record; return its URL."""
    body = {"data": {"name": "a"}, **body}
    made = app.post_json(f"/v0{path}", body, headers=OWNER, status=201).json["data"]
    return f"/v0{path}/{made['id']}"


@pytest.fixture
def meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Callable[[], Any]], list[str]]]:
    """Return a function that runs another one, elsewhere, just before the next replacement."""
    threads = Threads(1)
    replace = Storage.update_seen

    def before(interfere: Callable[[], Any]) -> list[str]:
        waiting, seen = [interfere], []

        def replacing(self: Storage, *args: Any, **named: Any) -> Any:
            if waiting:
                threads.submit(waiting.pop()).result(30)
            try:
                stored = replace(self, *args, **named)
            except StaleReadError:
                seen.append("missed")
                raise
            seen.append("replaced")
            return stored

        monkeypatch.setattr(Storage, "update_seen", replacing)
        return seen

    yield before
    threads.shutdown()


@pytest.mark.parametrize("path", ["/lichens", "/sedges"])
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_the_lock_the_replacement_and_the_commit_are_one_round_trip(
    app: TestApp, path: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app, path)
    before = app.get(url, headers=OWNER).json["data"]["last_modified"]
    sent = record(app.app.registry.storage.client, monkeypatch)

    answer = getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    *reads, last = sent
    assert not [text for text in reads if "FOR NO KEY UPDATE" in text or "BEGIN" in text]
    assert last.index("FOR NO KEY UPDATE") < last.index("UPDATE records")
    stamp = answer.json["data"]["last_modified"]
    assert stamp > before
    assert answer.headers["ETag"] == f'"{stamp}"'
    found = app.get(url, headers=OWNER)
    assert (found.json, found.headers["ETag"]) == (answer.json, f'"{stamp}"')
    listed = app.get(f"/v0{path}", headers=OWNER)
    assert listed.headers["ETag"] == f'"{stamp}"'
    assert listed.headers["Total-Records"] == "1"


def test_a_patch_keeps_what_another_one_has_written_meanwhile(
    app: TestApp, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app)
    seen = meanwhile(lambda: app.patch_json(url, {"data": {"other": 1}}, headers=OWNER))

    answer = app.patch_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert seen == ["replaced", "missed"]
    assert answer.json["data"]["other"] == 1
    assert app.get(url, headers=OWNER).json == answer.json
    assert answer.json["data"]["name"] == "b"


def test_a_record_that_others_change_is_locked_at_once_for_a_while(
    app: TestApp, meanwhile: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, other = create(app), create(app)
    monkeypatch.setattr(late_locks, "_CONTENDED_SECONDS", 60.0)
    seen = meanwhile(lambda: app.patch_json(url, {"data": {"other": 1}}, headers=OWNER))

    def change(one: str) -> None:
        for turn in range(2):
            body = {"data": {"turn": [len(seen), turn]}}
            app.patch_json(one, body, headers=OWNER, status=200)

    change(url)
    change(url)
    assert seen == ["replaced", "missed"]
    change(other)
    assert seen == ["replaced", "missed", "replaced", "replaced"]
    contended = app.app.registry.cliquet_contended_records
    contended.update(dict.fromkeys(contended, 0.0))
    change(url)
    assert seen == ["replaced", "missed", *["replaced"] * 4]


def test_a_put_of_a_record_that_others_change_needs_no_second_look(
    app: TestApp, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app)
    seen = meanwhile(lambda: app.put_json(url, {"data": {"name": "c"}}, headers=OWNER))

    answer = app.put_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert seen == ["replaced", "replaced"]
    assert answer.json["data"]["name"] == "b"
    assert app.get(url, headers=OWNER).json == answer.json


def test_only_some_records_are_remembered(
    app: TestApp, meanwhile: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_locks, "_MOST_CONTENDED", 2)
    monkeypatch.setattr(late_locks, "_CONTENDED_SECONDS", 60.0)

    for _ in range(5):
        url = create(app)
        meanwhile(lambda one=url: app.patch_json(one, {"data": {"other": 1}}, headers=OWNER))
        app.patch_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)
        assert 1 <= len(app.app.registry.cliquet_contended_records) <= 2


@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_a_condition_is_judged_again(
    app: TestApp, method: str, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app)
    etag = app.get(url, headers=OWNER).headers["ETag"]
    seen = meanwhile(lambda: app.patch_json(url, {"data": {"other": 1}}, headers=OWNER))
    headers = {**OWNER, "If-Match": etag}

    refused = getattr(app, method)(url, {"data": {"name": "b"}}, headers=headers, status=412)

    assert seen == ["replaced", "missed"]
    found = app.get(url, headers=OWNER)
    assert found.json["data"]["name"] == "a"
    assert refused.json["details"]["existing"] == found.json["data"]


def test_a_record_that_is_deleted_meanwhile_is_not_found_or_is_created_again(
    app: TestApp, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app)
    deleted: list[Any] = []
    delete = lambda: deleted.append(app.delete(url, headers=OWNER).json["data"])  # noqa: E731

    meanwhile(delete)
    app.patch_json(url, {"data": {"name": "b"}}, headers=OWNER, status=404)
    app.put_json(url, {"data": {"name": "c"}}, headers=OWNER, status=201)
    replacing(app)
    meanwhile(delete)
    created = app.put_json(url, {"data": {"name": "d"}}, headers=OWNER, status=201)

    assert created.json["data"]["last_modified"] > deleted[-1]["last_modified"]
    listed = app.get("/v0/lichens?_since=0", headers=OWNER)
    assert listed.json["data"] == [created.json["data"]]
    assert app.get("/v0/lichens", headers=OWNER).headers["Total-Records"] == "1"


@pytest.mark.parametrize("path", ["/lichens", "/sedges"])
@pytest.mark.parametrize("condition", [None, "etag", "*"])
def test_a_put_that_replaces_is_one_round_trip(
    app: TestApp, path: str, condition: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app, path)
    # Whether the database is distributed is asked once.
    app.put_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)
    before = app.get(url, headers=OWNER)
    value = before.headers["ETag"] if condition == "etag" else condition
    headers = OWNER if value is None else {**OWNER, "If-Match": value}
    sent = record(app.app.registry.storage.client, monkeypatch)

    answer = app.put_json(url, {"data": {"name": "c"}}, headers=headers, status=200)

    assert len(sent) == 1, sent
    assert answer.json["data"]["last_modified"] > before.json["data"]["last_modified"]
    assert answer.json.get("permissions") == before.json.get("permissions")
    assert app.get(url, headers=OWNER).json == answer.json


def test_a_put_with_a_timestamp_is_one_round_trip_too(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app)
    stamp = app.get(url, headers=OWNER).json["data"]["last_modified"]
    sent = record(app.app.registry.storage.client, monkeypatch)

    def put(last_modified: int) -> int:
        sent.clear()
        body = {"data": {"name": "b", "last_modified": last_modified}}
        answer = app.put_json(url, body, headers=OWNER, status=200)
        stored: int = answer.json["data"]["last_modified"]
        assert answer.headers["ETag"] == f'"{stored}"'
        return stored

    # What the client sends back does not count, and a newer one is kept.
    later = put(stamp)
    assert (later > stamp, len(sent)) == (True, 1)
    assert (put(later + 5000), len(sent)) == (later + 5000, 1)
    assert (put(1) > later + 5000, len(sent)) == (True, 1)
    far = {"data": {"name": "b", "last_modified": 2**53 - 1}}
    app.put_json(url, far, headers=OWNER, status=400)


def test_a_timestamp_before_that_of_the_collection_is_kept_under_the_lock(app: TestApp) -> None:
    url = create(app)
    stamp = app.get(url, headers=OWNER).json["data"]["last_modified"]
    create(app, data={"name": "a", "last_modified": stamp + 5000})

    body = {"data": {"name": "b", "last_modified": stamp + 1000}}
    answer = app.put_json(url, body, headers=OWNER, status=200)

    assert answer.json["data"]["last_modified"] == stamp + 1000
    etag = app.get("/v0/lichens", headers=OWNER).headers["ETag"]
    assert int(etag.strip('"')) > stamp + 5000


@pytest.mark.parametrize("path", ["/lichens", "/sedges"])
def test_what_is_refused_depends_on_the_record_that_is_there(app: TestApp, path: str) -> None:
    url = create(app, path)
    before = app.get(url, headers=OWNER)
    body = {"data": {"name": "b"}}

    def refused(status: int, body: Any = body, **conditions: str) -> Any:
        headers = {**OWNER, **{n.replace("_", "-"): value for n, value in conditions.items()}}
        answer = app.put_json(url, body, headers=headers, status=status)
        assert app.get(url, headers=OWNER).json == before.json
        return answer.json

    assert refused(412, If_Match='"1"')["details"]["existing"] == before.json["data"]
    refused(412, If_None_Match="*")
    refused(400, If_Match="not a tag")
    refused(400, {"data": {**body["data"], "id": "8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"}})
    app.delete(url, headers=OWNER)
    replacing(app)
    app.put_json(url, body, headers={**OWNER, "If-Match": "*"}, status=412)
    app.get(url, headers=OWNER, status=404)
    assert app.put_json(url, body, headers=OWNER, status=201).json["data"]["name"] == "b"


@pytest.mark.clause("X-33")
@pytest.mark.parametrize("path", ["/lichens", "/sedges"])
@pytest.mark.parametrize(
    "value", [object(), float("nan"), "\ud800"], ids=["object", "nan", "surrogate"]
)
def test_a_value_that_cannot_be_stored_is_judged_after_the_condition(
    app: TestApp, path: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app, path)
    before = app.get(url, headers=OWNER).json

    def deserialize(self: Any, given: Any = colander.null) -> Any:
        return {"name": "b", "other": value}

    monkeypatch.setattr(Fields, "deserialize", deserialize)
    body = {"data": {"name": "b"}}

    app.put_json(url, body, headers={**OWNER, "If-Match": '"5"'}, status=412)
    app.put_json(url, body, headers=OWNER, status=500)

    assert app.get(url, headers=OWNER).json == before


def test_a_put_of_permissions_alone_keeps_the_attributes(app: TestApp) -> None:
    url = create(app, "/sedges")
    other = app.get("/v0/", headers=OTHER).json["user"]["id"]

    for permissions in ({}, {"read": [other]}, {"read": []}):
        answer = app.put_json(url, {"permissions": permissions}, headers=OWNER, status=200)
        assert answer.json["data"]["name"] == "a"
        shown = [name for name, principals in permissions.items() if principals]
        assert {"write", *shown} == {*answer.json["permissions"]}


def test_a_record_may_stay_as_large_as_it_was(postgresql_module_url: str, app: TestApp) -> None:
    url = create(app, data={"name": "a" * 200})
    small = replacing(served(postgresql_module_url, max_record_bytes=100))

    small.put_json(url, {"data": {"name": "b" * 200}}, headers=OWNER, status=200)
    small.put_json(url, {"data": {"name": "b" * 300}}, headers=OWNER, status=413)

    assert small.get(url, headers=OWNER).json["data"]["name"] == "b" * 200
    small.app.registry.storage.client.dispose()


@pytest.mark.clause("E-18.3")
def test_who_edits_through_a_group_gets_no_permission_in_one_round_trip(
    postgresql_module_url: str, app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app, "/sedges")
    granted = app.get(url, headers=OWNER).json["permissions"]
    plain = replacing(served(postgresql_module_url, explicit_permissions=False))
    plain.put_json(url, {"data": {"name": "b"}}, headers=OTHER, status=200)
    sent = record(plain.app.registry.storage.client, monkeypatch)

    answer = plain.put_json(url, {"data": {"name": "c"}}, headers=OTHER, status=200)

    assert len(sent) == 1, sent
    assert answer.json["permissions"] == granted
    assert app.get(url, headers=OWNER).json == answer.json
    plain.app.registry.storage.client.dispose()


@pytest.mark.clause("X-30")
def test_who_loses_write_meanwhile_gets_it_again_by_writing(
    app: TestApp, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app, "/sedges")
    user = app.get("/v0/", headers=OWNER).json["user"]["id"]
    permission = app.app.registry.permission
    object_id = url.removeprefix("/v0")
    seen = meanwhile(lambda: permission.remove_principal_from_ace(object_id, "write", user))

    answer = app.put_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert seen == ["missed"]
    assert answer.json["permissions"] == {"write": [user]}
    assert app.get(url, headers=OWNER).json == answer.json


@pytest.mark.clause("D-62")
def test_who_may_only_create_does_not_replace_what_another_has_created_meanwhile(
    postgresql_module_url: str, app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "/v0/reeds/8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"
    own = replacing(served(postgresql_module_url))
    find, threads = Storage.find_with_aces, Threads(1)
    first: Any = partial(app.put_json, place, {"data": {"name": "first"}}, headers=OTHER)
    waiting = [first]

    def find_with_aces(*args: Any, **named: Any) -> Any:
        found = find(*args, **named)
        if waiting:
            threads.submit(waiting.pop(), status=201).result(30)
        return found

    monkeypatch.setattr(Storage, "find_with_aces", find_with_aces)
    own.put_json(place, {"data": {"name": "second"}}, headers=OWNER, status=403)

    threads.shutdown()
    assert not waiting
    assert app.get(place, headers=OTHER).json["data"]["name"] == "first"
    own.app.registry.storage.client.dispose()


@pytest.mark.clause("D-62")
def test_who_may_only_replace_by_settings_does_not_create(
    postgresql_module_url: str, app: TestApp, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app, "/reeds")
    named: Any = {"reed_write_principals": "system.Authenticated", "reed_create_principals": ""}
    own = replacing(served(postgresql_module_url, **named))

    answer = own.put_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)
    assert answer.json["data"]["name"] == "b"
    meanwhile(lambda: app.delete(url, headers=OWNER, status=200))
    own.put_json(url, {"data": {"name": "c"}}, headers=OWNER, status=403)

    app.get(url, headers=OWNER, status=403)
    own.app.registry.storage.client.dispose()


@pytest.mark.clause("E-9.3")
def test_on_several_servers_shared_records_are_locked_first(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = app.app.registry.storage
    monkeypatch.setattr(storage, "_is_distributed", lambda: True)
    sent = record(storage.client, monkeypatch)

    for path, is_first in (("/lichens", False), ("/sedges", True)):
        url = create(app, path)
        for method in ("put_json", "patch_json"):
            sent.clear()
            getattr(app, method)(url, {"data": {"name": method}}, headers=OWNER, status=200)
            begins = any(text.startswith("BEGIN") for text in sent)
            assert begins is (is_first and method == "put_json")


@pytest.mark.clause("D-62")
def test_where_permissions_decide_the_lock_comes_first(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = app.get("/v0/", headers=OTHER).json["user"]["id"]
    url = create(app, "/reeds", permissions={"write": [other]})
    sent = record(app.app.registry.storage.client, monkeypatch)

    for method in ("put_json", "patch_json"):
        for user in (OWNER, OTHER):
            sent.clear()
            getattr(app, method)(url, {"data": {"name": method}}, headers=user, status=200)
            assert [text for text in sent if text.startswith("BEGIN")]


@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_a_change_that_keeps_the_timestamp_is_noticed(
    app: TestApp, method: str, meanwhile: Callable[..., list[str]]
) -> None:
    url = create(app)
    create(app)
    storage, parent_id = app.app.registry.storage, app.get("/v0/", headers=OWNER).json["user"]["id"]
    place = {"collection_id": "lichen", "parent_id": parent_id, "object_id": url.split("/")[-1]}

    def migrate() -> None:
        # Whoever stores a record as it was read keeps its timestamp, if it is not the newest.
        before = storage.get(**place)
        after = storage.update(**place, record={**before, "migrated": True})
        assert after["last_modified"] == before["last_modified"]

    seen = meanwhile(migrate)
    answer = getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert seen == ["missed" if method == "patch_json" else "replaced"]
    assert ("migrated" in answer.json["data"]) is (method == "patch_json")
    assert app.get(url, headers=OWNER).json == answer.json


def test_what_a_validator_has_written_is_undone_before_the_change_runs_again(
    app: TestApp, postgresql_module_url: str
) -> None:
    url = create(app)
    own = served(postgresql_module_url)
    storage = own.app.registry.storage
    made: list[Any] = []

    def validator(node: Any, value: Any) -> None:
        made.append(storage.create("notes", "all", {"name": value}))

    node = Lichen.mapping["name"]
    node.validator = validator
    try:
        own.patch_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)
    finally:
        node.validator = None

    assert len(made) > 1
    assert storage.count_all("notes", "all") == 1
    storage.delete_all("notes", "all", with_deleted=False)
    storage.client.dispose()


@pytest.mark.parametrize("place", ["model", "storage", "resource"])
def test_methods_that_are_replaced_on_an_object_are_called(
    app: TestApp, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app)
    called: list[str] = []
    storage = app.app.registry.storage

    def watch(target: Any, name: str) -> None:
        former = getattr(target, name)

        def watching(self: Any, *args: Any, **named: Any) -> Any:
            called.append(name)
            assert "seen" not in named
            return former(*args, **named)

        setattr(target, name, MethodType(watching, target))

    if place == "storage":
        monkeypatch.setattr(storage, "update", storage.update)
        watch(storage, "update")
    else:
        make = Lichen.get_parent_id

        def get_parent_id(self: Any, request: Any) -> Any:
            if place == "resource":
                watch(self, "process_record")
            return make(self, request)

        if place == "resource":
            monkeypatch.setattr(Lichen, "get_parent_id", get_parent_id)
        else:
            model = type("Watched", (Lichen.default_model,), {"__init__": watched_model(watch)})
            monkeypatch.setattr(Lichen, "default_model", model)

    app.patch_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)
    app.put_json(url, {"data": {"name": "c"}}, headers=OWNER, status=200)

    assert len(called) == 2


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Storage, "get"),
        (Storage, "update"),
        (Storage, "atomic"),
        (Model, "get_record"),
        (Model, "update_record"),
        (resource.UserResource, "process_record"),
        (resource.UserResource, "postprocess"),
    ],
)
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_methods_that_are_replaced_on_a_class_of_the_library_are_called(
    app: TestApp, owner: type, name: str, method: str
) -> None:
    url = create(app)

    # The record that was replaced is an argument too.
    with mock.patch.object(owner, name, autospec=True, side_effect=getattr(owner, name)) as called:
        getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert called.called
    if name in ("process_record", "postprocess"):
        assert called.call_args.kwargs["old"]["name"] == "a"


@pytest.mark.parametrize("when", ["response", "end"])
def test_who_looks_at_the_context_later_is_told_what_was_replaced(
    client: PostgreSQLClient, postgresql_module_url: str, app: TestApp, when: str
) -> None:
    told = []

    def look(request: Any) -> None:
        context = request.context
        told.append((context.required_permission, context.current_record))

    def configure(config: Configurator) -> None:
        if when == "response":
            config.add_subscriber(lambda event: look(event.request), NewResponse)
        else:
            config.add_subscriber(
                lambda event: event.request.add_finished_callback(look), NewRequest
            )

    url = create(app, "/sedges")
    before = app.get(url, headers=OWNER).json
    watched = replacing(served(postgresql_module_url, configure))
    told.clear()

    watched.put_json(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    (required, current) = told[-1]
    held = {name: set(principals) for name, principals in before["permissions"].items()}
    assert required == "write"
    assert current == {**before["data"], "__permissions__": held}


def watched_model(watch: Callable[[Any, str], None]) -> Any:
    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807 - of the class
        super(type(self), self).__init__(*args, **named)
        watch(self, "update_record")

    return __init__


def test_a_member_that_names_permissions_is_never_stored(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lichen, "default_model", ShareableModel)
    body = {"data": {"name": "a", "__permissions__": {"write": []}}}

    url = create(app, data=body["data"])
    app.patch_json(url, body, headers=OWNER, status=200)
    app.put_json(url, body, headers=OWNER, status=200)

    stored = app.app.registry.storage.client.rows("SELECT data FROM records")
    assert stored == [({"name": "a"},)]


@pytest.mark.clause("X-23")
def test_records_without_permissions_are_no_dearer(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = app.app.registry.storage
    record_id = storage.create("sedge", "", {"name": "a"})["id"]
    anonymous = served(
        str(storage.client.engine.url.render_as_string(hide_password=False)),
        sedge_write_principals="system.Everyone",
        sedge_create_principals="system.Everyone",
        sedge_read_principals="system.Everyone",
    )
    sent = record(anonymous.app.registry.storage.client, monkeypatch)

    for method in ("patch_json", "put_json"):
        sent.clear()
        url = f"/v0/sedges/{record_id}"
        answer = getattr(anonymous, method)(url, {"data": {"name": method}}, status=200)
        assert answer.json["permissions"] == {}
        assert len(sent) == 2, sent
    anonymous.app.registry.storage.client.dispose()


def test_where_somebody_hears_of_changes_the_lock_comes_first(
    postgresql_module_url: str, app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app)
    heard = served(postgresql_module_url, configure=subscribe)
    sent = record(heard.app.registry.storage.client, monkeypatch)

    for method in ("put_json", "patch_json"):
        sent.clear()
        getattr(heard, method)(url, {"data": {"name": method}}, headers=OWNER, status=200)
        assert len(sent) == 2
        assert sent[0].startswith("BEGIN")
    heard.app.registry.storage.client.dispose()


def subscribe(config: Configurator) -> None:
    config.add_subscriber(lambda event: None, ResourceChanged)


def test_who_gets_a_permission_by_writing_gets_it_with_the_record(app: TestApp) -> None:
    other = app.get("/v0/", headers=OTHER).json["user"]["id"]
    url = create(app, "/sedges")

    for method in ("patch_json", "put_json"):
        answer = getattr(app, method)(url, {"data": {"name": "b"}}, headers=OTHER, status=200)
        assert other in answer.json["permissions"]["write"]
        assert app.get(url, headers=OTHER).json == answer.json


def test_a_timestamp_of_the_client_is_kept(app: TestApp) -> None:
    url = create(app)
    stamp = app.get(url, headers=OWNER).json["data"]["last_modified"] + 5000

    for method, more in (("put_json", 0), ("patch_json", 1)):
        body = {"data": {"name": method, "last_modified": stamp + more}}
        answer = getattr(app, method)(url, body, headers=OWNER, status=200)
        assert answer.json["data"]["last_modified"] == stamp + more
    assert app.get("/v0/lichens", headers=OWNER).headers["ETag"] == f'"{stamp + 1}"'


def test_a_patch_that_changes_nothing_writes_nothing(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app)
    before = app.get(url, headers=OWNER)
    sent = record(app.app.registry.storage.client, monkeypatch)

    answer = app.patch_json(url, {"data": {"name": "a"}}, headers=OWNER, status=200)

    assert answer.json == before.json
    assert "UPDATE" not in "\n".join(sent)


@pytest.mark.parametrize("path", ["/rushs", "/hookeds"])
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_hooks_of_the_application_and_unique_fields_have_the_lock(
    app: TestApp, path: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app, path)
    sent = record(app.app.registry.storage.client, monkeypatch)

    getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=200)

    assert sent[-1].endswith(";COMMIT")
    first_of_transaction = next(text for text in sent if text.startswith("BEGIN"))
    assert "FOR NO KEY UPDATE" in first_of_transaction


@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_a_lock_that_is_not_free_in_time_is_503_and_changes_nothing(
    app: TestApp, method: str, client: PostgreSQLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(app)
    before = app.get(url, headers=OWNER).json
    own = app.app.registry.storage.client
    monkeypatch.setattr(own, "limits", Limits(lock_seconds=0.2))

    with client.begin() as session:
        session.execute("SELECT 1 FROM timestamps FOR UPDATE")
        refused = getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=503)

    assert "Retry-After" in refused.headers
    assert app.get(url, headers=OWNER).json == before
    getattr(app, method)(url, {"data": {"name": "b"}}, headers=OWNER, status=200)


@pytest.mark.slow
@pytest.mark.clause("D-57", "D-60")
@pytest.mark.parametrize("path", ["/lichens", "/sedges"])
def test_changes_of_one_record_by_many_are_all_kept(
    app: TestApp, path: str, postgresql_module_url: str
) -> None:
    url = create(app, path)
    number, each = 4, 12
    apps = [served(postgresql_module_url) for _ in range(number)]
    stamps: list[int] = []

    def change(own: TestApp, rank: int) -> None:
        for turn in range(each):
            body = {"data": {f"field{rank}": turn}}
            answer = own.patch_json(url, body, headers=OWNER, status=200).json["data"]
            assert answer[f"field{rank}"] == turn
            stamps.append(answer["last_modified"])

    def count(own: TestApp) -> None:
        for _ in range(each):
            status = 412
            while status == 412:
                found = own.get(url, headers=OWNER)
                fields = {**found.json["data"], "count": found.json["data"].get("count", 0) + 1}
                del fields["last_modified"]
                condition = {**OWNER, "If-Match": found.headers["ETag"]}
                answer = own.put_json(url, {"data": fields}, headers=condition, status="*")
                status = answer.status_int
            assert status == 200
            stamps.append(answer.json["data"]["last_modified"])

    threads = Threads(2 * number)
    calls = [threads.submit(change, one, rank) for rank, one in enumerate(apps)]
    calls += [threads.submit(count, one) for one in apps]
    for call in calls:
        call.result(60)
    threads.shutdown()

    found = app.get(url, headers=OWNER).json["data"]
    assert found["count"] == number * each
    assert [found[f"field{rank}"] for rank in range(number)] == [each - 1] * number
    assert len({*stamps}) == len(stamps) == 2 * number * each
    assert found["last_modified"] == max(stamps)
    for one in apps:
        one.app.registry.storage.client.dispose()
