"""``cliquet purge-deleted``: which tombstones go, and which stay."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.backends import fresh_backends
from pyramid.config import Configurator
from servers.starting import start_process

from cliquet import utils
from cliquet.initialization import initialize
from cliquet.scripts import changeable_storage
from cliquet.scripts import purge_deleted as command
from cliquet.scripts.command import CommandError
from cliquet.scripts.purge_deleted import Limit, parse_before, purge
from cliquet.storage import StorageBase
from cliquet.storage.memory import Storage
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.bounded import wait_until
from scripts.command_line import run_process, write_ini

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000


def fill(storage: Any, now_ms: Any) -> None:
    """Store a record, and tombstones of 0 to 4 days ago, in two collections of two users."""
    for parent_id in ("user1", "us*r1"):
        for collection_id in ("book", "shelf"):
            home = {"collection_id": collection_id, "parent_id": parent_id}
            for age in (4, 3, 2, 1, 0):
                storage.create(**home, record={"id": f"r{age}"})
                storage.delete(
                    **home, object_id=f"r{age}", last_modified=now_ms - age * DAY_MS - 1000
                )
            storage.create(**home, record={"id": "live"})


def remaining(storage: Any) -> dict[Any, Any]:
    """Return the ids under each collection and parent."""
    return {
        (one.collection_id, one.parent_id): [entry.id for entry in one.entries]
        for one in storage.export()
    }


def timestamps(storage: Any) -> list[Any]:
    return list(storage.export_timestamps())


def everywhere(*ids: Any) -> dict[Any, Any]:
    return {
        (collection_id, parent_id): list(ids)
        for parent_id in ("us*r1", "user1")
        for collection_id in ("book", "shelf")
    }


@pytest.fixture
def storage() -> Any:
    storage = Storage()
    fill(storage, NOW_MS)
    return storage


@pytest.mark.clause("B-21.40", "E-7.2", "B-5.19", "B-4.14")
@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (Limit(before_ms=NOW_MS - 2 * DAY_MS), ["r0", "r1"]),
        (Limit(before_ms=0), ["r0", "r1", "r2", "r3", "r4"]),
        (Limit(max_retained=3), ["r0", "r1", "r2"]),
        (Limit(max_retained=9), ["r0", "r1", "r2", "r3", "r4"]),
        (Limit(max_retained=0), []),
        (Limit(), []),
    ],
)
def test_tombstones_beyond_the_limit_go(
    storage: StorageBase, limit: Limit, kept: list[Any]
) -> None:
    before = timestamps(storage)
    expected = dict.fromkeys(["book", "shelf"], 2 * (5 - len(kept)))

    assert purge(storage, limit, dry_run=True) == expected
    assert remaining(storage) == everywhere("live", "r0", "r1", "r2", "r3", "r4")

    assert purge(storage, limit) == expected
    assert remaining(storage) == everywhere("live", *kept)
    assert timestamps(storage) == before


class Recording(Storage):
    """Remembers each purge, and how many tombstones it removed."""

    def __init__(self) -> None:
        super().__init__()
        self.purges = []

    def purge_slices(self, collection_id: Any, parent_id: Any, *args: Any, **kwargs: Any) -> Any:
        for purged in super().purge_slices(collection_id, parent_id, *args, **kwargs):
            self.purges.append((collection_id, parent_id, purged))
            yield purged


@pytest.mark.clause("E-7.2", "X-29")
def test_a_parent_called_by_a_star_is_purged_alone() -> None:
    storage = Recording()
    fill(storage, NOW_MS)

    purge(storage, Limit(max_retained=1), slice_size=3)

    assert storage.purges == [
        (collection_id, parent_id, number)
        for parent_id in ("us*r1", "user1")
        for collection_id in ("book", "shelf")
        for number in (3, 1)
    ]


class Former(Storage):
    """A storage of another origin, which cannot purge in slices."""

    purge_slices = StorageBase.purge_slices


@pytest.mark.clause("E-7.7")
def test_a_storage_without_slices_is_purged_in_one_step() -> None:
    storage = Former()
    fill(storage, NOW_MS)

    assert purge(storage, Limit(max_retained=1), slice_size=1) == {"book": 8, "shelf": 8}
    assert remaining(storage) == everywhere("live", "r0")


@pytest.mark.clause("E-7.7")
@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_a_slice_is_a_number(cliquet: Callable[..., Any], ini: str, number: str) -> None:
    outcome = cliquet("purge-deleted", "--ini", ini, "--all", "--yes", "--slice", number)

    assert outcome.code == 2
    assert "argument --slice: invalid number value" in outcome.err


@pytest.mark.clause("B-21.40", "E-7.2")
def test_other_collections_than_those_named_stay(storage: StorageBase) -> None:
    assert purge(storage, Limit(), ["book"]) == {"book": 10}

    left = remaining(storage)
    assert left["book", "user1"] == ["live"]
    assert left["shelf", "user1"] == ["live", "r0", "r1", "r2", "r3", "r4"]


@pytest.mark.clause("E-7.2")
def test_a_collection_that_does_not_exist_is_refused_before_anything_is_done(
    storage: StorageBase,
) -> None:
    before = remaining(storage)

    with pytest.raises(CommandError, match="is named 'books'; there are: book, shelf"):
        purge(storage, Limit(), ["book", "books"])
    with pytest.raises(CommandError, match="is named 'a', 'b'; there are: none"):
        purge(Storage(), Limit(), ["b", "a"])

    assert remaining(storage) == before


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("30d", NOW_MS - 30 * DAY_MS),
        ("2w", NOW_MS - 14 * DAY_MS),
        ("12h", NOW_MS - DAY_MS // 2),
        ("90m", NOW_MS - 5_400_000),
        ("10s", NOW_MS - 10_000),
        ("999999999w", 0),
        ("1700000000000", 1_700_000_000_000),
        ("2026-11-14", 1_794_614_400_000),
        ("20261114", 1_794_614_400_000),
        ("2026-11-14T01:00:00+01:00", 1_794_614_400_000),
    ],
)
def test_the_limit_is_an_age_a_date_or_a_timestamp(text: str, expected_ms: int) -> None:
    assert parse_before(text, NOW_MS) == expected_ms


@pytest.mark.clause("E-7.2", "P-30.6")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--before", "30"],
        ["--before", "d"],
        ["--before", ""],
        ["--before", "1y"],
        ["--before", "yesterday"],
        ["--before", "2026-02-30"],
        ["--before", "9999-01-01"],
        ["--before", "999999999999999"],
        ["--keep", "many"],
        ["--keep=-1"],
        ["--keep", "1", "--before", "1d"],
    ],
)
def test_wrong_limits_give_the_usage(
    cliquet: Callable[..., Any], ini: str, arguments: list[Any]
) -> None:
    outcome = cliquet("purge-deleted", "--ini", ini, *arguments)

    assert outcome.code == 2
    assert outcome.err.startswith("usage: cliquet purge-deleted")
    assert "Traceback" not in outcome.err


@contextlib.contextmanager
def stored(request: Any, family: Any) -> Iterator[Any]:
    """Give the settings of a service, and its storage, with tombstones up to now."""

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with fresh_backends(family, postgresql_server) as settings:
        config = Configurator(settings=dict(settings))
        initialize(config, version="1.0", project_name="service")
        storage = config.registry.storage
        storage.initialize_schema()
        fill(storage, utils.msec_time())
        yield settings, storage


@pytest.mark.clause("B-21.40", "E-7.2")
@pytest.mark.parametrize("family", ["sqlite", "redis", "postgresql"])
def test_every_storage_is_purged(request: pytest.FixtureRequest, family: str) -> None:
    with stored(request, family) as (_, storage):
        limits = [Limit(before_ms=utils.msec_time() - 2 * DAY_MS), Limit(max_retained=1)]
        foreseen = [purge(storage, limit, dry_run=True) for limit in limits]

        assert purge(storage, limits[0]) == foreseen[0] == {"book": 6, "shelf": 6}
        assert remaining(storage) == everywhere("live", "r0", "r1")

        assert foreseen[1] == {"book": 8, "shelf": 8}
        assert purge(storage, limits[1], ["book"]) == {"book": 2}
        left = everywhere("live", "r0", "r1")
        left["book", "user1"] = left["book", "us*r1"] = ["live", "r0"]
        assert remaining(storage) == left


MANY = 3_000
# It is killed long before it has purged everything, even if those who kill it are slow.
NEVER_ENDING = """
import threading
from cliquet.scripts import purge_deleted
from cliquet.scripts.cliquet import main

