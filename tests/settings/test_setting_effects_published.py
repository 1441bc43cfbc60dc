"""The examples of the published configuration page do what it says, on real servers (S-24)."""

import configparser
import contextlib
import hashlib
import hmac
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections import namedtuple
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from pyramid.paster import get_app
from servers.processes import ServerProcess, free_port
from servers.redis import running_redis
from webtest import TestApp

from cliquet import settings
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("S-24")

HERE = Path(__file__).parent
INI = HERE / "published.ini"
MAT, ALICE = basic_auth("mat", "1"), basic_auth("alice", "2")

Response = namedtuple("Response", "status headers json")


class Service:
    """The service of the file, in a process of its own, and the servers that it uses.

    Attributes
    ----------
    log : lines of its standard output that are JSON.
    profiles : folder of profiles.
    data, other : databases 1 and 0 of Redis.
    metrics : socket that receives what is sent to StatsD.
    """

    def __init__(self, port: Any, folder: Any, data: Any, other: Any, metrics: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.profiles = folder / "profiling"
        self.data, self.other, self.metrics = data, other, metrics
        self._log = folder / "log"

    @property
    def log(self) -> list[Any]:
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def __call__(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """Send a request, without the redirections that lead to the published host."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return _response(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return _response(answer)


def _response(answer: Any) -> Any:
    body = answer.read()
    return Response(answer.status, answer.headers, json.loads(body) if body else None)


@pytest.fixture(scope="module")
def environment(processes: None) -> Iterator[Any]:
    """The variables of this module's servers, in the place of the addresses of the file."""
    with pytest.MonkeyPatch.context() as patched, running_redis() as url:
        for name, value in {
            "STORAGE_BACKEND": "cliquet.storage.redis",
            "STORAGE_URL": f"{url}/1",
            "PERMISSION_URL": f"{url}/1",
            "CACHE_URL": f"{url}/0",
            "EVENT_LISTENERS_REDIS_URL": f"{url}/0",
        }.items():
            patched.setenv(f"CLIQUET_{name}", value)
        patched.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
        yield patched, url


@pytest.fixture(scope="module")
def service(environment: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    patched, url = environment
    folder, port = tmp_path_factory.mktemp("published"), free_port()
    (folder / "profiling").mkdir()
    with (
        redis.Redis.from_url(f"{url}/1") as data,
        redis.Redis.from_url(f"{url}/0") as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as metrics,
    ):
        metrics.bind(("127.0.0.1", 0))
        metrics.settimeout(60)
        patched.setenv("CLIQUET_STATSD_URL", f"udp://127.0.0.1:{metrics.getsockname()[1]}")
        patched.setenv("CLIQUET_PROFILER_DIR", str(folder / "profiling"))
        command = [sys.executable, "-m", "pyramid.scripts.pserve", str(INI), f"http_port={port}"]
        process = ServerProcess(command, port, log_path=str(folder / "log"))
        process.start()
        yield Service(port, folder, data, other, metrics)
        process.stop()


def create(service: Any, path: Any, headers: Any = MAT) -> Any:
    return service("POST", path, {"data": {}}, headers)


@pytest.fixture
def section(environment: Any) -> Any:
    """Start the service of another section of the file, in this process."""

    def start(name: Any) -> TestApp:
        with pytest.MonkeyPatch.context() as own:
            own.setenv("CLIQUET_STATSD_URL", "")
            own.setenv("CLIQUET_PROFILER_ENABLED", "false")
            return TestApp(get_app(f"{INI}#{name}", options={"http_port": "0"}))

    return start


def test_every_setting_of_the_page_is_in_the_table() -> None:
    parser = configparser.RawConfigParser()
    parser.read(INI)
    names = {
        name.removeprefix("cliquet.")
        for section in parser.sections()
        if section.startswith("app:")
        for name in parser[section]
        if name != "use"
    }

    assert len(names) > 40
    assert {name for name in names if settings.find(name) is None} == set()


# S-1, S-3


@pytest.mark.clause("S-3.1", "S-3.3", "S-3.4", "S-3.6", "S-6.1", "S-8.4")
@pytest.mark.setting("project_name", "project_version", "http_api_version", "http_host")
def test_the_root_shows_the_project(service: Service) -> None:
    hello = service("GET", "/v1/").json

    assert hello["project_name"] == "project"
    assert hello["project_version"] == "1.3-stable"
    assert hello["http_api_version"] == "1.0"
    assert hello["project_docs"] == ""
    assert hello["url"] == "https://production.server:7777/v1/"
    assert hello["settings"] == {"batch_max_requests": 25, "readonly": False}


# S-6, S-7


@pytest.mark.clause("S-6.1")
@pytest.mark.setting("batch_max_requests")
@pytest.mark.parametrize(("number", "status"), [(25, 200), (26, 400)])
def test_a_batch_holds_so_many_requests(service: Service, number: int, status: int) -> None:
    body = {"requests": [{"path": "/v1/"}] * number}

    assert service("POST", "/v1/batch", body).status == status


@pytest.mark.clause("S-6.2", "S-11.5")
@pytest.mark.setting("paginate_by")
def test_a_page_holds_so_many_records(service: Service) -> None:
    user = basic_auth("reader", "1")
    requests = [{"method": "POST", "path": "/articles", "body": {"data": {}}}] * 25
    for _ in range(9):
        service("POST", "/v1/batch", {"requests": requests}, user)

    page = service("GET", "/v1/articles", headers=user)

    assert (len(page.json["data"]), page.headers["Total-Records"]) == (200, "225")
    assert page.headers["Next-Page"].startswith("https://production.server:7777/v1/articles?")


@pytest.mark.clause("S-6.3")
@pytest.mark.setting("id_generator")
def test_no_generator_is_the_default_one(service: Service) -> None:
    assert len(create(service, "/v1/articles").json["data"]["id"]) == 36


@pytest.mark.clause("S-7.1")
def test_operations_are_disabled(service: Service) -> None:
    record = "00000000-0000-4000-8000-000000000000"

    def status(method: Any, path: Any) -> Any:
        return service(method, path, {"data": {}}, MAT).status

    assert status("DELETE", "/v1/articles") == 405
    assert status("DELETE", "/v1/buckets") != 405
    assert status("PATCH", f"/v1/mushrooms/{record}") == 405
    assert status("PATCH", f"/v1/articles/{record}") == 404


@pytest.mark.clause("S-7.4", "S-7.5", "S-11.2")
@pytest.mark.setting("readonly", "cache_backend")
def test_a_read_only_service_without_cache(section: Callable[..., Any]) -> None:
    app = section("readonly")

    app.post_json("/v1/articles", {"data": {}}, headers=MAT, status=405)
    heartbeat = app.get("/v1/__heartbeat__", status=200).json
    assert {"storage", "permission"} <= set(heartbeat)
    assert "cache" not in heartbeat


# S-8


@pytest.mark.clause("S-8.1", "S-8.3")
@pytest.mark.setting("backoff", "retry_after_seconds")
def test_clients_are_asked_to_come_less_often(service: Service) -> None:
    found = service("GET", "/v1/")
    assert found.headers["Backoff"] == "10"

    service.data.execute_command("ACL SETUSER default -@read -@scripting")
    failed = service("GET", "/v1/articles", headers=MAT)
    service.data.execute_command("ACL SETUSER default +@all")
    assert (failed.status, failed.headers["Retry-After"]) == (503, "30")


@pytest.mark.clause("S-8.6", "S-8.7")
@pytest.mark.setting("eos", "eos_message", "eos_url")
def test_the_service_is_decommissioned(section: Callable[..., Any]) -> None:
    answer = section("decommissioned").get("/v1/", status=410)

    assert json.loads(answer.headers["Alert"]) == {
        "code": "hard-eol",
        "message": "Client is too old",
        "url": "http://website/info-shutdown.html",
    }


# S-18, S-19, S-20, S-21


@pytest.mark.clause("S-18.1", "S-18.8", "S-18.9", "S-19.1", "S-5.5")
@pytest.mark.setting("logging_renderer")
def test_logs_are_lines_for_heka_on_the_standard_output(service: Service) -> None:
    service("GET", "/v1/", headers={"User-Agent": "log reader"})

    assert service.log[0]["Logger"] == "project"
    assert "project 1.3-stable starting." in [line["Type"] for line in service.log]
    (summary,) = [
        line["Fields"] for line in service.log if line["Fields"].get("agent") == "log reader"
    ]
    assert (summary["code"], summary["path"]) == (200, "/v1/")


@pytest.mark.clause("S-20.1", "S-20.2")
@pytest.mark.setting("statsd_url")
def test_metrics_are_sent_under_the_name_of_the_project(service: Service) -> None:
    # What the other tests sent may fill the buffer.
    service.metrics.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while service.metrics.recv(8192):
            pass
    service.metrics.settimeout(60)

    service("GET", "/v1/__lbheartbeat__")

    # Lines of one request leave together.
    lines = service.metrics.recv(8192).splitlines()
    assert b"project.view.lbheartbeat.GET:1|c" in lines


@pytest.mark.clause("S-21.1", "S-21.3")
@pytest.mark.setting("profiler_enabled", "profiler_dir")
def test_requests_are_profiled(service: Service) -> None:
    service("GET", "/v1/__lbheartbeat__")

    assert [path for path in service.profiles.glob("*.prof") if "lbheartbeat" in path.name]


# S-10 to S-13


@pytest.mark.clause("S-11.1", "S-11.7", "S-13.1", "S-1.4")
@pytest.mark.setting("storage_backend", "storage_url", "permission_backend", "permission_url")
def test_records_and_permissions_are_in_redis(service: Service) -> None:
    record = create(service, "/v1/buckets").json["data"]["id"]

    keys = {key.decode() for key in service.data.keys("*")}
    assert [key for key in keys if key.startswith("cliquet:storage:")]
    permissions = [key for key in keys if key.startswith("cliquet:permission:")]
    assert [key for key in permissions if record in key]


@pytest.mark.clause("S-11.6", "S-13.1")
@pytest.mark.setting("cache_backend", "cache_url", "cache_prefix")
def test_the_cache_is_in_redis_under_its_prefix(service: Service) -> None:
    # Half of the checks write, the others delete.
    for _ in range(100):
        assert service("GET", "/v1/__heartbeat__").json["cache"] is True
        keys = [key.decode() for key in service.other.keys("*") if b"heartbeat" in key]
        if keys:
            break

    assert [key for key in keys if "stack1_" not in key] == []
    assert keys


@pytest.mark.clause("S-10.1", "S-10.2")
@pytest.mark.setting("{resource_name}_cache_expires_seconds")
def test_anonymous_users_may_keep_what_they_read(
    service: Service, section: Callable[..., Any]
) -> None:
    headers = service("GET", "/v1/mushrooms").headers
    assert headers["Cache-Control"] == "max-age=3600"
    kept = parsedate_to_datetime(headers["Expires"]) - parsedate_to_datetime(headers["Date"])
    assert abs(kept.total_seconds() - 3600) < 60

    assert "no-cache" in section("custom").get("/v1/mushrooms").headers["Cache-Control"]


# S-15


@pytest.mark.clause("S-15.1", "S-15.4", "S-15.5", "S-15.6")
@pytest.mark.setting(
    "event_listeners", "event_listeners.{name}.url", "event_listeners.{name}.listname"
)
def test_creations_of_articles_are_told_to_the_list_of_redis(service: Service) -> None:
    service.other.delete("queue")

    article = create(service, "/v1/articles").json["data"]["id"]
    service("DELETE", f"/v1/articles/{article}", headers=MAT)
    create(service, "/v1/buckets")

    told = [json.loads(text) for text in service.other.lrange("queue", 0, -1)]
    assert [(event["resource_name"], event["action"]) for event in told] == [("article", "create")]


# S-9


@pytest.mark.clause("S-9.2")
@pytest.mark.setting("cors_max_age_seconds")
def test_browsers_keep_the_answer_of_a_preflight(
    service: Service, section: Callable[..., Any]
) -> None:
    asking = {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}

    assert service("OPTIONS", "/v1/", headers=asking).headers["Access-Control-Max-Age"] == "7200"
    answer = section("custom").options("/v1/", headers=asking)
    assert "Access-Control-Max-Age" not in answer.headers


# S-16, S-17


@pytest.mark.clause("S-16.1", "S-16.3")
@pytest.mark.setting("userid_hmac_secret", "multiauth.policies")
def test_user_ids_are_derived_by_the_secret(service: Service) -> None:
    digest = hmac.new(b"b4c96a8692291d88fe5a97dd91846eb4", b"mat:1", hashlib.sha256).hexdigest()

    assert service("GET", "/v1/", headers=MAT).json["user"] == {"id": f"basicauth:{digest}"}


@pytest.mark.clause("S-16.2")
@pytest.mark.setting("multiauth.policy.basicauth.use")
def test_basic_auth_is_replaced(section: Callable[..., Any]) -> None:
    hello = section("custom").get("/v1/", headers=MAT).json

    assert hello["user"] == {"id": "basicauth:custom-mat"}


@pytest.mark.clause("S-17.1", "S-17.2")
@pytest.mark.setting("{resource_name}_{permission}_principals")
def test_anybody_who_is_known_creates_buckets(service: Service) -> None:
    assert create(service, "/v1/buckets", ALICE).status == 201
    assert create(service, "/v1/buckets", {}).status == 401


# S-5


@pytest.mark.clause("S-5.1", "S-5.2")
@pytest.mark.setting("initialization_sequence")
def test_the_published_sequence_lacks_a_step_and_the_service_works(service: Service) -> None:
    answer = service("GET", "/v1/articles", headers=MAT)

    assert answer.status == 200
    assert "Authorization" not in (answer.headers["Vary"] or "")
