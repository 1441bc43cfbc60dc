"""Middlewares around the application (S-21)."""

import os
import pstats
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from servers.processes import missing
from servers.starting import run_program
from support import monitored
from webtest import TestApp

import cliquet
from cliquet import initialization
from cliquet.testing.bounded import Thread
from cliquet.testing.web import make_app

BIN = Path(sys.executable).parent


class Wrapped:
    """What a middleware made of an application."""

    def __init__(self, app: TestApp, **kwargs: Any) -> None:
        self.app = app
        self.kwargs = kwargs

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


class NewRelic(Wrapped):
    pass


class Profiler(Wrapped):
    pass


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand in for the packages of both middlewares; give the calls that set the agent up."""
    calls = []
    newrelic = SimpleNamespace(
        agent=SimpleNamespace(
            initialize=lambda *args: calls.append(args), WSGIApplicationWrapper=NewRelic
        )
    )
    monkeypatch.setitem(vars(initialization), "newrelic", newrelic)
    monkeypatch.setitem(vars(initialization), "ProfilerMiddleware", Profiler)
    return calls


def app(environ: Any, start_response: Any) -> list[Any]:
    start_response("200 OK", [])
    return []


@pytest.mark.clause("S-21.1", "P-2.12")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"newrelic_config": "", "profiler_enabled": ""},
        {"newrelic_config": False, "profiler_enabled": False},
        {"newrelic_config": "false", "profiler_enabled": "false"},
        {"newrelic_env": "prod", "profiler_dir": "/var/profiles"},
    ],
)
def test_without_the_settings_the_application_is_returned_unchanged(
    agent: list[Any], settings: dict[str, Any]
) -> None:
    assert cliquet.install_middlewares(app, settings) is app
    assert agent == []


@pytest.mark.clause("S-21.1")
def test_the_settings_alone_wrap_nothing(agent: list[Any]) -> None:
    client = make_app(settings={"newrelic_config": "/etc/nr.ini", "profiler_enabled": True})
    client.get("/v0/", status=200)
    assert agent == []


@pytest.mark.clause("S-21.2", "P-2.12")
@pytest.mark.parametrize(("env", "expected"), [({}, "dev"), ({"newrelic_env": "prod"}, "prod")])
def test_new_relic_is_initialised_and_wraps_the_application(
    agent: list[Any], env: dict[str, Any], expected: str
) -> None:
    wrapped = cliquet.install_middlewares(app, {"newrelic_config": "/etc/nr.ini", **env})
    assert agent == [("/etc/nr.ini", expected)]
    assert isinstance(wrapped, NewRelic)
    assert wrapped.app is app


@pytest.mark.clause("S-21.3", "P-2.12")
@pytest.mark.parametrize(
    ("folder", "expected"), [({}, "/tmp"), ({"profiler_dir": "/var/p"}, "/var/p")]
)
def test_the_profiler_wraps_the_application(
    agent: list[Any], folder: dict[str, Any], expected: str
) -> None:
    wrapped = cliquet.install_middlewares(app, {"profiler_enabled": "true", **folder})
    assert isinstance(wrapped, Profiler)
    assert wrapped.app is app
    assert set(wrapped.kwargs) == {"profile_dir", "restrictions"}
    assert wrapped.kwargs["profile_dir"] == expected
    assert list(wrapped.kwargs["restrictions"]) == ["*cliquet*"]
    assert agent == []


@pytest.mark.clause("S-21.4")
def test_the_profiler_is_outside_of_new_relic(agent: list[Any]) -> None:
    settings = {"newrelic_config": "/etc/nr.ini", "profiler_enabled": True}
    wrapped = cliquet.install_middlewares(app, settings)
    assert isinstance(wrapped, Profiler)
    assert isinstance(wrapped.app, NewRelic)
    assert wrapped.app.app is app


@pytest.mark.clause("S-21.1", "S-23.16")
@pytest.mark.parametrize("prefix", ["", "cliquet.", "kiosk."])
def test_raw_settings_of_main_are_read_under_every_spelling(agent: list[Any], prefix: str) -> None:
    settings = {
        "cliquet.project_name": "kiosk",
        f"{prefix}newrelic_config": "/etc/nr.ini",
        f"{prefix}newrelic_env": "stage",
        f"{prefix}profiler_enabled": "on",
        f"{prefix}profiler_dir": "/var/p",
    }
    wrapped = cliquet.install_middlewares(app, settings)
    assert agent == [("/etc/nr.ini", "stage")]
    assert wrapped.kwargs["profile_dir"] == "/var/p"


def application(given: Any, **kwargs: Any) -> Any:
    """Do what the published `main` does, with a name given in code."""
    config = Configurator(settings=given)
    cliquet.initialize(config, version="0.1", project_name="kiosk", **kwargs)
    return config.make_wsgi_app()


@pytest.mark.clause("S-1.2", "S-23.16", "P-2.1")
def test_the_prefix_counts_where_the_application_names_the_project(agent: list[Any]) -> None:
    settings = {"kiosk.newrelic_config": "/etc/nr.ini", "kiosk.profiler_enabled": "true"}

    wrapped = cliquet.install_middlewares(application(settings), settings)

    assert agent == [("/etc/nr.ini", "dev")]
    assert isinstance(wrapped, Profiler)


@pytest.mark.clause("S-1.3", "P-2.11", "P-2.12")
def test_defaults_of_the_application_count_and_lose_to_the_settings(agent: list[Any]) -> None:
    settings = {"newrelic_env": "prod"}
    defaults = {"newrelic_config": "/etc/nr.ini", "kiosk.newrelic_env": "stage"}

    cliquet.install_middlewares(application(settings, default_settings=defaults), settings)

    assert agent == [("/etc/nr.ini", "prod")]


@pytest.mark.clause("S-1.9", "S-23.16")
def test_the_environment_renames_the_project_and_not_its_prefix(
    agent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECT_NAME", "shown")
    settings = {"kiosk.newrelic_config": "/etc/nr.ini", "kiosk.paginate_by": "7"}
    made = application(settings)
    made.registry.public_settings.add("kiosk.paginate_by")

    wrapped = cliquet.install_middlewares(made, settings)

    assert agent == [("/etc/nr.ini", "dev")]
    hello = TestApp(wrapped).get("/v0/").json
    assert hello["project_name"] == "shown"
    assert hello["settings"]["kiosk.paginate_by"] == 7


@pytest.mark.clause("S-23.16", "S-1.3")
def test_the_environment_overrides_the_settings(
    agent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIQUET_NEWRELIC_ENV", "stage")
    cliquet.install_middlewares(app, {"newrelic_config": "/etc/nr.ini", "newrelic_env": "dev"})
    assert agent == [("/etc/nr.ini", "stage")]


@pytest.mark.clause("S-23.16")
@pytest.mark.parametrize(
    ("module", "settings", "package"),
    [
        ("newrelic", {"newrelic_config": "/etc/nr.ini"}, "newrelic"),
        ("werkzeug", {"profiler_enabled": True}, "werkzeug"),
    ],
)
def test_a_missing_package_is_named_in_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, module: str, settings: dict[str, Any], package: str
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    # The import system's own way to say that there is no such module.
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"{next(iter(settings))}.*{package}"):
        cliquet.install_middlewares(app, settings)


# The real New Relic


NEWRELIC_INI = """
[newrelic]
license_key = 0000000000000000000000000000000000000000
app_name = kiosk
# The agent records, and what it would send goes to a file.
developer_mode = true
log_file = {folder}/agent.log
audit_log_file = {folder}/audit.log

