"""The logs of a service that writes them for Heka, as its standard output shows them (S-18.9)."""

import http.client
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from servers.processes import ServerProcess, free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

# What a service logs of itself: nested, not JSON, of several lines.
SERVICE = """
import cliquet
from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED


def crash(request):
    raise RuntimeError("several\\nlines, \\u2028 and\\r\\nmore")


def chat(request):
    cliquet.logger.info(
        "chat",
        nested={"a": {"b": [1, {"c": None}]}},
        error=ValueError("no JSON\\nat all"),
        infinite=float("inf"),
        thing=object(),
        raw=b"\\xff\\n",
    )
    return {}


def main(global_config, **settings):
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="kiosk")
    for view in (crash, chat):
        service = cliquet.Service(name=view.__name__, path=f"/{view.__name__}")
        service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
    return config.make_wsgi_app()
"""


@pytest.fixture(scope="module")
def lines(processes: None, own_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give what a service printed, from its start to its end."""
    folder = tmp_path_factory.mktemp("heka")
    (folder / "kiosk_service.py").write_text(SERVICE)
    ini = (ROOT / "config" / "heka.ini").read_text()
    (folder / "kiosk.ini").write_text(ini.replace("call:mushrooms:main", "call:kiosk_service:main"))
    port = free_port()
    command = (
        # Pyramid's program imports Pyramid first, and setuptools warns of that (docs/install.rst).
        "PYTHONWARNINGS='ignore:pkg_resources is deprecated'"
        f" PYTHONPATH='{folder}' exec '{BIN}/pserve' --quiet '{folder}/kiosk.ini' http_port={port}"
        f" 2>'{folder}/errors'"
    )
    output = folder / "output"
    server = ServerProcess(["/bin/sh", "-c", command], port, log_path=output)
    server.start()
    try:
        for path in (
            "/v1/",
            "/v1/crash",
            "/v1/chat",
            "/v1/no%0Athing?a=%0A&b=%E2%80%A8",
            "/v1/?a=%ff",
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path, headers={"User-Agent": "a\u0085b"})
            connection.getresponse().read()
            connection.close()
    finally:
        server.stop()
    assert (folder / "errors").read_text() == ""
    # Not splitlines(): line feeds alone end a line for those who read the output.
    return output.read_text().removesuffix("\n").split("\n")


def of(lines: Any, kind: Any) -> list[Any]:
    return [entry for entry in map(json.loads, lines) if entry["Type"] == kind]


@pytest.mark.clause("S-18.8", "S-18.9", "S-5.5")
@pytest.mark.setting("logging_renderer")
def test_every_line_is_one_json_object_with_the_standard_members(lines: list[str]) -> None:
    for line in lines:
        entry = json.loads(line)
        assert set(entry) == {
            "Timestamp",
            "Type",
            "Logger",
            "Hostname",
            "Severity",
            "Pid",
            "EnvVersion",
            "Fields",
        }
        assert entry["Logger"] == "kiosk"
        assert len(line.splitlines()) == 1
    assert json.loads(lines[0])["Type"] == "kiosk 1.0 starting."


@pytest.mark.clause("S-18.5", "S-18.9")
def test_every_request_has_one_summary(lines: list[str]) -> None:
    summaries = of(lines, "request.summary")
    assert [entry["Fields"]["code"] for entry in summaries] == [200, 500, 200, 404, 400]
    # The start, a crash and the service's own entry are the only other ones.
    assert len(lines) == len(summaries) + 3


@pytest.mark.clause("S-18.8", "S-18.9", "S-19.1")
def test_a_traceback_does_not_break_the_line(lines: list[str]) -> None:
    (entry,) = of(lines, "several\nlines, \u2028 and\r\nmore")
    assert entry["Severity"] == 2
    assert entry["Fields"]["exception"].startswith("Traceback (most recent call last):\n")
    assert entry["Fields"]["path"] == "/v1/crash"


@pytest.mark.clause("S-18.8", "S-23.19")
def test_values_are_flattened_or_shown_as_text(lines: list[str]) -> None:
    (entry,) = of(lines, "chat")
    fields = entry["Fields"]
    assert fields["nested"] == '{"a":{"b":[1,{"c":null}]}}'
    assert fields["error"] == "no JSON\nat all"
    assert fields["infinite"] == "inf"
    assert fields["thing"].startswith("<object object at 0x")
    assert fields["raw"] == "\\xff\n"
