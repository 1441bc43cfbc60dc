"""Creation of records: POST on a collection (H-16)."""

import uuid
from typing import Any

import pytest
from webtest import TestApp

from cliquet import utils

URL = "/v0/mushrooms"
CEP = {"data": {"name": "cep"}}


def listed(app: TestApp, headers: Any) -> Any:
    """Return the records, the most recent first, and the collection's tag."""
    response = app.get(URL, headers=headers)
    return response.json["data"], response.headers["ETag"]


@pytest.mark.clause("H-16.1", "H-9.7")
def test_a_creation_is_201_with_the_record_and_no_tag(
    app: TestApp, headers: dict[str, str]
) -> None:
    response = app.post_json(URL, CEP, headers=headers)

    assert response.status_code == 201
    assert response.json.keys() == {"data"}
    assert response.json["data"].keys() == {"id", "last_modified", "name"}
    for header in ("ETag", "Last-Modified"):
        assert header not in response.headers
    assert listed(app, headers)[0] == [response.json["data"]]


@pytest.mark.clause("H-16.2")
def test_the_server_makes_an_id_where_the_body_has_none(
    app: TestApp, headers: dict[str, str]
) -> None:
    ids = {app.post_json(URL, CEP, headers=headers).json["data"]["id"] for _ in range(3)}

    assert len(ids) == 3
    assert {record["id"] for record in listed(app, headers)[0]} == ids


@pytest.mark.clause("H-16.2")
def test_the_id_of_the_body_is_kept(app: TestApp, headers: dict[str, str]) -> None:
    record_id = str(uuid.uuid4())

    response = app.post_json(URL, {"data": {"id": record_id, "name": "cep"}}, headers=headers)

    assert response.status_code == 201
    assert response.json["data"]["id"] == record_id


@pytest.mark.clause("H-16.2", "H-7.8")
@pytest.mark.parametrize("path", [URL, "/v0/spores"])
@pytest.mark.parametrize(
    "record_id", ["", "abc", None, 5, 1.5, True, [], {}, "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50\n"]
)
def test_a_malformed_id_in_the_body_is_400(
    app: TestApp, headers: dict[str, str], path: str, record_id: object
) -> None:
    body = {"data": {"id": record_id, "name": "cep"}}

    response = app.post_json(path, body, headers=headers, status=400)

    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": "path: Invalid record id",
        "details": [{"location": "path", "name": None, "description": "Invalid record id"}],
    }


@pytest.mark.clause("H-16.3")
def test_the_id_of_a_live_record_gives_that_record_and_writes_nothing(
    app: TestApp, headers: dict[str, str]
) -> None:
    stored = app.post_json(URL, CEP, headers=headers).json["data"]
    before = listed(app, headers)

    posted = {"id": stored["id"], "name": "morel", "last_modified": stored["last_modified"] + 10}
    response = app.post_json(URL, {"data": posted}, headers=headers)

    assert response.status_code == 200
    assert response.json == {"data": stored}
    assert "ETag" not in response.headers
    assert listed(app, headers) == before


@pytest.mark.clause("H-16.3", "P-17.4")
def test_a_unique_field_that_is_taken_gives_the_record_that_has_it(
    app: TestApp, headers: dict[str, str]
) -> None:
    stored = app.post_json(
        "/v0/truffles", {"data": {"name": "black", "email": "a@b"}}, headers=headers
    ).json["data"]

    response = app.post_json(
        "/v0/truffles", {"data": {"name": "white", "email": "a@b"}}, headers=headers
    )

    assert response.status_code == 200
    assert response.json == {"data": stored}
    assert app.get("/v0/truffles", headers=headers).json["data"] == [stored]


@pytest.mark.clause("H-16.5", "H-22.3")
def test_the_id_of_a_tombstone_is_created_anew(app: TestApp, headers: dict[str, str]) -> None:
    record = app.post_json(URL, CEP, headers=headers).json["data"]
    tombstone = app.delete(f"{URL}/{record['id']}", headers=headers).json["data"]

    response = app.post_json(URL, {"data": {"id": record["id"], "name": "morel"}}, headers=headers)

    assert response.status_code == 201
    created = response.json["data"]
    assert (created["id"], created["name"]) == (record["id"], "morel")
    assert created["last_modified"] > tombstone["last_modified"]
    assert app.get(f"{URL}?_since=0", headers=headers).json["data"] == [created]


@pytest.mark.clause("H-16.6")
@pytest.mark.parametrize("offset_ms", [-1_000_000, 1_000_000])
def test_the_timestamp_of_the_body_is_the_record_s_and_the_collection_advances(
    app: TestApp, headers: dict[str, str], offset_ms: int
) -> None:
    app.post_json(URL, CEP, headers=headers)
    _, before = listed(app, headers)
    given = utils.msec_time() + offset_ms

    body = {"data": {"name": "morel", "last_modified": given}}
    response = app.post_json(URL, body, headers=headers)

    _, after = listed(app, headers)
    assert response.json["data"]["last_modified"] == given
    assert int(after.strip('"')) > int(before.strip('"'))


@pytest.mark.clause("H-16.6")
def test_a_timestamp_over_a_tombstone_is_taken_without_comparison(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = app.post_json(URL, CEP, headers=headers).json["data"]
    app.delete(f"{URL}/{record['id']}", headers=headers)

    body = {"data": {"id": record["id"], "name": "morel", "last_modified": 5}}
    response = app.post_json(URL, body, headers=headers)

    assert response.status_code == 201
    assert response.json["data"]["last_modified"] == 5


@pytest.mark.clause("H-16.6")
def test_a_failed_condition_creates_nothing(app: TestApp, headers: dict[str, str]) -> None:
    app.post_json(URL, CEP, headers=headers)
    before = listed(app, headers)

    app.post_json(URL, CEP, headers={**headers, "If-Match": '"5"'}, status=412)

    assert listed(app, headers) == before
