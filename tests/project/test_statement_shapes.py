"""The rules for statements of a distributed database, on statements that Citus refuses."""

import pytest

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
