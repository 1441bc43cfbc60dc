"""Services that only read, and endpoints that are switched off (H-31)."""

from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet import Service, resource
from cliquet.storage.exceptions import BackendError
from cliquet.testing.faults import FaultyBackend
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
COLLECTION = "/v0/mushrooms"
RECORD = "/v0/mushrooms/d1d1d1d1-0000-4000-8000-000000000001"
ALL = {
    "collection": ["GET", "POST", "DELETE"],
    "record": ["GET", "PUT", "PATCH", "DELETE"],
}
PATHS = {"collection": COLLECTION, "record": RECORD}
METHOD_NOT_ALLOWED = {
    "code": 405,
    "errno": 115,
    "error": "Method Not Allowed",
    "message": "Method not allowed on this endpoint.",
}
SWITCHES = [(kind, method) for kind, methods in ALL.items() for method in methods]


def send(app: TestApp, method: str, path: str, **kwargs: Any) -> Any:
    """Send a request that would succeed if its method were there."""
    kwargs.setdefault("headers", AUTH)
    if method in ("POST", "PUT", "PATCH"):
        return getattr(app, f"{method.lower()}_json")(path, {"data": {"name": "cep"}}, **kwargs)
    return getattr(app, method.lower())(path, **kwargs)


def allowed(response: Any) -> set[Any]:
    return set(response.headers["Allow"].split(", "))


def preflighted(app: TestApp, path: str, method: str = "GET", **kwargs: Any) -> set[Any]:
    headers = {"Origin": "http://a.example", "Access-Control-Request-Method": method}
    response = app.options(path, headers=headers, **kwargs)
    return set(response.headers["Access-Control-Allow-Methods"].split(","))


@pytest.fixture(scope="module")
def readonly_app() -> TestApp:
    return make_app(RESOURCES, settings={"readonly": "true"})


# Read-only services


@pytest.mark.clause("H-31.1", "S-7.4", "X-13")
@pytest.mark.setting("readonly")
@pytest.mark.parametrize(("kind", "method"), [switch for switch in SWITCHES if switch[1] != "GET"])
def test_a_read_only_service_refuses_writes_and_lists_what_is_left(
    readonly_app: TestApp, kind: str, method: str
) -> None:
    response = send(readonly_app, method, PATHS[kind], status=405)
    assert response.json == METHOD_NOT_ALLOWED
    assert allowed(response) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.clause("H-31.1", "S-7.4")
def test_a_read_only_service_serves_reads(readonly_app: TestApp) -> None:
    send(readonly_app, "GET", COLLECTION, status=200)
    send(readonly_app, "HEAD", COLLECTION, status=200)
    send(readonly_app, "GET", RECORD, status=404)
    assert preflighted(readonly_app, COLLECTION) == {"GET", "HEAD", "OPTIONS"}
    assert preflighted(readonly_app, RECORD) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.clause("S-7.4")
def test_read_only_wins_over_an_endpoint_that_is_switched_on() -> None:
    settings = {"readonly": True, "collection_mushroom_post_enabled": True}
    app = make_app([Mushroom], settings=settings)
    send(app, "POST", COLLECTION, status=405)


@pytest.mark.clause("S-7.4")
def test_a_viewset_names_the_methods_that_stay_in_a_read_only_service() -> None:
    class Viewset(resource.ViewSet):
        readonly_methods = (*resource.ViewSet.readonly_methods, "POST")

    app = make_app([(Mushroom, {"viewset": Viewset()})], settings={"readonly": True})
    send(app, "POST", COLLECTION, status=201)
    send(app, "DELETE", COLLECTION, status=405)


@pytest.mark.clause("S-7.4", "H-31.2")
def test_services_that_are_no_resources_are_not_affected() -> None:
    def configure(config: Any) -> None:
        service = Service(name="orders", path="/orders")
        service.add_view("POST", lambda request: {"done": True})
        config.add_cornice_service(service)

    app = make_app(settings={"readonly": True}, configure=configure)
    assert app.post("/v0/orders").json == {"done": True}
    for path in ("/v0/", "/v0/__heartbeat__", "/v0/__lbheartbeat__"):
        app.get(path, status=200)


@pytest.mark.clause("H-31.3", "S-7.7")
@pytest.mark.parametrize("value", [True, False])
def test_the_hello_view_shows_whether_the_service_only_reads(value: bool) -> None:
    app = make_app(settings={"readonly": value})
    assert app.get("/v0/").json["settings"]["readonly"] is value


