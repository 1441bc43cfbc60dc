"""Services of an application: errors, CORS, schemas, rendering (P-7, P-35.3, P-35.8)."""

import datetime
import decimal
import uuid
from typing import Any

import colander
import cornice
import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.authorization import RouteFactory
from cliquet.testing.web import basic_auth

PUBLIC = {"permission": NO_PERMISSION_REQUIRED}


def serving(
    view: Any,
    method: str = "GET",
    path: str = "/things/{id}",
    service_arguments: Any = None,
    **view_arguments: Any,
) -> TestApp:
    """Return a client of an application with one service, at `/v0/things/{id}`."""

    def configure(config: Any) -> None:
        service = Service(name="things", path=path, **(service_arguments or {}))
        service.add_view(method, view, **{**PUBLIC, **view_arguments})
        config.add_cornice_service(service)

    return make_app([Mushroom], configure=configure)


def show_validated(request: Any) -> dict[str, Any]:
    return {"validated": request.validated}


# The class


@pytest.mark.clause("P-7.1")
def test_a_service_is_one_of_cornice() -> None:
    service = Service(name="a", path="/a", description="About a", cors_enabled=False)
    assert isinstance(service, cornice.Service)
    assert (service.name, service.path, service.description) == ("a", "/a", "About a")


@pytest.mark.clause("P-7.1")
def test_views_are_declared_with_decorators(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(name="things", path="/things")

    @service.get(**PUBLIC)
    def get_things(request: Any) -> dict[str, Any]:
        return {"method": "get"}

    @service.post(**PUBLIC)
    def post_things(request: Any) -> dict[str, Any]:
        return {"method": "post"}

    app = make_app(configure=lambda config: config.add_cornice_service(service))
    assert app.get("/v0/things").json == {"method": "get"}
    assert app.post("/v0/things").json == {"method": "post"}
    response = app.put("/v0/things", status=405)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.mark.clause("X-34")
def test_nothing_is_kept_of_methods_that_clients_make_up() -> None:
    service = Service(name="things", path="/things")
    service.add_view("GET", show_validated, **PUBLIC)
    expected = service.exposed_headers("GET")

    assert all(service.exposed_headers(f"GET{n}") == expected for n in range(9))
    assert set(service._exposed) == {"GET"}


@pytest.mark.clause("P-7.1")
def test_the_views_of_a_class_are_its_methods() -> None:
    class Things:
        def __init__(self, request: Any, context: Any = None) -> None:
            self.request = request

        def show(self) -> dict[str, Any]:
            return {"id": self.request.matchdict["id"]}

        def check(self, request: Any, **kwargs: Any) -> None:
            if request.matchdict["id"] == "bad":
                request.errors.add("path", "id", "Bad.")

    app = serving("show", klass=Things, validators=("check",))
    assert app.get("/v0/things/a").json == {"id": "a"}
    assert app.get("/v0/things/bad", status=400).json["message"] == "id in path: Bad."


@pytest.mark.clause("P-7.2")
def test_the_default_cors_headers() -> None:
    assert tuple(Service.default_cors_headers) == (
        "Backoff",
        "Retry-After",
        "Alert",
        "Content-Length",
        "Vary",
    )
    response = serving(lambda request: {}).get("/v0/things/a", headers={"Origin": "http://a"})
    assert set(response.headers["Access-Control-Expose-Headers"].split(", ")) == set(
        Service.default_cors_headers
    )


@pytest.mark.clause("P-7.3")
@pytest.mark.parametrize(("age", "expected"), [("60", 60), ("", None), (None, None)])
def test_cors_attributes_come_from_settings(age: str | None, expected: int | None) -> None:
    class OwnService(Service):
        pass

    OwnService.init_from_settings(
        {"cors_origins": "http://a http://b", "cors_max_age_seconds": age}
    )
    assert OwnService.cors_origins == ("http://a", "http://b")
    assert OwnService.cors_max_age == expected


@pytest.mark.clause("P-7.4", "P-19.6")
def test_errors_of_a_view_are_json() -> None:
    def view(request: Any) -> None:
        request.errors.add("body", "size", "Too large.")

    body = serving(view).get("/v0/things/a", status=400).json
    assert body["errno"] == 107
    assert body["message"] == "size in body: Too large."


@pytest.mark.clause("P-7.4")
def test_the_handler_is_given_the_request() -> None:
    given = []

    def handler(request: Any) -> Any:
        given.append(request)
        return Service.default_error_handler(None, request)  # type: ignore[arg-type]

    def view(request: Any) -> None:
        request.errors.add("body", "size", "Too large.")

    app = serving(view, error_handler=handler)
    app.get("/v0/things/a", status=400)
    assert given[0].path == "/v0/things/a"
    assert len(given[0].errors) == 1


@pytest.mark.clause("P-7.5", "P-4.10")
def test_built_in_services_are_registered_under_their_routes() -> None:
    registry = make_app([Mushroom]).app.registry
    names = {pattern: service.name for pattern, service in registry.cornice_services.items()}
    for pattern, name in {
        "v0/": "hello",
        "v0/__heartbeat__": "heartbeat",
        "v0/__lbheartbeat__": "lbheartbeat",
        "v0/mushrooms": "mushroom-collection",
        "v0/mushrooms/{id}": "mushroom-record",
    }.items():
        matching = [key for key in names if key.strip("/") == pattern.strip("/")]
        assert [names[key] for key in matching] == [name]


@pytest.mark.clause("P-4.10", "P-7.6")
def test_services_are_found_by_the_pattern_of_the_route() -> None:
    found = []

    def view(request: Any) -> dict[Any, Any]:
        services = request.registry.cornice_services
        found.append(services[request.matched_route.pattern].name)
        return {}

    serving(view).get("/v0/things/a")
    assert found == ["things"]


@pytest.mark.clause("P-7.6")
@pytest.mark.parametrize("kind", ["collection", "record"])
def test_services_of_resources_say_what_they_serve(kind: str) -> None:
    services = make_app([Mushroom]).app.registry.cornice_services.values()
    (service,) = (s for s in services if s.name == f"mushroom-{kind}")
    assert service.type == kind
    assert service.resource is Mushroom
    assert isinstance(service.viewset, Mushroom.default_viewset)
    assert service.collection_path == "/mushrooms"
    assert service.record_path == "/mushrooms/{id}"


@pytest.mark.clause("P-7.7", "P-34.24")
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (basic_auth(), 403)])
def test_a_permission_that_nobody_has_is_refused(headers: dict[str, Any], status: int) -> None:
    app = serving(
        lambda request: {},
        service_arguments={"factory": RouteFactory},
        permission="attach",
    )
    response = app.get("/v0/things/a", headers=headers, status=status)
    assert response.json["errno"] == (104 if status == 401 else 121)


