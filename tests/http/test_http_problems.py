"""Errors in the form of RFC 9457, for clients that ask for it by name."""

import json
import re
from typing import Any

import pytest
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.errors import ERRORS
from cliquet.testing.web import basic_auth
from cliquet.web.problem_types import TYPES, example

AUTH = basic_auth()
PROBLEM = "application/problem+json"
BOTH = f"application/json, {PROBLEM}"
FAILED = [outcome for outcome in OUTCOMES if outcome.status >= 400]
# Its body says which backend fails, and is no error of the protocol.
TOLD = [outcome for outcome in FAILED if outcome.name != "heartbeat"]
MEMBERS = ("code", "errno", "error", "info", "details")
PAST = "2000-01-01"


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_outcomes_app()


def named(accept: str, outcome: Outcome) -> str:
    """Return the value of `Accept`, for an outcome that depends on this header itself."""
    return PROBLEM if outcome.name == "not-acceptable" else accept


def is_problem(response: Any) -> bool:
    return bool(response.headers["Content-Type"] == PROBLEM)


# The form


@pytest.mark.clause("E-20.3")
@pytest.mark.parametrize("outcome", TOLD, ids=lambda outcome: outcome.name)
def test_every_error_is_a_problem_with_all_that_it_has_as_json(
    app: TestApp, outcome: Outcome
) -> None:
    plain = outcome(app)
    response = outcome(app, Accept=named(BOTH, outcome))

    assert response.content_type == PROBLEM
    assert "charset" not in response.headers["Content-Type"]
    body = response.json
    assert body["status"] == plain.status_code
    assert body.get("detail") == plain.json.get("message")
    assert "message" not in body
    if outcome.name not in ("conflict", "precondition", "not-acceptable"):
        # The others tell of timestamps, which differ, or of the header itself.
        for member in MEMBERS:
            assert body.get(member) == plain.json.get(member)
    assert body["title"]
    assert [*body][:3] == ["type", "title", "status"]


@pytest.mark.clause("E-20.3", "H-30.6")
@pytest.mark.parametrize("outcome", FAILED, ids=lambda outcome: outcome.name)
def test_headers_are_the_same_but_for_the_form(app: TestApp, outcome: Outcome) -> None:
    plain = outcome(app, Origin="http://a.example")
    response = outcome(app, Origin="http://a.example", Accept=named(BOTH, outcome))

    if outcome.name == "heartbeat":
        assert response.headers["Content-Type"] == plain.headers["Content-Type"]
        assert response.headers["Vary"] == plain.headers["Vary"]
        return
    differing = {"Content-Type", "Content-Length", "Vary", "X-Request-Id", "ETag", "Last-Modified"}
    for name in {*plain.headers, *response.headers} - differing:
        assert response.headers.getall(name) == plain.headers.getall(name)
    assert response.headers["Vary"] == f"{plain.headers['Vary']}, Accept"
    assert response.headers["Content-Length"] == str(len(response.body))
    assert {*response.headers} == {*plain.headers}


@pytest.mark.clause("E-20.3")
def test_head_has_the_headers_of_get(app: TestApp) -> None:
    headers = {**AUTH, "Accept": BOTH}
    for url in ("/v0/mushrooms?_limit=x", "/v0/nothing"):
        get = app.get(url, headers=headers, expect_errors=True)
        head = app.head(url, headers=headers, expect_errors=True)
        assert is_problem(get)
        assert is_problem(head)
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert head.body == b""


# Who gets it


@pytest.mark.clause("E-20.3")
@pytest.mark.parametrize(
    "accept",
    [
        PROBLEM,
        BOTH,
        f"{PROBLEM}, application/json",
        f"{PROBLEM}, */*;q=0.1",
        f"{PROBLEM};q=0.5, application/json;q=0.5",
        f"{PROBLEM};q=0.5, application/json;q=0.4, */*",
        f"{PROBLEM};q=0.1, text/html",
        "Application/Problem+JSON",
        f"{PROBLEM}; charset=utf-8",
        f"{PROBLEM};q=0.2, {PROBLEM};x=1;q=0.9, application/json;q=0.8",
        f"{BOTH}, {'text/x-long, ' * 40}text/html",
    ],
)
def test_a_client_that_names_the_form_gets_it(app: TestApp, accept: str) -> None:
    response = app.get("/v0/nothing", headers={"Accept": accept}, status=404)
    assert is_problem(response)


