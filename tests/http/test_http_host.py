"""The header ``Host``: what may be one, and which ones a service is known by (RFC 9112 3.2)."""

from typing import Any

import pytest
from support.served import ask, serving
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request

AUTH = basic_auth()
FORM = "Host header should be a name or an address, with or without port"
OTHER = "Host header should be one by which the service is known (setting allowed_hosts)"
NO_AUTHORITIES = [
    "",
    "a b",
    "a,b",
    "a/b",
    "a?b",
    "a#b",
    "user@a",
    "user:pass@a",
    "http://a",
    "a:port",
    "a:99999",
    "a:80:80",
    "[::1",
    "caf\u00e9",
    "a%0d%0a",
    '"><script>',
    "a" * 300,
]


class Toadstool(resource.ShareableResource):
    """Records that are shared."""


def asking(host: Any, scheme: str = "http") -> dict[str, Any]:
    return {"HTTP_HOST": host, "wsgi.url_scheme": scheme}


def refused(response: Any, description: Any) -> None:
    assert response.status_code == 400
    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": description,
        "details": [{"location": "header", "name": "Host", "description": description}],
    }


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_app([*RESOURCES, Toadstool])


REQUESTS = [
    ("GET", "/v0/"),
    ("GET", "/v0/mushrooms"),
    ("GET", "/"),
    ("GET", "/v0/mushrooms/"),
    ("GET", "/v0/unknown"),
    ("GET", "/v9/"),
    ("DELETE", "/v0/mushrooms"),
    ("POST", "/v0/batch"),
    ("OPTIONS", "/mushrooms"),
    ("GET", "/v0/__lbheartbeat__"),
]


@pytest.mark.clause("H-32.1", "H-26.4")
@pytest.mark.parametrize(
    ("method", "path", "host"),
    # Each request with one of them, and each of them with one request.
    [
        *((*request, NO_AUTHORITIES[0]) for request in REQUESTS),
        *((*REQUESTS[1], host) for host in NO_AUTHORITIES[1:]),
    ],
)
def test_what_is_no_authority_is_400_before_it_enters_a_url(
    app: TestApp, method: str, path: str, host: str
) -> None:
    headers = {**AUTH, "Origin": "http://a.example", "Access-Control-Request-Method": "GET"}
    environ = asking(host.encode().decode("latin-1"))
    response = app.request(path, method=method, headers=headers, environ=environ, status=400)
    refused(response, FORM)
    assert "Location" not in response.headers
    assert response.headers["X-Request-Id"]
    assert response.headers["Access-Control-Allow-Origin"] == "http://a.example"


@pytest.mark.clause("H-32.1")
@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("API.example", "http://API.example"),
        ("my_api-1.internal:8000", "http://my_api-1.internal:8000"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("[::1]", "http://[::1]"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("a.example:", "http://a.example"),
    ],
)
def test_an_authority_is_the_one_of_every_url(app: TestApp, host: str, base: str) -> None:
    headers = basic_auth(host)
    for _ in range(2):
        app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers)
    environ = asking(host)
    assert app.get("/v0/", extra_environ=environ).json["url"] == f"{base}/v0/"
    assert app.get("/", extra_environ=environ, status=307).location == f"{base}/v0/"
    body = {"requests": [{"path": "/mushrooms/?_limit=1"}, {"path": "/"}]}
    page, hello = app.post_json("/v0/batch", body, headers=headers, extra_environ=environ).json[
        "responses"
    ]
    assert page["headers"]["Next-Page"].startswith(f"{base}/v0/mushrooms?")
    assert hello["body"]["url"] == f"{base}/v0/"


@pytest.mark.clause("H-25.14", "H-32.1")
def test_a_request_of_a_batch_stays_on_its_host(app: TestApp) -> None:
    for name in ("Host", "host"):
        for host in ("evil.example", "a b", ""):
            body = {"requests": [{"path": "/", "headers": {name: host}}]}
            body["defaults"] = {"headers": {"HOST": "evil.example"}}  # type: ignore[assignment]
            (answer,) = app.post_json("/v0/batch", body).json["responses"]
            assert answer["body"]["url"] == "http://localhost/v0/"


@pytest.mark.clause("H-32.1")
def test_one_host_has_to_be_named_on_the_wire(app: TestApp) -> None:
    with serving(app.app) as port:
        assert ask(port, "GET /v0/ HTTP/1.1", "Host: a.example").status == 200
        for lines in (
            ["Host: a.example", "Host: b.example"],
            ["Host: a.example", "Host: a.example"],
            ["Host: a.example, b.example"],
            ["Host:"],
            [],
        ):
            response = ask(port, "GET /v0/ HTTP/1.1", *lines)
            assert response.status == 400, lines
            assert FORM.encode() in response.body
        # Before HTTP/1.1 there was no such header.
        assert ask(port, "GET /v0/ HTTP/1.0").status == 200


