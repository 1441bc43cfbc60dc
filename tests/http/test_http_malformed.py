"""Malformed requests are refused with a JSON error, and change nothing.

Requests go to the WSGI application as a server would pass them, since clients for tests refuse to
send most of these.
"""

import base64
import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet.testing.web import basic_auth

ID = "d1d1d1d1-0000-4000-8000-000000000001"
DELETED_ID = "d1d1d1d1-0000-4000-8000-000000000002"
JSON = {"Content-Type": "application/json"}
LAST_MS = 253402300799999


@dataclass(frozen=True)
class Case:
    """A request, as bytes on the wire, and the status that it deserves."""

    status: int
    method: str = "GET"
    path: bytes = b"/v0/mushrooms"
    query: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __str__(self) -> Any:
        parts = (self.method, self.path, self.query, self.body, *self.headers.values())
        shown = [part if isinstance(part, str) else repr(part)[2:-1] for part in parts if part]
        return " ".join(shown).encode("unicode_escape").decode()[:90]


def send(app: TestApp, case: Any) -> Any:
    """Call the application as PEP 3333 says; return status, headers and body."""
    environ = {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": case.path.decode("latin-1"),
        "QUERY_STRING": case.query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(case.body)) if case.body else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(case.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in {**basic_auth(), **case.headers}.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value

    sent = []

    def start_response(status: Any, headers: Any, exc_info: Any = None) -> None:
        sent.append((int(status[:3]), headers))

    body = b"".join(app.app(environ, start_response))
    ((status, headers),) = sent
    for name, value in headers:
        # What PEP 3333 asks of applications, and what keeps responses from being split.
        value.encode("latin-1")
        assert not set("\r\n\0") & set(name + value)
    return status, dict(headers), body


def contents(app: TestApp) -> Any:
    """Return every record, tombstone and timestamp of the storage."""
    storage = app.app.registry.storage
    found = {}
    for resource in RESOURCES:
        collection = resource.__name__.lower()
        for parent, timestamp in storage.all_resources_timestamps(collection).items():
            records, _ = storage.get_all(collection, parent, include_deleted=True)
            records = sorted(records, key=lambda record: record["id"])
            found[collection, parent] = (timestamp, records)
    return found


@pytest.fixture(scope="module")
def app() -> TestApp:
    """An application with a record and a tombstone in each collection that is addressed."""
    app = make_app(RESOURCES)
    for name in ("mushrooms", "spores", "psilos"):
        for record_id in (ID, DELETED_ID):
            body = {"data": {"name": "cep"}}
            app.put_json(f"/v0/{name}/{record_id}", body, headers=basic_auth())
        app.delete(f"/v0/{name}/{DELETED_ID}", headers=basic_auth())
    return app


def paths(name: Any) -> dict[str, Any]:
    return {
        "POST": f"/v0/{name}".encode(),
        "PUT": f"/v0/{name}/{ID}".encode(),
        "PATCH": f"/v0/{name}/{ID}".encode(),
    }


def writes(bodies: Any, name: str = "spores", methods: Any = ("POST", "PUT", "PATCH")) -> list[Any]:
    """Return a case for each body and each method."""
    return [
        Case(400, method, paths(name)[method], headers=JSON, body=body)
        for body in bodies
        for method in methods
    ]


def data(text: Any) -> Any:
    """Return the body whose field `n` has a JSON text as value."""
    return b'{"data": {"n": %s}}' % (text if isinstance(text, bytes) else text.encode())


SYNTAX = [
    b"{",
    b"}",
    b"[",
    b"\x00",
    b"   ",
    b"data",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b'[{"data": {}}]',
    b'{"data"',
    b'{"data":}',
    b'{"data": {}',
    b'{"data": {}}}',
    b'{"data": {},}',
    b'{"data": {"a": 1,}}',
    b"{'data': {}}",
    b"{data: {}}",
    b'{"data": {}} trailing',
    b'{"data": {}}{"data": {}}',
    b'{"data": {}} // comment',
    b"data=1&x=2",
    b"<data/>",
]
NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "123456789012345678901234567890",
    "18446744073709551616",
    "-9223372036854775809",
    "9" * 5000,
    "0.12345678901234567890123",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "1_000",
    "--1",
]
TEXTS = [
    rb'"\ud800"',
    rb'"\udc00\ud800"',
    rb'"\ud83d"',
    rb'"a\u0000b"',
    rb'"\x41"',
    rb'"\u12"',
    b'"a\x00b"',
    b'"a\nb"',
    b'"unclosed',
    b'"\xff"',
    b'"\xc3("',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    b'"\xf5\x80\x80\x80"',
    "é".encode("latin-1"),
    '"é"'.encode("latin-1"),
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
]
NESTED = [
    b"[" * 101 + b"]" * 101,
    b"[" * 10_000,
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500,
]
ENCODINGS = [
    '{"data": {}}'.encode("utf-16"),
    '{"data": {}}'.encode("utf-32"),
    b"\xef\xbb\xbf\xef\xbb\xbf" + b'{"data": {}}',
    b"\x1f\x8b\x08\x00garbage",
]
MEMBERS = [
    b'{"data": null}',
    b'{"data": []}',
    b'{"data": 1}',
    b'{"data": "text"}',
    b'{"data": true}',
    b'{"data": {}, "unknown": 1}',
    b'{"data": {}, "permissions": {}}',
    b'{"data": {}, "": 1}',
    b'{"data": {"last_modified": "x"}}',
    b'{"data": {"last_modified": 1.5}}',
    b'{"data": {"last_modified": true}}',
    b'{"data": {"last_modified": []}}',
    b'{"data": {"last_modified": {}}}',
    b'{"data": {"last_modified": -1}}',
    b'{"data": {"last_modified": %d}}' % (LAST_MS + 1),
    b'{"data": {"last_modified": 18446744073709551615}}',
    b'{"data": {"id": 1}}',
    b'{"data": {"id": ""}}',
    b'{"data": {"id": []}}',
    b'{"data": {"id": {}}}',
    b'{"data": {"id": "../x"}}',
    b'{"data": {"id": "%s\\n"}}' % ID.encode(),
    b'{"data": {"id": "%s"}}' % ID.upper().encode(),
]
TYPED = [
    b'{"data": {"rank": "x"}}',
    b'{"data": {"rank": [1]}}',
    b'{"data": {"rank": 1e300}}',
    b'{"data": {"link": 1}}',
    b'{"data": {"link": "no url"}}',
    b'{"data": {"link": {"a": 1}}}',
    b'{"data": {"picked_at": "x"}}',
    b'{"data": {"picked_at": [1]}}',
]

