"""``cliquet repair-timestamps``: collections that ran ahead come back to the clock."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.backends import FAMILIES, SPREAD, fresh_backends
from testapp import Spore

from cliquet import utils
from cliquet.scripts import changeable_storage
from cliquet.scripts.command import CommandError
from cliquet.scripts.repair_timestamps import repair
from cliquet.storage import StorageBase
from cliquet.storage.memory import Storage
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.testing.web import basic_auth, make_app
from scripts.command_line import write_ini

pytestmark = pytest.mark.clause("X-28")

FAR = 253402300799999
DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Collections at present, an hour, two days and 8000 years ahead, in memory."""
    monkeypatch.setattr(utils, "msec_time", lambda: NOW_MS)
    storage = Storage()
    for parent_id, timestamp in (
        ("now", NOW_MS),
        ("hour", NOW_MS + DAY_MS // 24),
        ("days", NOW_MS + 2 * DAY_MS),
        ("*", FAR),
    ):
        for collection_id in ("book", "shelf"):
            home = {"collection_id": collection_id, "parent_id": parent_id}
            storage.create(**home, record={"id": "a", "last_modified": timestamp})  # type: ignore[arg-type]
            storage.create(**home, record={"id": "b"})  # type: ignore[arg-type]
    return storage


def timestamps(storage: Any) -> dict[Any, Any]:
    return {
        (one.collection_id, one.parent_id): one.timestamp for one in storage.export_timestamps()
    }


def repaired(storage: Any, **kwargs: Any) -> set[Any]:
    return {(one.collection_id, one.parent_id) for one in repair(storage, **kwargs)}


@pytest.mark.parametrize(
    ("kwargs", "parents"),
    [
        ({"max_ahead_ms": DAY_MS}, {"*", "days"}),
        ({"max_ahead_ms": 3 * DAY_MS}, {"*"}),
        ({"max_ahead_ms": 0}, {"*", "days", "hour", "now"}),
        ({"max_ahead_ms": 0, "parent_ids": ["hour", "now"]}, {"hour", "now"}),
        ({"max_ahead_ms": DAY_MS, "parent_ids": ["hour"]}, set()),
        ({"max_ahead_ms": DAY_MS, "collection_ids": ["book"]}, {"*", "days"}),
    ],
)
def test_collections_that_are_further_ahead_are_brought_back(
    storage: StorageBase, kwargs: dict[str, Any], parents: set[Any]
) -> None:
    before = timestamps(storage)
    collections = kwargs.get("collection_ids", ["book", "shelf"])
    chosen = {(collection, parent) for collection in collections for parent in parents}

    listed = list(repair(storage, **kwargs, dry_run=True))

    assert {(one.collection_id, one.parent_id) for one in listed} == chosen
    assert {(one.after, one.before) for one in listed} == {(None, before[one]) for one in chosen}
    assert timestamps(storage) == before

    done = list(repair(storage, **kwargs))

    assert {(one.collection_id, one.parent_id) for one in done} == chosen
    assert [one.number for one in done] == [one.number for one in listed]
    after = timestamps(storage)
    assert {home for home in before if after[home] != before[home]} <= chosen
    assert {one.after for one in done} == {after[home] for home in chosen}
    assert all(NOW_MS < after[home] <= NOW_MS + 2 for home in chosen)


def test_a_collection_that_is_not_there_is_an_error(storage: StorageBase) -> None:
    with pytest.raises(CommandError, match="no collection is named 'bok'"):
        list(repair(storage, max_ahead_ms=0, collection_ids=["bok"]))


def test_a_collection_that_somebody_else_repaired_is_not_told(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "rewind", lambda *_: None)

    assert list(repair(storage, max_ahead_ms=0)) == []


def test_a_storage_of_another_origin_without_rewind_is_an_error(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewind(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(storage, "rewind", rewind)

    with pytest.raises(CommandError, match=r"it has no rewind\(\)"):
        list(repair(storage, max_ahead_ms=0))


# The command, and what clients see


# A collection with shards is not set back (E-23.5).
@pytest.fixture(params=[family for family in FAMILIES if family not in ("memory", SPREAD)])
def backends(request: pytest.FixtureRequest) -> Iterator[Any]:
    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with fresh_backends(request.param, postgresql_server) as settings:
        yield settings


@pytest.mark.setting("timestamp_max_ahead_seconds")
@pytest.mark.parametrize("far", [FAR, MAX_TIMESTAMP - 3])
def test_clients_go_on_after_a_repair(
    cliquet: Callable[..., Any], tmp_path: Path, backends: dict[str, Any], far: int
) -> None:
    settings = {"storage_pool_size": 2, "permission_pool_size": 2, **backends}
    ini = write_ini(tmp_path / "service.ini", settings)
    client = make_app([Spore], settings=settings)
    for kind in ("storage", "permission", "cache"):
        getattr(client.app.registry, kind).initialize_schema()
    headers = basic_auth()
    parent_id = client.get("/v0/", headers=headers).json["user"]["id"]
    url = "/v0/spores"
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(5)]
    client.put_json(f"{url}/{ids[0]}", {"data": {}}, headers=headers)
    synchronised = int(client.head(url, headers=headers).headers["ETag"].strip('"'))
    # A record of the future, and what comes after it.
    ahead = {"id": ids[1], "last_modified": far}
    client.app.registry.storage.create("spore", parent_id, ahead)
    for record_id in ids[2:4]:
        client.put_json(f"{url}/{record_id}", {"data": {"a": 1}}, headers=headers)
    client.delete(f"{url}/{ids[2]}", headers=headers)
    of_the_future = client.head(url, headers=headers).headers["ETag"]

    looked = cliquet("--ini", ini, "repair-timestamps", "--dry-run")

    assert looked.code == 0
    assert f"spore of {parent_id}: {of_the_future[1:-1]}, 3 records and tombstones" in looked.out
    assert "all: 1 collections with 3 records and tombstones would be brought back" in looked.out
    assert client.head(url, headers=headers).headers["ETag"] == of_the_future

    before = utils.msec_time()
    done = cliquet("repair-timestamps", "--ini", ini)

    assert done.code == 0
    assert "all: 1 collections with 3 records and tombstones brought back" in done.out
    etag = client.head(url, headers=headers).headers["ETag"]
    assert f"{of_the_future[1:-1]} -> {etag[1:-1]}, 3 records" in done.out
    assert before < int(etag[1:-1]) < before + DAY_MS
    # Who synchronised before sees all changes since, in their order.
    changes = client.get(f"{url}?_since={synchronised}&_sort=last_modified", headers=headers).json[
        "data"
    ]
    assert [change["id"] for change in changes] == [ids[1], ids[3], ids[2]]
    assert [change.get("deleted", False) for change in changes] == [False, False, True]
    assert client.get(url, headers=headers).headers["Total-Records"] == "3"
    # And from now on what comes next.
    client.put_json(f"{url}/{ids[4]}", {"data": {}}, headers={**headers, "If-None-Match": "*"})
    changes = client.get(f"{url}?_since={etag[1:-1]}", headers=headers).json["data"]
    assert [change["id"] for change in changes] == [ids[4]]
    stale = {**headers, "If-Match": etag}
    client.delete(url, headers=stale, status=412)

    again = cliquet("--ini", ini, "repair-timestamps")
    assert again.out.splitlines()[-1].startswith("all: 0 collections with 0 records")


def sqlite_ini(tmp_path: Any, **settings: Any) -> Any:
    url = f"sqlite:///{tmp_path}/file.db"
    backends = {}
    for kind in ("storage", "permission", "cache"):
        backends[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        backends[f"{kind}_url"] = url
    ini = write_ini(tmp_path / "service.ini", {**backends, **settings})
    storage = make_app(settings=backends).app.registry.storage
    storage.initialize_schema()
    storage.create("book", "", {"last_modified": utils.msec_time() + 10 * DAY_MS})
    storage.create("book", "a\nb", {"last_modified": utils.msec_time() + DAY_MS // 2})
    return ini


@pytest.mark.setting("timestamp_max_ahead_seconds")
@pytest.mark.parametrize(
    ("settings", "arguments", "number"),
    [
        ({}, [], 1),
        ({"timestamp_max_ahead_seconds": ""}, [], 1),
        ({"timestamp_max_ahead_seconds": "60"}, [], 2),
        ({"timestamp_max_ahead_seconds": "8640000"}, [], 0),
        ({}, ["--ahead", "0s"], 2),
        ({}, ["--ahead", "2w"], 0),
        ({}, ["--ahead", "0s", "--parent", ""], 1),
        ({}, ["--collection", "book"], 1),
    ],
)
def test_options_and_the_setting_say_which(
    cliquet: Callable[..., Any],
    tmp_path: Path,
    settings: dict[str, Any],
    arguments: list[Any],
    number: int,
) -> None:
    ini = sqlite_ini(tmp_path, **settings)

    outcome = cliquet("--ini", ini, "repair-timestamps", *arguments)

    assert outcome.code == 0
    assert f"all: {number} collections" in outcome.out
    if number == 2:
        assert r"book of 'a\nb': " in outcome.out


@pytest.mark.parametrize("text", ["1", "d", "-1d", "1y", "soon"])
def test_an_age_that_is_none_is_exit_code_2(
    cliquet: Callable[..., Any], tmp_path: Path, text: str
) -> None:
    outcome = cliquet("--ini", "service.ini", "repair-timestamps", f"--ahead={text}")

    assert outcome.code == 2
    assert "is no time such as 1d, 12h or 90s" in outcome.err


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"storage_backend": "cliquet.storage.memory"}, [], "in the memory of the service"),
        ({"readonly": "true"}, [], "its setting readonly is true"),
        ({}, ["--collection", "bok"], "no collection is named 'bok'"),
    ],
)
def test_what_cannot_be_done_is_exit_code_1(
    cliquet: Callable[..., Any],
    tmp_path: Path,
    settings: dict[str, Any],
    arguments: list[Any],
    message: str,
) -> None:
    ini = sqlite_ini(tmp_path, **settings)

    outcome = cliquet("--ini", ini, "repair-timestamps", *arguments)

    assert outcome.code == 1
    assert message in outcome.err


def test_a_service_that_is_read_only_may_be_looked_at(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    ini = sqlite_ini(tmp_path, readonly="true")

    assert cliquet("--ini", ini, "repair-timestamps", "--dry-run").code == 0


def test_a_storage_that_does_not_list_its_collections_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = make_app().app.registry
    monkeypatch.setattr(changeable_storage, "is_in_memory", lambda backend: False)
    monkeypatch.setattr(registry.storage, "is_transferable", False)

    with pytest.raises(CommandError, match=r"it has no export_timestamps\(\)"):
        changeable_storage.changeable_storage(registry, in_memory="")

    registry.storage = None
    with pytest.raises(CommandError, match="its setting storage_backend is empty"):
        changeable_storage.changeable_storage(registry, in_memory="")