# Setting

PUBLIC = "api.example.com, *.mushrooms.example\n localhost:8000 [::1]"


@pytest.fixture(scope="module")
def known() -> TestApp:
    return make_app([*RESOURCES, Toadstool], settings={"allowed_hosts": PUBLIC})


@pytest.mark.setting("allowed_hosts")
@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("api.example.com", True),
        ("API.EXAMPLE.COM:8443", True),
        ("a.b.mushrooms.example", True),
        ("localhost:8000", True),
        ("[::1]:9000", True),
        ("mushrooms.example", False),
        ("localhost", False),
        ("localhost:8001", False),
        ("evil.example", False),
        ("api.example.com.evil.example", False),
        ("127.0.0.1:8000", False),
    ],
)
def test_other_hosts_than_the_allowed_ones_are_400(
    known: TestApp, host: str, is_allowed: bool
) -> None:
    for path in ("/v0/", "/v0/mushrooms", "/", "/v0/nothing", "/v0/__version__"):
        response = known.get(path, headers=AUTH, extra_environ=asking(host), status="*")
        if is_allowed:
            assert response.status_code != 400
        else:
            refused(response, OTHER)
            assert host.partition(":")[0] not in response.text


@pytest.mark.setting("allowed_hosts")
@pytest.mark.parametrize("settings", [{}, {"allowed_hosts": ""}, {"allowed_hosts": "*"}])
def test_any_host_is_allowed_by_default(settings: dict[str, Any]) -> None:
    app = make_app(settings=settings)
    app.get("/v0/", extra_environ=asking("evil.example"), status=200)
    app.get("/v0/", extra_environ=asking("a b"), status=400)


@pytest.mark.setting("allowed_hosts")
def test_load_balancers_and_collectors_ask_by_address(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"allowed_hosts": "api.example.com", "prometheus_enabled": "true"}
    app = make_app(settings=settings)
    environ = asking("10.0.0.7:8000")
    for path in ("/v0/__heartbeat__", "/v0/__lbheartbeat__", "/__metrics__"):
        response = app.get(path, extra_environ=environ, status=200)
        assert "10.0.0.7" not in response.text
    # What leads there is a URL of that host.
    refused(app.get("/__heartbeat__", extra_environ=environ, status=400), OTHER)
    app.get("/v0/__heartbeat__", extra_environ=asking("a b"), status=400)


@pytest.mark.setting("allowed_hosts")
def test_without_a_host_the_one_of_the_server_is_judged(known: TestApp) -> None:
    with serving(known.app) as port:
        assert ask(port, "GET /v0/ HTTP/1.0").status == 400
        assert ask(port, "GET /v0/__heartbeat__ HTTP/1.0").status == 200
        assert ask(port, "GET /v0/ HTTP/1.0", "Host: api.example.com").status == 200


@pytest.mark.setting("allowed_hosts")
def test_what_an_application_sends_itself_is_not_judged() -> None:
    def relay(request: Any) -> list[Any]:
        sent = request.blank("/v0/")
        built = build_request(request, {"path": "/"})
        return [request.invoke_subrequest(item).json["url"] for item in (sent, built)]

    def configure(config: Any) -> None:
        config.add_route("relay", "/relay")
        config.add_view(relay, route_name="relay", renderer="json")

    app = make_app(settings={"allowed_hosts": "api.example.com"}, configure=configure)
    found = app.get("/v0/relay", extra_environ=asking("api.example.com")).json
    assert found == ["http://localhost/v0/", "http://api.example.com/v0/"]
    body = {"requests": [{"path": "/"}]}
    answer = app.post_json("/v0/batch", body, extra_environ=asking("api.example.com")).json
    assert answer["responses"][0]["status"] == 200


@pytest.mark.setting("allowed_hosts", "http_host")
def test_the_host_of_the_client_is_judged_and_not_the_one_that_a_setting_gives() -> None:
    settings = {"allowed_hosts": "internal.example", "http_host": "public.example"}
    app = make_app(settings=settings)
    found = app.get("/v0/", extra_environ=asking("internal.example")).json
    assert found["url"] == "http://public.example/v0/"
    body = {"requests": [{"path": "/"}]}
    answer = app.post_json("/v0/batch", body, extra_environ=asking("internal.example")).json
    assert answer["responses"][0]["body"]["url"] == "http://public.example/v0/"
    app.get("/v0/", extra_environ=asking("public.example"), status=400)


@pytest.mark.setting("allowed_hosts")
@pytest.mark.parametrize("value", ["http://api.example.com", "api example.com/x", "a*", "a:b"])
def test_what_is_no_host_is_refused_at_start_up(value: str) -> None:
    with pytest.raises(ValueError, match="Setting 'allowed_hosts' is"):
        make_app(settings={"allowed_hosts": value})
