"""``cliquet migrate`` several times at once, as when several hosts are deployed."""

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from servers.starting import start_process

from cliquet.migrations import postgresql
from scripts.command_line import PROGRAM, write_ini

TOGETHER = 4

APPLICATION = """\
import cliquet
from cliquet import resource
from cliquet.testing.web import add_resource
from pyramid.config import Configurator

class Moss(resource.UserResource):
    class MossSchema(resource.ResourceSchema):
        class Options:
            indexed_fields = ("rank", "place", "age")
            preserve_unknown = True
    mapping = MossSchema()

def create_links(storage):
    with storage.client.connect() as session:
        session.execute("CREATE TABLE links (target VARCHAR(10))")

def main(global_config, **settings):
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="together")
    add_resource(config, Moss)
    config.add_migrations("linker", [create_links])
    return config.make_wsgi_app()
"""


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data.db"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def start_one(processes: None, url: Any, tmp_path: Path) -> Any:
    """Return a function that starts the program."""
    kind = url.partition(":")[0]
    settings = {
        f"{component}_{name}": value
        for component in ("storage", "permission", "cache")
        for name, value in (("backend", f"cliquet.{component}.{kind}"), ("url", url))
    }
    (tmp_path / "together.py").write_text(APPLICATION)
    ini = write_ini(tmp_path / "app.ini", settings, use="call:together:main")

    def start() -> Any:
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return start_process(
            [*PROGRAM, "--ini", ini, "migrate"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    return start


@pytest.fixture
def migrate_together(start_one: Callable[[], Any]) -> Any:
    """Start the program several times at once; return what they answered."""

    def migrate() -> Any:
        started = [start_one() for _ in range(TOGETHER)]
        outputs = [process.communicate(timeout=200)[0] for process in started]
        return [process.returncode for process in started], outputs

    return migrate


def rows(url: Any, path: Any, statement: Any) -> Any:
    """Return what a database answers; with SQLite, the file at a path."""
    opened = sqlite3.connect(path) if url.startswith("sqlite") else psycopg2.connect(url)
    with contextlib.closing(opened) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.clause("B-12.11", "E-1.3", "P-30.3")
@pytest.mark.parametrize("attempt", range(3))
def test_one_works_and_the_others_wait(
    migrate_together: Callable[..., Any], url: str, tmp_path: Path, attempt: int
) -> None:
    codes, outputs = migrate_together()

    assert codes == [0] * TOGETHER, "\n".join(outputs)
    versions = dict.fromkeys(("linker", "permission", "storage"), 1)
    if url.startswith("postgresql"):
        versions["cache"] = 1
    found = rows(
        url,
        tmp_path / "data.db",
        "SELECT name FROM metadata WHERE name LIKE '%version' ORDER BY name",
    )
    assert [name for (name,) in found] == [f"{name}_schema_version" for name in sorted(versions)]
    text = "".join(outputs)
    for line in (
        "storage: tables made",
        "permission: tables made",
        "linker: version 1 done",
    ):
        assert text.count(line) == 1, text


@pytest.mark.clause("E-10.2", "B-12.11")
def test_indexes_are_made_once(
    migrate_together: Callable[..., Any], url: str, tmp_path: Path
) -> None:
    codes, outputs = migrate_together()

    assert codes == [0] * TOGETHER, "\n".join(outputs)
    if url.startswith("sqlite"):
        made = "SELECT name, 1 FROM sqlite_master WHERE name LIKE 'records_on_%'"
    else:
        made = (
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relname LIKE 'records_on_%'"
        )
    found = rows(url, tmp_path / "data.db", made)
    assert len(found) == 3
    assert all(is_valid for _, is_valid in found)


OTHERS = (
    "SELECT pid, xact_start IS NULL, query LIKE '%pg_try_advisory_xact_lock%'"
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.mark.clause("E-10.2", "B-12.11")
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_process_that_waits_is_in_no_transaction(start_one: Callable[[], Any], url: str) -> None:
    """The creation of an index may wait for the transaction of the one that waits for it."""
    with (
        contextlib.closing(psycopg2.connect(url)) as other,
        contextlib.closing(psycopg2.connect(url)) as looking,
        other,
        other.cursor() as cursor,
        looking.cursor() as sample,
    ):
        # Its own moment for each look.
        looking.autocommit = True
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (postgresql._ADVISORY_LOCK_ALONE,))
        process = start_one()
        waiting: set[int] = set()
        has_none = False
        ends = time.monotonic() + 60
        # The moments in which it asks for the lock are short.
        while not has_none and time.monotonic() < ends:
            sample.execute(OTHERS)
            for pid, is_in_none, is_waiting in sample:
                waiting |= {pid} if is_waiting else set()
                has_none |= is_in_none and pid in waiting
    output, _ = process.communicate(timeout=200)

    assert process.returncode == 0, output
    assert has_none
