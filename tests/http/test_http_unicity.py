"""Unique fields (H-23)."""

import uuid
from typing import Any

import colander
import pytest
from support.listings import state, store
from support.shared_apps import make_app
from testapp import Truffle
from webtest import TestApp

from cliquet import resource

URL = "/v0/truffles"
LABELLED = "/v0/labelleds"


class Labelled(resource.UserResource):
    """Keeps nulls, and has a unique field of any type."""

    class LabelledSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True
            unique_fields = ("label",)

        name = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = LabelledSchema()


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app([Truffle, Labelled])


@pytest.fixture
def black(app: TestApp, headers: dict[str, str]) -> Any:
    (record,) = store(app, headers, URL, {"name": "black", "email": "black@x.org", "code": 1})
    return record


@pytest.fixture
def white(app: TestApp, headers: dict[str, str], black: Any) -> Any:
    (record,) = store(app, headers, URL, {"name": "white", "email": "white@x.org", "code": 2})
    return record


def conflict(field: Any, existing: Any) -> dict[str, Any]:
    return {
        "code": 409,
        "errno": 122,
        "error": "Conflict",
        "message": f"Conflict of field {field} on record {existing['id']}",
        "details": {"field": field, "existing": existing},
    }


@pytest.mark.clause("H-23.1")
def test_the_scope_is_the_collection_of_the_user(
    app: TestApp, black: dict[str, Any], other_headers: dict[str, str]
) -> None:
    (other,) = store(app, other_headers, URL, {"name": "grey", "email": black["email"]})

    assert other["id"] != black["id"]


@pytest.mark.clause("H-23.1", "H-23.4")
def test_only_declared_fields_are_unique(
    app: TestApp, headers: dict[str, str], black: dict[str, Any]
) -> None:
    store(app, headers, URL, {"name": black["name"]})


@pytest.mark.clause("H-23.1")
def test_a_value_given_up_is_free_again(
    app: TestApp, headers: dict[str, str], black: dict[str, Any]
) -> None:
    body = {"data": {"email": "new@x.org", "code": 7}}
    app.patch_json(f"{URL}/{black['id']}", body, headers=headers)

    store(app, headers, URL, {"name": "white", "email": black["email"], "code": 1})


@pytest.mark.clause("H-23.2")
@pytest.mark.parametrize("data", [{}, {"label": None}])
def test_null_and_absent_values_never_conflict(
    app: TestApp, headers: dict[str, str], data: dict[str, Any]
) -> None:
    first, second, third = store(app, headers, LABELLED, data, data, {"label": None})

    assert len({first["id"], second["id"], third["id"]}) == 3
    app.put_json(f"{LABELLED}/{uuid.uuid4()}", {"data": data}, headers=headers, status=201)
    app.put_json(f"{LABELLED}/{first['id']}", {"data": data}, headers=headers, status=200)


@pytest.mark.clause("H-23.2", "H-23.4", "H-23.5")
@pytest.mark.parametrize("value", ["", 0, False, [], {}, "a", 9, True, [1, {"a": None}]])
def test_other_values_conflict_empty_or_not(
    app: TestApp, headers: dict[str, str], value: object
) -> None:
    body = {"data": {"label": value}}
    (first,) = store(app, headers, LABELLED, {"label": value})

    posted = app.post_json(LABELLED, body, headers=headers, status=200)
    put = app.put_json(f"{LABELLED}/{uuid.uuid4()}", body, headers=headers, status=409)

    assert posted.json == {"data": first}
    assert put.json == conflict("label", first)


@pytest.mark.clause("H-23.2")
def test_values_of_other_types_do_not_conflict(app: TestApp, headers: dict[str, str]) -> None:
    values = [0, "0", False, "", 1, True, "1", [1], ["1"]]

    records = store(app, headers, LABELLED, *({"label": value} for value in values))

    assert len({record["id"] for record in records}) == len(values)


@pytest.mark.clause("H-23.3", "H-23.4")
def test_the_id_is_unique_on_creation(
    app: TestApp, headers: dict[str, str], black: dict[str, Any]
) -> None:
    before = state(app, headers, URL)
    data = {"id": black["id"], "name": "white", "code": 5}

    response = app.post_json(URL, {"data": data}, headers=headers, status=200)

    assert response.json == {"data": black}
    assert state(app, headers, URL) == before


