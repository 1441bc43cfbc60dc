"""``cliquet copy`` as its users run it: refusals, resumption, any backends to any others."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from processes.backends import fresh_backends
from pyramid.config import Configurator
from servers.starting import start_process

from cliquet.initialization import initialize
from cliquet.permission.grants import UserPrincipal
from cliquet.permission.memory import Permission
from cliquet.scripts import copy as command
from cliquet.scripts import copying
from cliquet.scripts.command import CommandError
from cliquet.storage.memory import Storage
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.bounded import wait_until
from scripts.command_line import MEMORY, run_process, write_ini

FAMILIES = ("sqlite", "postgresql", "redis")
PAIRS = [(one, other) for one in FAMILIES for other in FAMILIES if one != other]
# A single server keeps what a cluster keeps under other names.
PAIRS += [("redis", "redis, cluster"), ("redis, cluster", "redis")]


def registry(*, readonly: bool = False, **backends: Any) -> Any:
    chosen = {"storage": Storage(), "permission": Permission(), **backends}
    return SimpleNamespace(
        settings={"readonly": readonly},
        **{kind: backend for kind, backend in chosen.items() if backend is not None},
    )


def content(services: Any) -> Any:
    """Return all that the backends of a registry hold."""
    records = [(one[:3], list(one.entries)) for one in services.storage.export()]
    return records, list(services.permission.export())


def fill(services: Any, collections: int = 6) -> None:
    for n in range(collections):
        home = {"collection_id": f"c{n % 2}", "parent_id": f"user{n // 2}"}
        for _ in range(3):
            record = services.storage.create(**home, record={"n": n, "\xe9": [1.5, None, {}]})
            uri = f"/{home['collection_id']}/{record['id']}"
            services.permission.add_principal_to_ace(uri, "write", home["parent_id"])
        services.storage.delete(**home, object_id=record["id"])
        services.permission.add_user_principal(home["parent_id"], f"group{n}")
    services.storage.collection_timestamp("read", "user0")


# In this process


@pytest.mark.clause("E-7.3")
def test_records_and_permissions_are_copied(capsys: pytest.CaptureFixture[str]) -> None:
    source, target = registry(), registry()
    fill(source)

    command.copy(source, target)

    assert content(target) == content(source)
    assert capsys.readouterr().out == (
        "storage: 7 collections, 18 records compared, 18 written, 0 removed\n"
        "permission: 24 principals compared, 24 written, 0 removed\n"
    )


@pytest.mark.clause("E-7.3")
def test_what_the_source_has_not_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    source, target = registry(permission=None), registry()
    source.storage.create("c", "p", {})
    target.permission.add_user_principal("alice", "group")

    command.copy(source, target)

    assert target.storage.count_all("c", "p") == 1
    assert target.permission.user_principals("alice") == {"group"}

    source = registry(storage=None)
    command.copy(source, target)

    assert target.storage.count_all("c", "p") == 1
    assert target.permission.user_principals("alice") == set()


class Incomplete(Storage):
    """A storage written for the published interface."""

    is_transferable = False


class IncompletePermission(Permission):
    is_transferable = False


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ({"storage": None, "permission": None}, {}, "neither storage nor permissions"),
        ({}, {"storage": None}, "the source has a storage backend and the target has none"),
        ({}, {"permission": None}, "the source has a permission backend and the target has none"),
        ({}, {"readonly": True}, "the target is read-only: its setting readonly is true"),
        (
            {"storage": Incomplete()},
            {},
            "the storage backend scripts.test_script_copy cannot be copied:"
            " it has no export\\(\\) and import_\\(\\)",
        ),
        ({}, {"storage": Incomplete()}, "the storage backend scripts.test_script_copy cannot"),
        ({}, {"permission": IncompletePermission()}, "the permission backend scripts.test_sc"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    source: dict[str, Any], target: dict[str, Any], told: str
) -> None:
    source, target = registry(**source), registry(**target)
    before = {kind: vars(target).get(kind) for kind in ("storage", "permission")}

    with pytest.raises(CommandError, match=told):
        command.copy(source, target)

    assert all(not list(backend.export()) for backend in before.values() if backend)


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize("kind", ["storage", "permission"])
def test_a_place_is_not_copied_to_itself(kind: str) -> None:
    source, target = registry(), registry()
    setattr(target, kind, getattr(source, kind))
    fill(source)
    before = content(source)

    with pytest.raises(CommandError, match="the source and the target are the same place"):
        command.copy(source, target)

    # Without a trace of how it was found out.
    assert content(source) == before


@pytest.mark.clause("E-7.3")
def test_a_target_in_service_is_not_emptied() -> None:
    source, target = registry(), registry()
    fill(target)
    before = content(target)

    with pytest.raises(CommandError, match="'c0' of 'user0': --overwrite removes them"):
        command.copy(source, target)
    assert content(target) == before

    command.copy(source, target, overwrite=True)
    assert content(target) == ([], [])


@pytest.mark.clause("E-7.3")
def test_a_moving_source_is_told() -> None:
    class Busy(Storage):
        def export(self) -> Iterator[Any]:
            for one in super().export():
                yield one
                self.create("c0", "user0", {})

    source, target = registry(storage=Busy()), registry()
    fill(source)

    with pytest.raises(CommandError, match="the source changed during the copy: stop"):
        command.copy(source, target)

    assert list(target.permission.export()) == list(source.permission.export())


@pytest.mark.clause("E-7.3")
def test_a_record_that_the_target_refuses_is_told() -> None:
    class Picky(Storage):
        def import_(self, collections: Any) -> None:
            if any(one.entries for one in collections):
                raise TypeError("no")
            super().import_(collections)

    source, target = registry(), registry(storage=Picky())
    fill(source)

    with pytest.raises(CommandError, match="cannot be stored: no"):
        command.copy(source, target)


@pytest.mark.clause("E-7.3")
def test_progress_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cliquet.scripts.progress._LINE_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(copying, "BATCH", 9)
    source, target = registry(), registry()
    fill(source)

    command.copy(source, target)

    lines = capsys.readouterr().out.splitlines()
    done = "100% 7 of 7 collections, 18 records compared, 18 written, 0 removed, "
    assert any(line.strip().startswith(done) and line.endswith("/s") for line in lines)
    assert "24 principals compared, 24 written, 0 removed" in lines


@pytest.mark.clause("E-7.3")
def test_the_files_are_those_given(cliquet: Callable[..., Any], tmp_path: Path, ini: str) -> None:
    other = write_ini(tmp_path / "other.ini", MEMORY)

    for arguments in (["--from-ini", ini], ["--ini", ini]):
        outcome = cliquet("copy", *arguments, "--to-ini", other)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith("storage: 0 collections, 0 records compared")

    assert cliquet("copy", "--from-ini", ini, "--to-ini", "nowhere.ini").code == 1


# Between servers


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Make a service on fresh backends of a family: its file, and its registry."""
    names = iter("abcd")

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with contextlib.ExitStack() as stack:

        def make(family: Any) -> Any:
            settings = stack.enter_context(fresh_backends(family, postgresql_server))
            settings = {k: v for k, v in settings.items() if not k.startswith("cache_")}
            ini = write_ini(tmp_path / f"{next(names)}.ini", settings)
            config = Configurator(settings=dict(settings))
            initialize(config, version="1.0", project_name="service")
            config.registry.storage.initialize_schema()
            config.registry.permission.initialize_schema()
            return ini, config.registry

        yield make


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize(("from_family", "to_family"), PAIRS)
def test_any_backend_is_copied_to_any_other(
    service: Callable[..., Any], from_family: str, to_family: str
) -> None:
    from_ini, source = service(from_family)
    to_ini, target = service(to_family)
    fill(source)
    source.storage.create("future", "user0", {"id": "x", "last_modified": 9_000_000_000_000})
    source.storage.delete_all("future", "user0", with_deleted=False)

    first = run_process("copy", "--from-ini", from_ini, "--to-ini", to_ini)

    assert first.code == 0, first.err
    assert "storage: 8 collections, 18 records compared, 18 written, 0 removed" in first.out
    assert content(target) == content(source)

    source.storage.delete_all("c0", "user0")
    source.storage.purge_deleted("c1", "*")
    source.permission.remove_principal("group1")
    second = run_process("copy", "--from-ini", from_ini, "--to-ini", to_ini)

    assert second.code == 0, second.err
    assert "15 records compared, 2 written, 3 removed" in second.out
    assert "23 principals compared, 0 written, 1 removed" in second.out
    assert content(target) == content(source)
    assert target.storage.count_all("c0", "user0") == 0
    assert target.storage.count_all("c1", "user0") == 2


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("processes")
def test_two_files_of_one_place_are_noticed(
    service: Callable[..., Any], family: str, tmp_path: Path
) -> None:
    ini, source = service(family)
    fill(source)
    before = content(source)
    other = tmp_path / "same.ini"
    other.write_text((tmp_path / "a.ini").read_text())

    outcome = run_process("copy", "--from-ini", ini, "--to-ini", str(other))

    assert outcome.code == 1
    assert "cliquet copy: the source and the target are the same place\n" in outcome.err
    assert content(source) == before


