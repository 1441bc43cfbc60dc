"""From a configurator to a running service (P-2, P-3, S-3, S-5, S-22)."""

import json
import logging
import re
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import webob.request
from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ITweens
from pyramid.security import NO_PERMISSION_REQUIRED
from testapp import Mushroom, Spore
from webtest import TestApp

import cliquet
from cliquet import Service
from cliquet.settings import DEFAULT_SETTINGS
from cliquet.storage.generators import Generator
from cliquet.testing.web import MEMORY_BACKENDS, add_resource, basic_auth, make_app

SEQUENCE = DEFAULT_SETTINGS["initialization_sequence"]


def initialized(
    settings: Any = None, version: Any = "0.0.1", project_name: Any = "kitchen", **kwargs: Any
) -> Any:
    """Return a configurator after `initialize`."""
    config = Configurator(settings=dict(settings or {}))
    cliquet.initialize(config, version, project_name, **kwargs)
    return config


@pytest.fixture
def make_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a module that lasts as long as the test, and return its name."""

    def make(name: Any, **attributes: Any) -> Any:
        module = types.ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return name

    return make


def add_view(config: Any, name: Any, view: Any) -> None:
    service = Service(name=name, path=f"/{name}")
    service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(service)


# initialize


@pytest.mark.clause("P-2.1")
def test_initialize_modifies_the_configurator_and_returns_nothing() -> None:
    config = Configurator(settings={})
    assert cliquet.initialize(config, version="1.0", project_name="kitchen") is None  # type: ignore[func-returns-value]
    assert TestApp(config.make_wsgi_app()).get("/v1/").json["project_name"] == "kitchen"


@pytest.mark.clause("P-2.2")
def test_what_the_application_adds_afterwards_is_under_the_prefix() -> None:
    def plugin(config: Any) -> None:
        config.add_route("plugin", "/plugin")
        config.add_view(lambda request: {}, route_name="plugin", renderer="json")

    config = initialized(version="2.1")
    config.add_route("own", "/own")
    config.add_view(lambda request: {}, route_name="own", renderer="json")
    config.include(plugin)

    assert config.route_prefix == "v2"
    app = TestApp(config.make_wsgi_app())
    app.get("/v2/own", status=200)
    app.get("/v2/plugin", status=200)


@pytest.mark.clause("P-2.5", "S-3.3", "S-3.4")
@pytest.mark.parametrize("settings", [{}, {"project_version": 2.1, "http_api_version": 3}])
def test_the_identity_of_the_project_is_text(settings: dict[str, Any]) -> None:
    configured = initialized(settings).get_settings()
    for name in ("project_name", "project_version", "http_api_version"):
        assert isinstance(configured[name], str)


@pytest.mark.clause("S-3.2", "S-3.1")
@pytest.mark.parametrize(
    ("settings", "argument", "name"),
    [
        ({"cliquet.project_name": "a", "project_name": "b"}, "c", "a"),
        ({"project_name": "b"}, "c", "b"),
        ({}, "c", "c"),
        ({"project_name": ""}, "c", "c"),
        ({"cliquet.project_name": ""}, "c", "c"),
    ],
)
def test_the_name_of_the_project(settings: dict[str, Any], argument: str, name: str) -> None:
    configured = initialized(settings, project_name=argument).get_settings()
    assert configured["project_name"] == name
    assert "cliquet.project_name" not in configured


@pytest.mark.clause("S-3.2")
@pytest.mark.parametrize(
    "variable", ["CLIQUET_PROJECT_NAME", "KITCHEN_PROJECT_NAME", "PROJECT_NAME"]
)
def test_the_environment_may_replace_the_name(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "garden")
    assert initialized().get_settings()["project_name"] == "garden"


@pytest.mark.clause("P-2.3", "S-3.2", "S-22")
def test_without_name_there_is_only_a_warning() -> None:
    with pytest.warns(UserWarning, match="project_name") as caught:
        initialized(project_name="")
    assert [str(warning.message) for warning in caught] == ["No value specified for `project_name`"]


@pytest.mark.clause("P-2.4", "S-3.3", "S-22")
def test_without_version_there_is_no_service() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        initialized(version=None)
    assert str(refusal.value) == "Invalid project version: None"


@pytest.mark.clause("E-8.10")
@pytest.mark.parametrize("name", ["initialize", "initialize_cliquet"])
@pytest.mark.filterwarnings("ignore:cliquet.initialize_cliquet:DeprecationWarning")
def test_a_second_call_is_refused_with_both_places(name: str) -> None:
    config = initialized()

    with pytest.raises(ConfigurationError) as caught:
        getattr(cliquet, name)(config, "0.0.1", "kitchen")

    second, first = re.findall(rf"{re.escape(__file__)}:\d+", str(caught.value))
    assert first != second
    assert "cliquet.initialize() is called a second time for one application" in str(caught.value)


def test_code_that_is_in_no_module_may_set_up_an_application() -> None:
    # Doctests and shells run such code.
    names = {"cliquet": cliquet, "config": Configurator(settings={})}

    exec('cliquet.initialize(config, version="0.0.1", project_name="kitchen")', names)

    assert "__name__" not in names


@pytest.mark.clause("P-2.6")
def test_subscribers_may_be_added_before() -> None:
    paths = []
    config = Configurator(settings={})
    config.add_subscriber(lambda event: paths.append(event.request.path), NewRequest)
    config.commit()
    cliquet.initialize(config, version="0.0.1", project_name="kitchen")
    TestApp(config.make_wsgi_app()).get("/v0/")
    assert paths == ["/v0/"]


@pytest.mark.clause("P-2.7")
def test_the_defaults_of_the_library_are_never_modified() -> None:
    before = dict(DEFAULT_SETTINGS)
    initialized({"readonly": "true"}, default_settings={"paginate_by": 4})
    assert before == DEFAULT_SETTINGS


@pytest.mark.clause("P-2.8")
def test_the_former_name_warns() -> None:
    config = Configurator(settings={})
    message = (
        'cliquet.initialize_cliquet is now deprecated. Please use "cliquet.initialize" instead'
    )
    with pytest.warns(DeprecationWarning, match="initialize_cliquet") as caught:
        cliquet.initialize_cliquet(config, version="1.0", project_name="kitchen")
    assert str(caught[0].message) == message
    assert caught[0].filename == __file__
    assert config.get_settings()["project_version"] == "1.0"


@pytest.mark.clause("P-2.11")
@pytest.mark.parametrize(
    ("settings", "defaults", "value"),
    [
        ({"paginate_by": 3}, {"paginate_by": 4}, 3),
        ({"cliquet.paginate_by": 3}, {"kitchen.paginate_by": 4}, 3),
        ({}, {"paginate_by": 4}, 4),
        ({}, {}, None),
    ],
)
def test_settings_win_over_the_applications_defaults_over_the_librarys(
    settings: dict[str, Any], defaults: dict[str, Any], value: int | None
) -> None:
    configured = initialized(settings, default_settings=defaults).get_settings()
    assert configured["paginate_by"] == value


# includeme


@pytest.mark.clause("P-3.3")
def test_the_library_may_be_included_directly() -> None:
    config = Configurator(settings={**MEMORY_BACKENDS, "project_name": "kitchen"})
    cliquet.load_default_settings(config, DEFAULT_SETTINGS)
    config.add_settings(project_version="0.1", http_api_version="0.1")
    config.include(cliquet.includeme, route_prefix="v0")
    config.route_prefix = "v0"
    add_resource(config, Mushroom)
    app = TestApp(config.make_wsgi_app())
    assert app.get("/v0/mushrooms", headers=basic_auth(), status=200).json == {"data": []}


@pytest.mark.clause("P-3.1", "P-5.3", "P-5.8", "P-5.9", "P-5.10", "P-5.11")
def test_requests_have_the_helpers_of_the_library() -> None:
    found = []
    names = (
        "get_resource_events",
        "notify_resource_event",
        "follow_subrequest",
        "prefixed_userid",
        "get_user_info",
        "current_resource_name",
        "current_service",
        "bound_data",
        "errors",
        "validated",
        "info",
        "tm",
    )

    def look(request: Any) -> dict[Any, Any]:
        found.extend(name for name in names if hasattr(request, name))
        return {}

    make_app(configure=lambda config: add_view(config, "look", look)).get("/v0/look")
    assert set(names) - set(found) == set()


@pytest.mark.clause("P-3.4")
def test_the_order_of_tweens() -> None:
    app = make_app()
    order = [name for name, _ in app.app.registry.queryUtility(ITweens).implicit()]
    wanted = [
        "cliquet.initialization.web.end_of_service_tween_factory",
        "pyramid_tm.tm_tween_factory",
        "pyramid.tweens.excview_tween_factory",
    ]
    assert sorted(wanted, key=order.index) == wanted


@pytest.mark.clause("P-3.4")
def test_attempts_of_the_transaction_manager_are_those_of_the_retry_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"tm\.attempts"):
        app = make_app(settings={"tm.attempts": "5"})
    assert app.app.registry.settings["retry.attempts"] == 5


@pytest.mark.clause("P-3.5")
@pytest.mark.parametrize("step", SEQUENCE)
def test_each_step_takes_the_configurator_alone(step: str) -> None:
    config = Configurator(settings={"project_name": "kitchen"})
    cliquet.load_default_settings(config, DEFAULT_SETTINGS)
    config.get_settings().update(project_version="0.1", http_api_version="0.1")
    config.registry.heartbeats = {}
    config.maybe_dotted(step)(config)
    config.commit()


# initialization_sequence


@pytest.mark.clause("S-5.1")
@pytest.mark.parametrize("missing", SEQUENCE)
def test_the_application_starts_without_any_one_step(missing: str) -> None:
    kept = [step for step in SEQUENCE if step != missing]
    app = make_app(settings={"initialization_sequence": kept})
    app.get("/v0/__lbheartbeat__", status=200)
    app.get("/v0/", status=200)
    if not missing.endswith("setup_version_redirection"):
        app.get("/v0/nothing", status=404)


@pytest.mark.clause("S-5.1", "P-3.4")
@pytest.mark.parametrize(
    ("step", "settings", "header"),
    [
        ("setup_backoff", {"backoff": "3"}, "Backoff"),
        ("setup_vary_headers", {}, "Vary"),
        ("setup_deprecation", {"eos": "2099-01-01"}, "Alert"),
        ("setup_logging", {}, "X-Request-Id"),
    ],
)
def test_without_its_step_a_feature_is_absent(
    step: str, settings: dict[str, Any], header: str
) -> None:
    assert header in make_app(settings=settings).get("/v0/").headers
    kept = [name for name in SEQUENCE if not name.endswith(step)]
    without = make_app(settings={**settings, "initialization_sequence": kept})
    assert header not in without.get("/v0/").headers


@pytest.mark.clause("S-5.2")
@pytest.mark.parametrize("shape", [tuple, list, " ".join, "\n".join])
def test_the_sequence_may_hold_functions_of_the_application(
    make_module: Callable[..., Any], shape: Callable[..., Any] | type
) -> None:
    calls = []
    module = make_module("own_steps", first=calls.append, last=calls.append)
    steps = [f"{module}.first", *SEQUENCE, f"{module}.last"]
    make_app(settings={"initialization_sequence": shape(steps)}).get("/v0/", status=200)
    assert len(calls) == 2
    assert all(isinstance(call, Configurator) for call in calls)


@pytest.mark.clause("S-5.2")
@pytest.mark.setting("initialization_sequence")
def test_the_setting_replaces_the_whole_sequence() -> None:
    names = [name for name in SEQUENCE if not name.endswith("setup_storage")]
    app = make_app(settings={"initialization_sequence": names})
    assert not hasattr(app.app.registry, "storage")


# includes


@pytest.mark.clause("S-5.4", "P-3.1", "P-3.2")
@pytest.mark.setting("includes")
def test_plugins_are_included_in_order_once_the_library_is_set_up(
    make_module: Callable[..., Any],
) -> None:
    order = []

    def first(config: Any) -> None:
        order.append(("first", config.registry.storage is not None, config.route_prefix))
        config.add_api_capability("first")
        config.registry.heartbeats["first"] = lambda request: True
        # The library's own is committed: no conflict.
        config.add_request_method(lambda request: {"id": "me"}, name="get_user_info")

    def second(config: Any) -> None:
        order.append(("second", "first" in config.registry.api_capabilities, config.route_prefix))
        add_view(config, "second", lambda request: {"plugin": 2})

    make_module("plugin_one", includeme=first)
    make_module("plugin_two", includeme=second)

    app = make_app(settings={"includes": "plugin_one plugin_two"})

    assert order == [("first", True, "v0"), ("second", True, "v0")]
    assert app.get("/v0/second").json == {"plugin": 2}
    hello = app.get("/v0/", headers=basic_auth()).json
    assert hello["user"] == {"id": "me"}
    assert "first" in hello["capabilities"]
    assert app.get("/v0/__heartbeat__").json["first"] is True


# Refusals at start


@pytest.mark.clause("S-5.3", "S-5.4", "S-22")
@pytest.mark.parametrize(
    "settings",
    [
        {"initialization_sequence": "nonsense.step"},
        {"initialization_sequence": "cliquet.initialization.nonsense"},
        {"includes": "nonsense"},
        {"storage_backend": "cliquet.storage.nonsense"},
        {"cache_backend": "nonsense"},
        {"permission_backend": "nonsense"},
        {"id_generator": "cliquet.storage.generators.Nonsense"},
        {"logging_renderer": "cliquet.logs.Nonsense"},
    ],
    ids=str,
)
def test_an_unknown_name_is_refused(settings: dict[str, Any]) -> None:
    ((setting, value),) = settings.items()

    with pytest.raises(
        ImportError, match=f"^Setting '{setting}' (is|has) '{value}': (No|the) module"
    ):
        make_app(settings=settings)


@pytest.mark.clause("S-11.3", "S-22")
@pytest.mark.parametrize("kind", ["storage", "cache", "permission"])
def test_a_backend_of_a_wrong_class_is_refused(make_module: Callable[..., Any], kind: str) -> None:
    name = make_module("wrong_backend", load_from_config=lambda config: "a text")
    with pytest.raises(ConfigurationError) as refusal:
        make_app(settings={f"{kind}_backend": name})
    assert str(refusal.value) == f"Invalid {kind} backend: a text"


@pytest.mark.clause("S-22")
def test_a_resource_without_storage_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        make_app([Mushroom], settings={"storage_backend": ""})
    assert str(refusal.value).startswith(
        "Mandatory storage backend is missing from configuration. "
    )


@pytest.mark.clause("S-22")
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"readonly": "true", "cliquet.readonly": "false"}, ValueError, "in conflict."),
        ({"cors_max_age_seconds": "soon"}, ValueError, "cors_max_age_seconds"),
        ({"storage_pool_size": "many"}, ValueError, "storage_pool_size"),
        ({"storage_max_fetch_size": "all"}, ValueError, "storage_max_fetch_size"),
        ({"eos": "someday"}, ValueError, "eos"),
        ({"event_listeners": "nonsense"}, KeyError, "event_listeners.nonsense.use"),
    ],
    ids=str,
)
def test_a_bad_setting_is_refused_by_name(settings: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        make_app(settings=settings)


@pytest.mark.clause("S-22")
def test_a_listener_of_unknown_actions_is_refused(make_module: Callable[..., Any]) -> None:
    name = make_module("a_listener", load_from_config=lambda config, prefix: print)
    settings = {"event_listeners": name, f"event_listeners.{name}.actions": "explode"}
    with pytest.raises(ValueError, match=r"'explode' is not a valid ACTIONS"):
        make_app(settings=settings)


@pytest.mark.clause("S-22", "S-6.3")
def test_an_id_generator_that_does_not_match_itself_is_refused(
    make_module: Callable[..., Any],
) -> None:
    class Odd(Generator):
        regexp = "^[a-z]+$"

        def __call__(self) -> str:
            return "123"

    make_module("odd_generators", Odd=Odd)
    with pytest.raises(AssertionError, match="Generated record id does comply with regexp"):
        make_app(settings={"id_generator": "odd_generators.Odd"})


# Logs


@pytest.mark.clause("S-5.5", "P-3.1")
def test_the_start_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make_app(version="1.2.3", project_name="kitchen")
    assert [r.levelname for r in caplog.records if "kitchen 1.2.3 starting." in r.getMessage()] == [
        "INFO"
    ]


@pytest.mark.clause("S-23.7")
def test_variables_of_the_environment_that_were_applied_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_HOST", "cgi.example")
    monkeypatch.setenv("UNRELATED", "1")
    with caplog.at_level(logging.INFO):
        make_app()
    (line,) = [r.getMessage() for r in caplog.records if "environment" in r.getMessage()]
    assert "HTTP_HOST" in line
    assert "UNRELATED" not in line


@pytest.mark.clause("S-23.7")
@pytest.mark.usefixtures("own_settings")
def test_without_such_variables_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make_app()
    assert not [r for r in caplog.records if "environment" in r.getMessage()]


@pytest.mark.clause("S-23.10", "D-41")
def test_the_answer_after_the_end_has_cors_headers_and_its_own_path_in_the_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(settings={"eos": "2000-01-01"})
    with caplog.at_level(logging.INFO):
        app.get("/v0/first", status=410)
        response = app.get("/v0/second", headers={"Origin": "http://a.example"}, status=410)
    assert response.headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert "Alert" in response.headers["Access-Control-Expose-Headers"]
    assert "Authorization" in response.headers["Vary"]
    lines = [r.getMessage() for r in caplog.records if "request.summary" in r.getMessage()]
    assert len(lines) == 2
    assert "/v0/second" in lines[-1]
    assert "/v0/first" not in lines[-1]


# Two applications in one process


@pytest.mark.clause("P-34.29", "D-47")
def test_two_applications_keep_their_settings_resources_and_registry() -> None:
    first = make_app(
        [Mushroom], settings={"readonly": "true", "userid_hmac_secret": "a"}, version="1.0"
    )
    second = make_app([Spore], settings={"paginate_by": "2"}, version="2.0", project_name="other")
    for name in ("public_settings", "heartbeats", "api_capabilities", "storage", "settings"):
        assert getattr(first.app.registry, name) is not getattr(second.app.registry, name)
    first.app.registry.public_settings.add("paginate_by")
    first.app.registry.heartbeats["sick"] = lambda request: False

    for _ in range(2):
        one = first.get("/v1/", headers=basic_auth()).json
        two = second.get("/v2/", headers=basic_auth()).json
        assert one["settings"] == {
            "batch_max_requests": 25,
            "readonly": True,
            "paginate_by": None,
        }
        assert two["settings"] == {"batch_max_requests": 25, "readonly": False}
        assert (one["project_name"], two["project_name"]) == ("testapp", "other")
        assert one["user"] != two["user"]
    first.get("/v1/__heartbeat__", status=503)
    second.get("/v2/__heartbeat__", status=200)
    first.get("/v1/spores", status=404)
    second.get("/v2/mushrooms", status=404)
    first.get("/v2/", status=404)
    second.post_json("/v2/spores", {"data": {}}, headers=basic_auth(), status=201)


@pytest.mark.clause("P-34.29", "D-47", "S-23.21")
@pytest.mark.parametrize("path", ["/v0/", "/v0/mushrooms", "/v0/nothing"])
def test_two_applications_keep_their_own_cors_rules(path: str) -> None:
    apps = {
        origin: make_app([Mushroom], settings={"cors_origins": origin})
        for origin in ("http://a.example", "http://b.example")
    }
    for origin, app in apps.items():
        for sent in apps:
            headers = {**basic_auth(), "Origin": sent}
            response = app.get(path, headers=headers, status="*")
            allowed = response.headers.get("Access-Control-Allow-Origin")
            assert allowed == (sent if sent == origin else None)


@pytest.mark.clause("P-34.29", "S-23.21")
@pytest.mark.setting("logging_renderer")
def test_two_applications_keep_their_own_renderers(
    make_module: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Renderer:
        def __init__(self, settings: Any) -> None:
            self.name = settings["project_name"]

        def __call__(self, logger: Any, name: Any, event_dict: Any) -> str:
            return f"{self.name}: {event_dict['event']}"

    make_module("own_renderers", Renderer=Renderer)
    # Without the secret, they would warn that it is missing.
    settings = {"logging_renderer": "own_renderers.Renderer", "userid_hmac_secret": "b4c96a"}

    def configure(config: Any) -> None:
        config.add_renderer("json", lambda info: lambda value, system: '"mine"')

    first = make_app([Mushroom], settings=settings, project_name="first", configure=configure)
    second = make_app([Mushroom], settings=settings, project_name="second")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert first.get("/v0/").text == '"mine"'
            assert second.get("/v0/").json["project_name"] == "second"
    assert [record.getMessage() for record in caplog.records] == [
        "first: request.summary",
        "second: request.summary",
    ] * 2


@pytest.mark.clause("P-34.29")
def test_setting_up_changes_no_other_library() -> None:
    before = (webob.request.json, json.dumps, json.loads)
    make_app([Mushroom]).get("/v0/mushrooms", headers=basic_auth())
    assert (webob.request.json, json.dumps, json.loads) == before


@pytest.mark.clause("P-34.29")
def test_setting_up_emits_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        initialized()
    assert [str(w.message) for w in caught if "/cliquet/" in w.filename] == []