# Schemas


class Thing(colander.MappingSchema):
    size = colander.SchemaNode(colander.Integer())
    shape = colander.SchemaNode(colander.String(), missing="round")
    limit = colander.SchemaNode(colander.Integer(), location="querystring", missing=colander.drop)
    token = colander.SchemaNode(
        colander.String(), name="X-Token", location="header", missing=colander.drop
    )
    place = colander.SchemaNode(
        colander.Integer(), name="id", location="path", missing=colander.drop
    )


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize("schema", [Thing, Thing()], ids=["class", "instance"])
def test_a_schema_describes_every_part_of_the_request(schema: Thing | type) -> None:
    app = serving(show_validated, "POST", schema=schema)
    response = app.post_json(
        "/v0/things/7?limit=3&other=1", {"size": "2", "extra": 1}, headers={"X-Token": "abc"}
    )
    assert response.json["validated"] == {
        "size": 2,
        "shape": "round",
        "limit": 3,
        "X-Token": "abc",
        "id": 7,
    }


@pytest.mark.clause("P-35.3", "H-26.4")
def test_the_faults_of_every_part_are_told() -> None:
    app = serving(show_validated, "POST", schema=Thing)
    response = app.post_json("/v0/things/x?limit=y", {"size": "z"}, status=400)
    assert {(item["location"], item["name"]) for item in response.json["details"]} == {
        ("body", "size"),
        ("querystring", "limit"),
        ("path", "id"),
    }


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize(
    ("unknown", "validated"),
    [
        ("ignore", {"size": 2, "shape": "round"}),
        ("preserve", {"size": 2, "shape": "round", "extra": [1]}),
        ("raise", None),
    ],
)
def test_unknown_members_are_dropped_kept_or_refused(
    unknown: str, validated: dict[str, Any] | None
) -> None:
    schema = colander.SchemaNode(colander.Mapping(unknown=unknown))
    for node in Thing().children[:2]:
        schema.add(node.clone())
    app = serving(show_validated, "POST", schema=schema)

    response = app.post_json("/v0/things/7", {"size": 2, "extra": [1]}, status="*")

    if validated is None:
        assert response.status_code == 400
        assert response.json["message"] == "extra is not allowed"
    else:
        assert response.json["validated"] == validated


