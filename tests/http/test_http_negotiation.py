"""What every body looks like, which media types are taken, and which fault is told first
(sections 1 and 6)."""

import json
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom
from webtest import TestApp

from cliquet.testing.web import basic_auth
from cliquet.web import endpoints

RECORD = "/v0/mushrooms/d1d1d1d1-0000-4000-8000-000000000001"
UNKNOWN = "/v0/mushrooms/d1d1d1d1-0000-4000-8000-00000000ffff"
MALFORMED = "/v0/mushrooms/NO"
COLLECTION = "/v0/mushrooms"
SPORE = "/v0/spores/d1d1d1d1-0000-4000-8000-000000000001"
AUTH = basic_auth()
OFFERS = ("application/json",)
NAMED = b'{"data": {"name": "cep"}}'
JSON = {"Content-Type": "application/json"}
NOT_ACCEPTABLE = "Accept header should be one of ['application/json']"
UNSUPPORTED = "Content-Type header should be one of ['application/json']"
WRITES = [("POST", COLLECTION), ("PUT", RECORD), ("PATCH", RECORD)]
READS = [("GET", COLLECTION), ("GET", RECORD), ("HEAD", RECORD), ("DELETE", RECORD)]


@pytest.fixture(scope="module")
def shared_app() -> TestApp:
    return make_app(RESOURCES)


@pytest.fixture
def app(shared_app: TestApp) -> Any:
    """The same application for all, with one record of each of two resources."""
    shared_app.put_json(RECORD, {"data": {"name": "cep"}}, headers=AUTH)
    shared_app.put_json(SPORE, {"data": {"kept": 1}}, headers=AUTH)
    return shared_app


def send(
    app: TestApp,
    method: str,
    path: str,
    headers: Any = None,
    body: Any = b"",
    status: int | str = "*",
) -> Any:
    """Send exactly these headers: no `Content-Type` of the client's own."""
    environ = {"REQUEST_METHOD": method, "CONTENT_LENGTH": str(len(body)) if body else ""}
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return app.request(path, environ=environ, method=method, body=body, status=status)


# Bodies


@pytest.mark.clause("H-1.1", "X-8", "P-35.7")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v0/", 200),
        ("GET", "/v0/__heartbeat__", 200),
        ("GET", "/v0/__lbheartbeat__", 200),
        ("GET", COLLECTION, 200),
        ("GET", RECORD, 200),
        ("GET", UNKNOWN, 404),
        ("GET", MALFORMED, 400),
        ("GET", "/v0/nothing", 404),
        ("GET", "/v9/", 404),
        ("PATCH", COLLECTION, 405),
        ("PUT", RECORD, 200),
    ],
)
def test_bodies_are_json_in_utf_8(app: TestApp, method: str, path: str, status: int) -> None:
    response = send(app, method, path, {**AUTH, **JSON}, NAMED if method == "PUT" else b"")
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert isinstance(json.loads(response.body.decode("utf-8")), dict)


@pytest.mark.clause("H-1.1")
def test_a_304_has_neither_body_nor_type(app: TestApp) -> None:
    etag = app.get(RECORD, headers=AUTH).headers["ETag"]
    response = app.get(RECORD, headers={**AUTH, "If-None-Match": etag}, status=304)
    assert response.body == b""
    assert "Content-Type" not in response.headers


@pytest.mark.clause("H-1.2", "H-1.3", "P-26.24")
def test_text_comes_back_as_it_was_sent(app: TestApp) -> None:
    name = 'a/b "é" \N{GRINNING FACE} \\ \t'
    body = json.dumps({"data": {"name": name}}, ensure_ascii=False).encode()
    response = send(app, "PUT", RECORD, {**AUTH, **JSON}, body, 200)
    assert response.json["data"]["name"] == name
    assert b"a/b" in response.body


@pytest.mark.clause("H-1.4")
@pytest.mark.parametrize(
    ("path", "status"), [("/v0/", 200), (COLLECTION, 200), (RECORD, 200), (UNKNOWN, 404)]
)
def test_head_is_get_without_body(app: TestApp, path: str, status: int) -> None:
    got = app.get(path, headers=AUTH, status=status)
    head = app.head(path, headers=AUTH, status=status)
    assert head.body == b""
    differs = {"X-Request-Id"}
    assert {n: v for n, v in head.headers.items() if n not in differs} == {
        n: v for n, v in got.headers.items() if n not in differs
    }


