"""The version in the URL, and the redirections to it (H-2)."""

from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from support.outcomes import make_outcomes_app
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth

HOST = "http://localhost"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

MISSING_RESOURCE = {
    "code": 404,
    "errno": 111,
    "error": "Not Found",
    "message": "The resource you are looking for could not be found.",
}
VERSION_NOT_AVAILABLE = {
    "code": 404,
    "errno": 116,
    "error": "Not Found",
    "message": "The requested protocol version is not available on this server.",
}


def redirects_to(app: TestApp, path: str, location: Any, method: str = "GET", **kwargs: Any) -> Any:
    response = app.request(path, method=method, status=307, **kwargs)
    assert response.headers["Location"] == HOST + location
    return response


def refused(app: TestApp, path: str, body: Any, method: str = "GET", **kwargs: Any) -> Any:
    response = app.request(path, method=method, status=404, **kwargs)
    assert response.content_type == "application/json"
    assert response.json == body
    return response


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_app([Mushroom])


@pytest.fixture(scope="module")
def strict_app() -> TestApp:
    """Redirects nothing."""
    return make_app(
        [Mushroom],
        settings={
            "version_prefix_redirect_enabled": "false",
            "trailing_slash_redirect_enabled": "false",
        },
    )


# Versions


@pytest.mark.clause("H-2.1", "H-2.2", "S-3.4", "S-3.5")
@pytest.mark.parametrize(
    ("project_version", "api_version", "prefix"),
    [
        ("0.0.1", "0.0", "v0"),
        ("0.1.0", "0.1", "v0"),
        ("3", "3", "v3"),
        ("1.10", "1.10", "v1"),
        ("12.3.4.5", "12.3", "v12"),
    ],
)
def test_the_api_version_is_the_start_of_the_project_version(
    project_version: str, api_version: str, prefix: str
) -> None:
    app = make_app([Mushroom], version=project_version)

    hello = app.get(f"/{prefix}/", status=200)

    assert hello.json["project_version"] == project_version
    assert hello.json["http_api_version"] == api_version
    app.get(f"/{prefix}/mushrooms", headers=basic_auth(), status=200)
    app.get(f"/{prefix}/__lbheartbeat__", status=200)


@pytest.mark.clause("H-2.1", "H-2.2", "S-3.4", "S-3.5")
@pytest.mark.setting("http_api_version")
@pytest.mark.parametrize(
    ("setting", "shown", "prefix"), [("7.5", "7.5", "v7"), ("7", "7", "v7"), ("", "0.0", "v0")]
)
def test_the_setting_of_the_api_version_wins(setting: str, shown: str, prefix: str) -> None:
    app = make_app(settings={"http_api_version": setting}, version="0.0.1")
    assert app.get(f"/{prefix}/", status=200).json["http_api_version"] == shown


@pytest.mark.clause("D-46", "S-3.3", "S-3.4")
@pytest.mark.parametrize("name", ["project_version", "http_api_version"])
@pytest.mark.parametrize("prefix", ["", "cliquet.", "testapp."])
def test_versions_are_text_not_numbers(name: str, prefix: str) -> None:
    app = make_app(settings={prefix + name: "1.10"}, version="1.0.0")
    assert app.get("/v1/").json[name] == "1.10"


@pytest.mark.clause("D-46", "S-3.4")
def test_the_api_version_drawn_from_a_setting_keeps_its_zeros() -> None:
    app = make_app(settings={"project_version": "1.10"}, version=None)
    assert app.get("/v1/").json["http_api_version"] == "1.10"


@pytest.mark.clause("H-2.3", "S-3.3")
@pytest.mark.parametrize(("shown", "prefix"), [("3.1.4", "v3"), ("hidden", "vhidden")])
def test_the_setting_of_the_project_version_wins_over_the_application(
    shown: str, prefix: str
) -> None:
    app = make_app([Mushroom], settings={"project_version": shown}, version="2.0.0")

    assert app.get(f"/{prefix}/", status=200).json["project_version"] == shown
    location = app.get("/mushrooms", status=307).location
    app.get(location, headers=basic_auth(), status=200)


