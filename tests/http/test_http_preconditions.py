"""Conditional requests (H-10)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.listings import invalid, state
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet.testing.web import basic_auth

URL = "/v0/mushrooms"
NAMED = {"data": {"name": "new"}}
# Far from the clock, so that no timestamp of the server is mistaken for one of these.
RECORD_MS = 1_430_222_877_724
RECORD_DATE = "Tue, 28 Apr 2015 12:07:57 GMT"
COLLECTION_MS = 253_370_764_799_000
COLLECTION_DATE = "Thu, 31 Dec 9998 23:59:59 GMT"
FUTURE = '"9007199254740991"'
IF_MATCH_FAULT = "Invalid value for If-Match. The value should be integer between double quotes."
IF_NONE_MATCH_FAULT = "Invalid value for If-None-Match"


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(RESOURCES, settings={"timestamp_max_ahead_seconds": ""})


@dataclass(frozen=True)
class Collection:
    """A user's collection: two records, of which one is older than the collection, a tombstone."""

    app: object
    headers: dict[str, str]
    live: str
    tombstone: str
    never: str

    def send(self, request: Any, conditions: Any, **kwargs: Any) -> Any:
        """Send a request of the table with more headers."""
        method, target = request.split(" ", 1)
        method = method.lower()
        headers = {**self.headers, **conditions}
        data = dict(NAMED["data"])
        url = URL
        if method == "post":
            if target != "no id":
                data["id"] = getattr(self, target)
        elif target != "collection":
            url = f"{URL}/{getattr(self, target)}"
        if method in ("post", "put", "patch"):
            return getattr(self.app, f"{method}_json")(
                url, {"data": data}, headers=headers, **kwargs
            )
        return getattr(self.app, method)(url, headers=headers, **kwargs)

    def state(self) -> Any:
        return state(self.app, self.headers, URL)


@pytest.fixture
def collection(app: TestApp) -> Any:
    headers = basic_auth(uuid.uuid4().hex)
    live, tombstone, latest, never = (str(uuid.uuid4()) for _ in range(4))

    def put(record_id: Any, timestamp: Any) -> None:
        data = {"name": "old", "last_modified": timestamp}
        app.put_json(f"{URL}/{record_id}", {"data": data}, headers=headers, status=201)

    put(live, RECORD_MS)
    put(tombstone, RECORD_MS - 1)
    app.delete(f"{URL}/{tombstone}?last_modified={RECORD_MS}", headers=headers)
    put(latest, COLLECTION_MS)
    return Collection(app, headers, live, tombstone, never)


# The whole table. Requests on a record are compared with RECORD_MS, although the collection is
# much newer; those on a collection with COLLECTION_MS. The columns are `If-Match` newer or equal,
# the same older, `If-None-Match` with a timestamp unchanged, the same changed, `If-None-Match: *`
# and, as decided later, `If-Match: *`.
ON_COLLECTION = [
    ("GET collection", 200, 412, 304, 200, 200, 200),
    ("HEAD collection", 200, 412, 304, 200, 200, 200),
    ("POST no id", 201, 412, 201, 201, 201, 201),
    ("POST never", 201, 412, 201, 201, 201, 201),
    ("POST tombstone", 201, 412, 201, 201, 201, 201),
    ("DELETE collection", 200, 412, 200, 200, 200, 200),
]
ON_RECORD = [
    ("GET live", 200, 412, 304, 200, 412, 200),
    ("HEAD live", 200, 412, 304, 200, 412, 200),
    ("POST live", 200, 412, 200, 200, 412, 200),
    ("PUT live", 200, 412, 200, 200, 412, 200),
    ("PUT tombstone", 201, 412, 201, 201, 201, 412),
    ("PATCH live", 200, 412, 200, 200, 412, 200),
    ("DELETE live", 200, 412, 200, 200, 412, 200),
]
ON_NOTHING = [
    *[
        (f"{method} {target}", 404, 404, 404, 404, 404, 404)
        for method in ("GET", "HEAD", "PATCH", "DELETE")
        for target in ("never", "tombstone")
    ],
    ("PUT never", 412, 412, 201, 201, 201, 412),
]


