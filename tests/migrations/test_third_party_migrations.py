"""Migrations that plugins add, and ``cliquet migrate`` runs (B-21.30)."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from scripts.command_line import PROGRAM, run_process, write_ini
from servers.starting import start_process
from support.logged import capture_logs

from cliquet.scripts.migrate import init_schema
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread
from cliquet.testing.web import make_app

pytestmark = pytest.mark.clause("B-21.30")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Settings of a service whose storage and permissions share one new database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/data.db"
    else:
        url = request.getfixturevalue("postgresql_url")
    kinds = ("storage", "permission")
    return {f"{kind}_backend": f"cliquet.{kind}.{request.param}" for kind in kinds} | {
        f"{kind}_url": url for kind in kinds
    }


@pytest.fixture
def migrate(settings: Any, recwarn: pytest.WarningsRecorder) -> Any:
    """Run ``cliquet migrate`` on a new service with the migrations given; return its storage."""

    def run(migrations: Any, *, dry_run: bool = False) -> Any:
        def configure(config: Any) -> None:
            for name, steps in migrations.items():
                config.add_migrations(name, steps)

        registry = make_app(settings=settings, configure=configure).app.registry
        init_schema({"registry": registry}, dry_run=dry_run)
        return registry.storage

    return run


def create_links(storage: Any) -> None:
    with storage.client.connect() as session:
        session.execute("CREATE TABLE links (target VARCHAR(10))")
        session.execute("INSERT INTO links VALUES (%s)", ("a",))


def add_a_link(storage: Any) -> None:
    with storage.client.connect() as session:
        session.execute("INSERT INTO links VALUES (%s)", ("b",))


def fail(storage: Any) -> None:
    add_a_link(storage)
    storage.create("mushroom", "user", {"name": "of a failed migration"})
    raise LookupError("no such mushroom")


def targets(storage: Any) -> list[Any]:
    with storage.client.connect(readonly=True) as session:
        rows = session.execute("SELECT target FROM links ORDER BY target").fetchall()
    return [target for (target,) in rows]


def has_links(storage: Any) -> Any:
    with storage.client.connect(readonly=True) as session:
        return storage._migrations.has_table(session, "links")


def test_migrations_are_run_in_order_and_once(migrate: Callable[..., Any]) -> None:
    migrate({"linker": [create_links, add_a_link]})
    storage = migrate({"linker": [create_links, add_a_link]})

    assert targets(storage) == ["a", "b"]


def test_a_new_release_of_a_plugin_runs_the_new_ones(migrate: Callable[..., Any]) -> None:
    migrate({"linker": [create_links]})
    storage = migrate({"linker": [create_links, add_a_link]})

    assert targets(storage) == ["a", "b"]


def test_each_plugin_has_versions_of_its_own(migrate: Callable[..., Any]) -> None:
    migrate({"linker": [create_links]})
    storage = migrate({"linker": [create_links], "other_1": [add_a_link]})

    assert targets(storage) == ["a", "b"]


def test_they_come_after_the_schemas_of_the_backends(migrate: Callable[..., Any]) -> None:
    def count_grants(storage: Any) -> None:
        with storage.client.connect() as session:
            found.append(session.execute("SELECT * FROM access_control_entries").fetchall())
        found.append(storage.count_all("mushroom", "user"))

    found = []

    migrate({"linker": [count_grants]})

    assert found == [[], 0]


def test_a_migration_writes_records_through_the_storage(migrate: Callable[..., Any]) -> None:
    def add_a_record(storage: Any) -> None:
        create_links(storage)
        storage.create("mushroom", "user", {"name": "boletus"})

    storage = migrate({"linker": [add_a_record]})

    assert [record["name"] for record in storage.list_all("mushroom", "user")] == ["boletus"]


def test_one_that_fails_is_named_and_leaves_nothing(migrate: Callable[..., Any]) -> None:
    with pytest.raises(BackendError) as caught:
        migrate({"linker": [create_links, fail, add_a_link], "other": [add_a_link]})
    assert str(caught.value) == "Migration 2 of linker failed: LookupError: no such mushroom"

    storage = migrate({})
    assert targets(storage) == ["a"]
    assert storage.list_all("mushroom", "user") == []


def test_one_that_failed_is_run_again_by_the_next_run(migrate: Callable[..., Any]) -> None:
    with pytest.raises(BackendError):
        migrate({"linker": [create_links, fail]})
    storage = migrate({"linker": [create_links, add_a_link]})

    assert targets(storage) == ["a", "b"]


def test_a_dry_run_says_what_would_be_run(migrate: Callable[..., Any], tmp_path: Path) -> None:
    migrate({"linker": [create_links]})

    with capture_logs() as entries:
        storage = migrate({"linker": [create_links, add_a_link]}, dry_run=True)

    announced = [entry for entry in entries if entry["event"] == "migration.to_run"]
    assert [(entry["migration"], entry["version"]) for entry in announced] == [("linker", 2)]
    assert targets(storage) == ["a"]


def test_a_dry_run_touches_nothing_that_is_new(
    migrate: Callable[..., Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    with capture_logs() as entries:
        storage = migrate({"linker": [create_links]}, dry_run=True)

    assert "migration.to_run" in [entry["event"] for entry in entries]
    assert list(tmp_path.iterdir()) == []
    assert not has_links(storage)


def test_flushing_the_storage_does_not_make_them_run_again(migrate: Callable[..., Any]) -> None:
    migrate({"linker": [create_links]}).flush()

    assert targets(migrate({"linker": [create_links]})) == ["a"]


def test_a_read_only_service_runs_none(
    migrate: Callable[..., Any], settings: dict[str, Any]
) -> None:
    settings["readonly"] = True

    with pytest.warns(UserWarning, match="readonly"):
        storage = migrate({"linker": [create_links]})

    assert not has_links(storage)


def test_a_storage_that_cannot_record_them_says_that_it_runs_none() -> None:
    calls = []
    app = make_app(configure=lambda config: config.add_migrations("linker", [calls.append]))

    with capture_logs() as entries:
        init_schema({"registry": app.app.registry})

    assert calls == []
    assert {"event": "migration.without_effect", "migration": "linker"}.items() <= entries[
        -1
    ].items()


def test_migrations_need_a_storage() -> None:
    app = make_app(
        settings={"storage_backend": ""},
        configure=lambda config: config.add_migrations("linker", [create_links]),
    )

    init_schema({"registry": app.app.registry})


@pytest.mark.parametrize("name", ["storage", "permission", "cache", "", "a b", "A", "x" * 65])
def test_names_that_cannot_be_recorded_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Invalid name of migrations"):
        make_app(configure=lambda config: config.add_migrations(name, []))


def test_two_plugins_cannot_have_one_name() -> None:
    def configure(config: Any) -> None:
        config.add_migrations("linker", [])
        config.add_migrations("linker", [])

    with pytest.raises(ConfigurationError, match="'linker' were added already"):
        make_app(configure=configure)


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_a_command_that_waited_for_another_finds_the_migration_done(
    settings: dict[str, Any], recwarn: pytest.WarningsRecorder
) -> None:
    def create_links_meanwhile(storage: Any) -> None:
        create_links(storage)
        other.start()
        with storage.client.connect() as session:
            deadline = time.monotonic() + 60
            while session.execute(WAITING).fetchone() is None and time.monotonic() < deadline:
                time.sleep(0.01)

    def configure(config: Any) -> None:
        config.add_migrations("linker", [create_links_meanwhile])

    first, second = (make_app(settings=settings, configure=configure) for _ in range(2))
    other = Thread(target=init_schema, args=({"registry": second.app.registry},))
    init_schema({"registry": first.app.registry})
    other.join()

    assert targets(first.app.registry.storage) == ["a"]


WAITING = (
    "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)
PLUGIN = """
import glob, os, time

