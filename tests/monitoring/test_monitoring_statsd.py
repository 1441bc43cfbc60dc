"""StatsD, as a server on the network sees it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ISecurityPolicy
from pyramid.response import Response
from support.shared_apps import make_app
from support.statsd_server import StatsDServer
from testapp import RESOURCES, Mushroom

from cliquet import initialization, statsd
from cliquet.authentication import BasicAuthAuthenticationPolicy
from cliquet.settings import DEFAULT_SETTINGS
from cliquet.storage import StorageBase
from cliquet.storage.exceptions import BackendError
from cliquet.storage.memory import Storage
from cliquet.testing.web import basic_auth
from cliquet.web.service import Service

AUTH = basic_auth()
NEW = {"data": {"name": "cep"}}
USER = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
PREFIX = "testapp."


@pytest.fixture
def server() -> Iterator[Any]:
    server = StatsDServer()
    yield server
    server.close()


class Listener:
    """Takes the place of a module of listeners."""

    @staticmethod
    def load_from_config(config: Any, prefix: Any) -> Any:
        return lambda event: None


load_from_config = Listener.load_from_config


def make(server: Any, resources: Any = RESOURCES, **kwargs: Any) -> Any:
    settings = {"statsd_url": server.url, **kwargs.pop("settings", {})}
    client = make_app(resources, settings=settings, **kwargs)
    server.watch(client.app.registry)
    server.received()
    return client


def sent(server: Any) -> dict[Any, Any]:
    """Return the names of metrics sent since, without prefix, each with what it measures."""
    return {
        name.removeprefix(PREFIX): (value if kind == "s" else kind)
        for name, value, kind in server.received()
    }


@pytest.mark.clause("S-20.1", "S-20.2", "S-20.3", "B-19.10", "S-16.1")
@pytest.mark.setting("statsd_url", "project_name")
def test_a_request_is_measured_from_all_sides(server: StatsDServer) -> None:
    client = make(server)

    client.post_json("/v0/mushrooms", NEW, headers=AUTH)
    metrics = server.received()

    assert {(name, kind) for name, _, kind in metrics} >= {
        ("testapp.storage.storage.create", "ms"),
        ("testapp.authentication.basicauth.authenticated_userid", "ms"),
        ("testapp.users", "s"),
        ("testapp.authn_type.basicauth", "c"),
        ("testapp.view.mushroom-collection.POST", "c"),
    }
    values = {name: value for name, value, _ in metrics}
    assert values["testapp.users"] == USER
    assert values["testapp.view.mushroom-collection.POST"] == "1"
    assert 0 < float(values["testapp.storage.storage.create"]) < 10_000


@pytest.mark.clause("S-20.2")
@pytest.mark.setting("statsd_prefix")
@pytest.mark.filterwarnings("ignore:No value specified")
def test_the_prefix_is_that_of_the_settings_where_the_project_has_no_name(
    server: StatsDServer,
) -> None:
    client = make(server, settings={"statsd_prefix": "given"}, project_name="")

    client.get("/v0/__lbheartbeat__")

    assert [name for name, *_ in server.received()] == ["given.view.lbheartbeat.GET"]


@pytest.mark.clause("S-20.3", "B-19.10", "B-21.31")
def test_the_three_backends_are_timed_and_hits_counted(server: StatsDServer) -> None:
    client = make(server)
    registry = client.app.registry

    registry.cache.set("key", "value", ttl=10)
    registry.cache.get("key")
    registry.cache.get("other")
    registry.permission.check_permission("/o", "read", ["me"])

    assert sorted(server.received(), key=lambda metric: metric[0]) == [
        ("testapp.cache.cache.get", mock.ANY, "ms"),
        ("testapp.cache.cache.get", mock.ANY, "ms"),
        ("testapp.cache.cache.set", mock.ANY, "ms"),
        ("testapp.cache_hits", "1", "c"),
        ("testapp.cache_misses", "1", "c"),
        ("testapp.permission.permission.check_permission", mock.ANY, "ms"),
    ]


@pytest.mark.clause("S-20.3", "S-15.8")
def test_listeners_are_timed_under_their_names(server: StatsDServer) -> None:
    settings = {
        "event_listeners": "journal",
        "event_listeners.journal.use": "monitoring.test_monitoring_statsd",
    }
    client = make(server, settings=settings)

    client.post_json("/v0/mushrooms", NEW, headers=AUTH)

    assert sent(server)["listeners.journal"] == "ms"


class SecurityPolicy:
    """A policy of the application, in place of those of settings."""

    def identity(self, request: Any) -> None:
        return None

    def authenticated_userid(self, request: Any) -> None:
        return None

    def permits(self, request: Any, context: Any, permission: Any) -> bool:
        return True

    def remember(self, request: Any, userid: Any, **kwargs: Any) -> list[Any]:
        return []

    def forget(self, request: Any, **kwargs: Any) -> list[Any]:
        return []


def without(*steps: Any) -> list[Any]:
    sequence = DEFAULT_SETTINGS["initialization_sequence"]
    return [step for step in sequence if step.rpartition(".")[2] not in steps]


def app_with_policy(server: Any, set_policy: Any) -> Any:
    config = Configurator(
        settings={
            "statsd_url": server.url,
            "initialization_sequence": without("setup_authentication"),
            "storage_backend": "cliquet.storage.memory",
        }
    )
    set_policy(config)
    config.commit()
    initialization.initialize(config, version="0.0.1", project_name="testapp")
    config.make_wsgi_app()
    server.watch(config.registry)
    server.received()
    return config.registry


@pytest.mark.clause("S-20.3", "S-5.1")
def test_a_policy_that_is_not_of_settings_is_timed_under_its_class(server: StatsDServer) -> None:
    registry = app_with_policy(server, lambda c: c.set_security_policy(SecurityPolicy()))

    policy = registry.getUtility(ISecurityPolicy)

    assert policy.permits(None, None, "read") is True
    assert sent(server) == {"authentication.securitypolicy.permits": "ms"}


class AuthenticationPolicy:
    """A policy of Pyramid 1."""

    def authenticated_userid(self, request: Any) -> str:
        return "bob"


class AuthorizationPolicy:
    def permits(self, context: Any, principals: Any, permission: Any) -> bool:
        return True


@pytest.mark.clause("S-20.3")
@pytest.mark.filterwarnings("ignore:Authentication and authorization policies:DeprecationWarning")
def test_a_former_authentication_policy_is_timed_under_its_class(server: StatsDServer) -> None:
    def set_policies(config: Any) -> None:
        config.set_authorization_policy(AuthorizationPolicy())
        config.set_authentication_policy(AuthenticationPolicy())

    registry = app_with_policy(server, set_policies)
    request = mock.Mock(registry=registry)

    assert registry.getUtility(ISecurityPolicy).authenticated_userid(request) == "bob"
    assert sent(server) == {"authentication.authenticationpolicy.authenticated_userid": "ms"}


@pytest.mark.clause("S-20.3")
def test_policies_keep_their_names_and_classes_for_applications(server: StatsDServer) -> None:
    client = make(server)

    policy = client.app.registry.getUtility(ISecurityPolicy)

    ((name, basic),) = policy.get_policies()
    assert name == "basicauth"
    assert policy.get_policy(BasicAuthAuthenticationPolicy) is basic
    assert policy.get_policy("basicauth") is basic


@pytest.mark.clause("S-20.3")
def test_a_request_without_user_counts_its_service_alone(server: StatsDServer) -> None:
    client = make(server)

    client.get("/v0/__heartbeat__")

    counted = {name: kind for name, kind in sent(server).items() if kind != "ms"}
    assert counted == {"view.heartbeat.GET": "c"}


@pytest.mark.clause("S-23.15", "S-23.10")
@pytest.mark.parametrize(
    ("settings", "path", "status"),
    [
        ({}, "/v0/unknown", 404),
        ({}, "/unknown", 307),
        ({}, "/v0/%ff", 400),
        ({"eos": "2015-01-22"}, "/v0/mushrooms", 410),
    ],
)
def test_what_reaches_no_service_is_not_counted_and_does_not_fail(
    server: StatsDServer, settings: dict[str, Any], path: str, status: int
) -> None:
    client = make(server, settings=settings)

    client.get(path, status=status)

    assert server.received() == []


@pytest.mark.clause("S-23.15")
@pytest.mark.parametrize("kind", ["storage", "cache", "permission"])
def test_a_missing_backend_does_not_prevent_startup(server: StatsDServer, kind: str) -> None:
    client = make(server, resources=(), settings={f"{kind}_backend": ""})

    client.get("/v0/")

    assert sent(server)["view.hello.GET"] == "c"


@pytest.mark.clause("S-20.4")
def test_parts_of_a_batch_are_counted_unless_they_fail(server: StatsDServer) -> None:
    client = make(server)
    requests = [
        {"path": "/mushrooms"},
        {"path": "/mushrooms/8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"},
    ]

    client.post_json("/v0/batch", {"requests": requests}, headers=AUTH)
    client.get(f"/v0{requests[1]['path']}", headers=AUTH, status=404)

    views = [name for name, *_ in server.received() if ".view." in name]
    assert views == [
        "testapp.view.mushroom-collection.GET",
        "testapp.view.batch.POST",
        "testapp.view.mushroom-record.GET",
    ]


@pytest.mark.clause("X-23", "S-20.3")
def test_a_request_that_is_tried_again_is_counted_once(server: StatsDServer) -> None:
    attempts = []

    def configure(config: Any) -> None:
        def view(request: Any) -> Any:
            attempts.append(request)
            if len(attempts) == 1:
                raise BackendError(retryable=True)
            return {}

        service = Service(name="failing", path="/failing")
        service.add_view("GET", view, permission="__no_permission_required__")
        config.add_cornice_service(service)

    client = make(server, configure=configure)
    client.get("/v0/failing")

    assert len(attempts) == 2
    assert [name for name, *_ in server.received()] == ["testapp.view.failing.GET"]


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_methods_that_clients_make_up_are_counted_together(server: StatsDServer) -> None:
    client = make(server)

    client.request("/v0/__lbheartbeat__", method="EVIL:1|c", status=405)

    assert list(sent(server)) == ["view.lbheartbeat.other"]


def test_metrics_of_several_requests_leave_together(
    server: StatsDServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.monitoring.datagrams.MAX_WAIT_SECONDS", 600)
    client = make(server)

    for _ in range(4):
        client.get("/v0/mushrooms", headers=AUTH)
    metrics = server.received()

    assert len(metrics) == 20
    assert [len(datagram) <= 1232 for datagram in server.datagrams] == [True]


def test_metrics_that_the_library_does_not_use_leave_at_once(server: StatsDServer) -> None:
    statsd_client = make(server).app.registry.statsd._client
    server.forget()

    statsd_client.gauge("plugin.gauge", 3)
    statsd_client.incr("plugin.sampled", rate=0.999999)
    statsd_client.timing("plugin.slow", timedelta(seconds=2))
    statsd_client.timing("plugin.sampled", 1.0, 0.999999)
    statsd_client.set("plugin.sampled", "é", 0.999999)

    assert server.received() == [
        ("testapp.plugin.gauge", "3", "g"),
        ("testapp.plugin.sampled", "1|c", "@0.999999"),
        ("testapp.plugin.slow", "2000.000000", "ms"),
        ("testapp.plugin.sampled", "1.000000|ms", "@0.999999"),
        ("testapp.plugin.sampled", "%C3%A9|s", "@0.999999"),
    ]


def test_names_that_somebody_makes_up_are_not_kept_for_ever(server: StatsDServer) -> None:
    statsd_client = make(server).app.registry.statsd

    for number in range(2100):
        statsd_client.count(f"made up {number}")

    assert len(server.received()) == 2100
    assert len(statsd_client._batching._names) <= 1000


@pytest.mark.clause("S-20.5", "P-28.2")
def test_code_of_the_application_counts_too(server: StatsDServer) -> None:
    def view(request: Any) -> Any:
        statsd.statsd_count(request, "custom")
        with request.registry.statsd.timer("custom.timer"):
            return Response()

    def configure(config: Any) -> None:
        config.add_route("view", "/view")
        config.add_view(view, route_name="view")

    make(server, configure=configure).get("/v0/view")

    assert sent(server) == {"custom": "c", "custom.timer": "ms"}


def test_user_ids_that_the_protocol_cannot_carry_are_escaped(server: StatsDServer) -> None:
    client = make(server)

    client.app.registry.statsd.count("users", unique="bearer:zoé|1\n#")

    assert server.received() == [("testapp.users", "bearer:zo%C3%A9%7C1%0A%23", "s")]


@pytest.mark.clause("S-20.3")
def test_a_colon_is_escaped_in_a_name_and_kept_in_an_id(server: StatsDServer) -> None:
    client = make(server)

    client.app.registry.statsd.count("a:b", unique="sso:ann")
    client.app.registry.statsd.count("a:b")

    assert server.received() == [
        ("testapp.a%3Ab", "sso:ann", "s"),
        ("testapp.a%3Ab", "1", "c"),
    ]


@pytest.mark.clause("P-28.4", "P-35.19")
def test_tests_of_applications_replace_the_client(
    server: StatsDServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(server)
    with mock.patch.object(client.app.registry.statsd, "_client") as replaced:
        client.get("/v0/mushrooms", headers=AUTH)

    assert server.received() == []
    replaced.set.assert_called_once_with("users", USER)
    replaced.incr.assert_any_call("view.mushroom-collection.GET", count=1)
    timed = [call.args[0] for call in replaced.timing.mock_calls]
    assert "storage.storage.get_all" in timed

    replaced_class = mock.Mock()
    monkeypatch.setattr(statsd, "Client", replaced_class)
    client = make(server)
    client.get("/v0/mushrooms", headers=AUTH)
    assert client.app.registry.statsd is replaced_class.return_value
    replaced_class.return_value.count.assert_any_call("users", unique=USER)


@pytest.mark.clause("P-4.8", "S-20.1", "P-3.5")
@pytest.mark.parametrize("url", [None, "", "false"])
def test_without_url_nothing_is_wrapped_and_nothing_is_sent(
    server: StatsDServer, url: str | None
) -> None:
    client = make_app([Mushroom], settings={"statsd_url": url})
    registry = client.app.registry

    assert registry.statsd is None
    assert type(registry.storage) is Storage
    assert not hasattr(registry, "prometheus")
    client.post_json("/v0/mushrooms", NEW, headers=AUTH)
    assert server.received() == []


@pytest.mark.clause("P-3.5", "P-4.8")
def test_the_step_returns_the_client(server: StatsDServer) -> None:
    config = Configurator(settings={**DEFAULT_SETTINGS, "statsd_url": server.url})

    client = initialization.setup_statsd(config)

    assert config.registry.statsd is client
    assert isinstance(client, statsd.Client)


@pytest.mark.clause("P-4.1")
def test_observed_backends_pass_for_backends(server: StatsDServer) -> None:
    registry = make(server).app.registry

    assert isinstance(registry.storage, StorageBase)
    assert re.fullmatch("<observed <.*Storage object.*>>", repr(registry.storage))


@pytest.mark.clause("S-23.15")
def test_without_the_package_startup_says_what_to_install(
    server: StatsDServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd, "statsd_module", None)

    with pytest.raises(ConfigurationError, match=r"pip install cliquet\[statsd\]"):
        make(server)
