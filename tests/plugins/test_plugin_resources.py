"""A plug-in that stores files, and writes their location to records of the application.

Its views make the application's resources by hand, as published plug-ins do.
"""

import json
import uuid
from typing import Any

import colander
import pytest
from pyramid.httpexceptions import HTTPNotFound
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service, events, resource
from cliquet.authorization import RouteFactory
from cliquet.events import ACTIONS
from cliquet.testing.web import basic_auth

BOB = basic_auth("mat", "1")
BOB_ID = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
URL = "/v0/shelves/a/files/{id}/attachment"


class File(resource.ShareableResource):
    class FileSchema(resource.ResourceSchema):
        title = colander.SchemaNode(colander.String(), missing=colander.drop)

        class Options:
            preserve_unknown = True

    mapping = FileSchema()

    def get_parent_id(self, request: Any) -> str:
        # Called from the constructor, before the request is set.
        assert not hasattr(self, "request")
        self.shelf = request.matchdict["shelf"]
        return f"/shelves/{self.shelf}"


def uri_of(request: Any) -> str:
    return f"/shelves/{request.matchdict['shelf']}/files/{request.matchdict['id']}"


def make_by_hand(request: Any) -> Any:
    context = RouteFactory(request)
    context.get_permission_object_id = lambda request, id=None: uri_of(request)  # type: ignore[assignment]
    request.current_resource_name = "file"
    return File(request, context)


def save(request: Any) -> Any:
    """Patch the record, or create it."""
    document = {"data": {"attachment": {"location": "/files/1"}}}
    backup = request.body, request.validated, request.matched_route.pattern
    request.body = json.dumps(document).encode()
    request.validated = document
    by_hand = make_by_hand(request)
    try:
        return by_hand.patch()
    except HTTPNotFound:
        return by_hand.put()
    finally:
        request.body, request.validated, request.matched_route.pattern = backup


def show(request: Any) -> Any:
    by_hand = make_by_hand(request)
    assert by_hand.record_id == request.matchdict["id"]
    return by_hand.get()


def log(request: Any) -> Any:
    """Write beside the record, without endpoint."""
    by_hand = make_by_hand(request)
    created = by_hand.model.create_record({"id": request.matchdict["id"], "log": True})
    return by_hand.postprocess(created, action=ACTIONS.CREATE)


@pytest.fixture(params=["json", "multipart", "no body"])
def body(request: pytest.FixtureRequest) -> Any:
    """What a client may send to the plug-in."""
    boundary = b"--x\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n--x--"
    return {
        "json": (b'{"data": {"title": "not for the record"}}', "application/json"),
        "multipart": (boundary, "multipart/form-data; boundary=x"),
        "no body": (b"", "application/json"),
    }[request.param]


@pytest.fixture(params=[None, colander.MappingSchema], ids=["no schema", "schema"])
def app(request: pytest.FixtureRequest) -> TestApp:
    service = Service("attachment", "/shelves/{shelf}/files/{id}/attachment")
    service.add_view("POST", save, permission="private", schema=request.param)
    service.add_view("GET", show, permission="private")
    service.add_view("PUT", log, permission="private")
    seen = []

    def configure(config: Any) -> None:
        config.add_cornice_service(service)
        config.add_subscriber(seen.append, events.ResourceChanged)

    paths = {
        "collection_path": "/shelves/{{shelf}}/files",
        "record_path": "/shelves/{{shelf}}/files/{{id}}",
    }
    app = make_app(
        [(File, paths)],
        configure=configure,
        settings={"file_create_principals": "system.Authenticated"},
    )
    app.seen = seen
    return app


@pytest.mark.clause("P-35.13", "P-9.11", "P-11.1")
def test_a_resource_by_hand_patches_a_record(app: TestApp, body: tuple[Any, ...]) -> None:
    files = "/v0/shelves/a/files"
    record = app.post_json(files, {"data": {"title": "t"}}, headers=BOB).json["data"]
    content, content_type = body

    answer = app.post(
        URL.format(**record), content, headers={**BOB, "Content-Type": content_type}
    ).json

    stored = app.get(f"{files}/{record['id']}", headers=BOB).json
    assert answer["data"] == stored["data"]
    assert stored["data"]["title"] == "t"
    assert stored["data"]["attachment"] == {"location": "/files/1"}
    assert stored["data"]["last_modified"] > record["last_modified"]


@pytest.mark.clause("P-35.13", "P-14.5")
def test_a_resource_by_hand_creates_a_record_and_its_permissions(
    app: TestApp, body: tuple[Any, ...]
) -> None:
    record_id = str(uuid.uuid4())
    content, content_type = body

    answer = app.post(
        URL.format(id=record_id), content, headers={**BOB, "Content-Type": content_type}
    ).json

    assert answer["permissions"] == {"write": [BOB_ID]}
    stored = app.get(f"/v0/shelves/a/files/{record_id}", headers=BOB).json["data"]
    assert stored == answer["data"]
    assert stored["attachment"] == {"location": "/files/1"}


