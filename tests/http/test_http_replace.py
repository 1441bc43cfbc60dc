"""Creation and replacement by PUT (H-19)."""

import pytest
from webtest import TestApp

URL = "/v0/mushrooms"
CEP = {"data": {"name": "cep"}}
UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"


@pytest.mark.clause("H-19.1", "H-19.3")
def test_put_creates_the_record_of_the_url(app: TestApp, headers: dict[str, str]) -> None:
    response = app.put_json(f"{URL}/{UUID}", CEP, headers=headers, status=201)

    assert response.json["data"]["id"] == UUID
    fetched = app.get(f"{URL}/{UUID}", headers=headers)
    assert fetched.json == response.json
    for header in ("ETag", "Last-Modified"):
        assert response.headers[header] == fetched.headers[header]


@pytest.mark.clause("H-19.1", "H-22.3", "D-74")
def test_put_over_a_tombstone_creates_and_the_tombstone_is_gone(
    app: TestApp, headers: dict[str, str]
) -> None:
    app.put_json(f"{URL}/{UUID}", CEP, headers=headers)
    tombstone = app.delete(f"{URL}/{UUID}", headers=headers).json["data"]

    response = app.put_json(f"{URL}/{UUID}", {"data": {"name": "morel"}}, headers=headers)

    assert response.status_code == 201
    record = response.json["data"]
    assert record["last_modified"] > tombstone["last_modified"]
    assert app.get(f"{URL}?_since=0", headers=headers).json["data"] == [record]
    app.get(f"{URL}/{UUID}", headers=headers, status=200)


@pytest.mark.clause("H-19.1", "H-19.3")
def test_put_replaces_a_live_record(app: TestApp, headers: dict[str, str]) -> None:
    created = app.put_json(f"{URL}/{UUID}", CEP, headers=headers).json["data"]

    response = app.put_json(f"{URL}/{UUID}", {"data": {"name": "morel"}}, headers=headers)

    assert response.status_code == 200
    record = response.json["data"]
    assert record["name"] == "morel"
    assert record["last_modified"] > created["last_modified"]
    assert response.headers["ETag"] == f'"{record["last_modified"]}"'
    assert app.get(f"{URL}/{UUID}", headers=headers).json["data"] == record
    assert app.get(URL, headers=headers).headers["Total-Records"] == "1"


@pytest.mark.clause("H-19.2")
def test_fields_that_are_not_sent_are_gone(app: TestApp, headers: dict[str, str]) -> None:
    app.put_json(f"/v0/spores/{UUID}", {"data": {"a": 1, "b": {"c": 2}}}, headers=headers)

    response = app.put_json(f"/v0/spores/{UUID}", {"data": {"b": {"d": 3}}}, headers=headers)

    record = response.json["data"]
    assert record == {"id": UUID, "last_modified": record["last_modified"], "b": {"d": 3}}


@pytest.mark.clause("H-19.2")
def test_fields_that_are_not_sent_get_the_schema_s_defaults(
    app: TestApp, headers: dict[str, str]
) -> None:
    app.put_json(f"/v0/psilos/{UUID}", {"data": {"edible": True, "rank": 3}}, headers=headers)

    record = app.put_json(f"/v0/psilos/{UUID}", {"data": {}}, headers=headers).json["data"]

    assert record["edible"] is False
    assert "rank" not in record


@pytest.mark.clause("H-19.4")
def test_the_same_content_again_is_a_new_version(app: TestApp, headers: dict[str, str]) -> None:
    first = app.put_json(f"{URL}/{UUID}", CEP, headers=headers).json["data"]

    second = app.put_json(f"{URL}/{UUID}", CEP, headers=headers).json["data"]

    assert second["last_modified"] > first["last_modified"]
    etag = app.get(URL, headers=headers).headers["ETag"]
    assert etag == f'"{second["last_modified"]}"'


@pytest.mark.clause("H-19.5")
@pytest.mark.parametrize("state", ["unknown", "live", "deleted"])
@pytest.mark.parametrize(
    "record_id", ["7d3f0a4e-6f0b-4c3e-9a55-2b8f7a1c0d9e", UUID.upper(), "", None, 5, [UUID]]
)
def test_another_id_in_the_body_is_400_where_the_schema_keeps_it(
    app: TestApp, headers: dict[str, str], record_id: object, state: str
) -> None:
    if state != "unknown":
        app.put_json(f"/v0/spores/{UUID}", {"data": {"a": 1}}, headers=headers)
    if state == "deleted":
        app.delete(f"/v0/spores/{UUID}", headers=headers)
    before = app.get("/v0/spores?_since=0", headers=headers).json

    response = app.put_json(
        f"/v0/spores/{UUID}", {"data": {"id": record_id}}, headers=headers, status=400
    )

    description = "Record id does not match existing record"
    assert response.json == {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": description,
        "details": [{"location": "body", "name": "id", "description": description}],
    }
    assert app.get("/v0/spores?_since=0", headers=headers).json == before


@pytest.mark.clause("H-19.5", "H-8.13")
def test_the_id_of_the_url_may_be_repeated_in_the_body(
    app: TestApp, headers: dict[str, str]
) -> None:
    response = app.put_json(f"/v0/spores/{UUID}", {"data": {"id": UUID, "a": 1}}, headers=headers)

    assert response.status_code == 201
    assert response.json["data"]["id"] == UUID


@pytest.mark.clause("H-19.6", "H-23.5", "P-17.4", "P-10.8")
@pytest.mark.parametrize("state", ["unknown", "live"])
def test_a_unique_field_that_is_taken_is_409(
    app: TestApp, headers: dict[str, str], state: str
) -> None:
    holder = app.post_json(
        "/v0/truffles", {"data": {"name": "black", "email": "a@b"}}, headers=headers
    ).json["data"]
    if state == "live":
        app.put_json(f"/v0/truffles/{UUID}", {"data": {"name": "white"}}, headers=headers)
    before = app.get("/v0/truffles", headers=headers)

    response = app.put_json(
        f"/v0/truffles/{UUID}",
        {"data": {"name": "white", "email": "a@b"}},
        headers=headers,
        status=409,
    )

    assert response.json == {
        "code": 409,
        "errno": 122,
        "error": "Conflict",
        "message": f"Conflict of field email on record {holder['id']}",
        "details": {"field": "email", "existing": holder},
    }
    after = app.get("/v0/truffles", headers=headers)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


@pytest.mark.clause("H-19.7")
def test_a_bad_body_on_a_bad_id_reports_the_body(app: TestApp, headers: dict[str, str]) -> None:
    bad_body = app.put_json(f"{URL}/abc", {"data": {}}, headers=headers, status=400)
    good_body = app.put_json(f"{URL}/abc", CEP, headers=headers, status=400)

    assert bad_body.json["message"] == "data.name in body: Required"
    assert good_body.json["message"] == "path: Invalid record id"
