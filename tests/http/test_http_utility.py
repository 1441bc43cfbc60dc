"""The hello view and the two heartbeats (H-3)."""

from collections.abc import Callable
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import storage
from cliquet.testing.web import basic_auth

MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
NO_BACKENDS = {"storage_backend": "", "cache_backend": "", "permission_backend": ""}


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_app([Mushroom])


@pytest.fixture
def make_public() -> Any:
    """Make an application that shows some settings, and return what it shows of them."""

    def shown(*names: Any, settings: Any = None) -> Any:
        app = make_app(settings=settings)
        app.app.registry.public_settings.update(names)
        return app.get("/v0/", status=200).json["settings"]

    return shown


# Hello


@pytest.mark.clause("H-3.1", "H-3.2", "H-3.3")
def test_the_root_describes_the_service_to_anybody(app: TestApp) -> None:
    # All of its members: those of older releases are not there.
    assert app.get("/v0/", status=200).json == {
        "project_name": "testapp",
        "project_version": "0.0.1",
        "http_api_version": "0.0",
        "project_docs": "",
        "cliquet_protocol_version": "2",
        "url": "http://localhost/v0/",
        "settings": {"batch_max_requests": 25, "readonly": False},
        "capabilities": {},
    }


@pytest.mark.clause("H-3.1", "S-3.1", "S-3.3", "S-3.4", "S-3.6")
@pytest.mark.setting("project_name", "project_version", "project_docs")
def test_the_root_shows_the_settings_of_the_project() -> None:
    app = make_app(
        settings={
            "project_name": "Shrooms",
            "project_version": "7.2.1",
            "http_api_version": "4.1",
            "project_docs": "https://docs.example/",
            "eos": "2099-12-25",
        }
    )
    hello = app.get("/v4/", status=200).json
    assert hello["project_name"] == "Shrooms"
    assert hello["project_version"] == "7.2.1"
    assert hello["http_api_version"] == "4.1"
    assert hello["project_docs"] == "https://docs.example/"
    assert hello["eos"] == "2099-12-25"
    assert hello["url"] == "http://localhost/v4/"


@pytest.mark.clause("H-3.1", "S-3.1", "P-2.3", "P-2.5", "S-22")
def test_a_service_without_name_starts_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"^No value specified for `project_name`$"):
        app = make_app(project_name="")
    assert app.get("/v0/").json["project_name"] == ""


@pytest.mark.clause("H-3.1", "P-7.5")
def test_the_url_is_the_one_that_the_client_used(app: TestApp) -> None:
    response = app.get("/v0/", headers={"Host": "api.example:8080"})
    assert response.json["url"] == "http://api.example:8080/v0/"


@pytest.mark.clause("H-3.3", "P-4.6")
def test_public_settings_have_the_configured_values(make_public: Callable[..., Any]) -> None:
    shown = make_public(settings={"batch_max_requests": "3", "readonly": "true"})
    assert shown == {"batch_max_requests": 3, "readonly": True}


@pytest.mark.clause("H-3.4", "P-6.3", "P-4.6", "P-4.12")
def test_public_settings_are_shown_under_the_names_that_the_application_gave(
    make_public: Callable[..., Any],
) -> None:
    shown = make_public(
        "paginate_by", "cliquet.paginate_by", "testapp.paginate_by", settings={"paginate_by": "7"}
    )
    assert shown == {
        "batch_max_requests": 25,
        "readonly": False,
        "paginate_by": 7,
        "cliquet.paginate_by": 7,
        "testapp.paginate_by": 7,
    }


@pytest.mark.clause("H-3.4", "P-6.3")
def test_dots_in_the_name_of_a_public_setting_are_no_other_prefix(
    make_public: Callable[..., Any],
) -> None:
    shown = make_public("multiauth.policies", settings={"multiauth.policies": "basicauth"})
    assert shown["multiauth.policies"] == "basicauth"


@pytest.mark.clause("S-23.22")
@pytest.mark.parametrize("name", ["nothing", "cliquet.nothing", "testapp.nothing", "cliquet."])
def test_a_public_setting_that_does_not_exist_is_left_out(
    make_public: Callable[..., Any], name: str
) -> None:
    assert make_public(name) == {"batch_max_requests": 25, "readonly": False}


