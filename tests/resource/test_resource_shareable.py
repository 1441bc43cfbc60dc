"""The class of shareable resources, its model and its viewset, as applications use them."""

from typing import Any

import colander
import pytest
from pyramid.request import Request, apply_request_extensions
from support.sharing import (
    COLLECTION,
    URL,
    Toadstool,
    contents,
    grant,
    make_sharing_app,
    permissions_of,
    store,
    user_id,
)
from webtest import TestApp

from cliquet import events, resource
from cliquet.authorization import RouteFactory
from cliquet.permission.memory import Permission
from cliquet.resource.model import Model, ShareableModel
from cliquet.resource.viewset import ViewSet
from cliquet.storage import generators
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.memory import Storage

UNKNOWN_ID = "00000000-0000-4000-8000-000000000001"
BODY = {"data": {"name": "death cap"}}


# The model


@pytest.fixture
def model() -> Any:
    model = ShareableModel(
        Storage(), id_generator=generators.UUID4(), collection_id="toadstool", parent_id=""
    )
    model.permission = Permission()
    # The names of the parameters are those of the plug-ins (P-14.5).
    model.get_permission_object_id = lambda record_id: f"/toadstools/{record_id}"
    model.current_principal = "basicauth:b0b"
    return model


@pytest.mark.clause("P-14.1")
def test_a_new_model_has_no_permission_backend_object_nor_principal() -> None:
    model = ShareableModel(Storage())

    assert issubclass(ShareableModel, Model)
    assert resource.ShareableModel is ShareableModel
    assert ShareableModel.permissions_field == "__permissions__"
    assert model.permission is None
    assert model.get_permission_object_id is None
    assert model.current_principal is None


@pytest.mark.clause("P-14.1")
def test_without_permission_backend_records_have_no_permissions() -> None:
    model = ShareableModel(Storage(), id_generator=generators.UUID4())

    created = model.create_record({"name": "x", "__permissions__": {"read": ["a"]}})

    assert set(created) == {"id", "last_modified", "name"}
    assert model.get_record(created["id"]) == created
    assert model.delete_record(created)["deleted"] is True
    assert model.delete_records() == []


@pytest.mark.clause("P-14.2", "P-14.3", "B-20.4", "H-24.7")
def test_a_creation_writes_the_permissions_of_the_record(model: ShareableModel) -> None:
    record = {"name": "x", "__permissions__": {"read": ["a"], "write": ["b"]}}

    created = model.create_record(record)

    expected = {"read": {"a"}, "write": {"b", "basicauth:b0b"}}
    assert created["__permissions__"] == expected
    assert model.permission.object_permissions(f"/toadstools/{created['id']}") == expected
    assert model.get_record(created["id"]) == created
    (stored,), _ = model.get_records()
    assert "__permissions__" not in stored
    # The dictionary given is left alone.
    assert record == {"name": "x", "__permissions__": {"read": ["a"], "write": ["b"]}}


@pytest.mark.clause("P-14.3", "B-20.4")
def test_an_update_replaces_the_permissions_mentioned(model: ShareableModel) -> None:
    created = model.create_record({"name": "x", "__permissions__": {"read": ["a"]}})
    model.current_principal = "basicauth:eve"

    updated = model.update_record(
        {"id": created["id"], "name": "y", "__permissions__": {"read": ["c"]}}
    )

    assert updated["name"] == "y"
    assert updated["__permissions__"] == {
        "read": {"c"},
        "write": {"basicauth:b0b", "basicauth:eve"},
    }


@pytest.mark.clause("P-14.2")
def test_permissions_of_a_record_belong_to_the_caller(model: ShareableModel) -> None:
    created = model.create_record({"name": "x"})

    created["__permissions__"]["write"].clear()

    assert model.get_record(created["id"])["__permissions__"] == {"write": {"basicauth:b0b"}}


@pytest.mark.clause("D-50", "P-14.3")
def test_without_current_principal_nobody_is_added(model: ShareableModel) -> None:
    model.current_principal = None

    created = model.create_record({"name": "x"})
    updated = model.update_record({**created, "name": "y"})

    assert created["__permissions__"] == updated["__permissions__"] == {}


