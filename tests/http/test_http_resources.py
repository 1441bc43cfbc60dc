"""Resources, URLs, methods and ids (H-7)."""

import json
import re
import uuid
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet.storage.generators import Generator

UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"
UUID_4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

NOT_FOUND = {
    "code": 404,
    "errno": 111,
    "error": "Not Found",
    "message": "The resource you are looking for could not be found.",
}
INVALID_ID = {
    "code": 400,
    "errno": 107,
    "error": "Invalid parameters",
    "message": "path: Invalid record id",
    "details": [{"location": "path", "name": None, "description": "Invalid record id"}],
}


class Slugs(Generator):
    """Ids of the generic pattern."""

    def __call__(self) -> str:
        return f"slug_{uuid.uuid4().hex}-A"


class Careless(Generator):
    """Makes ids that its own pattern refuses."""

    def __call__(self) -> str:
        return "no spaces please"


def call(app: TestApp, method: Any, path: Any, headers: Any, data: Any = None) -> Any:
    """Send a request with `data` as the record of the body, if there is any."""
    body = b"" if data is None else json.dumps({"data": data}).encode()
    headers = {**headers, "Content-Type": "application/json"}
    return app.request(path, method=method, headers=headers, body=body, expect_errors=True)


def allowed(response: Any) -> set[Any]:
    return {name.strip() for name in response.headers["Allow"].split(",")}


@pytest.mark.clause("H-7.1")
def test_a_resource_is_served_under_its_lower_cased_name_and_an_s(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers).json["data"]

    response = app.get(f"/v0/mushrooms/{record['id']}", headers=headers)

    assert response.json["data"] == record


@pytest.mark.clause("H-7.1")
def test_an_application_chooses_urls_with_variables_and_several_of_them(
    headers: dict[str, str],
) -> None:
    woods = {
        "name": "wood",
        "collection_path": "/forests/{{forest}}/mushrooms",
        "record_path": "/forests/{{forest}}/mushrooms/{{id}}",
    }
    app = make_app([Mushroom, (Mushroom, woods)])
    record = app.post_json(
        "/v0/forests/black/mushrooms", {"data": {"name": "cep"}}, headers=headers
    ).json["data"]

    for collection in ("/v0/mushrooms", "/v0/forests/black/mushrooms"):
        response = app.get(f"{collection}/{record['id']}", headers=headers)
        assert response.json["data"] == record


@pytest.mark.clause("H-7.2", "H-7.3")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v0/spores", 200),
        ("HEAD", "/v0/spores", 200),
        ("POST", "/v0/spores", 201),
        ("DELETE", "/v0/spores", 200),
        ("OPTIONS", "/v0/spores", 200),
        ("GET", f"/v0/spores/{UUID}", 200),
        ("HEAD", f"/v0/spores/{UUID}", 200),
        ("PUT", f"/v0/spores/{UUID}", 200),
        ("PATCH", f"/v0/spores/{UUID}", 200),
        ("DELETE", f"/v0/spores/{UUID}", 200),
        ("OPTIONS", f"/v0/spores/{UUID}", 200),
    ],
)
def test_both_urls_serve_their_methods_by_default(
    app: TestApp, headers: dict[str, str], method: str, path: str, status: int
) -> None:
    app.put_json(f"/v0/spores/{UUID}", {"data": {}}, headers=headers)
    data = {} if method in ("POST", "PUT", "PATCH") else None

    response = call(app, method, path, headers, data)

    assert response.status_code == status