@pytest.mark.clause("H-2.3", "S-3.3", "S-22", "P-2.4")
@pytest.mark.parametrize(
    ("settings", "version"), [({}, None), ({"project_version": ""}, None), ({}, "")]
)
def test_without_project_version_the_service_refuses_to_start(
    settings: dict[str, Any], version: str | None
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        make_app(settings=settings, version=version)
    assert str(refusal.value) == f"Invalid project version: {version}"


# Redirection to the version


@pytest.mark.clause("H-2.4", "H-2.5", "D-70")
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/v0/"),
        ("/?x=1", "/v0/?x=1"),
        ("/mushrooms", "/v0/mushrooms"),
        ("/home/articles?_since=42", "/v0/home/articles?_since=42"),
        ("/mushrooms?a=%C3%A9&b=%22x%20y%22&c=1+2", "/v0/mushrooms?a=%C3%A9&b=%22x%20y%22&c=1+2"),
        # Neither the target nor its slashes are looked at.
        ("/nothing", "/v0/nothing"),
        ("/items/", "/v0/items/"),
        ("/items//", "/v0/items//"),
        ("/a//b", "/v0/a//b"),
        # No digit follows the letter.
        ("/version", "/v0/version"),
        ("/vx/", "/v0/vx/"),
        ("/v", "/v0/v"),
        ("/v/0/", "/v0/v/0/"),
        # The version stands elsewhere.
        ("/a/v1", "/v0/a/v1"),
        ("/V0/", "/v0/V0/"),
    ],
)
def test_a_path_without_version_is_redirected_to_the_version(
    app: TestApp, path: str, location: str
) -> None:
    redirects_to(app, path, location)


@pytest.mark.clause("H-2.4", "H-2.6")
@pytest.mark.parametrize("method", METHODS)
def test_the_redirection_holds_for_every_method_and_needs_no_user(
    app: TestApp, method: str
) -> None:
    body = {} if method in ("GET", "HEAD", "TRACE") else {"body": b'{"data": {}}'}
    redirects_to(app, "/mushrooms", "/v0/mushrooms", method=method, **body)


@pytest.mark.clause("H-2.6")
def test_the_request_replayed_at_the_location_is_served(app: TestApp) -> None:
    body = {"data": {"name": "cep"}}
    location = app.post_json("/mushrooms", body, headers=basic_auth(), status=307).location
    created = app.post_json(location, body, headers=basic_auth(), status=201)
    assert created.json["data"]["name"] == "cep"


@pytest.mark.clause("H-2.7")
@pytest.mark.parametrize("path", ["/", "/mushrooms", "/items/", "/version"])
def test_without_redirection_a_path_without_version_is_of_an_unknown_version(
    strict_app: TestApp, path: str
) -> None:
    refused(strict_app, path, VERSION_NOT_AVAILABLE)


@pytest.mark.clause("H-2.10")
@pytest.mark.parametrize("path", ["/mushrooms", "/v0/mushrooms/", "/v0"])
def test_redirections_have_the_headers_of_any_response(path: str) -> None:
    app = make_outcomes_app({"backoff": "7", "eos": "2099-01-01", "eos_message": "Bye"})
    response = app.get(path, headers={"Origin": "http://a.example"}, status=307)
    assert response.headers["Backoff"] == "7"
    assert "Authorization" in response.headers["Vary"]
    assert "Bye" in response.headers["Alert"]
    assert response.headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert "Alert" in response.headers["Access-Control-Expose-Headers"]


# Unknown versions


@pytest.mark.clause("H-2.8")
@pytest.mark.parametrize("path", ["/v1/", "/v1", "/v1abc/", "/v1/mushrooms", "/v12/", "/v9?a=b"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_version_is_not_available_nor_one_slash_away(
    app: TestApp, path: str, method: str
) -> None:
    refused(app, path, VERSION_NOT_AVAILABLE, method=method)


@pytest.mark.clause("H-2.9", "P-34.9")
@pytest.mark.parametrize("path", ["/v01", "/v01/", "/v0abc", "/v0abc/", "/v01/mushrooms"])
def test_only_a_whole_segment_is_the_version(app: TestApp, path: str) -> None:
    refused(app, path, VERSION_NOT_AVAILABLE)


# Trailing slashes


@pytest.mark.clause("H-2.11", "D-70")
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v0/mushrooms/", "/v0/mushrooms"),
        ("/v0/items//", "/v0/items"),
        ("/v0/a/b///", "/v0/a/b"),
        ("/v0/mushrooms/?_since=42&x=%22", "/v0/mushrooms?_since=42&x=%22"),
    ],
)
def test_trailing_slashes_are_removed_by_a_redirection(
    app: TestApp, path: str, location: str
) -> None:
    redirects_to(app, path, location)


@pytest.mark.clause("H-2.12")
@pytest.mark.parametrize("path", ["/v0/", "/v0/static/"])
def test_a_url_that_ends_by_a_slash_is_served_as_it_is(path: str) -> None:
    def configure(config: Any) -> None:
        static = Service(name="static", path="/static/")
        static.add_view("GET", lambda request: {}, permission="__no_permission_required__")
        config.add_cornice_service(static)

    make_app(configure=configure).get(path, status=200)