@pytest.mark.clause("P-14.3", "B-20.4")
def test_a_creation_that_fails_writes_no_permissions(model: ShareableModel) -> None:
    model.create_record({"id": UNKNOWN_ID, "name": "x"})
    model.current_principal = "basicauth:eve"

    with pytest.raises(UnicityError):
        model.create_record({"id": UNKNOWN_ID, "__permissions__": {"read": ["basicauth:eve"]}})

    uri = f"/toadstools/{UNKNOWN_ID}"
    assert model.permission.object_permissions(uri) == {"write": {"basicauth:b0b"}}


@pytest.mark.clause("P-14.4", "P-34.17", "H-5.18")
def test_a_deletion_deletes_the_permissions_of_the_record_deleted(model: ShareableModel) -> None:
    asked = []

    def get_permission_object_id(record_id: Any) -> str:
        asked.append(record_id)
        return f"/toadstools/{record_id}"

    deleted, kept = model.create_record({"name": "x"}), model.create_record({"name": "y"})
    model.get_permission_object_id = get_permission_object_id

    tombstone = model.delete_record(deleted)

    assert asked == [deleted["id"]]
    assert set(tombstone) == {"id", "last_modified", "deleted"}
    assert model.permission.object_permissions(f"/toadstools/{deleted['id']}") == {}
    assert model.permission.object_permissions(f"/toadstools/{kept['id']}") != {}
    with pytest.raises(RecordNotFoundError):
        model.get_record(deleted["id"])


@pytest.mark.clause("P-14.4", "B-20.4", "H-5.18")
def test_a_deletion_in_bulk_deletes_the_permissions_of_what_it_deleted(
    model: ShareableModel,
) -> None:
    records = [model.create_record({"name": name}) for name in "xxy"]
    by_name = resource.Filter("name", "x", resource.COMPARISON.EQ)

    deleted = model.delete_records(filters=[by_name])

    assert {item["id"] for item in deleted} == {records[0]["id"], records[1]["id"]}
    left = [model.permission.object_permissions(f"/toadstools/{r['id']}") for r in records]
    assert left == [{}, {}, {"write": {"basicauth:b0b"}}]


@pytest.mark.clause("P-14.5")
def test_how_the_object_id_is_asked_for(model: ShareableModel) -> None:
    calls = []

    def get_permission_object_id(*args: Any, **kwargs: Any) -> str:
        calls.append((args, kwargs))
        return "/x"

    model.get_permission_object_id = get_permission_object_id
    created = model.create_record({"name": "x"})
    model.get_record(created["id"])
    model.update_record(created)
    assert set(map(repr, calls)) == {repr(((created["id"],), {}))}

    calls.clear()
    model.delete_records()
    assert calls == [((), {"record_id": created["id"]})]


@pytest.mark.clause("D-48", "B-22.41")
def test_a_star_in_the_uri_of_a_deleted_record_is_no_pattern(model: ShareableModel) -> None:
    model.permission.add_principal_to_ace("/forests/oak/caps/1", "read", "a")
    model.get_permission_object_id = lambda record_id: "/forests/*/caps/1"
    created = model.create_record({"name": "x"})
    model.delete_record(created)
    model.create_record({"name": "y"})
    model.delete_records()

    assert model.permission.object_permissions("/forests/*/caps/1") == {}
    assert model.permission.object_permissions("/forests/oak/caps/1") == {"read": {"a"}}


# The viewset


