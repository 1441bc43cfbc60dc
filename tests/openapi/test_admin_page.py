"""The page where people look at records and edit them (E-5.6)."""

import gzip
import re
from importlib import resources
from pathlib import Path

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from cliquet.testing.web import make_app

FOLDER = Path(str(resources.files("cliquet.openapi") / "assets" / "admin"))
ROOT = Path(__file__).parents[2]
MAX_BYTES = 80_000


@pytest.fixture(scope="module")
def admin() -> TestApp:
    return make_app(settings={"admin_enabled": "true"})


def _files() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.clause("E-5.6")
@pytest.mark.setting("admin_enabled")
def test_the_page_is_off_by_default(app: TestApp) -> None:
    for url in ("/v0/__admin__", "/v0/__admin__/app.js", "/v0/__admin__/admin.css"):
        app.get(url, status=404)
    assert not [path for path in app.get("/v0/__api__").json["paths"] if "__admin__" in path]


@pytest.mark.clause("E-5.6")
@pytest.mark.setting("admin_enabled")
def test_the_page_and_all_its_files_are_served_to_everybody(admin: TestApp) -> None:
    types = {"html": "text/html", "js": "text/javascript", "css": "text/css", "txt": "text/plain"}

    assert admin.get("/v0/__admin__", status=200).content_type == "text/html"
    for name in set(_files()) - {"admin.html"}:
        served = admin.get(f"/v0/__admin__/{name}", status=200)
        assert served.content_type == types[name.rpartition(".")[2]]
        assert served.body == (FOLDER / name).read_bytes()


@pytest.mark.clause("E-5.6")
def test_all_that_the_page_loads_is_among_its_files() -> None:
    page = (FOLDER / "admin.html").read_text()
    loaded = set(re.findall(r'(?:src|href)="__admin__/([^"]+)"', page))
    for name in _files():
        if name.endswith(".js"):
            # Every import is of a neighbour: nothing is asked of another folder, or another host.
            text = (FOLDER / name).read_text()
            imported = re.findall(r'(?:}|import \w+)\s*from\s*"([^"]+)"', text)
            assert all(one.startswith("./") for one in imported), name
            loaded |= {one[2:] for one in imported}
    assert loaded == {name for name in _files() if name.endswith((".js", ".css"))}


@pytest.mark.clause("E-5.6")
def test_the_page_runs_and_asks_nothing_but_the_service(admin: TestApp) -> None:
    for url in ("/v0/__admin__", "/v0/__admin__/app.js"):
        headers = admin.get(url).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy.pop("require-trusted-types-for") == "'script'"
        assert policy.pop("img-src") == "data:"
        assert set(policy.values()) == {"'self'", "'none'"}
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["trusted-types"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    # Code within the page would not run, and neither would an attribute with a style.
    page = admin.get("/v0/__admin__").text
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)


@pytest.mark.clause("E-5.6")
def test_no_text_can_become_markup_and_no_value_an_address() -> None:
    for name in _files():
        if name.endswith(".js") and name not in ("preact.js", "hooks.js", "htm.js"):
            text = (FOLDER / name).read_text()
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=", text
            )
            # The addresses of links are those of views, or of the documentation.
            links = re.findall(r"href=(\$\{\w+|\S+)", text)
            known = ("${listHref", "${newHref", "${again", '"#', '"__docs__"')
            assert all(link.startswith(known) for link in links), name


@pytest.mark.clause("E-5.6")
def test_the_page_is_small() -> None:
    packed = sum(
        len(gzip.compress((FOLDER / name).read_bytes()))
        for name in _files()
        if not name.startswith("LICENSE")
    )

    assert packed < MAX_BYTES


@pytest.mark.parametrize(
    "name",
    ["", "admin.html", "unknown.js", "docs.js", "%2e%2e%2fdocs.js", "%2e%2e%2f..%2fdocument.py"],
)
def test_other_files_are_not_served(admin: TestApp, name: str) -> None:
    response = admin.get(f"/v0/__admin__/{name}", expect_errors=True)

    assert response.status_int in (307, 400, 404)


@pytest.mark.clause("E-5.6")
def test_an_application_that_uses_the_address_keeps_it() -> None:
    def configure(config: Configurator) -> None:
        config.add_route("own-admin", "/__admin__")
        config.add_view(lambda request: Response("mine"), route_name="own-admin")

    app = make_app(settings={"admin_enabled": "true"}, configure=configure)
    assert app.get("/v0/__admin__").text == "mine"


def test_a_file_that_the_client_has_is_not_sent_again(admin: TestApp) -> None:
    tag = admin.get("/v0/__admin__/app.js").headers["ETag"]

    assert not admin.get("/v0/__admin__/app.js", headers={"If-None-Match": tag}, status=304).body


@pytest.mark.clause("E-5.1")
def test_the_description_has_the_page(admin: TestApp) -> None:
    paths = admin.get("/v0/__api__").json["paths"]

    assert "text/html" in paths["/__admin__"]["get"]["responses"]["200"]["content"]
    assert "404" in paths["/__admin__/{name}"]["get"]["responses"]


@pytest.mark.clause("E-5.6")
def test_new_services_have_the_page_for_developers_alone() -> None:
    templates = ROOT / "cliquet" / "scripts" / "templates"

    assert "cliquet.admin_enabled = true" in (templates / "development.ini.txt").read_text()
    assert "cliquet.admin_enabled" not in (templates / "production.ini.txt").read_text()


def test_the_licences_are_shipped_with_the_files(admin: TestApp) -> None:
    assert "MIT License" in admin.get("/v0/__admin__/LICENSE-preact.txt").text
    assert "Apache License" in admin.get("/v0/__admin__/LICENSE-htm.txt").text