@pytest.mark.clause("H-1.5")
def test_resources_answer_an_object_with_data(app: TestApp) -> None:
    assert isinstance(app.get(RECORD, headers=AUTH).json["data"], dict)
    assert isinstance(app.get(COLLECTION, headers=AUTH).json["data"], list)
    assert isinstance(app.post_json(COLLECTION, json.loads(NAMED), headers=AUTH).json["data"], dict)


@pytest.mark.clause("H-1.6")
@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"name": "first", "name": "last"}}',
        b'{"data": {"name": "first"}, "data": {"name": "last"}}',
        b'{"data": {"name": "first", "na\\u006de": "last"}}',
    ],
)
def test_of_repeated_members_the_last_one_wins(app: TestApp, body: bytes) -> None:
    response = send(app, "PUT", RECORD, {**AUTH, **JSON}, body, 200)
    assert response.json["data"]["name"] == "last"


@pytest.mark.clause("H-1.7")
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_byte_order_mark_is_tolerated(app: TestApp, method: str, path: str) -> None:
    response = send(app, method, path, {**AUTH, **JSON}, b"\xef\xbb\xbf" + NAMED)
    assert response.status_code in (200, 201)
    assert response.json["data"]["name"] == "cep"


# Accept


@pytest.mark.clause("H-6.3")
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/*",
        "application/json",
        "APPLICATION/JSON",
        "text/html, application/json;q=0.1",
        "text/html, */*;q=0.01",
    ],
)
def test_accept_may_be_anything_that_admits_json(app: TestApp, accept: str | None) -> None:
    headers = AUTH if accept is None else {**AUTH, "Accept": accept}
    assert send(app, "GET", COLLECTION, headers).status_code == 200


@pytest.mark.clause("H-6.4", "H-26.6", "H-26.4", "P-35.6")
@pytest.mark.parametrize(("method", "path"), [*WRITES, *READS, ("DELETE", COLLECTION)])
@pytest.mark.parametrize(
    "accept", ["text/html", "text/*", "application/xml", "application/json;q=0"]
)
def test_another_media_type_is_not_acceptable(
    app: TestApp, method: str, path: str, accept: str
) -> None:
    response = send(app, method, path, {**AUTH, **JSON, "Accept": accept}, status=406)
    if method == "HEAD":
        return
    assert response.json == {
        "code": 406,
        "errno": 107,
        "error": "Invalid parameters",
        "message": NOT_ACCEPTABLE,
        "details": [{"location": "header", "name": "Accept", "description": NOT_ACCEPTABLE}],
    }


@pytest.mark.clause("H-6.9")
@pytest.mark.parametrize("path", ["/v0/", "/v0/__heartbeat__", "/v0/__lbheartbeat__"])
@pytest.mark.parametrize("accept", ["text/html", "image/png", "text/plain"])
def test_utility_endpoints_answer_json_whatever_is_accepted(
    app: TestApp, path: str, accept: str
) -> None:
    response = send(app, "GET", path, {"Accept": accept}, status=200)
    assert isinstance(json.loads(response.body), dict)


# Content-Type


@pytest.mark.clause("H-6.5", "D-2")
@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "APPLICATION/JSON; Charset=UTF-8",
        "application/json;charset=latin-1",
        "application/json; charset=utf-8; x=y",
    ],
)
def test_writes_take_json_in_any_case_and_with_parameters(
    app: TestApp, method: str, path: str, content_type: str
) -> None:
    response = send(app, method, path, {**AUTH, "Content-Type": content_type}, NAMED)
    assert response.status_code in (200, 201)
    assert response.json["data"]["name"] == "cep"


