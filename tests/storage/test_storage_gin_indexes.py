"""GIN indexes on the values within arrays, where a schema asks for them (E-10.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import colander
import pytest
from pyramid.exceptions import ConfigurationError
from support.configured import config_of
from support.logged import capture_logs

from cliquet import resource
from cliquet.storage import StorageBase, memory, postgresql, sqlite
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.storage.common import HOME, OTHER_PARENT
from cliquet.testing.web import basic_auth, make_app

FIELDS = ["tags", "origin.places"]
ORDER = [Sort("last_modified", -1), Sort("id", -1)]


def with_tags(*tags: Any, **fields: Any) -> dict[str, Any]:
    return {"tags": list(tags), "origin": {"places": list(tags)}, **fields}


def some_tags(chosen: Random, n: int) -> dict[str, Any]:
    """Return a record with two of a thousand values, or with no array at all."""
    if n % 50 == 0:
        return {"tags": f"t{n}", "origin": None}
    return with_tags(f"t{chosen.randrange(1000)}", f"t{chosen.randrange(1000)}")


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[Any]:
    made = postgresql.load_from_config(config_of({"storage_url": postgresql_url}))
    made.declare_indexes("mushroom", [], gin_fields=FIELDS)
    made.initialize_schema()
    yield made
    made.client.dispose()


def fill(storage: Any, records: list[Any]) -> None:
    entries = [ExportedEntry(f"{n:05}", n + 1, record) for n, record in enumerate(records)]
    storage.import_(
        [ImportedCollection(HOME["parent_id"], HOME["collection_id"], len(entries) + 1, entries)]
    )


def indexes(storage: Any) -> set[str]:
    with storage.client.connect(readonly=True) as session:
        return set(storage._indexes._steps.existing(session))


def plan(storage: Any, filters: list[Filter], **options: Any) -> str:
    """Return the plan of a list."""
    statements = []
    read = storage._reader.rows

    def rows(text: str, parameters: Any, key: Any, **options: bool) -> Any:
        statements.append((text, parameters))
        return read(text, parameters, key, **options)

    storage._reader.rows = rows
    try:
        storage.get_all(**HOME, filters=filters, sorting=ORDER, **options)
    finally:
        storage._reader.rows = read
    ((text, parameters),) = statements
    with storage.client.connect(readonly=True) as session:
        lines = session.execute(f"EXPLAIN {text}", parameters).fetchall()
    return "\n".join(line for (line,) in lines)


@pytest.mark.clause("E-9.3")
def test_all_keys_and_indexes_but_two_kinds_begin_with_the_parent(storage: Any) -> None:
    storage.declare_indexes("mushroom", ["name", ["name", "size"]], gin_fields=FIELDS)
    storage.initialize_schema()
    with storage.client.connect(readonly=True) as session:
        rows = session.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid ="
            " indrelid WHERE relname IN ('records', 'timestamps', 'departures')"
        ).fetchall()
    definitions = [definition.partition(" USING ")[2] for (definition,) in rows]
    others = [one for one in definitions if not one.startswith("btree (parent_id, ")]

    assert len(definitions) == 11
    others.remove("btree (collection_id, parent_id)")
    assert [one.split(" ")[0] for one in others] == ["gin"] * len(FIELDS)


@pytest.mark.clause("E-10.4")
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("operator", [COMPARISON.CONTAINS, COMPARISON.CONTAINS_ANY])
@pytest.mark.parametrize("limit", [None, 10])
def test_contains_and_contains_any_use_the_index(
    storage: StorageBase, field: str, operator: COMPARISON, limit: int | None
) -> None:
    chosen = Random(1)
    fill(storage, [some_tags(chosen, n) for n in range(6000)])
    with storage.client.connect(force_commit=True) as session:
        session.execute("ANALYZE records")

    found = plan(storage, [Filter(field, ["t3", "t4"], operator)], limit=limit)

    # The page and its total both find their records there.
    assert found.count("Bitmap Index Scan on records_on_") == (2 if limit else 1), found
    assert "Seq Scan on records" not in found


VALUES: list[Any] = ["a", "b", "ab", 1, 1.0, 2, None, True, [], [1], ["a"], {}, {"k": 1}, "\ud83d"]
VALUES += [{"k": 1, "l": [2]}, "", "x" * 5000, 1e25, -0.0, 0]


@pytest.mark.clause("E-10.4", "B-21.17")
def test_the_index_changes_no_result(storage: StorageBase) -> None:
    chosen = Random(2)
    held = [value for value in VALUES if value != "\ud83d"]
    records = [
        with_tags(*(chosen.choice(held) for _ in range(chosen.randrange(4)))) for _ in range(150)
    ]
    records += [{}, {"tags": "a"}, {"tags": {"a": 1}}, {"tags": None}]
    other = memory.Storage()
    for one in (storage, other):
        fill(one, records)
        one.delete(**HOME, object_id="00003")
        one.create(**OTHER_PARENT, record=with_tags("a"))
    asked = [[value] for value in VALUES]
    asked += [[chosen.choice(VALUES), chosen.choice(VALUES)] for _ in range(40)] + [[]]

    for values in asked:
        for operator in (COMPARISON.CONTAINS, COMPARISON.CONTAINS_ANY):
            filters = [Filter("tags", values, operator)]
            results = [
                [record["id"] for record in one.list_all(**HOME, filters=filters, sorting=ORDER)]
                for one in (storage, other)
            ]
            assert results[0] == results[1], (operator, values)
            assert storage.count_all(**HOME, filters=filters) == len(results[0])


@pytest.mark.clause("E-10.2", "E-10.4")
def test_migrate_makes_and_drops_them(storage: StorageBase, postgresql_url: str) -> None:
    assert len(indexes(storage)) == 2
    assert storage.missing_indexes() == []
    later = postgresql.load_from_config(config_of({"storage_url": postgresql_url}))
    later.declare_indexes("mushroom", ["rank"], gin_fields=["tags", "colours"])
    assert later.missing_indexes() == ["mushroom: rank", "mushroom: colours (GIN)"]

    with capture_logs() as entries:
        later.initialize_schema()

    steps = [(entry["event"], entry.get("field")) for entry in entries]
    assert steps == [
        ("index.drop", None),
        ("index.create", "rank"),
        ("index.create", "colours (GIN)"),
    ]
    assert later.missing_indexes() == []
    assert len(indexes(later)) == 3


class Mushroom(resource.UserResource):
    class MushroomSchema(resource.ResourceSchema):
        class Options:
            gin_indexed_fields = ("tags",)

        tags = colander.SchemaNode(colander.Sequence(), colander.SchemaNode(colander.String()))

    mapping = MushroomSchema()


@pytest.mark.clause("E-10.4")
@pytest.mark.parametrize("family", ["postgresql", "sqlite", "memory"])
def test_clients_of_any_storage_filter_by_what_arrays_contain(
    request: pytest.FixtureRequest, family: str, tmp_path: Path
) -> None:
    settings = {"storage_backend": f"cliquet.storage.{family}"}
    if family != "memory":
        settings["storage_url"] = (
            request.getfixturevalue("postgresql_url")
            if family == "postgresql"
            else f"sqlite:///{tmp_path}/data.db"
        )
    client = make_app([Mushroom], settings=settings)
    backend = client.app.registry.storage
    backend.initialize_schema()
    assert backend.missing_indexes() == []
    for tags in (["a", "b"], ["b"], ["c"]):
        client.post_json("/v0/mushrooms", {"data": {"tags": tags}}, headers=basic_auth())

    def found(query: str) -> list[Any]:
        answer = client.get(f"/v0/mushrooms?{query}", headers=basic_auth())
        return sorted(record["tags"] for record in answer.json["data"])

    assert found("contains_tags=a,b") == [["a", "b"]]
    assert found("contains_any_tags=a,c") == [["a", "b"], ["c"]]


@pytest.mark.clause("E-10.4", "E-1.3")
def test_sqlite_has_no_such_index(tmp_path: Path) -> None:
    made = sqlite.load_from_config(config_of({"storage_url": f"sqlite:///{tmp_path}/data.db"}))
    made.declare_indexes("mushroom", [], gin_fields=FIELDS)

    made.initialize_schema()

    assert indexes(made) == set()
    assert made.missing_indexes() == []
    made.client.dispose()


@pytest.mark.clause("E-8.6", "E-10.4")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("tag",), "gin_indexed_fields has 'tag', which is no field"),
        ("tags", "gin_indexed_fields is the text 'tags'"),
        ((("tags", "colours"),), "gin_indexed_fields"),
    ],
)
def test_a_wrong_option_stops_the_start(given: object, told: str) -> None:
    class Moss(resource.UserResource):
        class MossSchema(resource.ResourceSchema):
            class Options:
                gin_indexed_fields = given

            tags = colander.SchemaNode(colander.Sequence(), colander.SchemaNode(colander.String()))
            colours = colander.SchemaNode(colander.String())

        mapping = MossSchema()

    with pytest.raises(ConfigurationError, match=told):
        make_app([Moss])
