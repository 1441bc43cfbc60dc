"""The rules for statements of a distributed database, on statements that Citus refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

import cliquet
from cliquet.storage.postgresql.dialect import PostgreSQLDialect
from cliquet.storage.postgresql.time_indexes import DEFINITIONS
from cliquet.storage.relational import listing
from cliquet.storage.relational.text import SQL

pytestmark = pytest.mark.clause("E-9.3")

REFUSED = {
    "WITH on INSERT": (
        "WITH counter AS (UPDATE timestamps SET live = live + 1 WHERE parent_id = 'a'"
        " RETURNING last_modified) INSERT INTO records (parent_id, id) SELECT 'a', 'i' FROM counter"
    ),
    "INSERT of a SELECT": (
        "WITH added AS (INSERT INTO access_control_entries (object_id, permission, principal)"
        " SELECT '/o', permission, principal FROM unnest(ARRAY['read'], ARRAY['x'])"
        " AS wanted (permission, principal)) SELECT 1"
    ),
    "INSERT within WITH": (
        "WITH written AS (INSERT INTO records (parent_id, id) VALUES ('a', 'i') RETURNING 1)"
        " SELECT 1 FROM written"
    ),
    "INSERT without one constant parent_id": (
        "INSERT INTO records (parent_id, id) VALUES ('a', 'i'), ('b', 'i')"
    ),
    "a function of the moment in UPDATE or DELETE": (
        "UPDATE timestamps SET last_modified = extract(epoch FROM clock_timestamp())::bigint"
        " WHERE parent_id = 'a'"
    ),
    "a function of the session in a write": (
        "UPDATE timestamps SET live = 1 WHERE parent_id = 'a'"
        " AND current_setting('cliquet.held', TRUE) = 'a'"
    ),
    "a function in RETURNING": (
        "UPDATE timestamps SET live = 1 WHERE parent_id = 'a' RETURNING lower(parent_id)"
    ),
    "ctid": (
        "DELETE FROM access_control_entries WHERE object_id = '/o' AND ctid = ANY (ARRAY("
        "SELECT ctid FROM access_control_entries WHERE object_id = '/o' FOR UPDATE))"
    ),
    "a lock on the server that is asked": (
        "SELECT pg_advisory_xact_lock(key) FROM unnest(ARRAY[1]::bigint[]) AS key"
    ),
    "several parents": (
        "UPDATE records SET deleted = TRUE WHERE parent_id = 'a'"
        " AND id IN (SELECT id FROM records WHERE parent_id = 'b')"
    ),
    "records without constant parent_id": (
        "DELETE FROM records USING stamp WHERE records.parent_id = stamp.parent_id"
    ),
    "timestamps without constant parent_id": (
        "SELECT parent_id FROM timestamps WHERE parent_id LIKE 'a%'"
        " ORDER BY parent_id FOR NO KEY UPDATE"
    ),
    "access_control_entries without constant object_id": (
        "DELETE FROM access_control_entries WHERE object_id = ANY (ARRAY['/o', '/p'])"
    ),
    "a key of records that does not begin with parent_id": (
        "CREATE TABLE records (parent_id TEXT, id TEXT, PRIMARY KEY (id, parent_id))"
    ),
    "a key of departures that does not begin with parent_id": (
        "CREATE UNIQUE INDEX departures_by_id ON departures (id, parent_id)"
    ),
    "a key of timestamps that does not begin with parent_id": (
        "ALTER TABLE timestamps ADD COLUMN number BIGINT UNIQUE"
    ),
    "an index (btree) of records that does not begin with parent_id": (
        "CREATE INDEX CONCURRENTLY records_in_time ON records (last_modified, parent_id)"
    ),
    "a trigger on records": (
        "CREATE TRIGGER counted AFTER INSERT ON records FOR EACH ROW EXECUTE FUNCTION count_one()"
    ),
    "a reference from records": (
        "ALTER TABLE records ADD FOREIGN KEY (parent_id, collection_id) REFERENCES timestamps"
    ),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_citus_refuses_is_found(problem: str) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    assert problem in shapes.problems_of(REFUSED[problem])


SHARD, SIBLING, OTHER = (f"{name}\x1f{rank}/2" for name, rank in (("a", 0), ("a", 1), ("b", 0)))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f"SELECT id FROM records WHERE parent_id = ANY (ARRAY['{SHARD}', '{SIBLING}'])", set()),
        (
            f"SELECT id FROM records WHERE parent_id = ANY (ARRAY['{SHARD}', '{OTHER}'])",
            {"several parents"},
        ),
        (
            f"DELETE FROM records WHERE parent_id = ANY (ARRAY['{SHARD}', '{SIBLING}'])",
            {"records without constant parent_id"},
        ),
        (
            f"SELECT 1 FROM timestamps WHERE parent_id = ANY (ARRAY['{SHARD}', '{SIBLING}'])"
            " FOR NO KEY UPDATE",
            {"timestamps without constant parent_id"},
        ),
        (
            f"WITH other AS (DELETE FROM records WHERE parent_id = '{SIBLING}')"
            f" DELETE FROM records WHERE parent_id = '{SHARD}'",
            {"several parents"},
        ),
    ],
)
def test_a_read_may_speak_of_the_shards_of_one_collection_and_a_write_of_one(
    text: str, problems: set[str]
) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    assert shapes.problems_of(text, over_shards=True) == problems
    assert shapes.problems_of(text) != set()


SCHEMAS = ("storage", "permission")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_tables_can_be_distributed(kind: str) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    path = Path(cliquet.__file__).parent / kind / "postgresql" / "schema.sql"
    # The versions are on the coordinator alone.
    text = path.read_text().partition("INSERT INTO metadata")[0]

    assert shapes.problems_of(text) != set(), "the exceptions are found"
    assert shapes.unexplained_problems_of(text, shapes.BESIDE_REQUESTS) == set()


@pytest.mark.parametrize("make", [listing.index, listing.array_index])
def test_the_indexes_of_fields_can_be_distributed(make: Callable[..., SQL]) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    definition = make(PostgreSQLDialect(), "tasks", "status").text.replace("%s", "'text'")
    text = f"CREATE INDEX CONCURRENTLY records_on_status ON records {definition}"

    assert (shapes.problems_of(text) != set()) == (make is listing.array_index)
    assert shapes.unexplained_problems_of(text, shapes.BESIDE_REQUESTS) == set()


def test_the_indexes_that_replace_those_of_former_releases_can_be_distributed() -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    for name, definition in DEFINITIONS.items():
        assert shapes.problems_of(f"CREATE INDEX {name} ON records {definition.text}") == set()
