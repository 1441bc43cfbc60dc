"""A collection of records without HTTP."""

import inspect
from typing import Any

import pytest
from support.shared_apps import make_app

from cliquet import resource
from cliquet.resource.user_model import Model
from cliquet.storage import Filter, Sort
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.generators import Generator
from cliquet.storage.memory import Storage
from cliquet.storage.query import COMPARISON
from cliquet.testing.web import basic_auth

UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"


class Slugs(Generator):
    count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"slug-{self.count}"


class Recorder:
    """A storage of a third party: takes keywords only, in an order of its own."""

    def __init__(self) -> None:
        self.calls = []

    def __getattr__(self, name: Any) -> Any:
        def method(**kwargs: Any) -> str:
            self.calls.append((name, kwargs))
            return f"result of {name}"

        return method


@pytest.fixture
def model() -> Any:
    return resource.Model(
        Storage(), id_generator=Slugs(), collection_id="mushroom", parent_id="alice"
    )


@pytest.mark.clause("P-13.1")
def test_a_model_keeps_what_it_is_made_of() -> None:
    storage, generator = Storage(), Slugs()

    model = resource.Model(storage, generator, "mushroom", "alice", "Basic x")
    bare = resource.Model(storage)

    assert vars(model) == {
        "storage": storage,
        "id_generator": generator,
        "collection_id": "mushroom",
        "parent_id": "alice",
        "auth": "Basic x",
    }
    assert (bare.id_generator, bare.collection_id, bare.parent_id, bare.auth) == (
        None,
        "",
        "",
        None,
    )


@pytest.mark.clause("P-13.1")
def test_a_model_needs_no_request() -> None:
    model = resource.Model(Storage())
    created = model.create_record({"name": "cep"})

    assert model.get_record(created["id"]) == created


@pytest.mark.clause("P-13.2", "P-13.3", "P-13.5")
@pytest.mark.parametrize(
    ("method", "arguments", "storage_method", "given"),
    [
        ("timestamp", {}, "collection_timestamp", {}),
        (
            "get_records",
            {
                "filters": ["f"],
                "sorting": ["s"],
                "pagination_rules": ["r"],
                "limit": 3,
                "include_deleted": True,
            },
            "get_all",
            {
                "filters": ["f"],
                "sorting": ["s"],
                "pagination_rules": ["r"],
                "limit": 3,
                "include_deleted": True,
                "id_field": "i",
                "modified_field": "m",
                "deleted_field": "d",
            },
        ),
        (
            "get_records",
            {},
            "get_all",
            {
                "filters": None,
                "sorting": None,
                "pagination_rules": None,
                "limit": None,
                "include_deleted": False,
                "id_field": "i",
                "modified_field": "m",
                "deleted_field": "d",
            },
        ),
        (
            "delete_records",
            {"filters": ["f"]},
            "delete_all",
            {"filters": ["f"], "id_field": "i", "modified_field": "m", "deleted_field": "d"},
        ),
        (
            "get_record",
            {"record_id": "x"},
            "get",
            {"object_id": "x", "id_field": "i", "modified_field": "m"},
        ),
        (
            "create_record",
            {"record": {"a": 1}, "unique_fields": ("a",)},
            "create",
            {
                "record": {"a": 1},
                "unique_fields": ("a",),
                "id_generator": "generator",
                "id_field": "i",
                "modified_field": "m",
            },
        ),
        (
            "update_record",
            {"record": {"i": "x", "a": 1}, "unique_fields": ("a",)},
            "update",
            {
                "object_id": "x",
                "record": {"i": "x", "a": 1},
                "unique_fields": ("a",),
                "id_field": "i",
                "modified_field": "m",
            },
        ),
        (
            "delete_record",
            {"record": {"i": "x"}, "last_modified": 5},
            "delete",
            {
                "object_id": "x",
                "last_modified": 5,
                "id_field": "i",
                "modified_field": "m",
                "deleted_field": "d",
            },
        ),
    ],
)
@pytest.mark.parametrize(
    ("parent", "expected"), [({}, "alice"), ({"parent_id": "bob"}, "bob")], ids=["own", "other"]
)
def test_methods_call_the_storage_with_keywords(
    method: str,
    arguments: dict[str, Any],
    storage_method: str,
    given: dict[str, Any],
    parent: dict[str, Any],
    expected: str,
) -> None:
    class Renamed(resource.Model):
        id_field, modified_field, deleted_field = "i", "m", "d"

    recorder = Recorder()
    model = Renamed(recorder, "generator", "mushroom", "alice", "Basic x")  # type: ignore[arg-type]

    result = getattr(model, method)(**arguments, **parent)

    common = {"collection_id": "mushroom", "parent_id": expected, "auth": "Basic x"}
    assert recorder.calls == [(storage_method, {**common, **given})]
    assert result == f"result of {storage_method}"