@pytest.mark.clause("P-16.1", "P-16.2")
def test_every_view_asks_the_context(headers: dict[str, str]) -> None:
    viewset = resource.ShareableViewSet()

    assert isinstance(viewset, ViewSet)
    for endpoint_type in ("collection", "record"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            arguments = viewset.get_view_arguments(endpoint_type, Toadstool, method)
            assert arguments["permission"] == "dynamic"
    assert viewset.get_service_arguments() == {
        **ViewSet().get_service_arguments(),
        "factory": RouteFactory,
    }


@pytest.mark.clause("P-16.3", "P-15.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_validated_methods_take_permissions(method: str) -> None:
    schema = resource.ShareableViewSet().get_record_schema(Toadstool, method)

    assert [node.name for node in schema.children] == ["data", "permissions"]
    assert schema["permissions"].required is False
    assert schema["data"].required is (method != "PATCH")
    valid = {"data": {"name": "x"}, "permissions": {"read": ["a"]}}
    assert schema.deserialize(valid) == valid
    with pytest.raises(colander.Invalid, match='"create" is not one of read, write'):
        schema.deserialize({"data": {"name": "x"}, "permissions": {"create": []}})


@pytest.mark.clause("P-16.3")
def test_the_permissions_are_those_of_the_resource() -> None:
    class Own(Toadstool):
        permissions = ("read", "record:create")

    schema = resource.ShareableViewSet().get_record_schema(Own, "POST")

    assert schema["permissions"].known_perms == ("read", "record:create")


@pytest.mark.clause("P-16.3")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_other_methods_take_any_body(method: str) -> None:
    schema = resource.ShareableViewSet().get_record_schema(Toadstool, method)

    assert schema.children == []
    assert schema.deserialize({"anything": 1}) == {"anything": 1}


# The resource


@pytest.mark.clause("P-12.1", "P-12.3")
def test_what_a_shareable_resource_is() -> None:
    shareable = resource.ShareableResource

    assert issubclass(shareable, resource.UserResource)
    assert shareable.default_model is ShareableModel
    assert shareable.default_viewset is resource.ShareableViewSet
    assert shareable.permissions == ("read", "write")


@pytest.fixture
def changes() -> list[Any]:
    return []


@pytest.fixture
def app(changes: list[Any]) -> Any:
    def configure(config: Any) -> None:
        config.add_subscriber(changes.append, events.ResourceChanged)

    settings = {
        "toadstool_create_principals": "system.Authenticated",
        "toadstool_write_principals": "system.Authenticated",
    }
    return make_sharing_app(settings, configure=configure)


def request_for(app: TestApp, url: Any, headers: Any, method: str = "GET") -> Any:
    """Make a request as plug-ins do, authenticated and matched to its route."""
    request = Request.blank(url, method=method, headers=headers)
    request.registry = app.app.registry
    apply_request_extensions(request)
    info = app.app.routes_mapper(request)
    request.matched_route, request.matchdict = info["route"], info["match"]
    assert request.authenticated_userid is not None
    return request


@pytest.mark.clause("P-12.2", "P-12.3")
def test_a_resource_gives_its_model_what_permissions_need(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = store(app)
    request = request_for(app, record["url"], headers)

    made = Toadstool(request=request, context=RouteFactory(request))

    assert made.force_patch_update is True
    assert made.model.permission is app.app.registry.permission
    assert made.model.current_principal == user_id(app, headers)
    assert made.model.parent_id == "" == made.get_parent_id(request)
    assert made.model.get_permission_object_id(record["id"]) == f"{COLLECTION}/{record['id']}"  # type: ignore[misc]
    assert Toadstool.force_patch_update is False


@pytest.mark.clause("P-12.2")
def test_a_resource_without_context_leaves_permissions_alone(
    app: TestApp, headers: dict[str, str]
) -> None:
    made = Toadstool(request_for(app, URL, headers, method="POST"))

    created = made.model.create_record({"name": "x"})

    assert "__permissions__" not in created
    assert permissions_of(app, f"{COLLECTION}/{created['id']}") == {}
    assert made.postprocess(created) == {"data": created}


@pytest.mark.clause("P-35.13", "P-14.5", "P-25.9")
def test_a_resource_made_by_hand_with_another_object_id(
    app: TestApp, headers: dict[str, str]
) -> None:
    me = user_id(app, headers)
    request = request_for(app, f"{URL}/{UNKNOWN_ID}", headers, method="PUT")
    context = RouteFactory(request)
    made = Toadstool(request, context)
    # Plug-ins give the parameter another name, and may do so once the resource is made.
    context.get_permission_object_id = lambda request, id=None: "/attachments/1"  # type: ignore[assignment]
    request.validated = {"data": {"name": "x"}}

    record = made.model.create_record(made.process_record({"name": "x"}))
    body = made.postprocess(record, action=events.ACTIONS.CREATE)

    assert body["permissions"] == {"write": [me]}
    assert permissions_of(app, "/attachments/1") == {"write": {me}}
    made.record_id = record["id"]
    assert made.get()["permissions"] == {"write": [me]}


@pytest.mark.clause("P-12.4")
@pytest.mark.parametrize(("shared_ids", "number"), [(["a", "b"], 2), ([], 1)])
def test_the_filter_of_a_shared_listing_comes_first(
    app: TestApp, headers: dict[str, str], shared_ids: list[Any], number: int
) -> None:
    request = request_for(app, f"{URL}?name=x", headers)
    context = RouteFactory(request)
    context.shared_ids = shared_ids

    filters = Toadstool(request, context)._extract_filters()

    assert len(filters) == number
    assert filters[-1] == resource.Filter("name", "x", resource.COMPARISON.EQ)
    if shared_ids:
        assert filters[0] == resource.Filter("id", ["a", "b"], resource.COMPARISON.IN)


@pytest.mark.clause("P-12.5", "H-24.5", "H-24.6")
@pytest.mark.parametrize(
    ("method", "given", "attached"),
    [
        ("PUT", {"read": ["a"]}, {"read": ["a"], "write": []}),
        ("PATCH", {"read": ["a"]}, {"read": ["a"]}),
        ("POST", {"read": ["a"]}, {"read": ["a"]}),
        ("PUT", {}, None),
        ("PUT", None, None),
    ],
)
def test_process_record_attaches_the_permissions_of_the_body(
    app: TestApp,
    headers: dict[str, str],
    method: str,
    given: dict[str, Any] | None,
    attached: dict[str, Any] | None,
) -> None:
    request = request_for(app, f"{URL}/{UNKNOWN_ID}", headers)
    made = Toadstool(request, RouteFactory(request))
    request.method = method
    request.validated = {"data": {}} if given is None else {"data": {}, "permissions": given}
    new = {"name": "x"}

    processed = made.process_record(new)

    permissions = processed.pop("__permissions__", None)
    assert processed == new == {"name": "x"}
    if permissions is not None:
        permissions = {name: list(principals) for name, principals in permissions.items()}
    assert permissions == attached


@pytest.mark.clause("P-12.6", "H-24.10")
def test_events_tell_no_permissions(
    app: TestApp, changes: list[Any], headers: dict[str, str]
) -> None:
    body = {**BODY, "permissions": {"read": ["group:friends"]}}
    created = app.post_json(URL, body, headers=headers, status=201).json["data"]
    url = f"{URL}/{created['id']}"
    replaced = app.put_json(url, body, headers=headers, status=200).json["data"]
    patched = app.patch_json(url, body, headers=headers, status=200).json["data"]
    deleted = app.delete(url, headers=headers, status=200).json["data"]

    assert [event.impacted_records for event in changes] == [
        [{"new": created}],
        [{"new": replaced, "old": created}],
        [{"new": patched, "old": replaced}],
        [{"old": deleted}],
    ]


@pytest.mark.clause("P-11.2", "P-12.5")
def test_an_override_of_process_record_sees_no_permissions_in_old(
    app: TestApp, headers: dict[str, str]
) -> None:
    seen = []

    class Watched(Toadstool):
        def process_record(self, new: Any, old: Any = None) -> Any:
            seen.append((dict(new), old))
            return super().process_record(new, old=old)

    watched = make_sharing_app(
        {"toadstool_create_principals": "system.Authenticated"},
        resources=[(Watched, {"name": "toadstool"})],
    )
    created = watched.post_json(URL, BODY, headers=headers, status=201).json["data"]
    watched.patch_json(f"{URL}/{created['id']}", {"data": {}}, headers=headers, status=200)

    assert "__permissions__" not in seen[0][0]
    assert "__permissions__" not in seen[1][0]


@pytest.mark.clause("H-20.6", "P-12.2")
def test_other_resources_do_not_write_without_a_change(app: TestApp) -> None:
    assert resource.UserResource.force_patch_update is False
    assert resource.ShareableResource.force_patch_update is False
    assert contents(app)[0] == []


@pytest.mark.clause("P-12.7", "D-76")
def test_what_stands_in_the_way_is_shown_without_permissions(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = store(app)
    grant(app, f"{COLLECTION}/{record['id']}", "read", "group:friends")
    request = request_for(app, record["url"], {**headers, "If-Match": '"1"'})
    made = Toadstool(request, RouteFactory(request))

    shown = made._disclosed(made.model.get_record(record["id"]))

    assert shown == {name: value for name, value in record.items() if name != "url"}