slices = purge_deleted._slices

def the_first_slices(*arguments):
    for number, purged in enumerate(slices(*arguments)):
        if number == 300:
            threading.Event().wait(300)
        yield purged

purge_deleted._slices = the_first_slices
main()
"""


@pytest.mark.clause("E-7.7", "E-13.1")
@pytest.mark.parametrize("family", ["sqlite", "redis", "postgresql"])
@pytest.mark.usefixtures("processes")
def test_a_purge_that_is_killed_leaves_a_true_horizon_and_goes_on(
    request: pytest.FixtureRequest, family: str, tmp_path: Path
) -> None:
    with stored(request, family) as (settings, storage):
        entries = [ExportedEntry(f"{n:05}", n + 1, None) for n in range(MANY)]
        storage.import_([ImportedCollection("many", "book", MANY, entries)])
        ini = write_ini(tmp_path / "service.ini", settings)
        arguments = ["--ini", ini, "purge-deleted", "--all", "--yes", "--slice", "7"]

        def left() -> list[int]:
            (found,) = storage.export(["many"])
            return [entry.last_modified for entry in found.entries]

        process = start_process(
            [sys.executable, "-c", NEVER_ENDING, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(
            lambda: storage.collection_history("book", "many").purged,
            "the begin of the purge",
            pause_seconds=0.002,
        )
        process.kill()
        process.wait(60)
        assert process.returncode == -9

        # All up to the horizon have gone, and nothing else.
        horizon = storage.collection_history("book", "many").purged
        assert left() == list(range(horizon + 1, MANY + 1))
        assert 0 < horizon < MANY
        outcome = run_process(*arguments)

        assert outcome.code == 0, outcome.err
        assert left() == []
        assert storage.collection_history("book", "many").purged == MANY


@pytest.mark.clause("B-21.40", "E-7.2")
def test_the_command_prints_what_it_removes_of_each_collection(
    cliquet: Callable[..., Any],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stored(request, "sqlite") as (settings, storage):
        ini = write_ini(tmp_path / "service.ini", settings)
        arguments = ["purge-deleted", "--ini", ini, "--before", "2d"]
        # Outside a service, structlog writes there.
        capsys.readouterr()

        dry, done = cliquet(*arguments, "--dry-run"), cliquet(*arguments)
        one = cliquet("purge-deleted", "--ini", ini, "--keep", "1", "--collection", "book")

        assert [outcome.code for outcome in (dry, done, one)] == [0, 0, 0]
        assert dry.out == done.out.replace("removed", "would be removed")
        assert done.out.splitlines() == [
            "book: 6 tombstones removed",
            "shelf: 6 tombstones removed",
            "all: 12 tombstones removed",
        ]
        assert one.out.splitlines() == [
            "book: 2 tombstones removed",
            "all: 2 tombstones removed",
        ]
        assert remaining(storage)["book", "user1"] == ["live", "r0"]


@contextlib.contextmanager
def loaded(registry: Any) -> Iterator[Any]:
    yield registry


@pytest.fixture
def service(cliquet: Any, ini: Any, monkeypatch: pytest.MonkeyPatch, storage: Any) -> Any:
    """Run the command on a storage of the test."""

    class Registry:
        settings = {"readonly": False}

    Registry.storage = storage  # type: ignore[attr-defined]
    monkeypatch.setattr(command, "application", lambda ini: loaded(Registry))
    monkeypatch.setattr(changeable_storage, "is_in_memory", lambda storage: False)

    def run(*arguments: Any) -> Any:
        return cliquet("purge-deleted", "--ini", ini, *arguments)

    run.registry = Registry  # type: ignore[attr-defined]
    return run


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("answer", "code", "ids"),
    [("y", 0, ["live"]), ("n", 1, ["live", "r0", "r1", "r2", "r3", "r4"])],
)
def test_who_types_the_command_for_all_is_asked(
    service: Callable[..., Any],
    storage: StorageBase,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    ids: list[Any],
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)

    outcome = service("--all")

    assert "clients that have not seen a deletion keep the record" in outcome.out
    assert outcome.code == code
    assert remaining(storage) == everywhere(*ids)


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    "arguments", [["--dry-run"], ["--keep", "0"], ["--before", "0s"], ["--all", "--yes"]]
)
def test_nobody_is_asked_when_the_limit_is_given(
    service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, arguments: list[Any]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    assert service(*arguments).code == 0


@pytest.mark.clause("E-7.2")
def test_a_program_that_calls_the_command_for_all_is_not_asked(
    service: Callable[..., Any], storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)

    assert service("--all", "--yes").code == 0
    assert remaining(storage) == everywhere("live")


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--before AGE or --keep N is required; --all --yes removes every tombstone"),
        (["--yes"], "--before AGE or --keep N is required"),
        (["--collection", "book"], "--before AGE or --keep N is required"),
        (["--all"], "--all needs --yes, since nobody can be asked"),
        (["--all", "--keep", "0"], "not allowed with argument"),
    ],
)
def test_not_everything_goes_for_want_of_a_limit(
    service: Callable[..., Any],
    storage: StorageBase,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)

    outcome = service(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert remaining(storage) == everywhere("live", "r0", "r1", "r2", "r3", "r4")


@pytest.mark.clause("E-7.2", "S-7.6")
def test_a_read_only_service_is_not_purged(service: Any, storage: StorageBase) -> None:
    service.registry.settings = {"readonly": True}

    outcome = service("--keep", "0")

    assert outcome.code == 1
    assert "its setting readonly is true" in outcome.err
    assert remaining(storage) == everywhere("live", "r0", "r1", "r2", "r3", "r4")


@pytest.mark.clause("E-7.2")
def test_a_storage_of_another_origin_says_what_it_lacks(service: Any) -> None:
    service.registry.storage.is_transferable = False

    assert "it has no export_timestamps()" in service("--keep", "0").err


@pytest.mark.clause("E-7.2")
def test_a_service_without_storage_is_told_so(service: Any) -> None:
    del service.registry.storage

    assert service("--keep", "0").err == (
        "cliquet purge-deleted: the service has no storage: its setting storage_backend is empty\n"
    )


@pytest.mark.clause("E-7.2")
def test_tombstones_in_the_memory_of_a_service_are_out_of_reach(
    cliquet: Callable[..., Any], ini: str
) -> None:
    outcome = cliquet("purge-deleted", "--ini", ini, "--keep", "0")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith("is in the memory of the service, which alone can purge it\n")
