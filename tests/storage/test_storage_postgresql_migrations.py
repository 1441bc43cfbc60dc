"""Schemas of the storage in PostgreSQL: those of former releases, migrations, detection."""

import random
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from psycopg2.extensions import cursor
from support.configured import loading
from support.logged import capture_logs
from support.places import Place

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase, postgresql
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.exceptions import BackendError, RecordNotFoundError, UnicityError
from cliquet.storage.postgresql.storage import Storage as PostgreSQLStorage
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.testing.bounded import Thread
from cliquet.testing.transactions import request_transaction

psycopg2 = pytest.importorskip("psycopg2")

FORMER = Path(__file__).parent / "former_schemas"
EXTENSION = 'CREATE EXTENSION "uuid-ossp"'
# For servers without the extension.
SUBSTITUTE = (
    "CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS"
    " 'SELECT md5(random()::text || clock_timestamp()::text)::uuid'"
)

NOON = datetime(2015, 7, 1, 12)
NOON_MS = 1435752000000  # in UTC

ALICE: Place = {"collection_id": "mushroom", "parent_id": "basicauth:alice"}
BOB: Place = {"collection_id": "mushroom", "parent_id": "basicauth:bob"}
EMPTY: Place = {"collection_id": "basket", "parent_id": "basicauth:alice"}

A, B, C, D, E, Z = (f"0000000{n}-0000-4000-8000-00000000000{n}" for n in (5, 4, 3, 2, 1, 0))

PRESENT = postgresql.Storage.schema_version

make_storage = loading(postgresql, "storage")


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[PostgreSQLStorage]:
    storage = make_storage(postgresql_url)
    yield storage
    storage.client.dispose()


@pytest.fixture
def database(postgresql_url: str) -> Iterator[cursor]:
    """A cursor of its own, as of a privileged user; each statement commits."""
    with closing(psycopg2.connect(postgresql_url)) as connection:
        connection.autocommit = True
        yield connection.cursor()


def rows(database: Any, statement: Any, *parameters: Any) -> Any:
    database.execute(statement, parameters or None)
    return database.fetchall()


def shipped(name: Any) -> Any:
    return resources.files("cliquet.storage.postgresql").joinpath(name).read_text("utf-8")


# Former installations


def steps() -> dict[Any, Any]:
    """Return the statements of each step, by the version that it leads to."""
    pieces = re.split(r"^-- (\d+)$", (FORMER / "steps.sql").read_text(), flags=re.MULTILINE)
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def install_1(database: Any) -> None:
    has_extension = rows(database, "SELECT 1 FROM pg_available_extensions WHERE name = 'uuid-ossp'")
    database.execute(EXTENSION if has_extension else SUBSTITUTE)
    database.execute((FORMER / "version_001.sql").read_text())


def advance(database: Any, version: Any) -> None:
    """Bring an installation of version 1 with data to another one, as the releases did."""
    for number in range(2, version + 1):
        database.execute(steps()[number])
        database.execute("INSERT INTO metadata VALUES ('storage_schema_version', %s)", (number,))


def install_11(database: Any) -> None:
    database.execute((FORMER / "version_011.sql").read_text())
    step_10, step_11 = steps()[10], steps()[11]
    database.execute(step_10[step_10.rindex("CREATE FUNCTION") :] + step_11)


def insert(
    database: Any, table: Any, where: Any, object_id: Any, microseconds: Any, data: Any = None
) -> None:
    """Write a row as it was, whatever the triggers say."""
    columns = ["id", *_key_columns(database), "last_modified"]
    values = [object_id, where["parent_id"], where["collection_id"], moment(microseconds)]
    if data is not None:
        columns.append("data")
        values.append(data)
    marks = ", ".join(["%s"] * len(values))
    database.execute(
        f"SET session_replication_role = replica;"
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks});"
        f"SET session_replication_role = DEFAULT",
        values,
    )


def _key_columns(database: Any) -> Any:
    names = rows(
        database,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'records'::regclass AND attnum > 0",
    )
    is_first = ("user_id",) in names
    return ["user_id", "resource_name"] if is_first else ["parent_id", "collection_id"]


def moment(microseconds: Any) -> Any:
    return NOON + timedelta(microseconds=microseconds)