def _cells() -> Iterator[Any]:
    tables = [
        (ON_COLLECTION, COLLECTION_MS),
        (ON_RECORD, RECORD_MS),
        (ON_NOTHING, RECORD_MS),
    ]
    for table, current in tables:
        for request, *statuses in table:
            columns = [
                ("If-Match", [f'"{current}"', FUTURE], statuses[0]),
                ("If-Match", [f'"{current - 1}"', '"0"'], statuses[1]),
                ("If-None-Match", [f'"{current}"'], statuses[2]),
                ("If-None-Match", [f'"{current - 1}"'], statuses[3]),
                ("If-None-Match", ["*"], statuses[4]),
                ("If-Match", ["*"], statuses[5]),
            ]
            for header, values, status in columns:
                for value in values:
                    yield pytest.param(
                        request, header, value, status, id=f"{request}-{header}-{value}"
                    )


@pytest.mark.clause("H-10.6", "H-10.1", "H-10.2", "H-10.3", "H-10.11", "X-1", "X-2", "X-14")
@pytest.mark.parametrize(("request_", "header", "value", "status"), list(_cells()))
def test_the_table_of_preconditions(
    collection: Collection, request_: str, header: str, value: str, status: int
) -> None:
    before = collection.state()

    response = collection.send(request_, {header: value}, status=status)

    if status >= 300 or request_.startswith(("GET", "HEAD", "POST live")):
        assert collection.state() == before
    else:
        assert collection.state() != before
    if status == 412 and not request_.startswith("HEAD"):
        assert response.json["errno"] == 114


@pytest.mark.clause("X-14")
def test_if_match_star_on_a_collection_that_was_never_used_holds(app: TestApp) -> None:
    headers = {**basic_auth(uuid.uuid4().hex), "If-Match": "*"}

    app.get(URL, headers=headers, status=200)
    app.post_json(URL, NAMED, headers=headers, status=201)


@pytest.mark.clause("H-10.1")
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("request_", ["GET collection", "GET live", "PUT live", "DELETE live"])
def test_an_empty_header_counts_as_absent(
    collection: Collection, header: str, request_: str
) -> None:
    collection.send(request_, {header: ""}, status=200)


@pytest.mark.clause("D-63")
def test_a_creation_with_if_none_match_star_succeeds_again_and_again(
    collection: Collection,
) -> None:
    first = collection.send("POST no id", {"If-None-Match": "*"}, status=201)
    second = collection.send("POST no id", {"If-None-Match": "*"}, status=201)

    assert first.json["data"]["id"] != second.json["data"]["id"]


@pytest.mark.clause("D-64", "H-22.3")
def test_if_none_match_star_puts_a_record_over_its_tombstone(collection: Collection) -> None:
    collection.send("PUT tombstone", {"If-None-Match": "*"}, status=201)

    entries = [item for item in collection.state()[0] if item["id"] == collection.tombstone]
    assert [item.get("name") for item in entries] == ["new"]


# Malformed headers

# One of each kind: `tests/resource/test_resource_preconditions.py` has all that are refused.
MALFORMED = ["abc", 'W/"1430222877724"', '"9007199254740992"', '"\u00b2"']

EVALUATED = [row[0] for row in (*ON_COLLECTION, *ON_RECORD)] + ["PUT never"]


@pytest.mark.clause("H-10.4", "H-10.1", "X-14", "X-2", "X-21", "D-4")
@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("request_", [row for row in EVALUATED if not row.startswith("HEAD")])
def test_a_malformed_if_match_is_400_wherever_it_is_evaluated(
    collection: Collection, request_: str, value: str
) -> None:
    before = collection.state()

    response = collection.send(request_, {"If-Match": value}, status=400)

    assert response.json == invalid(
        IF_MATCH_FAULT, message=f"headers: {IF_MATCH_FAULT}", location="headers"
    )
    assert collection.state() == before


