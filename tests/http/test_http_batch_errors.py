"""What happens to a batch when one of its requests fails (H-25.19 to H-25.24, D-34 to D-39)."""

import re
from typing import Any

import pytest
from pyramid import httpexceptions
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.batches import creation, names, send, statuses
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app
from support.shared_apps import make_app
from support.sharing import make_sharing_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.authorization import groupfinder
from cliquet.errors import http_error
from cliquet.events import ACTIONS, AfterResourceChanged, ResourceChanged
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import basic_auth

UNKNOWN_ID = "404404ff-0000-4000-8000-000000000001"
UNAUTHORIZED = "Please authenticate yourself to use this endpoint."
# Those that a batch does not embed, or that it mends (H-25.15, H-25.17).
_EMBEDDED = [
    outcome
    for outcome in OUTCOMES
    if outcome.status < 500
    and outcome.status != 307
    and outcome.name not in ("media-type", "unknown-version")
]
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EACH_TIME = {"last_modified", "X-Request-Id", "ETag", "Last-Modified", "Content-Length"}


def item_of(outcome: Any) -> Any:
    item = {"path": outcome.path, "method": outcome.method, "headers": outcome.headers}
    return item if outcome.body is None else {**item, "body": outcome.body}


def by_name(outcomes: Any) -> Any:
    return pytest.mark.parametrize("outcome", outcomes, ids=lambda outcome: outcome.name)


def headers_of(headers: Any) -> dict[Any, Any]:
    """Return headers in a form that can be compared: without order, without moments."""
    found: dict[Any, list[str]] = {}
    for name, value in headers.items():
        # A direct answer may have several lines of one name, which a batch joins.
        if name not in _EACH_TIME:
            # The id of a new record is another one each time.
            values = _ID.sub("id", value).split(", ")
            found[name] = sorted([*found.get(name, ()), *values])
    return found


def without_moments(body: Any) -> Any:
    """Return the body of an error, a record in it without the moment of its change."""
    details = body.get("details")
    existing = details.get("existing") if isinstance(details, dict) else None
    if existing is None:
        return body
    details = {**details, "existing": {**existing, "last_modified": None}}
    return {**body, "details": details}


# Embedded errors


@pytest.mark.clause("H-25.19", "D-34", "D-39", "D-76")
@by_name(_EMBEDDED)
def test_an_error_is_embedded_as_it_is_answered_directly(outcome: Outcome) -> None:
    client = make_outcomes_app({"backoff": "30"})
    if outcome.prepare is not None:
        outcome.prepare(client)
    [embedded] = send(client, [item_of(outcome)], headers={})
    direct = outcome(make_outcomes_app({"backoff": "30"}))

    assert embedded["status"] == direct.status_int
    assert headers_of(embedded["headers"]) == headers_of(direct.headers)
    if direct.status_int >= 400:
        assert without_moments(embedded["body"]) == without_moments(direct.json)


@pytest.mark.clause("H-25.19")
def test_an_error_does_not_affect_the_other_requests(app: TestApp) -> None:
    requests = [creation(name="cep"), creation(), {"path": "/x"}, creation(name="morel")]

    responses = send(app, requests)

    assert statuses(responses) == [201, 400, 404, 201]
    assert names(app) == ["cep", "morel"]


@pytest.mark.clause("D-76")
def test_a_conflict_tells_what_it_is_about() -> None:
    client = make_outcomes_app()
    body = {"data": {"name": "black", "email": "t@example.org"}}
    urls = [f"/truffles/{UNKNOWN_ID[:-1]}{i}" for i in range(2)]

    responses = send(client, [{"method": "PUT", "path": url, "body": body} for url in urls])

    assert statuses(responses) == [201, 409]
    details = responses[1]["body"]["details"]
    assert (details["field"], details["existing"]) == ("email", responses[0]["body"]["data"])


