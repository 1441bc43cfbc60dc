"""A PUT of permissions alone (X-33)."""

from __future__ import annotations

from typing import Any

import pytest
from support.sharing import AMANITAS, UNKNOWN_ID, URL, make_sharing_app
from webtest import TestApp

from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("X-33")

OWNER = basic_auth("owner")
SETTINGS = {
    "toadstool_create_principals": "system.Authenticated",
    "amanita_create_principals": "system.Authenticated",
}
SHARED = {"permissions": {"read": ["system.Authenticated"]}}


@pytest.fixture
def app() -> TestApp:
    return make_sharing_app(settings=SETTINGS)


def put(app: TestApp, path: str, body: dict[str, Any], status: int, **headers: str) -> Any:
    return app.put_json(path, body, headers={**OWNER, **headers}, status=status)


@pytest.mark.parametrize("url", [URL, AMANITAS], ids=["mandatory fields", "none"])
def test_it_keeps_the_attributes_of_a_record(app: TestApp, url: str) -> None:
    path = f"{url}/{UNKNOWN_ID}"
    created = put(app, path, {"data": {"name": "death cap"}}, 201).json["data"]

    answer = put(app, path, SHARED, 200).json

    # A write like others: the record has another timestamp, and nothing else of it differs.
    assert answer["data"].pop("last_modified") > created.pop("last_modified")
    assert answer["data"] == created
    assert answer["permissions"]["read"] == ["system.Authenticated"]
    assert app.get(path, headers=basic_auth("other")).json["data"]["name"] == "death cap"


def test_it_creates_a_record_without_attributes_where_the_schema_wants_none(app: TestApp) -> None:
    path = f"{AMANITAS}/{UNKNOWN_ID}"

    answer = put(app, path, SHARED, 201).json

    assert answer["data"].keys() == {"id", "last_modified"}
    assert answer["permissions"]["read"] == ["system.Authenticated"]


@pytest.mark.parametrize("is_deleted", [False, True], ids=["never", "deleted"])
def test_it_creates_nothing_where_the_schema_wants_a_field(app: TestApp, is_deleted: bool) -> None:
    path = f"{URL}/{UNKNOWN_ID}"
    if is_deleted:
        put(app, path, {"data": {"name": "death cap"}}, 201)
        app.delete(path, headers=OWNER)

    answer = put(app, path, SHARED, 400).json

    assert answer["message"] == "data is missing"
    assert answer["details"] == [
        {"location": "body", "name": "data", "description": "data is missing"}
    ]
    app.get(path, headers=OWNER, status=[403, 404])


@pytest.mark.parametrize("body", [{}, {"permissions": None}, {"data": None, **SHARED}])
def test_a_put_of_neither_is_refused_as_before(app: TestApp, body: dict[str, Any]) -> None:
    path = f"{URL}/{UNKNOWN_ID}"
    put(app, path, {"data": {"name": "death cap"}}, 201)

    put(app, path, body, 400)

    assert app.get(path, headers=OWNER).json["data"]["name"] == "death cap"


def test_its_precondition_is_judged(app: TestApp) -> None:
    path = f"{URL}/{UNKNOWN_ID}"
    created = put(app, path, {"data": {"name": "death cap"}}, 201).json["data"]
    former = f'"{created["last_modified"] - 1}"'

    put(app, path, SHARED, 412, **{"If-Match": former})

    app.get(path, headers=basic_auth("other"), status=403)


def test_it_works_in_a_batch_that_creates_the_record(app: TestApp) -> None:
    path = f"/toadstools/{UNKNOWN_ID}"
    requests = [
        {"method": "PUT", "path": path, "body": {"data": {"name": "death cap"}}},
        {"method": "PUT", "path": path, "body": SHARED},
    ]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=OWNER).json["responses"]

    assert [answer["status"] for answer in answers] == [201, 200]
    assert answers[1]["body"]["data"]["name"] == "death cap"
