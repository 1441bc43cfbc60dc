"""Schemas whose parts depend on the request: every method binds them alike."""

from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

HEADERS = basic_auth()
MERGE = {**HEADERS, "Content-Type": "application/merge-patch+json"}
JSON_PATCH = {**HEADERS, "Content-Type": "application/json-patch+json"}


@colander.deferred
def known_shelf(node: Any, kw: Any) -> Any:
    """Only the shelves that a header names."""
    return colander.OneOf(kw["request"].headers.get("Shelves", "a,b").split(","))


@colander.deferred
def asking_user(node: Any, kw: Any) -> Any:
    return kw["request"].prefixed_userid


@colander.deferred
def upper(node: Any, kw: Any) -> Any:
    assert kw["request"].method
    return lambda value: value.upper() if isinstance(value, str) else value


class JarSchema(resource.ResourceSchema):
    shelf = colander.SchemaNode(colander.String(), validator=known_shelf, missing="a")
    owner = colander.SchemaNode(colander.String(), missing=asking_user)
    label = colander.SchemaNode(colander.String(), preparer=upper, missing=colander.drop)
    kind = colander.SchemaNode(colander.String(), default=asking_user, missing=colander.drop)

    def after_bind(self, node: Any, kw: Any) -> None:
        if "Weighed" in kw["request"].headers:
            self.add(colander.SchemaNode(colander.Integer(), name="weight", missing=colander.drop))


class Jar(resource.UserResource):
    mapping = JarSchema()


class Crate(resource.ShareableResource):
    mapping = JarSchema()


@pytest.fixture(params=[Jar, Crate])
def app(request: pytest.FixtureRequest) -> TestApp:
    return make_app([request.param], settings={"crate_create_principals": "system.Authenticated"})


@pytest.fixture
def jar(app: TestApp) -> str:
    path = "/v0/jars" if "jar-record" in routes(app) else "/v0/crates"
    created = app.post_json(path, {"data": {"label": "plums"}}, headers=HEADERS).json["data"]
    assert (created["shelf"], created["label"]) == ("a", "PLUMS")
    assert created["owner"].startswith("basicauth:")
    return f"{path}/{created['id']}"


def routes(app: TestApp) -> set[Any]:
    return {service.name for service in app.app.registry.cornice_services.values()}


def patches(changes: Any) -> list[Any]:
    """Give the same changes in the three formats: arguments of a request."""
    operations = [{"op": "add", "path": f"/data/{n}", "value": v} for n, v in changes.items()]
    return [
        ({"data": changes}, HEADERS),
        ({"data": changes}, MERGE),
        (operations, JSON_PATCH),
    ]


def send(app: TestApp, url: Any, body: Any, headers: Any, status: Any = None) -> Any:
    if "merge-patch" in headers.get("Content-Type", "") and "/crates/" not in url:
        # The record itself is what a patch of a user resource is merged in (E-4.1).
        body = body["data"]
    return app.patch_json(url, body, headers=headers, status=status)


@pytest.mark.clause("P-11.3", "P-17.1", "E-4.1")
@pytest.mark.parametrize("form", range(3))
def test_patch_binds_the_schema_as_post_does(app: TestApp, jar: str, form: int) -> None:
    body, headers = patches({"shelf": "b", "label": "pears"})[form]

    data = send(app, jar, body, headers).json["data"]

    assert (data["shelf"], data["label"]) == ("b", "PEARS")
    assert data["owner"].startswith("basicauth:")


@pytest.mark.clause("P-11.3", "E-4.1")
@pytest.mark.parametrize("form", range(3))
def test_a_deferred_validator_refuses_in_patch(app: TestApp, jar: str, form: int) -> None:
    body, headers = patches({"shelf": "z"})[form]

    refused = send(app, jar, body, headers, status=400)

    assert refused.json["details"][0]["name"] == "data.shelf"
    # The header is the one of this request, not of an earlier one.
    app.patch_json(jar, {"data": {"shelf": "z"}}, headers={**HEADERS, "Shelves": "z"}, status=200)