@pytest.mark.clause("H-6.6", "H-26.6", "X-27", "P-35.6")
@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
@pytest.mark.parametrize("body", [NAMED, b""], ids=["body", "empty"])
def test_another_media_type_is_not_supported(
    app: TestApp, method: str, path: str, content_type: str, body: bytes
) -> None:
    response = send(app, method, path, {**AUTH, "Content-Type": content_type}, body, 415)
    assert response.json == {
        "code": 415,
        "errno": 107,
        "error": "Invalid parameters",
        "message": UNSUPPORTED,
        "details": [{"location": "header", "name": "Content-Type", "description": UNSUPPORTED}],
    }


@pytest.mark.clause("H-6.7")
@pytest.mark.parametrize(("method", "path"), READS)
@pytest.mark.parametrize("content_type", ["text/plain", "image/png", "nonsense"])
def test_reads_and_deletions_take_any_media_type(
    app: TestApp, method: str, path: str, content_type: str
) -> None:
    response = send(app, method, path, {**AUTH, "Content-Type": content_type}, b"what{ever")
    assert response.status_code == 200


@pytest.mark.clause("D-1", "H-6.8")
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_body_without_media_type_is_not_supported(app: TestApp, method: str, path: str) -> None:
    before = app.get(RECORD, headers=AUTH).json
    response = send(app, method, path, AUTH, NAMED, 415)
    assert response.json["message"] == UNSUPPORTED
    assert app.get(RECORD, headers=AUTH).json == before


@pytest.mark.clause("H-6.8")
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_without_body_no_media_type_is_needed(app: TestApp, method: str, path: str) -> None:
    # The body that lacks is the fault, not its type.
    assert send(app, method, path, AUTH).status_code == 400


@pytest.mark.clause("D-1")
def test_a_body_without_media_type_does_not_wipe_a_record_without_schema(app: TestApp) -> None:
    send(app, "PUT", SPORE, AUTH, b'{"data": {"other": 2}}', 415)
    assert app.get(SPORE, headers=AUTH).json["data"]["kept"] == 1


@pytest.mark.clause("H-6.10")
@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "nonsense"])
def test_bodies_are_utf_8_whatever_charset_they_name(app: TestApp, charset: str) -> None:
    headers = {**AUTH, "Content-Type": f"application/json; charset={charset}"}
    response = send(app, "PUT", RECORD, headers, '{"data": {"name": "cèpe"}}'.encode(), 200)
    assert response.json["data"]["name"] == "cèpe"
    refused = send(app, "PUT", RECORD, headers, '{"data": {"name": "cèpe"}}'.encode("latin-1"), 400)
    assert refused.json["message"].startswith("body: Invalid JSON request body")


