"""What browsers let scripts of other origins do (H-29)."""

from typing import Any

import pytest
from support.origins import ORIGIN, allowed_origin, preflight
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app, outcomes
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth

FROM_ORIGIN = {"Origin": ORIGIN}
AUTH = basic_auth()
RECORD = "/v0/mushrooms/d1d1d1d1-0000-4000-8000-000000000001"

OUTCOME = {outcome.name: outcome for outcome in OUTCOMES}

COMMON = {"Alert", "Backoff", "Retry-After", "Content-Length", "Vary"}
RECORD_READ = COMMON | {"Last-Modified", "ETag", "Cache-Control", "Expires", "Pragma"}
COLLECTION_READ = RECORD_READ | {"Next-Page", "Total-Records"}


def listed(response: Any, header: Any) -> set[Any]:
    """Return the set of names in a header."""
    return {name.strip() for name in response.headers[header].split(",")}


def exposed(response: Any) -> Any:
    return listed(response, "Access-Control-Expose-Headers")


@pytest.fixture(scope="module")
def open_app() -> TestApp:
    """Any origin is allowed."""
    return make_outcomes_app()


@pytest.fixture(scope="module")
def choosy_app() -> TestApp:
    """One origin and one pattern are allowed."""
    return make_outcomes_app({"cors_origins": f"{ORIGIN} *.daybed.example"})


# Allowed origins


@pytest.mark.clause("H-29.1")
def test_any_origin_is_allowed_by_default(open_app: TestApp) -> None:
    assert allowed_origin(open_app.get("/v0/", headers={"Origin": "null"})) == "*"


@pytest.mark.clause("H-29.1", "S-9.1")
@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (ORIGIN, True),
        ("http://demo.daybed.example", True),
        ("https://a.b.daybed.example", True),
        ("http://daybed.example", False),
        ("http://demo.daybed.example.evil", False),
        ("http://demo.DAYBED.example", False),
        (ORIGIN.upper(), False),
        ("http://axexample", False),
    ],
)
def test_origins_are_matched_by_pattern_and_by_case(
    choosy_app: TestApp, origin: str, is_allowed: bool
) -> None:
    response = choosy_app.get("/v0/", headers={"Origin": origin}, status="*")
    assert response.status_code == (200 if is_allowed else 400)
    assert allowed_origin(response) == (origin if is_allowed else None)


@pytest.mark.clause("H-29.1")
def test_the_brackets_of_an_address_are_no_pattern() -> None:
    app = make_app(settings={"cors_origins": "http://[::1]:8000"})
    response = app.get("/v0/", headers={"Origin": "http://[::1]:8000"}, status=200)
    assert allowed_origin(response) == "http://[::1]:8000"


@pytest.mark.clause("H-29.3")
@pytest.mark.setting("cors_origins")
@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        ("*", "*"),
        (f"http://b.example *\n{ORIGIN}", "*"),
        (ORIGIN, ORIGIN),
        (f"http://b.example {ORIGIN}", ORIGIN),
        ("http://*", ORIGIN),
    ],
)
def test_a_known_url_allows_all_or_the_origin_itself(setting: str, sent: str) -> None:
    app = make_app([Mushroom], settings={"cors_origins": setting})
    assert allowed_origin(app.get("/v0/", headers=FROM_ORIGIN)) == sent
    response = app.get("/v0/mushrooms", headers={**AUTH, **FROM_ORIGIN})
    assert allowed_origin(response) == sent


@pytest.mark.clause("H-29.9", "D-42", "S-9.1")
@pytest.mark.parametrize("setting", ["*", ORIGIN, "http://*.example"])
@pytest.mark.parametrize("path", ["/v0/nothing", "/v9/", "/mushrooms", "/v0/mushrooms/", "/v0"])
def test_unknown_urls_and_redirects_echo_the_origin_that_a_pattern_allows(
    setting: str, path: str
) -> None:
    app = make_app([Mushroom], settings={"cors_origins": setting})
    response = app.get(path, headers=FROM_ORIGIN, status="*")
    assert response.status_code in (307, 404)
    assert allowed_origin(response) == ORIGIN