@pytest.mark.clause("E-20.3", "H-26.1")
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/*",
        "application/json",
        "application/*, */*;q=0.1",
        f"application/json, {PROBLEM};q=0.9",
        f"*/*, {PROBLEM};q=0.9",
        f"application/*;q=0.8, {PROBLEM};q=0.7",
        f"{PROBLEM};q=0",
        f"{PROBLEM};q=0, */*",
        f"{PROBLEM}x",
        f'text/html;a="{PROBLEM}"',
        f"{PROBLEM};;;=, ???",
    ],
)
def test_any_other_client_gets_the_same_bytes_as_ever(app: TestApp, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}

    response = app.get("/v0/nothing", headers=headers, status=404)

    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert response.body == (
        b'{"code":404,"errno":111,"error":"Not Found",'
        b'"message":"The resource you are looking for could not be found."}'
    )
    assert response.headers["Vary"] == "Authorization, Origin"


@pytest.mark.clause("E-20.3", "H-6.3")
def test_what_is_no_error_stays_json(app: TestApp) -> None:
    response = app.get("/v0/mushrooms", headers={**AUTH, "Accept": BOTH}, status=200)

    assert response.content_type == "application/json"
    assert "Accept" not in response.headers["Vary"]
    # Records are no problems, so that a client has to accept JSON too.
    refused = app.get("/v0/mushrooms", headers={**AUTH, "Accept": PROBLEM}, status=406)
    assert is_problem(refused)


# Wherever an error comes from


@pytest.mark.clause("E-20.3", "H-28.3")
def test_errors_before_and_around_all_views_are_problems_too() -> None:
    headers = {"Accept": PROBLEM}
    small = make_app([Mushroom], settings={"max_body_bytes": "100", "allowed_hosts": "a.example"})
    answers = [
        make_app(settings={"eos": PAST}).get("/v0/", headers=headers, expect_errors=True),
        small.get("/v0/", headers={**headers, "Host": "b.example"}, expect_errors=True),
        small.get("/v0/", headers={**headers, "Host": "a b"}, expect_errors=True),
        small.post("/v0/batch", "{" * 200, headers=headers, expect_errors=True),
        small.get("/v0/%ff", headers={**headers, "Host": "a.example"}, expect_errors=True),
        small.get("/v0/a/../b", headers={**headers, "Host": "a.example"}, expect_errors=True),
        small.post_json("/v0/", {}, headers={**headers, "Host": "a.example"}, expect_errors=True),
    ]

    assert [answer.status_code for answer in answers] == [410, 400, 400, 413, 400, 400, 405]
    for answer in answers:
        assert is_problem(answer)
        assert "Accept" in answer.headers["Vary"].split(", ")


@pytest.mark.clause("E-20.3", "H-27.3")
def test_an_error_of_a_backend_keeps_its_time(app: TestApp) -> None:
    response = app.get("/v0/raises/backend", headers={**AUTH, "Accept": PROBLEM}, status=503)

    assert is_problem(response)
    assert response.headers["Retry-After"] == "30"
    assert "secret" not in response.text


