"""Middlewares around the application (S-21)."""

import sys
from types import SimpleNamespace

import pytest
from pyramid.exceptions import ConfigurationError

import cliquet
from cliquet import initialization
from cliquet.testing.web import make_app


class Wrapped:
    """What a middleware made of an application."""

    def __init__(self, app, **kwargs):
        self.app = app
        self.kwargs = kwargs

    def __call__(self, environ, start_response):
        return self.app(environ, start_response)


class NewRelic(Wrapped):
    pass


class Profiler(Wrapped):
    pass


@pytest.fixture
def agent(monkeypatch):
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


def app(environ, start_response):
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
def test_without_the_settings_the_application_is_returned_unchanged(agent, settings):
    assert cliquet.install_middlewares(app, settings) is app
    assert agent == []


@pytest.mark.clause("S-21.1")
def test_the_settings_alone_wrap_nothing(agent):
    client = make_app(settings={"newrelic_config": "/etc/nr.ini", "profiler_enabled": True})
    client.get("/v0/", status=200)
    assert agent == []


@pytest.mark.clause("S-21.2", "P-2.12")
@pytest.mark.parametrize(("env", "expected"), [({}, "dev"), ({"newrelic_env": "prod"}, "prod")])
def test_new_relic_is_initialised_and_wraps_the_application(agent, env, expected):
    wrapped = cliquet.install_middlewares(app, {"newrelic_config": "/etc/nr.ini", **env})
    assert agent == [("/etc/nr.ini", expected)]
    assert isinstance(wrapped, NewRelic)
    assert wrapped.app is app


@pytest.mark.clause("S-21.3", "P-2.12")
@pytest.mark.parametrize(
    ("folder", "expected"), [({}, "/tmp"), ({"profiler_dir": "/var/p"}, "/var/p")]
)
def test_the_profiler_wraps_the_application(agent, folder, expected):
    wrapped = cliquet.install_middlewares(app, {"profiler_enabled": "true", **folder})
    assert isinstance(wrapped, Profiler)
    assert wrapped.app is app
    assert set(wrapped.kwargs) == {"profile_dir", "restrictions"}
    assert wrapped.kwargs["profile_dir"] == expected
    assert list(wrapped.kwargs["restrictions"]) == ["*cliquet*"]
    assert agent == []


@pytest.mark.clause("S-21.4")
def test_the_profiler_is_outside_of_new_relic(agent):
    settings = {"newrelic_config": "/etc/nr.ini", "profiler_enabled": True}
    wrapped = cliquet.install_middlewares(app, settings)
    assert isinstance(wrapped, Profiler)
    assert isinstance(wrapped.app, NewRelic)
    assert wrapped.app.app is app


@pytest.mark.clause("S-21.1", "S-23.16")
@pytest.mark.parametrize("prefix", ["", "cliquet.", "kiosk."])
def test_raw_settings_of_main_are_read_under_every_spelling(agent, prefix):
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


@pytest.mark.clause("S-23.16", "S-1.3")
def test_the_environment_overrides_the_settings(agent, monkeypatch):
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
def test_a_missing_package_is_named_in_a_clear_error(monkeypatch, module, settings, package):
    for name in list(sys.modules):
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    # The import system's own way to say that there is no such module.
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"{next(iter(settings))}.*{package}"):
        cliquet.install_middlewares(app, settings)