@pytest.mark.clause("H-29.9")
@pytest.mark.parametrize("path", ["/v0/nothing", "/v9/", "/mushrooms", "/v0/mushrooms/"])
def test_unknown_urls_and_redirects_tell_other_origins_nothing(
    choosy_app: TestApp, path: str
) -> None:
    response = choosy_app.get(path, headers={"Origin": "http://b.example"}, status="*")
    assert response.status_code in (307, 404)
    assert allowed_origin(response) is None


@pytest.mark.clause("S-9.1")
def test_the_origins_of_unknown_urls_are_read_at_request_time() -> None:
    app = make_app(settings={"cors_origins": "http://b.example"})
    app.app.registry.settings["cors_origins"] = ORIGIN
    response = app.get("/v0/nothing", headers=FROM_ORIGIN, status=404)
    assert allowed_origin(response) == ORIGIN


# Requests without origin


@pytest.mark.clause("H-29.2")
@outcomes()
def test_without_origin_only_the_exposed_headers_are_told(
    open_app: TestApp, outcome: Outcome
) -> None:
    response = outcome(open_app)
    sent = {name for name in response.headers if name.startswith("Access-Control-")}
    expected = set() if outcome.status == 405 else {"Access-Control-Expose-Headers"}
    assert sent == expected


@pytest.mark.clause("H-29.2")
def test_responses_to_options_expose_nothing(open_app: TestApp) -> None:
    assert "Access-Control-Expose-Headers" not in preflight(open_app, "/v0/mushrooms").headers


# All kinds of responses


@pytest.mark.clause("H-29.8", "D-73")
@outcomes()
def test_scripts_of_allowed_origins_can_read_every_response(
    choosy_app: TestApp, outcome: Outcome
) -> None:
    assert allowed_origin(outcome(choosy_app, Origin=ORIGIN)) == ORIGIN


@pytest.mark.clause("H-29.5")
@outcomes()
def test_credentials_are_never_allowed(choosy_app: TestApp, outcome: Outcome) -> None:
    response = outcome(choosy_app, Origin=ORIGIN)
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.clause("X-12")
@outcomes()
def test_a_response_that_depends_on_the_origin_says_so(
    choosy_app: TestApp, outcome: Outcome
) -> None:
    with_origin = outcome(choosy_app, Origin=ORIGIN)
    without = outcome(choosy_app)
    assert "Origin" in listed(with_origin, "Vary")
    assert "Origin" in listed(without, "Vary")


@pytest.mark.clause("X-12")
@outcomes()
def test_a_response_that_allows_all_origins_does_not_depend_on_them(
    open_app: TestApp, outcome: Outcome
) -> None:
    depends = not outcome.endpoint
    assert ("Origin" in listed(outcome(open_app, Origin=ORIGIN), "Vary")) is depends


@pytest.mark.clause("X-12")
def test_a_refused_origin_is_told_that_the_response_depends_on_it(choosy_app: TestApp) -> None:
    response = choosy_app.get("/v0/", headers={"Origin": "http://b.example"}, status=400)
    assert "Origin" in listed(response, "Vary")


# Disallowed origins


@pytest.mark.clause("H-29.4", "X-6", "S-9.5")
def test_a_disallowed_origin_is_refused(choosy_app: TestApp) -> None:
    response = choosy_app.get("/v0/", headers={"Origin": "http://b.example"}, status=400)
    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": "Origin in header: http://b.example not allowed",
        "details": [
            {"location": "header", "name": "Origin", "description": "http://b.example not allowed"}
        ],
    }
    assert allowed_origin(response) is None


