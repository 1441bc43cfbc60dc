"""The scheme and the host of the URLs that the service writes (H-32)."""

from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request

AUTH = basic_auth()


def environ(scheme: str = "http", host: str = "localhost:80") -> dict[str, Any]:
    return {"wsgi.url_scheme": scheme, "HTTP_HOST": host}


def urls(app: TestApp, **request: Any) -> dict[str, Any]:
    """Return the URL of the hello view, of a next page and of a redirection, without their ends."""
    extra = environ(**request)
    hello = app.get("/v0/", extra_environ=extra).json["url"]
    page = app.get("/v0/mushrooms?_limit=1", headers=AUTH, extra_environ=extra)
    redirect = app.get("/mushrooms", extra_environ=extra, status=307)
    slash = app.get("/v0/mushrooms/", extra_environ=extra, status=307)
    assert hello.endswith("/v0/")
    assert redirect.location.endswith("/v0/mushrooms")
    return {
        "hello": hello[: -len("/v0/")],
        "next page": page.headers["Next-Page"].partition("/v0/")[0],
        "redirect": redirect.location[: -len("/v0/mushrooms")],
        "slash": slash.location[: -len("/v0/mushrooms")],
    }


def make_filled_app(**settings: Any) -> Any:
    app = make_app([Mushroom], settings=settings)
    for _ in range(2):
        app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    return app


@pytest.mark.clause("H-32.1", "S-8.4")
@pytest.mark.parametrize("settings", [{}, {"http_scheme": "", "http_host": ""}])
@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "localhost:80", "http://localhost"),
        ("http", "localhost", "http://localhost"),
        ("http", "localhost:8000", "http://localhost:8000"),
        ("https", "api.example:443", "https://api.example"),
        ("https", "api.example:80", "https://api.example:80"),
        ("http", "api.example:443", "http://api.example:443"),
    ],
)
def test_urls_follow_the_request_by_default(
    settings: dict[str, Any], scheme: str, host: str, expected: str
) -> None:
    app = make_filled_app(**settings)
    assert set(urls(app, scheme=scheme, host=host).values()) == {expected}


@pytest.mark.clause("H-32.2", "S-8.4")
@pytest.mark.setting("http_scheme", "http_host")
def test_settings_replace_scheme_and_host_of_every_url() -> None:
    app = make_filled_app(http_scheme="https", http_host="prod.example:7777")
    assert set(urls(app).values()) == {"https://prod.example:7777"}
    assert app.get("/v0/").json["url"] == "https://prod.example:7777/v0/"


@pytest.mark.clause("H-32.2", "S-8.4")
def test_the_host_alone_keeps_the_scheme_of_the_request() -> None:
    app = make_filled_app(http_host="prod.example")
    assert set(urls(app, scheme="https").values()) == {"https://prod.example"}


@pytest.mark.clause("H-32.2")
def test_settings_replace_scheme_and_host_of_subrequests() -> None:
    def relay(request: Any) -> Any:
        return request.invoke_subrequest(build_request(request, {"path": "/"})).json

    def configure(config: Any) -> None:
        config.add_route("relay", "/relay")
        config.add_view(relay, route_name="relay", renderer="json")

    settings = {"http_scheme": "https", "http_host": "prod.example:7777"}
    app = make_app(settings=settings, configure=configure)
    assert app.get("/v0/relay").json["url"] == "https://prod.example:7777/v0/"


@pytest.mark.clause("H-32.3")
@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("localhost:80", "http2", "http2://localhost:80"),
        ("localhost:80", "https", "https://localhost:80"),
        ("localhost:8000", "https", "https://localhost:8000"),
        ("localhost:443", "https", "https://localhost"),
    ],
)
def test_the_scheme_alone_keeps_the_port_of_the_request(
    host: str, scheme: str, expected: str
) -> None:
    app = make_filled_app(http_scheme=scheme)
    assert set(urls(app, host=host).values()) == {expected}
