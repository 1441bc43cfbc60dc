"""The page that shows the description of the API to people (E-5.2)."""

import gzip
import re
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from webtest import TestApp

from cliquet.testing.web import make_app

FILES = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
}


@pytest.mark.clause("E-5.2")
def test_the_page_and_its_files_are_served_to_everybody(app: TestApp) -> None:
    page = app.get("/v0/__docs__", status=200)

    assert page.content_type == "text/html"
    for name, content_type in FILES.items():
        assert app.get(f"/v0/__docs__/{name}", status=200).content_type == content_type
    # All that the page asks for is there: links are relative, so that it can be mounted anywhere.
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {url for url in wanted if url != "data:,"} == {
        *(
            "__docs__/swagger-ui.css",
            "__docs__/docs.css",
            "__docs__/swagger-ui-bundle.js",
            "__docs__/docs.js",
        ),
        "__api__",
    }


@pytest.mark.clause("E-5.2")
def test_the_page_runs_and_asks_nothing_but_the_service(app: TestApp) -> None:
    for url in ("/v0/__docs__", "/v0/__docs__/docs.js"):
        headers = app.get(url).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy.pop("img-src") == "'self' data:"
        assert set(policy.values()) == {"'self'", "'none'"}
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff"
    # Code within the page would not run.
    page = app.get("/v0/__docs__").text
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)


@pytest.mark.parametrize(
    "name", ["", "docs.html", "unknown.js", "__init__.py", "%2e%2e%2fdocument.py"]
)
def test_other_files_are_not_served(app: TestApp, name: str) -> None:
    response = app.get(f"/v0/__docs__/{name}", expect_errors=True)

    assert response.status_int in (307, 400, 404)


@pytest.mark.clause("E-5.2")
def test_files_are_packed_for_those_who_can_read_that(app: TestApp) -> None:
    url = "/v0/__docs__/swagger-ui.css"
    plain = app.get(url)
    packed = app.app.invoke_subrequest(_request(url, "gzip, br"))

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4
    assert "Content-Encoding" not in plain.headers
    assert app.app.invoke_subrequest(_request(url, "br;q=1")).body == plain.body
    assert packed.headers["ETag"] != plain.headers["ETag"]


def _request(url: str, accept_encoding: str) -> Any:
    return Request.blank(url, headers={"Accept-Encoding": accept_encoding})


@pytest.mark.clause("E-5.2")
def test_a_file_that_the_client_has_is_not_sent_again(app: TestApp) -> None:
    url = "/v0/__docs__/swagger-ui.css"
    tag = app.get(url).headers["ETag"]

    assert not app.get(url, headers={"If-None-Match": tag}, status=304).body
    app.get(url, headers={"If-None-Match": '"other"'}, status=200)


@pytest.mark.clause("E-5.2")
@pytest.mark.setting("api_docs_enabled")
def test_a_setting_switches_the_page_off() -> None:
    app = make_app(settings={"api_docs_enabled": "false"})

    app.get("/v0/__docs__", status=404)
    app.get("/v0/__docs__/docs.js", status=404)
    paths = app.get("/v0/__api__", status=200).json["paths"]
    assert not [path for path in paths if path.startswith("/__docs__")]


def test_an_application_that_uses_the_address_keeps_it() -> None:
    def configure(config: Configurator) -> None:
        config.add_route("own-docs", "/__docs__")
        config.add_view(lambda request: Response("mine"), route_name="own-docs")

    assert make_app(configure=configure).get("/v0/__docs__").text == "mine"


def test_the_licence_is_shipped_with_the_files(app: TestApp) -> None:
    assert "Apache License" in app.get("/v0/__docs__/LICENSE").text
    assert "SmartBear" in app.get("/v0/__docs__/NOTICE").text
