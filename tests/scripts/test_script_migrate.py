"""``cliquet migrate``, and ``cliquet init`` which is its former name."""

import sqlite3
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from servers.processes import free_port

from cliquet.scripts.cliquet import init_schema
from scripts.command_line import MEMORY, run_process, write_ini

INDEXED = """\
import cliquet
from cliquet import resource
from cliquet.testing.web import add_resource
from pyramid.config import Configurator

class Moss(resource.UserResource):
    class MossSchema(resource.ResourceSchema):
        class Options:
            indexed_fields = ("rank",)
            preserve_unknown = True
    mapping = MossSchema()

def main(global_config, **settings):
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="indexed")
    add_resource(config, Moss)
    return config.make_wsgi_app()
"""


class Recorder:
    """A backend that notes when its schema is initialized."""

    def __init__(self, name: Any, calls: Any) -> None:
        self._name = name
        self._calls = calls

    def initialize_schema(self, **options: Any) -> None:
        self._calls.append((self._name, options))


def environment(
    calls: Any, *, kinds: Any = ("storage", "cache", "permission"), **settings: Any
) -> dict[str, Any]:
    backends = {kind: Recorder(kind, calls) for kind in kinds}
    return {"registry": SimpleNamespace(settings=settings, **backends)}


@pytest.mark.clause("P-30.3", "P-30.7", "B-19.7")
def test_schemas_are_initialized_in_order() -> None:
    calls = []

    init_schema(environment(calls))

    assert calls == [("cache", {}), ("storage", {}), ("permission", {})]


@pytest.mark.clause("P-30.3", "B-19.7")
def test_backends_that_are_not_configured_are_skipped() -> None:
    calls = []

    init_schema(environment(calls, kinds=["permission"]))
    init_schema({"registry": SimpleNamespace(settings={}, storage=None)})

    assert calls == [("permission", {})]


@pytest.mark.clause("E-7.2")
def test_a_dry_run_is_one_for_all_backends() -> None:
    calls = []

    init_schema(environment(calls), dry_run=True)

    assert calls == [(kind, {"dry_run": True}) for kind in ("cache", "storage", "permission")]


@pytest.mark.clause("P-30.5", "B-19.8", "S-7.6")
def test_a_read_only_service_migrates_its_cache_alone() -> None:
    calls = []

    with pytest.warns(UserWarning, match="readonly") as caught:
        init_schema(environment(calls, readonly=True))

    assert calls == [("cache", {})]
    assert [str(warning.message) for warning in caught] == [
        "Cannot migrate the storage backend while in readonly mode.",
        "Cannot migrate the permission backend while in readonly mode.",
    ]


@pytest.mark.clause("P-30.5", "B-19.8")
def test_nothing_is_said_of_backends_that_a_read_only_service_has_not() -> None:
    calls = []

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init_schema(environment(calls, kinds=["cache"], readonly=True))

    assert calls == [("cache", {})]


@pytest.mark.clause("P-30.4", "B-19.7")
def test_init_is_a_deprecated_synonym(cliquet: Callable[..., Any], ini: str) -> None:
    message = '"cliquet init" is deprecated. Use "cliquet migrate" instead.'

    with pytest.warns(DeprecationWarning, match="init") as caught:
        outcome = cliquet("--ini", ini, "init")

    assert outcome.code == 0
    assert [str(warning.message) for warning in caught] == [message]


@pytest.mark.clause("P-30.4")
@pytest.mark.usefixtures("processes")
def test_the_user_of_init_is_told(ini: str) -> None:
    outcome = run_process("--ini", ini, "init")

    assert outcome.code == 0
    assert 'DeprecationWarning: "cliquet init" is deprecated.' in outcome.err


@pytest.mark.clause("P-30.4")
@pytest.mark.usefixtures("processes")
def test_warnings_of_the_user_win(ini: str) -> None:
    outcome = run_process("--ini", ini, "init", options=["-W", "ignore"])

    assert outcome.code == 0
    assert "deprecated" not in outcome.err


@pytest.mark.clause("P-30.4")
@pytest.mark.parametrize(("options", "is_changed"), [([], True), (["ignore"], False)])
def test_filters_of_warnings_are_set_for_users_who_set_none(
    cliquet: Callable[..., Any],
    ini: str,
    monkeypatch: pytest.MonkeyPatch,
    options: list[Any],
    is_changed: bool,
) -> None:
    monkeypatch.setattr(sys, "warnoptions", options)
    before = list(warnings.filters)

    assert cliquet("--ini", ini, "migrate").code == 0

    assert (list(warnings.filters) != before) == is_changed


@pytest.mark.clause("P-30.5")
@pytest.mark.usefixtures("processes")
def test_the_user_is_told_of_what_is_skipped(tmp_path: Path) -> None:
    ini = write_ini(tmp_path / "readonly.ini", {**MEMORY, "readonly": "true"})

    outcome = run_process("--ini", ini, "migrate")

    assert outcome.code == 0
    for kind in ("storage", "permission"):
        assert f"Cannot migrate the {kind} backend while in readonly mode." in outcome.err


@pytest.mark.clause("P-30.3", "E-7.2")
@pytest.mark.usefixtures("processes")
def test_a_server_that_is_down_is_told_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "indexed.py").write_text(INDEXED)
    settings = {
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": f"postgresql://127.0.0.1:{free_port()}/nothing",
    }
    ini = write_ini(tmp_path / "service.ini", settings, use="call:indexed:main")

    outcome = run_process("migrate", "--ini", ini, cwd=tmp_path)

    assert outcome.code == 1
    assert "cliquet migrate: " in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err


@pytest.mark.clause("P-30.3", "E-7.2", "E-1.1")
@pytest.mark.usefixtures("processes")
def test_a_new_user_gets_tables(tmp_path: Path) -> None:
    (tmp_path / "indexed.py").write_text(INDEXED)
    file = tmp_path / "data.db"
    settings = {
        "storage_backend": "cliquet.storage.sqlite",
        "storage_url": f"sqlite:///{file}",
        "permission_backend": "cliquet.permission.sqlite",
        "permission_url": f"sqlite:///{file}",
    }
    ini = write_ini(tmp_path / "service.ini", settings, use="call:indexed:main")

    told = []
    for arguments in (["--dry-run"], [], []):
        outcome = run_process("migrate", "--ini", ini, *arguments, cwd=tmp_path)
        assert outcome.code == 0, outcome.err
        assert file.exists() == (arguments == [])
        told.append(outcome.out.splitlines())
    assert told == [
        ["storage: tables would be made, version 4", "permission: tables would be made, version 1"],
        ["storage: tables made, version 4", "permission: tables made, version 1"],
        ["nothing to do"],
    ]

    with sqlite3.connect(file) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert {"records", "timestamps"} <= tables