def fill(database: Any) -> None:
    """Write what `check_contents` looks for."""
    stale = f'{{"id": "{A}", "last_modified": 12, "name": "é", "deep": {{"id": 1, "n": [1.5]}}}}'
    insert(database, "records", ALICE, A, 0, stale)
    insert(database, "records", ALICE, B, 10_400, '{"n": 2}')
    insert(database, "records", ALICE, C, 20_600, '{"n": 1, "tags": ["x", null, true]}')
    insert(database, "deleted", ALICE, D, 30_000)
    insert(database, "deleted", BOB, E, 40_000)


def check_contents(storage: Any) -> None:
    by_time = {"sorting": [Sort("last_modified", 1)]}
    records = [
        {"name": "é", "deep": {"n": [1.5], "id": 1}, "id": A, "last_modified": NOON_MS},
        {"n": 2, "id": B, "last_modified": NOON_MS + 10},
        {"n": 1, "tags": ["x", None, True], "id": C, "last_modified": NOON_MS + 21},
    ]
    tombstone = {"id": D, "last_modified": NOON_MS + 30, "deleted": True}
    assert storage.list_all(**ALICE, **by_time) == records
    assert storage.list_all(**ALICE, **by_time, include_deleted=True) == [*records, tombstone]
    assert storage.get(**ALICE, object_id=B) == records[1]
    assert storage.count_all(**ALICE) == 3
    assert storage.get_all(**ALICE, limit=1)[1] == 3
    assert storage.list_all(**ALICE, filters=[Filter("n", 2, COMPARISON.LT)]) == [records[2]]
    assert [item["n"] for item in storage.list_all(**ALICE, sorting=[Sort("n", 1)])[:2]] == [1, 2]
    assert storage.list_all(**BOB, include_deleted=True) == [
        {"id": E, "last_modified": NOON_MS + 40, "deleted": True}
    ]
    assert storage.count_all(**BOB) == 0
    assert storage.collection_timestamp(**ALICE) == NOON_MS + 30
    assert storage.collection_timestamp(**BOB) == NOON_MS + 40


def check_use(storage: Any) -> None:
    """Write into collections that were there before."""
    before = storage.collection_timestamp(**ALICE)
    created = storage.create(**ALICE, record={"n": 4})
    assert created["last_modified"] > before
    assert storage.update(**ALICE, object_id=A, record={"n": 5})["last_modified"] > before
    deleted = storage.delete(**ALICE, object_id=B)
    with pytest.raises(UnicityError):
        storage.create(**ALICE, record={"n": 1}, unique_fields=("n",))
    # A record in the place of a tombstone, and a tombstone in the place of that.
    storage.create(**ALICE, record={"id": D})
    storage.delete(**ALICE, object_id=D)
    with pytest.raises(RecordNotFoundError):
        storage.delete(**ALICE, object_id=D)
    assert storage.count_all(**ALICE) == len(storage.list_all(**ALICE)) == 3
    assert storage.find_tombstone(**ALICE, object_id=B) == deleted
    storage.purge_deleted(**ALICE)
    storage.delete_all(**ALICE)
    assert storage.count_all(**ALICE) == 0


