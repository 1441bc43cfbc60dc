"""The permission backend in SQLite: the contract, processes, plans, the file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.starting import start_process
from support.configured import config_of, loading

from cliquet import settings
from cliquet.connections.sqlite import config as sqlite_config
from cliquet.permission import sqlite
from cliquet.permission.sqlite import Permission
from cliquet.storage.exceptions import BackendError
from cliquet.testing.permission import PermissionContract
from cliquet.testing.transactions import request_transaction

load = loading(sqlite, "permission")


@pytest.fixture
def permission(tmp_path: Path) -> Permission:
    return load(f"sqlite:///{tmp_path}/data.db")


class TestSQLitePermission(PermissionContract):
    pass


# Construction and schema


@pytest.mark.clause("E-1.2")
def test_a_folder_that_does_not_exist_is_named_at_start(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingError) as caught:
        load(f"sqlite:///{tmp_path}/missing/data.db")
    assert "permission_url" in str(caught.value)
    assert f"{tmp_path}/missing/data.db" in str(caught.value)


@pytest.mark.clause("E-1.2")
def test_private_databases_share_nothing() -> None:
    first, second = load("sqlite://"), load("sqlite://")
    first.add_principal_to_ace("/o", "read", "alice")
    assert second.object_permissions("/o") == {}


@pytest.mark.clause("E-1.3")
def test_the_file_is_made_at_the_first_use(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    backend = load(f"sqlite:///{path}")
    assert not path.exists()
    backend.initialize_schema(dry_run=True)
    assert not path.exists()
    assert backend.user_principals("alice") == set()
    assert path.exists()


@pytest.mark.clause("E-1.3", "B-22.28")
def test_flush_leaves_the_history_of_the_schema(permission: Permission) -> None:
    permission.flush()
    with permission.client.connect(readonly=True) as session:
        assert permission._migrations.installed_version(session) == 1


@pytest.mark.clause("E-1.5", "B-18.5")
def test_one_transaction_with_the_storage_of_the_same_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    config = config_of({"storage_url": url, "permission_url": url})
    client = sqlite_config.create_from_config(config, "storage_")
    backend = sqlite.load_from_config(config)
    assert backend.client is client
    with client.begin() as session:
        session.execute("CREATE TABLE records_of_test (id TEXT)")
    with request_transaction() as request:
        with client.begin() as session:
            session.execute("INSERT INTO records_of_test VALUES ('1')")
            session.has_written = True
        backend.add_principal_to_ace("/o/1", "read", "alice")
        request.abort()
    with client.connect(readonly=True) as session:
        assert session.execute("SELECT * FROM records_of_test").fetchall() == []
    assert backend.object_permissions("/o/1") == {}


@pytest.mark.clause("E-1.4", "B-2.5")
@pytest.mark.setting("permission_busy_timeout_seconds")
def test_a_lock_that_is_not_obtained_is_a_backend_error(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    # Two clients, as two processes have.
    backend = load(url, permission_busy_timeout_seconds=0.05)
    other = load(url, permission_busy_timeout_seconds=0.05, transaction_per_request=False)
    assert other.client is not backend.client
    backend.add_principal_to_ace("/o", "read", "alice")
    assert other.object_permissions("/o") == {"read": {"alice"}}
    with backend.client.begin():
        with pytest.raises(BackendError):
            other.replace_object_permissions("/o", {"read": ["bob"]})
        assert other.object_permissions("/o") == {"read": {"alice"}}
    other.replace_object_permissions("/o", {"read": ["bob"]})
    assert backend.object_permissions("/o") == {"read": {"bob"}}


@pytest.mark.clause("B-2.5")
def test_a_file_that_is_no_database_is_a_backend_error(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    path.write_bytes(b"no database" * 1000)
    backend = load(f"sqlite:///{path}")
    with pytest.raises(BackendError):
        backend.user_principals("alice")
    with pytest.raises(BackendError):
        backend.add_principal_to_ace("/o", "read", "alice")


# Processes

PROGRAM = """
import sys
from types import SimpleNamespace
from cliquet.permission import sqlite

url, number = sys.argv[1:]
settings = {"permission_url": url, "permission_busy_timeout_seconds": 60}
backend = sqlite.load_from_config(SimpleNamespace(get_settings=lambda: settings))
for turn in range(100):
    backend.add_principal_to_ace("/shared", "read", f"{number}-{turn}")
    wanted = {name: [f"{number}-{index}" for index in range(5)] for name in ("read", "write")}
    answer = backend.write_object_permissions("/replaced", wanted).after
    assert answer == {name: set(given) for name, given in wanted.items()}, answer
    seen = backend.object_permissions("/replaced")
    assert len({one.split("-")[0] for given in seen.values() for one in given}) == 1, seen
    assert [len(given) for given in seen.values()] == [5, 5], seen