@pytest.mark.clause("H-29.4", "X-6", "S-9.5")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_is_executed_for_a_disallowed_origin(method: str) -> None:
    app = make_app([Mushroom], settings={"cors_origins": ORIGIN})
    app.put_json(RECORD, {"data": {"name": "cep"}}, headers=AUTH)
    before = app.get("/v0/mushrooms", headers=AUTH)

    path = "/v0/mushrooms" if method == "POST" else RECORD
    headers = {**AUTH, "Origin": "http://b.example"}
    send = getattr(app, f"{method.lower()}_json")
    response = send(path, {"data": {"name": "new"}}, headers=headers, status=400)

    assert response.json["message"] == "Origin in header: http://b.example not allowed"
    after = app.get("/v0/mushrooms", headers=AUTH)
    assert after.json == before.json
    assert after.headers["ETag"] == before.headers["ETag"]


@pytest.mark.clause("X-6", "H-29.4")
def test_a_preflight_from_a_disallowed_origin_is_refused(choosy_app: TestApp) -> None:
    response = preflight(choosy_app, "/v0/mushrooms", Origin="http://b.example", status=400)
    assert response.json["details"] == [
        {"location": "header", "name": "Origin", "description": "http://b.example not allowed"}
    ]
    assert allowed_origin(response) is None


@pytest.mark.clause("H-29.4")
@pytest.mark.parametrize("name", ["anonymous", "bad-method", "not-acceptable", "media-type"])
def test_an_error_that_comes_first_is_returned_without_the_header(
    choosy_app: TestApp, name: str
) -> None:
    response = OUTCOME[name](choosy_app, Origin="http://b.example")
    assert response.json["message"] != "Origin in header: http://b.example not allowed"
    assert allowed_origin(response) is None


# Exposed headers


@pytest.mark.clause("H-29.6", "S-9.3")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hello", COMMON),
        ("list", COLLECTION_READ),
        ("head", COLLECTION_READ),
        ("creation", COMMON),
        ("version-redirect", COMMON),
        ("slash-redirect", COMMON),
        ("unknown-url", COMMON),
        ("unknown-version", COMMON),
        ("heartbeat", COMMON),
    ],
)
def test_headers_exposed_by_kind_of_request(
    open_app: TestApp, name: str, expected: set[Any]
) -> None:
    assert exposed(OUTCOME[name](open_app, Origin=ORIGIN)) == expected


@pytest.mark.clause("H-29.6", "S-9.3", "D-43")
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("PUT", COMMON | {"ETag", "Last-Modified"}),
        ("PATCH", COMMON | {"ETag", "Last-Modified"}),
        ("GET", RECORD_READ),
        ("HEAD", RECORD_READ),
        ("DELETE", COMMON),
    ],
)
def test_headers_exposed_of_a_record(open_app: TestApp, method: str, expected: set[Any]) -> None:
    headers = {**AUTH, **FROM_ORIGIN}
    body = {"data": {"name": "cep"}}
    open_app.put_json(RECORD, body, headers=AUTH)
    if method in ("PUT", "PATCH"):
        response = getattr(open_app, f"{method.lower()}_json")(RECORD, body, headers=headers)
    else:
        response = getattr(open_app, method.lower())(RECORD, headers=headers)
    assert exposed(response) == expected


@pytest.mark.clause("D-43")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_failed_precondition_exposes_the_tag_that_stood_in_the_way(
    open_app: TestApp, method: str
) -> None:
    open_app.put_json(RECORD, {"data": {"name": "cep"}}, headers=AUTH)
    path = "/v0/mushrooms" if method == "POST" else RECORD
    headers = {**AUTH, **FROM_ORIGIN, "If-Match": '"1"'}
    if method in ("GET", "DELETE"):
        response = getattr(open_app, method.lower())(path, headers=headers, status=412)
    else:
        send = getattr(open_app, f"{method.lower()}_json")
        response = send(path, {"data": {"name": "cep"}}, headers=headers, status=412)
    assert {"ETag", "Last-Modified"} <= exposed(response)
    assert "ETag" in response.headers


