"""The helpers that make errors (P-19)."""

import enum
import json
from typing import Any

import cornice
import pytest
from cornice.errors import Errors
from pyramid import httpexceptions, testing
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.testing import DummyRequest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service, errors
from cliquet.errors import ERRORS, http_error, json_error_handler, raise_invalid, send_alert
from cliquet.views.errors import service_unavailable

TABLE = [
    ("MISSING_AUTH_TOKEN", 104, 401),
    ("INVALID_AUTH_TOKEN", 105, 401),
    ("BADJSON", 106, 400),
    ("INVALID_PARAMETERS", 107, 400),
    ("MISSING_PARAMETERS", 108, 400),
    ("INVALID_POSTED_DATA", 109, 400),
    ("INVALID_RESOURCE_ID", 110, 404),
    ("MISSING_RESOURCE", 111, 404),
    ("MISSING_CONTENT_LENGTH", 112, 411),
    ("REQUEST_TOO_LARGE", 113, 413),
    ("MODIFIED_MEANWHILE", 114, 412),
    ("METHOD_NOT_ALLOWED", 115, 405),
    ("VERSION_NOT_AVAILABLE", 116, 404),
    ("CLIENT_REACHED_CAPACITY", 117, 429),
    ("FORBIDDEN", 121, 403),
    ("CONSTRAINT_VIOLATED", 122, 409),
    ("SYNC_TOKEN_OUTDATED", 131, 410),
    ("BACKEND", 201, 503),
    ("SERVICE_DEPRECATED", 202, 410),
    ("UNDEFINED", 999, 500),
]


@pytest.fixture
def request_() -> Any:
    """A request as Cornice prepares it."""
    request = testing.DummyRequest()
    request.errors = Errors()
    return request


