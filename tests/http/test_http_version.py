"""Which version is deployed (E-6.5)."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service

VERSION = {
    "source": "https://github.com/example/kiosk",
    "version": "3.1.4",
    "commit": "2f1d3e5",
    "build": "https://ci.example/1",
}


@pytest.fixture
def path(tmp_path: Path) -> Any:
    return tmp_path / "version.json"


@pytest.fixture
def app(path: Any) -> TestApp:
    return make_app(settings={"cliquet.version_json_path": str(path)})


@pytest.mark.clause("E-6.5")
@pytest.mark.setting("version_json_path")
def test_the_version_is_the_content_of_the_file_for_anybody(app: TestApp, path: Path) -> None:
    path.write_text(json.dumps(VERSION, indent=2))

    response = app.get("/v0/__version__", status=200)

    assert response.json == VERSION
    assert response.content_type == "application/json"


@pytest.mark.clause("E-6.5")
def test_without_the_file_there_is_no_version_until_it_is_written(app: TestApp, path: Path) -> None:
    assert app.get("/v0/__version__", status=404).json["errno"] == 111

    for commit in ("1", "2"):
        path.write_text(json.dumps({"commit": commit}))
        assert app.get("/v0/__version__", status=200).json == {"commit": commit}


@pytest.mark.clause("E-6.5")
@pytest.mark.parametrize("value", [None, "", "false"])
def test_without_the_setting_there_is_no_version(value: str | None) -> None:
    app = make_app(settings={} if value is None else {"version_json_path": value})
    assert app.get("/v0/__version__", status=404).json["errno"] == 111


@pytest.mark.clause("E-6.5")
def test_without_the_setting_an_application_may_use_the_address() -> None:
    def configure(config: Any) -> None:
        service = Service(name="version", path="/__version__")
        service.add_view("GET", lambda request: {"of": "the application"})
        config.add_cornice_service(service)

    assert make_app(configure=configure).get("/v0/__version__").json == {"of": "the application"}


@pytest.mark.clause("E-6.5")
@pytest.mark.parametrize("content", [b"", b"version = 1", b"\xff\xfe{}", None])
def test_a_file_that_is_no_json_is_told_in_the_logs_alone(
    app: TestApp, path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    caplog.set_level(logging.ERROR, logger="cliquet")
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    assert app.get("/v0/__version__", status=404).json["errno"] == 111

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "Unable to read the version" in record.getMessage()
    assert str(path) in record.getMessage()


@pytest.mark.clause("E-6.5", "H-3.8")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_version_refuses_other_methods(app: TestApp, path: Path, method: str) -> None:
    path.write_text("{}")
    response = app.request("/v0/__version__", method=method, status=405)
    assert response.json["errno"] == 115
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert app.head("/v0/__version__", status=200).body == b""


@pytest.mark.clause("E-6.5")
@pytest.mark.parametrize("exists", [True, False])
def test_scripts_of_other_origins_may_read_the_version(
    app: TestApp, path: Path, exists: bool
) -> None:
    if exists:
        path.write_text("{}")
    status = 200 if exists else 404
    response = app.get("/v0/__version__", headers={"Origin": "https://ops.example"}, status=status)
    assert response.headers["Access-Control-Allow-Origin"]

    preflight = app.options(
        "/v0/__version__",
        headers={"Origin": "https://ops.example", "Access-Control-Request-Method": "GET"},
        status=200,
    )
    assert "GET" in preflight.headers["Access-Control-Allow-Methods"]
