"""No record is larger than the service wants to read again (X-34)."""

import json
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet import resource

LIMIT = 300
RECORD = "/v0/spores/d1d1d1d1-0000-4000-8000-000000000001"
REFUSAL = {
    "code": 413,
    "errno": 113,
    "error": "Request Entity Too Large",
    "message": "The record is larger than 300 bytes (setting max_record_bytes)",
}


class Fern(resource.ShareableResource):
    """A record with any fields, and with permissions."""

    mapping = Spore.mapping


pytestmark = [pytest.mark.clause("X-34"), pytest.mark.setting("max_record_bytes")]


@pytest.fixture
def app() -> TestApp:
    settings = {"max_record_bytes": str(LIMIT), "fern_create_principals": "system.Authenticated"}
    return make_app([Mushroom, Spore, Fern], settings=settings)


def sized(record: Any, size: Any = LIMIT) -> dict[Any, Any]:
    """Return a record completed by a text, so that it has so many bytes of JSON."""
    empty = len(json.dumps({**record, "text": ""}, separators=(",", ":")))
    return {**record, "text": "a" * (size - empty)}


def test_a_record_beyond_the_limit_is_not_created(app: TestApp, headers: dict[str, str]) -> None:
    app.post_json("/v0/spores", {"data": sized({})}, headers=headers, status=201)

    response = app.post_json(
        "/v0/spores", {"data": sized({}, LIMIT + 1)}, headers=headers, status=413
    )

    assert response.json == REFUSAL
    assert len(app.get("/v0/spores", headers=headers).json["data"]) == 1


def test_the_id_is_a_part_of_the_record(app: TestApp, headers: dict[str, str]) -> None:
    record = {"id": RECORD.rpartition("/")[2]}
    app.put_json(RECORD, {"data": sized(record)}, headers=headers, status=201)

    response = app.put_json(RECORD, {"data": sized(record, LIMIT + 1)}, headers=headers, status=413)

    assert response.json == REFUSAL


def test_a_patch_makes_no_record_beyond_the_limit(app: TestApp, headers: dict[str, str]) -> None:
    half = "a" * (LIMIT // 2)
    app.put_json(RECORD, {"data": {"a": half}}, headers=headers)

    response = app.patch_json(RECORD, {"data": {"b": half}}, headers=headers, status=413)

    assert response.json == REFUSAL
    assert "b" not in app.get(RECORD, headers=headers).json["data"]


def test_what_the_schema_does_not_keep_does_not_count(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = sized({"name": "a"}, LIMIT + 1)

    app.post_json("/v0/mushrooms", {"data": record}, headers=headers, status=201)


@pytest.fixture(params=["spores", "ferns"])
def large(request: Any, app: TestApp, headers: dict[str, str]) -> str:
    """Return the URL of a record that was written before there was a limit."""
    url = RECORD.replace("spores", request.param)
    configured = app.app.registry.settings
    before, configured["max_record_bytes"] = configured["max_record_bytes"], None
    app.put_json(url, {"data": {"text": "a" * LIMIT, "more": "b" * LIMIT}}, headers=headers)
    configured["max_record_bytes"] = before
    return url


def test_a_record_that_was_larger_may_shrink(
    app: TestApp, large: str, headers: dict[str, str]
) -> None:
    record = {"text": "a" * LIMIT, "more": "c" * LIMIT}
    app.put_json(large, {"data": record}, headers=headers, status=200)
    app.patch_json(large, {"data": {"more": "c"}}, headers=headers, status=200)

    assert app.get(large, headers=headers).json["data"]["text"] == "a" * LIMIT


def test_a_record_that_was_larger_does_not_grow(
    app: TestApp, large: str, headers: dict[str, str]
) -> None:
    grown = {"data": {"more": "b" * (LIMIT + 1)}}

    assert app.patch_json(large, grown, headers=headers, status=413).json == REFUSAL
    grown["data"]["text"] = "a" * LIMIT
    assert app.put_json(large, grown, headers=headers, status=413).json == REFUSAL
    app.delete(large, headers=headers)
    assert app.put_json(large, grown, headers=headers, status=413).json == REFUSAL


@pytest.mark.parametrize("large", ["ferns"], indirect=True)
def test_permissions_of_a_record_that_was_larger_can_be_withdrawn(
    app: TestApp, large: str, headers: dict[str, str]
) -> None:
    shared = {"permissions": {"read": ["system.Everyone"]}}
    app.patch_json(large, shared, headers=headers, status=200)
    app.get(large, status=200)
    app.put_json(large, {"permissions": {"read": []}}, headers=headers, status=200)

    app.get(large, status=401)


def test_permissions_do_not_count(app: TestApp, headers: dict[str, str]) -> None:
    url = RECORD.replace("spores", "ferns")
    record = sized({"id": RECORD.rpartition("/")[2]})
    principals = [f"basicauth:{number}" for number in range(LIMIT)]

    app.put_json(
        url, {"data": record, "permissions": {"read": principals}}, headers=headers, status=201
    )


def test_of_a_batch_only_the_record_is_refused(app: TestApp, headers: dict[str, str]) -> None:
    requests = [
        {"method": "POST", "path": "/v0/spores", "body": {"data": sized({}, LIMIT + number)}}
        for number in (0, 1)
    ]

    response = app.post_json("/v0/batch", {"requests": requests}, headers=headers)

    created, refused = response.json["responses"]
    assert created["status"] == 201
    assert refused["status"] == 413
    assert refused["body"] == REFUSAL


def test_without_a_limit_the_one_of_bodies_holds(headers: dict[str, str]) -> None:
    app = make_app([Spore], settings={"max_record_bytes": "", "max_body_bytes": "3000000"})
    text = "a" * 2_900_000

    app.post_json("/v0/spores", {"data": {"text": text}}, headers=headers, status=201)


def test_by_default_a_record_has_two_mebibytes(headers: dict[str, str]) -> None:
    app = make_app([Spore])

    app.post_json("/v0/spores", {"data": sized({}, 2**21)}, headers=headers, status=201)
    app.post_json("/v0/spores", {"data": sized({}, 2**21 + 1)}, headers=headers, status=413)