"""


@pytest.mark.clause("E-1.4", "E-1.1", "B-15.17")
@pytest.mark.usefixtures("processes")
def test_processes_share_one_file(permission: Permission) -> None:
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{permission.client.path}"]
    running = [
        start_process([*command, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    assert [process.communicate(timeout=120)[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0]
    assert len(permission.object_permission_principals("/shared", "read")) == 200


# Statements


@pytest.mark.clause("B-23.19")
def test_a_replacement_writes_only_what_changes(permission: Permission) -> None:
    permission.replace_object_permissions("/o", {"read": ["a", "b"], "write": ["a"]})
    with permission.client.begin() as session:
        before = session.connection.total_changes  # type: ignore[attr-defined]
        permission.replace_object_permissions("/o", {"read": ["b", "c"], "write": ["a"]})
        assert session.connection.total_changes - before == 2  # type: ignore[attr-defined]


@pytest.mark.clause("B-21.38")
def test_patterns_may_be_more_than_a_union_holds(permission: Permission) -> None:
    pairs = [(f"/o/{n}/*", "read") for n in range(1_001)]
    permission.add_principal_to_ace("/o/0/x", "read", "alice")
    permission.add_principal_to_ace("/o/1000/x", "read", "alice")
    assert permission.get_accessible_objects(["alice"], pairs) == {
        "/o/0/x": {"read"},
        "/o/1000/x": {"read"},
    }


def _bound(object_id: str, permission: str) -> list[tuple[str, str]]:
    return [(object_id, permission), ("/parent", permission), (object_id, "write")]


@pytest.mark.clause("E-1.6", "B-23.15", "B-23.16", "B-23.17", "B-22.12")
@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.user_principals("u7"),
        lambda backend: backend.remove_principal("g7"),
        lambda backend: backend.check_permission("/c/7/o/57", "read", ["u57", "b"], _bound),
        lambda backend: backend.object_permission_authorized_principals("/c/7/o/7", "read", _bound),
        lambda backend: backend.object_permissions("/c/7/o/57", ["read"]),
        lambda backend: backend.get_objects_permissions(["/c/7/o/57", "/c/7/o/7"]),
        lambda backend: backend.get_accessible_objects(
            ["u57", "u7"], [("/c/7/o/*", "read"), ("/c/*/o/57", "write")], with_children=False
        ),
        lambda backend: backend.principals_accessible_objects(["u57"], "read", "/c/7/o/*"),
        lambda backend: backend.replace_object_permissions("/c/7/o/57", {"read": ["u57"]}),
        lambda backend: backend.delete_object_permissions("/c/7/o/57", "/c/7/o/7"),
        lambda backend: backend.delete_object_permissions("/c/7_7/*", "/c/9/*"),
    ],
)
def test_lookups_use_the_indexes(
    permission: Permission, call: Callable[[Permission], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    with permission.client.begin() as session:
        execute = session.execute

        def explained(statement: str, parameters: Any = ()) -> Any:
            rows = execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in rows)
            return execute(statement, parameters)

        monkeypatch.setattr(session, "execute", explained)
        call(permission)
    assert plans
    tables = ("access_control_entries", "user_principals", "ace")
    assert [
        plan for plan in plans if plan.startswith(tuple(f"SCAN {name}" for name in tables))
    ] == []


@pytest.mark.clause("B-23.16")
def test_a_prefix_is_a_range_of_the_index(permission: Permission) -> None:
    query = permission._queries.accessible(["u57"], [("/c/7/o/*", "read")], with_children=True)[0]
    with permission.client.autocommit() as session:
        rows = session.execute(f"EXPLAIN QUERY PLAN {query.text}", query.parameters).fetchall()
    assert any(
        "access_control_entries_by_principal" in row[3]
        and "(principal=? AND permission=? AND object_id>? AND object_id<?)" in row[3]
        for row in rows
    )


# Injection


class Audited(Permission):
    """As plug-ins derive from the published class: its constructor, and methods that they override.

    Attributes
    ----------
    calls : the names of the methods, and what was removed.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.calls: list[Any] = []

    def delete_object_permissions(self, *object_ids: str) -> None:
        self.calls.append(("delete", *object_ids))
        super().delete_object_permissions(*object_ids)

    def write_object_permissions(self, object_id: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(("write", object_id))
        return super().write_object_permissions(object_id, *args, **kwargs)

    def object_permission_authorized_principals(self, *args: Any) -> set[str]:
        self.calls.append("authorized")
        return super().object_permission_authorized_principals(*args)


def test_methods_of_the_library_call_those_that_a_plug_in_overrides(tmp_path: Path) -> None:
    config = config_of({"permission_url": f"sqlite:///{tmp_path}/data.db"})
    audited = Audited(sqlite_config.create_from_config(config, prefix="permission_"))

    audited.replace_object_permissions("/a", {"read": ["alice"]})
    principals = audited.object_permission_principals("/a", "read")
    taken = audited.take_object_permissions(["/a"], held=[{"read": {"alice"}}])

    assert audited.calls == [("write", "/a"), "authorized", ("delete", "/a")]
    assert principals == {"alice"}
    assert taken == [{"read": {"alice"}}]
    assert audited.object_permissions("/a") == {}
