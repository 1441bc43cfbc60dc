"""Services of plug-ins: permissions, error handlers, validators, renderers."""

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import colander
import cornice
import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service, utils
from cliquet.authorization import RouteFactory
from cliquet.errors import json_error_handler, raise_invalid
from cliquet.testing.web import basic_auth

BOB = basic_auth("mat", "1")
BOB_ID = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"


def serve(*services: Any, **kwargs: Any) -> TestApp:
    def configure(config: Any) -> None:
        for service in services:
            config.add_cornice_service(service)

    return make_app(configure=configure, **kwargs)


def attachment_service(factory: Any) -> Any:
    service = Service("attachment", "/files/{id}/attachment", factory=factory)
    service.add_view("POST", lambda request: {"stored": True}, permission="attach")
    return service


class AttachmentFactory(RouteFactory):
    """Says by hand what the permission is on."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.resource_name = "file"
        self.permission_object_id = f"/files/{request.matchdict['id']}"
        self.required_permission = "attach"


@pytest.mark.clause("P-7.7")
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (BOB, 403)])
@pytest.mark.parametrize("settings", [{}, {"permission_backend": ""}], ids=["backend", "none"])
def test_a_permission_that_nobody_has_is_refused(
    headers: dict[str, Any], status: int, settings: dict[str, Any]
) -> None:
    app = serve(attachment_service(RouteFactory), settings=settings)

    app.post("/v0/files/a/attachment", headers=headers, status=status)


@pytest.mark.clause("P-7.7", "P-25.10")
@pytest.mark.parametrize("permission", ["attach", "dynamic"])
def test_a_permission_on_what_the_context_names_is_granted_to_who_has_it(permission: str) -> None:
    service = Service("attachment", "/files/{id}/attachment", factory=AttachmentFactory)
    service.add_view("POST", lambda request: {"stored": True}, permission=permission)
    app = serve(service)
    app.app.registry.permission.add_principal_to_ace("/files/a", "attach", BOB_ID)

    assert app.post("/v0/files/a/attachment", headers=BOB).json == {"stored": True}
    app.post("/v0/files/b/attachment", headers=BOB, status=403)
    app.post("/v0/files/a/attachment", status=401)


@pytest.mark.clause("P-34.24", "P-35.13")
def test_a_context_on_what_is_no_resource_keeps_its_defaults() -> None:
    contexts = []

    def view(request: Any) -> Any:
        contexts.append(RouteFactory(request))
        return {}

    service = Service("plain", "/plain")
    service.add_view("GET", view)
    serve(service, settings={"permission_backend": ""}).get("/v0/plain")

    (context,) = contexts
    assert context.resource_name is None
    assert context.required_permission is None
    assert context.permission_object_id is None
    assert context.on_collection is False
    assert context.shared_ids == []
    assert context.check_permission("read", ["system.Everyone"]) is False


def refuse(request: Any) -> None:
    """Add a fault, as validators of Cornice 1 did."""
    request.errors.add("querystring", "size", "too large")


@pytest.mark.clause("P-35.4", "P-19.6")
@pytest.mark.parametrize("argument", ["request", "errors"])
def test_a_plain_cornice_service_may_answer_with_the_json_errors(argument: str) -> None:
    def handler(request: Any) -> Any:
        return json_error_handler(request if argument == "request" else request.errors)

    service = cornice.Service("plain", "/plain", error_handler=handler)
    service.add_view("GET", lambda request: {}, validators=(lambda r, **kw: refuse(r),))

    response = serve(service).get("/v0/plain", headers={"Origin": "http://a"}, status=400)

    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": "size in querystring: too large",
        "details": [{"location": "querystring", "name": "size", "description": "too large"}],
    }
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


LOCATIONS = ["body", "querystring", "url", "header", "headers", "path", "cookies", "method", "x"]


@pytest.mark.clause("P-35.5", "P-35.7")
@pytest.mark.parametrize("location", LOCATIONS)
def test_a_fault_anywhere_is_a_400(location: str) -> None:
    service = Service("plain", "/plain")
    service.add_view("GET", lambda r: raise_invalid(r, location=location, name="a", code=3))

    response = serve(service).get("/v0/plain", status=400)

    assert response.json["message"] == f"a in {location}"
    assert response.json["details"][0]["location"] == location
    assert response.json["details"][0]["code"] == 3
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


@pytest.mark.clause("P-35.6", "P-34.12")
def test_a_description_may_be_bytes() -> None:
    service = Service("plain", "/plain")
    service.add_view("GET", lambda r: raise_invalid(r, name="a", description="é".encode()))

    response = serve(service).get("/v0/plain", status=400)

    assert response.json["message"] == "a in body: é"


class Thing:
    def __str__(self) -> str:
        return "a thing"


@pytest.mark.clause("P-35.8", "P-35.7")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": {"b": 1}.keys()}, {"a": ["b"]}),
        ({"a": (number for number in (1, 2))}, {"a": [1, 2]}),
        ({"a": {3}}, {"a": [3]}),
        ({"a": datetime.date(2016, 5, 1)}, {"a": "2016-05-01"}),
        ({"a": decimal.Decimal("1.5")}, {"a": 1.5}),
        ({"a": b"text"}, {"a": "text"}),
        ({"a": Thing()}, {"a": "a thing"}),
    ],
    ids=lambda value: type(value.get("a")).__name__,
)
def test_views_may_return_what_has_no_json_form(
    value: dict[str, Any], shown: dict[str, Any]
) -> None:
    service = Service("plain", "/plain")
    service.add_view("GET", lambda request: value)

    response = serve(service).get("/v0/plain")

    assert response.json == shown
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


class Query(colander.MappingSchema):
    """What Cornice 1 read from the query string and the headers."""

    size = colander.SchemaNode(colander.Integer(), location="querystring", missing=10)
    tags = colander.SchemaNode(
        colander.Sequence(),
        colander.SchemaNode(colander.String()),
        name="tags",
        location="querystring",
        missing=colander.drop,
    )
    if_size = colander.SchemaNode(
        colander.Integer(), location="header", name="If-Size", missing=colander.drop
    )


@pytest.mark.clause("P-35.3")
def test_a_schema_of_the_query_string_and_the_headers() -> None:
    service = Service("search", "/search")
    service.add_view("GET", lambda request: request.validated, schema=Query)
    app = serve(service)

    found = app.get("/v0/search?tags=a&tags=b&size=3", headers={"If-Size": "4"}).json

    assert found == {"size": 3, "tags": ["a", "b"], "If-Size": 4}
    assert app.get("/v0/search?tags=a").json == {"size": 10, "tags": ["a"]}
    refused = app.get("/v0/search?size=x", headers={"If-Size": "y"}, status=400).json
    assert [item["location"] for item in refused["details"]] == ["querystring", "header"]


class Searches:
    """Views of a class, with a validator among its methods."""

    def __init__(self, request: Any, context: Any = None) -> None:
        self.request = request

    def alone(self, request: Any) -> None:
        request.validated["seen"] = ["method"]

    def keywords(self, request: Any, **kwargs: Any) -> None:
        request.validated["seen"] = [sorted(kwargs["schema"].__name__)[0]]

    def get(self) -> Any:
        return {"seen": self.request.validated["seen"]}


def alone(request: Any) -> None:
    request.validated["seen"] = ["function"]


def with_keywords(request: Any, **kwargs: Any) -> None:
    request.validated["seen"] = ["keywords", kwargs["renderer"]]


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize(
    ("validator", "seen"),
    [
        (alone, ["function"]),
        (with_keywords, ["keywords", "json"]),
        ("alone", ["method"]),
        ("keywords", ["Q"]),
    ],
)
def test_validators_take_the_request_alone_or_keywords_too(
    validator: Callable[..., Any] | str, seen: list[Any]
) -> None:
    service = Service("search", "/search")
    service.add_view("GET", "get", klass=Searches, validators=(validator,), schema=Query)

    assert serve(service).get("/v0/search").json == {"seen": seen}


@pytest.mark.clause("P-35.3", "P-35.6")
def test_validators_of_several_views_of_one_method_too() -> None:
    service = Service("search", "/search")
    for media_type in ("application/json", "text/csv"):
        service.add_view(
            "GET",
            lambda request: request.validated,
            validators=(alone,),
            accept=media_type,
        )

    app = serve(service)

    assert app.get("/v0/search", headers={"Accept": "text/csv"}).json == {"seen": ["function"]}
    refused = app.get("/v0/search", headers={"Accept": "image/png"}, status=406)
    # Cornice describes it in bytes.
    assert refused.json["message"].startswith("Accept header should be one of [")


@pytest.mark.clause("P-35.3")
def test_validators_run_after_the_schema_and_even_where_it_found_faults() -> None:
    service = Service("search", "/search")
    service.add_view("GET", lambda request: {}, schema=Query, validators=(refuse,))

    response = serve(service).get("/v0/search?size=x", status=400)

    assert [item["description"] for item in response.json["details"]] == [
        '"x" is not a number',
        "too large",
    ]


@pytest.mark.clause("P-35.10")
@pytest.mark.parametrize("value", [b"caf\xc3\xa9", "café"])
def test_header_values_may_be_bytes_or_text(value: bytes | str) -> None:
    assert utils.decode_header(value) == "café"
    assert utils.encode_header(value) == "café"


def echo_service() -> Any:
    def view(request: Any) -> Any:
        return {
            "body": request.body.decode(),
            "type": request.content_type,
            "header": request.headers.get("X-Name"),
        }

    service = Service("echo", "/echo")
    service.add_view("POST", view)
    return service


@pytest.mark.clause("P-35.11", "P-35.10", "P-26.21")
@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"body": {"é": [1]}}, '{"é":[1]}'),
        ({"body": {}}, "{}"),
        ({"body": "é"}, "é"),
        ({"body": "é".encode()}, "é"),
        ({"body": None}, ""),
        ({}, ""),
    ],
)
def test_the_body_of_a_subrequest_is_a_dictionary_text_bytes_or_absent(
    given: dict[str, Any], body: str
) -> None:
    def view(request: Any) -> Any:
        subrequest = utils.build_request(
            request, {"method": "POST", "path": "/echo", "headers": {"X-Name": b"caf\xc3"}, **given}
        )
        response, _ = request.follow_subrequest(subrequest, use_tweens=False)
        return response.json

    service = Service("parent", "/parent")
    service.add_view("GET", view)

    answer = serve(service, echo_service()).get("/v0/parent").json

    assert answer["body"] == body
    assert answer["header"] is not None
    if isinstance(given.get("body"), dict):
        assert answer["type"] == "application/json"


@pytest.mark.clause("P-35.12", "P-5.14")
def test_attributes_of_requests_and_subrequests_can_be_assigned() -> None:
    def view(request: Any) -> Any:
        subrequest = utils.build_request(request, {"path": "/echo"})
        seen = {"shared": subrequest.bound_data is request.bound_data}
        for number, target in enumerate((request, subrequest)):
            target.validated = {"a": number}
            target.current_resource_name = f"mushroom-{number}"
            target.bound_data = {"buckets": number}
        seen["assigned"] = [  # type: ignore[assignment]
            [target.validated, target.current_resource_name, target.bound_data]
            for target in (request, subrequest)
        ]
        return seen

    service = Service("parent", "/parent")
    service.add_view("GET", view)

    assert serve(service).get("/v0/parent").json == {
        "shared": True,
        "assigned": [
            [{"a": 0}, "mushroom-0", {"buckets": 0}],
            [{"a": 1}, "mushroom-1", {"buckets": 1}],
        ],
    }