@pytest.mark.clause("H-10.5", "H-10.1", "X-21", "D-4")
@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("request_", ["GET collection", "GET live"])
def test_a_malformed_if_none_match_is_400_when_reading(
    collection: Collection, request_: str, value: str
) -> None:
    response = collection.send(request_, {"If-None-Match": value}, status=400)

    assert response.json == invalid(
        IF_NONE_MATCH_FAULT, message=f"headers: {IF_NONE_MATCH_FAULT}", location="headers"
    )


@pytest.mark.clause("H-10.4", "H-10.5")
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("request_", ["HEAD collection", "HEAD live"])
def test_malformed_headers_are_400_on_head(
    collection: Collection, request_: str, header: str
) -> None:
    collection.send(request_, {header: "abc"}, status=400)


@pytest.mark.clause("H-10.5")
@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("POST no id", 201),
        ("POST live", 200),
        ("PUT live", 200),
        ("PUT never", 201),
        ("PATCH live", 200),
        ("DELETE live", 200),
        ("DELETE collection", 200),
    ],
)
def test_a_malformed_if_none_match_is_ignored_when_writing(
    collection: Collection, request_: str, status: int, value: str
) -> None:
    collection.send(request_, {"If-None-Match": value}, status=status)


@pytest.mark.clause("H-10.6")
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("request_", ["GET never", "PATCH tombstone", "DELETE never"])
def test_a_missing_record_is_404_before_its_conditions_are_read(
    collection: Collection, request_: str, header: str
) -> None:
    collection.send(request_, {header: "abc"}, status=404)


# Both headers


@pytest.mark.clause("H-10.7")
@pytest.mark.parametrize(
    ("request_", "if_match", "if_none_match", "status"),
    [
        ("GET collection", '"1"', FUTURE, 304),
        ("GET collection", FUTURE, '"1"', 200),
        ("GET collection", '"1"', '"1"', 412),
        ("GET collection", "abc", FUTURE, 304),
        ("GET live", '"1"', FUTURE, 304),
        ("GET live", FUTURE, '"1"', 200),
        ("GET live", '"1"', '"1"', 412),
        ("GET live", FUTURE, "*", 412),
        ("POST live", FUTURE, "*", 412),
        ("PUT live", FUTURE, "*", 412),
        ("PUT live", "abc", "*", 412),
        ("PATCH live", FUTURE, "*", 412),
        ("DELETE live", FUTURE, "*", 412),
        ("PUT tombstone", '"1"', "*", 201),
        ("PUT tombstone", "abc", "*", 201),
        ("PUT tombstone", FUTURE, "*", 201),
        ("PUT live", '"1"', FUTURE, 412),
        ("PUT live", FUTURE, '"1"', 200),
    ],
)
def test_both_headers(
    collection: Collection, request_: str, if_match: str, if_none_match: str, status: int
) -> None:
    conditions = {"If-Match": if_match, "If-None-Match": if_none_match}

    collection.send(request_, conditions, status=status)


# Responses


@pytest.mark.clause("H-10.8", "D-40")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "timestamp", "date"),
    [("collection", COLLECTION_MS, COLLECTION_DATE), ("live", RECORD_MS, RECORD_DATE)],
)
def test_a_304_has_the_headers_of_the_200_and_no_body(
    collection: Collection, method: str, target: str, timestamp: int, date: str
) -> None:
    conditions = {"If-None-Match": FUTURE, "Origin": "http://a.example"}
    complete = collection.send(f"{method} {target}", {"Origin": "http://a.example"}, status=200)

    response = collection.send(f"{method} {target}", conditions, status=304)

    assert response.body == b""
    assert "Content-Type" not in response.headers
    assert response.headers["ETag"] == f'"{timestamp}"'
    assert response.headers["Last-Modified"] == date
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Expires" not in response.headers
    for header in ("Vary", "Access-Control-Allow-Origin"):
        assert response.headers[header] == complete.headers[header]
    exposed = response.headers["Access-Control-Expose-Headers"].split(",")
    assert {name.strip() for name in exposed} >= {"ETag", "Last-Modified", "Alert", "Backoff"}
    assert not {"Backoff", "Alert", "Total-Records", "Next-Page"} & set(response.headers)


