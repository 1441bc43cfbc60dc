import inspect
from typing import Any

import pytest

from cliquet import storage as storage_package
from cliquet.storage import StorageBase, exceptions
from cliquet.storage.generators import UUID4
from cliquet.storage.memory import Storage


@pytest.mark.clause("B-3.1")
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("initialize_schema", ()),
        ("flush", ()),
        ("collection_timestamp", ("c", "p")),
        ("all_resources_timestamps", ("c",)),
        ("create", ("c", "p", {})),
        ("get", ("c", "p", "o")),
        ("update", ("c", "p", "o", {})),
        ("delete", ("c", "p", "o")),
        ("delete_all", ("c", "p")),
        ("purge_deleted", ("c", "p")),
        ("trim_objects", ("c", "p", [], 1)),
        ("get_all", ("c", "p")),
        ("list_all", ("c", "p")),
        ("count_all", ("c", "p")),
    ],
)
def test_the_base_implements_nothing(method: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedError):
        getattr(StorageBase(), method)(*arguments)


@pytest.mark.clause("B-3.2")
def test_the_default_generator_makes_uuids() -> None:
    assert isinstance(StorageBase.id_generator, UUID4)


PLACE = ["collection_id", "parent_id"]
NAMES = ["id_field", "modified_field"]
MARKED = [*NAMES, "deleted_field"]
QUERY = ["filters", "sorting", "pagination_rules", "limit", "include_deleted"]


@pytest.mark.clause("B-3.3", "B-3.4", "B-3.5", "B-0.5", "P-29.1", "P-35.15")
@pytest.mark.parametrize("backend", [StorageBase, Storage])
@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("flush", ["auth"]),
        ("collection_timestamp", [*PLACE, "auth"]),
        ("create", [*PLACE, "record", "id_generator", "unique_fields", *NAMES, "auth"]),
        ("get", [*PLACE, "object_id", *NAMES, "auth"]),
        ("update", [*PLACE, "object_id", "record", "unique_fields", *NAMES, "auth"]),
        ("delete", [*PLACE, "object_id", "with_deleted", *MARKED, "auth", "last_modified"]),
        ("delete_all", [*PLACE, "filters", "with_deleted", *MARKED, "auth"]),
        ("purge_deleted", [*PLACE, "before", *NAMES, "auth"]),
        ("get_all", [*PLACE, *QUERY, *MARKED, "auth"]),
    ],
)
def test_parameters_have_the_documented_names_and_order(
    backend: type[Any], method: str, names: list[Any]
) -> None:
    parameters = inspect.signature(getattr(backend, method)).parameters.values()

    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["self", *names]


@pytest.mark.clause("X-24")
def test_a_backend_without_transactions_runs_the_operation() -> None:
    assert StorageBase().atomic(lambda: "result", collection_id="c", parent_id="p") == "result"


@pytest.mark.clause("P-29.1", "B-1.1", "B-1.9", "B-2.1")
def test_the_names_of_the_package() -> None:
    assert storage_package.DEFAULT_ID_FIELD == "id"
    assert storage_package.DEFAULT_MODIFIED_FIELD == "last_modified"
    assert storage_package.DEFAULT_DELETED_FIELD == "deleted"
    assert storage_package.exceptions is exceptions
    assert storage_package.Filter._fields == ("field", "value", "operator")
    assert storage_package.Sort._fields == ("field", "direction")
    assert callable(storage_package.heartbeat)


@pytest.mark.clause("B-1.10", "B-21.15")
def test_the_operators_and_their_values() -> None:
    assert {member.name: member.value for member in storage_package.COMPARISON} == {
        "LT": "<",
        "MIN": ">=",
        "MAX": "<=",
        "NOT": "!=",
        "EQ": "==",
        "GT": ">",
        "IN": "in",
        "EXCLUDE": "exclude",
        "LIKE": "like",
        "HAS": "has",
        "CONTAINS": "contains",
        "CONTAINS_ANY": "contains_any",
    }
