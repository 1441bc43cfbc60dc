"""Deletion of one record and of many (sections 21 and 17 of the protocol)."""

import uuid
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import utils

URL = "/v0/mushrooms"
GROWTHS = "/v0/growths"
MAX_TIMESTAMP = 2**53 - 1


@pytest.fixture
def record(app: TestApp, headers: dict[str, str]) -> Any:
    return app.post_json(URL, {"data": {"name": "cep"}}, headers=headers).json["data"]


@pytest.fixture
def growths(app: TestApp, headers: dict[str, str]) -> list[Any]:
    """Store five records, numbered from 0 in order of creation."""
    return [
        app.post_json(GROWTHS, {"data": {"number": n, "title": "x"}}, headers=headers).json["data"]
        for n in range(5)
    ]


def state(app: TestApp, headers: Any, path: Any = URL) -> Any:
    """Return all that a client can see of a collection."""
    response = app.get(f"{path}?_since=0", headers=headers)
    return response.json["data"], response.headers["ETag"]


def numbers(app: TestApp, headers: Any) -> list[Any]:
    return [
        record["number"]
        for record in app.get(f"{GROWTHS}?_sort=number", headers=headers).json["data"]
    ]


# One record


@pytest.mark.clause("H-21.1", "H-9.7", "H-22.1")
def test_a_deletion_answers_a_bare_tombstone(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    response = app.delete(f"{URL}/{record['id']}", headers=headers, status=200)

    tombstone = response.json["data"]
    assert response.json.keys() == {"data"}
    assert tombstone == {
        "id": record["id"],
        "last_modified": tombstone["last_modified"],
        "deleted": True,
    }
    assert tombstone["last_modified"] > record["last_modified"]
    assert "ETag" not in response.headers
    assert "Last-Modified" not in response.headers
    assert state(app, headers) == ([tombstone], f'"{tombstone["last_modified"]}"')


@pytest.mark.clause("H-21.2")
def test_an_unknown_or_deleted_record_is_404(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.delete(f"{URL}/{record['id']}", headers=headers)
    before = state(app, headers)

    again = app.delete(f"{URL}/{record['id']}", headers=headers, status=404)
    unknown = app.delete(f"{URL}/{uuid.uuid4()}", headers=headers, status=404)

    assert again.json["errno"] == unknown.json["errno"] == 111
    assert state(app, headers) == before


@pytest.mark.clause("H-21.3", "P-10.7")
@pytest.mark.parametrize("quote", ["", "%22", '"'])
def test_a_newer_timestamp_is_given_to_the_tombstone(
    app: TestApp, headers: dict[str, str], record: dict[str, Any], quote: str
) -> None:
    given = utils.msec_time() + 1_000_000

    response = app.delete(
        f"{URL}/{record['id']}?last_modified={quote}{given}{quote}", headers=headers
    )

    assert response.json["data"]["last_modified"] == given
    assert state(app, headers)[1] == f'"{given}"'


@pytest.mark.clause("H-21.3", "P-10.7")
@pytest.mark.parametrize("offset_ms", [0, -5, None])
def test_a_timestamp_that_is_not_newer_is_ignored(
    app: TestApp, headers: dict[str, str], record: dict[str, Any], offset_ms: int | None
) -> None:
    given = 0 if offset_ms is None else record["last_modified"] + offset_ms
    later = app.post_json(URL, {"data": {"name": "morel"}}, headers=headers).json["data"]

    response = app.delete(f"{URL}/{record['id']}?last_modified={given}", headers=headers)

    assert response.json["data"]["last_modified"] > later["last_modified"]


@pytest.mark.clause("H-21.3", "D-4", "D-6")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("abc", "abc"),
        ("", ""),
        ("true", "true"),
        ("1.5", "1.5"),
        ("%221", '"1'),
        ("-1", "-1"),
        (str(MAX_TIMESTAMP + 1), str(MAX_TIMESTAMP + 1)),
        ("%D9%A1", "\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_what_is_no_timestamp_is_400_and_deletes_nothing(
    app: TestApp, headers: dict[str, str], record: dict[str, Any], query: str, shown: str
) -> None:
    before = state(app, headers)

    response = app.delete(
        f"{URL}/{record['id']}?last_modified={query}", headers=headers, status=400
    )

    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": f"last_modified in querystring: Invalid value for {shown}",
        "details": [
            {
                "location": "querystring",
                "name": "last_modified",
                "description": f"Invalid value for {shown}",
            }
        ],
    }
    assert state(app, headers) == before


@pytest.mark.clause("H-21.4")
def test_the_timestamp_is_looked_at_after_existence_and_conditions(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.delete(f"{URL}/{uuid.uuid4()}?last_modified=abc", headers=headers, status=404)
    app.delete(
        f"{URL}/{record['id']}?last_modified=abc",
        headers={**headers, "If-Match": '"5"'},
        status=412,
    )
    app.delete(f"{URL}/{record['id']}?last_modified=abc", headers=headers, status=400)


@pytest.mark.clause("H-21.4", "H-8.7")
def test_other_parameters_of_a_deletion_are_ignored(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    query = "_limit=x&_sort=unknown&colour=red&_since=abc"

    app.delete(f"{URL}/{record['id']}?{query}", headers=headers, status=200)


# Many records


@pytest.mark.clause("H-17.1", "H-9.4", "H-17.3")
def test_all_records_are_deleted_each_with_its_tombstone(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    response = app.delete(GROWTHS, headers=headers, status=200)

    tombstones = response.json["data"]
    assert response.json.keys() == {"data"}
    assert {item["id"] for item in tombstones} == {record["id"] for record in growths}
    assert all(item.keys() == {"id", "last_modified", "deleted"} for item in tombstones)
    assert all(item["deleted"] is True for item in tombstones)
    assert len({item["last_modified"] for item in tombstones}) == len(growths)
    for header in ("ETag", "Last-Modified", "Total-Records", "Cache-Control"):
        assert header not in response.headers
    assert numbers(app, headers) == []


@pytest.mark.clause("H-17.1")
@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("number=2", [0, 1, 3, 4]),
        ("min_number=3", [0, 1, 2]),
        ("in_number=0,4&title=x", [1, 2, 3]),
        ("number=9", [0, 1, 2, 3, 4]),
    ],
)
def test_filters_choose_what_is_deleted(
    app: TestApp, headers: dict[str, str], growths: list[Any], query: str, left: list[Any]
) -> None:
    response = app.delete(f"{GROWTHS}?{query}", headers=headers, status=200)

    assert numbers(app, headers) == left
    gone = [record["id"] for record in growths if record["number"] not in left]
    assert sorted(item["id"] for item in response.json["data"]) == sorted(gone)


@pytest.mark.clause("H-17.2")
@pytest.mark.parametrize("query", ["_fields=number", "_sort=-number", "_sort=number&_fields=title"])
def test_fields_are_ignored_and_an_order_alone_limits_nothing(
    app: TestApp, headers: dict[str, str], growths: list[Any], query: str
) -> None:
    response = app.delete(f"{GROWTHS}?{query}", headers=headers)

    assert len(response.json["data"]) == 5
    assert all(item["deleted"] is True for item in response.json["data"])


@pytest.mark.clause("H-17.2", "X-15")
def test_a_limit_deletes_that_many_in_the_order_asked_for_page_by_page(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    first = app.delete(f"{GROWTHS}?_limit=2&_sort=-number", headers=headers)
    left_after_first = numbers(app, headers)
    second = app.delete(first.headers["Next-Page"], headers=headers)
    left_after_second = numbers(app, headers)
    third = app.delete(second.headers["Next-Page"], headers=headers)

    assert [len(response.json["data"]) for response in (first, second, third)] == [2, 2, 1]
    assert (left_after_first, left_after_second) == ([0, 1, 2], [0])
    assert "Next-Page" not in third.headers
    assert numbers(app, headers) == []


@pytest.mark.clause("X-15")
def test_a_limit_counts_the_records_that_match(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    response = app.delete(f"{GROWTHS}?_limit=2&_sort=number&min_number=3", headers=headers)

    assert numbers(app, headers) == [0, 1, 2]
    assert "Next-Page" not in response.headers


@pytest.mark.clause("X-15")
def test_a_limit_on_nothing_deletes_nothing(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    before = state(app, headers, GROWTHS)

    response = app.delete(f"{GROWTHS}?_limit=2&number=9", headers=headers)

    assert response.json == {"data": []}
    assert state(app, headers, GROWTHS) == before


@pytest.mark.clause("X-15", "H-17.2")
def test_without_limit_the_size_of_pages_is_ignored(headers: dict[str, str]) -> None:
    app = make_app(RESOURCES, settings={"paginate_by": "2"})
    for n in range(5):
        app.post_json(GROWTHS, {"data": {"number": n}}, headers=headers)

    response = app.delete(GROWTHS, headers=headers)

    assert len(response.json["data"]) == 5
    assert "Next-Page" not in response.headers


@pytest.mark.clause("X-15", "D-20")
@pytest.mark.parametrize("limit", ["0", "-1", "abc"])
def test_a_limit_that_is_none_deletes_nothing(
    app: TestApp, headers: dict[str, str], growths: list[Any], limit: str
) -> None:
    app.delete(f"{GROWTHS}?_limit={limit}", headers=headers, status=400)

    assert numbers(app, headers) == [0, 1, 2, 3, 4]


@pytest.mark.clause("H-17.2")
@pytest.mark.parametrize("query", ["", "?_since=0", "?deleted=true", "?_limit=10&_since=0"])
def test_tombstones_are_not_deleted_again(
    app: TestApp, headers: dict[str, str], growths: list[Any], query: str
) -> None:
    tombstone = app.delete(f"{GROWTHS}/{growths[0]['id']}", headers=headers).json["data"]

    response = app.delete(f"{GROWTHS}{query}", headers=headers)

    assert tombstone["id"] not in {item["id"] for item in response.json["data"]}
    assert tombstone in state(app, headers, GROWTHS)[0]


@pytest.mark.clause("H-17.5", "D-75")
def test_deleting_nothing_leaves_the_timestamp(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    app.delete(GROWTHS, headers=headers)
    before = state(app, headers, GROWTHS)

    response = app.delete(GROWTHS, headers=headers, status=200)

    assert response.json == {"data": []}
    assert state(app, headers, GROWTHS) == before


@pytest.mark.clause("H-17.6")
def test_a_timestamp_is_a_filter_here(
    app: TestApp, headers: dict[str, str], growths: list[Any]
) -> None:
    third = growths[2]

    nothing = app.delete(f"{GROWTHS}?last_modified={MAX_TIMESTAMP}", headers=headers)
    one = app.delete(f"{GROWTHS}?last_modified={third['last_modified']}", headers=headers)

    assert nothing.json == {"data": []}
    (tombstone,) = one.json["data"]
    assert tombstone["id"] == third["id"]
    assert tombstone["last_modified"] > growths[-1]["last_modified"]
