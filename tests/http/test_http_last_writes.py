"""A write commits with its own statements only where nothing can fail after it any more.

A creation is one round trip then. A replacement reads before, without the lock of its collection.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import transaction
from pyramid.config import Configurator
from pyramid.events import BeforeRender, NewRequest
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.tweens import EXCVIEW, MAIN
from support.statements import record
from testapp import Mushroom
from transaction import Transaction
from webtest import TestApp

from cliquet import Service, resource
from cliquet.connections.postgresql import session as session_module
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.time_limits import Limits
from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.resource.model import Model, ShareableModel
from cliquet.resource.viewset import ShareableViewSet
from cliquet.storage import StorageBase
from cliquet.storage.postgresql import Storage, statements
from cliquet.testing.bounded import Threads, wait_until
from cliquet.testing.web import basic_auth, make_app
from cliquet.transactions.scope import DataManager
from cliquet.transactions.tweens import BeforeCommit

pytestmark = [pytest.mark.clause("B-23.24", "B-23.27"), pytest.mark.usefixtures("own_settings")]

HEADERS = basic_auth()
BODY = {"data": {"name": "a"}}
CHANGED = {"data": {"name": "b"}}
WAYS = ("POST", "PUT", "PATCH")


class Agaric(resource.UserResource):
    mapping = Mushroom.MushroomSchema()


class Fern(resource.ShareableResource):
    mapping = Mushroom.MushroomSchema()


class FailingError(Exception):
    """What code of the application raises."""


def fail(*_arguments: Any, **_named: Any) -> Any:
    raise FailingError


@pytest.fixture(scope="module")
def client(postgresql_module_url: str) -> Iterator[PostgreSQLClient]:
    app = served(postgresql_module_url)
    registry = app.app.registry
    registry.storage.initialize_schema()
    registry.permission.initialize_schema()
    yield registry.storage.client
    registry.storage.client.dispose()


@pytest.fixture
def url(client: PostgreSQLClient, postgresql_module_url: str) -> str:
    with client.begin() as session:
        for table in ("records", "timestamps", "access_control_entries"):
            session.execute(f"DELETE FROM {table}")
    return postgresql_module_url


def served(
    url: str,
    classes: Any = (Agaric, Fern),
    configure: Callable[[Configurator], None] | None = None,
    **settings: Any,
) -> TestApp:
    backends = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (("backend", f"cliquet.{kind}.postgresql"), ("url", url))
    }
    opened = {"fern_create_principals": "system.Authenticated"}
    return make_app([*classes], settings={**backends, **opened, **settings}, configure=configure)


def kept(app: TestApp) -> tuple[int, int]:
    """Return how many records and permissions are stored."""
    client = app.app.registry.storage.client
    (row,) = client.rows(
        "SELECT (SELECT count(*) FROM records WHERE NOT deleted),"
        " (SELECT count(*) FROM access_control_entries)"
    )
    return row[0], row[1]


def state(app: TestApp) -> list[Any]:
    """Return all that is stored."""
    client = app.app.registry.storage.client
    tables = ("records", "timestamps", "access_control_entries")
    return [
        sorted(client.rows(f"SELECT to_jsonb(one)::text FROM {table} AS one")) for table in tables
    ]


def first(app: TestApp, *paths: str) -> None:
    """Make the first record of each collection, whose row exists from then on."""
    for path in paths or ("/agarics", "/ferns"):
        record = app.post_json(f"/v0{path}", BODY, headers=HEADERS, status=201).json["data"]
        # The next PUT is expected to replace a record too.
        app.put_json(f"/v0{path}/{record['id']}", BODY, headers=HEADERS, status=200)


def write(
    app: TestApp, path: str, way: str, *, status: int, headers: dict[str, str] = HEADERS
) -> Any:
    """Create a record in a collection, or change one that is there."""
    if way == "POST":
        return app.post_json(f"/v0{path}", BODY, headers=headers, status=status)
    collection = path.removeprefix("/").removesuffix("s")
    client = app.app.registry.storage.client
    ((record_id,), *_) = client.rows(
        "SELECT id FROM records WHERE collection_id = %s ORDER BY last_modified", (collection,)
    )
    send = app.put_json if way == "PUT" else app.patch_json
    return send(f"/v0{path}/{record_id}", CHANGED, headers=headers, status=status)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    way: str = request.param
    return way


@pytest.mark.parametrize("path", ["/agarics", "/ferns"])
def test_a_creation_is_one_round_trip(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = served(url)
    first(app)
    sent = record(app.app.registry.storage.client, monkeypatch)

    before = app.post_json(f"/v0{path}", BODY, headers=HEADERS, status=201).json
    after = app.post_json(f"/v0{path}", BODY, headers=HEADERS, status=201).json

    assert len(sent) == 2, "\n".join(sent)
    assert after["data"]["last_modified"] > before["data"]["last_modified"]
    for one in (before, after):
        found = app.get(f"/v0{path}/{one['data']['id']}", headers=HEADERS)
        assert found.json == one
        assert found.headers["ETag"] == f'"{one["data"]["last_modified"]}"'
    listed = app.get(f"/v0{path}", headers=HEADERS)
    assert listed.headers["Total-Records"] == "3"
    assert listed.headers["ETag"] == f'"{after["data"]["last_modified"]}"'


def test_permissions_of_the_body_are_kept_with_the_record(url: str) -> None:
    app = served(url)
    first(app)
    body = {**BODY, "permissions": {"read": ["system.Everyone"]}}

    created = app.post_json("/v0/ferns", body, headers=HEADERS, status=201).json

    assert created["permissions"]["read"] == ["system.Everyone"]
    assert app.get(f"/v0/ferns/{created['data']['id']}").json["data"] == created["data"]


def test_a_collection_whose_row_is_gone_gets_another_one(
    url: str, client: PostgreSQLClient
) -> None:
    app = served(url)
    first(app)
    with client.begin() as session:
        session.execute("DELETE FROM timestamps")
        session.execute("DELETE FROM records")
        session.execute("DELETE FROM access_control_entries")

    created = app.post_json("/v0/ferns", BODY, headers=HEADERS, status=201).json

    assert kept(app) == (1, 1)
    assert app.get(f"/v0/ferns/{created['data']['id']}", headers=HEADERS).json == created
    assert app.get("/v0/ferns", headers=HEADERS).headers["Total-Records"] == "1"


def test_a_creation_waits_for_the_lock_of_its_collection(
    url: str, client: PostgreSQLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = served(url)
    first(app)
    monkeypatch.setattr(client, "limits", Limits(lock_seconds=0.2))

    with client.begin() as session:
        session.execute("SELECT 1 FROM timestamps FOR UPDATE")
        response = app.post_json("/v0/ferns", BODY, headers=HEADERS, status=503)
    assert response.json["errno"] == 201
    assert kept(app) == (2, 1)

    app.post_json("/v0/ferns", BODY, headers=HEADERS, status=201)
    assert kept(app) == (3, 2)


@pytest.mark.clause("B-23.1")
def test_a_row_that_another_writer_creates_meanwhile_gives_no_timestamp(
    url: str, client: PostgreSQLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, other = served(url), served(url)
    first(app)
    with client.begin() as session:
        session.execute("DELETE FROM timestamps")
        session.execute("DELETE FROM records")
    # Each of the two statements sees what is committed when it begins: the writer stops between.
    monkeypatch.setattr(
        statements,
        "ADVANCE_ALONE",
        f"{statements.ADVANCE_ALONE}; SELECT pg_advisory_xact_lock(7)",
    )

    threads = Threads(1)
    with client.begin() as session:
        session.execute("SELECT pg_advisory_xact_lock(7)")
        late = threads.submit(app.post_json, "/v0/ferns", BODY, headers=HEADERS, status=201)
        waiting = (
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event = 'advisory' AND datname = current_database()"
        )
        wait_until(lambda: client.rows(waiting), "the creation")
        early = other.post_json("/v0/ferns", BODY, headers=HEADERS, status=201).json["data"]
    created = late.result().json["data"]
    threads.shutdown()

    assert created["last_modified"] > early["last_modified"]
    listed = app.get("/v0/ferns", headers=HEADERS)
    assert listed.headers["Total-Records"] == str(len(listed.json["data"])) == "2"


def test_permissions_of_any_size_are_sent_before_the_creation(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = served(url)
    first(app)

    # What waits is sent when it is longer than that, at whichever statement this happens.
    for most in range(0, 800, 40):
        monkeypatch.setattr(session_module, "_MAX_WAITING_BYTES", most)
        app.post_json("/v0/ferns", BODY, headers=HEADERS, status=201)

    assert kept(app) == (22, 21)


@pytest.mark.parametrize("name", ["write_object_permissions", "add_principal_to_ace"])
def test_methods_of_the_application_write_the_permissions(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = served(url)
    first(app)
    permission = app.app.registry.permission
    called: list[Any] = []

    def watching(*args: Any, **named: Any) -> Any:
        called.append(args)
        return getattr(type(permission), name)(permission, *args, **named)

    monkeypatch.setattr(permission, name, watching)
    body = {**BODY, "permissions": {"read": ["system.Everyone"]}}

    created = app.post_json("/v0/ferns", body, headers=HEADERS, status=201).json

    assert called
    found = app.get(f"/v0/ferns/{created['data']['id']}", headers=HEADERS)
    assert found.json == created


def test_without_principals_nothing_is_stored_but_the_record(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = served(url, fern_create_principals="system.Everyone")
    first(app)
    before = kept(app)
    sent = record(app.app.registry.storage.client, monkeypatch)

    created = app.post_json("/v0/ferns", BODY, status=201).json

    assert len(sent) == 1, sent
    assert created["permissions"] == {}
    assert kept(app) == (before[0] + 1, before[1])


# What can fail after it


class FailingPostprocess(Fern):
    fails = False

    def postprocess(self, *args: Any, **kwargs: Any) -> Any:
        body = super().postprocess(*args, **kwargs)
        return fail() if type(self).fails else body


class FailingEndpoint(Fern):
    fails = False

    def collection_post(self) -> Any:
        body = super().collection_post()
        return fail() if type(self).fails else body

    def put(self) -> Any:
        body = super().put()
        return fail() if type(self).fails else body

    def patch(self) -> Any:
        body = super().patch()
        return fail() if type(self).fails else body


class FailingModel(ShareableModel):
    fails = False

    def create_record(self, *args: Any, **kwargs: Any) -> Any:
        created = super().create_record(*args, **kwargs)
        return fail() if type(self).fails else created

    def update_record(self, *args: Any, **kwargs: Any) -> Any:
        updated = super().update_record(*args, **kwargs)
        return fail() if type(self).fails else updated


class WithFailingModel(Fern):
    default_model: type[Model] = FailingModel


class WithErrors(Fern):
    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            self.request.errors.add("body", "data", "refused later")
        return super().process_record(new, old)


class Refusing(DataManager):
    """A data manager of the application that refuses the commit."""

    sort_key = "refusing"

    def tpc_vote(self, transaction: Transaction) -> None:
        fail()


class Joining(Fern):
    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            joined = self.request.tm.get()
            refusing = Refusing()
            refusing.transaction_manager = joined._manager
            joined.join(refusing)
        return super().process_record(new, old)


def join_the_transaction_of_the_thread() -> None:
    refusing = Refusing()
    refusing.transaction_manager = transaction.manager
    transaction.get().join(refusing)


class JoiningInThread(Fern):
    """Takes part in the transaction of the thread without the attribute of the request."""

    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            join_the_transaction_of_the_thread()
        return super().process_record(new, old)


class JoiningInValidator(Fern):
    """The same in its schema, after it was found out that nobody takes part."""

    fails = False

    class JoiningSchema(Mushroom.MushroomSchema):
        def validator(self, node: Any, value: Any) -> None:
            if JoiningInValidator.fails:
                join_the_transaction_of_the_thread()

    mapping = JoiningSchema()


class WithHook(Fern):
    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            transaction.get().addBeforeCommitHook(fail)
        return super().process_record(new, old)


class WithOwnNotification(Fern):
    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            self.request.notify_resource_event = fail
        return super().process_record(new, old)


class FailingResponse(Response):
    is_made = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self.is_made:
            fail()
        super().__setattr__(name, value)


class WithOwnResponse(Fern):
    fails = False

    def process_record(self, new: Any, old: Any = None) -> Any:
        if type(self).fails:
            self.request.response = FailingResponse()
            self.request.response.is_made = True
        return super().process_record(new, old)


class Renaming(ShareableViewSet):
    """Writes by other methods of the resource."""

    def get_view(self, endpoint: str, method: str) -> Any:
        view = super().get_view(endpoint, method)
        more = {"collection_post": "create", "put": "put", "patch": "patch"}
        return f"{more[view]}_and_more" if view in more else view


class WithOwnMethod(Fern):
    fails = False

    def create_and_more(self) -> Any:
        body = self.collection_post()
        return fail() if type(self).fails else body

    def put_and_more(self) -> Any:
        body = self.put()
        return fail() if type(self).fails else body

    def patch_and_more(self) -> Any:
        body = self.patch()
        return fail() if type(self).fails else body


@pytest.mark.parametrize(
    ("replaced", "switch", "status"),
    [
        (FailingPostprocess, FailingPostprocess, 500),
        (FailingEndpoint, FailingEndpoint, 500),
        (WithFailingModel, FailingModel, 500),
        (WithErrors, WithErrors, 400),
        (Joining, Joining, 500),
        (JoiningInThread, JoiningInThread, 500),
        (JoiningInValidator, JoiningInValidator, 500),
        (WithHook, WithHook, 500),
        (WithOwnNotification, WithOwnNotification, 500),
        (WithOwnResponse, WithOwnResponse, 500),
        (WithOwnMethod, WithOwnMethod, 500),
    ],
)
def test_a_class_that_fails_after_the_write_undoes_it(
    url: str, way: str, replaced: Any, switch: object, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/{replaced.__name__.lower()}s"
    opened: dict[str, Any] = {f"{replaced.__name__.lower()}_create_principals": "system.Everyone"}
    viewset = {"viewset": Renaming()} if replaced is WithOwnMethod else {}
    app = served(url, [(replaced, viewset)], **opened)
    first(app, path)
    before = state(app)
    monkeypatch.setattr(switch, "fails", True)

    write(app, path, way, status=status)

    assert state(app) == before


def test_a_doomed_transaction_keeps_nothing(url: str, way: str) -> None:
    def doom(event: NewRequest) -> None:
        if "X-Doomed" in event.request.headers:
            transaction.doom()

    app = served(url, configure=lambda config: config.add_subscriber(doom, NewRequest))
    first(app)
    before = state(app)

    status = 201 if way == "POST" else 200
    write(app, "/ferns", way, headers={**HEADERS, "X-Doomed": "1"}, status=status)

    assert state(app) == before


class Synchronizer:
    """Is told of all transactions of the thread."""

    def beforeCompletion(self, _transaction: Transaction) -> None:  # noqa: N802 - of the package
        fail()

    def afterCompletion(self, _transaction: Transaction) -> None:  # noqa: N802
        """Do nothing."""

    def newTransaction(self, _transaction: Transaction) -> None:  # noqa: N802
        """Do nothing."""


def test_a_synchronizer_that_fails_undoes_it(url: str, way: str) -> None:
    app = served(url)
    first(app)
    before = state(app)
    synchronizer = Synchronizer()
    transaction.manager.registerSynch(synchronizer)

    try:
        with pytest.raises(FailingError):
            write(app, "/ferns", way, status=500)
    finally:
        transaction.manager.unregisterSynch(synchronizer)

    assert state(app) == before


@pytest.mark.parametrize("place", ["class", "instance"])
def test_a_storage_of_the_application_that_fails_undoes_it(
    url: str, way: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing: list[bool] = []
    app = served(url)
    storage = app.app.registry.storage
    create, update = type(storage).create, type(storage).update

    class AuditingStorage(Storage):
        """Does something else after each write, which may fail."""

        def create(self, *args: Any, **named: Any) -> Any:
            created = create(self, *args, **named)
            return fail() if failing else created

        def update(self, *args: Any, **named: Any) -> Any:
            updated = update(self, *args, **named)
            return fail() if failing else updated

    if place == "class":
        monkeypatch.setattr(storage, "__class__", AuditingStorage)
    else:
        for name in ("create", "update"):
            own = functools.partial(getattr(AuditingStorage, name), storage)
            monkeypatch.setattr(storage, name, own)
    first(app)
    before = state(app)
    failing.append(True)

    write(app, "/ferns", way, status=500)

    assert state(app) == before


def test_a_storage_of_the_application_that_forwards_to_another_one_creates(url: str) -> None:
    app = served(url)
    registry = app.app.registry
    names = [name for name in dir(StorageBase) if not name.startswith("_")]
    members = {name: getattr(registry.storage, name) for name in names}
    registry.storage = type("Forwarding", (StorageBase,), members)()
    first(app)

    first(app)

    with registry.permission.client.connect(readonly=True) as session:
        assert session.execute("SELECT count(*) FROM records").fetchone() == (4,)


@pytest.mark.parametrize("event", [ResourceChanged, BeforeCommit])
def test_a_subscriber_that_fails_undoes_it(url: str, way: str, event: object) -> None:
    failing: list[bool] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda event: fail() if failing else None, event)

    app = served(url, configure=configure)
    first(app)
    before = state(app)
    failing.append(True)

    for path in ("/agarics", "/ferns"):
        write(app, path, way, status=500)

    assert state(app) == before


def test_a_subscriber_after_the_commit_is_told_of_it(url: str) -> None:
    told: list[Any] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(told.append, AfterResourceChanged)

    app = served(url, configure=configure)
    first(app, "/ferns")

    created = app.post_json("/v0/ferns", BODY, headers=HEADERS, status=201).json["data"]

    assert told[-1].impacted_records[0]["new"]["id"] == created["id"]
    assert told[-1].payload["timestamp"] == created["last_modified"]


@pytest.mark.parametrize("place", [{"over": EXCVIEW}, {"under": EXCVIEW, "over": MAIN}])
def test_a_tween_that_fails_undoes_it(url: str, way: str, place: dict[str, Any]) -> None:
    failing: list[bool] = []

    def tween_factory(handler: Any, registry: Any) -> Any:
        def tween(request: Request) -> Any:
            response = handler(request)
            return fail() if failing else response

        return tween

    sys.modules[__name__].__dict__["failing_tween_factory"] = tween_factory

    def configure(config: Configurator) -> None:
        if "under" not in place:
            place["under"] = "cliquet.transactions.tweens.scope_tween_factory"
        config.add_tween(f"{__name__}.failing_tween_factory", **place)

    app = served(url, configure=configure)
    first(app)
    before = state(app)
    failing.append(True)

    try:
        write(app, "/ferns", way, status=500)
    except FailingError:
        # Nobody renders the errors of a tween around that of the exception views.
        assert place["over"] == EXCVIEW

    assert state(app) == before


@pytest.mark.parametrize("layer", ["rendering", "view"])
def test_a_layer_around_the_view_that_fails_undoes_it(url: str, way: str, layer: str) -> None:
    failing: list[bool] = []

    def layer_of(view: Any, info: Any) -> Any:
        def around(context: Any, request: Request) -> Any:
            response = view(context, request)
            return fail() if failing else response

        return around

    def fail_at_rendering(event: BeforeRender) -> None:
        # The error is rendered too.
        if failing and "data" in event.rendering_val:
            fail()

    def configure(config: Configurator) -> None:
        if layer == "view":
            config.add_view_deriver(layer_of, "layer_of_the_application")
        else:
            config.add_subscriber(fail_at_rendering, BeforeRender)

    app = served(url, configure=configure)
    first(app)
    before = state(app)
    failing.append(True)

    with contextlib.suppress(FailingError):
        write(app, "/ferns", way, status=500)

    assert state(app) == before


@pytest.mark.parametrize("way", ["method", "subrequest"])
def test_a_view_of_the_application_that_fails_undoes_what_it_has_created(
    url: str, way: str
) -> None:
    def view(request: Request) -> Any:
        if way == "method":
            made = Agaric(request)
            request.validated = {"data": {"name": "b"}}
            made.collection_post()
        else:
            headers = {**HEADERS, "Content-Type": "application/json"}
            inner = Request.blank("/v0/ferns", method="POST", json=BODY, headers=headers)
            assert request.invoke_subrequest(inner).status_code == 201
        if "fails" in request.GET:
            fail()
        return {}

    def configure(config: Configurator) -> None:
        service = Service(name="thing", path="/thing")
        service.add_view("POST", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    app = served(url, configure=configure)
    first(app)
    # The method writes its status to the response of the request.
    app.post_json("/v0/thing", BODY, headers=HEADERS, status=201 if way == "method" else 200)
    before = state(app)

    app.post_json("/v0/thing?fails", BODY, headers=HEADERS, status=500)

    assert state(app) == before


def test_a_batch_whose_commit_fails_keeps_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing: list[bool] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda event: fail() if failing else None, BeforeCommit)

    app = served(url, configure=configure)
    first(app)
    before = state(app)
    failing.append(True)
    item = {"method": "POST", "path": "/v0/ferns", "body": BODY}

    app.post_json("/v0/batch", {"requests": [item, item]}, headers=HEADERS, status=500)

    assert state(app) == before


def test_a_batch_is_one_transaction(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = served(url)
    first(app)
    sent = record(app.app.registry.storage.client, monkeypatch)
    item = {"path": "/v0/ferns", "body": BODY}
    requests = [
        {**item, "method": "POST"},
        {**item, "method": "POST", "path": "/v0/agarics"},
        {**item, "method": "POST"},
    ]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS).json["responses"]

    assert [answer["status"] for answer in answers] == [201] * 3
    assert sum(one == "COMMIT" for text in sent for one in text.split(";")) == 1