@pytest.mark.clause("P-35.13", "P-21.3")
def test_a_resource_by_hand_reads_a_record(app: TestApp) -> None:
    record = app.post_json("/v0/shelves/a/files", {"data": {"title": "t"}}, headers=BOB).json

    response = app.get(URL.format(**record["data"]), headers=BOB)

    assert response.json == record
    assert response.headers["ETag"] == f'"{record["data"]["last_modified"]}"'
    unknown = app.get(URL.format(id=uuid.uuid4()), headers=BOB, status=404)
    assert unknown.json["errno"] == 111


@pytest.mark.clause("P-35.13", "P-35.12", "P-11.4")
def test_the_model_and_the_event_of_a_resource_by_hand(app: TestApp) -> None:
    record_id = str(uuid.uuid4())

    answer = app.put(URL.format(id=record_id), headers=BOB).json

    assert answer["data"]["log"] is True
    (event,) = app.seen
    assert event.payload["resource_name"] == "file"
    assert event.payload["action"] == "create"
    assert event.impacted_records == [{"new": answer["data"]}]
    found, _ = app.app.registry.storage.get_all("file", "/shelves/a")
    assert found == [answer["data"]]


class JudgedByHand(RouteFactory):
    """Asks for what it wants, on a service that is no resource."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.required_permission = "write"

    def get_permission_object_id(self, request: Any, record_id: Any = None) -> Any:
        return uri_of(request)


@pytest.mark.clause("P-35.13", "P-25.10")
def test_a_context_that_was_judged_by_hand_is_not_judged_again(app: TestApp) -> None:
    record_id = str(uuid.uuid4())

    def view(request: Any) -> Any:
        request.validated = {"data": {"title": "made"}}
        request.current_resource_name = "file"
        return File(request, JudgedByHand(request)).put()

    service = Service("judged", "/shelves/{shelf}/judged/{id}")
    service.add_view("POST", view, permission="private")
    app = make_app([File], configure=lambda config: config.add_cornice_service(service))

    answer = app.post_json(f"/v0/shelves/a/judged/{record_id}", {"data": {}}, headers=BOB)

    assert answer.status_code == 201
    assert answer.json["data"]["title"] == "made"


@pytest.mark.clause("P-35.12", "P-5.6")
def test_the_service_follows_the_pattern_of_the_matched_route() -> None:
    from cliquet import utils

    def view(request: Any) -> dict[str, Any]:
        # Routes belong to the application: what is changed is put back.
        pattern = request.matched_route.pattern
        request.matched_route.pattern = "v0/mushrooms/{id}"
        try:
            return {"name": utils.current_resource_name(request)}
        finally:
            request.matched_route.pattern = pattern

    class Mushroom(resource.UserResource):
        pass

    service = Service("plain", "/plain")
    service.add_view("GET", view)
    app = make_app([Mushroom], configure=lambda config: config.add_cornice_service(service))

    assert app.get("/v0/plain").json == {"name": "mushroom"}


@pytest.mark.clause("P-35.14", "P-4.10")
def test_routes_and_services_have_the_name_of_the_resource() -> None:
    names = []

    class Mushroom(resource.UserResource):
        pass

    def view(request: Any) -> dict[Any, Any]:
        names.append(request.route_path("mushroom-collection"))
        names.append(request.route_path("mushroom-record", id="a"))
        names.extend(request.registry.cornice_services)
        return {}

    service = Service("plain", "/plain")
    service.add_view("GET", view)
    app = make_app([Mushroom], configure=lambda config: config.add_cornice_service(service))
    app.get("/v0/plain")

    assert names[:2] == ["/v0/mushrooms", "/v0/mushrooms/a"]
    services = app.app.registry.cornice_services
    assert services["v0/mushrooms"].name == "mushroom-collection"
    assert services["v0/mushrooms/{id}"].name == "mushroom-record"


@pytest.mark.clause("P-35.15")
def test_backends_take_positional_arguments() -> None:
    registry = make_app().app.registry

    created = registry.storage.create("", "__attachments__", {"location": "/files/1"})

    assert registry.storage.get("", "__attachments__", created["id"]) == created
    updated = registry.storage.update("", "__attachments__", created["id"], {"location": "/2"})
    assert updated["location"] == "/2"
    assert registry.storage.get_all("", "__attachments__")[1] == 1
    assert registry.storage.delete("", "__attachments__", created["id"])["deleted"] is True
    assert registry.storage.delete_all("", "__attachments__") == []
    registry.cache.set("a", {"b": 1}, 60)
    assert registry.cache.get("a") == {"b": 1}
    registry.permission.add_principal_to_ace("/a", "read", "bob")
    assert registry.permission.check_permission("/a", "read", ["bob"])


@pytest.mark.clause("P-35.17")
def test_a_memory_cache_needs_no_argument() -> None:
    from cliquet.cache.memory import Cache

    cache = Cache()
    cache.set("a", 1)

    assert cache.get("a") == 1
    assert cache.prefix == ""
    assert Cache(cache_prefix="p").prefix == "p"


@pytest.mark.clause("P-35.18")
def test_listeners_may_be_given_as_a_tuple(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    seen = []
    module = types.ModuleType("recording_listener")
    module.load_from_config = lambda config, prefix: seen.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "recording_listener", module)

    class Mushroom(resource.UserResource):
        pass

    app = make_app([Mushroom], settings={"event_listeners": ("recording_listener",)})
    app.post_json("/v0/mushrooms", {"data": {}}, headers=BOB)

    assert [event.payload["action"] for event in seen] == ["create"]