@pytest.mark.clause("P-13.2")
def test_fields_have_their_published_names() -> None:
    assert resource.Model.id_field == "id"
    assert resource.Model.modified_field == "last_modified"
    assert resource.Model.deleted_field == "deleted"


@pytest.mark.clause("P-13.3")
@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("timestamp", ["parent_id"]),
        (
            "get_records",
            ["filters", "sorting", "pagination_rules", "limit", "include_deleted", "parent_id"],
        ),
        ("delete_records", ["filters", "parent_id"]),
        ("get_record", ["record_id", "parent_id"]),
        ("create_record", ["record", "parent_id", "unique_fields"]),
        ("update_record", ["record", "parent_id", "unique_fields"]),
        ("delete_record", ["record", "parent_id", "last_modified"]),
    ],
)
def test_methods_take_their_arguments_in_the_published_order(
    method: str, parameters: list[Any]
) -> None:
    assert list(inspect.signature(getattr(resource.Model, method)).parameters)[1:] == parameters


@pytest.mark.clause("P-13.3")
def test_records_live_through_the_model(model: Model) -> None:
    created = model.create_record({"name": "cep"})
    updated = model.update_record({**created, "name": "morel"})
    found, total = model.get_records(
        filters=[Filter("name", "morel", COMPARISON.EQ)], sorting=[Sort("name", 1)]
    )
    tombstone = model.delete_record(updated)

    assert created["id"] == "slug-2"
    assert (found, total) == ([updated], 1)
    assert tombstone == {
        "id": "slug-2",
        "last_modified": model.timestamp(),
        "deleted": True,
    }
    with pytest.raises(RecordNotFoundError):
        model.get_record("slug-2")


@pytest.mark.clause("P-13.3", "P-17.4")
def test_unique_fields_are_judged_on_creation_and_update(model: Model) -> None:
    first = model.create_record({"code": 1})
    second = model.create_record({"code": 2}, unique_fields=("code",))

    with pytest.raises(UnicityError):
        model.create_record({"code": 1}, unique_fields=("code",))
    with pytest.raises(UnicityError):
        model.update_record({**second, "code": 1}, unique_fields=("code",))

    assert {record["id"] for record in model.get_records()[0]} == {first["id"], second["id"]}


@pytest.mark.clause("P-13.3")
def test_records_are_deleted_by_filters(model: Model) -> None:
    records = [model.create_record({"n": n}) for n in range(3)]

    tombstones = model.delete_records(filters=[Filter("n", 0, COMPARISON.GT)])

    assert {item["id"] for item in tombstones} == {record["id"] for record in records[1:]}
    assert model.get_records()[0] == [records[0]]


@pytest.mark.clause("P-13.4")
def test_a_deletion_takes_the_record_not_its_id(model: Model) -> None:
    record = model.create_record({"name": "cep"})

    with pytest.raises(TypeError):
        model.delete_record(record["id"])
    tombstone = model.delete_record({"id": record["id"]}, last_modified=record["last_modified"] + 9)

    assert tombstone["last_modified"] == record["last_modified"] + 9


@pytest.mark.clause("P-13.6")
def test_an_application_extends_the_model_of_its_resource() -> None:
    class Stamped(resource.Model):
        def create_record(
            self, record: Any, parent_id: Any = None, unique_fields: Any = None
        ) -> Any:
            return super().create_record({**record, "stamp": True}, parent_id, unique_fields)

    class Plant(resource.UserResource):
        default_model = Stamped

    app = make_app([Plant])

    response = app.post_json("/v0/plants", {"data": {}}, headers=basic_auth())

    assert response.json["data"]["stamp"] is True


@pytest.mark.clause("P-34.18")
def test_an_empty_parent_is_a_parent_like_another(model: Model) -> None:
    mine = model.create_record({"whose": "alice"})
    nobodys = model.create_record({"whose": "nobody"}, parent_id="")

    assert model.get_records()[0] == [mine]
    assert model.get_records(parent_id=None)[0] == [mine]
    assert model.get_records(parent_id="")[0] == [nobodys]
    with pytest.raises(RecordNotFoundError):
        model.get_record(mine["id"], parent_id="")


@pytest.mark.clause("D-53", "X-24")
def test_an_operation_that_fails_leaves_nothing(model: Model) -> None:
    def operation() -> None:
        model.create_record({"name": "cep"})
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        model.atomic(operation)

    assert model.get_records() == ([], 0)
    assert model.atomic(lambda: model.create_record({"name": "cep"}))["name"] == "cep"