[newrelic:stage]
app_name = kiosk (stage)
"""


@pytest.mark.clause("S-21.1", "S-21.2", "P-2.12")
@pytest.mark.setting("newrelic_config", "newrelic_env")
@pytest.mark.usefixtures("processes")
def test_new_relic_records_the_requests_of_a_service(tmp_path: Path) -> None:
    config = tmp_path / "newrelic.ini"
    config.write_text(NEWRELIC_INI.format(folder=tmp_path))
    service = tmp_path / "service.ini"
    service.write_text(
        "[app:main]\nuse = call:monitored:main\n"
        f"cliquet.newrelic_config = {config}\ncliquet.newrelic_env = stage\n"
    )

    monitored.run_service(service)

    sent = (tmp_path / "audit.log").read_text()
    assert "WebTransaction/" in sent
    assert "kiosk (stage)" in sent
    assert "Reporting to fake collector" in (tmp_path / "agent.log").read_text()


# The real profiler


@pytest.fixture
def profiled(tmp_path: Path) -> Any:
    """Give a client of a service whose requests are profiled, and the folder of the profiles."""
    folder = tmp_path / "new" / "profiling"
    settings = {"cliquet.profiler_enabled": "true", "cliquet.profiler_dir": str(folder)}
    app = make_app().app
    return TestApp(cliquet.install_middlewares(app, settings)), folder


@pytest.mark.clause("S-21.3")
@pytest.mark.setting("profiler_enabled", "profiler_dir")
def test_each_request_has_a_profile_named_by_method_path_duration_and_time(
    profiled: tuple[Any, ...],
) -> None:
    client, folder = profiled
    for _ in range(5):
        client.get("/v0/__lbheartbeat__", status=200)

    names = [path.name for path in folder.iterdir()]

    assert len(names) == 5
    pattern = r"GET\.v0\.__lbheartbeat__\.(\d+)ms\.(\d+\.\d+)\.prof"
    for name in names:
        duration, when = re.fullmatch(pattern, name).groups()
        assert int(duration) < 60_000
        assert abs(float(when) - time.time()) < 60


@pytest.mark.clause("S-21.3")
def test_profiles_show_the_functions_of_the_library_and_nothing_is_printed(
    profiled: tuple[Any, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    client, folder = profiled
    client.get("/v0/", status=200)
    assert capfd.readouterr() == ("", "")

    (path,) = folder.iterdir()
    called = {function for _, _, function in pstats.Stats(str(path)).stats}  # type: ignore[attr-defined]
    assert "get_hello" in called


@pytest.mark.clause("S-21.3")
@pytest.mark.parametrize(
    "path", ["/v0/" + "x" * 300, "/v0/%00", "/v0/..%2f..%2fetc", "/v0/%ff", ""]
)
def test_any_path_can_be_profiled(profiled: tuple[Any, ...], path: str) -> None:
    client, folder = profiled
    client.get(path, status="*")
    assert len(list(folder.iterdir())) == 1


@pytest.mark.clause("S-21.3")
def test_requests_are_profiled_one_after_the_other(tmp_path: Path) -> None:
    running, most = [], []

    def slow(environ: Any, start_response: Any) -> Any:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return app(environ, start_response)

    settings = {"profiler_enabled": True, "profiler_dir": str(tmp_path)}
    client = TestApp(cliquet.install_middlewares(slow, settings), lint=False)
    threads = [Thread(target=client.get, args=("/",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1, 1, 1, 1]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.clause("S-21.3")
def test_a_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    settings = {"profiler_enabled": True, "profiler_dir": str(file)}
    with pytest.raises(ConfigurationError, match=rf"profiler_dir = {file}.*exists"):
        cliquet.install_middlewares(app, settings)


@pytest.mark.clause("S-21.3")
def test_a_folder_that_cannot_be_written_to_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # Root may write everywhere.
    settings = {"profiler_enabled": True, "profiler_dir": str(tmp_path)}
    with pytest.raises(ConfigurationError, match=rf"profiler_dir = {tmp_path}.*written"):
        cliquet.install_middlewares(app, settings)


@pytest.mark.clause("S-21.3")
@pytest.mark.usefixtures("processes")
def test_the_published_command_draws_a_profile(profiled: tuple[Any, ...]) -> None:
    if shutil.which("dot") is None:
        missing("dot, of GraphViz, is not installed")
    client, folder = profiled
    client.get("/v0/", status=200)
    (profile,) = folder.iterdir()

    run_program(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            'gprof2dot -f pstats "$0" | dot -Tpng -o output.png',
            profile,
        ],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        cwd=folder,
        check=True,
        timeout=60,
    )

    assert (folder / "output.png").read_bytes().startswith(b"\x89PNG\r\n")
