"""GET and HEAD of a collection (H-11)."""

from typing import Any

import pytest
from support.listings import LICHENS, listed, store
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet.storage.exceptions import BackendError
from cliquet.testing.faults import FaultyBackend

FUTURE = '"253402300799999"'


@pytest.fixture
def records(app: TestApp, headers: dict[str, str]) -> Any:
    """Store four records, numbered in order of creation, and delete the last one."""
    stored = store(app, headers, LICHENS, *({"n": n, "o": {"p": n}} for n in range(4)))
    app.delete(f"{LICHENS}/{stored[3]['id']}", headers=headers)
    return stored[:3]


@pytest.mark.clause("H-11.1", "H-11.5")
def test_a_list_holds_the_full_records_the_latest_first(
    app: TestApp, headers: dict[str, str], records: list[Any]
) -> None:
    response = app.get(LICHENS, headers=headers, status=200)

    assert response.json == {"data": records[::-1]}


@pytest.mark.clause("H-11.5")
def test_the_order_is_that_of_changes_not_of_creations(
    app: TestApp, headers: dict[str, str], records: list[Any]
) -> None:
    app.patch_json(f"{LICHENS}/{records[0]['id']}", {"data": {"m": 1}}, headers=headers)
    store(app, headers, LICHENS, {"n": "old", "last_modified": 1})

    assert listed(app, headers, LICHENS, "n") == [0, 2, 1, "old"]


@pytest.mark.clause("H-11.2")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_headers_of_a_list(
    app: TestApp, headers: dict[str, str], records: list[Any], method: str
) -> None:
    response = app.request(LICHENS, method=method, headers=headers)
    page = app.request(f"{LICHENS}?_limit=2", method=method, headers=headers)

    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Total-Records"] == "3"
    assert "ETag" in response.headers
    assert "Last-Modified" in response.headers
    assert "Next-Page" not in response.headers
    assert "Next-Page" in page.headers


@pytest.mark.clause("H-11.3", "D-28")
@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 3),
        ("?_limit=1", 3),
        ("?min_n=1", 2),
        ("?min_n=1&_limit=1", 2),
        ("?n=9", 0),
        ("?_since=0", 3),
        ("?_since=0&_limit=1", 3),
        ("?_since=0&deleted=true", 0),
        ("?_since=0&not_deleted=true", 3),
    ],
)
def test_the_total_counts_live_records_that_match(
    app: TestApp, headers: dict[str, str], records: list[Any], query: str, total: int
) -> None:
    assert app.get(LICHENS + query, headers=headers).headers["Total-Records"] == str(total)


@pytest.mark.clause("H-11.3")
def test_the_total_does_not_depend_on_the_page(
    app: TestApp, headers: dict[str, str], records: list[Any]
) -> None:
    first = app.get(f"{LICHENS}?_limit=2&min_n=0", headers=headers)

    second = app.get(first.headers["Next-Page"], headers=headers)

    assert len(second.json["data"]) == 1
    assert second.headers["Total-Records"] == first.headers["Total-Records"] == "3"


@pytest.mark.clause("H-11.4")
@pytest.mark.parametrize("query", ["_unknown=1", "_min_n=2", "__n=9", "_=a", "_Since=abc"])
def test_other_parameters_that_start_with_an_underscore_are_ignored(
    app: TestApp, headers: dict[str, str], records: list[Any], query: str
) -> None:
    assert listed(app, headers, f"{LICHENS}?{query}", "n") == [2, 1, 0]


@pytest.mark.clause("H-11.4")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_since={0}", [3, 2, 1]),
        ("_before={1}", [0]),
        ("_to={1}", [0]),
        ("_sort=n", [0, 1, 2]),
        ("_limit=1", [2]),
        ("n=1", [1]),
    ],
)
def test_the_recognised_parameters(
    app: TestApp, headers: dict[str, str], records: list[Any], query: str, expected: list[Any]
) -> None:
    query = query.format(*(record["last_modified"] for record in records))

    # The tombstone that a filter on the timestamp brings along has no number.
    found = [3 if n == "-" else n for n in listed(app, headers, f"{LICHENS}?{query}", "n")]

    assert found == expected


@pytest.mark.clause("H-11.6")
@pytest.mark.parametrize("query", ["", "?n=1", "?_limit=1", "?_since=0"])
def test_an_empty_list(app: TestApp, headers: dict[str, str], query: str) -> None:
    response = app.get(LICHENS + query, headers=headers, status=200)

    assert response.json == {"data": []}
    assert response.headers["Total-Records"] == "0"
    assert "Next-Page" not in response.headers


@pytest.mark.clause("H-11.7")
@pytest.mark.parametrize(
    ("status", "query", "more"),
    [
        (200, "", {}),
        (304, "", {"If-None-Match": FUTURE}),
        (400, "?_limit=a", {}),
        (401, "", {"Authorization": ""}),
        (406, "", {"Accept": "text/html"}),
        (412, "", {"If-Match": '"1"'}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_statuses_of_a_list(
    app: TestApp,
    headers: dict[str, str],
    records: list[Any],
    method: str,
    status: int,
    query: str,
    more: dict[str, Any],
) -> None:
    app.request(LICHENS + query, method=method, headers={**headers, **more}, status=status)


@pytest.mark.clause("H-11.7")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_list_that_is_disabled_is_405_and_one_without_storage_503(
    headers: dict[str, str], method: str
) -> None:
    def fail(**_kwargs: Any) -> None:
        raise BackendError(message="out of order")

    disabled = make_app(RESOURCES, settings={"collection_lichen_get_enabled": "false"})
    broken = make_app(RESOURCES)
    broken.app.registry.storage = FaultyBackend(broken.app.registry.storage, get_all=fail)

    disabled.request(LICHENS, method=method, headers=headers, status=405)
    response = broken.request(LICHENS, method=method, headers=headers, status=503)

    assert response.headers["Retry-After"] == "30"


@pytest.mark.clause("H-11.8")
@pytest.mark.parametrize("query", ["", "?_limit=1", "?min_n=1", "?_since=0&_limit=2"])
def test_head_has_the_headers_of_get_and_no_body(
    app: TestApp, headers: dict[str, str], records: list[Any], query: str
) -> None:
    headers = {**headers, "X-Request-Id": "same"}
    complete = app.get(LICHENS + query, headers=headers)

    response = app.head(LICHENS + query, headers=headers, status=200)

    assert response.body == b""
    assert dict(response.headers) == dict(complete.headers)