# It is killed long before it has copied everything, even if those who kill it are slow.
NEVER_ENDING = """
import threading
from cliquet.scripts import copying
from cliquet.scripts.cliquet import main

write = copying._StorageCopy._write

def write_the_first(copy):
    if any(one.parent_id > "user12" for one in copy._batch):
        threading.Event().wait(300)
    write(copy)

copying._StorageCopy._write = write_the_first
main()
"""


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize(
    ("from_family", "to_family"),
    [("sqlite", "postgresql"), ("postgresql", "redis"), ("redis", "sqlite")],
)
@pytest.mark.usefixtures("processes")
def test_a_copy_that_is_killed_goes_on(
    service: Callable[..., Any], from_family: str, to_family: str
) -> None:
    from_ini, source = service(from_family)
    to_ini, target = service(to_family)
    for n in range(20):
        entries = [ExportedEntry(f"{m:04}", m + 1, {"m": m}) for m in range(200)]
        source.storage.import_([ImportedCollection(f"user{n:02}", "c", 600, entries)])
        grants = [UserPrincipal(f"user{n:02}", f"group{m:04}") for m in range(200)]
        source.permission.import_(grants, [])
    arguments = ["copy", "--from-ini", from_ini, "--to-ini", to_ini]

    def seen(parent_id: Any) -> Any:
        return lambda: target.storage.count_all("c", parent_id) > 0

    for parent_id in ("user00", "user05"):
        process = start_process(
            [sys.executable, "-c", NEVER_ENDING, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(seen(parent_id), parent_id, pause_seconds=0.002)
        process.kill()
        process.wait(60)
        assert process.returncode == -9

    outcome = run_process(*arguments)

    assert outcome.code == 0, outcome.err
    assert content(target) == content(source)
    assert "20 collections, 4,000 records compared" in outcome.out
    # What the others had written stayed.
    assert "4,000 written" not in outcome.out.partition("\n")[0]
    assert target.storage.count_all("c", "user19") == 200


@pytest.mark.clause("E-7.3")
@pytest.mark.usefixtures("processes")
def test_a_server_that_is_not_there_is_explained(
    service: Callable[..., Any], tmp_path: Path
) -> None:
    from_ini, _ = service("sqlite")
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    to_ini = write_ini(
        tmp_path / "gone.ini",
        {"storage_backend": "cliquet.storage.postgresql", "storage_url": url}
        | {"permission_backend": "cliquet.permission.postgresql", "permission_url": url},
    )

    outcome = run_process("copy", "--from-ini", from_ini, "--to-ini", to_ini)

    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert "\ncliquet copy: " in f"\n{outcome.err}"