@pytest.mark.clause("D-76", "P-12.7")
def test_a_failed_precondition_tells_no_permission() -> None:
    client = make_sharing_app({"toadstool_create_principals": "system.Authenticated"})
    item = {
        "method": "PUT",
        "path": f"/toadstools/{UNKNOWN_ID}",
        "body": {"data": {"name": "x"}, "permissions": {"read": ["system.Everyone"]}},
    }

    responses = send(client, [item, {**item, "headers": {"If-None-Match": "*"}}])

    assert statuses(responses) == [201, 412]
    existing = responses[1]["body"]["details"]["existing"]
    assert set(existing) == {"id", "last_modified", "name"}


@pytest.mark.clause("D-34")
def test_not_modified_is_embedded_without_body(app: TestApp) -> None:
    [listing] = send(app, [{"path": "/mushrooms"}])
    unchanged = {"If-None-Match": listing["headers"]["ETag"]}

    responses = send(app, [creation(name="cep"), {"path": "/mushrooms", "headers": unchanged}])
    [listing] = send(app, [{"path": "/mushrooms"}])
    unchanged = {"If-None-Match": listing["headers"]["ETag"]}
    responses += send(app, [{"path": "/mushrooms", "headers": unchanged}])

    assert statuses(responses) == [201, 200, 304]
    assert responses[-1]["body"] == ""


@pytest.mark.clause("D-36", "P-34.33", "D-12")
@pytest.mark.parametrize(
    ("path", "status", "used"),
    [
        ("/mushrooms/é", 400, "/v0/mushrooms/é"),
        ("/é", 404, "/v0/é"),
        ("/漢字", 404, "/v0/漢字"),
        ("/%C3%A9", 404, "/v0/é"),
        ("/mushrooms/%ff", 400, "/v0/mushrooms/\N{REPLACEMENT CHARACTER}"),
        ("/%ff/batch", 400, "/v0/\N{REPLACEMENT CHARACTER}/batch"),
        ("/mushrooms?name=%ff", 400, "/v0/mushrooms"),
        ("/%zz", 404, "/v0/%zz"),
        ("/a%0d%0ab", 404, "/v0/a\r\nb"),
        ("/a\r\nb", 404, "/v0/a\r\nb"),
        ("/a b", 404, "/v0/a b"),
        ("/a#b", 404, "/v0/a#b"),
        ("/%00", 404, "/v0/\x00"),
    ],
)
def test_a_strange_path_fails_alone(app: TestApp, path: str, status: int, used: str) -> None:
    responses = send(app, [{"path": path}, {"path": "/"}])

    assert statuses(responses) == [status, 200]
    assert responses[0]["path"] == used
    assert responses[0]["body"]["code"] == status


@pytest.mark.clause("H-25.19", "H-4.8")
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Authorization", "Basic 漢", 401),
        ("Authorization", "Basic é", 401),
        ("If-Match", "漢", 400),
        ("If-None-Match", "é", 400),
        ("Accept", "漢", 200),
        ("Cookie", "a=漢", 200),
        ("Content-Type", "漢", 200),
        ("漢", "漢", 200),
        ("", "x", 200),
        ("X", "a\r\nb", 200),
    ],
)
def test_a_strange_header_fails_alone(app: TestApp, name: str, value: str, status: int) -> None:
    responses = send(app, [{"path": "/mushrooms", "headers": {name: value}}, {"path": "/"}])

    assert statuses(responses) == [status, 200]


@pytest.mark.clause("D-37")
@pytest.mark.parametrize(
    ("path", "headers", "status", "used"),
    [
        ("/mushrooms/", {"Authorization": ""}, 401, "/v0/mushrooms"),
        ("/nowhere/", {}, 404, "/v0/nowhere"),
        (f"/mushrooms/{UNKNOWN_ID}/", {}, 404, f"/v0/mushrooms/{UNKNOWN_ID}"),
        ("/mushrooms/?_limit=x", {}, 400, "/v0/mushrooms"),
    ],
)
def test_an_error_after_a_redirection_is_that_of_the_direct_request(
    app: TestApp, path: str, headers: dict[str, Any], status: int, used: str
) -> None:
    redirected, direct = send(
        app,
        [
            {"path": path, "headers": headers},
            {"path": path.replace("/?", "?").rstrip("/"), "headers": headers},
        ],
    )

    assert redirected["status"] == status
    assert redirected == direct
    assert redirected["path"] == used