@pytest.mark.clause("H-3.5", "P-5.8")
def test_the_root_shows_the_user_who_asks(app: TestApp) -> None:
    assert app.get("/v0/", headers=basic_auth("mat", "1")).json["user"] == {"id": MAT}


@pytest.mark.clause("H-3.5", "P-5.8", "P-3.2")
def test_an_application_may_say_something_else_of_the_user() -> None:
    def configure(config: Any) -> None:
        config.add_request_method(
            lambda request: {"id": request.prefixed_userid, "name": "Mat"}, name="get_user_info"
        )

    hello = make_app(configure=configure).get("/v0/", headers=basic_auth("mat", "1")).json
    assert hello["user"] == {"id": MAT, "name": "Mat"}


@pytest.mark.clause("H-3.5", "H-4.11")
@pytest.mark.parametrize("value", ["", "Basic", "Basic =", "Basic \xff", "Carrier pigeon", "\x7f"])
def test_bad_credentials_never_make_the_root_fail(app: TestApp, value: str) -> None:
    hello = app.get("/v0/", extra_environ={"HTTP_AUTHORIZATION": value}, status=200).json
    assert "user" not in hello


@pytest.mark.clause("H-3.6", "P-6.1", "P-4.7")
def test_the_root_shows_capabilities_as_they_were_registered() -> None:
    def configure(config: Any) -> None:
        config.add_api_capability("plain")
        config.add_api_capability(
            "full", description="Do things", url="https://doc.example", size=5, kinds=("a", "b")
        )

    assert make_app(configure=configure).get("/v0/").json["capabilities"] == {
        "plain": {"description": "", "url": ""},
        "full": {
            "description": "Do things",
            "url": "https://doc.example",
            "size": 5,
            "kinds": ["a", "b"],
        },
    }


@pytest.mark.clause("H-3.6", "P-6.2", "S-22")
def test_a_capability_is_registered_once() -> None:
    def configure(config: Any) -> None:
        config.add_api_capability("fast", description="Speed")
        config.add_api_capability("fast")

    with pytest.raises(ValueError, match="fast") as refusal:
        make_app(configure=configure)
    assert str(refusal.value) == (
        "The 'fast' API capability was already registered ({'description': 'Speed', 'url': ''})."
    )


@pytest.mark.clause("H-3.7")
@pytest.mark.parametrize("headers", [{}, basic_auth()])
def test_the_root_is_no_resource(app: TestApp, headers: dict[str, Any]) -> None:
    response = app.get("/v0/", headers=headers)
    assert "ETag" not in response.headers
    assert "Cache-Control" not in response.headers
    assert response.headers["Vary"] == "Authorization"


@pytest.mark.clause("H-3.8", "X-13", "X-27")
def test_the_root_answers_get_head_and_options(app: TestApp) -> None:
    assert app.head("/v0/", status=200).body == b""
    options = app.options("/v0/", status=200)
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert options.body == b""


@pytest.mark.clause("H-3.8")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/v0/", "/v0/__heartbeat__", "/v0/__lbheartbeat__"])
def test_the_root_and_heartbeats_refuse_other_methods(app: TestApp, path: str, method: str) -> None:
    response = app.request(path, method=method, status=405)
    assert response.json["errno"] == 115
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# Heartbeat


@pytest.mark.clause("H-3.9", "H-3.10", "P-4.5")
def test_the_heartbeat_has_a_member_for_each_backend(app: TestApp) -> None:
    response = app.get("/v0/__heartbeat__", status=200)
    assert response.json == {"storage": True, "permission": True, "cache": True}


@pytest.mark.clause("H-3.9", "P-4.1", "P-4.2", "P-4.3", "B-17.5", "B-17.6")
@pytest.mark.parametrize("kind", ["storage", "permission", "cache"])
def test_a_backend_that_is_not_configured_has_no_member(kind: str) -> None:
    app = make_app(settings={**NO_BACKENDS, f"{kind}_backend": f"cliquet.{kind}.memory"})
    assert app.get("/v0/__heartbeat__", status=200).json == {kind: True}


