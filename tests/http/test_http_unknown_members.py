"""Members that a schema does not declare, refused by its option."""

from __future__ import annotations

import copy
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from support.sharing import make_sharing_app
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("E-17.4")

AUTH = basic_auth("owner")
ID = "00000000-0000-4000-8000-000000000001"
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Fields(resource.ResourceSchema):
    class Options:
        unknown = "raise"

    name = colander.SchemaNode(colander.String())

    @colander.instantiate(missing=colander.drop)
    class place(colander.MappingSchema):  # noqa: N801 - the name of a field
        town = colander.SchemaNode(colander.String(), missing=colander.drop)

    @colander.instantiate(missing=colander.drop)
    class visits(colander.SequenceSchema):  # noqa: N801 - the name of a field
        @colander.instantiate()
        class visit(colander.MappingSchema):  # noqa: N801 - the name of a field
            day = colander.SchemaNode(colander.Integer())


class Morel(resource.UserResource):
    """A hook gives it a member that the schema does not declare."""

    mapping = Fields()

    def process_record(self, new: Any, old: Any = None) -> Any:
        return {**super().process_record(new, old), "by": "server"}


class Shared(resource.ShareableResource):
    mapping = Fields()


@pytest.fixture(params=["morel", "shared"])
def app(request: pytest.FixtureRequest) -> Any:
    settings = {"shared_create_principals": "system.Authenticated"}
    app: Any = make_app([Morel, Shared], settings=settings)
    app.url = f"/v0/{request.param}s"
    return app


def send(app: Any, method: str, body: Any, status: int = 400, media_type: str = JSON) -> Any:
    url = app.url if method == "POST" else f"{app.url}/{ID}"
    call = getattr(app, f"{method.lower()}_json")
    return call(url, body, headers={**AUTH, "Content-Type": media_type}, status=status).json


UNKNOWN = [
    ({"nmae": "x"}, [("data.nmae", "Unknown member; did you mean 'name'?")]),
    ({"zzz": None}, [("data.zzz", "Unknown member")]),
    ({"place": {"twon": "x"}}, [("data.place.twon", "Unknown member; did you mean 'town'?")]),
    (
        {"visits": [{"day": 1}, {"day": 2, "hour": 3}]},
        [("data.visits.1.hour", "Unknown member")],
    ),
    (
        {"a": 1, "place": {"b": 2}},
        [("data.a", "Unknown member"), ("data.place.b", "Unknown member")],
    ),
]


def told(answer: Any) -> list[tuple[str, str]]:
    assert all(item["location"] == "body" for item in answer["details"])
    return sorted((item["name"], item["description"]) for item in answer["details"])


@pytest.mark.parametrize(("members", "expected"), UNKNOWN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_an_unknown_member_is_named(
    app: TestApp, method: str, members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    stored = send(app, "PUT", {"data": {"name": "cep"}}, 201)["data"]

    answer = send(app, method, {"data": {"name": "cep", **members}})

    assert told(answer) == expected
    assert answer["errno"] == 107
    assert answer["message"] == f"{expected[0][0]} in body: {expected[0][1]}"
    assert app.get(f"{app.url}/{ID}", headers=AUTH).json["data"] == stored


@pytest.mark.parametrize(("members", "expected"), UNKNOWN[:3])
@pytest.mark.parametrize("patch", ["merge", "json"])
def test_patches_are_judged_by_what_they_change(
    app: TestApp, patch: str, members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    send(app, "PUT", {"data": {"name": "cep"}}, 201)
    if patch == "merge":
        members = {"zzz": 1} if members == {"zzz": None} else members
        document: Any = members if app.url == "/v0/morels" else {"data": members}
        answer = send(app, "PATCH", document, media_type=MERGE)
    else:
        (name, value), *_ = members.items()
        operations = [{"op": "add", "path": f"/data/{name}", "value": value}]
        answer = send(app, "PATCH", operations, media_type=JSON_PATCH)

    assert told(answer) == expected


def test_all_faults_are_told_together(app: TestApp) -> None:
    answer = send(app, "POST", {"data": {"nmae": "x", "place": {"town": 5, "z": 1}}})

    assert [name for name, _ in told(answer)] == [
        "data.name",
        "data.nmae",
        "data.place.town",
        "data.place.z",
    ]


def test_the_members_of_every_record_are_known(app: TestApp) -> None:
    created = send(app, "POST", {"data": {"name": "cep", "id": ID, "last_modified": 5}}, 201)
    again = {name: created["data"][name] for name in ("id", "last_modified", "name")}

    send(app, "PUT", {"data": again}, 200)
    send(app, "PATCH", {"data": again}, 200)


def test_what_a_hook_has_added_may_be_sent_back_unchanged_by_a_patch() -> None:
    app: Any = make_app([Morel])
    app.url = "/v0/morels"
    stored = send(app, "PUT", {"data": {"name": "cep"}}, 201)["data"]
    assert stored["by"] == "server"

    send(app, "PATCH", {"data": {**stored, "name": "other"}}, 200)
    send(
        app,
        "PATCH",
        [{"op": "replace", "path": "/data/name", "value": "x"}],
        200,
        media_type=JSON_PATCH,
    )
    send(app, "PATCH", {"name": "y"}, 200, media_type=MERGE)

    assert told(send(app, "PATCH", {"data": {"by": "me"}})) == [("data.by", "Unknown member")]


def test_a_wrong_type_is_reported_as_before(app: TestApp) -> None:
    assert told(send(app, "POST", {"data": []}))[0][0] == "data"
    assert told(send(app, "POST", {"data": {"name": "cep", "place": 5}}))[0][0] == "data.place"


def test_many_unknown_members_cost_little(app: TestApp) -> None:
    answer = send(app, "POST", {"data": {"name": "cep", **{f"nam{n}": n for n in range(20_000)}}})

    hints = [item for item in answer["details"] if "did you mean" in item["description"]]
    assert len(hints) <= 10
    assert answer["details"][-1]["description"].startswith("19901 more are left out")


def test_a_plain_schema_of_colander_means_the_same() -> None:
    class Plain(colander.MappingSchema):
        name = colander.SchemaNode(colander.String())

    schema = Plain(colander.Mapping(unknown="raise"))

    class Morel(resource.UserResource):
        mapping = schema

    app: Any = make_app([Morel])
    app.url = "/v0/morels"
    send(app, "POST", {"data": {"name": "cep", "id": ID}}, 201)
    send(app, "PATCH", {"data": {"name": "other"}}, 200)

    assert told(send(app, "POST", {"data": {"name": "cep", "zzz": 1}})) == [
        ("data.zzz", "Unknown member")
    ]
    assert schema.typ.unknown == "raise"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_without_the_option_they_are_dropped(method: str) -> None:
    class Dropping(Fields):
        class Options:
            pass

    class Morel(resource.UserResource):
        mapping = Dropping()

    app: Any = make_app([Morel])
    app.url = "/v0/morels"
    send(app, "PUT", {"data": {"name": "cep"}}, 201)
    status = {"POST": 201}.get(method, 200)

    answer = send(app, method, {"data": {"name": "cep", "zzz": 1}}, status)

    assert "zzz" not in answer["data"]


def test_a_schema_that_was_used_before_is_another_one() -> None:
    """The registration must not change the instance that other resources share."""
    schema = Fields()
    before = copy.copy(vars(schema))

    make_sharing_app(resources=[type("Tree", (resource.ShareableResource,), {"mapping": schema})])

    assert vars(schema).keys() == before.keys()
    assert schema.deserialize({"name": "a", "zzz": 1}) == {"name": "a"}