@pytest.mark.clause("H-29.7")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("not-modified", COLLECTION_READ),
        ("invalid-query", COLLECTION_READ),
        ("anonymous", COLLECTION_READ),
        ("not-acceptable", COLLECTION_READ),
        ("precondition", COLLECTION_READ),
        ("unknown-record", RECORD_READ),
        ("invalid-body", COMMON),
        ("media-type", COMMON),
        ("conflict", COMMON),
        ("forbidden", COMMON),
        ("application-error", COMMON),
        ("crash", COMMON),
        ("backend-failure", COMMON),
    ],
)
def test_errors_expose_what_the_endpoint_exposes(
    open_app: TestApp, name: str, expected: set[Any]
) -> None:
    assert exposed(OUTCOME[name](open_app, Origin=ORIGIN)) == expected


@pytest.mark.clause("E-17.2")
@pytest.mark.parametrize(
    ("name", "further"),
    [
        ("hello", set()),
        ("list", set()),
        ("creation", {"Location"}),
        ("crash", set()),
        ("unknown-url", set()),
        ("version-redirect", set()),
    ],
)
def test_a_further_line_names_what_the_first_clients_did_not_know(
    open_app: TestApp, name: str, further: set[str]
) -> None:
    lines = OUTCOME[name](open_app, Origin=ORIGIN).headers.getall("Access-Control-Expose-Headers")

    assert len(lines) == 2
    assert set(lines[0].split(", ")) == {"X-Request-Id"} | further


@pytest.mark.clause("E-17.2", "H-25.13")
def test_a_batch_joins_the_lines(open_app: TestApp) -> None:
    body = {"requests": [{"method": "PUT", "path": RECORD, "body": {"data": {"name": "cep"}}}]}

    response = open_app.post_json("/v0/batch", body, headers=AUTH).json["responses"][0]

    exposed = response["headers"]["Access-Control-Expose-Headers"].split(", ")
    assert {"X-Request-Id", "ETag", "Vary"} <= set(exposed)


# Preflight


@pytest.mark.clause("H-29.10", "H-29.12")
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v0/", {"GET", "HEAD", "OPTIONS"}),
        ("/v0/__heartbeat__", {"GET", "HEAD", "OPTIONS"}),
        ("/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        (RECORD, {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("/v0/mushrooms/not-a-valid-id", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_a_preflight_of_any_known_url_succeeds_without_credentials(
    open_app: TestApp, path: str, methods: set[Any]
) -> None:
    response = preflight(open_app, path, Accept="text/html", Content_Type="text/plain")
    assert response.json is None
    assert response.body == b"null"
    assert allowed_origin(response) == "*"
    sent = response.headers["Access-Control-Allow-Methods"]
    assert " " not in sent
    assert sorted(sent.split(",")) == sorted(methods)


@pytest.mark.clause("H-29.12")
def test_a_preflight_allows_every_requested_header_as_requested(open_app: TestApp) -> None:
    response = preflight(
        open_app, "/v0/mushrooms", "POST", Access_Control_Request_Headers="X-Any, authorization"
    )
    assert listed(response, "Access-Control-Allow-Headers") == COMMON | {"X-Any", "authorization"}


@pytest.mark.clause("H-29.12")
def test_a_preflight_allows_the_exposed_headers_of_the_method(open_app: TestApp) -> None:
    response = preflight(open_app, "/v0/mushrooms", "GET")
    assert listed(response, "Access-Control-Allow-Headers") == COLLECTION_READ


@pytest.mark.clause("H-29.12")
def test_a_preflight_echoes_an_origin_of_the_list(choosy_app: TestApp) -> None:
    assert allowed_origin(preflight(choosy_app, "/v0/mushrooms")) == ORIGIN


@pytest.mark.clause("H-29.10", "X-27")
def test_a_preflight_must_name_the_method(open_app: TestApp) -> None:
    response = open_app.options("/v0/mushrooms", headers=FROM_ORIGIN, status=400)
    assert response.json["details"] == [
        {
            "location": "header",
            "name": "Access-Control-Request-Method",
            "description": "this header is mandatory",
        }
    ]


