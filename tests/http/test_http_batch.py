"""Several requests in one: what is asked, and what is answered (H-25)."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import colander
import pytest
from pyramid.events import NewRequest, NewResponse
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from support.batches import creation, names, send, statuses
from support.shared_apps import make_app
from support.sharing import make_sharing_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service, errors
from cliquet.core import jsonio
from cliquet.testing.web import basic_auth
from cliquet.views import batch_reading
from cliquet.web import bodies

UNKNOWN_ID = "404404ff-0000-4000-8000-000000000001"
MISSING = [{"location": "body", "name": "requests", "description": "requests is missing"}]


def spore(app: TestApp, id: Any = UNKNOWN_ID) -> Any:
    return app.get(f"/v0/spores/{id}", headers=basic_auth()).json["data"]


def put_spore(**body: Any) -> dict[str, Any]:
    return {"method": "PUT", "path": f"/spores/{UNKNOWN_ID}", "body": body}


# The request


@pytest.mark.clause("H-25.1")
def test_batch_is_open_to_anonymous_users_and_each_request_is_checked(app: TestApp) -> None:
    responses = send(app, [{"path": "/"}, {"path": "/mushrooms"}], headers={})

    assert statuses(responses) == [200, 401]


@pytest.mark.clause("H-25.1")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_only_post_is_allowed(app: TestApp, method: str) -> None:
    response = app.request("/v0/batch", method=method, status=405)

    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.clause("H-25.2")
def test_unknown_root_members_are_ignored(app: TestApp) -> None:
    body = {"requests": [{"path": "/"}], "unknown": 1}

    response = app.post_json("/v0/batch", body)

    assert statuses(response.json["responses"]) == [200]


@pytest.mark.clause("H-25.3")
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "TRACE", "POST", "PUT", "PATCH"])
def test_methods_that_are_accepted(app: TestApp, method: str) -> None:
    [response] = send(app, [{"path": "/mushrooms", "method": method}])

    direct = app.request("/v0/mushrooms", method=method, headers=basic_auth(), status="*")
    assert response["status"] == direct.status_int


@pytest.mark.clause("H-25.3")
@pytest.mark.parametrize("item", [{}, {"method": None}, {"headers": None}, {"body": None}])
def test_what_is_absent_or_null_has_its_default(app: TestApp, item: dict[str, Any]) -> None:
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=basic_auth())

    [response] = send(app, [{"path": "/mushrooms", **item}])

    assert [record["name"] for record in response["body"]["data"]] == ["cep"]


@pytest.mark.clause("H-25.3")
def test_unknown_members_are_dropped(app: TestApp) -> None:
    responses = send(app, [{"path": "/", "x": 1}], defaults={"y": 2})

    assert statuses(responses) == [200]


NO_MAPPING = "is not a mapping type: an object is expected"
NO_METHOD = "is not one of GET, HEAD, DELETE, TRACE, POST, PUT, PATCH"


@pytest.mark.clause("H-25.3", "H-25.4", "H-25.5", "D-13", "D-35")
@pytest.mark.parametrize("defaults", [None, {"headers": {"X": "1"}, "body": {"data": {}}}])
@pytest.mark.parametrize(
    ("item", "name", "description"),
    [
        ({}, ".path", "Required"),
        ({"path": None}, ".path", "Required"),
        ({"path": ""}, ".path", "String does not match expected pattern"),
        ({"path": "mushrooms"}, ".path", "String does not match expected pattern"),
        ({"path": 5}, ".path", "5 is not a string"),
        ({"path": ["/"]}, ".path", '["/"] is not a string'),
        ({"path": "/", "method": "get"}, ".method", f'"get" {NO_METHOD}'),
        ({"path": "/", "method": "OPTIONS"}, ".method", f'"OPTIONS" {NO_METHOD}'),
        ({"path": "/", "method": ""}, ".method", f'"" {NO_METHOD}'),
        ({"path": "/", "method": {}}, ".method", "{} is not a string"),
        ({"path": "/", "headers": 3}, ".headers", f'"3" {NO_MAPPING}'),
        ({"path": "/", "headers": []}, ".headers", f'"[]" {NO_MAPPING}'),
        ({"path": "/", "body": "text"}, ".body", f'"text" {NO_MAPPING}'),
        (3, "", f'"3" {NO_MAPPING}'),
        ("/mushrooms", "", f'"/mushrooms" {NO_MAPPING}'),
        (["/"], "", f'"["/"]" {NO_MAPPING}'),
    ],
)
def test_an_invalid_request_is_named(
    app: TestApp, defaults: dict[str, Any] | None, item: object, name: str, description: str
) -> None:
    error = send(app, [{"path": "/"}, item], defaults=defaults, status=400)

    name = f"requests.1{name}"
    detail = {"location": "body", "name": name, "description": description}
    assert (error["errno"], error["error"]) == (107, "Invalid parameters")
    assert error["details"] == [detail]


@pytest.mark.clause("H-25.3", "H-25.5")
@pytest.mark.parametrize("value", [3, None, ["a"], {}])
def test_header_values_must_be_texts(app: TestApp, value: object) -> None:
    error = send(app, [{"path": "/", "headers": {"Accept": value}}], status=400)

    [detail] = error["details"]
    assert detail["name"] == "requests.0.headers"
    assert detail["description"] == f"{ {'Accept': value} } contains non string value"


@pytest.mark.clause("H-25.5", "D-35")
@pytest.mark.parametrize(
    ("requests", "description"),
    [(None, "Required"), (3, '"3" is not an array'), ({}, '"{}" is not an array')],
)
@pytest.mark.parametrize("defaults", [None, {"path": "/"}])
def test_requests_must_be_a_list(
    app: TestApp,
    requests: dict[str, Any] | int | None,
    description: str,
    defaults: dict[str, Any] | None,
) -> None:
    error = send(app, requests, defaults=defaults, status=400)

    assert error["details"] == [
        {"location": "body", "name": "requests", "description": description}
    ]


@pytest.mark.clause("H-25.5")
def test_requests_are_mandatory(app: TestApp) -> None:
    error = app.post_json("/v0/batch", {"defaults": {}}, status=400).json

    assert (error["message"], error["details"]) == ("requests is missing", MISSING)


@pytest.mark.clause("H-25.3", "H-25.5", "D-35")
@pytest.mark.parametrize(
    ("defaults", "name"),
    [
        (3, "defaults"),
        ([], "defaults"),
        ({"path": "mushrooms"}, "defaults.path"),
        ({"method": "get"}, "defaults.method"),
        ({"headers": 3}, "defaults.headers"),
        ({"body": 3}, "defaults.body"),
    ],
)
def test_invalid_defaults_are_named(
    app: TestApp, defaults: dict[str, Any] | int | list[Any], name: str
) -> None:
    own = {"path": "/", "method": "GET", "headers": {}, "body": {}}

    error = send(app, [own], defaults=defaults, status=400)

    assert [detail["name"] for detail in error["details"]] == [name]


@pytest.mark.clause("H-25.5")
def test_one_invalid_request_refuses_all(app: TestApp) -> None:
    send(app, [creation(name="cep"), {"path": "nowhere"}], status=400)

    assert names(app) == []


@pytest.mark.clause("H-25.6")
@pytest.mark.parametrize("content_type", ["text/plain", "application/merge-patch+json"])
def test_a_body_of_another_type_counts_as_empty(app: TestApp, content_type: str) -> None:
    body = json.dumps({"requests": [{"path": "/"}]})

    response = app.post("/v0/batch", body, content_type=content_type, status=400)

    assert response.json["details"] == MISSING


@pytest.mark.clause("H-25.7")
def test_defaults_are_merged_into_each_request_at_every_level(app: TestApp) -> None:
    defaults = {
        "method": "PUT",
        "path": f"/spores/{UNKNOWN_ID}",
        "body": {"data": {"a": 1, "b": {"c": 1}, "l": [1, 2], "n": 1}},
    }
    own = {"body": {"data": {"b": {"d": 2}, "l": [3], "n": None}}}

    send(app, [own], defaults=defaults)

    stored = spore(app)
    assert {name: stored[name] for name in "abln"} == {
        "a": 1,
        "b": {"c": 1, "d": 2},
        "l": [3],
        "n": None,
    }


@pytest.mark.clause("H-25.7")
def test_defaults_are_not_changed_by_the_requests_they_complete(app: TestApp) -> None:
    defaults = {"method": "POST", "path": "/spores", "body": {"data": {"o": {"a": 1}}}}

    responses = send(app, [{"body": {"data": {"o": {"b": 2}}}}, {}], defaults=defaults)

    assert [r["body"]["data"]["o"] for r in responses] == [{"a": 1, "b": 2}, {"a": 1}]


@pytest.mark.clause("H-25.7")
@pytest.mark.parametrize("name", ["If-Match", "if-match"])
def test_own_headers_win_over_defaults_however_they_are_written(app: TestApp, name: str) -> None:
    past, future = '"1"', '"253402300799999"'
    own = {"path": "/mushrooms", "headers": {name: future}}

    [response] = send(app, [own], defaults={"headers": {"If-Match": past}})

    assert response["status"] == 200


@pytest.mark.clause("H-25.7", "P-34.8")
@pytest.mark.parametrize(
    ("own", "default"),
    [({"body": 3}, {"body": {"data": {}}}), ({"headers": "x"}, {"headers": {"a": "b"}})],
)
def test_defaults_of_another_type_do_not_hide_an_invalid_request(
    app: TestApp, own: dict[str, Any], default: dict[str, Any]
) -> None:
    error = send(app, [{"path": "/", **own}], defaults=default, status=400)

    assert [d["name"] for d in error["details"]] == [f"requests.0.{next(iter(own))}"]


@pytest.mark.clause("H-25.8")
def test_nothing_asked_nothing_answered(app: TestApp) -> None:
    response = app.post_json("/v0/batch", {"requests": []})

    assert response.json == {"responses": []}


@pytest.mark.clause("H-25.9", "S-6.1")
@pytest.mark.setting("batch_max_requests")
@pytest.mark.parametrize(("limit", "configured"), [(25, {}), (2, {"batch_max_requests": "2"})])
def test_the_number_of_requests_is_limited(limit: int, configured: dict[str, Any]) -> None:
    app = make_app([Mushroom], settings=configured)
    requests = [creation(name="cep")] * limit

    error = send(app, [*requests, *requests[:1]], status=400)

    description = f"Number of requests is limited to {limit}"
    assert error["message"] == description
    assert error["details"] == [
        {"location": "body", "name": "requests", "description": description}
    ]
    assert names(app) == []
    assert len(send(app, requests)) == limit


@pytest.mark.clause("H-25.9", "S-6.1")
@pytest.mark.parametrize("limit", ["", "0", 0, None])
def test_the_limit_can_be_lifted(limit: int | str | None) -> None:
    app = make_app(settings={"batch_max_requests": limit})

    responses = send(app, [{"path": "/"}] * 30)

    assert len(responses) == 30


@pytest.mark.clause("S-6.1")
def test_the_limit_is_public() -> None:
    app = make_app(settings={"batch_max_requests": 7})

    assert app.get("/v0/").json["settings"]["batch_max_requests"] == 7


RECURSIVE = "Recursive call on /batch endpoint is forbidden."


@pytest.mark.clause("H-25.10", "D-22")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("prefix", ["", "/v0"])
@pytest.mark.parametrize(
    "path",
    ["/batch", "/%62atch", "/%62%61%74%63%68", "/batch/", "/batch//", "/batch%2F", "/batch?x=1"],
)
def test_a_path_that_leads_to_batch_refuses_all(
    app: TestApp, prefix: str, path: str, method: str
) -> None:
    nested = {"path": prefix + path, "method": method, "body": {"requests": []}}

    error = send(app, [creation(name="cep"), nested], status=400)

    assert error["message"] == f"requests in body: {RECURSIVE}"
    assert error["details"] == [{"location": "body", "name": "requests", "description": RECURSIVE}]
    assert names(app) == []


@pytest.mark.clause("D-22")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mushrooms?name=/batch", 200),
        ("/batches", 404),
        ("/mushrooms/batch", 400),
        ("/v0/v0/batch", 404),
        ("//batch", 404),
        ("/%2562atch", 404),
        ("/batch%00", 404),
        ("/Batch", 404),
    ],
)
def test_a_path_that_only_looks_like_batch_is_processed(
    app: TestApp, path: str, status: int
) -> None:
    [response] = send(app, [{"path": path}])

    assert response["status"] == status


@pytest.mark.clause("D-22", "H-2.14")
def test_without_redirection_a_trailing_slash_leads_nowhere() -> None:
    app = make_app(settings={"trailing_slash_redirect_enabled": False})

    [response] = send(app, [{"path": "/batch/"}])

    assert response["status"] == 404


@pytest.mark.clause("H-25.11")
def test_size_is_checked_before_recursion(app: TestApp) -> None:
    error = send(app, [{"path": "/batch"}] * 26, status=400)

    assert error["message"] == "Number of requests is limited to 25"


# Execution


@pytest.mark.clause("H-25.12", "H-34.2", "B-18.3")
def test_each_request_sees_what_the_previous_ones_did(app: TestApp) -> None:
    url = f"/mushrooms/{UNKNOWN_ID}"
    responses = send(
        app,
        [
            {"path": url},
            {"method": "PUT", "path": url, "body": {"data": {"name": "cep"}}},
            {"path": url},
            {"path": "/mushrooms?name=cep"},
            {"method": "DELETE", "path": url},
            {"path": url},
        ],
    )

    assert statuses(responses) == [404, 201, 200, 200, 200, 404]
    assert responses[2]["body"]["data"]["name"] == "cep"
    assert len(responses[3]["body"]["data"]) == 1


@pytest.mark.clause("H-25.13", "P-34.9", "P-26.21")
@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("/mushrooms", "/v0/mushrooms"),
        ("/v0/mushrooms", "/v0/mushrooms"),
        ("/v0", "/v0/"),
        ("/", "/v0/"),
        ("/v1/x", "/v0/v1/x"),
        ("/v01", "/v0/v01"),
        ("/v0items", "/v0/v0items"),
    ],
)
def test_the_version_prefix_is_added_unless_it_is_there(app: TestApp, path: str, used: str) -> None:
    [response] = send(app, [{"path": path}])

    assert response["path"] == used


@pytest.mark.clause("H-25.14")
def test_headers_of_the_batch_are_inherited(app: TestApp) -> None:
    headers = {
        **basic_auth(),
        "If-None-Match": "*",
        "Origin": "http://browser.example",
    }
    creations = [put_spore(data={"a": 1})] * 2

    responses = send(app, creations, headers=headers)

    assert statuses(responses) == [201, 412]
    assert responses[0]["headers"]["Access-Control-Allow-Origin"] == "*"


@pytest.mark.clause("H-25.14")
@pytest.mark.parametrize(
    ("header", "status"),
    [({"Accept": "text/css"}, 406), ({"If-Match": '"1"'}, 412), ({"If-None-Match": "x"}, 400)],
)
def test_negotiation_and_preconditions_are_inherited(
    app: TestApp, header: dict[str, Any], status: int
) -> None:
    [response] = send(app, [{"path": "/mushrooms"}], headers={**basic_auth(), **header})

    assert response["status"] == status


@pytest.mark.clause("H-25.14")
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_own_headers_override_by_name(app: TestApp, name: str) -> None:
    alice = basic_auth("alice")["Authorization"]

    send(app, [{**creation(name="cep"), "headers": {name: alice}}])

    assert names(app) == []
    assert names(app, headers=basic_auth("alice")) == ["cep"]


@pytest.mark.clause("H-25.14")
@pytest.mark.parametrize(
    ("inherited", "refused"),
    [
        ({"If-Match": '"1"'}, 412),
        ({"If-None-Match": '"253402300799999"'}, 304),
        ({"Origin": "http://refused.example"}, 400),
    ],
)
def test_an_empty_value_cancels_an_inherited_header(
    inherited: dict[str, Any], refused: int
) -> None:
    app = make_app([Mushroom], settings={"cors_origins": "http://allowed.example"})
    [name] = inherited
    items = [
        {"path": "/mushrooms", "headers": {name.lower(): value}} for value in (inherited[name], "")
    ]

    responses = send(app, items)
    inheriting = {**basic_auth(), **inherited}
    if name != "Origin":
        responses = send(app, [{"path": "/mushrooms"}, items[1]], headers=inheriting)

    assert statuses(responses) == [refused, 200]


@pytest.mark.clause("H-25.14")
def test_an_empty_authorization_makes_a_request_anonymous(app: TestApp) -> None:
    responses = send(
        app, [{"path": "/mushrooms"}, {"path": "/mushrooms", "headers": {"Authorization": ""}}]
    )

    assert statuses(responses) == [200, 401]


@pytest.mark.clause("H-25.15")
def test_a_body_is_json_whatever_type_is_given(app: TestApp) -> None:
    item = {**creation(name="cep"), "headers": {"content-type": "text/plain"}}

    [response] = send(app, [item])

    assert response["status"] == 201


@pytest.mark.clause("H-25.15", "P-34.10")
@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}])
def test_a_body_has_its_own_length(app: TestApp, headers: dict[str, Any]) -> None:
    responses = send(
        app,
        [
            {**creation(name="cep"), "headers": headers},
            {"path": "/mushrooms", "headers": headers},
            {"path": "/mushrooms", "method": "POST", "headers": headers},
        ],
    )

    assert statuses(responses) == [201, 200, 400]
    assert responses[2]["body"]["message"] == "data is missing"


@pytest.mark.clause("P-34.10")
def test_an_empty_object_is_a_body(app: TestApp) -> None:
    responses = send(
        app,
        [
            put_spore(data={}),
            {"method": "PATCH", "path": f"/spores/{UNKNOWN_ID}", "body": {}},
            {"method": "PATCH", "path": f"/spores/{UNKNOWN_ID}"},
        ],
    )

    assert responses[1]["body"]["message"] == "data is missing"
    assert responses[1]["status"] == 400


@pytest.mark.clause("H-25.16")
@pytest.mark.parametrize("query", ["name=cèpe", "name=c%C3%A8pe"])
def test_query_strings_may_hold_any_character(app: TestApp, query: str) -> None:
    send(app, [creation(name="cèpe"), creation(name="morel")])

    [response] = send(app, [{"path": f"/mushrooms?{query}"}])

    assert [record["name"] for record in response["body"]["data"]] == ["cèpe"]


@pytest.mark.clause("H-25.17")
def test_redirections_are_followed_with_method_headers_and_body(app: TestApp) -> None:
    alice = basic_auth("alice")
    item = {**creation("/mushrooms/", name="cep"), "headers": alice}

    [response] = send(app, [item])

    assert (response["status"], response["path"]) == (201, "/v0/mushrooms")
    assert names(app, headers=alice) == ["cep"]


@pytest.mark.clause("H-25.17", "D-70")
def test_redirections_keep_the_query_string(app: TestApp) -> None:
    send(app, [creation(name="cep"), creation(name="morel")])

    [response] = send(app, [{"path": "/mushrooms/?name=morel"}])

    assert [record["name"] for record in response["body"]["data"]] == ["morel"]


@pytest.mark.clause("H-25.17")
def test_redirections_are_followed_whatever_host_the_request_names(app: TestApp) -> None:
    [response] = send(app, [{"path": "/mushrooms/", "headers": {"Host": "other.example"}}])

    assert (response["status"], response["path"]) == (200, "/v0/mushrooms")


# The response


@pytest.mark.clause("H-25.18", "P-26.19")
def test_responses_tell_path_status_headers_and_body(app: TestApp) -> None:
    responses = send(
        app,
        [
            {"path": "/mushrooms?_limit=1&name=a"},
            {"path": "/mushrooms/%41%20b"},
            {"path": "/mushrooms", "method": "HEAD"},
        ],
    )

    listing, malformed, head = responses
    assert [set(response) for response in responses] == [{"path", "status", "headers", "body"}] * 3
    assert (listing["path"], listing["status"]) == ("/v0/mushrooms", 200)
    assert listing["body"] == {"data": []}
    assert listing["headers"]["Total-Records"] == "0"
    assert malformed["path"] == "/v0/mushrooms/A b"
    assert (head["status"], head["body"]) == (200, "")
    assert head["headers"]["Total-Records"] == "0"


@pytest.mark.clause("H-25.18", "P-34.11")
@pytest.mark.parametrize(
    ("raw", "body"), [(b"caf\xc3\xa9", "café"), (b"\xff", "\N{REPLACEMENT CHARACTER}"), (b"", "")]
)
def test_a_body_that_is_not_json_is_a_text(raw: bytes, body: str) -> None:
    def configure(config: Any) -> None:
        config.add_route("raw", "/raw")
        config.add_view(lambda request: Response(raw, content_type="text/plain"), route_name="raw")

    [response] = send(make_app(configure=configure), [{"path": "/raw"}])

    assert response["body"] == body


@pytest.mark.clause("H-25.5")
@pytest.mark.parametrize("method", [..., None, "POST", "BREW", "", 1, [], "post"])
@pytest.mark.parametrize("path", [..., None, "/a", "a", "", "\n/a", 1, []])
def test_an_item_is_accepted_without_the_schema_only_if_this_gives_it_back(
    method: str, path: str
) -> None:
    for headers in (..., None, {}, {"a": "b"}, {"a": 1}, [], "a"):
        for body in (..., None, {}, {"a": [1]}, [], "a"):
            members = {"method": method, "path": path, "headers": headers, "body": body}
            item = {name: value for name, value in members.items() if value is not ...}
            try:
                accepted = batch_reading._REQUESTS.deserialize([item]) == [item]
            except colander.Invalid:
                accepted = False

            assert batch_reading._is_acceptable(item) is (accepted and not isinstance(body, list))
            assert not batch_reading._is_acceptable({**item, "other": 1})


@pytest.mark.clause("H-25.12")
def test_the_bodies_are_read_once_with_the_batch(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    loads = jsonio.loads_strict

    def reading(text: bytes, **limits: Any) -> Any:
        read.append(text)
        return loads(text, **limits)

    monkeypatch.setattr(jsonio, "loads_strict", reading)
    answers = send(app, [creation(name="Cep"), creation(name="Morel")])

    assert statuses(answers) == [201, 201]
    assert len(read) == 1


def keeping(seen: list[Any]) -> Callable[[Any], None]:
    """Return a configuration with a service that notes its body, and then changes the value."""

    def configure(config: Any) -> None:
        service = Service(name="kept", path="/kept")

        def keep(request: Any) -> dict[str, Any]:
            body = bodies.json_body(request)
            seen.append((jsonio.copied(body), request.json))
            body["tags"].append("changed")
            return {}

        service.add_view("POST", keep, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    return configure


@pytest.mark.clause("H-25.7")
def test_requests_do_not_see_what_others_make_of_the_defaults() -> None:
    seen: list[Any] = []
    client = make_app(configure=keeping(seen))
    defaults = {"method": "POST", "path": "/kept", "body": {"tags": ["a"]}}

    client.post_json("/v0/batch", {"defaults": defaults, "requests": [{}, {}]})

    assert seen == [({"tags": ["a"]}, {"tags": ["a"]})] * 2


@pytest.mark.clause("H-25.12")
def test_a_body_that_a_subscriber_replaces_is_read() -> None:
    seen: list[Any] = []

    def configure(config: Any) -> None:
        def replace(event: NewRequest) -> None:
            if event.request.path == "/v0/kept":
                event.request.body = b'{"tags": ["replaced"]}'

        config.add_subscriber(replace, NewRequest)
        keeping(seen)(config)

    item = {"method": "POST", "path": "/kept", "body": {"tags": ["given"]}}
    send(make_app(configure=configure), [item])

    assert seen == [({"tags": ["replaced"]}, {"tags": ["replaced"]})]


@pytest.mark.clause("H-25.18")
def test_an_answer_does_not_follow_later_changes_of_its_value() -> None:
    def configure(config: Any) -> None:
        seen: dict[str, list[int]] = {"numbers": []}

        def view(request: Any) -> dict[str, list[int]]:
            seen["numbers"].append(len(seen["numbers"]))
            return seen

        config.add_route("counting", "/counting")
        config.add_view(view, route_name="counting", renderer="json")

    responses = send(make_app(configure=configure), [{"path": "/counting"}] * 3)

    assert [r["body"]["numbers"] for r in responses] == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.clause("H-25.18")
def test_an_answer_is_the_body_that_a_subscriber_puts_in_its_place() -> None:
    def configure(config: Any) -> None:
        def replace(event: NewResponse) -> None:
            if event.request.path == "/v0/replaced":
                event.response.body = b'{"b": 2}'

        config.add_subscriber(replace, NewResponse)
        config.add_route("replaced", "/replaced")
        config.add_view(lambda request: {"a": 1}, route_name="replaced", renderer="json")

    [response] = send(make_app(configure=configure), [{"path": "/replaced"}])

    assert response["body"] == {"b": 2}


@pytest.mark.clause("H-25.18", "P-35.8")
def test_an_answer_has_the_converted_values() -> None:
    def configure(config: Any) -> None:
        config.add_route("odd", "/odd")
        config.add_view(
            lambda request: {"a": iter([1, 2]), "b": Decimal("1.5")},
            route_name="odd",
            renderer="json",
        )

    [response] = send(make_app(configure=configure), [{"path": "/odd"}])

    assert response["body"] == {"a": [1, 2], "b": 1.5}


@pytest.mark.clause("H-25.18")
def test_responses_have_the_order_of_the_requests(app: TestApp) -> None:
    paths = ["/mushrooms", "/nowhere", "/", "/mushrooms"]

    responses = send(app, [{"path": path} for path in paths])

    assert [response["path"] for response in responses] == [f"/v0{path}" for path in paths]


@pytest.mark.clause("H-25.22", "H-27.1", "D-39")
def test_backoff_is_on_the_batch_and_on_each_response() -> None:
    app = make_app([Mushroom], settings={"backoff": 10})
    body = {"requests": [{"path": "/mushrooms"}, {"path": "/mushrooms/x"}, {"path": "/x"}]}

    response = app.post_json("/v0/batch", body, headers=basic_auth())

    backoffs = [r["headers"]["Backoff"] for r in response.json["responses"]]
    assert [response.headers["Backoff"], *backoffs] == ["10"] * 4


@pytest.mark.clause("H-25.22")
def test_the_end_of_service_is_told_once() -> None:
    app = make_app([Mushroom], settings={"eos": "2100-01-01"})

    response = app.post_json("/v0/batch", {"requests": [{"path": "/"}]})

    assert json.loads(response.headers["Alert"])["code"] == "soft-eol"
    assert "Alert" not in response.json["responses"][0]["headers"]


@pytest.mark.clause("H-25.22")
def test_an_alert_of_a_request_is_in_its_own_headers() -> None:
    def configure(config: Any) -> None:
        def view(request: Any) -> dict[Any, Any]:
            errors.send_alert(request, "Moved soon.")
            return {}

        config.add_route("alerting", "/alerting")
        config.add_view(view, route_name="alerting", renderer="json")

    app = make_app(configure=configure)

    response = app.post_json("/v0/batch", {"requests": [{"path": "/alerting"}]})

    alert = response.json["responses"][0]["headers"]["Alert"]
    assert json.loads(alert)["message"] == "Moved soon."
    assert "Alert" not in response.headers


@pytest.mark.clause("H-25.23")
@pytest.mark.parametrize(
    "precondition", [{"If-Match": '"1"'}, {"If-None-Match": "*"}, {"If-Match": "malformed"}]
)
def test_preconditions_are_not_those_of_the_batch(
    app: TestApp, precondition: dict[str, Any]
) -> None:
    body = {"requests": [{"path": "/"}]}

    response = app.post_json("/v0/batch", body, headers=precondition, status=200)

    assert "ETag" not in response.headers


@pytest.mark.clause("H-29.14")
def test_responses_have_the_cors_headers_of_their_endpoint(app: TestApp) -> None:
    headers = {**basic_auth(), "Origin": "http://browser.example"}

    responses = send(app, [{"path": "/mushrooms"}, {"path": "/x"}], headers=headers)

    listing, unknown = (response["headers"] for response in responses)
    assert "Total-Records" in listing["Access-Control-Expose-Headers"]
    assert "Total-Records" not in unknown["Access-Control-Expose-Headers"]
    assert unknown["Access-Control-Allow-Origin"] == "http://browser.example"


# Costs


class Counted:
    """A backend that counts the calls of its methods."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.calls = []

    def __getattr__(self, name: Any) -> Any:
        value = getattr(self._backend, name)
        if not callable(value):
            return value

        def counting(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args))
            return value(*args, **kwargs)

        return counting

    def number(self, name: Any) -> Any:
        return [called for called, _ in self.calls].count(name)


@pytest.mark.clause("P-35.15")
def test_a_batch_of_creations_costs_one_create_each(app: TestApp) -> None:
    storage = app.app.registry.storage = Counted(app.app.registry.storage)

    responses = send(app, [creation(name=f"n{i}") for i in range(25)])

    assert statuses(responses) == [201] * 25
    assert storage.number("create") == 25
    assert storage.number("get") <= 1


@pytest.mark.clause("H-4.13", "B-20.7")
def test_groups_are_looked_up_once_per_user() -> None:
    app = make_sharing_app({})
    # By an ACE: where settings permit it, nobody asks for groups.
    app.app.registry.permission.add_principal_to_ace(
        "/toadstools", "toadstool:create", "system.Authenticated"
    )
    permission = app.app.registry.permission = Counted(app.app.registry.permission)
    users = ["mat", "alice", "bob"]

    responses = send(
        app,
        [
            {**creation("/toadstools", name="x"), "headers": basic_auth(users[i % 3])}
            for i in range(24)
        ],
    )

    assert statuses(responses) == [201] * 24
    assert permission.number("user_principals") == 3