@pytest.mark.clause("S-7.5")
def test_heartbeats_of_a_read_only_service_read_all_backends_and_write_the_cache() -> None:
    written = []

    def heartbeat(readonly: Any) -> set[Any]:
        app = make_app(settings={"readonly": readonly})
        registry = app.app.registry
        writes = {
            "storage": ("create", "update", "delete", "delete_all"),
            "permission": ("add_principal_to_ace", "remove_principal_from_ace"),
            "cache": ("set", "delete"),
        }
        written.clear()
        for name, methods in writes.items():
            backend = getattr(registry, name)
            for method in methods:
                setattr(backend, method, spy(name, getattr(backend, method)))
        assert set(app.get("/v0/__heartbeat__", status=200).json.values()) == {True}
        return set(written)

    def spy(name: Any, method: Any) -> Any:
        def spied(*args: Any, **kwargs: Any) -> Any:
            written.append(name)
            return method(*args, **kwargs)

        return spied

    assert heartbeat(readonly=False) == {"storage", "permission", "cache"}
    assert heartbeat(readonly=True) == {"cache"}


@pytest.mark.clause("S-7.5")
def test_a_read_only_service_without_cache_has_no_heartbeat_of_it() -> None:
    app = make_app(settings={"readonly": True, "cache_backend": ""})
    assert app.get("/v0/__heartbeat__", status=200).json == {"storage": True, "permission": True}


@pytest.mark.clause("S-7.6", "H-26.9")
@pytest.mark.parametrize(
    ("readonly", "message"),
    [
        (
            True,
            "Collection timestamp cannot be written. "
            "Records endpoint must be hit at least once from a writable instance.",
        ),
        (
            False,
            "Service temporary unavailable due to overloading or maintenance, please retry later.",
        ),
    ],
)
def test_a_collection_without_timestamp_explains_itself_when_read_only(
    readonly: bool, message: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise BackendError(original=RuntimeError("read-only connection"))

    app = make_app([Mushroom], settings={"readonly": readonly})
    registry = app.app.registry
    registry.storage = FaultyBackend(registry.storage, collection_timestamp=fail)

    response = send(app, "GET", COLLECTION, status=503)
    assert response.json["errno"] == 201
    assert response.json["message"] == message
    assert response.headers["Retry-After"] == "30"


# Endpoints switched off


@pytest.mark.clause("H-31.4", "S-7.1", "X-13")
@pytest.mark.setting("{endpoint_type}_{resource_name}_{method}_enabled")
@pytest.mark.parametrize(("kind", "method"), SWITCHES)
@pytest.mark.parametrize("value", ["false", False])
def test_a_setting_removes_one_endpoint(kind: str, method: str, value: bool | str) -> None:
    app = make_app([Mushroom], settings={f"{kind}_mushroom_{method.lower()}_enabled": value})

    response = send(app, method, PATHS[kind], status=405)

    removed = {method, "HEAD"} if method == "GET" else {method}
    left = {*ALL[kind], "HEAD", "OPTIONS"} - removed
    assert response.json == METHOD_NOT_ALLOWED
    assert allowed(response) == left
    remaining = next(iter(left - {"HEAD", "OPTIONS"}))
    assert preflighted(app, PATHS[kind], remaining, status=200) == left


@pytest.mark.clause("H-31.4", "S-7.1")
@pytest.mark.parametrize(("kind", "method"), SWITCHES)
def test_a_setting_leaves_the_other_endpoints(kind: str, method: str) -> None:
    app = make_app([Mushroom], settings={f"{kind}_mushroom_{method.lower()}_enabled": False})
    for other_kind, other in SWITCHES:
        if (other_kind, other) != (kind, method):
            assert send(app, other, PATHS[other_kind], status="*").status_code != 405


@pytest.mark.clause("H-31.4", "S-7.3")
@pytest.mark.parametrize("kind", ["collection", "record"])
def test_without_get_there_is_no_head(kind: str) -> None:
    app = make_app([Mushroom], settings={f"{kind}_mushroom_get_enabled": False})
    response = send(app, "HEAD", PATHS[kind], status=405)
    assert allowed(response) == {*ALL[kind], "OPTIONS"} - {"GET"}


@pytest.mark.clause("S-7.1")
def test_the_setting_has_the_name_that_the_resource_was_registered_with() -> None:
    kwargs = {"name": "fungus", "collection_path": "/fungi", "record_path": "/fungi/{{id}}"}
    settings = {
        "collection_fungus_post_enabled": False,
        "collection_mushroom_delete_enabled": False,
    }
    app = make_app([(Mushroom, kwargs)], settings=settings)
    send(app, "POST", "/v0/fungi", status=405)
    send(app, "DELETE", "/v0/fungi", status=200)


@pytest.mark.clause("S-7.2")
def test_endpoints_are_removed_at_start_up_not_per_request() -> None:
    app = make_app([Mushroom])
    app.app.registry.settings["collection_mushroom_post_enabled"] = False
    app.app.registry.settings["readonly"] = True
    send(app, "POST", COLLECTION, status=201)