@pytest.mark.clause("P-35.3")
def test_a_schema_may_unflatten_the_body() -> None:
    class Flat(colander.MappingSchema):
        size = colander.SchemaNode(colander.Integer())

        def unflatten(self, fstruct: Any) -> dict[str, Any]:
            return {"size": fstruct["thing.size"]}

    app = serving(show_validated, "POST", schema=Flat)
    assert app.post_json("/v0/things/7", {"thing.size": 2}).json["validated"] == {"size": 2}


@pytest.mark.clause("P-35.3")
def test_validators_take_the_request_alone_or_with_keywords() -> None:
    calls = []

    def alone(request: Any) -> None:
        calls.append("alone")

    def with_keywords(request: Any, **kwargs: Any) -> None:
        calls.append("with keywords")

    serving(lambda request: {}, validators=(alone, with_keywords)).get("/v0/things/7")
    assert calls == ["alone", "with keywords"]


@pytest.mark.clause("P-35.3")
def test_validators_see_what_the_schema_validated() -> None:
    def check(request: Any) -> None:
        if request.validated.get("size", 0) > 5:
            request.errors.add("body", "size", "Too large.")

    app = serving(
        show_validated, "POST", schema=Thing, validators=(*Service.default_validators, check)
    )
    app.post_json("/v0/things/7", {"size": 2}, status=200)
    response = app.post_json("/v0/things/7", {"size": 9}, status=400)
    assert response.json["message"] == "size in body: Too large."


@pytest.mark.clause("P-35.3")
def test_a_shared_schema_keeps_nothing_from_one_request_to_the_next() -> None:
    app = serving(show_validated, "POST", schema=Thing())
    first = app.post_json("/v0/things/7?limit=3", {"size": 1, "shape": "flat"})
    app.post_json("/v0/things/7", {}, status=400)
    last = app.post_json("/v0/things/8", {"size": 2})
    assert first.json["validated"] == {"size": 1, "shape": "flat", "limit": 3, "id": 7}
    assert last.json["validated"] == {"size": 2, "shape": "round", "id": 8}


# Rendering


class Odd:
    def __str__(self) -> str:
        return "an odd object"


@pytest.mark.clause("P-35.8", "P-35.7", "P-26.24")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ((n for n in (1, 2)), [1, 2]),
        (map(str, (1, 2)), ["1", "2"]),
        ({3}, [3]),
        ((1, 2), [1, 2]),
        (datetime.date(2015, 10, 22), "2015-10-22"),
        (datetime.datetime(2015, 10, 22, 1, 2, 3), "2015-10-22T01:02:03"),
        (decimal.Decimal("1.5"), 1.5),
        (b"caf\xc3\xa9", "café"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (Odd(), "an odd object"),
        ("a/b", "a/b"),
        (2**70, 2**70),
    ],
)
def test_a_view_may_return_almost_anything(value: object, shown: float | list[Any] | str) -> None:
    response = serving(lambda request: {"value": value}).get("/v0/things/7")
    assert response.json == {"value": shown}
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


@pytest.mark.clause("P-35.8")
def test_the_application_may_replace_the_renderer() -> None:
    def configure(config: Any) -> None:
        config.add_renderer("json", lambda info: lambda value, system: '{"mine": true}')

    assert make_app(configure=configure).get("/v0/").text == '{"mine": true}'