@pytest.mark.clause("H-6.11")
@pytest.mark.parametrize(("method", "path"), [r for r in READS if r[0] != "HEAD"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{nonsense", 400), (b"[1]", 400), (b'"text"', 400), (b'{"data": {"name": 1}}', 200)],
)
def test_the_json_body_of_reads_and_deletions_is_parsed_then_ignored(
    app: TestApp, method: str, path: str, body: bytes, status: int
) -> None:
    response = send(app, method, path, {**AUTH, **JSON}, body, status)
    if status == 400:
        assert response.json["errno"] == 107
        assert response.json["message"].startswith("body: Invalid JSON")


# Order

INVALID_BODY = b'{"data": {}}'
# Each fault of a request with its status: the first of them decides.
FAULTS = [
    ("accept", 406),
    ("content type", 415),
    ("user", 401),
    ("body", 400),
]


@pytest.mark.clause("H-6.1", "H-6.2", "P-10.6")
@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[name for name, _ in FAULTS])
@pytest.mark.parametrize(("method", "path"), [("POST", COLLECTION), ("PUT", MALFORMED)])
def test_the_first_fault_in_the_order_of_processing_decides(
    app: TestApp, first: int, method: str, path: str
) -> None:
    present = {name for name, _ in FAULTS[first:]}
    headers = {
        "Accept": "text/html" if "accept" in present else "*/*",
        "Content-Type": "text/plain" if "content type" in present else "application/json",
        **({} if "user" in present else AUTH),
    }
    response = send(app, method, path, headers, INVALID_BODY)
    assert response.status_code == FAULTS[first][1]


@pytest.mark.clause("H-6.1")
def test_the_end_of_service_comes_before_the_method() -> None:
    app = make_app([Mushroom], settings={"eos": "2000-01-01"})
    send(app, "PATCH", COLLECTION, status=410)


@pytest.mark.clause("H-6.1", "H-6.2")
def test_the_method_comes_before_negotiation_and_the_user(app: TestApp) -> None:
    headers = {"Accept": "text/html", "Content-Type": "text/plain"}
    send(app, "PATCH", COLLECTION, headers, b"{", 405)


@pytest.mark.clause("H-6.1")
def test_faults_of_body_query_string_and_origin_are_collected() -> None:
    app = make_app([Mushroom], settings={"cors_origins": "http://a.example"})
    headers = {**AUTH, **JSON, "Origin": "http://b.example"}
    response = send(app, "POST", COLLECTION, headers, INVALID_BODY, 400)
    assert {(item["location"], item["name"]) for item in response.json["details"]} == {
        ("header", "Origin"),
        ("body", "data.name"),
    }


@pytest.mark.clause("X-6", "H-29.4")
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_origin_that_is_not_allowed_is_refused(method: str) -> None:
    app = make_app([Mushroom], settings={"cors_origins": "http://a.example"})
    headers = {**AUTH, **JSON, "Origin": "http://b.example"}
    if method == "OPTIONS":
        headers["Access-Control-Request-Method"] = "GET"
    response = send(app, method, COLLECTION, headers, NAMED if method == "POST" else b"", 400)
    assert response.json["errno"] == 107
    assert response.json["details"] == [
        {
            "location": "header",
            "name": "Origin",
            "description": "http://b.example not allowed",
        }
    ]


LATER = '"253402300799999"'
ANOTHER_ID = b'{"data": {"id": "other"}}'


@pytest.mark.clause("H-6.1")
@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "says"),
    [
        # Body, then id.
        ("PUT", MALFORMED, {}, INVALID_BODY, 400, "data.name"),
        # Id, then existence and preconditions.
        ("PATCH", MALFORMED, {"If-Match": '"1"'}, NAMED, 400, "Invalid record id"),
        ("GET", MALFORMED, {"If-None-Match": LATER}, b"", 400, "Invalid record id"),
        # Existence, then preconditions.
        ("GET", UNKNOWN, {"If-Match": '"1"'}, b"", 404, "could not be found"),
        ("DELETE", UNKNOWN, {"If-Match": '"1"'}, b"", 404, "could not be found"),
        # 304, then 412.
        ("GET", COLLECTION, {"If-None-Match": LATER, "If-Match": '"1"'}, b"", 304, ""),
        # Preconditions, then the query string.
        ("GET", COLLECTION + "?_limit=x", {"If-None-Match": LATER}, b"", 304, ""),
        ("GET", COLLECTION + "?_limit=x", {"If-Match": '"1"'}, b"", 412, "modified meanwhile"),
        ("GET", COLLECTION + "?_limit=x", {"If-Match": "abc"}, b"", 400, "If-Match"),
        # The query string, in order.
        ("GET", COLLECTION + "?_fields=z&_sort=z&_limit=x&z=1", {}, b"", 400, "Unknown filter"),
        ("GET", COLLECTION + "?_token=x&_fields=z&_sort=z&_limit=x", {}, b"", 400, "_limit"),
        ("GET", COLLECTION + "?_token=x&_fields=z&_sort=z", {}, b"", 400, "Unknown sort"),
        ("GET", COLLECTION + "?_token=x&_fields=z", {}, b"", 400, "_fields"),
        ("GET", COLLECTION + "?_token=x", {}, b"", 400, "_token"),
        # Preconditions, then what depends on the record.
        ("PATCH", SPORE, {"If-Match": '"1"'}, ANOTHER_ID, 412, "modified meanwhile"),
        ("PATCH", SPORE, {}, ANOTHER_ID, 400, "Record id does not match existing record"),
    ],
)
def test_later_steps_come_in_order(
    app: TestApp,
    method: str,
    path: str,
    headers: dict[str, Any],
    body: bytes,
    status: int,
    says: str,
) -> None:
    response = send(app, method, path, {**AUTH, **JSON, **headers}, body, status)
    if status != 304:
        assert says in json.dumps(response.json)


