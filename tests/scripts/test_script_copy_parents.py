"""``cliquet copy --parent``: the records of some users, and what belongs to them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.backends import fresh_backends
from pyramid.config import Configurator

import cliquet
from cliquet import resource
from cliquet.permission.grants import ACEPrincipal, UserPrincipal
from cliquet.scripts import copy as command
from cliquet.scripts import copying
from cliquet.scripts.command import CommandError
from cliquet.storage import Pattern
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.memory import Storage
from cliquet.testing.web import add_resource
from scripts.command_line import run_process, write_ini

FAMILIES = ("memory", "sqlite", "postgresql", "redis")
# Each family is once a source and once a target, with both backends at one place.
PAIRS = [("memory", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "redis")]
PAIRS += [("redis", "sqlite"), ("sqlite", "memory")]
HALVES = [["user:0*", "user:1*", "/shelves/a"], ["user:2*", "user:3*", "/shelves/b", ""]]


class Note(resource.UserResource):
    """A record that belongs to one user."""

    mapping = resource.ResourceSchema()


class Shelf(resource.ShareableResource):
    """A shared record, whose parent is the empty text."""

    mapping = resource.ResourceSchema()


class Book(resource.ShareableResource):
    """A shared record whose parent is its shelf."""

    mapping = resource.ResourceSchema()

    def get_parent_id(self, request: resource.Request) -> str:
        return f"/shelves/{request.matchdict['shelf_id']}"


def started(settings: dict[str, Any]) -> Any:
    """Return the registry of a service with these resources."""
    config = Configurator(settings=dict(settings))
    cliquet.initialize(config, version="1.0", project_name="service")
    add_resource(config, Note)
    add_resource(
        config, Shelf, name="shelf", collection_path="/shelves", record_path="/shelves/{{id}}"
    )
    path = "/shelves/{{shelf_id}}/books"
    add_resource(config, Book, name="book", collection_path=path, record_path=f"{path}/{{{{id}}}}")
    config.make_wsgi_app()
    for kind in ("storage", "permission"):
        getattr(config.registry, kind).initialize_schema()
    return config.registry


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Make services on fresh backends; a second family is for the permissions alone."""

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with contextlib.ExitStack() as stack:

        def make(family: str, of_permissions: str | None = None) -> Any:
            settings = dict(stack.enter_context(fresh_backends(family, postgresql_server)))
            if of_permissions is not None:
                other = stack.enter_context(fresh_backends(of_permissions, postgresql_server))
                settings |= {k: v for k, v in other.items() if k.startswith("permission_")}
            return started({k: v for k, v in settings.items() if not k.startswith("cache_")})

        yield make


def fill(registry: Any) -> None:
    """Store what users have, and what they share."""
    storage, permission = registry.storage, registry.permission
    for n in range(8):
        user = f"user:{n % 4}{n}"
        for m in range(3):
            storage.create("note", user, {"id": f"n{m}", "n": n, "\xe9": [1.5, None, {}]})
        storage.delete("note", user, "n0")
        storage.record_departures("note", user, [Departure("n1", DepartureKind.LEFT, ["dan"])])
        permission.add_user_principal(user, f"group:{n % 2}")
    storage.purge_deleted("note", Pattern("user:1*"))
    for shelf in ("a", "b"):
        storage.create("shelf", "", {"id": shelf})
        permission.add_principal_to_ace(f"/shelves/{shelf}", "write", "user:00")
        for n in range(3):
            storage.create("book", f"/shelves/{shelf}", {"id": f"b{n}"})
            permission.add_principal_to_ace(f"/shelves/{shelf}/books/b{n}", "write", f"user:{n}")
    permission.add_principal_to_ace("/elsewhere", "read", "user:00")
    storage.collection_timestamp("book", "/shelves/c")


def records(registry: Any) -> list[Any]:
    """Return all that a storage holds."""
    return [
        (*one[:3], list(one.entries), one.purged, one.epoch, list(one.departures))
        for one in registry.storage.export()
    ]


def grants(registry: Any) -> list[Any]:
    return list(registry.permission.export())


def half(registry: Any, parents: list[str]) -> list[Any]:
    """Return the records of the parents, judged without the code under test."""

    def is_of(parent: str) -> bool:
        return any(
            parent.startswith(one[:-1]) if one.endswith("*") else parent == one for one in parents
        )

    return [one for one in records(registry) if is_of(one[0])]


def patterns(parents: list[str]) -> list[str]:
    return [Pattern(parent) for parent in parents]


OF_FIRST_HALF = [
    *(UserPrincipal(f"user:{n % 4}{n}", f"group:{n % 2}") for n in (0, 4, 1, 5)),
    *(ACEPrincipal(f"/shelves/a/books/b{n}", "write", f"user:{n}") for n in range(3)),
]