FOLDER = os.path.dirname(__file__)

def create_links(storage):
    with storage.client.connect() as session:
        session.execute("CREATE TABLE links (target VARCHAR(10))")
        session.execute("INSERT INTO links VALUES ('a')")
    if os.environ.get("FAIL"):
        raise LookupError("no such mushroom")
    time.sleep(0.2)

def includeme(config):
    config.add_migrations("linker", [create_links])
    open(f"{FOLDER}/ready-{os.getpid()}", "w").close()
    others = int(os.environ.get("TOGETHER", 1))
    deadline = time.monotonic() + 60
    while len(glob.glob(f"{FOLDER}/ready-*")) < others and time.monotonic() < deadline:
        time.sleep(0.01)
"""


@pytest.fixture
def ini(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """File of a service that includes a plugin with a migration."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "linker.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    return write_ini(tmp_path / "service.ini", {**settings, "includes": "linker"})


@pytest.mark.clause("P-30.3", "E-7.2")
@pytest.mark.usefixtures("processes")
def test_two_commands_at_once_run_a_migration_once(ini: str, migrate: Callable[..., Any]) -> None:
    command = [*PROGRAM, "migrate", "--ini", ini]
    environment = {**os.environ, "TOGETHER": "2"}
    runs = [start_process(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    outcomes = [(run.communicate(timeout=200)[1].decode(), run.returncode) for run in runs]

    assert [code for _, code in outcomes] == [0, 0], outcomes
    assert targets(migrate({})) == ["a"]


@pytest.mark.clause("P-30.3", "E-7.2")
@pytest.mark.usefixtures("processes")
def test_the_command_that_fails_says_in_which_migration(
    ini: str, migrate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")

    outcome = run_process("migrate", "--ini", ini)

    assert outcome.code == 1
    message = "cliquet migrate: Migration 1 of linker failed: LookupError: no such mushroom"
    assert outcome.err.splitlines()[-1] == message
    assert not has_links(migrate({}))