@pytest.mark.clause("D-37", "H-4.9", "H-4.10")
def test_a_redirected_anonymous_request_is_challenged(app: TestApp) -> None:
    [response] = send(app, [{"path": "/mushrooms/"}], headers={})

    assert response["headers"]["WWW-Authenticate"] == 'Basic realm="Realm"'
    assert response["body"]["errno"] == 104
    assert response["body"]["message"] == UNAUTHORIZED


@pytest.mark.clause("D-39", "H-4.10")
def test_every_challenge_is_embedded() -> None:
    class Tokens:
        def __getattr__(self, name: Any) -> Any:
            return lambda *args, **kwargs: None

        def forget(self, request: Any) -> list[Any]:
            return [("WWW-Authenticate", 'Bearer realm="tokens"')]

        def effective_principals(self, request: Any) -> list[Any]:
            return []

    app = make_app(
        [Mushroom],
        settings={
            "multiauth.policies": "basicauth tokens",
            "multiauth.policy.tokens.use": Tokens,
        },
    )

    [response] = send(app, [{"path": "/mushrooms"}], headers={})

    challenges = response["headers"]["WWW-Authenticate"]
    assert set(challenges.split(", ")) == {'Basic realm="Realm"', 'Bearer realm="tokens"'}


# Errors of the application


class Spoiled(Exception):
    pass


class Boxed(Exception):
    pass


class Odd(Exception):
    pass


RAISED = {
    "spoiled": Spoiled,
    "boxed": Boxed,
    "odd": Odd,
    "conflict": httpexceptions.HTTPConflict,
    "crash": ZeroDivisionError,
    "backend": lambda: BackendError(original=OSError("a secret")),
    "storage-full": httpexceptions.HTTPInsufficientStorage,
    "elsewhere": lambda: httpexceptions.HTTPFound("http://elsewhere.example/x"),
    "loop": lambda: httpexceptions.HTTPTemporaryRedirect("/v0/raises/loop"),
    "ring": lambda: httpexceptions.HTTPTemporaryRedirect("/v0/raises/loop?a=1"),
    "maintenance": lambda: http_error(
        httpexceptions.HTTPServiceUnavailable(), errno=201, message="Back at noon."
    ),
}


def make_failing_app(
    settings: Any = None, on_change: Any = None, after_change: Any = None
) -> TestApp:
    """Return a client of an application whose `/raises/…` raises, after it has stored a record."""

    def view(request: Any) -> Any:
        storage = request.registry.storage
        storage.create("mushroom", request.prefixed_userid, {"name": "of a failure"})
        if request.matchdict["error"] == "unavailable":
            return httpexceptions.HTTPServiceUnavailable()
        if request.matchdict["error"] == "gone":
            return httpexceptions.HTTPGone()
        raise RAISED[request.matchdict["error"]]()

    def configure(config: Any) -> None:
        service = Service(name="raises", path="/raises/{error}")
        service.add_view("GET", view, permission="private")
        config.add_cornice_service(service)
        if on_change is not None:
            config.add_subscriber(on_change, ResourceChanged)
        if after_change is not None:
            config.add_subscriber(after_change, AfterResourceChanged)
        responses = {
            Spoiled: lambda: Response("plain", status=499, content_type="text/plain"),
            Boxed: lambda: Response(json_body={"boxed": True}, status=402),
            Odd: lambda: Response(json_body={"odd": True}, status=202),
        }
        for error, response in responses.items():
            config.add_view(
                lambda context, request, response=response: response(),
                context=error,
                permission=NO_PERMISSION_REQUIRED,
            )

    return make_app([Mushroom], settings=settings, configure=configure)


