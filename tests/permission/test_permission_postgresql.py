"""The permission backend in PostgreSQL: the contract, statements, locks, plans, migrations."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers.pgbouncer import running_pgbouncer
from servers.postgresql import new_database, running_postgresql
from servers.starting import run_program
from support.configured import config_of, loading
from support.judged_statements import judging
from support.statements import record, run, texts_sent

from cliquet.connections.postgresql import client as connections
from cliquet.connections.postgresql import config as postgresql_config
from cliquet.connections.selected_ids import SelectedIds
from cliquet.permission import postgresql
from cliquet.permission.postgresql import Permission
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread, Threads
from cliquet.testing.permission import PermissionContract
from cliquet.testing.transactions import request_transaction

load = loading(postgresql, "permission")


@pytest.fixture(scope="module")
def installed(postgresql_module_url: str) -> Iterator[Permission]:
    backend = load(postgresql_module_url)
    backend.initialize_schema()
    yield backend
    backend.client.dispose()


@pytest.fixture
def permission(installed: Permission) -> Permission:
    installed.flush()
    return installed


@pytest.mark.clause("E-9.3")
class TestPostgreSQLPermission(PermissionContract):
    """The contract, of which a distributed database could run every statement."""

    @pytest.fixture(autouse=True)
    def judged(self, permission: Permission, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from judging(monkeypatch, permission.client)


def wait_for_waiters(permission: Permission) -> None:
    """Return once some transaction of this database waits for a lock."""
    deadline = time.monotonic() + 60
    while not run(
        permission,
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Construction


@pytest.mark.clause("B-11.1", "S-12.4")
def test_a_missing_extra_is_named_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "sqlalchemy", None)
    with pytest.raises(ImportWarning, match="PostgreSQL SQLAlchemy dependency missing"):
        load("postgresql://localhost/x")


@pytest.mark.clause("B-11.1")
@pytest.mark.usefixtures("processes")
def test_modules_import_without_the_extra() -> None:
    program = (
        "import sys; sys.modules['sqlalchemy'] = sys.modules['psycopg2'] = None;"
        "import cliquet.permission.postgresql, cliquet.cache.postgresql;"
        "print(cliquet.permission.postgresql.Permission.__name__)"
    )
    done = run_program([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("Permission\n", "")


@pytest.mark.clause("S-12.3", "B-11.6", "B-24")
def test_the_url_of_the_storage_shares_its_client(postgresql_url: str) -> None:
    settings = {"storage_url": postgresql_url, "permission_url": postgresql_url}
    config = config_of({**settings, "permission_pool_size": 3})
    client = postgresql_config.create_from_config(config, "storage_")

    with pytest.warns(UserWarning, match="Reuse existing") as caught:
        permission = postgresql.load_from_config(config)

    assert permission.client is client
    assert [str(item.message) for item in caught] == [
        "Reuse existing PostgreSQL connection. Parameters permission_* will be ignored."
    ]


@pytest.mark.clause("S-12.3", "B-11.6")
def test_the_client_is_shared_in_silence_if_nothing_is_ignored(postgresql_url: str) -> None:
    pool = {f"{component}_pool_size": 3 for component in ("storage", "permission")}
    config = config_of({"storage_url": postgresql_url, "permission_url": postgresql_url, **pool})
    client = postgresql_config.create_from_config(config, "storage_")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert postgresql.load_from_config(config).client is client


@pytest.mark.clause("B-18.5", "B-18.7")
def test_one_transaction_with_what_shares_the_client(permission: Permission) -> None:
    """As the storage does: what it wrote vanishes with the permissions, and conversely."""
    run(permission, "CREATE TABLE IF NOT EXISTS records_of_test (id text)")
    with request_transaction() as request:
        with permission.client.begin() as session:
            session.execute("INSERT INTO records_of_test VALUES ('1')")
            session.has_written = True
        permission.add_principal_to_ace("/o/1", "read", "alice")
        request.abort()
    assert run(permission, "SELECT * FROM records_of_test") == []
    assert permission.object_permissions("/o/1") == {}


@pytest.mark.clause("E-9.1", "B-18.6")
def test_two_applications_see_each_other(permission: Permission, installed: Permission) -> None:
    url = installed.client.engine.url.render_as_string(hide_password=False)
    other = load(url, transaction_per_request=False)
    assert other.client is not permission.client
    permission.add_principal_to_ace("/o/1", "read", "alice")
    other.add_principal_to_ace("/o/1", "read", "bob")
    assert permission.object_permissions("/o/1") == {"read": {"alice", "bob"}}
    assert other.object_permissions("/o/1") == {"read": {"alice", "bob"}}
    other.client.dispose()


@pytest.mark.clause("E-9.2")
def test_locks_and_transactions_work_behind_pgbouncer(permission: Permission) -> None:
    url = permission.client.engine.url.render_as_string(hide_password=False)
    with running_pgbouncer(url.replace("+psycopg2", ""), pool_size=2) as pooled_url:
        backend = load(pooled_url)

        def replace(number: int) -> None:
            for turn in range(20):
                wanted = {name: [f"{number}-{n}" for n in range(3)] for name in ("read", "write")}
                with request_transaction():
                    backend.add_user_principal(f"user-{number}", str(turn))
                    assert backend.write_object_permissions("/o", wanted).after == {
                        name: set(given) for name, given in wanted.items()
                    }

        with Threads(6) as pool:
            list(pool.map(replace, range(6)))
        assert [len(given) for given in permission.object_permissions("/o").values()] == [3, 3]
        assert len(permission.user_principals("user-5")) == 20
        backend.client.dispose()


# Failures


@pytest.mark.clause("B-2.5", "B-22.40")
@pytest.mark.usefixtures("processes")
def test_a_server_that_stops_is_a_backend_error() -> None:
    calls: list[Callable[[Permission], Any]] = [
        lambda backend: backend.flush(),
        lambda backend: backend.initialize_schema(),
        lambda backend: backend.add_user_principal("alice", "group"),
        lambda backend: backend.remove_user_principal("alice", "group"),
        lambda backend: backend.remove_principal("group"),
        lambda backend: backend.user_principals("alice"),
        lambda backend: backend.add_principal_to_ace("/o", "read", "alice"),
        lambda backend: backend.remove_principal_from_ace("/o", "read", "alice"),
        lambda backend: backend.object_permission_principals("/o", "read"),
        lambda backend: backend.principals_accessible_objects(["alice"], "read"),
        lambda backend: backend.get_accessible_objects(["alice"]),
        lambda backend: backend.object_permission_authorized_principals("/o", "read"),
        lambda backend: backend.check_permission("/o", "read", ["alice"]),
        lambda backend: backend.object_permissions("/o"),
        lambda backend: backend.get_objects_permissions(["/o"]),
        lambda backend: backend.replace_object_permissions("/o", {"read": ["alice"]}),
        lambda backend: backend.write_object_permissions("/o", {}, "alice"),
        lambda backend: backend.delete_object_permissions("/o"),
        lambda backend: list(backend.export()),
    ]
    with running_postgresql() as server:
        backend = load(f"{server.url}/postgres")
        backend.initialize_schema()
        backend.add_user_principal("alice", "group")
        server.stop()
        for call in calls:
            with pytest.raises(BackendError):
                call(backend)
        server.start()
        assert backend.user_principals("alice") == {"group"}
        backend.client.dispose()


# Statements


def _bound(object_id: str, permission: str) -> list[tuple[str, str]]:
    return [(object_id, permission), ("/parent", permission), (object_id, "write")]


@pytest.mark.clause("B-16.5", "B-21.37", "B-21.38", "B-23.15", "B-23.19")
@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.user_principals("alice"),
        lambda backend: backend.check_permission("/o", "read", ["a", "b"], _bound),
        lambda backend: backend.object_permission_authorized_principals("/o", "read", _bound),
        lambda backend: backend.object_permissions("/o", ["read", "write"]),
        lambda backend: backend.get_objects_permissions([f"/o/{n}" for n in range(100)]),
        lambda backend: backend.get_accessible_objects(["a", "b"], [("/o/*", "r"), ("/p", "w")]),
        lambda backend: backend.principals_accessible_objects(["a"], "read", "/o/*"),
        lambda backend: backend.replace_object_permissions("/o", {"r": ["a"], "w": ["b"]}),
        lambda backend: backend.write_object_permissions("/o", {"read": ["a"]}, "alice"),
        lambda backend: backend.write_object_permissions("/o", {}, "alice", is_new=True),
        lambda backend: backend.take_object_permissions(["/o/1", "/o/2"]),
        lambda backend: backend.delete_object_permissions("/o/1", "/o/2", "/p/*", "/q/*"),
        lambda backend: backend.remove_principal("group"),
    ],
)
@pytest.mark.parametrize("is_in_request", [True, False])
def test_each_method_waits_for_one_statement_at_most(
    permission: Permission,
    call: Callable[[Permission], Any],
    is_in_request: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a database with the records. In one of its own, a commit says before that it comes.
    monkeypatch.setattr(permission.client, "holds_records", True)
    # Whether Citus is there is asked once, and by whichever test comes first in its process.
    permission.take_object_permissions(["/a", "/b"])
    with texts_sent(permission.client) as statements:
        if is_in_request:
            with request_transaction():
                call(permission)
        else:
            call(permission)
    assert len(statements) <= 1


@pytest.mark.clause("B-23.19", "X-30")
@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.write_object_permissions("/o", {"r": ["a"]}, "b", is_new=True),
        lambda backend: backend.write_object_permissions("/o", {"r": ["a"]}, "b", held={}),
        lambda backend: backend.take_object_permissions(["/o"], held=[{"r": {"a"}}]),
        lambda backend: backend.delete_object_permissions("/o", "/p"),
        lambda backend: backend.add_principal_to_ace("/o", "r", "a"),
        lambda backend: backend.remove_principal_from_ace("/o", "r", "a"),
        lambda backend: backend.add_user_principal("alice", "group"),
    ],
)
def test_what_needs_no_answer_travels_with_the_commit(
    permission: Permission,
    call: Callable[[Permission], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permission.client, "holds_records", True)
    sent = record(permission.client, monkeypatch)
    with request_transaction():
        with permission.client.begin() as session:
            # The storage has locked the record in the same transaction.
            session.locked |= {"of the storage"}
        call(permission)
        assert sent == []
    assert len(sent) == 1


@pytest.mark.clause("X-30", "B-15.17")
@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.write_object_permissions("/o", {}, "b", is_new=True),
        lambda backend: backend.write_object_permissions("/o", {"r": ["a"]}, "b"),
        lambda backend: backend.take_object_permissions(["/o"]),
        lambda backend: backend.delete_object_permissions("/o"),
    ],
)
def test_without_the_lock_of_a_storage_an_object_is_locked_at_once(
    permission: Permission, call: Callable[[Permission], Any]
) -> None:
    """A storage elsewhere commits first: its order must be that of the permissions."""
    permission.add_principal_to_ace("/o", "r", "former")
    with Threads(1) as pool:
        with request_transaction() as request:
            call(permission)
            waiting = pool.submit(permission.write_object_permissions, "/o", {"r": ["later"]})
            wait_for_waiters(permission)
            request.commit()
        waiting.result()
    assert permission.object_permissions("/o")["r"] == {"later"}


@pytest.mark.clause("B-23.19")
def test_what_is_known_to_be_there_is_not_written(
    permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"read": {"a", "b"}, "write": {"a"}}
    permission.replace_object_permissions("/o", held)
    sent = record(permission.client, monkeypatch)
    with request_transaction():
        for permissions in ({}, {"read": ["b", "a"]}, {"x": []}):
            permission.write_object_permissions("/o", permissions, "a", held=held)
    assert not any("INSERT" in text or "DELETE" in text for text in sent)
    assert permission.object_permissions("/o") == held


@pytest.mark.clause("B-15.17", "B-23.19")
@pytest.mark.parametrize("given", [{"read": ["a"]}, {"read": ["a", "c"]}, {"read": ["c"]}])
def test_a_replacement_is_exact_whatever_was_done_since_it_looked(
    permission: Permission, given: dict[str, list[str]]
) -> None:
    permission.replace_object_permissions("/o", {"read": ["a", "b"]})
    held = permission.object_permissions("/o")
    permission.replace_object_permissions("/o", {"read": ["x"]})

    permission.write_object_permissions("/o", given, held=held)

    assert permission.object_permissions("/o") == {"read": set(given["read"])}


@pytest.mark.clause("B-22.38")
def test_nothing_is_asked_about_nothing(permission: Permission) -> None:
    with texts_sent(permission.client) as statements:
        permission.check_permission("/o", "read", [])
        permission.check_permission("/o", "read", [None])  # type: ignore[list-item]
        permission.check_permission("/o", "read", ["a"], lambda *_: [])
        permission.get_accessible_objects([])
        permission.get_accessible_objects(["a"], [])
        permission.get_objects_permissions([])
        permission.replace_object_permissions("/o", {})
        permission.delete_object_permissions()
    assert statements == []


@pytest.mark.clause("B-23.19")
def test_a_replacement_writes_only_what_changes(permission: Permission) -> None:
    def places() -> dict[tuple[str, str], str]:
        rows = run(
            permission, "SELECT permission, principal, ctid::text FROM access_control_entries"
        )
        return {(name, principal): place for name, principal, place in rows}

    permission.replace_object_permissions("/o", {"read": ["a", "b"], "write": ["a"]})
    before = places()
    answer = permission.write_object_permissions("/o", {"read": ["b", "c"]}, "a").after
    after = places()
    assert answer == {"read": {"b", "c"}, "write": {"a"}}
    assert {ace: after.get(ace) for ace in before} == {
        ("read", "a"): None,
        ("read", "b"): before["read", "b"],
        ("write", "a"): before["write", "a"],
    }


@pytest.mark.clause("E-9.3")
def test_each_statement_goes_to_one_server_of_a_distributed_database(
    permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    # Otherwise several objects are locked, and forgotten, by one statement each.
    monkeypatch.setattr(permission._dialect, "is_distributed", lambda: True)
    sent = record(permission.client, monkeypatch)
    permission.add_user_principal("alice", "group")
    permission.user_principals("alice")
    permission.add_principal_to_ace("/o", "read", "alice")
    permission.check_permission("/o", "read", ["alice"], _bound)
    permission.object_permission_authorized_principals("/o", "read", _bound)
    permission.get_objects_permissions(["/o", "/p"])
    permission.principals_accessible_objects(["alice"], "read", "/o/*")
    permission.write_object_permissions("/o", {"read": ["a", "b"], "write": []}, "alice")
    permission.write_object_permissions("/p", {"read": ["a"]}, "alice", is_new=True)
    permission.take_object_permissions(["/o", "/p"])
    permission.delete_object_permissions("/o", "/p")
    permission.remove_principal_from_ace("/o", "read", "alice")
    permission.remove_user_principal("alice", "group")
    permission.flush()

    assert len(sent) > 14
    for text in sent:
        assert shapes.unexplained_problems_of(text) == set(), text


# Locks


@pytest.mark.clause("B-15.17")
def test_a_replacement_waits_for_another_and_sees_what_it_did(permission: Permission) -> None:
    permission.replace_object_permissions("/o", {"read": ["before"]})
    with Threads(1) as pool:
        with request_transaction() as request:
            permission.replace_object_permissions("/o", {"read": ["first"], "write": ["first"]})
            waiting = pool.submit(permission.write_object_permissions, "/o", {"read": ["second"]})
            other = Thread(target=permission.add_principal_to_ace, args=("/p", "r", "a"))
            other.start()
            other.join()
            assert not waiting.done()
            request.commit()
        assert waiting.result().after == {"read": {"second"}, "write": {"first"}}
    assert permission.object_permissions("/o") == {"read": {"second"}, "write": {"first"}}


@pytest.mark.clause("B-15.17")
def test_a_deletion_waits_for_a_replacement(permission: Permission) -> None:
    permission.replace_object_permissions("/o", {"read": ["a", "b"]})
    with Threads(1) as pool:
        with request_transaction() as request:
            permission.replace_object_permissions("/o", {"read": ["a", "c"]})
            waiting = pool.submit(permission.delete_object_permissions, "/x", "/o")
            wait_for_waiters(permission)
            request.commit()
        waiting.result()
    assert permission.object_permissions("/o") == {}


@pytest.mark.clause("B-15.17", "X-23")
def test_a_lock_undone_with_its_savepoint_is_taken_again(permission: Permission) -> None:
    permission.add_principal_to_ace("/o", "read", "before")
    with Threads(1) as pool:
        with request_transaction() as request:
            permission.add_principal_to_ace("/p", "read", "a")
            savepoint = request.savepoint(optimistic=True)
            permission.replace_object_permissions("/o", {"read": ["undone"]})
            savepoint.rollback()
            permission.replace_object_permissions("/o", {"read": ["first"]})
            waiting = pool.submit(permission.write_object_permissions, "/o", {"read": ["second"]})
            wait_for_waiters(permission)
            request.commit()
        assert waiting.result().after == {"read": {"second"}}
    assert permission.object_permissions("/o") == {"read": {"second"}}


@pytest.mark.clause("B-15.17")
def test_a_lock_is_asked_for_once(permission: Permission, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    defer = connections.PostgreSQLSession.defer

    def recording(session: Any, statement: str, parameters: Any = ()) -> None:
        if "advisory" in statement:
            asked.append(parameters)
        defer(session, statement, parameters)

    monkeypatch.setattr(connections.PostgreSQLSession, "defer", recording)
    with request_transaction():
        permission.replace_object_permissions("/o", {"read": ["a"]})
        permission.replace_object_permissions("/o", {"read": ["b"]})
        permission.delete_object_permissions("/o")
        permission.write_object_permissions("/o", {}, "a")
        permission.take_object_permissions(["/o"])
        permission.write_object_permissions("/p", {}, "a")
    assert len(asked) == 2
    assert permission.get_objects_permissions(["/o", "/p"]) == [{}, {"write": {"a"}}]


@pytest.mark.clause("B-15.17")
def test_a_mass_deletion_locks_in_the_order_of_the_keys(permission: Permission) -> None:
    """Not in that of the table: those who write single entries in this order do not deadlock."""
    for object_id in ("/o/c", "/o/b", "/o/a"):
        permission.add_principal_to_ace(object_id, "read", "alice")
    with Threads(1) as pool:
        with request_transaction() as request:
            permission.remove_principal_from_ace("/o/a", "read", "alice")
            # What is read is read after what was written.
            assert permission.object_permissions("/o/a") == {}
            deletion = pool.submit(permission.delete_object_permissions, "/o/*")
            wait_for_waiters(permission)
            permission.remove_principal_from_ace("/o/b", "read", "alice")
            request.commit()
        deletion.result()
    assert permission.get_accessible_objects(["alice"]) == {}


@pytest.mark.clause("B-15.17", "B-15.6")
def test_removing_a_principal_locks_in_the_order_of_the_users(permission: Permission) -> None:
    for user_id in ("c", "b", "a"):
        permission.add_user_principal(user_id, "group")
    with Threads(1) as pool:
        with request_transaction() as request:
            permission.remove_user_principal("a", "group")
            assert permission.user_principals("a") == set()
            removal = pool.submit(permission.remove_principal, "group")
            wait_for_waiters(permission)
            permission.remove_user_principal("b", "group")
            request.commit()
        removal.result()
    assert permission.user_principals("c") == set()


@pytest.mark.clause("B-15.15")
def test_a_deletion_of_thousands_of_objects_does_not_exhaust_the_locks(
    permission: Permission,
) -> None:
    permission.add_principal_to_ace("/o/7", "read", "alice")
    with request_transaction():
        permission.delete_object_permissions(*[f"/o/{n}" for n in range(20_000)])
    assert permission.object_permissions("/o/7") == {}


# Plans


@pytest.fixture(scope="module")
def populated(postgresql_server: str) -> Iterator[Permission]:
    with new_database(postgresql_server) as url:
        backend = load(url)
        backend.initialize_schema()
        run(
            backend,
            "INSERT INTO access_control_entries"
            " SELECT '/c/' || n % 50 || '/o/' || n, p, 'u' || n % 500"
            " FROM generate_series(1, 20000) AS n, unnest('{read,write}'::text[]) AS p",
        )
        run(
            backend,
            "INSERT INTO user_principals SELECT 'u' || n, 'g' || n % 1000"
            " FROM generate_series(1, 20000) AS n",
        )
        run(backend, "ANALYZE")
        yield backend
        backend.client.dispose()


@pytest.mark.clause("B-23.15", "B-23.16", "B-23.17", "B-22.12", "B-21.30")
@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.user_principals("u7"),
        lambda backend: backend.remove_principal("g7"),
        lambda backend: backend.check_permission("/c/7/o/57", "read", ["u57", "b"], _bound),
        lambda backend: backend.object_permission_authorized_principals("/c/7/o/7", "read", _bound),
        lambda backend: backend.object_permissions("/c/7/o/57"),
        lambda backend: backend.get_objects_permissions(["/c/7/o/57", "/c/7/o/7"]),
        lambda backend: backend.get_accessible_objects(
            ["u57", "u7"], [("/c/7/o/*", "read"), ("/c/*/o/57", "write")], with_children=False
        ),
        lambda backend: backend.principals_accessible_objects(["u57"], "read", "/c/7/o/*"),
        lambda backend: backend.replace_object_permissions("/c/7/o/57", {"read": ["u57"]}),
        lambda backend: backend.delete_object_permissions("/c/7/o/57", "/c/7/o/7"),
        lambda backend: backend.delete_object_permissions("/c/7_7/*"),
    ],
)
def test_lookups_use_the_indexes(
    populated: Permission, call: Callable[[Permission], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Beside the records, nobody has to be waited for.
    monkeypatch.setattr(populated.client, "holds_records", True)
    plans: list[str] = []
    bound = connections.PostgreSQLSession._bound

    def explained(session: Any, statement: str, parameters: Any) -> bytes:
        if not statement.startswith(("SELECT pg_advisory", "SELECT to_regclass")):
            with populated.client.autocommit() as other:
                other._cursor.execute(b"EXPLAIN " + bound(session, statement, parameters))  # type: ignore[attr-defined]
                plans.append("\n".join(line for (line,) in other._cursor.fetchall()))  # type: ignore[attr-defined]
        return bound(session, statement, parameters)

    # Where the sessions of a client are watched, single queries have one too.
    monkeypatch.setattr(populated.client, "session_factory", populated.client.session_factory)
    monkeypatch.setattr(connections.PostgreSQLSession, "_bound", explained)
    call(populated)
    assert plans
    for plan in plans:
        assert "Seq Scan" not in plan
        assert "Index" in plan


@pytest.mark.clause("B-21.30", "B-23.16")
def test_a_prefix_is_a_range_of_the_index(populated: Permission) -> None:
    query = populated._queries.accessible(["u57"], [("/c/7/o/*", "read")], with_children=True)[0]
    with populated.client.autocommit() as session:
        rows = session.execute(f"EXPLAIN {query.text}", query.parameters).fetchall()
    plan = "\n".join(line for (line,) in rows)
    assert "access_control_entries_by_principal" in plan
    condition = next(line for line in plan.splitlines() if "Index Cond" in line)
    assert "object_id >= '/c/7/o/'" in condition
    assert "object_id < '/c/7/o0'" in condition


@pytest.mark.clause("B-23.16", "H-5.12")
def test_the_first_ids_are_read_from_the_index_even_if_most_entries_fit(
    populated: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(
        populated,
        "INSERT INTO access_control_entries SELECT '/c/7/o/x' || n, 'read', 'most'"
        " FROM generate_series(1, 20000) AS n",
    )
    run(populated, "ANALYZE")
    selected = populated.accessible_ids(["most", "u57"], "read", "/c/7/o/*", prefix="/c/7/o/")
    assert isinstance(selected, SelectedIds)
    plans = []
    execute = connections.PostgreSQLSession.execute

    def explained(session: Any, statement: str, parameters: Any = ()) -> Any:
        plans.extend(execute(session, f"EXPLAIN {statement}", parameters).fetchall())
        return execute(session, statement, parameters)

    # Where the sessions of a client are watched, single queries have one too.
    monkeypatch.setattr(populated.client, "session_factory", populated.client.session_factory)
    monkeypatch.setattr(connections.PostgreSQLSession, "execute", explained)
    found = selected.first(7)

    assert len(found) == 7
    assert not selected.are_few
    plan = "\n".join(line for (line,) in plans)
    assert "access_control_entries_by_principal" in plan
    # No entry is read beyond those that are wanted.
    assert not any(word in plan for word in ("Seq Scan", "Sort", "Bitmap", "Unique", "Hash"))


# Schema

VERSION_1 = """
CREATE TABLE user_principals (
    user_id TEXT, principal TEXT, PRIMARY KEY (user_id, principal)
);
CREATE TABLE access_control_entries (
    object_id TEXT, permission TEXT, principal TEXT, PRIMARY KEY (object_id, permission, principal)
);
CREATE INDEX some_object_index ON access_control_entries (object_id);
CREATE INDEX some_permission_index ON access_control_entries (permission);
CREATE INDEX some_principal_index ON access_control_entries (principal);
INSERT INTO user_principals VALUES ('alice', 'group');
INSERT INTO access_control_entries VALUES ('/o/B', 'read', 'alice'), ('/o/a', 'read', 'alice');
"""


def _description(permission: Permission) -> list[Any]:
    columns = run(
        permission,
        "SELECT table_name, column_name, collation_name, is_nullable"
        " FROM information_schema.columns"
        " WHERE table_name IN ('user_principals', 'access_control_entries') ORDER BY 1, 2",
    )
    indexes = run(
        permission,
        "SELECT indexdef FROM pg_indexes"
        " WHERE tablename IN ('user_principals', 'access_control_entries') ORDER BY 1",
    )
    return [*columns, *indexes]


def _version(permission: Permission) -> int | None:
    with permission.client.connect(readonly=True) as session:
        return permission._migrations.installed_version(session)


@pytest.mark.clause("B-21.30", "B-16.4")
@pytest.mark.parametrize("other_rows", [False, True])
def test_tables_of_the_first_version_are_upgraded(
    permission: Permission, postgresql_url: str, other_rows: bool
) -> None:
    backend = load(postgresql_url)
    run(backend, VERSION_1)
    if other_rows:
        run(backend, "CREATE TABLE metadata (name VARCHAR(128), value VARCHAR(512))")
        run(backend, "INSERT INTO metadata VALUES ('storage_schema_version', '11')")
    assert _version(backend) == 1

    backend.initialize_schema(dry_run=True)
    assert _version(backend) == 1

    if not other_rows:
        # As it is where the storage is elsewhere.
        run(backend, "CREATE TABLE metadata (name VARCHAR(128), value VARCHAR(512))")
    backend.initialize_schema()
    backend.initialize_schema()
    assert _version(backend) == 2
    assert _description(backend) == _description(permission)
    assert backend.user_principals("alice") == {"group"}
    assert backend.principals_accessible_objects(["alice"], "read", "/o/*") == {"/o/B", "/o/a"}
    backend.client.dispose()


@pytest.mark.clause("B-21.30")
def test_the_first_version_is_upgraded_where_nothing_else_is(postgresql_url: str) -> None:
    backend = load(postgresql_url)
    run(backend, VERSION_1)
    backend.initialize_schema()
    assert _version(backend) == 2
    backend.client.dispose()


@pytest.mark.clause("B-21.30", "B-22.28")
def test_flush_leaves_the_history_of_the_schema(permission: Permission) -> None:
    permission.flush()
    rows = run(permission, "SELECT value FROM metadata WHERE name = 'permission_schema_version'")
    assert rows == [("2",)]


@pytest.mark.clause("B-21.30", "B-16.4")
def test_dry_run_creates_nothing(postgresql_url: str) -> None:
    backend = load(postgresql_url)
    backend.initialize_schema(dry_run=True)
    assert _description(backend) == []
    backend.client.dispose()


@pytest.mark.clause("B-16.4")
def test_processes_may_create_the_schema_at_once(postgresql_url: str) -> None:
    backend = load(postgresql_url)
    with Threads(4) as pool:
        list(pool.map(lambda _: backend.initialize_schema(), range(4)))
    assert _version(backend) == 2
    backend.client.dispose()


@pytest.mark.clause("B-23.24")
def test_the_aces_of_a_new_object_are_what_a_storage_sends(permission: Any) -> None:
    aces = {"write": {"alice", "it's"}, "read": ["bob", "bob"], "nobody": ()}

    insertion = permission.insertion_of_aces("/o", aces)

    assert insertion.client is permission.client
    permission.client.rows(f"{insertion.statement} RETURNING 1", insertion.parameters)
    assert permission.object_permissions("/o") == {"write": {"alice", "it's"}, "read": {"bob"}}
    with pytest.raises(TypeError):
        permission.insertion_of_aces("/o", {"read": "bob"})