def failing(make: Any, settings: Any = None, **arguments: Any) -> TestApp:
    """Return a client of an application whose URL `/fails` answers with a response."""

    class MappedError(Exception):
        """An error that the application answers itself."""

    def fail(request: Any) -> Any:
        raise MappedError

    def configure(config: Any) -> None:
        service = Service(name="fails", path="/fails")
        service.add_view("GET", fail, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        config.add_exception_view(lambda error, request: make(), context=MappedError)

    return make_app(settings=settings, configure=configure)


@pytest.mark.clause("E-20.3", "H-26.10")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"Sorry."),
        ("application/json", b"Sorry."),
        ("application/json", b"[1]"),
        ("application/json", b'{"error":"Sorry."}'),
        ("application/json", b'{"errno":"none"}'),
        (PROBLEM, b'{"type":"https://a.example/sorry"}'),
    ],
)
def test_other_forms_of_the_application_stay(content_type: str, body: bytes) -> None:
    client = failing(lambda: Response(body, status=409, content_type=content_type))

    request = Request.blank("/v0/fails", headers={"Accept": BOTH})
    response = request.get_response(client.app)

    assert response.status_code == 409
    assert (response.content_type, response.body) == (content_type, body)
    assert "Accept" not in response.headers["Vary"].split(", ")


# Batch


@pytest.mark.clause("E-20.3", "H-25.14")
def test_each_request_of_a_batch_has_its_own_form(app: TestApp) -> None:
    requests = [
        {"path": "/nothing"},
        {"path": "/nothing", "headers": {"Accept": "application/json"}},
        {"path": "/nothing", "headers": {"accept": PROBLEM}},
        {"path": "/mushrooms", "method": "POST", "headers": {"Accept": BOTH}, "body": {"data": {}}},
        {"path": "/mushrooms", "method": "PUT", "headers": {"Accept": PROBLEM}},
    ]

    def forms(**headers: str) -> list[str]:
        sent = {**AUTH, **headers}
        answer = app.post_json("/v0/batch", {"requests": requests}, headers=sent, status=200)
        for one in answer.json["responses"]:
            is_one = one["headers"]["Content-Type"] == PROBLEM
            assert ("type" in one["body"]) == ("Accept" in one["headers"]["Vary"]) == is_one
            assert one["headers"]["Content-Length"] == str(
                len(json.dumps(one["body"], separators=(",", ":")))
            )
        return [one["headers"]["Content-Type"] for one in answer.json["responses"]]

    plain = "application/json; charset=UTF-8"
    assert forms() == [plain, plain, PROBLEM, PROBLEM, PROBLEM]
    # It has the headers of the batch, if not its own.
    assert forms(Accept=BOTH) == [PROBLEM, plain, PROBLEM, PROBLEM, PROBLEM]


@pytest.mark.clause("E-20.3")
def test_a_batch_that_fails_as_a_whole_is_a_problem(app: TestApp) -> None:
    headers = {**AUTH, "Accept": PROBLEM}
    for requests, status in (([3], 400), (3, 400), ([{"path": "/raises/crash"}], 500)):
        body = {"requests": requests}
        answer = app.post_json("/v0/batch", body, headers=headers, status=status)
        assert is_problem(answer)


@pytest.mark.clause("E-20.3", "X-34")
def test_a_request_that_a_batch_does_not_begin_has_its_own_form_too() -> None:
    # The first answer uses up what is allowed.
    client = make_app(RESOURCES, settings={"max_response_bytes": "100", "max_url_bytes": "2000"})
    requests = [
        {"path": f"/{'a' * 3000}", "headers": {"Accept": PROBLEM}},
        {"path": "/", "headers": {"Accept": PROBLEM, "X-Long": "a" * 3000}},
        {"path": "/", "headers": {"Accept": f"{PROBLEM}, {'a/b, ' * 300}a/c"}},
        {"path": "/", "headers": {"Accept": PROBLEM}},
        {"path": "/"},
    ]

    answer = client.post_json("/v0/batch", {"requests": requests}, headers=AUTH, status=200)

    told = [
        (one["status"], one["headers"]["Content-Type"].partition(";")[0])
        for one in answer.json["responses"]
    ]
    plain = "application/json"
    assert told[0] == (414, PROBLEM)
    # A long header is not read at all.
    assert told[1:] == [(503, PROBLEM), (503, plain), (503, PROBLEM), (503, plain)]