@pytest.mark.clause("H-26.11", "P-20.7", "P-26.22")
@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        ("boxed", 402, {"boxed": True}),
        ("odd", 202, {"odd": True}),
        ("spoiled", 499, {"code": 499, "errno": 999, "error": "Unknown Client Error"}),
    ],
)
def test_what_the_application_makes_of_its_errors_is_embedded(
    error: str, status: int, body: dict[str, Any]
) -> None:
    [response] = send(make_failing_app(), [{"path": f"/raises/{error}"}])

    assert (response["status"], response["body"]) == (status, body)


@pytest.mark.clause("P-34.26", "H-26.1")
def test_a_bare_http_error_has_a_json_body_directly_and_in_a_batch() -> None:
    app = make_failing_app()

    direct = app.get("/v0/raises/conflict", headers=basic_auth(), status=409)
    [embedded] = send(app, [{"path": "/raises/conflict"}])

    assert embedded["body"] == direct.json
    assert (direct.json["code"], direct.json["errno"]) == (409, 999)


@pytest.mark.clause("H-25.17", "P-34.30")
@pytest.mark.parametrize("error", ["loop", "ring"])
def test_endless_redirections_fail_alone(error: str) -> None:
    responses = send(make_failing_app(), [{"path": f"/raises/{error}"}, {"path": "/"}])

    assert statuses(responses) == [400, 200]
    assert "Too many redirections" in responses[0]["body"]["message"]


@pytest.mark.clause("H-25.17")
def test_a_redirection_to_another_site_is_left_to_the_client() -> None:
    [response] = send(make_failing_app(), [{"path": "/raises/elsewhere"}])

    assert response["status"] == 302
    assert response["headers"]["Location"] == "http://elsewhere.example/x"


# Failures


@pytest.mark.clause("H-25.20", "H-25.24", "D-38", "S-14.2", "X-18", "X-23", "H-34.1", "H-34.4")
@pytest.mark.parametrize(
    ("error", "status", "errno"),
    [
        ("crash", 500, 999),
        ("backend", 503, 201),
        ("maintenance", 503, 201),
        ("storage-full", 507, 999),
    ],
)
def test_a_raised_5xx_fails_the_batch_and_keeps_nothing(
    error: str, status: int, errno: int
) -> None:
    app = make_failing_app()
    app.post_json("/v0/mushrooms", {"data": {"name": "before"}}, headers=basic_auth())
    etag = app.get("/v0/mushrooms", headers=basic_auth()).headers["ETag"]
    requests = [creation(name="cep"), {"path": f"/raises/{error}"}, creation(name="morel")]

    body = send(app, requests, status=status)

    assert body["errno"] == errno
    assert "responses" not in body
    assert names(app) == ["before"]
    assert app.get("/v0/mushrooms", headers=basic_auth()).headers["ETag"] == etag


@pytest.mark.clause("H-25.20", "H-26.10")
@pytest.mark.parametrize("error", ["backend", "maintenance"])
def test_an_unavailable_service_says_when_to_come_back(error: str) -> None:
    app = make_failing_app({"retry_after_seconds": 7})
    body = {"requests": [{"path": f"/raises/{error}"}]}

    response = app.post_json("/v0/batch", body, headers=basic_auth(), status=503)

    assert response.headers["Retry-After"] == "7"


@pytest.mark.clause("H-25.21", "X-23")
def test_a_returned_5xx_is_embedded_and_keeps_what_was_done() -> None:
    app = make_failing_app()

    responses = send(app, [creation(name="cep"), {"path": "/raises/unavailable"}])

    assert statuses(responses) == [201, 503]
    assert names(app) == ["cep", "of a failure"]