@pytest.mark.clause("H-29.11")
@pytest.mark.parametrize(
    ("path", "method"), [("/v0/mushrooms", "PATCH"), (RECORD, "POST"), ("/v0/", "DELETE")]
)
def test_a_preflight_for_an_unsupported_method_is_refused(
    open_app: TestApp, path: str, method: str
) -> None:
    response = preflight(open_app, path, method, status=400)
    assert response.json["errno"] == 107
    assert response.json["details"] == [
        {
            "location": "header",
            "name": "Access-Control-Request-Method",
            "description": "Method not allowed",
        }
    ]


@pytest.mark.clause("H-29.11", "H-29.12")
def test_a_preflight_for_a_disabled_method_is_refused() -> None:
    app = make_app([Mushroom], settings={"collection_mushroom_delete_enabled": False})
    preflight(app, "/v0/mushrooms", "DELETE", status=400)
    response = preflight(app, "/v0/mushrooms")
    methods = response.headers["Access-Control-Allow-Methods"].split(",")
    assert set(methods) == {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.mark.clause("H-29.13", "S-9.2")
@pytest.mark.setting("cors_max_age_seconds")
@pytest.mark.parametrize(
    ("value", "sent"), [(None, "3600"), ("60", "60"), (7, "7"), ("0", None), ("", None)]
)
def test_the_lifetime_of_a_preflight(value: int | str | None, sent: str | None) -> None:
    settings = {} if value is None else {"cors_max_age_seconds": value}
    app = make_app(settings=settings)
    assert preflight(app, "/v0/").headers.get("Access-Control-Max-Age") == sent


@pytest.mark.clause("S-9.2")
def test_a_lifetime_that_is_no_number_refuses_to_start() -> None:
    with pytest.raises(ValueError, match="cors_max_age_seconds"):
        make_app(settings={"cors_max_age_seconds": "an hour"})


# Services of applications and plug-ins


@pytest.mark.clause("S-9.4")
def test_the_services_of_plug_ins_have_the_same_configuration() -> None:
    def configure(config: Any) -> None:
        service = Service(name="plugged", path="/plugged")
        service.add_view("POST", lambda request: {})
        config.add_cornice_service(service)

    settings = {"cors_origins": ORIGIN, "cors_max_age_seconds": 5}
    app = make_app(settings=settings, configure=configure)

    assert allowed_origin(app.post("/v0/plugged", headers=FROM_ORIGIN)) == ORIGIN
    app.post("/v0/plugged", headers={"Origin": "http://b.example"}, status=400)
    assert preflight(app, "/v0/plugged", "POST").headers["Access-Control-Max-Age"] == "5"


@pytest.mark.clause("S-9.4", "S-5.4")
def test_the_views_of_a_setting_includes_have_the_same_configuration() -> None:
    settings = {"cors_origins": ORIGIN, "includes": __name__}
    app = make_app(settings=settings)
    app.get("/v0/included", headers={"Origin": "http://b.example"}, status=400)
    assert allowed_origin(app.get("/v0/included", headers=FROM_ORIGIN)) == ORIGIN


def includeme(config: Any) -> None:
    """Add a service, as a plug-in does."""
    service = Service(name="included", path="/included")
    service.add_view("GET", lambda request: {})
    config.add_cornice_service(service)


@pytest.mark.clause("D-47", "S-23.21")
def test_two_applications_of_a_process_keep_their_own_origins_and_lifetime() -> None:
    first = make_app(RESOURCES, settings={"cors_origins": ORIGIN, "cors_max_age_seconds": 5})
    second = make_app(
        RESOURCES, settings={"cors_origins": "http://b.example", "cors_max_age_seconds": 9}
    )
    for path in ("/v0/", "/v0/mushrooms"):
        for app, origin, age in ((first, ORIGIN, "5"), (second, "http://b.example", "9")):
            response = preflight(app, path, Origin=origin)
            assert allowed_origin(response) == origin
            assert response.headers["Access-Control-Max-Age"] == age
    first.get("/v0/", headers={"Origin": "http://b.example"}, status=400)
    second.get("/v0/", headers=FROM_ORIGIN, status=400)