@pytest.mark.clause("H-23.4", "H-16.3")
@pytest.mark.parametrize(
    "data",
    [
        {"email": "black@x.org"},
        {"code": 1},
        {"email": "black@x.org", "code": 1},
        {"email": "black@x.org", "code": 99},
        {"code": 1, "last_modified": 1},
        {"code": 1, "id": str(uuid.uuid4())},
    ],
)
def test_a_creation_that_conflicts_gives_the_existing_record(
    app: TestApp, headers: dict[str, str], black: dict[str, Any], data: dict[str, Any]
) -> None:
    before = state(app, headers, URL)

    response = app.post_json(URL, {"data": {"name": "new", **data}}, headers=headers, status=200)

    assert response.json == {"data": black}
    assert state(app, headers, URL) == before


@pytest.mark.clause("H-23.5", "D-49")
@pytest.mark.parametrize(
    ("field", "data"), [("email", {"email": "black@x.org"}), ("code", {"code": 1})]
)
@pytest.mark.parametrize("request_", ["PUT new", "PUT live", "PUT tombstone", "PATCH live"])
def test_a_write_that_conflicts_is_409(
    app: TestApp,
    headers: dict[str, str],
    black: dict[str, Any],
    white: dict[str, Any],
    request_: str,
    field: str,
    data: dict[str, Any],
) -> None:
    method, target = request_.split()
    gone, _ = store(app, headers, URL, {"name": "gone"}, {"name": "kept"})
    app.delete(f"{URL}/{gone['id']}", headers=headers)
    ids = {"new": str(uuid.uuid4()), "live": white["id"], "tombstone": gone["id"]}
    before = state(app, headers, URL)

    send = app.put_json if method == "PUT" else app.patch_json
    response = send(
        f"{URL}/{ids[target]}", {"data": {"name": "new", **data}}, headers=headers, status=409
    )

    assert response.json == conflict(field, black)
    assert state(app, headers, URL) == before


@pytest.mark.clause("H-23.6")
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_a_record_does_not_conflict_with_itself(
    app: TestApp, headers: dict[str, str], black: dict[str, Any], method: str
) -> None:
    data = {"name": "still black", "email": black["email"], "code": black["code"]}

    response = getattr(app, method)(f"{URL}/{black['id']}", {"data": data}, headers=headers)

    assert response.json["data"]["name"] == "still black"
    assert response.json["data"]["code"] == 1


@pytest.mark.clause("H-23.7")
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_one_of_several_conflicting_fields_is_reported(
    app: TestApp, headers: dict[str, str], black: dict[str, Any], white: dict[str, Any], method: str
) -> None:
    (third,) = store(app, headers, URL, {"name": "third"})
    data = {"name": "third", "email": black["email"], "code": white["code"]}

    response = getattr(app, method)(
        f"{URL}/{third['id']}", {"data": data}, headers=headers, status=409
    )

    assert response.json in (conflict("email", black), conflict("code", white))


@pytest.mark.clause("H-23.8")
def test_a_creation_in_conflict_with_two_records_gives_one_of_them(
    app: TestApp, headers: dict[str, str], black: dict[str, Any], white: dict[str, Any]
) -> None:
    before = state(app, headers, URL)
    data = {"name": "x", "id": black["id"], "code": white["code"]}

    response = app.post_json(URL, {"data": data}, headers=headers, status=200)

    assert response.json["data"] in (black, white)
    assert state(app, headers, URL) == before


@pytest.mark.clause("H-23.4", "H-10.6")
def test_a_conflict_of_a_unique_field_is_not_a_matter_of_if_none_match(
    app: TestApp, headers: dict[str, str], black: dict[str, Any]
) -> None:
    # The condition is about the record of the id, and none is given (H-10.3).
    body = {"data": {"name": "new", "code": 1}}

    response = app.post_json(URL, body, headers={**headers, "If-None-Match": "*"}, status=200)

    assert response.json == {"data": black}
