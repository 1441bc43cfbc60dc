"""What error bodies say (H-26)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pyramid import httpexceptions
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.outcomes import OUTCOMES, RAISED, Outcome, make_outcomes_app, outcomes
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import Service
from cliquet.errors import http_error
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
ORIGIN = {"Origin": "http://a.example"}
ERRNOS = {
    "invalid-body": 107,
    "invalid-query": 107,
    "invalid-escape": 107,
    "anonymous": 104,
    "forbidden": 121,
    "unknown-url": 111,
    "unknown-version": 116,
    "unknown-record": 111,
    "bad-method": 115,
    "not-acceptable": 107,
    "conflict": 122,
    "precondition": 114,
    "media-type": 107,
    "application-error": 4711,
    "application-5xx": 999,
    "crash": 999,
    "backend-failure": 201,
    "maintenance": 201,
}
ERRORS = [outcome for outcome in OUTCOMES if outcome.name in ERRNOS]
errors = pytest.mark.parametrize("outcome", ERRORS, ids=lambda outcome: outcome.name)


class MappedError(Exception):
    """An error that the application answers itself."""


def raising(error: Any, configure: Any = None, settings: Any = None) -> TestApp:
    """Return a client of an application whose URL `/fails` raises what `error` returns."""

    def fail(request: Any) -> None:
        raise error()

    def configure_both(config: Any) -> None:
        service = Service(name="fails", path="/fails")
        service.add_view("GET", fail, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        if configure is not None:
            configure(config)

    return make_app(settings=settings, configure=configure_both)


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_outcomes_app()


# The body


@pytest.mark.clause("H-26.1", "H-26.2", "P-19.2")
@errors
def test_every_error_has_its_number_and_its_members(app: TestApp, outcome: Outcome) -> None:
    response = outcome(app)
    body = response.json
    assert body["code"] == response.status_code
    assert body["errno"] == ERRNOS[outcome.name]
    assert body["error"] == (
        "Invalid parameters" if body["errno"] == 107 else response.status.partition(" ")[2]
    )
    assert isinstance(body["message"], str)
    assert set(body) <= {"code", "errno", "error", "message", "info", "details"}
    # There is no link unless a setting has one.
    assert "info" not in body
    details = {107: list, 122: dict, 114: dict}.get(body["errno"])
    if details is not None:
        assert isinstance(body["details"], details) or outcome.name == "precondition"


@pytest.mark.clause("H-26.1", "H-1.1", "P-35.7")
@errors
def test_every_error_is_json_in_utf_8(app: TestApp, outcome: Outcome) -> None:
    assert outcome(app).headers["Content-Type"] == "application/json; charset=UTF-8"


@pytest.mark.clause("H-26.2", "H-28.3")
def test_the_end_of_the_service_has_a_number() -> None:
    body = make_app(settings={"eos": "2000-01-01"}).get("/v0/", status=410).json
    assert (body["code"], body["errno"], body["error"]) == (410, 202, "Gone")


@pytest.mark.clause("H-26.12", "D-73", "P-20.6", "P-19.6")
@outcomes("bad-method")
def test_every_response_has_cors_headers(app: TestApp, outcome: Outcome) -> None:
    response = outcome(app, **ORIGIN)
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])
    assert "Alert" in response.headers["Access-Control-Expose-Headers"]


# Validation errors


def validated(*items: Any) -> Any:
    """Return the response to a request whose validator adds some errors."""

    def refuse(request: Any, **kwargs: Any) -> None:
        for location, name, description in items:
            request.errors.add(location, name, description)

    def configure(config: Any) -> None:
        service = Service(name="refuses", path="/refuses")
        service.add_view(
            "GET", lambda request: {}, validators=(refuse,), permission=NO_PERMISSION_REQUIRED
        )
        config.add_cornice_service(service)

    return make_app(configure=configure).get("/v0/refuses", status=400)


@pytest.mark.clause("H-26.4", "H-26.5", "H-26.6", "P-19.6")
@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([("body", None, "Bad.")], "body: Bad."),
        ([("body", "size", "Too large.")], "size in body: Too large."),
        ([("querystring", "size", "size is too large.")], "size is too large."),
        ([("body", "b", "2"), ("body", "a", "1")], "a in body: 1"),
        ([("body", "b", "2"), ("header", "B", "1")], "B in header: 1"),
        ([("body", "a", "1"), ("path", None, "2")], "path: 2"),
        ([("body", "Max", "1"), ("path", None, "2")], "Max in body: 1"),
        ([("body", "é", "1"), ("body", "z", "2")], "z in body: 2"),
    ],
)
def test_the_message_describes_the_first_item_by_name(items: list[Any], message: str) -> None:
    body = validated(*items).json
    assert body == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": message,
        "details": [
            {"location": location, "name": name, "description": description}
            for location, name, description in items
        ],
    }


@pytest.mark.clause("H-26.4")
@pytest.mark.parametrize(
    ("path", "headers", "location", "name"),
    [
        ("/v0/mushrooms?_limit=x", {}, "querystring", "_limit"),
        ("/v0/mushrooms/NO", {}, "path", None),
        ("/v0/mushrooms", {"Accept": "a/b"}, "header", "Accept"),
        ("/v0/mushrooms", {"If-Match": "x"}, "headers", "If-Match"),
    ],
)
def test_the_location_says_where_the_fault_is(
    app: TestApp, path: str, headers: dict[str, Any], location: str, name: str | None
) -> None:
    response = app.get(path, headers={**AUTH, **headers}, status=(400, 406))
    item = response.json["details"][0]
    assert item["location"] == location
    assert name is None or name in (item["name"] or item["description"])


INTERNALS = re.compile(
    r"<|0x[0-9a-f]{4}|object at|\bclass\b|NoneType|\bdict\b(?!-like)|\bstr\b|colander|u'"
)


@pytest.mark.slow
@pytest.mark.clause("D-13")
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"data": NaN}',
        b'{"data": []}',
        b'{"data": "text"}',
        b'{"data": {"name": {}}}',
        b'{"data": {"name": null}}',
        b'{"data": {"name": [1]}}',
        b'{"data": {"rank": {}}}',
        b'{"data": {"rank": "x"}}',
        b'{"data": {"edible": {}}}',
        b'{"data": {"picked_at": {}}}',
        b'{"data": {"link": {}}}',
        b'{"data": {"link": "x y"}}',
        b'{"data": {"id": {}, "name": 1e999}}',
        b'{"data": {"name": "\\ud800"}}',
        b'{"datta": {}}',
    ],
)
@pytest.mark.parametrize("path", ["/v0/mushrooms", "/v0/psilos"])
def test_errors_speak_the_language_of_the_client(path: str, body: bytes) -> None:
    app = make_app(RESOURCES)
    headers = {**AUTH, "Content-Type": "application/json"}
    response = app.post(path, body, headers=headers, status="*")
    assert response.status_code in (201, 400)
    if response.status_code == 400:
        assert not INTERNALS.search(response.json["message"])
        for item in response.json["details"]:
            assert not INTERNALS.search(item["description"])


# 500 and 503


@pytest.mark.clause("H-26.7", "S-3.7", "P-20.5")
@pytest.mark.setting("error_info_link")
@pytest.mark.parametrize(
    ("settings", "info"),
    [
        ({}, {}),
        ({"error_info_link": ""}, {}),
        ({"error_info_link": "https://help.example/"}, {"info": "https://help.example/"}),
    ],
)
def test_a_crash_says_nothing_but_where_to_report_it(
    settings: dict[str, Any], info: dict[str, str]
) -> None:
    response = raising(RAISED["crash"], settings=settings).get("/v0/fails", status=500)
    assert response.json == {
        "code": 500,
        "errno": 999,
        "error": "Internal Server Error",
        "message": "A programmatic error occured, developers have been informed.",
        **info,
    }
    assert "Retry-After" not in response.headers


UNAVAILABLE = {
    "code": 503,
    "errno": 201,
    "error": "Service Unavailable",
    "message": (
        "Service temporary unavailable due to overloading or maintenance, please retry later."
    ),
}


@pytest.mark.clause("H-26.8", "P-20.3", "P-20.5")
@pytest.mark.parametrize("kind", ["storage", "cache", "permission"])
def test_the_failure_of_a_backend_is_unavailability(kind: str) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise BackendError(original=RuntimeError("a secret"))

    def configure(config: Any) -> None:
        setattr(config.registry, kind, fail)
        service = Service(name="fails", path="/fails")
        service.add_view(
            "GET",
            lambda request: getattr(request.registry, kind)(),
            permission=NO_PERMISSION_REQUIRED,
        )
        config.add_cornice_service(service)

    response = make_app(configure=configure).get("/v0/fails", status=503)
    assert response.json == UNAVAILABLE
    assert response.headers["Retry-After"] == "30"


@pytest.mark.clause("H-26.8", "S-8.2")
@pytest.mark.parametrize(
    "error", [httpexceptions.HTTPServiceUnavailable, RAISED["backend"], RAISED["maintenance"]]
)
def test_the_delay_before_a_retry_is_a_setting(error: Callable[..., Any] | type) -> None:
    app = raising(error, settings={"retry_after_seconds": "77"})
    assert app.get("/v0/fails", status=503).headers["Retry-After"] == "77"


# Errors of the application


@pytest.mark.clause("H-26.10", "P-20.3", "P-20.4")
@pytest.mark.parametrize(
    "error",
    [
        httpexceptions.HTTPMethodNotAllowed,
        httpexceptions.HTTPServiceUnavailable,
        httpexceptions.HTTPBadRequest,
        httpexceptions.HTTPConflict,
        httpexceptions.HTTPGone,
        httpexceptions.HTTPInsufficientStorage,
    ],
)
def test_the_json_body_of_an_application_is_kept(error: type[Any]) -> None:
    app = raising(lambda: http_error(error(), errno=42, message="My own."))
    response = app.get("/v0/fails", status=error.code)
    assert response.json["errno"] == 42
    assert response.json["message"] == "My own."
    assert ("Retry-After" in response.headers) == (error.code == 503)


@pytest.mark.clause("H-26.10", "P-20.1", "P-20.2", "P-20.8")
@pytest.mark.parametrize(
    ("error", "errno", "message"),
    [
        (
            httpexceptions.HTTPNotFound,
            111,
            "The resource you are looking for could not be found.",
        ),
        (httpexceptions.HTTPForbidden, 121, "This user cannot access this resource."),
    ],
)
@pytest.mark.parametrize("own_body", [False, True])
def test_a_raised_404_or_403_has_the_standard_body(
    error: type[Any], errno: int, message: str, own_body: bool
) -> None:
    def make() -> Any:
        return http_error(error(), errno=42, message="My own.") if own_body else error("My own.")

    response = raising(make).get("/v0/fails", headers=AUTH, status=error.code)
    assert response.json["errno"] == errno
    assert response.json["message"] == message


@pytest.mark.clause("H-26.10", "P-20.1")
def test_a_raised_403_is_401_for_an_anonymous_user() -> None:
    app = raising(httpexceptions.HTTPForbidden)
    response = app.get("/v0/fails", status=401)
    assert response.json["errno"] == 104
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Realm"'


@pytest.mark.clause("H-26.11", "P-20.7")
def test_an_application_may_map_its_own_exceptions() -> None:
    def configure(config: Any) -> None:
        config.add_view(
            lambda context, request: Response("Mapped", status=418), context=MappedError
        )

    response = raising(MappedError, configure).get("/v0/fails", headers=ORIGIN, status=418)
    assert response.text == "Mapped"


@pytest.mark.clause("H-26.12", "P-34.26", "P-20.5", "P-20.9")
@pytest.mark.parametrize(
    ("error", "errno"),
    [
        (httpexceptions.HTTPPaymentRequired, 999),
        (httpexceptions.HTTPLengthRequired, 112),
        (httpexceptions.HTTPRequestEntityTooLarge, 113),
        (httpexceptions.HTTPTooManyRequests, 117),
        (httpexceptions.HTTPConflict, 999),
        (httpexceptions.HTTPNotImplemented, 999),
        (httpexceptions.HTTPInsufficientStorage, 999),
    ],
)
def test_other_http_errors_keep_their_status_and_are_json(error: type[Any], errno: int) -> None:
    response = raising(error).get("/v0/fails", headers=ORIGIN, status=error.code)
    assert response.json["code"] == error.code
    assert response.json["errno"] == errno
    assert response.json["error"] == error.title
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.clause("H-26.12")
def test_a_raised_redirection_is_one() -> None:
    app = raising(lambda: httpexceptions.HTTPFound("http://localhost/elsewhere"))
    assert app.get("/v0/fails", status=302).location == "http://localhost/elsewhere"


@pytest.mark.clause("H-26.13")
@pytest.mark.parametrize("path", ["/v0/fails", "/v0/nothing", "/v9/"])
def test_errors_of_head_have_the_headers_of_get(path: str) -> None:
    app = raising(RAISED["crash"])
    got, head = app.get(path, status="*"), app.head(path, status="*")
    assert head.status_code == got.status_code
    assert head.headers["Content-Length"] == str(len(got.body))
    assert head.body == b""