def invalid(request: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the response that `raise_invalid` raises."""
    with pytest.raises(httpexceptions.HTTPBadRequest) as raised:
        raise_invalid(request, *args, **kwargs)
    return raised.value


# ERRORS


@pytest.mark.clause("P-19.1", "H-26.2", "H-26.3", "P-34.26", "P-34.31")
def test_the_table_of_numbers() -> None:
    assert issubclass(ERRORS, enum.Enum)
    assert [(error.name, error.value, error.status) for error in ERRORS] == TABLE


@pytest.mark.clause("P-34.31")
def test_a_member_is_found_by_its_number() -> None:
    assert ERRORS(104) is ERRORS.MISSING_AUTH_TOKEN  # type: ignore[call-arg]


# http_error


@pytest.mark.clause("P-19.2")
def test_an_http_error_is_the_same_exception_with_a_json_body() -> None:
    exception = httpexceptions.HTTPConflict()
    response = http_error(exception, errno=ERRORS.CONSTRAINT_VIOLATED)
    assert response is exception
    assert response.json == {"code": 409, "errno": 122, "error": "Conflict"}
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert response.headers["Content-Length"] == str(len(response.body))


@pytest.mark.clause("P-19.2", "H-26.1")
def test_every_member_of_an_http_error_can_be_given() -> None:
    members = {
        "errno": 4711,
        "code": 499,
        "error": "Odd",
        "message": "",
        "info": "http://info.example/",
        "details": {"a": [1]},
    }
    assert http_error(httpexceptions.HTTPBadRequest(), **members).json == members  # type: ignore[arg-type]


@pytest.mark.clause("P-19.2")
@pytest.mark.parametrize(
    ("errno", "number"), [(None, 999), (0, 999), (42, 42), (ERRORS.BACKEND, 201)]
)
def test_the_number_is_a_member_or_an_integer(errno: ERRORS | int | None, number: int) -> None:
    assert http_error(httpexceptions.HTTPConflict(), errno=errno).json["errno"] == number


@pytest.mark.clause("P-19.2")
@pytest.mark.parametrize("is_raised", [True, False])
def test_an_http_error_can_be_returned_or_raised(is_raised: bool) -> None:
    def view(request: Any) -> Any:
        error = http_error(httpexceptions.HTTPConflict(), errno=42)
        if is_raised:
            raise error
        return error

    assert _app(view).get("/v0/view", status=409).json["errno"] == 42


def _app(view: Any, service_class: Any = Service, **kwargs: Any) -> TestApp:
    def configure(config: Any) -> None:
        service = service_class(name="view", path="/view")
        service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED, **kwargs)
        config.add_cornice_service(service)

    return make_app(configure=configure)


# raise_invalid


@pytest.mark.clause("P-19.3")
def test_raise_invalid_describes_the_fault(request_: DummyRequest) -> None:
    response = invalid(request_, "querystring", "size", "Too large.", limit=5)
    item = {"location": "querystring", "name": "size", "description": "Too large.", "limit": 5}
    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": "size in querystring: Too large.",
        "details": [item],
    }
    assert request_.errors == [item]


@pytest.mark.clause("P-35.5", "P-19.3")
@pytest.mark.parametrize(
    "location", ["body", "querystring", "path", "header", "headers", "url", "cookies", "method", ""]
)
def test_raise_invalid_takes_every_location(request_: DummyRequest, location: str) -> None:
    response = invalid(request_, location=location, name="If-Match", description="Bad.")
    assert response.json["details"][0]["location"] == location


@pytest.mark.clause("P-34.12", "P-35.6")
@pytest.mark.parametrize(
    ("kwargs", "message", "description"),
    [
        ({"name": "f"}, "f in body", ""),
        ({"name": "f", "description": b"\xc3\xa9t\xc3\xa9"}, "f in body: été", "été"),
        ({"name": "f", "description": b"bad \xff"}, "f in body: bad \ufffd", "bad \ufffd"),
        ({"name": b"f", "description": b"no f"}, "no f", "no f"),
        ({"description": "Bad."}, "body: Bad.", "Bad."),
        ({}, "body: ", ""),
    ],
)
def test_raise_invalid_takes_any_description(
    request_: DummyRequest, kwargs: dict[str, Any], message: str, description: str
) -> None:
    body = invalid(request_, **kwargs).json
    assert body["message"] == message
    assert body["details"][0]["description"] == description


@pytest.mark.clause("P-19.3", "P-34.12", "P-35.5")
def test_raise_invalid_works_in_a_view() -> None:
    app = _app(lambda request: raise_invalid(request, location="headers", name="X"))
    response = app.get("/v0/view", headers={"Origin": "http://a.example"}, status=400)
    assert response.json["details"] == [{"location": "headers", "name": "X", "description": ""}]
    assert response.headers["Access-Control-Allow-Origin"] == "*"


# json_error_handler


@pytest.mark.clause("P-35.4", "P-19.6")
@pytest.mark.parametrize("status", [400, 406, 415])
def test_the_handler_takes_a_request_or_its_errors(request_: DummyRequest, status: int) -> None:
    request_.errors.add("header", "Accept", "Bad Accept.")
    request_.errors.status = status
    for argument in (request_, request_.errors):
        response = json_error_handler(argument)
        assert response.status_code == status
        assert response.json == {
            "code": status,
            "errno": 107,
            "error": "Invalid parameters",
            "message": "Bad Accept.",
            "details": [{"location": "header", "name": "Accept", "description": "Bad Accept."}],
        }


@pytest.mark.clause("P-35.6", "H-26.5")
def test_the_handler_takes_bytes(request_: DummyRequest) -> None:
    request_.errors.add("header", "Accept", b"Accept should be json")
    assert json_error_handler(request_).json["message"] == "Accept should be json"


@pytest.mark.clause("P-19.6", "H-26.5")
@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["b", "a"], "a"),
        (["a", None], None),
        (["Z", None], None),
        (["M", None], "M"),
        (["None", "a"], "None"),
    ],
)
def test_the_first_error_by_the_text_of_its_name_is_described(
    request_: DummyRequest, names: list[Any], first: str | None
) -> None:
    for name in names:
        request_.errors.add("body", name, f"about {name}!")
    body = json_error_handler(request_).json
    assert body["message"] == ("body: about None!" if first is None else f"about {first}!")
    assert [item["name"] for item in body["details"]] == names


@pytest.mark.clause("P-35.4")
def test_a_plain_cornice_service_may_use_the_handler() -> None:
    def refuse(request: Any, **kwargs: Any) -> None:
        request.errors.add("body", "size", "Too large.")

    app = _app(
        lambda request: {},
        cornice.Service,
        validators=(refuse,),
        error_handler=errors.json_error_handler,
    )
    response = app.get("/v0/view", status=400)
    assert response.json["message"] == "size in body: Too large."


@pytest.mark.clause("P-19.7")
@pytest.mark.parametrize(
    ("body", "message"),
    [({"datta": {}, "data": {}}, "datta is not allowed"), ({}, "data is missing")],
)
def test_messages_about_members_of_the_body(
    body: dict[str, Any], message: str, app: TestApp, headers: dict[str, str]
) -> None:
    response = app.post_json("/v0/mushrooms", body, headers=headers, status=400)
    assert message in [item["description"] for item in response.json["details"]]
    assert response.json["message"] in (message, "data.name in body: Required")


# send_alert


@pytest.mark.clause("P-19.4")
@pytest.mark.parametrize(
    ("kwargs", "alert"),
    [
        ({}, {"code": "soft-eol", "message": None, "url": "http://docs.example/"}),
        (
            {"message": "Été", "url": "http://u.example/", "code": "hard-eol"},
            {"code": "hard-eol", "message": "Été", "url": "http://u.example/"},
        ),
    ],
)
def test_an_alert_is_json_in_a_header(kwargs: dict[str, Any], alert: dict[str, Any]) -> None:
    def view(request: Any) -> dict[Any, Any]:
        send_alert(request, **kwargs)
        return {}

    app = _app(view)
    app.app.registry.settings["project_docs"] = "http://docs.example/"
    assert json.loads(app.get("/v0/view").headers["Alert"]) == alert


@pytest.mark.clause("H-28.6", "X-34")
@pytest.mark.parametrize("character", ["a", "\u00e9", "\U0001f344", '"'])
def test_an_alert_is_no_longer_than_clients_take_a_header(character: str) -> None:
    def view(request: Any) -> dict[Any, Any]:
        send_alert(request, message=character * 20_000)
        return {}

    header = _app(view).get("/v0/view").headers["Alert"]
    assert len(header) < 8000
    message = json.loads(header)["message"]
    assert message == character * 500 + "\u2026"


# Views


@pytest.mark.clause("P-20.3")
def test_plugins_may_call_the_view_of_503() -> None:
    def view(request: Any) -> Any:
        return service_unavailable(httpexceptions.HTTPServiceUnavailable(), request)

    response = _app(view).get("/v0/view", status=503)
    assert response.json["errno"] == 201
    assert response.headers["Retry-After"] == "30"
