"""Headers of every response, written at once: each of them once, whatever a view has set."""

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.events import NewResponse
from pyramid.httpexceptions import HTTPConflict
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service

ORIGIN = {"Origin": "https://page.example"}
OWN = [
    ("vary", "Accept-Language, Origin"),
    ("Vary", "Cookie"),
    ("BACKOFF", "1"),
    ("x-request-id", "own"),
    ("access-control-allow-origin", "https://other.example"),
    ("Access-Control-Expose-Headers", "X-Own"),
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
]
WRITTEN = [
    "vary",
    "backoff",
    "x-request-id",
    "access-control-allow-origin",
    "access-control-expose-headers",
]


def returned(request: Any) -> Any:
    return Response(json={}, headerlist=[("Content-Type", "application/json"), *OWN])


def raised(request: Any) -> None:
    error = HTTPConflict()
    error.headers.extend(OWN)
    raise error


def rendered(request: Any) -> dict[Any, Any]:
    request.response.headers.extend(OWN)
    return {}


def app_of(view: Any, *, settings: Any = None, configure: Any = None) -> TestApp:
    def set_up(config: Any) -> None:
        service = Service(name="own", path="/own")
        service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        if configure is not None:
            configure(config)

    return make_app(settings={"backoff": 7, **(settings or {})}, configure=set_up)


@pytest.mark.parametrize("view", [returned, raised, rendered])
@pytest.mark.clause("H-27.1", "H-29.6", "H-30.6", "E-6.4")
def test_each_header_is_there_once_whatever_the_view_has_set(view: Callable[..., Any]) -> None:
    response = app_of(view).get("/v0/own", headers=ORIGIN, expect_errors=True)

    names = [name.lower() for name, _ in response.headerlist]
    # One has a line of its own for what the published protocol does not name (E-17.2).
    lines = {**dict.fromkeys(WRITTEN, 1), "access-control-expose-headers": 2}
    assert {name: names.count(name) for name in WRITTEN} == lines
    assert response.headers["Backoff"] == "7"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Own" not in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["X-Request-Id"] != "own"
    # Of others there may be several.
    assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.clause("X-12", "H-30.6")
@pytest.mark.parametrize(
    ("origins", "vary"),
    [("*", ["Authorization"]), ("https://page.example", ["Authorization", "Origin"])],
)
def test_what_varies_with_the_origin_says_so_once(origins: str, vary: list[Any]) -> None:
    app = app_of(lambda request: {}, settings={"cors_origins": origins})

    response = app.get("/v0/own", headers=ORIGIN)

    assert response.headers.getall("Vary") == [", ".join(vary)]


def test_subscribers_of_the_application_have_the_last_word() -> None:
    seen = {}

    def on_response(event: Any) -> None:
        seen.update(event.response.headers)
        event.response.headers["Vary"] = "Cookie"
        del event.response.headers["Backoff"]

    app = app_of(
        lambda request: {}, configure=lambda config: config.add_subscriber(on_response, NewResponse)
    )
    response = app.get("/v0/own", headers=ORIGIN)

    assert {name.lower() for name in seen} >= set(WRITTEN)
    assert response.headers.getall("Vary") == ["Cookie"]
    assert "Backoff" not in response.headers


def test_two_applications_write_each_their_own() -> None:
    first = app_of(lambda request: {}, settings={"vary": "Cookie"})
    second = app_of(lambda request: {}, settings={"backoff": "off", "cors_origins": "none.example"})

    for _ in range(2):
        ours = first.get("/v0/own", headers=ORIGIN).headers
        theirs = second.get("/v0/own", headers=ORIGIN, status=400).headers

        assert (ours["Vary"], ours["Backoff"]) == ("Cookie", "7")
        assert (theirs["Vary"], theirs.get("Backoff")) == ("Authorization, Origin", None)
        assert "Access-Control-Allow-Origin" in ours
        assert "Access-Control-Allow-Origin" not in theirs


@pytest.mark.clause("H-29.6")
def test_origins_of_one_method_are_those_of_no_other() -> None:
    service = Service(name="own", path="/own", cors_origins=("https://service.example",))
    service.add_view("GET", lambda request: {}, permission=NO_PERMISSION_REQUIRED)
    service.add_view(
        "POST",
        lambda request: {},
        permission=NO_PERMISSION_REQUIRED,
        cors_origins=("https://page.example",),
    )
    app = make_app(configure=lambda config: config.add_cornice_service(service))

    def allowed(method: str) -> Any:
        return app.request("/v0/own", method=method, headers=ORIGIN, status="*").headers.get(
            "Access-Control-Allow-Origin"
        )

    assert [allowed(method) for method in ("GET", "POST", "GET", "PUT")] == [
        None,
        "https://page.example",
        None,
        None,
    ]
    assert all(service.own_origins(f"BREW{n}") for n in range(9))
    assert set(service._origins_of) <= set(service.defined_methods)


def plain(request: Any) -> Any:
    return {}


def test_headers_follow_settings_that_change_in_a_running_service() -> None:
    """What is known of a case is worked out anew for other settings."""
    app = app_of(plain)
    registry = app.app.registry
    before = [app.get("/v0/own").headers["Backoff"] for _ in range(2)]
    registry.settings["backoff"] = "9"
    after = [app.get("/v0/own").headers["Backoff"] for _ in range(2)]
    registry.settings["cors_origins"] = ["https://other.example"]
    refused = [app.get("/v0/own", headers=ORIGIN, status=400).headers for _ in range(2)]
    assert (before, after) == (["7", "7"], ["9", "9"])
    assert all("Access-Control-Allow-Origin" not in headers for headers in refused)


def test_each_response_of_a_case_has_an_id_of_its_own() -> None:
    """The header that differs is not kept with the others."""
    app = app_of(plain)
    ids = {app.get("/v0/own").headers["X-Request-Id"] for _ in range(3)}
    named = app.get("/v0/own", headers={"X-Request-Id": "mine"}).headers.getall("X-Request-Id")
    assert (len(ids), named) == (3, ["mine"])


def test_origins_do_not_share_their_headers() -> None:
    """Two pages get their own origins, whichever came first."""
    app = app_of(plain, settings={"cors_origins": "https://*.example"})
    origins = [f"https://{name}.example" for name in ("a", "b", "a", "c" * 300)]
    allowed = [
        app.get("/v0/own", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"]
        for origin in origins
    ]
    assert allowed == origins


def test_any_number_of_cases_is_served() -> None:
    """What is kept of them is limited."""
    app = app_of(plain, settings={"cors_origins": "https://*.example"})
    for number in range(300):
        origin = f"https://{number}.example"
        headers = app.get("/v0/own", headers={"Origin": origin}).headers
        assert headers["Access-Control-Allow-Origin"] == origin
    assert len(app.app.registry.response_headers._known) <= 256