@pytest.mark.clause("E-7.3", "E-7.6")
@pytest.mark.parametrize(
    ("source_of", "target_of"),
    [*(((one,), (other,)) for one, other in PAIRS), (("sqlite", "redis"), ("redis", "sqlite"))],
)
def test_half_of_the_users_go_to_another_place_and_the_others_follow(
    service: Callable[..., Any], source_of: Any, target_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = service(*source_of), service(*target_of)
    fill(source)
    before = records(source), grants(source)

    command.copy(source, target, parent_ids=patterns(HALVES[0]))

    # The horizon that the purge left, and the tombstones of the others, are among it.
    assert records(target) == half(source, HALVES[0])
    assert grants(target) == OF_FIRST_HALF
    assert any(purged for *_, purged, _, _ in records(target))
    for parent in ("user:00", "user:11"):
        home = {"collection_id": "note", "parent_id": parent}
        assert target.storage.count_all(**home) == source.storage.count_all(**home) == 2
    out = capsys.readouterr().out
    assert "storage: 5 collections, 13 records compared, 13 written, 0 removed" in out
    assert "permission: 7 principals compared, 7 written, 0 removed" in out

    command.copy(source, target, parent_ids=patterns([*HALVES[1], "/shelves/c"]))

    assert (records(target), grants(target)) == before
    assert (records(source), grants(source)) == before
    # Nothing is left to do.
    capsys.readouterr()
    command.copy(source, target)
    assert capsys.readouterr().out.count(" 0 written, 0 removed") == 2


@pytest.mark.clause("E-7.6")
def test_what_the_target_has_of_other_parents_stays(service: Callable[..., Any]) -> None:
    source, target = service("memory"), service("memory")
    fill(source)
    fill(target)
    target.storage.delete_all("note", Pattern("user:0*"))
    others = [one for one in records(target) if one not in half(target, HALVES[0])]
    others_grants = [one for one in grants(target) if one not in OF_FIRST_HALF]
    stale = UserPrincipal("user:00", "group:stale")
    target.permission.import_([stale], [])

    with pytest.raises(CommandError, match="--overwrite removes them"):
        command.copy(source, target, parent_ids=patterns(HALVES[0]))
    command.copy(source, target, parent_ids=patterns(HALVES[0]), overwrite=True)

    assert [one[3] for one in half(target, HALVES[0])] == [
        one[3] for one in half(source, HALVES[0])
    ]
    assert [one for one in records(target) if one not in half(target, HALVES[0])] == others
    assert grants(target) == sorted(
        [*OF_FIRST_HALF, *others_grants], key=lambda one: (isinstance(one, ACEPrincipal), one)
    )


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.clause("E-7.3", "E-7.6")
def test_a_copy_of_some_parents_that_is_killed_goes_on(
    service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH", 3)
    source, target = service("memory"), service("sqlite")
    fill(source)
    real = target.storage.import_
    for dies_at in itertools.count(1):
        left = iter(range(dies_at))

        def import_(collections: Any, left: Any = left) -> None:
            if any(one.collection_id == "note" for one in collections) and next(left, None) is None:
                raise KilledError
            real(collections)

        monkeypatch.setattr(target.storage, "import_", import_)
        try:
            command.copy(source, target, parent_ids=patterns(HALVES[0]))
            break
        except KilledError:
            assert len(records(target)) <= len(half(source, HALVES[0]))

    assert dies_at > 2
    assert records(target) == half(source, HALVES[0])
    assert grants(target) == OF_FIRST_HALF


@pytest.mark.clause("E-7.6")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_dry_run_counts_and_writes_nothing(
    service: Callable[..., Any], family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = service("memory"), service(family)
    fill(source)
    target.storage.create("note", "user:19", {"id": "stale"})
    target.storage.purge_deleted("note", "user:19")
    before = records(target), grants(target)
    capsys.readouterr()

    command.copy(source, target, parent_ids=patterns(HALVES[0]), overwrite=True, dry_run=True)

    assert (records(target), grants(target)) == before
    assert capsys.readouterr().out == (
        "storage: 5 collections, 13 records compared, 13 to be written, 1 to be removed\n"
        "permission: 7 principals compared, 7 to be written, 0 to be removed\n"
    )


def in_file(folder: Path, name: str) -> dict[str, str]:
    """Return the settings of backends in a file of SQLite."""
    settings = {}
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        settings[f"{kind}_url"] = f"sqlite:///{folder}/{name}.db"
    return settings


@pytest.mark.clause("E-7.6")
@pytest.mark.usefixtures("processes")
def test_the_command_has_patterns_as_often_as_wanted_and_counts_before(tmp_path: Path) -> None:
    one, other = in_file(tmp_path, "one"), in_file(tmp_path, "other")
    source = started(one)
    for user in ("ann", "art", "bob", "*"):
        source.storage.create("mushroom", user, {"name": user})
    arguments = ["copy", "--from-ini", write_ini(tmp_path / "one.ini", one)]
    arguments += ["--to-ini", write_ini(tmp_path / "other.ini", other)]
    arguments += ["--parent", "ar*", "--parent", "bob"]

    counted = run_process(*arguments, "--dry-run")
    # The target has no tables, and has got none.
    tables = run_process("migrate", "--ini", str(tmp_path / "other.ini"), "--dry-run")
    copied = run_process(*arguments)

    assert (counted.code, tables.code, copied.code) == (0, 0, 0), counted.err + copied.err
    assert "storage: 2 collections, 2 records compared, 2 to be written" in counted.out
    assert "tables would be made" in tables.out
    assert "storage: 2 collections, 2 records compared, 2 written" in copied.out
    target = started(other)
    assert [one.parent_id for one in target.storage.export_timestamps()] == ["art", "bob"]


@pytest.mark.clause("E-7.6")
def test_storages_without_the_parameter_are_still_copied_as_a_whole(
    service: Callable[..., Any],
) -> None:
    class Former(Storage):
        def export(self) -> Iterator[Any]:
            return super().export()

        def export_timestamps(self) -> Iterator[Any]:
            return super().export_timestamps()

    source, target = service("memory"), service("memory")
    source.storage = Former()
    fill(source)

    command.copy(source, target)

    assert records(target) == records(source)
