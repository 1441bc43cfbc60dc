"""What is on the wire, read as the standards have it: media types, parameters, headers of plug-ins,
preflights of URLs that redirect."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.origins import ORIGIN, allowed_origin, preflight
from support.served import ask, serving
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request

AUTH = basic_auth()
COLLECTION = "/v0/mushrooms"
RECORD = "/v0/mushrooms/d1d1d1d1-0000-4000-8000-000000000001"
CEP = {"data": {"name": "cep"}}


def batch(app: TestApp, *requests: Any, **kwargs: Any) -> Any:
    responses = app.post_json("/v0/batch", {"requests": requests}, headers=AUTH, **kwargs).json
    return responses["responses"]


# Media types

JSON_BODIES = [
    "application/json ; charset=utf-8",
    "application/json\t;charset=utf-8",
    'application/json; charset="utf-8"',
    'application/json;a="x;y, z"',
    "application/json;",
    "Application/JSON ; Charset=UTF-8",
]


@pytest.mark.clause("H-6.5")
@pytest.mark.parametrize("content_type", JSON_BODIES)
def test_a_body_is_json_however_its_type_is_written(app: TestApp, content_type: str) -> None:
    headers = {**AUTH, "Content-Type": content_type}
    for method in ("PUT", "PATCH"):
        response = app.request(
            RECORD, method=method, headers=headers, body=json.dumps(CEP).encode()
        )
        assert response.json["data"]["name"] == "cep"
    app.post(COLLECTION, json.dumps(CEP), headers=headers, status=201)
    # Batch does not refuse other types: it takes them for no body (H-25.6).
    found = app.post("/v0/batch", '{"requests": [{"path": "/"}]}', headers=headers)
    assert found.json["responses"][0]["status"] == 200


@pytest.mark.clause("E-4.1", "H-6.5")
@pytest.mark.parametrize(
    "content_type",
    ["application/merge-patch+json ; charset=utf-8", "Application/Merge-Patch+JSON"],
)
def test_a_patch_has_its_format_however_that_is_written(app: TestApp, content_type: str) -> None:
    app.put_json(RECORD, CEP, headers=AUTH)
    headers = {**AUTH, "Content-Type": content_type}
    response = app.patch(RECORD, '{"name": "morel"}', headers=headers)
    assert response.json["data"]["name"] == "morel"
    item = {"method": "PATCH", "path": RECORD, "body": {"name": "puffball"}}
    (answer,) = batch(app, {**item, "headers": {"Content-Type": content_type}})
    assert answer["body"]["data"]["name"] == "puffball"


JSON_ACCEPTED = [
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'application/json ; charset="utf-8"',
    "application/json;odata=verbose;q=0.1",
    "application/json;q=0.5, */*;q=0.1",
    "text/html, APPLICATION/JSON;Charset=utf-8",
    "application/*; charset=utf-8",
    "*/*; charset=utf-8",
    'text/html;a="b, c", application/json;a="b, c"',
    "application/json;",
]


@pytest.mark.clause("H-6.3")
@pytest.mark.parametrize("accept", JSON_ACCEPTED)
def test_a_media_range_with_parameters_admits_json(app: TestApp, accept: str) -> None:
    app.get(COLLECTION, headers={**AUTH, "Accept": accept}, status=200)
    (answer,) = batch(app, {"path": COLLECTION, "headers": {"Accept": accept}})
    assert answer["status"] == 200


@pytest.mark.clause("H-6.4")
@pytest.mark.parametrize(
    "accept",
    [
        "application/json; charset=utf-8; q=0",
        "application/json;q=0, */*",
        "text/html; charset=utf-8",
        "application/xml; a=b, text/*",
        'text/html; a="application/json"',
        "application/jsonx; charset=utf-8",
    ],
)
def test_parameters_do_not_make_json_of_another_type(app: TestApp, accept: str) -> None:
    app.get(COLLECTION, headers={**AUTH, "Accept": accept}, status=406)
    (answer,) = batch(app, {"path": COLLECTION, "headers": {"Accept": accept}})
    assert answer["status"] == 406


@pytest.mark.clause("H-6.3")
def test_several_accept_headers_are_one_list(app: TestApp) -> None:
    credentials = f"Authorization: {AUTH['Authorization']}"
    lines = [f"GET {COLLECTION} HTTP/1.1", "Host: localhost", credentials]
    with serving(app.app) as port:
        found = ask(port, *lines, "Accept: text/html", "Accept: application/json; charset=utf-8")
        assert found.status == 200
        assert ask(port, *lines, "Accept: text/html", "Accept: text/csv").status == 406


@pytest.mark.clause("H-6.3", "H-6.5", "P-7")
def test_services_with_a_view_per_type_compare_types_alike() -> None:
    def configure(config: Any) -> None:
        service = Service(name="typed", path="/typed")
        for accept, content_type in (
            ("application/json", "application/json"),
            ("text/csv;header=absent", "text/csv"),
        ):
            service.add_view(
                "POST",
                lambda request, answer=f"{accept} {content_type}": answer,
                accept=accept,
                content_type=content_type,
            )
        config.add_cornice_service(service)

    app = make_app(configure=configure)
    csv = {"Accept": "text/csv;header=absent", "Content-Type": "TEXT/csv ; charset=utf-8"}
    assert app.post("/v0/typed", "a", headers=csv).json == "text/csv;header=absent text/csv"
    as_json = {
        "Accept": "application/json; a=b",
        "Content-Type": "application/json ; charset=utf-8",
    }
    found = app.post("/v0/typed", "{}", headers=as_json)
    assert found.json == "application/json application/json"
    app.post("/v0/typed", "{}", headers={**as_json, "Accept": "image/png; a=b"}, status=406)
    app.post("/v0/typed", "{}", headers={**as_json, "Content-Type": "image/png ; a=b"}, status=415)


# Parameters


def named(app: TestApp, *names: Any) -> None:
    for name in names:
        app.post_json(COLLECTION, {"data": {"name": name}}, headers=AUTH)


def names(app: TestApp) -> list[Any]:
    return sorted(item["name"] for item in app.get(COLLECTION, headers=AUTH).json["data"])


@pytest.mark.clause("H-12.1", "H-17.1")
def test_a_semicolon_is_a_character_of_its_parameter(app: TestApp) -> None:
    named(app, "a", "a;", "b;name=a")
    for value in ("a;", "b;name=a"):
        (found,) = app.get(f"{COLLECTION}?name={value}", headers=AUTH).json["data"]
        assert found["name"] == value
    app.delete(f"{COLLECTION}?name=a;", headers=AUTH)
    assert names(app) == ["a", "b;name=a"]


@pytest.mark.clause("H-25.16", "H-12.1")
def test_a_semicolon_is_a_character_in_the_paths_of_a_batch_and_after_redirections(
    app: TestApp,
) -> None:
    named(app, "a", "a;", "a;b")
    answers = batch(
        app,
        {"path": "/mushrooms?name=a;"},
        {"path": "/mushrooms/?name=a;b"},
        {"path": "/mushrooms?name=a;", "method": "DELETE"},
    )
    found = [[item["name"] for item in answer["body"]["data"]] for answer in answers[:2]]
    assert found == [["a;"], ["a;b"]]
    assert names(app) == ["a", "a;b"]
    location = app.get("/mushrooms?name=a;b", headers=AUTH, status=307).location
    assert [item["name"] for item in app.get(location, headers=AUTH).json["data"]] == ["a;b"]


@pytest.mark.clause("H-14.5")
def test_the_next_page_keeps_a_semicolon(app: TestApp) -> None:
    named(app, "a;b", "a;b", "a")
    first = app.get(f"{COLLECTION}?name=a;b&_limit=1", headers=AUTH)
    query = urlsplit(first.headers["Next-Page"]).query
    assert dict(parse_qsl(query))["name"] == "a;b"
    second = app.get(first.headers["Next-Page"], headers=AUTH)
    assert [item["name"] for item in second.json["data"]] == ["a;b"]
    assert "Next-Page" not in second.headers


@pytest.mark.clause("S-18.3")
@pytest.mark.parametrize(("eos", "status"), [("", 200), ("2000-01-01", 410)])
def test_the_log_has_the_parameters_of_the_views(
    caplog: pytest.LogCaptureFixture, eos: str, status: int
) -> None:
    settings = {"eos": eos, "logging_renderer": "cliquet.logs.MozillaHekaRenderer"}
    app = make_app(settings=settings)
    caplog.set_level("INFO")
    app.get("/v0/?a=1;b=2&c=;", status=status)
    lines = [record.getMessage() for record in caplog.records]
    assert any('"1;b=2"' in line or '\\"1;b=2\\"' in line for line in lines), lines


# Headers of plug-ins


def relaying(make_subrequest: Any) -> Any:
    def relay(request: Any) -> Any:
        return request.invoke_subrequest(make_subrequest(request)).json

    def configure(config: Any) -> None:
        config.add_route("relay", "/relay")
        config.add_view(relay, route_name="relay", renderer="json")

    app = make_app([Mushroom], configure=configure)
    app.put_json(RECORD, CEP, headers=AUTH)
    return app


BYTES_HEADERS = {
    "Authorization": AUTH["Authorization"].encode(),
    b"Accept": b"application/json",
    "If-None-Match": b'"1"',
    "Content-Type": b"application/json",
    "Origin": ORIGIN.encode(),
}


def given(request: Any) -> Any:
    return build_request(request, {"path": COLLECTION, "headers": BYTES_HEADERS})


def set_afterwards(request: Any) -> Any:
    subrequest = build_request(request, {"path": COLLECTION})
    for name, value in BYTES_HEADERS.items():
        subrequest.headers[name if isinstance(name, str) else name.decode()] = value  # type: ignore[attr-defined]
    return subrequest


def inherited(request: Any) -> Any:
    request.headers["Authorization"] = BYTES_HEADERS["Authorization"]
    return build_request(request, {"path": COLLECTION})


@pytest.mark.clause("P-26.21", "P-26.15", "P-35.10")
@pytest.mark.parametrize("make_subrequest", [given, set_afterwards, inherited])
def test_headers_of_a_sub_request_may_be_bytes(make_subrequest: Callable[..., Any]) -> None:
    app = relaying(make_subrequest)
    (record,) = app.get("/v0/relay").json["data"]
    assert record["name"] == "cep"


@pytest.mark.clause("P-26.21", "E-4.1")
def test_the_format_of_a_patch_may_be_given_in_bytes() -> None:
    headers = {**AUTH, b"content-type": b"application/merge-patch+json ; a=b"}  # type: ignore[misc]
    item = {"path": RECORD, "method": "PATCH", "body": {"name": "morel"}, "headers": headers}
    app = relaying(lambda request: build_request(request, item))
    assert app.get("/v0/relay").json["data"]["name"] == "morel"


# Preflights


@pytest.mark.clause("X-32", "H-29.10")
@pytest.mark.parametrize(
    ("path", "leads_to", "method"),
    [
        ("/mushrooms", COLLECTION, "POST"),
        ("/mushrooms/", COLLECTION, "POST"),
        (f"{COLLECTION}/", COLLECTION, "POST"),
        (RECORD.removeprefix("/v0"), RECORD, "PATCH"),
        ("/v0", "/v0/", "GET"),
        ("/", "/v0/", "GET"),
        ("", "/v0/", "GET"),
        ("/mushrooms", COLLECTION, "PATCH"),
        ("/nothing", "/v0/nothing", "GET"),
    ],
)
@pytest.mark.parametrize("origin", [ORIGIN, "http://b.example"])
def test_a_preflight_is_answered_for_where_its_request_will_be_redirected(
    path: str, leads_to: str, method: str, origin: str
) -> None:
    app = make_app(RESOURCES, settings={"cors_origins": ORIGIN})
    expected = preflight(app, leads_to, method, status="*", Origin=origin)
    found = preflight(app, path, method, status="*", Origin=origin)
    assert found.status == expected.status != "307"
    assert found.body == expected.body
    for response in (found, expected):
        del response.headers["X-Request-Id"]
    assert dict(found.headers) == dict(expected.headers)


@pytest.mark.clause("X-32")
def test_the_request_after_a_preflight_is_redirected_and_may_be_followed(app: TestApp) -> None:
    headers = {**AUTH, "Origin": ORIGIN}
    for path in ("/mushrooms", "/v0/mushrooms/"):
        assert preflight(app, path, "POST").status_code == 200
        redirected = app.post_json(path, CEP, headers=headers, status=307)
        assert allowed_origin(redirected) == ORIGIN
        created = app.post_json(redirected.location, CEP, headers=headers, status=201)
        assert allowed_origin(created) == "*"


@pytest.mark.clause("X-32", "H-2.4", "H-2.7", "H-2.14")
def test_what_is_no_preflight_and_what_does_not_redirect_stay_as_they_are(app: TestApp) -> None:
    assert app.options("/mushrooms", status=307).location.endswith(COLLECTION)
    app.options("/mushrooms", headers={"Origin": ORIGIN}, status=307)
    settings = dict.fromkeys(
        ("version_prefix_redirect_enabled", "trailing_slash_redirect_enabled"), "false"
    )
    strict = make_app(RESOURCES, settings=settings)
    for path in ("/mushrooms", "/v0/mushrooms/", "/v0", "/"):
        assert preflight(strict, path, "POST", status=404).json["code"] == 404