def schema_of(database: Any) -> dict[str, Any]:
    """Return all that makes up the tables and functions, but for the order of columns."""
    return {
        "columns": sorted(
            rows(
                database,
                "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod),"
                " attnotnull, collname, pg_get_expr(adbin, adrelid) FROM pg_attribute"
                " JOIN pg_class ON pg_class.oid = attrelid"
                " LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)"
                " LEFT JOIN pg_collation ON pg_collation.oid = attcollation"
                " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
                " AND attnum > 0 AND NOT attisdropped",
            ),
            key=str,
        ),
        "constraints": rows(
            database,
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
            " ORDER BY 1, 2",
        ),
        "indexes": rows(
            database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        ),
        "tables": rows(
            database,
            "SELECT relname, reloptions FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1",
        ),
        "triggers": rows(database, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"),
        "functions": rows(
            database,
            "SELECT oid::regprocedure::text, prosrc, provolatile, proparallel FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace AND proname <> 'uuid_generate_v4'"
            " ORDER BY 1",
        ),
    }


@pytest.fixture
def new_schema(postgresql_server: str) -> Iterator[dict[str, Any]]:
    """What is made in a database that was empty."""
    from servers.postgresql import new_database

    with new_database(postgresql_server) as url:
        storage = make_storage(url)
        storage.initialize_schema()
        with closing(psycopg2.connect(url)) as connection:
            yield schema_of(connection.cursor())
        storage.client.dispose()


# Migrations


@pytest.mark.clause("B-12.11", "B-12.15", "B-12.17", "B-12.4", "B-12.8")
@pytest.mark.parametrize("version", range(1, 12))
def test_what_former_releases_left_is_brought_to_the_present_schema(
    storage: PostgreSQLStorage, database: cursor, new_schema: dict[str, Any], version: Any
) -> None:
    install_1(database)
    fill(database)
    advance(database, version)
    assert storage._get_installed_version() == version

    storage.initialize_schema()

    assert storage._get_installed_version() == PRESENT
    assert schema_of(database) == new_schema
    check_contents(storage)
    check_use(storage)


@pytest.mark.clause("B-12.2", "B-12.3", "B-12.5", "B-12.6")
def test_what_was_created_at_version_11_is_brought_to_the_present_schema(
    storage: StorageBase, database: cursor, new_schema: dict[str, Any]
) -> None:
    install_11(database)
    fill(database)

    storage.initialize_schema()

    assert schema_of(database) == new_schema
    check_contents(storage)
    check_use(storage)


@pytest.mark.clause("B-12.13", "B-12.15", "B-12.4")
@pytest.mark.parametrize("has_version", [True, False])
def test_version_14_gets_the_function_of_the_next_timestamp(
    storage: PostgreSQLStorage, database: cursor, new_schema: dict[str, Any], has_version: bool
) -> None:
    storage.initialize_schema()
    kept = storage.create(**ALICE, record={})
    database.execute("DROP FUNCTION cliquet_next(bigint)")
    database.execute("DELETE FROM metadata")
    if has_version:
        database.execute("INSERT INTO metadata VALUES ('storage_schema_version', '14')")
    assert storage._get_installed_version() == 14

    storage.initialize_schema()

    assert storage._get_installed_version() == PRESENT
    assert schema_of(database) == new_schema
    assert storage.get(**ALICE, object_id=kept["id"]) == kept
    assert storage.create(**ALICE, record={})["last_modified"] > kept["last_modified"]


@pytest.mark.clause("B-12.6", "B-12.17")
def test_records_that_the_triggers_dated_are_found_again(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_11(database)
    for n in range(50):
        database.execute(
            "INSERT INTO records (id, parent_id, collection_id, data) VALUES (%s, 'p', 'c', '{}')",
            (f"{n:02}",),
        )
    database.execute(
        "WITH gone AS (DELETE FROM records WHERE id < '10' RETURNING id)"
        " INSERT INTO deleted (id, parent_id, collection_id) SELECT id, 'p', 'c' FROM gone"
    )
    (last,) = rows(database, "SELECT as_epoch(last_modified) FROM timestamps")

    storage.initialize_schema()

    where: Place = {"collection_id": "c", "parent_id": "p"}
    listed = storage.list_all(**where, include_deleted=True, sorting=[Sort("last_modified", 1)])
    order = [*range(10, 50), *range(10)]
    assert [item["id"] for item in listed] == [f"{n:02}" for n in order]
    assert storage.count_all(**where) == 40
    assert storage.collection_timestamp(**where) == max(last[0], listed[-1]["last_modified"])


@pytest.mark.clause("B-12.15", "B-12.17")
def test_ids_that_the_server_made_are_kept(storage: StorageBase, database: cursor) -> None:
    install_1(database)
    database.execute("INSERT INTO records (user_id, resource_name) VALUES ('u', 'r') RETURNING id")
    ((made,),) = database.fetchall()

    storage.initialize_schema()

    assert storage.get("r", "u", made)["id"] == str(uuid.UUID(made))
    assert rows(database, "SELECT 1 FROM pg_extension WHERE extname = 'uuid-ossp'") == []


@pytest.mark.clause("B-12.15")
def test_the_extension_stays_if_something_else_relies_on_it(
    storage: StorageBase, database: cursor
) -> None:
    install_1(database)
    database.execute("CREATE TABLE other (id uuid DEFAULT uuid_generate_v4())")
    fill(database)

    storage.initialize_schema()

    check_contents(storage)
    ((made,),) = rows(database, "INSERT INTO other DEFAULT VALUES RETURNING id")
    assert made


@pytest.mark.clause("B-12.4", "B-22.1", "B-21.1")
def test_those_of_one_millisecond_are_set_apart_in_their_order(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_11(database)
    # C and D round to the millisecond that B takes; E comes later anyway.
    insert(database, "records", ALICE, A, 100, "{}")
    insert(database, "deleted", ALICE, B, 250)
    insert(database, "records", ALICE, C, 300, "{}")
    insert(database, "records", ALICE, D, 1_400, "{}")
    insert(database, "records", ALICE, E, 9_600, "{}")
    insert(database, "records", BOB, A, 300, "{}")

    storage.initialize_schema()

    listed = storage.list_all(**ALICE, include_deleted=True, sorting=[Sort("last_modified", 1)])
    assert [(item["id"], item["last_modified"] - NOON_MS) for item in listed] == [
        (A, 0),
        (B, 1),
        (C, 2),
        (D, 3),
        (E, 10),
    ]
    assert storage.collection_timestamp(**ALICE) == NOON_MS + 10
    assert storage.collection_timestamp(**BOB) == NOON_MS


@pytest.mark.clause("B-21.2", "B-22.1")
@pytest.mark.parametrize("seed", range(3))
def test_timestamps_are_unique_in_each_collection_and_keep_their_order(
    storage: StorageBase, database: cursor, seed: int
) -> None:
    choose = random.Random(seed)
    written = {}
    install_11(database)
    for n in range(400):
        parent, table = choose.choice("pq"), choose.choice(["records", "deleted"])
        microseconds = choose.choice([choose.randrange(20_000), choose.randrange(2_000_000)])
        if (parent, microseconds) not in written:
            written[parent, microseconds] = f"{n}"
            where = {"collection_id": "c", "parent_id": parent}
            insert(database, table, where, f"{n}", microseconds)
    # Later than all records, as after a deletion without tombstone.
    database.execute(
        "INSERT INTO timestamps VALUES ('p', 'c', %s), ('q', 'c', %s)", [moment(3_000_400)] * 2
    )

    storage.initialize_schema()

    for parent in "pq":
        mine = sorted((us, name) for (owner, us), name in written.items() if owner == parent)
        listed = storage.list_all(
            "c", parent, include_deleted=True, sorting=[Sort("last_modified", 1)]
        )
        stamps, last = {}, 0
        for microseconds, name in mine:
            last = max(NOON_MS + round(microseconds / 1000), last + 1)
            stamps[name] = last
        # Halves of a millisecond are rounded one way or the other, by the release of the server.
        assert [item["id"] for item in listed] == list(stamps)
        got = [item["last_modified"] for item in listed]
        assert got == sorted(set(got))
        assert all(abs(item["last_modified"] - stamps[item["id"]]) <= 1 for item in listed)
        assert storage.collection_timestamp("c", parent) == NOON_MS + 3_000
        live = len([item for item in listed if "deleted" not in item])
        assert storage.count_all("c", parent) == live


@pytest.mark.clause("B-21.2")
def test_a_collection_is_at_least_as_late_as_what_was_postponed(
    storage: StorageBase, database: cursor
) -> None:
    install_11(database)
    for n in range(5):
        insert(database, "records", ALICE, f"{n}", n, "{}")
    database.execute(
        "INSERT INTO timestamps VALUES (%s, %s, %s)",
        (ALICE["parent_id"], ALICE["collection_id"], moment(4)),
    )

    storage.initialize_schema()

    assert storage.collection_timestamp(**ALICE) == NOON_MS + 4


@pytest.mark.clause("B-22.11", "B-21.28")
def test_a_record_counts_more_than_a_tombstone_with_its_id(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_11(database)
    insert(database, "deleted", ALICE, A, 5_000)
    insert(database, "records", ALICE, A, 4_000, '{"n": 1}')
    insert(database, "deleted", BOB, A, 6_000)

    storage.initialize_schema()

    record = {"n": 1, "id": A, "last_modified": NOON_MS + 4}
    assert storage.list_all(**ALICE, include_deleted=True) == [record]
    assert storage.collection_timestamp(**ALICE) == NOON_MS + 5
    assert storage.delete(**ALICE, object_id=A)["deleted"] is True
    assert storage.count_all(**BOB) == 0


@pytest.mark.clause("B-12.15", "B-22.11")
def test_of_several_tombstones_with_one_id_the_last_counts(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_1(database)
    for microseconds in (2_000, 3_000, 1_000):
        insert(database, "deleted", ALICE, A, microseconds)
        insert(database, "records", ALICE, B, microseconds, f'{{"n": {microseconds}}}')

    storage.initialize_schema()

    tombstone = storage.find_tombstone(**ALICE, object_id=A)
    assert tombstone is not None
    assert tombstone["last_modified"] == NOON_MS + 4
    assert storage.list_all(**ALICE) == [{"n": 3_000, "id": B, "last_modified": NOON_MS + 3}]


@pytest.mark.clause("B-12.15", "B-21.2")
def test_timestamps_of_empty_collections_are_kept(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_11(database)
    database.execute(
        "INSERT INTO timestamps VALUES (%s, %s, %s)",
        (EMPTY["parent_id"], EMPTY["collection_id"], moment(7_000)),
    )

    storage.initialize_schema()

    assert storage.collection_timestamp(**EMPTY) == NOON_MS + 7
    assert storage.count_all(**EMPTY) == 0


@pytest.mark.clause("B-12.3")
def test_the_time_zone_of_the_database_does_not_matter(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    name = storage.client.engine.url.database
    database.execute(f"ALTER DATABASE {name} SET timezone = 'America/Lima'")
    install_1(database)
    fill(database)

    storage.initialize_schema()

    check_contents(storage)


@pytest.mark.clause("B-12.8", "B-21.26")
def test_stale_copies_within_the_data_are_removed(storage: StorageBase, database: cursor) -> None:
    install_11(database)
    fill(database)

    storage.initialize_schema()

    ((data,),) = rows(database, "SELECT data FROM records WHERE id = %s", A)
    assert data == {"name": "é", "deep": {"id": 1, "n": [1.5]}}


# Steps


@pytest.mark.clause("B-12.11")
def test_a_step_that_fails_is_undone_and_those_before_it_are_kept(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_1(database)
    fill(database)
    insert(database, "records", BOB, Z, 0, r'{"n": "\u0000"}')

    with pytest.raises(BackendError, match="Unicode"):
        storage.initialize_schema()

    assert storage._get_installed_version() == 5
    assert rows(database, "SELECT count(*) FROM records") == [(4,)]
    database.execute("DELETE FROM records WHERE id = %s", (Z,))
    storage.initialize_schema()
    check_contents(storage)


@pytest.mark.clause("E-13.1")
def test_present_collections_get_one_epoch_and_new_ones_their_own(
    storage: PostgreSQLStorage, database: cursor, new_schema: dict[str, Any]
) -> None:
    install_11(database)
    fill(database)
    storage._execute_sql_file("migrations/migration_011_012.sql")
    database.execute("DELETE FROM metadata")
    assert storage._get_installed_version() == 12

    storage.initialize_schema()

    assert schema_of(database) == new_schema
    present = [storage.collection_history(**home) for home in (ALICE, BOB)]
    assert re.fullmatch("[0-9a-f]{8}", present[0].epoch)
    assert present[0] == present[1]
    assert present[0].purged == 0
    new = []
    for name in ("one", "two"):
        storage.collection_timestamp(name, "new")
        new.append(storage.collection_history(name, "new").epoch)
    assert len({present[0].epoch, *new}) == 3


@pytest.mark.clause("B-12.14", "B-12.15")
def test_each_step_adds_one_row(storage: StorageBase, database: cursor) -> None:
    install_1(database)

    storage.initialize_schema()
    storage.initialize_schema()

    assert rows(database, "SELECT value FROM metadata WHERE name = 'storage_schema_version'") == [
        (f"{version}",) for version in range(2, PRESENT + 1)
    ]


@pytest.mark.clause("B-12.14")
def test_the_creation_says_when_and_what(storage: StorageBase, database: cursor) -> None:
    storage.initialize_schema()

    assert rows(database, "SELECT name FROM metadata ORDER BY 1") == [
        ("created_at",),
        ("storage_schema_version",),
    ]


@pytest.mark.clause("B-12.14")
@pytest.mark.parametrize("start", [3, 5])
def test_a_migration_from_another_version_than_the_installed_one_is_refused(
    storage: PostgreSQLStorage, database: cursor, start: Any
) -> None:
    install_1(database)
    advance(database, 4)

    with pytest.raises(AssertionError, match=rf"\b{start}\b.*\b4\b"), storage.client.begin() as s:
        storage._migrations.upgrade(s, start)

    assert storage._get_installed_version() == 4


@pytest.mark.clause("B-24.1", "B-24")
def test_the_files_can_be_run_one_by_one(
    storage: PostgreSQLStorage, database: cursor, new_schema: dict[str, Any]
) -> None:
    install_1(database)
    fill(database)

    for version in range(1, PRESENT):
        storage._execute_sql_file(f"migrations/migration_{version:03}_{version + 1:03}.sql")
        assert storage._get_installed_version() == version + 1

    assert schema_of(database) == new_schema
    check_contents(storage)


@pytest.mark.clause("B-12.11")
def test_several_processes_may_migrate_at_once(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    install_1(database)
    fill(database)
    outcomes = []

    def migrate() -> None:
        storage.initialize_schema()
        outcomes.append(storage._get_installed_version())

    threads = [Thread(target=migrate) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [PRESENT] * 5
    assert rows(
        database,
        "SELECT count(*) FROM metadata WHERE name = 'storage_schema_version'",
    ) == [(PRESENT - 1,)]
    check_contents(storage)


@pytest.mark.clause("B-21.30", "P-30.3")
def test_a_dry_run_only_says_what_would_be_done(storage: StorageBase, database: cursor) -> None:
    install_1(database)
    advance(database, 9)
    before = schema_of(database)

    with capture_logs() as entries:
        storage.initialize_schema(dry_run=True)

    assert [entry["file"] for entry in entries if entry["event"] == "schema.to_migrate"] == [
        "migrations/migration_009_010.sql",
        "migrations/migration_010_011.sql",
        "migrations/migration_011_012.sql",
        "migrations/migration_012_013.sql",
        "migrations/migration_013_014.sql",
        "migrations/migration_014_015.sql",
    ]
    assert schema_of(database) == before


@pytest.mark.clause("B-12.11")
def test_a_later_version_is_left_alone(storage: PostgreSQLStorage, database: cursor) -> None:
    storage.initialize_schema()
    database.execute("INSERT INTO metadata VALUES ('storage_schema_version', '99')")

    storage.initialize_schema()

    assert storage._get_installed_version() == 99


# Detection


@pytest.mark.clause("B-12.13")
def test_rows_without_version_are_of_the_first_release(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    assert storage._get_installed_version() is None
    install_1(database)
    assert storage._get_installed_version() == 1


@pytest.mark.clause("B-12.13")
def test_the_highest_number_counts(storage: PostgreSQLStorage, database: cursor) -> None:
    storage.initialize_schema()
    database.execute("INSERT INTO metadata VALUES ('storage_schema_version', '9')")

    assert storage._get_installed_version() == PRESENT


@pytest.mark.clause("B-12.13", "B-12.16")
def test_without_any_row_the_present_version_is_assumed_with_a_warning(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    storage.initialize_schema()
    database.execute("DELETE FROM metadata")

    with capture_logs() as entries:
        assert storage._get_installed_version() == PRESENT
    storage.initialize_schema()

    assert entries == [
        {
            "event": "schema.no_version",
            "schema": "storage",
            "assumed": PRESENT,
            "log_level": "warning",
        }
    ]
    assert storage.create(**ALICE, record={})


@pytest.mark.clause("B-12.16", "B-22.28")
@pytest.mark.parametrize("version", range(1, 12))
def test_a_former_flush_does_not_make_migrations_skipped(
    storage: PostgreSQLStorage, database: cursor, new_schema: dict[str, Any], version: object
) -> None:
    install_1(database)
    advance(database, version)
    # What the former flush did; then something was written.
    database.execute("DELETE FROM metadata")
    fill(database)

    storage.initialize_schema()

    assert storage._get_installed_version() == PRESENT
    assert schema_of(database) == new_schema
    check_contents(storage)


@pytest.mark.clause("B-12.16", "B-22.28")
def test_a_flush_keeps_the_versions(storage: PostgreSQLStorage, database: cursor) -> None:
    install_11(database)
    fill(database)
    storage.initialize_schema()

    storage.flush()
    storage.initialize_schema()

    assert storage._get_installed_version() == PRESENT
    assert storage.list_all(**ALICE, include_deleted=True) == []
    assert storage.create(**ALICE, record={})


@pytest.mark.clause("B-12.11", "B-12.13")
@pytest.mark.parametrize(
    "columns", ["number integer", "id uuid, data json", "id text, parent_id text"]
)
@pytest.mark.parametrize("has_metadata", [False, True])
def test_tables_of_another_program_are_left_alone(
    storage: StorageBase, database: cursor, columns: str, has_metadata: bool
) -> None:
    database.execute(f"CREATE TABLE records ({columns})")
    if has_metadata:
        database.execute("CREATE TABLE metadata (name text, value text)")
    before = schema_of(database)

    with pytest.raises(BackendError, match="already exists"):
        storage.initialize_schema()

    assert schema_of(database) == before


# Loaded by hand

RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


@pytest.fixture
def application(postgresql_url: str, database: cursor) -> Iterator[Any]:
    """A storage as a user of the database who owns nothing, and the name of that user."""
    name = f"application_{uuid.uuid4().hex}"
    database.execute(f"CREATE ROLE {name} LOGIN")
    database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    database.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
    parts = urlsplit(postgresql_url)
    storage = make_storage(f"{parts.scheme}://{name}@{parts.hostname}:{parts.port}{parts.path}")
    yield storage, name
    storage.client.dispose()
    database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.clause("B-12.18")
def test_the_application_needs_to_select_insert_update_and_delete_only(
    database: cursor, application: tuple[Any, ...]
) -> None:
    storage, name = application
    database.execute(shipped("schema.sql"))
    database.execute(shipped("functions.sql"))
    database.execute(f"GRANT {RIGHTS} ON records, timestamps, departures TO {name}")
    database.execute(f"GRANT SELECT ON metadata TO {name}")

    storage.initialize_schema()
    storage.create(**ALICE, record={"id": A, "n": 2})
    storage.create(**ALICE, record={"id": B, "n": 1})
    storage.create(**ALICE, record={"id": C, "n": 1})
    check_use(storage)
    with request_transaction():
        storage.create(**BOB, record={})
        storage.update(**EMPTY, object_id=A, record={})
        storage.atomic(lambda: storage.delete(**EMPTY, object_id=A), **EMPTY)
    ordered = storage.list_all(
        "mushroom",
        Pattern("*"),
        sorting=[Sort("n", -1)],
        filters=[Filter("n", [1, 2], COMPARISON.EXCLUDE)],
    )
    assert len(ordered) == 1
    storage.flush()

    assert storage._get_installed_version() == PRESENT
    assert storage.list_all("mushroom", Pattern("*"), include_deleted=True) == []
    with pytest.raises(BackendError, match="permission denied"):
        storage._execute_sql_file("schema.sql")


@pytest.mark.clause("B-12.18", "B-12.13")
def test_a_schema_loaded_by_hand_is_recognised_beside_those_of_other_backends(
    storage: PostgreSQLStorage, database: cursor
) -> None:
    database.execute(shipped("schema.sql"))
    database.execute(shipped("functions.sql"))
    database.execute("DELETE FROM metadata")
    database.execute("INSERT INTO metadata VALUES ('cache_schema_version', '1')")

    assert storage._get_installed_version() == PRESENT
    database.execute("DROP TABLE metadata")
    assert storage._get_installed_version() == PRESENT
    storage.initialize_schema()
    assert storage.create(**ALICE, record={})


@pytest.mark.clause("B-12.18")
def test_a_migration_keeps_the_rights_of_the_application(
    storage: StorageBase, database: cursor, application: tuple[Any, ...]
) -> None:
    unprivileged, name = application
    install_11(database)
    fill(database)
    database.execute(
        f"GRANT {RIGHTS} ON records, deleted, timestamps TO {name};"
        f" GRANT SELECT ON metadata TO {name}"
    )

    with pytest.raises(BackendError):
        unprivileged.initialize_schema()
    storage.initialize_schema()

    unprivileged.initialize_schema()
    check_contents(unprivileged)
    check_use(unprivileged)
    unprivileged.record_departures(**ALICE, departures=[Departure(A, DepartureKind.LATE)])
    unprivileged.purge_deleted(**ALICE)
    assert unprivileged.list_departures(**ALICE, after=0, principals=[]) == []