@pytest.mark.clause("H-6.1")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"age": 3, "email": "taken@example.org"}, 400),
        ({"name": [], "email": "taken@example.org"}, 400),
        ({"email": "taken@example.org"}, 409),
    ],
)
def test_unicity_comes_last(app: TestApp, data: dict[str, Any], status: int) -> None:
    first, second = (f"/v0/truffles/d1d1d1d1-0000-4000-8000-00000000000{n}" for n in (1, 2))
    body = {"data": {"name": "black", "email": "taken@example.org", "age": 1}}
    app.put_json(first, body, headers=AUTH)
    app.put_json(second, {"data": {"name": "white", "age": 1}}, headers=AUTH)
    app.patch_json(second, {"data": data}, headers=AUTH, status=status)


@pytest.mark.clause("H-6.2")
def test_negotiation_needs_no_user_but_the_body_does(app: TestApp) -> None:
    send(app, "POST", COLLECTION, {"Accept": "text/html", **JSON}, NAMED, 406)
    send(app, "POST", COLLECTION, {"Content-Type": "text/plain"}, NAMED, 415)
    send(app, "POST", COLLECTION, JSON, b"{nonsense", 401)


# Encoding of URLs


@pytest.mark.clause("D-14")
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v0/mushrooms/%ff", ""),
        ("/v0/caf%e9", ""),
        ("/%ff", ""),
        ("/v0/%c3/", ""),
        ("/v0/mushrooms", "a=%ff"),
        ("/v0/mushrooms", "%e9=1"),
        ("/v0/", "a=%c3%28"),
        ("/v0/nothing", "a=%ed%a0%80"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
def test_urls_that_are_not_utf_8_are_refused_as_any_request(
    app: TestApp, method: str, path: str, query: str
) -> None:
    url = f"{path}?{query}" if query else path
    response = send(app, method, url, {**AUTH, "Origin": "http://a.example"})
    assert response.status_code in (400, 404)
    assert response.content_type == "application/json"
    if method != "HEAD":
        assert response.json["code"] == response.status_code
    assert response.headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert "Authorization" in response.headers["Vary"]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("media_range", ["a/b;q=0.1, ", "a/b;c=d, "])
@pytest.mark.parametrize(
    ("value", "size", "status"), [(None, 8190, 200), (None, 8191, 431), ("", 20_000, 200)]
)
def test_a_list_of_media_types_is_bounded(
    media_range: str, value: str | None, size: int, status: int
) -> None:
    app = make_app(RESOURCES, settings={} if value is None else {"max_url_bytes": value})
    accept = media_range * (size // len(media_range))
    accept = "*/*, " + accept[: size - 5].rstrip(", ") + "," * 20

    response = app.get("/v0/", headers={"Accept": accept[:size]}, status=status)

    if status == 431:
        assert response.json["errno"] == 107
        assert response.json["message"].endswith("8190 bytes (setting max_url_bytes)")


# What is remembered


@pytest.mark.clause("H-6.3", "H-6.4")
def test_a_verdict_is_the_same_the_second_time(app: TestApp) -> None:
    for accept, status in [("text/*", 406), ("text/*;q=0.5, */*;q=0.1", 200), (";;", 200)] * 2:
        assert send(app, "GET", COLLECTION, {**AUTH, "Accept": accept}).status_code == status


def test_verdicts_are_those_of_each_offer() -> None:
    asked = [endpoints.admits_any("text/plain", (offer,)) for offer in ("text/plain", *OFFERS)]

    assert asked == [True, False]


def test_verdicts_are_remembered_of_few_short_texts() -> None:
    endpoints._judged.cache_clear()
    for number in range(1000):
        assert not endpoints.admits_any(f"text/x{number}", OFFERS)
    assert endpoints._judged.cache_info().currsize <= 256

    before = endpoints._judged.cache_info()
    assert not endpoints.admits_any("text/plain," * 100, OFFERS)
    assert endpoints._judged.cache_info() == before
