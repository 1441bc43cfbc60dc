"""Deletion of a collection together with filters, conditions, pages and ceilings (H-17).

What a plain collection deletion answers is in test_http_delete.py.
"""

import base64
import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from support.listings import GROWTHS, LICHENS, listed, state, store
from support.shared_apps import make_app
from testapp import Lichen
from webtest import TestApp

from cliquet.testing.web import basic_auth


@pytest.fixture
def numbered(app: TestApp, headers: dict[str, str]) -> Any:
    """Store five records, numbered from 0 in order of creation."""
    return store(app, headers, LICHENS, *({"n": n} for n in range(5)))


def next_page(response: Any) -> Any:
    """Return the address of the next page, read, without the total that only lists have."""
    url = urlsplit(response.headers.get("Next-Page", ""))
    parameters = parse_qs(url.query)
    if "_token" in parameters:
        token = json.loads(base64.b64decode(parameters.pop("_token")[0]))
        token.pop("total", None)
        return url.path, parameters, token
    return url.path, parameters


def left(app: TestApp, headers: Any) -> Any:
    return listed(app, headers, f"{LICHENS}?_sort=n", "n")


@pytest.mark.clause("H-17.1", "H-5.2")
def test_the_records_of_other_users_and_resources_stay(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    stranger = basic_auth(uuid.uuid4().hex)
    store(app, stranger, LICHENS, {"n": 9})
    store(app, headers, "/v0/growths", {"number": 8})

    deleted = app.delete(LICHENS, headers=headers).json["data"]

    assert len(deleted) == 5
    assert left(app, stranger) == [9]
    assert listed(app, headers, "/v0/growths", "number") == [8]


@pytest.mark.clause("H-17.1", "H-17.2", "H-12.20")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_since={1}", [0, 1]),
        ("_before={1}", [1, 2, 3, 4]),
        ("_to={1}", [1, 2, 3, 4]),
        ("last_modified={1}", [0, 2, 3, 4]),
        ("in_n=0,1&not_n=1", [1, 2, 3, 4]),
        ("n=None", [0, 1, 2, 3, 4]),
    ],
)
def test_all_sorts_of_filters_choose(
    app: TestApp, headers: dict[str, str], numbered: list[Any], query: str, expected: list[Any]
) -> None:
    query = query.format(*(record["last_modified"] for record in numbered))

    app.delete(f"{LICHENS}?{query}", headers=headers, status=200)

    assert left(app, headers) == expected


@pytest.mark.clause("H-17.1", "H-10.11")
@pytest.mark.parametrize(
    ("query", "more", "status"),
    [
        ("", {"If-Match": '"1"'}, 412),
        ("?unknown.x=1&_since=abc", {}, 400),
        ("?_limit=2&_sort=n&_token=abc", {}, 400),
        ("?_since=true", {}, 400),
        ("", {"Authorization": ""}, 401),
        ("", {"Accept": "text/html"}, 406),
    ],
)
def test_a_refused_deletion_deletes_nothing(
    app: TestApp,
    headers: dict[str, str],
    numbered: list[Any],
    query: str,
    more: dict[str, Any],
    status: int,
) -> None:
    before = state(app, headers, LICHENS)

    app.delete(LICHENS + query, headers={**headers, **more}, status=status)

    assert state(app, headers, LICHENS) == before


@pytest.mark.clause("X-15")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # Without `_sort`, the latest first, as in lists.
        ("_limit=2", [0, 1, 2]),
        ("_limit=2&_sort=n", [2, 3, 4]),
        ("_limit=2&_sort=-n", [0, 1, 2]),
        ("_limit=2&_sort=last_modified", [2, 3, 4]),
        ("_limit=2&_sort=n&min_n=1", [0, 3, 4]),
        ("_limit=1&_sort=missing,n", [1, 2, 3, 4]),
        ("_limit=9", []),
    ],
)
def test_a_limit_deletes_the_first_of_the_order(
    app: TestApp, headers: dict[str, str], numbered: list[Any], query: str, expected: list[Any]
) -> None:
    listing = app.get(f"{LICHENS}?{query}", headers=headers)

    deletion = app.delete(f"{LICHENS}?{query}", headers=headers)

    assert left(app, headers) == expected
    # What a list with the same query would have shown, and its next page.
    assert {item["id"] for item in deletion.json["data"]} == {
        item["id"] for item in listing.json["data"]
    }
    assert next_page(deletion) == next_page(listing)