@pytest.mark.clause("H-3.9", "H-3.10", "P-4.5", "P-6.4", "P-4.12")
@pytest.mark.parametrize(
    ("results", "status"),
    [
        ({"oauth": True}, 200),
        ({"oauth": None}, 200),
        ({"oauth": False}, 503),
        ({"oauth": True, "mail": False}, 503),
        ({"oauth": None, "mail": True}, 200),
    ],
)
def test_the_application_adds_checks_of_its_own(results: dict[str, Any], status: int) -> None:
    app = make_app()
    # After the application was made: they are read at request time.
    for name, result in results.items():
        app.app.registry.heartbeats[name] = lambda request, result=result: result

    response = app.get("/v0/__heartbeat__", status=status)

    assert response.json == {"storage": True, "permission": True, "cache": True, **results}
    assert response.content_type == "application/json"
    assert "Retry-After" not in response.headers


@pytest.mark.clause("H-3.11", "P-34.21")
def test_a_check_that_raises_has_failed() -> None:
    app = make_app()
    app.app.registry.heartbeats["oauth"] = lambda request: 1 / 0

    response = app.get("/v0/__heartbeat__", status=503)

    assert response.json == {"storage": True, "permission": True, "cache": True, "oauth": False}


@pytest.mark.clause("H-3.10", "P-6.4")
def test_a_check_is_given_the_request() -> None:
    app = make_app()
    app.app.registry.heartbeats["oauth"] = lambda request: request.path == "/v0/__heartbeat__"
    app.get("/v0/__heartbeat__", status=200)


@pytest.mark.clause("H-3.10", "H-3.12", "H-3.11")
@pytest.mark.parametrize(
    ("kind", "operation"),
    [("storage", "create"), ("permission", "add_principal_to_ace"), ("cache", "set")],
)
def test_the_checks_write_to_their_backends(
    monkeypatch: pytest.MonkeyPatch, kind: str, operation: str
) -> None:
    app = _writing_app(monkeypatch)
    _break(monkeypatch, app, kind, operation)
    assert app.get("/v0/__heartbeat__", status=503).json == {
        "storage": True,
        "permission": True,
        "cache": True,
        kind: False,
    }


@pytest.mark.clause("H-3.12", "P-6.5")
def test_in_readonly_mode_only_the_cache_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    app = _writing_app(monkeypatch, settings={"readonly": "true"})
    for kind, operation in (("storage", "create"), ("permission", "add_principal_to_ace")):
        _break(monkeypatch, app, kind, operation)
    app.get("/v0/__heartbeat__", status=200)

    _break(monkeypatch, app, "cache", "set")
    assert app.get("/v0/__heartbeat__", status=503).json["cache"] is False


@pytest.mark.clause("H-3.12")
@pytest.mark.parametrize(
    ("kind", "operation"), [("storage", "get_all"), ("permission", "user_principals")]
)
def test_in_readonly_mode_storage_and_permissions_are_read(
    monkeypatch: pytest.MonkeyPatch, kind: str, operation: str
) -> None:
    app = _writing_app(monkeypatch, settings={"readonly": "true"})
    _break(monkeypatch, app, kind, operation)
    assert app.get("/v0/__heartbeat__", status=503).json[kind] is False


def _writing_app(monkeypatch: Any, settings: Any = None) -> TestApp:
    """Return an application whose heartbeats write rather than delete."""
    monkeypatch.setattr(storage.random, "random", lambda: 0.99)
    return make_app(settings=settings)


def _break(monkeypatch: Any, app: TestApp, kind: Any, operation: Any) -> None:
    def failing(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(getattr(app.app.registry, kind), operation, failing)


@pytest.mark.clause("H-3.13")
@pytest.mark.parametrize("draw", [0.0, 0.99])
def test_heartbeats_leave_records_and_timestamps_alone(
    monkeypatch: pytest.MonkeyPatch, draw: float
) -> None:
    monkeypatch.setattr(storage.random, "random", lambda: draw)
    app = make_app([Mushroom])
    headers = basic_auth()
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers)
    before = app.get("/v0/mushrooms?_since=0", headers=headers)

    for _ in range(5):
        app.get("/v0/__heartbeat__", headers=headers, status=200)

    after = app.get("/v0/mushrooms?_since=0", headers=headers)
    assert after.json == before.json
    assert after.headers["ETag"] == before.headers["ETag"]


# Load balancer heartbeat


@pytest.mark.clause("H-3.14", "P-7.5")
def test_the_load_balancer_is_answered_whatever_the_state_of_the_backends() -> None:
    app = make_app()
    app.app.registry.heartbeats["oauth"] = lambda request: False
    assert app.get("/v0/__lbheartbeat__", status=200).json == {}