@pytest.mark.clause("H-7.2", "H-7.4")
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # WebTest knows some verbs only
@pytest.mark.parametrize("authenticated", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("PUT", "/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("PATCH", "/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("TRACE", "/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("PROPFIND", "/v0/mushrooms", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("POST", f"/v0/mushrooms/{UUID}", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("TRACE", f"/v0/mushrooms/{UUID}", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("BREW", f"/v0/mushrooms/{UUID}", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_any_other_verb_is_405_and_told_what_is_allowed(
    app: TestApp,
    headers: dict[str, str],
    method: str,
    path: str,
    methods: set[Any],
    authenticated: bool,
) -> None:
    response = call(app, method, path, headers if authenticated else {})

    assert response.status_code == 405
    assert allowed(response) == methods
    assert response.json == {
        "code": 405,
        "errno": 115,
        "error": "Method Not Allowed",
        "message": "Method not allowed on this endpoint.",
    }


@pytest.mark.clause("H-7.5")
def test_a_record_has_an_id_and_a_timestamp_and_a_tombstone_says_deleted(
    app: TestApp, headers: dict[str, str]
) -> None:
    record = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=headers).json["data"]
    tombstone = app.delete(f"/v0/mushrooms/{record['id']}", headers=headers).json["data"]

    assert set(record) == {"id", "last_modified", "name"}
    assert isinstance(record["id"], str)
    assert type(record["last_modified"]) is int
    assert tombstone["deleted"] is True
    assert set(tombstone) == {"id", "last_modified", "deleted"}


@pytest.mark.clause("H-7.6")
def test_generated_ids_are_random_uuids_in_lower_case(
    app: TestApp, headers: dict[str, str]
) -> None:
    ids = [
        app.post_json("/v0/spores", {"data": {}}, headers=headers).json["data"]["id"]
        for _ in range(5)
    ]

    assert len(set(ids)) == 5
    assert all(UUID_4.fullmatch(record_id) for record_id in ids)


@pytest.mark.clause("H-7.6")
@pytest.mark.parametrize(
    "record_id",
    [
        "00000000-0000-0000-0000-000000000000",
        "c232ab00-9414-11ec-b3c8-9f6bdeced846",  # version 1
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",  # version 7
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ],
)
def test_any_version_of_uuid_is_an_id(
    app: TestApp, headers: dict[str, str], record_id: str
) -> None:
    response = app.put_json(f"/v0/spores/{record_id}", {"data": {}}, headers=headers)

    assert response.status_code == 201
    assert response.json["data"]["id"] == record_id


@pytest.mark.clause("H-7.6", "H-7.8", "P-18.4")
@pytest.mark.parametrize(
    "record_id",
    [
        UUID.upper(),
        UUID.replace("-", ""),
        UUID[:-1],
        UUID + "0",
        UUID.replace("6", "g"),
        "abc",
        "%D9%A0" + UUID[1:],  # a digit, but not an ASCII one
    ],
)
def test_ids_of_another_form_are_400(app: TestApp, headers: dict[str, str], record_id: str) -> None:
    response = app.get(f"/v0/spores/{record_id}", headers=headers, status=400)

    assert response.json == INVALID_ID


@pytest.mark.clause("P-34.16")
@pytest.mark.parametrize("end", ["%0A", "%0D%0A", "%20"])
def test_an_id_does_not_end_by_white_space(app: TestApp, headers: dict[str, str], end: str) -> None:
    app.put_json(f"/v0/spores/{UUID}", {"data": {}}, headers=headers)

    response = app.get(f"/v0/spores/{UUID}{end}", headers=headers, status=400)

    assert response.json == INVALID_ID


@pytest.mark.clause("H-7.8")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_every_method_refuses_an_id_of_another_form(
    app: TestApp, headers: dict[str, str], method: str
) -> None:
    data = {"name": "cep"} if method in ("PUT", "PATCH") else None

    response = call(app, method, "/v0/mushrooms/abc", headers, data)

    assert response.status_code == 400
    if method != "HEAD":
        assert response.json == INVALID_ID


@pytest.mark.clause("H-7.7")
@pytest.mark.setting("id_generator")
@pytest.mark.parametrize("record_id", ["a", "Boletus_edulis-2", "0", UUID])
def test_an_application_replaces_the_generator(headers: dict[str, str], record_id: str) -> None:
    app = make_app([Spore], settings={"id_generator": f"{__name__}.Slugs"})

    generated = app.post_json("/v0/spores", {"data": {}}, headers=headers).json["data"]["id"]
    chosen = app.put_json(f"/v0/spores/{record_id}", {"data": {}}, headers=headers)

    assert generated.startswith("slug_")
    assert chosen.json["data"]["id"] == record_id


@pytest.mark.clause("H-7.7")
@pytest.mark.parametrize("record_id", ["-a", "_a", "a.b", "a%20b", "%C3%A9", "a%0A"])
def test_the_generic_pattern_refuses_what_it_does_not_know(
    headers: dict[str, str], record_id: str
) -> None:
    app = make_app([Spore], settings={"id_generator": f"{__name__}.Slugs"})

    response = app.get(f"/v0/spores/{record_id}", headers=headers, status=400)

    assert response.json == INVALID_ID


@pytest.mark.clause("H-7.7")
def test_a_generator_that_its_own_pattern_refuses_prevents_the_start() -> None:
    with pytest.raises(AssertionError):
        make_app([Spore], settings={"id_generator": f"{__name__}.Careless"})


@pytest.mark.clause("H-7.9")
@pytest.mark.parametrize("path", ["a/b", "a%2Fb", f"{UUID}/x", f"{UUID}%2F{UUID}"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_slash_inside_an_id_matches_no_url(
    app: TestApp, headers: dict[str, str], method: str, path: str
) -> None:
    data = {"name": "cep"} if method in ("PUT", "PATCH") else None

    response = call(app, method, f"/v0/mushrooms/{path}", headers, data)

    assert response.status_code == 404
    assert response.json == NOT_FOUND


@pytest.mark.clause("H-7.10")
@pytest.mark.parametrize("state", ["unknown", "deleted"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_an_unknown_record_and_a_deleted_one_are_the_same_404(
    app: TestApp, headers: dict[str, str], method: str, state: str
) -> None:
    if state == "deleted":
        app.put_json(f"/v0/mushrooms/{UUID}", {"data": {"name": "cep"}}, headers=headers)
        app.delete(f"/v0/mushrooms/{UUID}", headers=headers)

    data = {"name": "cep"} if method == "PATCH" else None
    response = call(app, method, f"/v0/mushrooms/{UUID}", headers, data)

    assert response.status_code == 404
    if method != "HEAD":
        assert response.json == NOT_FOUND