BODIES = [
    *writes(SYNTAX),
    *writes([data(number) for number in NUMBERS]),
    *writes([data(text) for text in TEXTS]),
    *writes([data(nested) for nested in NESTED]),
    *writes(ENCODINGS),
    *writes(MEMBERS),
    *writes(TYPED, name="psilos"),
    *writes([b"", b"{}", b'{"data": null}'], methods=("PATCH",)),
    *writes([b"", b"{}", b'{"data": {}}', b'{"data": {"name": []}}'], "mushrooms", ("POST", "PUT")),
    # H-6.11: reading and deleting parse what is sent.
    *(
        Case(400, method, path, headers=JSON, body=body)
        for method in ("GET", "DELETE")
        for path in (b"/v0/spores", b"/v0/spores/" + ID.encode())
        for body in (b"{", b"[]", b"\xff", data("1e999"), data(rb'"\ud800"'))
    ),
]


def token(value: Any) -> Any:
    """Return a token that holds a JSON value, or bytes."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(raw)


def queries(
    *texts: Any, status: Any = 400, method: Any = "GET", path: Any = b"/v0/mushrooms"
) -> Any:
    return [
        Case(status, method, path, text if isinstance(text, bytes) else text.encode())
        for text in texts
    ]


TIMESTAMPS = ("x", "true", "null", "1.5", "-1", "1e3", '"', '"x"', "[1]", "%00", "%D9%A1", "1%0A")
QUERIES = [
    *queries(*(f"_limit={v}" for v in ("x", "0", "-1", "1.5", "1e3", "true", "%00", "%D9%A1"))),
    *queries("_limit=[1]", "_limit=1%0A", "_limit=%22%22", "_limit=0x10", "_limit=+", "_limit=-0"),
    *queries(*(f"_since={value}" for value in TIMESTAMPS), f"_since={2**53}"),
    *queries(*(f"_to={value}" for value in TIMESTAMPS[:5])),
    *queries(*(f"_before={value}" for value in TIMESTAMPS[:5])),
    *queries(*(f"gt_last_modified={value}" for value in TIMESTAMPS)),
    *queries(*(f"last_modified={value}" for value in TIMESTAMPS)),
    *queries("in_last_modified=1,x", "exclude_last_modified=true", "in_last_modified=1.5"),
    *queries("unknown=1", "gt_unknown=1", "in_unknown=1", "data.name=1", "%00=1", "=1", "name=%00"),
    *queries("_sort=unknown", "_sort=-unknown", "_sort=name,unknown"),
    *queries("_fields=unknown", "_fields=name,unknown", "_fields=%00", "_fields=__class__"),
    *queries("a=%ff", "%ff=1", "name=%c3%28", "name=%ed%a0%80", "name=%c0%af", b"name=\xff"),
    *queries("_sort=%ff", "_token=%ff", "_fields=%f5%80%80%80", method="DELETE"),
    *queries(
        b"_token=x",
        b"_token=====",
        b"_token=%00",
        b"_token=%C3%A9",
        *(
            b"_limit=1&_token=" + token(value)
            for value in (
                b"{",
                b"\xff",
                b"NaN",
                b"[" * 5000,
                None,
                1,
                "x",
                [],
                {},
                [[]],
                {"last_record": 1},
                {"last_record": {}, "offset": -1},
                {"last_record": {"last_modified": "x"}, "offset": 1},
                {"last_record": {"unknown": 1}, "offset": 1},
                {"last_record": {"last_modified": 1}, "offset": "x"},
                {"last_record": {"last_modified": 1}, "offset": 1.5},
                {"last_record": None, "offset": 1},
            )
        ),
    ),
    *queries(
        "last_modified=",
        *(f"last_modified={value}" for value in TIMESTAMPS[:6]),
        f"last_modified={LAST_MS + 1}",
        method="DELETE",
        path=b"/v0/mushrooms/" + ID.encode(),
    ),
    *queries("_since=x", "unknown=1", "_limit=x", "_limit=1&_sort=unknown", method="DELETE"),
]

IDS = [
    b"x",
    b"*",
    b"%",
    b"'",
    b"1",
    b"None",
    b" ",
    b"..",
    b"\x00",
    b"\n",
    b"%00",
    b"%ff",
    "é".encode(),
    "\u0661".encode(),
    ID.upper().encode(),
    ID.encode() + b"\n",
    ID.encode() + b" ",
    b" " + ID.encode(),
    ID.encode() + b"\x00",
    ID.encode()[:-1],
    ID.encode() * 300,
    b"{" + ID.encode() + b"}",
    ID.replace("-", "").encode(),
    ("\u0661" * 8).encode() + ID[8:].encode(),
]
UNDECODABLE = [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"a\x80"]
PATHS = [
    *(Case(400, path=b"/v0/mushrooms/" + record_id) for record_id in IDS),
    *(
        Case(400, method, b"/v0/mushrooms/" + record_id, headers=JSON, body=body)
        for method, body in (
            ("PUT", b'{"data": {"name": "x"}}'),
            ("PATCH", b'{"data": {"name": "x"}}'),
            ("DELETE", b""),
        )
        for record_id in IDS[::4]
    ),
    *(Case(400, path=b"/v0/mushrooms/" + raw) for raw in UNDECODABLE),
    *(Case(400, path=b"/v0/" + raw) for raw in UNDECODABLE),
    *(Case(400, path=b"/" + raw) for raw in UNDECODABLE),
    # Clients make other URLs of these.
    *(Case(400, path=path) for path in (b"/v0/mushrooms/../x", b"/../x", b"/v0/./mushrooms")),
    *(
        Case(404, path=path)
        for path in (
            b"/v0/unknown",
            b"/v0/mushrooms/a/b",
            b"/v0/mushrooms\x00",
            b"/v0/Mushrooms",
            b"/v0//mushrooms",
            b"/v0/mushrooms//x",
            b"/v0" + b"/x" * 5000,
            b"/v0/" + b"x" * 100_000,
            b"/v9/mushrooms",
            b"/v99999999999999999999/",
            b"/v0abc",
            "/v0/é".encode(),
        )
    ),
]

CREATION = b'{"data": {"name": "x"}}'
TAGS = [
    "abc",
    '"abc"',
    '"1',
    '1"',
    '"-1"',
    '"1.5"',
    '"1e3"',
    '""',
    '"true"',
    '"*"',
    '"1\u00b2"',
    '"' + "9" * 400 + '"',
    '"\u00d9\u00a1"',
    "1 2",
]
HEADERS = [
    *(
        Case(400, method, path, headers={**JSON, name: tag}, body=body)
        for name, method, path, body in (
            ("If-Match", "GET", b"/v0/mushrooms", b""),
            ("If-Match", "PUT", b"/v0/mushrooms/" + ID.encode(), CREATION),
            # Other methods ignore it (H-10.5).
            ("If-None-Match", "GET", b"/v0/mushrooms", b""),
        )
        for tag in TAGS
    ),
    *(
        Case(406, path=b"/v0/mushrooms", headers={"Accept": accept})
        for accept in ("a/b", "text/*", "application/json;q=0", "application/xml", "image/png, a/b")
    ),
    *(
        Case(415, "POST", headers={"Content-Type": content_type}, body=CREATION)
        for content_type in (
            "",
            "text/plain",
            "application",
            "/",
            ";",
            "application/json2",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "json",
            "\xff",
            "application/json/x",
        )
    ),
    *(
        Case(401, "POST", headers={**JSON, "Authorization": authorization}, body=CREATION)
        for authorization in (
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic Og==",
            "Basic bWF0",
            "Basic bWF0OjE",
            "Basic \xff\xfe",
            "Bearer x",
            "basic",
            "x" * 100_000,
            "Digest username=\xff",
        )
    ),
    *(
        Case(405, method, body=CREATION, headers=JSON)
        for method in ("PUT", "PATCH", "TRACE", "BREW", "get", "GET ", "", "\xff", "__class__")
    ),
    *(
        Case(400, "OPTIONS", headers={"Origin": "http://a.example", **headers})
        for headers in (
            {},
            {"Access-Control-Request-Method": ""},
            {"Access-Control-Request-Method": "BREW"},
            {"Access-Control-Request-Method": "get"},
            {"Access-Control-Request-Method": "\xff"},
            {"Access-Control-Request-Method": "GET, POST"},
        )
    ),
    # RFC 9112 3.2
    *(
        Case(400, path=b"/v0/", headers={"Host": host})
        for host in ("", "\xff", "a b", "evil.example/x", "localhost:x", ":80", "a" * 5000)
    ),
]
CASES = [*BODIES, *QUERIES, *PATHS, *HEADERS]

# No error shows in which language the service is written.
OF_THE_LANGUAGE = (
    "Traceback",
    "<class",
    "object at 0x",
    "<locals>",
    "Error(",
    "colander.",
    "NoneType",
)


@pytest.mark.clause("D-13", "D-4", "D-10", "D-11", "D-12", "D-14", "D-17", "D-20", "D-21", "H-26.1")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_malformed_request_is_refused_in_json_and_changes_nothing(
    app: TestApp, case: Case
) -> None:
    before = contents(app)

    status, headers, body = send(app, case)

    assert status == case.status, body
    assert headers["Content-Type"].partition(";")[0] == "application/json"
    assert int(headers["Content-Length"]) == len(body)
    error = json.loads(body)
    assert error["code"] == status
    assert type(error["errno"]) is int
    assert isinstance(error["error"], str)
    assert isinstance(error["message"], str)
    assert [word for word in OF_THE_LANGUAGE if word in body.decode()] == []
    assert contents(app) == before


# Odd, but well formed or of no consequence.
ODD = [
    *queries("&&&", "_unknown=1", "__class__=1", "_=1", "_sort=--name", status=200),
    *queries("_sort=%00", "_sort=,,", "_limit=", "_token=", "_fields=", status=200),
    *queries("name=" + "(" * 5000, "name=%F0%9F%8D%84", "name=", status=200),
    *queries("&".join(["name=x"] * 100), "in_name=" + "," * 999, status=200),
    *queries("_limit=" + "9" * 400, "_limit=10000000000", status=200),
    Case(307, path=b""),
    Case(307, path=b"/"),
    Case(307, path=b"//"),
    Case(307, path=b"//evil.example/v0"),
    Case(307, path=b"/\r\nSet-Cookie: a=b"),
    Case(307, path=b"/\x00"),
    Case(307, path="/é".encode()),
    Case(307, path=b"/items", query=b"a=\r\nX: y"),
    Case(307, path=b"/v0/nothing\r\nX: y/"),
    Case(307, path=b"/v0/%2F/"),
    Case(200, headers={"Accept": "\xff"}),
    *(
        Case(200, headers={name: value})
        for name in (
            "Accept-Language",
            "Cookie",
            "Forwarded",
            "If-Modified-Since",
            "If-Range",
            "Origin",
            "Range",
            "Referer",
            "Response-Behavior",
            "User-Agent",
            "X-Forwarded-For",
            "X-HTTP-Method-Override",
            "X-Request-Id",
        )
        for value in ("\xff\xfe", '=;,"', "x" * 10_000, "%00%ff", "")
    ),
    *(Case(200, headers={"Accept": accept}) for accept in ("", " ", "*/*", "application/*;q=0.1")),
    Case(200, headers={"Accept": "application/json, application/json"}),
    Case(200, path=b"/v0/", headers={"Host": "[::1]"}),
    *(
        Case(200, path=b"/v0/", headers={"Authorization": authorization})
        for authorization in ("Basic", "Basic !!!", "Basic \xff", "x" * 5000, "Basic , Basic")
    ),
    Case(200, path=b"/v0/", body=b"\xff", headers=JSON),
    Case(200, headers={"Content-Type": "\xff;=;"}, body=b"{"),
]


@pytest.mark.clause("D-18", "D-23", "H-6.3")
@pytest.mark.parametrize("case", ODD, ids=str)
def test_an_odd_request_is_served_and_changes_nothing(app: TestApp, case: Case) -> None:
    before = contents(app)

    status, headers, body = send(app, case)

    assert status == case.status, body
    if status == 307:
        location = headers["Location"]
        assert location.isascii()
        assert location.startswith("http://localhost/")
        assert not set(" \r\n\0") & set(location)
    else:
        json.loads(body)
    assert contents(app) == before
