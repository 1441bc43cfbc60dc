"""Metrics, as Prometheus reads them."""

import itertools
import os
import sys
import types
import uuid
from pathlib import Path
from typing import Any

import pytest
from processes.site import running_site
from prometheus_client import CONTENT_TYPE_LATEST, Counter
from prometheus_client.parser import text_string_to_metric_families
from pyramid.exceptions import ConfigurationError
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet.connections.postgresql.pool import QueuePoolWithMaxBacklog
from cliquet.storage.exceptions import BackendError
from cliquet.storage.memory import Storage
from cliquet.testing.web import basic_auth, make_app
from cliquet.web.service import Service

AUTH = basic_auth()
NEW = {"data": {"name": "cep"}}
ON = {"prometheus_enabled": "true"}
UNKNOWN = f"/v0/mushrooms/{uuid.UUID(int=1, version=4)}"


def parsed(text: Any) -> dict[Any, Any]:
    """Return the value of each series, by its name and the values of its labels in their order."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: Any) -> Any:
    return parsed(client.get("/__metrics__").text)


def requests(series: Any) -> dict[Any, Any]:
    """Return the requests by method, service and status, those of the scrapes left out."""
    return {
        labels: value
        for (name, *rest), value in series.items()
        if name == "cliquet_requests_total" and (labels := tuple(rest))[1] != "metrics"
    }


def make(resources: Any = RESOURCES, **kwargs: Any) -> TestApp:
    return make_app(resources, settings={**ON, **kwargs.pop("settings", {})}, **kwargs)


def with_view(view: Any) -> Any:
    """Return a function that serves a view at /v0/view."""

    def configure(config: Any) -> None:
        service = Service(name="view", path="/view")
        service.add_view("GET", view, permission="__no_permission_required__")
        config.add_cornice_service(service)

    return configure


@pytest.mark.clause("E-6.2")
@pytest.mark.setting("prometheus_enabled")
def test_requests_are_counted_and_timed_by_service_method_and_status() -> None:
    client = make()

    client.post_json("/v0/mushrooms", NEW, headers=AUTH)
    client.get("/v0/mushrooms", headers=AUTH)
    client.get("/v0/mushrooms", headers=AUTH)
    client.get(UNKNOWN, headers=AUTH, status=404)
    series = scrape(client)

    assert requests(series) == {
        ("POST", "mushroom-collection", "201"): 1,
        ("GET", "mushroom-collection", "200"): 2,
        ("GET", "mushroom-record", "404"): 1,
    }
    duration = "cliquet_request_duration_seconds"
    labels = ("GET", "mushroom-collection", "200")
    count, total = (f"{duration}_count", *labels), (f"{duration}_sum", *labels)
    # Sorted, the label `le` comes first.
    bucket = (f"{duration}_bucket", "+Inf", *labels)
    assert series[count] == series[bucket] == 2
    assert 0 < series[total] < 60


@pytest.mark.clause("E-6.2", "S-8.8")
@pytest.mark.parametrize("redirects", ["true", "false"])
def test_metrics_are_served_outside_of_the_version_without_user(redirects: str) -> None:
    client = make(settings={"version_prefix_redirect_enabled": redirects})

    response = client.get("/__metrics__", headers={"Origin": "http://evil"}, status=200)

    assert response.headers["Content-Type"] == CONTENT_TYPE_LATEST
    assert "Access-Control-Allow-Origin" not in response.headers
    client.get("/v0/__metrics__", status=404)
    assert client.post("/__metrics__", status=405).json["errno"] == 115


@pytest.mark.clause("E-6.2")
def test_a_scrape_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = make()

    with caplog.at_level("INFO"):
        client.get("/__metrics__")

    lines = [record for record in caplog.records if "/__metrics__" in record.getMessage()]
    assert [record.levelname for record in lines] == ["INFO"]
    assert requests(scrape(client)) == {}
    assert scrape(client)["cliquet_requests_total", "GET", "metrics", "200"] == 2


@pytest.mark.clause("E-6.2")
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_labels_have_few_values_whatever_clients_send() -> None:
    client = make()

    for number in range(3):
        client.get(f"/v0/unknown/{number}", status=404)
        client.get(f"/unknown/{number}", status=307)
        client.get(f"/v0/%ff{number}", status=400)
        client.get(f"/v0/mushrooms/{uuid.uuid4()}", headers=AUTH, status=404)
        client.request("/v0/mushrooms", method=f"EVIL{number}", headers=AUTH, status=405)

    assert requests(scrape(client)) == {
        ("GET", "unknown", "404"): 3,
        ("GET", "redirect_to_version", "307"): 3,
        ("GET", "unknown", "400"): 3,
        ("GET", "mushroom-record", "404"): 3,
        ("other", "mushroom-collection", "405"): 3,
    }


@pytest.mark.clause("E-6.2", "S-23.10")
def test_errors_are_counted() -> None:
    errors = iter([ValueError("bug"), BackendError(message="down")])

    def view(request: Any) -> None:
        raise next(errors)

    client = make(configure=with_view(view))
    client.get("/v0/view", status=500)
    client.get("/v0/view", status=503)
    client.get("/v0/mushrooms", status=401)

    assert requests(scrape(client)) == {
        ("GET", "view", "500"): 1,
        ("GET", "view", "503"): 1,
        ("GET", "mushroom-collection", "401"): 1,
    }
    client.app.registry.settings["eos"] = "2015-01-22"
    client.get("/v0/mushrooms", status=410)
    client.app.registry.settings["eos"] = None
    assert requests(scrape(client))["GET", "unknown", "410"] == 1


@pytest.mark.clause("E-6.2", "X-23")
def test_a_request_that_is_tried_again_counts_once_with_its_parts() -> None:
    attempts = itertools.count()

    def view(request: Any) -> dict[Any, Any]:
        if next(attempts) == 0:
            raise BackendError(retryable=True)
        return {}

    client = make(configure=with_view(view))
    parts = [{"path": "/__lbheartbeat__"}, {"path": "/view"}, {"path": UNKNOWN}]
    client.post_json("/v0/batch", {"requests": parts}, headers=AUTH)
    series = scrape(client)

    assert next(attempts) == 2
    assert requests(series) == {("POST", "batch", "200"): 1}
    assert {key[1:]: value for key, value in series.items() if "subrequests_total" in key[0]} == {
        ("GET", "lbheartbeat", "200"): 1,
        ("GET", "view", "200"): 1,
        ("GET", "mushroom-record", "404"): 1,
    }


def test_a_request_that_the_application_sends_itself_is_part_of_another() -> None:
    def view(request: Any) -> dict[Any, Any]:
        subrequest = type(request).blank("/v0/__lbheartbeat__")
        request.invoke_subrequest(subrequest, use_tweens=False)
        return {}

    client = make(configure=with_view(view))
    client.get("/v0/view")

    assert requests(scrape(client)) == {("GET", "view", "200"): 1}


@pytest.mark.clause("E-6.2")
def test_calls_of_backends_are_timed_by_method() -> None:
    client = make()

    client.post_json("/v0/mushrooms", NEW, headers=AUTH)
    client.app.registry.permission.check_permission("/o", "read", ["me"])
    client.app.registry.cache.set("key", "value", ttl=1)
    series = scrape(client)

    name = "cliquet_backend_call_duration_seconds_count"
    assert series[name, "storage", "create"] == 1
    assert series[name, "permission", "check_permission"] == 1
    assert series[name, "cache", "set"] == 1
    assert (name, "storage", "delete") not in series


@pytest.mark.clause("E-6.2", "B-21.31")
def test_hits_and_misses_of_the_cache_are_counted() -> None:
    client = make()
    cache = client.app.registry.cache

    cache.set("key", "value", ttl=10)
    for key in ("key", "key", "other"):
        cache.get(key)
    series = scrape(client)

    assert (series["cliquet_cache_hits_total",], series["cliquet_cache_misses_total",]) == (2, 1)


@pytest.mark.clause("E-6.2", "S-15.8")
def test_listeners_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(event: Any) -> None:
        raise ValueError("listener")

    module = types.ModuleType("failing_listener")
    module.load_from_config = lambda config, prefix: fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_listener", module)
    client = make(settings={"event_listeners": "failing_listener"})

    client.post_json("/v0/mushrooms", NEW, headers=AUTH, status=500)

    name = "cliquet_listener_duration_seconds_count"
    assert scrape(client)[name, "failing_listener"] == 1


@pytest.mark.clause("E-6.2")
def test_applications_of_a_process_count_apart_and_add_their_own_metrics() -> None:
    def configure(config: Any) -> None:
        collectors = config.registry.prometheus.collectors
        Counter("sold", "Mushrooms sold.", registry=collectors).inc(3)

    client, other = make(configure=configure), make()
    client.get("/v0/")

    assert scrape(client)["sold_total",] == 3
    assert ("sold_total",) not in scrape(other)
    assert requests(scrape(other)) == {}


@pytest.mark.clause("E-6.2")
def test_switched_off_it_costs_nothing() -> None:
    client = make_app([Mushroom])

    assert type(client.app.registry.storage) is Storage
    assert not hasattr(client.app.registry, "prometheus")
    client.get("/__metrics__", status=307)


@pytest.mark.clause("E-6.2")
def test_what_is_missing_is_said_at_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    with pytest.raises(ConfigurationError, match="PROMETHEUS_MULTIPROC_DIR = /nowhere"):
        make()

    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"pip install cliquet\[prometheus\]"):
        make()


# Pools


@pytest.mark.clause("E-6.2")
def test_pools_of_sqlite_tell_how_full_they_are(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/service.db"
    backends = {f"{kind}_backend": f"cliquet.{kind}.sqlite" for kind in ("storage", "cache")}
    client = make(settings={**backends, "storage_url": url, "cache_url": url})
    client.post_json("/v0/mushrooms", NEW, headers=AUTH)

    with client.app.registry.storage.client.begin():
        busy = scrape(client)
    idle = scrape(client)

    assert busy["cliquet_pool_connections_in_use", "storage"] == 1
    assert idle["cliquet_pool_connections_in_use", "storage"] == 0
    assert idle["cliquet_pool_size", "storage"] >= 1
    assert ("cliquet_pool_size", "permission") not in idle


@pytest.mark.clause("E-6.2")
def test_pools_of_redis_tell_how_full_they_are(redis_url: str) -> None:
    settings = {}
    for kind in ("storage", "cache", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.redis"
        settings[f"{kind}_url"] = redis_url
        settings[f"{kind}_pool_size"] = "3"
    client = make(settings=settings)
    pool = client.app.registry.storage._client.connection_pool

    connection = pool.get_connection()
    busy = scrape(client)
    pool.release(connection)
    idle = scrape(client)

    assert busy["cliquet_pool_connections_in_use", "storage"] == 1
    assert idle["cliquet_pool_connections_in_use", "storage"] == 0
    for kind in ("storage", "cache", "permission"):
        assert idle["cliquet_pool_size", kind] == 3


@pytest.mark.clause("E-6.2")
def test_a_cluster_of_redis_has_no_pool_of_its_own() -> None:
    settings = {
        "cache_backend": "cliquet.cache.redis",
        "cache_url": "redis+cluster://127.0.0.1:1",
    }

    assert ("cliquet_pool_size", "cache") not in scrape(make(settings=settings))


@pytest.mark.clause("E-6.2")
@pytest.mark.parametrize(
    ("pool", "size"),
    [
        (f"{QueuePoolWithMaxBacklog.__module__}.QueuePoolWithMaxBacklog", 4),
        ("sqlalchemy.pool.NullPool", None),
    ],
)
def test_pools_of_postgresql_tell_how_full_they_are(
    postgresql_url: str, pool: str, size: int | None
) -> None:
    settings = {
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": postgresql_url,
        "storage_pool_size": "4",
        "storage_poolclass": pool,
    }
    client = make(settings=settings)
    client.app.registry.storage.initialize_schema()

    with client.app.registry.storage.client.begin():
        busy = scrape(client)
    idle = scrape(client)

    found = [series.get(("cliquet_pool_connections_in_use", "storage")) for series in (busy, idle)]
    assert found == ([None, None] if size is None else [1, 0])
    assert idle.get(("cliquet_pool_size", "storage")) == size


# Several processes


@pytest.mark.clause("E-6.2")
@pytest.mark.usefixtures("processes")
def test_any_worker_shows_the_sum_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    settings = dict(ON)
    for kind in ("storage", "permission", "cache"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        settings[f"{kind}_url"] = f"sqlite:///{tmp_path}/service.db"
    # The folder is for the workers, not for the process of the tests; the first use migrates.
    monkeypatch.setattr("processes.site.migrate", lambda settings: None)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    with running_site(settings, workers=2, threads=2) as site:
        first, second = site.clients(2, AUTH)
        for client in (first, second):
            assert client.send("POST", "/v0/mushrooms", NEW).status == 201
        views = [
            parsed(client.send("GET", "/__metrics__").body.decode()) for client in (first, second)
        ]
        site.kill_one()
        (alive,) = site.clients(1, AUTH)
        after = parsed(alive.send("GET", "/__metrics__").body.decode())
        for client in (first, second, alive):
            client.close()

    created = ("cliquet_requests_total", "POST", "mushroom-collection", "201")
    called = ("cliquet_backend_call_duration_seconds_count", "storage", "create")
    pools = ("cliquet_pool_size", "storage")
    for series in (*views, after):
        # What a worker has counted is not lost with it.
        assert (series[created], series[called]) == (2, 2)
        assert series["cliquet_pool_connections_in_use", "storage"] == 0
    assert len(list(folder.glob("counter_*.db"))) >= 2
    # Each worker has at least one connection; that of the killed one is gone.
    assert views[1][pools] >= 2
    live = {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*_*.db")}
    assert live <= set(map(str, site.pids)) | {str(os.getpid())}