@pytest.mark.clause("H-2.13", "D-68", "D-70")
@pytest.mark.parametrize(("path", "location"), [("/v0", "/v0/"), ("/v0?a=b", "/v0/?a=b")])
def test_the_bare_version_is_redirected_to_the_hello_page(
    app: TestApp, path: str, location: str
) -> None:
    response = redirects_to(app, path, location)
    assert response.follow().json["url"] == f"{HOST}/v0/"


@pytest.mark.clause("H-2.13")
def test_the_bare_version_is_unknown_without_redirection(strict_app: TestApp) -> None:
    refused(strict_app, "/v0", MISSING_RESOURCE)


@pytest.mark.clause("H-2.14")
@pytest.mark.parametrize("path", ["/v0/mushrooms/", "/v0/items//"])
def test_trailing_slashes_are_unknown_without_redirection(strict_app: TestApp, path: str) -> None:
    refused(strict_app, path, MISSING_RESOURCE)


@pytest.mark.clause("H-2.15")
@pytest.mark.parametrize(
    "path", ["/v0/nothing", "/v0/mushrooms/a/b", "/v0//mushrooms", "/v0/Batch"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_an_unknown_path_is_missing_whoever_asks(app: TestApp, path: str, method: str) -> None:
    refused(app, path, MISSING_RESOURCE, method=method)


@pytest.mark.clause("H-2.16")
@pytest.mark.setting("version_prefix_redirect_enabled", "trailing_slash_redirect_enabled")
@pytest.mark.parametrize(
    ("setting", "kept", "given_up"),
    [
        ("version_prefix_redirect_enabled", "/v0/items/", "/items"),
        ("trailing_slash_redirect_enabled", "/items", "/v0/items/"),
    ],
)
def test_each_redirection_is_on_by_default_and_has_its_own_switch(
    app: TestApp, setting: str, kept: str, given_up: str
) -> None:
    app.get(given_up, status=307)
    switched = make_app(settings={setting: "false"})
    switched.get(given_up, status=404)
    switched.get(kept, status=307)


@pytest.mark.clause("D-73")
@pytest.mark.parametrize("path", ["/v0/nothing", "/v9/"])
def test_unknown_urls_have_cors_headers(app: TestApp, path: str) -> None:
    response = app.get(path, headers={"Origin": "http://a.example"}, status=404)
    assert response.headers["Access-Control-Allow-Origin"] == "http://a.example"
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"Backoff", "Retry-After", "Alert", "Content-Length"} <= set(exposed.split(", "))


# Odd locations


@pytest.mark.clause("D-23")
@pytest.mark.parametrize(
    ("path_info", "location"),
    [
        ("//evil.example/x", "/v0//evil.example/x"),
        ("/\\evil.example", "/v0/%5Cevil.example"),
        ("/http://evil.example", "/v0/http://evil.example"),
        ("/@evil.example", "/v0/@evil.example"),
        ("/a\r\nSet-Cookie: b=c", "/v0/a%0D%0ASet-Cookie:%20b=c"),
        ("/a\x00b", "/v0/a%00b"),
        ("/a b?c#d", "/v0/a%20b%3Fc%23d"),
        ("/100%", "/v0/100%25"),
        ("/caf\xc3\xa9", "/v0/caf%C3%A9"),
        ("/v0/a\r\nX: y/", "/v0/a%0D%0AX:%20y"),
        ("/v0//evil.example/", "/v0//evil.example"),
        ("/v0/caf\xc3\xa9/", "/v0/caf%C3%A9"),
    ],
)
def test_the_location_is_escaped_and_stays_on_this_host(
    app: TestApp, path_info: str, location: str
) -> None:
    redirects_to(app, "/x", location, environ={"PATH_INFO": path_info})


@pytest.mark.clause("D-23")
def test_a_raw_query_string_is_escaped_in_the_location(app: TestApp) -> None:
    environ = {"QUERY_STRING": 'a=\xc3\xa9 "<b>\r\nX: y'}
    redirects_to(app, "/x", "/v0/x?a=%C3%A9%20%22%3Cb%3E%0D%0AX:%20y", environ=environ)


@pytest.mark.clause("H-2.4")
def test_the_location_keeps_the_host_and_the_mount_point(app: TestApp) -> None:
    environ = {"HTTP_HOST": "api.example:8080", "SCRIPT_NAME": "/mounted", "PATH_INFO": "/x"}
    response = app.request("/x", environ=environ, status=307)
    assert response.headers["Location"] == "http://api.example:8080/mounted/v0/x"