@pytest.mark.clause("H-10.8")
def test_a_304_has_backoff_and_alert_when_they_are_configured(headers: dict[str, str]) -> None:
    app = make_app(RESOURCES, settings={"backoff": "10", "eos": "2100-01-01"})

    response = app.get(URL, headers={**headers, "If-None-Match": FUTURE}, status=304)

    assert response.headers["Backoff"] == "10"
    assert '"soft-eol"' in response.headers["Alert"]


def _precondition_failed(details: Any) -> dict[str, Any]:
    return {
        "code": 412,
        "errno": 114,
        "error": "Precondition Failed",
        "message": "Resource was modified meanwhile",
        "details": details,
    }


@pytest.mark.clause("H-10.9", "H-9.7")
@pytest.mark.parametrize(
    "request_",
    [row[0] for row in ON_COLLECTION if not row[0].startswith("HEAD")] + ["PUT never"],
)
def test_the_412_of_a_collection_shows_its_timestamp(collection: Collection, request_: str) -> None:
    response = collection.send(request_, {"If-Match": '"1"'}, status=412)

    assert response.json == _precondition_failed({})
    assert response.headers["ETag"] == f'"{COLLECTION_MS}"'
    assert response.headers["Last-Modified"] == COLLECTION_DATE


@pytest.mark.clause("H-10.9", "H-10.10", "H-9.7", "D-76", "X-11")
@pytest.mark.parametrize(
    ("request_", "conditions"),
    [
        *[
            (request, conditions)
            for request in ("GET live", "POST live", "PUT live", "PATCH live", "DELETE live")
            for conditions in ({"If-Match": '"1"'}, {"If-None-Match": "*"})
        ],
        ("PUT tombstone", {"If-Match": '"1"'}),
        ("PUT tombstone", {"If-Match": "*"}),
    ],
)
def test_the_412_of_a_record_shows_the_owner_what_exists(
    collection: Collection, request_: str, conditions: dict[str, Any]
) -> None:
    response = collection.send(request_, conditions, status=412)

    if "tombstone" in request_:
        existing = {"id": collection.tombstone, "deleted": True}
    else:
        existing = {"id": collection.live, "name": "old"}
    existing["last_modified"] = RECORD_MS
    assert response.json == _precondition_failed({"existing": existing})
    assert response.headers["ETag"] == f'"{RECORD_MS}"'
    assert response.headers["Last-Modified"] == RECORD_DATE


@pytest.mark.clause("X-11")
def test_the_412_of_another_user_shows_nothing_of_the_record(
    collection: Any, other_headers: dict[str, str]
) -> None:
    url = f"{URL}/{collection.live}"

    by_id = collection.app.put_json(url, NAMED, headers={**other_headers, "If-None-Match": "*"})
    foreign = collection.app.patch_json(
        f"{URL}/{collection.tombstone}",
        NAMED,
        headers={**other_headers, "If-Match": '"1"'},
        status=404,
    )

    # What another user has under that id neither hinders nor shows.
    assert by_id.status_code == 201
    assert "existing" not in foreign.text
    assert collection.send("GET live", {}).json["data"]["name"] == "old"


@pytest.mark.clause("X-21")
@pytest.mark.parametrize("request_", ["GET collection", "GET live"])
def test_the_etag_that_was_given_is_accepted_in_both_headers(
    collection: Collection, request_: str
) -> None:
    etag = collection.send(request_, {}).headers["ETag"]

    collection.send(request_, {"If-Match": etag}, status=200)
    collection.send(request_, {"If-None-Match": etag}, status=304)
