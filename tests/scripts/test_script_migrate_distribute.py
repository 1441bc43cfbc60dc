"""``cliquet migrate --distribute``, on a PostgreSQL that has the functions of Citus by name.

Citus itself comes from no package index: functions with its names, arguments and tables write down
what they are asked to do.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from support.configured import loading
from support.statements import record

from cliquet.permission import PermissionBase
from cliquet.permission import postgresql as permissions
from cliquet.storage import postgresql as records
from cliquet.storage.exceptions import BackendError
from scripts.command_line import MEMORY, write_ini

pytestmark = pytest.mark.clause("E-9.5")

CITUS = """\
CREATE TABLE pg_dist_local_group (groupid integer NOT NULL);
CREATE TABLE pg_dist_partition (logicalrelid regclass, distribution text, beside text);
CREATE TABLE pg_dist_object (classid oid, objid oid);
CREATE FUNCTION create_distributed_table(
    table_name regclass, distribution_column text, colocate_with text DEFAULT 'default'
) RETURNS void LANGUAGE sql AS
'INSERT INTO pg_dist_partition VALUES (table_name, distribution_column, colocate_with)';
CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE sql AS
'INSERT INTO pg_dist_partition VALUES (table_name, NULL, NULL)';
CREATE FUNCTION create_distributed_function(function_name regprocedure) RETURNS void LANGUAGE sql AS
'INSERT INTO pg_dist_object VALUES (''pg_proc''::regclass, function_name::oid)';
"""
TABLES = {
    ("records", "parent_id", "default"),
    ("timestamps", "parent_id", "records"),
    ("departures", "parent_id", "records"),
    ("access_control_entries", "object_id", "default"),
    ("user_principals", None, None),
}


def ask(url: str, statement: str) -> list[Any]:
    """Run a statement on a database, and return its rows."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def place(url: str, group: int) -> None:
    """Make a server of Citus of a database; the group 0 is the coordinator."""
    ask(url, f"{CITUS} INSERT INTO pg_dist_local_group VALUES ({group})")


@pytest.fixture
def settings(postgresql_url: str) -> dict[str, str]:
    return {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (("backend", f"cliquet.{kind}.postgresql"), ("url", postgresql_url))
    }


@pytest.fixture
def migrate(cliquet: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs the command on a service with some settings."""

    def run(settings: dict[str, str], *arguments: str) -> Any:
        ini = write_ini(tmp_path / "service.ini", {**MEMORY, **settings})
        return cliquet("--ini", ini, "migrate", "--distribute", *arguments)

    return run


def test_tables_and_functions_are_distributed_once(
    postgresql_url: str, settings: dict[str, str], migrate: Callable[..., Any]
) -> None:
    place(postgresql_url, 0)

    dry = migrate(settings, "--dry-run")
    assert (dry.code, ask(postgresql_url, "SELECT * FROM pg_dist_partition")) == (0, []), dry.err
    assert "the table records would be spread by parent_id" in dry.out.splitlines()
    assert ask(postgresql_url, "SELECT to_regclass('records')") == [(None,)]

    first = migrate(settings)
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    assert "the table timestamps is spread by parent_id" in lines
    assert "the table user_principals is copied to all servers" in lines
    assert "storage: cliquet_next(bigint) is taken to all servers" in lines
    placed = ask(
        postgresql_url, "SELECT logicalrelid::text, distribution, beside FROM pg_dist_partition"
    )
    assert len(placed) == len(TABLES)
    assert set(placed) == TABLES
    functions = "SELECT count(*) FROM pg_proc WHERE starts_with(proname, 'cliquet_')"
    taken = "SELECT count(*) FROM pg_dist_object"
    assert ask(postgresql_url, functions) == ask(postgresql_url, taken) != [(0,)]

    again = migrate(settings)
    assert (again.code, again.out) == (0, "nothing to do\n"), again.err


@pytest.mark.parametrize(
    ("group", "words"), [(None, "extension citus is missing"), (3, "is a worker of Citus")]
)
def test_elsewhere_nothing_is_made(
    postgresql_url: str,
    settings: dict[str, str],
    migrate: Callable[..., Any],
    group: int | None,
    words: str,
) -> None:
    if group is not None:
        place(postgresql_url, group)

    for arguments in ([], ["--dry-run"]):
        outcome = migrate(settings, *arguments)

        assert outcome.code == 1
        assert words in outcome.err.splitlines()[-1]
        assert "Traceback" not in outcome.err
        assert ask(postgresql_url, "SELECT to_regclass('records')") == [(None,)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"permission_backend": "cliquet.permission.memory"}, "permission_backend"),
        ({"storage_backend": "cliquet.storage.memory"}, "storage_backend"),
        ({"readonly": "true"}, "readonly"),
    ],
)
def test_a_service_that_cannot_be_distributed_is_told_why(
    postgresql_url: str,
    settings: dict[str, str],
    migrate: Callable[..., Any],
    more: dict[str, str],
    words: str,
) -> None:
    place(postgresql_url, 0)

    outcome = migrate({**settings, **more})

    assert outcome.code == 1
    assert "--distribute: " in outcome.err.splitlines()[-1]
    assert words in outcome.err.splitlines()[-1]
    assert ask(postgresql_url, "SELECT * FROM pg_dist_partition") == []


def test_code_gets_the_error_too(postgresql_url: str) -> None:
    storage = loading(records, "storage")(postgresql_url)
    with pytest.raises(BackendError, match="citus is missing"):
        storage.distribute()
    storage.client.dispose()


@pytest.mark.clause("E-23.7")
def test_collections_with_shards_are_not_on_several_servers(postgresql_url: str) -> None:
    storage = loading(records, "storage")(postgresql_url)
    storage.declare_shards("mushroom", 3)
    storage.initialize_schema()
    place(postgresql_url, 0)
    with pytest.raises(BackendError, match="several servers of Citus: mushroom"):
        storage.distribute(dry_run=True)
    storage.declare_shards("mushroom", 1)
    with pytest.raises(BackendError, match="several servers of Citus: mushroom"):
        storage.distribute()

    storage.initialize_schema()
    storage.distribute()

    storage.declare_shards("mushroom", 3)
    for dry_run in (True, False):
        with pytest.raises(BackendError, match="several servers of Citus: mushroom"):
            storage.initialize_schema(dry_run=dry_run)
    assert storage.differing_shards() == ["mushroom: 1 instead of 3"]
    storage.client.dispose()


@pytest.fixture
def permission(postgresql_url: str) -> Iterator[Any]:
    place(postgresql_url, 0)
    backend = loading(permissions, "permission")(postgresql_url)
    backend.initialize_schema()
    yield backend
    backend.client.dispose()


@pytest.mark.clause("E-9.3", "B-15.15", "B-15.6")
def test_deletions_of_many_permissions_have_the_form_that_citus_accepts(
    permission: PermissionBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    for name in ("/a/1", "/a/2", "/b/1"):
        permission.add_principal_to_ace(name, "read", "alice")
    permission.add_user_principal("alice", "group")
    sent = record(permission.client, monkeypatch)

    permission.delete_object_permissions("/a/*")
    permission.delete_object_permissions("/b/1", *(f"/c/{n}" for n in range(200)))
    permission.remove_principal("group")

    assert permission.get_accessible_objects(["alice"]) == {}
    assert permission.user_principals("alice") == set()
    everybody = {"access_control_entries without constant object_id"}
    assert {problem for text in sent for problem in shapes.problems_of(text)} == everybody
    # Whether it is distributed is asked once.
    assert len([text for text in sent if "to_regclass" in text]) == 1