@pytest.mark.clause("X-15")
def test_a_token_deletes_the_page_that_follows(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    listing = app.get(f"{LICHENS}?_limit=2&_sort=n", headers=headers)

    app.delete(listing.headers["Next-Page"], headers=headers)

    assert left(app, headers) == [0, 1, 4]


@pytest.mark.clause("X-15", "H-17.2")
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_following_the_next_pages_deletes_everything_once(
    app: TestApp, headers: dict[str, str], numbered: list[Any], limit: int
) -> None:
    (gone, *_rest) = numbered
    app.delete(f"{LICHENS}/{gone['id']}", headers=headers)
    url, deleted = f"{LICHENS}?_since=0&_limit={limit}", []
    while url:
        response = app.delete(url, headers=headers)
        url = response.headers.get("Next-Page")
        deleted += [item["id"] for item in response.json["data"]]

    assert sorted(deleted) == sorted(record["id"] for record in numbered[1:])
    assert left(app, headers) == []


@pytest.mark.clause("X-15")
def test_a_limit_beyond_the_ceiling_of_pages_is_lowered(headers: dict[str, str]) -> None:
    app = make_app([Lichen], settings={"paginate_by": "2"})
    store(app, headers, LICHENS, *({"n": n} for n in range(5)))

    response = app.delete(f"{LICHENS}?_limit=4&_sort=n", headers=headers)

    assert left(app, headers)[:2] == [2, 3]
    assert len(response.json["data"]) == 2
    assert "Next-Page" in response.headers


@pytest.mark.clause("D-29", "X-27", "X-15")
def test_every_record_deleted_is_reported_whatever_the_fetch_ceiling(
    headers: dict[str, str],
) -> None:
    app = make_app([Lichen], settings={"storage_max_fetch_size": "3"})
    stored = store(app, headers, LICHENS, *({"n": n} for n in range(8)))

    response = app.delete(LICHENS, headers=headers)

    assert {item["id"] for item in response.json["data"]} == {record["id"] for record in stored}
    assert app.head(LICHENS, headers=headers).headers["Total-Records"] == "0"


@pytest.mark.clause("D-75")
@pytest.mark.parametrize("query", ["", "?n=1", "?_limit=1", "?_since=0"])
def test_deleting_a_collection_that_was_never_used_succeeds(
    app: TestApp, headers: dict[str, str], query: str
) -> None:
    response = app.delete(LICHENS + query, headers=headers, status=200)

    assert response.json == {"data": []}


@pytest.mark.clause("X-15")
def test_a_token_without_limit_deletes_the_rest_only(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, GROWTHS, *({"number": n} for n in range(5)))
    page = app.get(f"{GROWTHS}?_limit=2&_sort=number", headers=headers)
    token = parse_qs(urlsplit(page.headers["Next-Page"]).query)["_token"][0]

    response = app.delete(
        GROWTHS + "?" + urlencode({"_sort": "number", "_token": token}), headers=headers
    )

    assert len(response.json["data"]) == 3
    assert sorted(listed(app, headers, GROWTHS, "number")) == [0, 1]


@pytest.mark.clause("X-15", "D-21")
def test_an_invalid_token_without_limit_deletes_nothing(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, GROWTHS, {"number": 1})

    app.delete(f"{GROWTHS}?_token=abc", headers=headers, status=400)

    assert len(listed(app, headers, GROWTHS)) == 1
