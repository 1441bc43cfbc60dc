"""HEAD and OPTIONS (H-33)."""

from typing import Any

import pytest
from support.outcomes import FUTURE_ETAG
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
UNKNOWN = "/v0/mushrooms/404404ff-0000-4000-8000-000000000001"
# What differs between any two responses.
PER_REQUEST = {"X-Request-Id", "Date"}


@pytest.fixture(scope="module")
def app() -> TestApp:
    app = make_app([Mushroom], settings={"backoff": 5, "eos": "2999-01-01"})
    for name in ("cep", "morel", "chanterelle"):
        app.post_json("/v0/mushrooms", {"data": {"name": name}}, headers=AUTH)
    return app


@pytest.fixture(scope="module")
def record(app: TestApp) -> str:
    """The path of a record."""
    listed = app.get("/v0/mushrooms", headers=AUTH).json["data"]
    return f"/v0/mushrooms/{listed[0]['id']}"


def headers_of(response: Any) -> dict[Any, Any]:
    return {n: v for n, v in response.headers.items() if n not in PER_REQUEST}


@pytest.mark.clause("H-33.1", "H-1.4")
@pytest.mark.parametrize(
    "path",
    [
        "/v0/",
        "/v0/__heartbeat__",
        "/v0/__lbheartbeat__",
        "/v0/mushrooms",
        "/v0/mushrooms?_limit=2",
        "/v0/mushrooms?name=cep",
    ],
)
def test_head_has_the_status_and_headers_of_get_and_no_body(app: TestApp, path: str) -> None:
    headers = {**AUTH, "Origin": "http://a.example"}
    get, head = app.get(path, headers=headers), app.head(path, headers=headers)
    assert head.status_code == get.status_code == 200
    assert head.body == b""
    assert headers_of(head) == headers_of(get)
    assert int(head.headers["Content-Length"]) == len(get.body)


@pytest.mark.clause("H-33.1")
def test_head_of_a_record_has_the_headers_of_get(app: TestApp, record: str) -> None:
    headers = {**AUTH, "Origin": "http://a.example"}
    get, head = app.get(record, headers=headers), app.head(record, headers=headers)
    assert head.body == b""
    assert headers_of(head) == headers_of(get)
    assert {"ETag", "Last-Modified", "Cache-Control"} <= set(head.headers)


@pytest.mark.clause("H-33.1")
def test_head_of_a_page_tells_the_total_and_the_next_page(app: TestApp) -> None:
    head = app.head("/v0/mushrooms?_limit=2", headers=AUTH)
    assert head.headers["Total-Records"] == "3"
    page = app.get(head.headers["Next-Page"], headers=AUTH)
    assert len(page.json["data"]) == 1


@pytest.mark.clause("H-33.1")
@pytest.mark.parametrize(
    ("condition", "value", "status"),
    [
        ("If-None-Match", FUTURE_ETAG, 304),
        ("If-None-Match", '"1"', 200),
        ("If-Match", '"1"', 412),
        ("If-Match", FUTURE_ETAG, 200),
    ],
)
def test_head_honours_conditions(
    app: TestApp, record: str, condition: str, value: str, status: int
) -> None:
    for path in ("/v0/mushrooms", record):
        headers = {**AUTH, condition: value}
        get = app.get(path, headers=headers, status=status)
        head = app.head(path, headers=headers, status=status)
        assert head.body == b""
        assert headers_of(head) == headers_of(get)


@pytest.mark.clause("H-26.13", "H-33.1")
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v0/mushrooms", {}, 401),
        ("/v0/mushrooms", {**AUTH, "Accept": "text/html"}, 406),
        ("/v0/mushrooms?_limit=x", AUTH, 400),
        (UNKNOWN, AUTH, 404),
        ("/v0/mushrooms/x", AUTH, 400),
        ("/v0/nothing", {}, 404),
        ("/v9/", {}, 404),
    ],
)
def test_errors_to_head_have_the_headers_of_get_and_no_body(
    app: TestApp, path: str, headers: dict[str, Any], status: int
) -> None:
    get = app.get(path, headers=headers, status=status)
    head = app.head(path, headers=headers, status=status)
    assert head.body == b""
    assert headers_of(head) == headers_of(get)
    assert int(head.headers["Content-Length"]) == len(get.body)


@pytest.mark.clause("H-33.1")
@pytest.mark.parametrize("path", ["/mushrooms", "/v0/mushrooms/"])
def test_redirects_of_head_lead_where_those_of_get_do(app: TestApp, path: str) -> None:
    assert app.head(path, status=307).location == app.get(path, status=307).location


@pytest.mark.clause("H-33.2")
def test_head_is_there_exactly_when_get_is() -> None:
    app = make_app([Mushroom], settings={"record_mushroom_get_enabled": False})
    app.head("/v0/mushrooms", headers=AUTH, status=200)
    app.get(UNKNOWN, headers=AUTH, status=405)
    app.head(UNKNOWN, headers=AUTH, status=405)


@pytest.mark.clause("H-33.2")
def test_head_needs_the_same_user_as_get(app: TestApp) -> None:
    other = basic_auth("alice", "2")
    head = app.head("/v0/mushrooms", headers=other)
    assert head.headers["Total-Records"] == "0"


# OPTIONS


@pytest.mark.clause("X-13", "X-27", "H-33.3")
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v0/", {"GET", "HEAD", "OPTIONS"}),
        ("/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        (UNKNOWN, {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Access-Control-Request-Method": "PATCH"}, {"Accept": "text/html"}],
    ids=["plain", "method-only", "html"],
)
def test_options_without_origin_lists_the_methods(
    app: TestApp, path: str, methods: set[Any], headers: dict[str, Any]
) -> None:
    response = app.options(path, headers=headers, status=200)
    assert response.body == b""
    assert sorted(response.headers["Allow"].split(", ")) == sorted(methods)


@pytest.mark.clause("X-13")
def test_options_lists_what_settings_leave() -> None:
    settings = {"collection_mushroom_delete_enabled": False}
    app = make_app([Mushroom], settings=settings)
    response = app.options("/v0/mushrooms", status=200)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    readonly = make_app([Mushroom], settings={"readonly": True})
    response = readonly.options(UNKNOWN, status=200)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.clause("X-27", "H-29.10", "H-33.3")
@pytest.mark.parametrize("path", ["/v0/", "/v0/mushrooms", UNKNOWN])
def test_options_with_origin_must_be_a_preflight(app: TestApp, path: str) -> None:
    response = app.options(path, headers={"Origin": "http://a.example"}, status=400)
    assert response.json["message"] == (
        "Access-Control-Request-Method in header: this header is mandatory"
    )


@pytest.mark.clause("H-33.3")
def test_options_of_an_unknown_url_is_not_found(app: TestApp) -> None:
    assert app.options("/v0/nothing", status=404).json["errno"] == 111


@pytest.mark.clause("X-13")
def test_a_service_without_preflight_does_not_list_options() -> None:
    def configure(config: Any) -> None:
        service = Service(name="closed", path="/closed", cors_enabled=False)
        service.add_view("GET", lambda request: {})
        config.add_cornice_service(service)

    app = make_app(configure=configure)
    for method in ("POST", "OPTIONS"):
        response = app.request("/v0/closed", method=method, status=405)
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
