"""URLs, methods and view arguments of a resource."""

import copy
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from testapp import Mushroom, Psilo, Spore
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

HEADERS = basic_auth()
RECORD_HEADERS = {"Last-Modified", "ETag", "Cache-Control", "Expires", "Pragma"}
CONTENT_TYPE = {"content_type": ["application/json"]}


def payload(method: str, resource_cls: Any = Mushroom) -> Any:
    return resource.ViewSet().get_record_schema(resource_cls, method)


@pytest.mark.clause("P-15.1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_name", "{resource_name}-{endpoint_type}"),
        ("collection_path", "/{resource_name}s"),
        ("record_path", "/{resource_name}s/{{id}}"),
        ("collection_methods", ("GET", "POST", "DELETE")),
        ("record_methods", ("GET", "PUT", "PATCH", "DELETE")),
        ("validate_schema_for", ("POST", "PUT", "PATCH")),
        ("readonly_methods", ("GET", "OPTIONS", "HEAD")),
        ("service_arguments", {"description": "Collection of {resource_name}"}),
        ("default_arguments", {"permission": "private", "accept": ["application/json"]}),
        ("default_post_arguments", CONTENT_TYPE),
        ("default_put_arguments", CONTENT_TYPE),
        ("default_patch_arguments", CONTENT_TYPE),
        ("default_collection_arguments", {}),
        ("default_record_arguments", {}),
    ],
)
def test_defaults(name: str, value: dict[str, Any] | str | tuple[Any, ...]) -> None:
    assert getattr(resource.ViewSet, name) == value
    assert getattr(resource.ViewSet(), name) == value


@pytest.mark.clause("P-15.1")
def test_keywords_become_attributes_of_the_instance() -> None:
    viewset = resource.ViewSet(collection_path="/a", anything=1)
    viewset.update(collection_path="/b", more=2)

    assert (viewset.collection_path, viewset.anything, viewset.more) == ("/b", 1, 2)  # type: ignore[attr-defined]
    assert resource.ViewSet().collection_path == "/{resource_name}s"


@pytest.mark.clause("P-15.1", "P-15.2")
def test_headers_that_scripts_may_read() -> None:
    viewset = resource.ViewSet()

    collection = viewset.collection_arguments(Mushroom, "GET")["cors_headers"]
    record = viewset.record_arguments(Mushroom, "GET")["cors_headers"]

    assert set(collection) == RECORD_HEADERS | {"Next-Page", "Total-Records"}
    assert set(record) == RECORD_HEADERS


@pytest.mark.clause("P-15.3")
@pytest.mark.parametrize("method", ["get", "GET", "Get"])
def test_the_more_particular_argument_wins(method: str) -> None:
    levels = {
        "default_arguments": {"a": 1, "b": 1, "c": 1, "d": 1, "schema": "replaced"},
        "default_record_arguments": {"b": 2, "c": 2, "d": 2},
        "default_get_arguments": {"c": 3, "d": 3},
        "record_get_arguments": {"d": 4},
        "collection_get_arguments": {"a": "of the other type"},
    }
    viewset = resource.ViewSet(**copy.deepcopy(levels))

    arguments = viewset.get_view_arguments("record", Mushroom, method)

    schema = arguments.pop("schema")
    assert isinstance(schema, colander.SchemaNode)
    assert arguments == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert {name: getattr(viewset, name) for name in levels} == levels


@pytest.mark.clause("P-15.3")
def test_arguments_are_new_at_each_call_and_missing_attributes_are_empty() -> None:
    viewset = resource.ViewSet()

    first = viewset.get_view_arguments("collection", Mushroom, "TRACE")
    first["permission"] = "changed"
    second = viewset.get_view_arguments("collection", Mushroom, "TRACE")

    assert second["permission"] == "private"
    assert second.keys() == {"permission", "accept", "schema"}


@pytest.mark.clause("P-15.4")
def test_arguments_of_each_type() -> None:
    viewset = resource.ViewSet(
        default_collection_arguments={"which": "collection"},
        default_record_arguments={"which": "record"},
    )

    assert viewset.collection_arguments(Mushroom, "PUT")["which"] == "collection"
    assert viewset.record_arguments(Mushroom, "PUT")["which"] == "record"


