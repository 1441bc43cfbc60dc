"""A cluster of Redis servers: where keys are, slots that move, servers that are lost."""

import time
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from servers.redis_cluster import (
    LONGEST_WAIT_SECONDS,
    RedisCluster,
    running_cluster,
    wait_until,
)
from support.configured import config_of, loading
from support.places import Place
from support.shared_apps import make_app
from support.sharing import Toadstool

from cliquet.cache import redis as cache_redis
from cliquet.connections.redis import cluster
from cliquet.connections.redis.client import create_from_config
from cliquet.connections.redis.partitions import SLOTS, Partitions, slot_of
from cliquet.core.globs import Pattern
from cliquet.permission import PermissionBase
from cliquet.permission import redis as permission_redis
from cliquet.permission.redis.permission import Permission as RedisPermission
from cliquet.settings import SettingError
from cliquet.storage import StorageBase
from cliquet.storage import redis as storage_redis
from cliquet.storage.exceptions import BackendError
from cliquet.storage.query import Sort
from cliquet.storage.redis.storage import Storage as RedisStorage
from cliquet.storage.selection import CollectionKey
from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth

STORAGE = "cliquet:storage:"
COLLECTION: Place = {"collection_id": "mushroom", "parent_id": "alice"}


@pytest.fixture
def storage(redis_cluster: RedisCluster) -> Iterator[RedisStorage]:
    storage = loading(storage_redis, "storage")(redis_cluster.url)
    yield storage
    storage._client.close()


@pytest.fixture
def permission(redis_cluster: RedisCluster) -> Iterator[RedisPermission]:
    permission = loading(permission_redis, "permission")(redis_cluster.url)
    yield permission
    permission._client.close()


# The settings


@pytest.mark.clause("E-9.4", "E-9.6", "B-3.10", "B-10.4")
@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster"])
@pytest.mark.parametrize(
    ("module", "kind"),
    [(storage_redis, "storage"), (permission_redis, "permission"), (cache_redis, "cache")],
)
def test_a_cluster_is_not_asked_before_it_is_used(
    module: ModuleType, kind: str, scheme: str
) -> None:
    settings = {f"{kind}_url": f"{scheme}://:secret@nowhere.example:7000", "cache_prefix": ""}

    backend = module.load_from_config(config_of(settings))

    assert backend.settings == {
        "host": "nowhere.example",
        "port": 7000,
        "password": "secret",
        "db": 0,
    }
    assert backend.pool_status() is None


@pytest.mark.clause("E-9.6", "S-13.1")
def test_the_published_factory_refuses_a_cluster() -> None:
    settings = {"storage_url": "redis+cluster://:secret@example.org:7000"}

    with pytest.raises(SettingError, match="storage_url") as raised:
        create_from_config(config_of(settings), prefix="storage_")

    assert "secret" not in str(raised.value)


# The places of keys


@pytest.mark.clause("E-9.6")
def test_the_slot_of_a_key_is_that_of_the_servers(redis_cluster: RedisCluster) -> None:
    names = [b"", b"a", b"{a}b", b"b{a}", b"{}a", b"a{b", b"a}b{c}", b"{{a}}", "é".encode()]

    for name in names:
        found = redis_cluster.clients[0].execute_command("CLUSTER", "KEYSLOT", name)
        assert slot_of(name) == found, name