@pytest.mark.clause("H-25.21")
@by_name([outcome for outcome in OUTCOMES if outcome.name == "heartbeat"])
def test_a_failing_heartbeat_is_embedded(outcome: Outcome) -> None:
    [response] = send(make_outcomes_app(), [item_of(outcome)])

    assert response["status"] == 503
    assert response["body"]["sick"] is False


@pytest.mark.clause("X-23", "S-14.2", "H-25.24")
@pytest.mark.parametrize("error", ["conflict", "boxed", "spoiled"])
def test_a_raised_4xx_undoes_its_own_request_only(error: str) -> None:
    app = make_failing_app()
    requests = [creation(name="cep"), {"path": f"/raises/{error}"}, creation(name="morel")]

    responses = send(app, requests)

    assert statuses(responses)[::2] == [201, 201]
    assert names(app) == ["cep", "morel"]


@pytest.mark.clause("X-23")
@pytest.mark.parametrize(("error", "status"), [("gone", 410), ("odd", 202)])
def test_a_returned_response_keeps_what_was_done(error: str, status: int) -> None:
    app = make_failing_app()

    [response] = send(app, [{"path": f"/raises/{error}"}])

    assert response["status"] == status
    assert names(app) == ["of a failure"]


@pytest.mark.clause("X-23")
def test_a_request_that_is_undone_first_leaves_no_trace() -> None:
    app = make_failing_app()

    responses = send(app, [{"path": "/raises/conflict"}, creation(name="cep")])

    assert statuses(responses) == [409, 201]
    assert names(app) == ["cep"]


@pytest.mark.clause("S-14.3", "H-34.3")
def test_without_transactions_nothing_is_undone() -> None:
    app = make_failing_app({"transaction_per_request": False})

    send(app, [creation(name="cep"), {"path": "/raises/crash"}], status=500)

    assert names(app) == ["cep", "of a failure"]


@pytest.mark.clause("X-23", "H-25.24")
def test_every_acknowledged_response_is_true_afterwards() -> None:
    app = make_failing_app()
    url = f"/mushrooms/{UNKNOWN_ID}"
    requests = []
    for i in range(6):
        requests += [
            {"method": "PUT", "path": f"{url[:-1]}{i}", "body": {"data": {"name": f"n{i}"}}},
            {"path": "/raises/conflict"},
            creation(),
            creation(name=f"m{i}"),
        ]

    responses = send(app, requests)

    stored = app.get("/v0/mushrooms", headers=basic_auth()).json["data"]
    acknowledged = [r["body"]["data"] for r in responses if r["status"] == 201]
    assert len(acknowledged) == 12
    assert sorted(stored, key=lambda r: r["id"]) == sorted(acknowledged, key=lambda r: r["id"])


@pytest.mark.clause("X-23", "X-9")
def test_events_tell_what_was_kept() -> None:
    seen = []
    app = make_sharing_app(
        {"toadstool_create_principals": "system.Authenticated"},
        configure=lambda config: [
            config.add_subscriber(lambda event: seen.append(event), ResourceChanged),
            config.add_subscriber(lambda event: seen.append(event), AfterResourceChanged),
        ],
    )
    url = f"/toadstools/{UNKNOWN_ID}"
    put = {"method": "PUT", "path": url, "body": {"data": {"name": "cep", "code": "1"}}}
    taken = {**put, "path": url[:-1] + "2"}

    responses = send(app, [put, taken, creation("/toadstools", name="morel")])

    assert statuses(responses) == [201, 409, 201]
    before, after = seen
    assert (type(before), type(after)) == (ResourceChanged, AfterResourceChanged)
    assert before.payload["action"] == ACTIONS.CREATE.value
    kept = [responses[i]["body"]["data"] for i in (0, 2)]
    assert [change["new"] for change in before.impacted_records] == kept
    assert [change["new"] for change in after.impacted_records] == kept