@pytest.mark.clause("P-15.5")
@pytest.mark.parametrize("method", ["GET", "DELETE", "get", "OPTIONS"])
def test_other_methods_have_a_schema_that_refuses_nothing(method: str) -> None:
    assert payload(method).deserialize({"a": {"b": 1}}) == {"a": {"b": 1}}


@pytest.mark.clause("P-15.5")
def test_methods_to_validate_may_be_chosen() -> None:
    viewset = resource.ViewSet(validate_schema_for=("GET",))

    with pytest.raises(colander.Invalid):
        viewset.get_record_schema(Mushroom, "GET").deserialize({})
    assert viewset.get_record_schema(Mushroom, "POST").deserialize({"a": 1}) == {"a": 1}


@pytest.mark.clause("P-15.5", "P-15.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "post"])
def test_creation_and_replacement_take_the_record_of_the_mapping(method: str) -> None:
    schema = payload(method)

    assert schema.children[0].name == "data"
    assert schema.deserialize({"data": {"name": "a", "x": 1}}) == {"data": {"name": "a"}}
    with pytest.raises(colander.Invalid) as caught:
        schema.deserialize({"data": {}})
    assert caught.value.asdict() == {"data.name": "Required"}
    with pytest.raises(colander.Invalid):
        schema.deserialize({"data": {"name": "a"}, "x": 1})


@pytest.mark.clause("P-15.5", "P-15.6")
def test_patch_takes_any_mapping() -> None:
    schema = payload("PATCH")

    assert schema.children[0].name == "data"
    assert schema.deserialize({"data": {"name": 5, "x": 1}}) == {"data": {"name": 5, "x": 1}}
    for wrong in ({}, {"data": {}, "x": 1}, {"data": 5}):
        with pytest.raises(colander.Invalid):
            schema.deserialize(wrong)


@pytest.mark.clause("P-15.5")
@pytest.mark.parametrize(
    ("resource_cls", "required"), [(Mushroom, True), (Psilo, False), (Spore, False)]
)
def test_data_is_optional_where_the_mapping_accepts_nothing(
    resource_cls: type[Any], required: bool
) -> None:
    assert payload("POST", resource_cls).children[0].required is required
    assert payload("PATCH", resource_cls).children[0].required is True


@pytest.mark.clause("P-15.5")
def test_defaults_of_an_absent_record_are_validated_data() -> None:
    found = []

    class Plant(Psilo):
        def collection_post(self) -> Any:
            found.append(dict(self.request.validated["data"]))
            return super().collection_post()

    app = make_app([Plant])

    for body in (b"", b"{}"):
        app.post("/v0/plants", body, headers={**HEADERS, "Content-Type": "application/json"})

    assert [data["edible"] for data in found] == [False, False]
    # Worked out for each request.
    assert all(isinstance(data["picked_at"], int) for data in found)


@pytest.mark.clause("P-15.7")
def test_views_are_named_after_methods() -> None:
    viewset = resource.ViewSet()

    assert viewset.get_view("record", "GET") == "get"
    assert viewset.get_view("record", "patch") == "patch"
    assert viewset.get_view("collection", "DELETE") == "collection_delete"


@pytest.mark.clause("P-15.8")
def test_the_name_of_a_service_is_formatted() -> None:
    viewset = resource.ViewSet(service_name="{endpoint_type} of {resource_name}")

    assert resource.ViewSet().get_service_name("record", Mushroom) == "mushroom-record"
    assert viewset.get_service_name("collection", Mushroom) == "collection of mushroom"


@pytest.mark.clause("P-15.9")
def test_arguments_of_the_service_are_a_copy() -> None:
    viewset = resource.ViewSet()

    viewset.get_service_arguments()["description"] = "changed"

    assert viewset.get_service_arguments() == {"description": "Collection of {resource_name}"}


@pytest.mark.clause("P-15.10", "P-34.15")
def test_the_name_of_a_resource() -> None:
    class Named(resource.UserResource):
        name = "herb"

    class Computed(resource.UserResource):
        @property
        def name(self) -> str:
            return "herb"

    class Callable(resource.UserResource):
        def name(self) -> str:
            return "herb"

    class NamedViewSet(resource.ViewSet):
        name = "weed"

    updated = resource.ViewSet()
    updated.update(name="weed")

    viewset = resource.ViewSet()
    assert viewset.get_name(Mushroom) == "mushroom"
    assert viewset.get_name(Named) == "herb"
    assert viewset.get_name(Computed) == "computed"
    assert viewset.get_name(Callable) == "callable"
    assert resource.ViewSet(name="weed").get_name(Named) == "weed"
    assert updated.get_name(Named) == "weed"
    assert NamedViewSet().get_name(Named) == "weed"
    assert NamedViewSet(name="moss").get_name(Named) == "moss"


@pytest.mark.clause("P-15.11", "S-7.1", "S-7.4")
@pytest.mark.parametrize(
    ("settings", "endpoint", "enabled"),
    [
        ({}, ("collection", "put"), True),
        ({"collection_cap_put_enabled": "false"}, ("collection", "put"), False),
        ({"collection_cap_put_enabled": "false"}, ("record", "put"), True),
        ({"collection_cap_put_enabled": "false"}, ("collection", "get"), True),
        ({"collection_hat_put_enabled": "false"}, ("collection", "put"), True),
        ({"readonly": "true"}, ("collection", "put"), False),
        ({"readonly": "true"}, ("collection", "get"), True),
        ({"readonly": "true", "record_cap_put_enabled": "true"}, ("record", "put"), False),
        ({"readonly": "true", "record_cap_get_enabled": "false"}, ("record", "get"), False),
    ],
)
def test_settings_switch_endpoints_off(
    settings: dict[str, Any], endpoint: tuple[Any, ...], enabled: bool
) -> None:
    endpoint_type, method = endpoint

    found = resource.ViewSet().is_endpoint_enabled(endpoint_type, "cap", method, settings)

    assert found is enabled


@pytest.mark.clause("P-15.11")
def test_methods_left_in_read_only_mode_may_be_chosen() -> None:
    viewset = resource.ViewSet(readonly_methods=("GET", "DELETE"))

    assert viewset.is_endpoint_enabled("record", "cap", "delete", {"readonly": "true"})
    assert not viewset.is_endpoint_enabled("record", "cap", "put", {"readonly": "true"})


@pytest.mark.clause("P-15.12", "H-6.4", "H-6.6")
@pytest.mark.parametrize(
    ("method", "header", "status"),
    [
        ("GET", {"Accept": "text/html"}, 406),
        ("POST", {"Accept": "text/html"}, 406),
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("PUT", {"Content-Type": "text/plain"}, 415),
        ("PATCH", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_media_types_are_negotiated(
    app: TestApp, headers: dict[str, str], method: str, header: dict[str, Any], status: int
) -> None:
    path = "/v0/mushrooms" if method in ("GET", "POST") else "/v0/mushrooms/x"

    response = app.request(
        path,
        method=method,
        body=b"{}" if method != "GET" else b"",
        headers={**headers, "Content-Type": "application/json", **header},
        status=status,
    )

    (name,) = header
    text = f"{name} header should be one of ['application/json']"
    assert response.json == {
        "code": status,
        "errno": 107,
        "error": "Invalid parameters",
        "message": text,
        "details": [{"location": "header", "name": name, "description": text}],
    }


@pytest.mark.clause("P-15.13")
def test_a_subclass_customizes_schema_views_and_service() -> None:
    class Capital(colander.MappingSchema):
        data = colander.SchemaNode(colander.Mapping(unknown="preserve"))
        reason = colander.SchemaNode(colander.String())

    class Custom(resource.ViewSet):
        def get_record_schema(self, resource_cls: Any, method: str) -> Any:
            if method.lower() == "post":
                return Capital()
            return super().get_record_schema(resource_cls, method)

        def get_view_arguments(self, endpoint_type: Any, resource_cls: Any, method: str) -> Any:
            arguments = super().get_view_arguments(endpoint_type, resource_cls, method)
            if method.lower() == "get":
                arguments["accept"] = ["application/json", "text/html"]
            return arguments

    app = make_app([(Mushroom, {"viewset": Custom()})])

    refused = app.post_json("/v0/mushrooms", {"data": {}}, headers=HEADERS, status=400)
    app.post_json("/v0/mushrooms", {"data": {}, "reason": "x"}, headers=HEADERS, status=201)

    assert refused.json["message"] == "reason is missing"
    app.get("/v0/mushrooms", headers={**HEADERS, "Accept": "text/html"}, status=200)