@pytest.mark.clause("E-20.3", "H-26.11")
def test_an_error_that_the_batch_words_itself_has_the_form_too() -> None:
    client = failing(lambda: Response(b"Sorry.", status=409, content_type="text/plain"))
    requests = [{"path": "/fails", "headers": {"Accept": PROBLEM}}, {"path": "/fails"}]

    answer = client.post_json("/v0/batch", {"requests": requests}, status=200)

    problem, plain = answer.json["responses"]
    assert problem["headers"]["Content-Type"] == PROBLEM
    assert problem["body"]["type"] == "/v0/__errors__/999"
    assert plain["body"] == {"code": 409, "errno": 999, "error": "Conflict"}


# The type, and its page


@pytest.mark.clause("E-20.3", "E-20.4")
@pytest.mark.parametrize("outcome", TOLD, ids=lambda outcome: outcome.name)
def test_the_type_leads_to_a_page(app: TestApp, outcome: Outcome) -> None:
    body = outcome(app, Accept=named(BOTH, outcome)).json

    if outcome.name == "application-error":
        # Only the application knows its own number.
        assert (body["type"], body["title"]) == ("about:blank", body["error"])
        return
    assert body["type"] == f"/v0/__errors__/{body['errno']}"
    page = app.get(body["type"], status=200)
    assert page.content_type == "text/html"
    assert f"<h1>Error {body['errno']}: {body['title']}</h1>" in page.text


@pytest.mark.clause("E-20.3")
def test_the_type_knows_where_the_service_is_mounted(app: TestApp) -> None:
    environ = {"SCRIPT_NAME": "/a b"}
    headers = {"Accept": PROBLEM}
    response = app.get("/v0/nothing", headers=headers, extra_environ=environ, status=404)
    assert response.json["type"] == "/a%20b/v0/__errors__/111"


@pytest.mark.clause("E-20.3")
@pytest.mark.setting("problem_type_url")
def test_the_type_may_lead_to_another_site() -> None:
    url = "https://docs.example/errors#"
    client = make_outcomes_app({"problem_type_url": url})
    headers = {**AUTH, "Accept": PROBLEM}

    missing = client.get("/v0/nothing", headers=headers, status=404).json
    own = client.get("/v0/raises/teapot", headers=headers, status=409).json

    assert (missing["type"], own["type"]) == (f"{url}111", f"{url}4711")


@pytest.mark.clause("E-20.4")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_each_number_has_a_page_with_an_example(app: TestApp, error: ERRORS) -> None:
    page = app.get(f"/v0/__errors__/{error.value}", status=200)

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "max-age=3600"
    assert f"<code>{error.name}</code>" in page.text
    assert "``" not in page.text
    # Code or addresses of other hosts would be no part of a page for all.
    assert not re.search(r"<script|<style|<link|<img|\son\w+=|\sstyle=|src=|href=", page.text)
    (shown,) = re.findall("<pre>(.*)</pre>", page.text, re.DOTALL)
    problem = json.loads(shown)
    assert problem["type"] == f"/v0/__errors__/{error.value}"
    assert (problem["status"], problem["errno"]) == (error.status, error.value)
    assert problem["detail"]


@pytest.mark.clause("E-20.4")
@pytest.mark.parametrize("errno", ["0", "0111", "4711", "x", "%e2%82%ac"])
def test_other_numbers_have_no_page(app: TestApp, errno: str) -> None:
    assert app.get(f"/v0/__errors__/{errno}", status=404).json["errno"] == 111


@pytest.mark.clause("E-20.4")
def test_an_address_of_the_application_stays_its_own() -> None:
    def configure(config: Any) -> None:
        service = Service(name="own-errors", path="/__errors__/{errno}")
        service.add_view("GET", lambda request: {"own": True}, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    assert make_app(configure=configure).get("/v0/__errors__/111").json == {"own": True}


@pytest.mark.clause("E-20.4")
def test_each_number_is_explained() -> None:
    assert set(TYPES) == set(ERRORS)
    for error, kind in TYPES.items():
        assert kind.title
        assert kind.meaning.endswith(".")
        assert kind.advice.endswith(".")
        assert error.sentence or kind.message
        assert example(error)["message"]
    titles = [kind.title for kind in TYPES.values()]
    assert len(set(titles)) == len(titles)