class Brittle(Mushroom):
    """Raises once everything is done, for records of some names."""

    def postprocess(self, result: Any, **kwargs: Any) -> Any:
        body = super().postprocess(result, **kwargs)
        if isinstance(result, dict) and result["name"].startswith("broken"):
            raise httpexceptions.HTTPConflict
        return body


@pytest.mark.clause("X-23")
def test_events_of_a_request_that_is_undone_are_forgotten() -> None:
    seen = []
    app = make_app(
        [Brittle], configure=lambda config: config.add_subscriber(seen.append, ResourceChanged)
    )
    stored = ["cep", "broken", "morel", "broken too"]

    responses = send(app, [creation("/brittles", name=name) for name in stored])

    assert statuses(responses) == [201, 409, 201, 409]
    [event] = seen
    assert [change["new"]["name"] for change in event.impacted_records] == ["cep", "morel"]
    assert names(app, "/v0/brittles") == ["cep", "morel"]


@pytest.mark.clause("X-23")
def test_principals_that_are_undone_are_forgotten() -> None:
    def join(request: Any) -> None:
        request.registry.permission.add_user_principal(request.prefixed_userid, "pickers")
        assert groupfinder(request.prefixed_userid, request) == ["pickers"]
        raise httpexceptions.HTTPConflict

    def show(request: Any) -> dict[str, Any]:
        return {"groups": groupfinder(request.prefixed_userid, request)}

    def configure(config: Any) -> None:
        service = Service(name="groups", path="/groups")
        service.add_view("PUT", join, permission="private")
        service.add_view("GET", show, permission="private")
        config.add_cornice_service(service)

    app = make_app(configure=configure)

    responses = send(app, [{"path": "/groups", "method": "PUT"}, {"path": "/groups"}])

    assert statuses(responses) == [409, 200]
    assert responses[1]["body"] == {"groups": []}


@pytest.mark.clause("X-9", "P-34.4")
def test_requests_on_two_parents_make_two_events() -> None:
    seen = []
    app = make_sharing_app(
        {"cap_create_principals": "system.Authenticated"},
        configure=lambda config: config.add_subscriber(seen.append, ResourceChanged),
    )

    responses = send(app, [creation(f"/forests/{i}/caps", name="c") for i in (1, 2, 1)])

    assert statuses(responses) == [201] * 3
    assert [event.payload["uri"] for event in seen] == ["/forests/1/caps", "/forests/2/caps"]
    assert [len(event.impacted_records) for event in seen] == [2, 1]


@pytest.mark.clause("D-38", "P-22.2")
@pytest.mark.parametrize("error", ["crash", "storage-full"])
def test_a_failed_batch_sends_no_event(error: str) -> None:
    seen = []
    app = make_failing_app(on_change=seen.append, after_change=seen.append)
    requests = [creation(name="cep"), {"path": f"/raises/{error}"}]

    app.post_json("/v0/batch", {"requests": requests}, headers=basic_auth(), status="5*")

    assert seen == []


@pytest.mark.clause("H-34.5")
def test_a_subscriber_that_raises_fails_the_batch_as_a_whole() -> None:
    def refuse(event: Any) -> None:
        raise httpexceptions.HTTPInsufficientStorage

    app = make_failing_app(on_change=refuse)

    send(app, [creation(name="cep"), creation(name="morel")], status=507)

    assert names(app) == []


# What is logged


@pytest.mark.clause("D-38", "S-18.6")
@pytest.mark.parametrize("error", ["crash", "backend"])
def test_a_failure_is_logged_once(error: str, caplog: pytest.LogCaptureFixture) -> None:
    app = make_failing_app()
    caplog.clear()

    with caplog.at_level("ERROR", logger="cliquet"):
        app.post_json(
            "/v0/batch",
            {"requests": [{"path": f"/raises/{error}"}]},
            headers=basic_auth(),
            status="*",
        )

    assert len(caplog.records) == 1
