"""What the library puts on the registry and on requests (P-4, P-5, P-6)."""

from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from testapp import Mushroom

from cliquet import Service
from cliquet.cache import CacheBase
from cliquet.permission import PermissionBase
from cliquet.storage import StorageBase
from cliquet.storage.generators import UUID4, Generator
from cliquet.testing.web import basic_auth, make_app

BASES = {"storage": StorageBase, "cache": CacheBase, "permission": PermissionBase}
NO_BACKENDS = {f"{kind}_backend": "" for kind in BASES}


def within(function: Any, path: str = "/v0/look", **kwargs: Any) -> Any:
    """Call a function with a request, inside of an application; return its result."""
    results = []

    def look(request: Any) -> dict[Any, Any]:
        results.append(function(request))
        return {}

    def configure(config: Any) -> None:
        service = Service(name="look", path="/look")
        service.add_view("GET", look, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    make_app([Mushroom], configure=configure).get(path, **kwargs)
    return results[0]


# Registry


@pytest.mark.clause("P-4.1", "P-4.2", "P-4.3")
@pytest.mark.parametrize("kind", BASES)
def test_a_configured_backend_is_on_the_registry(kind: str) -> None:
    assert isinstance(getattr(make_app().app.registry, kind), BASES[kind])


@pytest.mark.clause("P-4.1", "P-4.2", "P-4.3")
@pytest.mark.parametrize("kind", BASES)
def test_a_backend_that_is_not_configured_is_absent(kind: str) -> None:
    registry = make_app(settings=NO_BACKENDS).app.registry
    assert not hasattr(registry, kind)
    assert kind not in registry.heartbeats


@pytest.mark.clause("P-4.4", "S-6.3")
@pytest.mark.parametrize("settings", [{}, NO_BACKENDS])
def test_the_id_generator_is_there_without_storage_too(settings: dict[str, Any]) -> None:
    registry = make_app(settings=settings).app.registry
    assert isinstance(registry.id_generator, Generator)
    assert type(registry.id_generator) is UUID4


@pytest.mark.clause("P-4.5", "P-4.6", "P-4.7", "P-4.8", "P-4.9", "P-4.11")
def test_the_registry_of_a_service() -> None:
    registry = make_app(version="3.2.1").app.registry
    assert sorted(registry.heartbeats) == ["cache", "permission", "storage"]
    assert all(callable(check) for check in registry.heartbeats.values())
    assert registry.public_settings == {"batch_max_requests", "readonly"}
    assert registry.api_capabilities == {}
    assert registry.statsd is None
    assert registry.route_prefix == "v3"
    assert registry.settings["project_version"] == "3.2.1"


@pytest.mark.clause("P-4.10")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v0/mushrooms", "mushroom-collection"),
        ("/v0/mushrooms/d1d1d1d1-0000-4000-8000-000000000001", "mushroom-record"),
        ("/v0/__lbheartbeat__", "lbheartbeat"),
        ("/v0/", "hello"),
    ],
)
def test_services_are_found_by_the_pattern_of_their_route(path: str, name: str) -> None:
    found = []

    def remember(event: Any) -> None:
        request = event.request
        found.append(request.registry.cornice_services[request.matched_route.pattern].name)

    def configure(config: Any) -> None:
        config.add_subscriber(remember, "pyramid.events.ContextFound")

    app = make_app([Mushroom], configure=configure)
    app.get(path, headers=basic_auth(), status="*")
    assert found == [name]


@pytest.mark.clause("P-4.12")
def test_names_may_be_added_before_and_after_the_application_is_made() -> None:
    def configure(config: Any) -> None:
        config.registry.heartbeats["before"] = lambda request: True
        config.registry.public_settings.add("paginate_by")

    app = make_app(configure=configure)
    app.app.registry.heartbeats["after"] = lambda request: None
    app.app.registry.public_settings.add("cliquet.batch_max_requests")

    beats = app.get("/v0/__heartbeat__").json
    assert (beats["before"], beats["after"]) == (True, None)
    assert app.get("/v0/").json["settings"] == {
        "batch_max_requests": 25,
        "readonly": False,
        "paginate_by": None,
        "cliquet.batch_max_requests": 25,
    }


@pytest.mark.clause("P-6.1")
def test_a_capability_is_there_at_once_with_every_member() -> None:
    seen = []

    def configure(config: Any) -> None:
        config.add_api_capability("a", description="d", url="u", extra=[1])
        seen.append(dict(config.registry.api_capabilities))

    make_app(configure=configure)
    assert seen == [{"a": {"description": "d", "url": "u", "extra": [1]}}]


@pytest.mark.clause("P-6.2")
def test_a_capability_registered_by_the_registry_counts() -> None:
    def configure(config: Any) -> None:
        config.registry.api_capabilities["a"] = {"description": "", "url": ""}
        with pytest.raises(ValueError, match="already registered"):
            config.add_api_capability("a")

    make_app(configure=configure)


# Requests


@pytest.mark.clause("P-5.4")
def test_data_bound_to_a_request_is_an_empty_dictionary_that_lasts_as_long() -> None:
    def look(request: Any) -> Any:
        first = request.bound_data
        first["a"] = 1
        return first, request.bound_data, request

    first, again, request = within(look)
    assert first is again
    assert first == {"a": 1}
    assert within(lambda request: dict(request.bound_data)) == {}
    assert not hasattr(request, "parent")


@pytest.mark.clause("P-5.12", "P-35.12")
def test_what_cornice_adds_to_requests_is_there() -> None:
    def look(request: Any) -> Any:
        request.validated = {"mine": 1}
        return request.errors, request.errors.status, request.validated, request.info

    errors, status, validated, info = within(look)
    assert list(errors) == []
    assert status == 400
    assert validated == {"mine": 1}
    assert isinstance(info, dict)


@pytest.mark.clause("P-5.13")
@pytest.mark.parametrize("headers", [{}, basic_auth()])
def test_the_legacy_names_of_authentication_are_usable(headers: dict[str, Any]) -> None:
    userid, principals = within(
        lambda request: (request.authenticated_userid, request.effective_principals),
        headers=headers,
    )
    assert (userid is not None) == bool(headers)
    assert ("system.Authenticated" in principals) == bool(headers)


@pytest.mark.clause("P-5.15")
def test_the_storage_is_given_the_credentials_as_they_were_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app([Mushroom])
    given = []
    create = app.app.registry.storage.create

    def watched(*args: Any, **kwargs: Any) -> Any:
        given.append(kwargs.get("auth"))
        return create(*args, **kwargs)

    monkeypatch.setattr(app.app.registry.storage, "create", watched)
    headers = basic_auth()
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers)
    assert given == [headers["Authorization"]]
