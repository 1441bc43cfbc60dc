"""``cliquet routes`` on resources, services and views of Pyramid."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.command_line import MEMORY, write_ini

APPLICATION = """
import cliquet
from cliquet import resource
from pyramid.config import Configurator

greeting = cliquet.Service("greeting", "/greeting")

@greeting.get(permission="admin")
def greet(request):
    return {}

def plain(request):
    return {}

class Page:
    def __init__(self, request):
        pass
    def show(self):
        return {}

@resource.register()
class Toad(resource.ShareableResource):
    mapping = resource.ResourceSchema()

@resource.register(record_methods=("GET",), collection_methods=("GET",))
class Frog(resource.UserResource):
    mapping = resource.ResourceSchema()

def main(global_config, **settings):
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="pond")
    config.add_route("plain", "/plain/{x}")
    config.add_view(plain, route_name="plain", request_method=("POST", "PUT"), permission="see")
    config.add_route("page", "/page")
    config.add_view(Page, attr="show", route_name="page", renderer="json")
    config.add_static_view("static", "cliquet:scripts")
    config.scan("MODULE")
    return config.make_wsgi_app()
"""


@pytest.fixture
def lines(cliquet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command, and give its lines as lists of cells."""
    module = f"pond_{abs(hash(tmp_path))}"
    (tmp_path / f"{module}.py").write_text(APPLICATION.replace("MODULE", module))
    monkeypatch.syspath_prepend(str(tmp_path))
    ini = write_ini(tmp_path / "pond.ini", MEMORY, use=f"call:{module}:main")

    def call(*arguments: str) -> list[list[str]]:
        outcome = cliquet("routes", "--ini", ini, *arguments)
        assert outcome.code == 0, outcome.err
        text = outcome.out.replace("create or write", "create|write")
        return [line.split() for line in text.splitlines()]

    call.file = tmp_path / f"{module}.py"  # type: ignore[attr-defined]
    return call


@pytest.mark.clause("E-7.2")
def test_each_method_has_its_code_its_permission_and_its_place(lines: Any) -> None:
    found = lines()

    assert found[0] == ["METHOD", "PATH", "CODE", "PERMISSION", "PLACE"]
    shown = {tuple(line[:4]) for line in found}
    assert {
        ("GET", "/v1/toads", "Toad", "read"),
        ("POST", "/v1/toads", "Toad", "create"),
        ("PUT", "/v1/toads/{id}", "Toad", "create|write"),
        ("PATCH", "/v1/toads/{id}", "Toad", "write"),
        ("GET", "/v1/frogs", "Frog", "private"),
        ("GET", "/v1/greeting", "greet", "admin"),
        ("POST", "/v1/plain/{x}", "plain", "see"),
        ("PUT", "/v1/plain/{x}", "plain", "see"),
        ("*", "/v1/page", "Page", "-"),
        ("GET", "/v1/", "get_hello", "-"),
    } <= shown
    assert ("POST", "/v1/frogs", "Frog", "private") not in shown
    line_number = APPLICATION[: APPLICATION.index("def plain")].count("\n") + 1
    assert {line[4] for line in found if line[2] == "plain"} == {f"{lines.file}:{line_number}"}


@pytest.mark.clause("E-7.2")
def test_a_text_chooses_the_urls(lines: Callable[..., Any]) -> None:
    assert {line[1] for line in lines("toads")[1:]} == {"/v1/toads", "/v1/toads/{id}"}