@pytest.mark.clause("P-11.3")
def test_a_field_that_binding_adds_is_kept_and_known(app: TestApp, jar: str) -> None:
    weighed = {**HEADERS, "Weighed": "1"}
    collection = jar.rpartition("/")[0]

    assert app.patch_json(jar, {"data": {"weight": 3}}, headers=weighed).json["data"]["weight"] == 3
    found = app.get(f"{collection}?weight=3&_fields=weight&_sort=weight", headers=weighed)
    assert [record["weight"] for record in found.json["data"]] == [3]
    app.get(f"{collection}?weight=3", headers=HEADERS, status=400)


@pytest.mark.clause("H-8.8")
def test_data_may_be_left_out_where_the_bound_schema_asks_for_nothing(
    app: TestApp, jar: str
) -> None:
    collection = jar.rpartition("/")[0]

    created = app.post_json(collection, {}, headers=HEADERS, status=201).json["data"]

    assert created["shelf"] == "a"
    assert created["owner"].startswith("basicauth:")


@colander.deferred
def required_on_thursdays(node: Any, kw: Any) -> Any:
    return colander.required if "Thursday" in kw["request"].headers else colander.drop


@colander.deferred
def whole(node: Any, kw: Any) -> Any:
    def check(node: Any, value: Any) -> None:
        if value.get("name", "") == kw["request"].headers.get("Forbidden"):
            raise colander.Invalid(node, "This name is taken")

    return check


class LidSchema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String(), missing=required_on_thursdays)
    validator = whole

    class Options:
        readonly_fields = ("name",)

    def is_readonly(self, field: Any) -> Any:
        # Asked of the schema that is bound, and with whatever rule the application has.
        return "Thursday" in self.bindings["request"].headers and field != "free"


class Lid(resource.UserResource):
    mapping = LidSchema()


@pytest.fixture
def lids() -> TestApp:
    return make_app([Lid])


@pytest.mark.clause("H-8.3", "H-8.8")
def test_whether_data_may_be_left_out_is_judged_for_each_request(lids: TestApp) -> None:
    lids.post_json("/v0/lids", {}, headers=HEADERS, status=201)
    thursday = {**HEADERS, "Thursday": "1"}

    refused = lids.post_json("/v0/lids", {}, headers=thursday, status=400)

    assert refused.json["message"] == "data is missing"


@pytest.mark.clause("P-11.3")
def test_a_deferred_validator_of_the_record_as_a_whole(lids: TestApp) -> None:
    forbidden = {**HEADERS, "Forbidden": "x"}
    lids.post_json("/v0/lids", {"data": {"name": "x"}}, headers=forbidden, status=400)
    url = "/v0/lids/" + lids.post_json("/v0/lids", {}, headers=HEADERS).json["data"]["id"]

    refused = lids.patch_json(url, {"data": {"name": "x"}}, headers=forbidden, status=400)

    assert refused.json["message"] == "data in body: This name is taken"
    lids.patch_json(url, {"data": {"name": "y"}}, headers=forbidden, status=200)


@pytest.mark.clause("P-17.2", "H-20.7", "E-4.1")
@pytest.mark.parametrize("form", range(3))
def test_the_application_decides_what_is_read_only(lids: TestApp, form: int) -> None:
    created = lids.post_json("/v0/lids", {"data": {"name": "x"}}, headers=HEADERS).json["data"]
    url = f"/v0/lids/{created['id']}"
    body, headers = patches({"name": "y"})[form]

    refused = send(lids, url, body, {**headers, "Thursday": "1"}, status=400)

    assert refused.json["message"] == "Cannot modify name"
    changed = lids.patch_json(url, {"data": {"name": "y"}}, headers=HEADERS)
    assert changed.json["data"]["name"] == "y"