@pytest.mark.clause("E-9.6")
@pytest.mark.parametrize("number", [64, 256])
def test_parts_have_equal_distances(number: int) -> None:
    slots = sorted(slot_of(part) for part in Partitions(b"x:", number).all)

    assert [slot * number // SLOTS for slot in slots] == list(range(number))


@pytest.mark.clause("E-9.6")
def test_a_single_server_has_one_part_without_a_tag() -> None:
    assert Partitions(STORAGE.encode(), 1).all == [STORAGE.encode()]


@pytest.mark.clause("E-9.6")
def test_all_keys_of_a_collection_have_one_slot(
    storage: RedisStorage, redis_cluster: RedisCluster
) -> None:
    for name in ("a", "b"):
        storage.create(**COLLECTION, record={"name": name}, unique_fields=["name"])
    deleted, _ = storage.get_all(**COLLECTION)
    storage.delete(**COLLECTION, object_id=deleted[0]["id"])
    keys = redis_cluster.all_keys()

    kinds = {key.split(b"}:")[1].split(b":")[0] for key in keys}
    assert kinds >= {b"collections", b"records", b"tombstones", b"timestamps", b"unique", b"live"}
    assert len({slot_of(key) for key in keys}) == 1


@pytest.mark.clause("E-9.6")
def test_all_that_belongs_to_an_object_has_one_slot(
    permission: PermissionBase, redis_cluster: RedisCluster
) -> None:
    permission.add_principal_to_ace("/o/1", "read", "alice")
    permission.add_principal_to_ace("/o/1", "write", "bob")

    assert len({slot_of(key) for key in redis_cluster.all_keys()}) == 1


@pytest.mark.clause("E-9.6")
def test_collections_and_objects_are_on_all_servers(
    storage: StorageBase, permission: PermissionBase, redis_cluster: RedisCluster
) -> None:
    for rank in range(60):
        storage.create("mushroom", f"user{rank}", {})
        permission.add_principal_to_ace(f"/o/{rank}", "read", "alice")

    counts: Counter[Any] = Counter()
    for place, client in enumerate(redis_cluster.clients):
        for key in client.scan_iter(count=1000):
            counts[place, key.split(b"{")[0]] += 1
    assert len(counts) == 6
    assert permission.principals_accessible_objects(["alice"], "read", "/o/*") == {
        f"/o/{rank}" for rank in range(60)
    }


# Several collections


@pytest.mark.clause("E-9.6", "B-21.19")
def test_a_page_of_several_parents_is_deleted_in_its_order(storage: StorageBase) -> None:
    for rank in range(20):
        storage.create("mushroom", f"user{rank}", {"rank": rank})

    deleted = storage.delete_all("mushroom", Pattern("user*"), sorting=[Sort("rank", -1)], limit=7)

    left, total = storage.get_all("mushroom", Pattern("*"))
    assert len(deleted) == 7
    assert total == 13
    assert {record["rank"] for record in left} == set(range(13))


@pytest.mark.clause("E-9.6", "B-5.20")
def test_an_operation_writes_several_collections(storage: RedisStorage) -> None:
    homes: list[Place] = [
        {"collection_id": "mushroom", "parent_id": f"user{rank}"} for rank in range(5)
    ]

    def write() -> None:
        for home in homes:
            storage.get_all(**home)
            storage.create(**home, record={})

    storage.atomic(write, **homes[0])

    assert [storage.count_all(**home) for home in homes] == [1] * 5


@pytest.mark.clause("E-9.6", "B-5.20")
@pytest.mark.parametrize("interfering", [0, 1])
def test_reads_of_all_collections_are_judged_before_the_first_is_written(
    storage: RedisStorage, interfering: int
) -> None:
    homes: list[Place] = [
        {"collection_id": "mushroom", "parent_id": f"user{rank}"} for rank in range(2)
    ]
    attempts = []

    def write() -> None:
        known = [storage.get_all(**home)[1] for home in homes]
        attempts.append(known)
        if len(attempts) == 1:
            with_another(storage, homes[interfering])
        for home, number in zip(homes, known, strict=True):
            storage.create(**home, record={"number": number})

    storage.atomic(write, **homes[0])

    expected = [0, 0]
    expected[interfering] = 1
    assert attempts == [[0, 0], expected]
    assert [storage.count_all(**home) for home in homes] == [one + 1 for one in expected]


def with_another(storage: Any, home: Any) -> None:
    """Create a record as another process does."""
    other = storage_redis.Storage(storage._client)
    other.create(**home, record={})


@pytest.mark.clause("E-9.6")
def test_interference_between_two_steps_is_an_error(storage: RedisStorage) -> None:
    homes: list[Place] = [
        {"collection_id": "mushroom", "parent_id": f"user{rank}"} for rank in range(2)
    ]
    database = storage._database
    commit = database._commit_in
    steps = []

    def interfere(part: Any, parts: Any, clock: Any) -> Any:
        steps.append(part)
        # Two judge, and two write.
        if len(steps) == 4:
            with_another(storage, next(iter(parts))._asdict())
        return commit(part, parts, clock)

    def write() -> None:
        for home in homes:
            storage.get_all(**home)
            storage.create(**home, record={})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_commit_in", interfere)
        with pytest.raises(BackendError, match="one of several collections") as raised:
            storage.atomic(write, **homes[0])

    # To run it again would do twice what is done.
    assert not raised.value.retryable


# Slots that move


@pytest.mark.clause("E-9.6")
def test_nothing_is_lost_while_slots_move(
    storage: RedisStorage, permission: RedisPermission, redis_cluster: RedisCluster
) -> None:
    """Each writer creates records in its collection, and shares them."""
    parents = [f"user{rank}" for rank in range(4)]
    created: dict[Any, Any] = {parent: [] for parent in parents}
    is_over = []

    def write(parent: str) -> None:
        while not is_over:
            record = storage.create("mushroom", parent, {}, unique_fields=["name"])
            permission.write_object_permissions(f"/{record['id']}", {"read": [parent]}, is_new=True)
            assert permission.check_permission(f"/{record['id']}", "read", [parent])
            created[parent].append(record["id"])

    slots = sorted({slot_of(storage._database.part_of(key)) for key in keys_of(parents)})
    slots += [slot_of(part) for part in permission._partitions.all[:2]]
    until = time.monotonic() + 3
    longest = until + LONGEST_WAIT_SECONDS
    moved = 0
    with Threads(len(parents)) as threads:
        futures = [threads.submit(write, parent) for parent in parents]
        try:
            # Longer on a machine that is so busy that not all have moved and written by then.
            while (now := time.monotonic()) < until or (
                now < longest and not (moved > len(slots) and all(created.values()))
            ):
                slot = slots[moved % len(slots)]
                source = redis_cluster.master_of(slot)
                target = next(one for one in redis_cluster.clients if one is not source)
                redis_cluster.move(slot, target, lambda: time.sleep(0.002))
                moved += 1
        finally:
            # If a move fails, nobody writes for ever.
            is_over.append(True)
        for future in futures:
            future.result(60)

    assert moved > len(slots)
    for parent in parents:
        stored, total = storage.get_all("mushroom", parent)
        assert {record["id"] for record in stored} == set(created[parent])
        assert total == len(created[parent]) == storage.count_all("mushroom", parent)
        accessible = permission.principals_accessible_objects([parent], "read")
        assert accessible == {f"/{object_id}" for object_id in created[parent]}
    assert all(created.values())


def keys_of(parents: Any) -> Any:
    return [CollectionKey(collection_id="mushroom", parent_id=parent) for parent in parents]


@pytest.mark.clause("E-9.6", "B-2.5")
def test_a_slot_that_moves_for_long_is_an_error_of_the_backend(
    storage: RedisStorage, redis_cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.1)
    record = storage.create(**COLLECTION, record={"a": 1})
    (key,) = keys_of(["alice"])
    slot = slot_of(storage._database.part_of(key))
    source = redis_cluster.master_of(slot)
    target = next(one for one in redis_cluster.clients if one is not source)
    errors = []

    def between() -> None:
        # What reads one key finds it wherever it is.
        assert storage.get(**COLLECTION, object_id=record["id"])["a"] == 1
        with pytest.raises(BackendError) as raised:
            storage.create(**COLLECTION, record={})
        errors.append(raised.value)

    redis_cluster.move(slot, target, between)

    assert len(errors) > 2
    assert storage.count_all(**COLLECTION) == 1
    assert storage.create(**COLLECTION, record={})


# Servers that are lost


@pytest.mark.slow
@pytest.mark.clause("E-9.6", "B-2.5", "H-26")
@pytest.mark.usefixtures("processes")
def test_after_the_loss_of_a_server_its_replica_goes_on() -> None:
    """Requests are refused with 503 meanwhile, and nothing is lost that had reached the replica."""
    with running_cluster(replicas=3) as servers:
        app = make_app(
            (Toadstool,),
            settings={
                "storage_backend": "cliquet.storage.redis",
                "storage_url": servers.url,
                "permission_backend": "cliquet.permission.redis",
                "permission_url": servers.url,
                "cache_backend": "cliquet.cache.redis",
                "cache_url": servers.url,
                "toadstool_create_principals": "system.Authenticated",
            },
        )
        headers = basic_auth("alice")
        created = []

        def post() -> Any:
            body = {"data": {"name": "cap"}}
            response = app.post_json("/v0/toadstools", body, headers=headers, expect_errors=True)
            if response.status_code == 201:
                created.append(response.json["data"]["id"])
            return response

        for _ in range(10):
            assert post().status_code == 201
        servers.replicate()
        place = next(
            rank
            for rank, client in enumerate(servers.clients[:3])
            if any(b":records:" in key for key in client.scan_iter(count=1000))
        )

        servers.masters[place].kill()

        refused = post()
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        wait_until(lambda: post().status_code == 201, "it writes again")

        def get() -> Any:
            return app.get("/v0/toadstools", headers=headers, expect_errors=True)

        # It needs other keys, and may be the first to notice that their server is lost.
        wait_until(lambda: get().status_code == 200, "it reads again")
        assert {record["id"] for record in get().json["data"]} >= set(created)
        for backend in ("storage", "permission", "cache"):
            getattr(app.app.registry, backend)._client.close()
