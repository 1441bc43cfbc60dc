"""Fetching one record: GET and HEAD (H-18)."""

import uuid
from typing import Any

import pytest
from webtest import TestApp

URL = "/v0/mushrooms"
HTTP_DATE = "Thu, 03 Mar 2016 09:43:05 GMT"
TIMESTAMP = 1_456_998_185_724


@pytest.fixture
def record(app: TestApp, headers: dict[str, str]) -> Any:
    body = {"data": {"name": "cep", "last_modified": TIMESTAMP}}
    return app.post_json(URL, body, headers=headers).json["data"]


@pytest.mark.clause("H-18.1", "H-9.6", "H-9.7")
def test_a_record_comes_with_its_own_tag_and_date(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.post_json(URL, {"data": {"name": "a later one"}}, headers=headers)

    response = app.get(f"{URL}/{record['id']}", headers=headers, status=200)

    assert response.json == {
        "data": {"id": record["id"], "last_modified": TIMESTAMP, "name": "cep"}
    }
    assert response.headers["ETag"] == f'"{TIMESTAMP}"'
    assert response.headers["Last-Modified"] == HTTP_DATE
    assert "no-cache" in response.headers["Cache-Control"]


@pytest.mark.clause("H-18.1")
def test_head_has_the_headers_of_get_and_no_body(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    fetched = app.get(f"{URL}/{record['id']}", headers=headers)

    response = app.head(f"{URL}/{record['id']}", headers=headers, status=200)

    assert response.body == b""
    for header in ("ETag", "Last-Modified", "Cache-Control", "Content-Type", "Content-Length"):
        assert response.headers[header] == fetched.headers[header]


@pytest.mark.clause("H-18.2")
@pytest.mark.parametrize(
    ("record_id", "conditions", "query", "status"),
    [
        # Each row lacks the fault of the row before.
        ("abc", {"If-None-Match": f'"{TIMESTAMP}"', "If-Match": '"1"'}, "?_fields=x", 400),
        ("unknown", {"If-None-Match": f'"{TIMESTAMP}"', "If-Match": '"1"'}, "?_fields=x", 404),
        ("known", {"If-None-Match": f'"{TIMESTAMP}"', "If-Match": '"1"'}, "?_fields=x", 304),
        ("known", {"If-None-Match": '"1"', "If-Match": '"1"'}, "?_fields=x", 412),
        ("known", {"If-None-Match": '"1"', "If-Match": f'"{TIMESTAMP}"'}, "?_fields=x", 400),
        ("known", {"If-None-Match": '"1"', "If-Match": f'"{TIMESTAMP}"'}, "?_fields=name", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_first_failing_check_decides(
    app: TestApp,
    headers: dict[str, str],
    record: dict[str, Any],
    method: str,
    record_id: str,
    conditions: dict[str, Any],
    query: str,
    status: int,
) -> None:
    ids = {"known": record["id"], "unknown": uuid.uuid4()}

    response = app.request(
        f"{URL}/{ids.get(record_id, record_id)}{query}",
        method=method,
        headers={**headers, **conditions},
        expect_errors=True,
    )

    assert response.status_code == status
    if status == 400 and method == "GET":
        location = "path" if record_id == "abc" else "body"
        assert response.json["details"][0]["location"] == location


@pytest.mark.clause("H-18.3", "H-22.2")
def test_nothing_tells_a_deleted_record_from_an_unknown_one(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.delete(f"{URL}/{record['id']}", headers=headers)

    deleted = app.get(f"{URL}/{record['id']}", headers=headers, status=404)
    unknown = app.get(f"{URL}/{uuid.uuid4()}", headers=headers, status=404)

    assert deleted.json == unknown.json
    one_each = ("X-Request-Id",)
    assert {k: v for k, v in deleted.headers.items() if k not in one_each} == {
        k: v for k, v in unknown.headers.items() if k not in one_each
    }


@pytest.mark.clause("H-18.3")
def test_a_record_of_another_user_is_unknown(
    app: TestApp, other_headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.get(f"{URL}/{record['id']}", headers=other_headers, status=404)
