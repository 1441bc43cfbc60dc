"""Copies of a collection that work offline, and come to the same state (E-11.6)."""

import contextlib
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.devices import ROOT, Network, device
from testapp import RESOURCES
from webtest import TestApp

from cliquet.client import (
    Change,
    Choice,
    ClientError,
    Collection,
    Conflict,
    Record,
    Replica,
    keep_local,
    merge_fields,
)
from cliquet.testing.web import make_app


@pytest.fixture
def app(shared_apps: Any) -> TestApp:
    made: TestApp = shared_apps.fresh(make_synchronising_app)
    return made


def make_synchronising_app() -> TestApp:
    return make_app(RESOURCES, settings={"sync_enabled": "true"})


@pytest.fixture
def network(app: TestApp) -> Network:
    return Network(app)


@pytest.fixture
def phone(network: Network) -> Collection:
    return device(network)


@pytest.fixture
def laptop(app: TestApp) -> Collection:
    return device(Network(app))


def fields(collection: Collection) -> dict[str, Record]:
    """Return what a user sees, without timestamps."""
    return {
        record_id: {name: value for name, value in record.items() if name != "last_modified"}
        for record_id, record in collection.items()
    }


def exchange(*devices: Collection) -> None:
    for each in (*devices, *devices):
        each.sync()


# Edits travel


def test_a_record_comes_to_the_other_device(phone: Collection, laptop: Collection) -> None:
    record_id = phone.create({"name": "Usnea"})
    sent = phone.sync()
    told = laptop.sync()

    assert (sent.sent, sent.conflicts, phone.edits) == (1, [], [])
    assert told.changes == [Change(record_id, laptop[record_id])]
    assert laptop[record_id] == phone[record_id]
    assert laptop[record_id]["name"] == "Usnea"


def test_edits_are_seen_before_they_are_sent(phone: Collection) -> None:
    kept, gone = phone.create({"name": "a"}), phone.create({"name": "b"})
    phone.sync()

    phone.update(kept, {"size": 3})
    phone.delete(gone)
    new = phone.create({"name": "c"})

    assert fields(phone) == {
        kept: {"id": kept, "name": "a", "size": 3},
        new: {"id": new, "name": "c"},
    }
    assert gone not in phone
    assert len(phone) == 2
    assert set(phone) == {kept, new}


def test_several_edits_of_a_record_are_sent_as_one(
    network: Network, phone: Collection, laptop: Collection
) -> None:
    record_id = phone.create({"name": "a"})
    phone.update(record_id, {"size": 1})
    phone.replace(record_id, {"name": "b"})
    exchange(phone, laptop)

    assert fields(laptop) == {record_id: {"id": record_id, "name": "b"}}
    assert [request.method for request in network.requests].count("PUT") == 1


def test_a_record_that_was_taken_back_is_never_sent(network: Network, phone: Collection) -> None:
    phone.delete(phone.create({"name": "a"}))
    phone.sync()

    assert {request.method for request in network.requests} == {"GET"}


def test_deletions_and_replacements_travel(phone: Collection, laptop: Collection) -> None:
    first, second = phone.create({"n": 1}), phone.create({"n": 2})
    exchange(phone, laptop)

    laptop.delete(first)
    laptop.replace(second, {"m": 3})
    laptop.sync()
    told = phone.sync()

    assert told.changes == [Change(first, None), Change(second, phone[second])]
    assert fields(phone) == {second: {"id": second, "m": 3}}


def test_a_record_may_have_an_id_of_its_own(phone: Collection, laptop: Collection) -> None:
    record_id = str(uuid.uuid4())
    assert phone.create({"n": 1}, record_id) == record_id
    exchange(phone, laptop)

    assert set(laptop) == {record_id}
    with pytest.raises(ValueError, match=record_id):
        phone.create({}, record_id)


@pytest.mark.parametrize("method", ["replace", "update"])
def test_only_records_can_be_changed(phone: Collection, method: str) -> None:
    with pytest.raises(KeyError, match="nobody"):
        getattr(phone, method)("nobody", {})
    with pytest.raises(KeyError, match="nobody"):
        phone.delete("nobody")
    with pytest.raises(KeyError, match="nobody"):
        phone["nobody"]


def test_a_copy_of_a_part_forgets_what_leaves_it(app: TestApp, phone: Collection) -> None:
    red = device(Network(app), filters={"colour": "red"})
    record_id = phone.create({"colour": "red"})
    phone.create({"colour": "blue"})
    exchange(phone, red)
    assert set(red) == {record_id}

    phone.update(record_id, {"colour": "blue"})
    exchange(phone, red)

    assert set(red) == set()


# Conflicts


def conflicting(phone: Collection, laptop: Collection, ours: Record, theirs: Record) -> str:
    """Change a record on both devices, the laptop first."""
    record_id = phone.create({"name": "Usnea", "size": 1})
    exchange(phone, laptop)
    laptop.update(record_id, theirs)
    laptop.sync()
    phone.update(record_id, ours)
    return record_id


def test_an_edit_that_nobody_decided_stays(phone: Collection, laptop: Collection) -> None:
    record_id = conflicting(phone, laptop, {"size": 2}, {"size": 3})

    for _ in range(2):
        (conflict,) = phone.sync().conflicts

        assert conflict.id == record_id
        assert conflict.local == {"name": "Usnea", "size": 2}
        assert conflict.original is not None
        assert conflict.original["size"] == 1
        assert conflict.remote is not None
        assert conflict.remote["size"] == 3
        assert conflict.error is None
        assert phone[record_id]["size"] == 2
        assert len(phone.edits) == 1


def decided(phone: Collection, answer: Any) -> Collection:
    phone._on_conflict = answer
    return phone


@pytest.mark.parametrize(
    ("answer", "size"),
    [(keep_local, 2), (lambda conflict: Choice.REMOTE, 3), (lambda conflict: {"size": 9}, 9)],
)
def test_a_handler_decides(
    phone: Collection, laptop: Collection, answer: Callable[..., Any], size: int
) -> None:
    record_id = conflicting(phone, laptop, {"size": 2}, {"size": 3})

    assert decided(phone, answer).sync().conflicts == []
    exchange(phone, laptop)

    assert phone[record_id]["size"] == laptop[record_id]["size"] == size


def test_a_handler_may_delete(phone: Collection, laptop: Collection) -> None:
    conflicting(phone, laptop, {"size": 2}, {"size": 3})

    decided(phone, lambda conflict: Choice.DELETE).sync()
    exchange(phone, laptop)

    assert fields(phone) == fields(laptop) == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ({"size": 2}, {"name": "Lobaria"}, {"name": "Lobaria", "size": 2}),
        ({"size": 2}, {"size": 2, "wet": True}, {"name": "Usnea", "size": 2, "wet": True}),
        ({"size": True}, {"wet": True}, {"name": "Usnea", "size": True, "wet": True}),
        ({"size": 2}, {"size": 3}, None),
        ({"size": True}, {"size": 1.0}, None),
    ],
)
def test_fields_that_only_one_side_changed_are_merged(
    phone: Collection, laptop: Collection, ours: Record, theirs: Record, merged: Record | None
) -> None:
    record_id = conflicting(phone, laptop, ours, theirs)
    decided(phone, merge_fields)
    conflicts = phone.sync().conflicts
    laptop.sync()

    assert len(conflicts) == (merged is None)
    if merged is not None:
        assert fields(laptop) == {record_id: {"id": record_id, **merged}}


def test_a_field_that_was_removed_stays_removed() -> None:
    stamps = {"id": "a", "last_modified": 1}
    conflict = Conflict("a", {"x": 1}, {"x": 1, "y": 2, **stamps}, {"x": 5, "y": 2, **stamps})

    assert merge_fields(conflict) == {"x": 5}


@pytest.mark.parametrize("answer", [keep_local, merge_fields])
def test_an_edit_of_a_record_that_was_deleted_is_a_conflict(
    phone: Collection, laptop: Collection, answer: Callable[..., Any]
) -> None:
    record_id = phone.create({"n": 1})
    exchange(phone, laptop)
    laptop.delete(record_id)
    laptop.sync()
    phone.update(record_id, {"n": 2})

    (conflict,) = phone.sync().conflicts
    assert (conflict.local, conflict.remote) == ({"n": 2}, None)

    left = decided(phone, answer).sync().conflicts
    laptop.sync()
    assert fields(laptop) == ({} if left else {record_id: {"id": record_id, "n": 2}})
    assert len(left) == (answer is merge_fields)


def test_a_deletion_of_a_record_that_was_changed_is_a_conflict(
    phone: Collection, laptop: Collection
) -> None:
    record_id = phone.create({"n": 1})
    exchange(phone, laptop)
    laptop.update(record_id, {"n": 2})
    laptop.sync()
    phone.delete(record_id)

    (conflict,) = phone.sync().conflicts
    assert conflict.local is None
    assert conflict.remote == laptop[record_id]

    decided(phone, keep_local).sync()
    laptop.sync()
    assert fields(laptop) == {}


def test_both_devices_delete(phone: Collection, laptop: Collection) -> None:
    record_id = phone.create({"n": 1})
    exchange(phone, laptop)
    phone.delete(record_id)
    laptop.delete(record_id)

    assert phone.sync().conflicts == laptop.sync().conflicts == []
    assert phone.edits == laptop.edits == []


def test_what_the_user_had_read_counts(phone: Collection, laptop: Collection) -> None:
    record_id = phone.create({"n": 1, "m": 1})
    exchange(phone, laptop)
    read = phone[record_id]
    laptop.update(record_id, {"m": 2})
    exchange(laptop, phone)

    phone.replace(record_id, {**read, "n": 2})

    (conflict,) = phone.sync().conflicts
    assert conflict.remote == laptop[record_id]


def test_a_refused_edit_is_told_and_holds_back_nothing(app: TestApp) -> None:
    truffles = device(Network(app), url=f"{ROOT}/truffles")
    wrong = truffles.create({"name": 3, "email": []})
    right = truffles.create({"name": "black"})

    result = truffles.sync()

    (conflict,) = result.conflicts
    assert conflict.id == wrong
    assert conflict.error is not None
    assert conflict.error.status == 400
    assert "data.email" in str(conflict.error)
    assert [edit.id for edit in truffles.edits] == [wrong]
    assert set(truffles) == {wrong, right}

    truffles.replace(wrong, {"name": "white"})
    assert truffles.sync().conflicts == []

    truffles.delete(truffles.create({"name": "no id of this service"}, "usnea"))
    bad = truffles.create({"name": 3, "email": []}, "usnea")
    assert [conflict.id for conflict in truffles.sync().conflicts] == [bad]
    truffles.delete(bad)
    assert truffles.sync().conflicts == []
    assert set(truffles) == {wrong, right}


# A bad network


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_lost_answer_is_no_conflict(
    network: Network, phone: Collection, laptop: Collection, verb: str
) -> None:
    record_id = str(uuid.uuid4())
    if verb != "create":
        phone.create({"n": 1}, record_id)
        phone.sync()
    change: Any = {
        "create": lambda: phone.create({"n": 2}, record_id),
        "update": lambda: phone.update(record_id, {"n": 2}),
        "delete": lambda: phone.delete(record_id),
    }
    change[verb]()
    network.lose_answer = lambda request: request.method != "GET"
    with pytest.raises(httpx.ReadError):
        phone.sync()
    network.is_good()

    result = phone.sync()
    laptop.sync()

    assert (result.conflicts, phone.edits) == ([], [])
    assert fields(phone) == fields(laptop)
    assert fields(laptop) == ({} if verb == "delete" else {record_id: {"id": record_id, "n": 2}})


def test_an_edit_after_a_lost_answer_is_no_conflict(
    network: Network, phone: Collection, laptop: Collection
) -> None:
    record_id = phone.create({"n": 1})
    network.lose_answer = lambda request: request.method != "GET"
    for n in (2, 3):
        with pytest.raises(httpx.ReadError):
            phone.sync()
        phone.update(record_id, {"n": n})
    network.is_good()

    assert phone.sync().conflicts == []
    laptop.sync()
    assert laptop[record_id]["n"] == 3

    phone.delete(record_id)
    network.lose_answer = lambda request: request.method != "GET"
    with pytest.raises(httpx.ReadError):
        phone.sync()
    network.is_good()
    phone.create({"n": 4}, record_id)

    assert phone.sync().conflicts == []
    laptop.sync()
    assert laptop[record_id]["n"] == 4


def created_without_answer(network: Network, phone: Collection) -> str:
    record_id = phone.create({"n": 1})
    network.lose_answer = lambda request: request.method != "GET"
    with pytest.raises(httpx.ReadError):
        phone.sync()
    network.is_good()
    return record_id


def test_a_creation_that_was_lost_can_be_taken_back(
    network: Network, phone: Collection, laptop: Collection
) -> None:
    record_id = created_without_answer(network, phone)
    laptop.sync()
    assert set(laptop) == {record_id}

    phone.delete(record_id)
    exchange(phone, laptop)

    assert fields(phone) == fields(laptop) == {}


def test_what_others_made_of_a_lost_creation_is_not_deleted(
    network: Network, phone: Collection, laptop: Collection
) -> None:
    record_id = created_without_answer(network, phone)
    laptop.sync()
    laptop.update(record_id, {"n": 2})
    laptop.sync()
    phone.delete(record_id)

    (conflict,) = phone.sync().conflicts
    assert (conflict.local, conflict.remote) == (None, laptop[record_id])

    decided(phone, keep_local).sync()
    laptop.sync()
    assert fields(laptop) == {}


def test_an_interrupted_start_goes_on_where_it_was(
    app: TestApp, network: Network, phone: Collection
) -> None:
    for n in range(7):
        phone.create({"n": n})
    phone.sync()
    slow = Network(app)
    other = device(slow, page_size=2)
    slow.lose_request = lambda request: len(slow.requests) == 2
    with pytest.raises(httpx.ConnectError):
        other.sync()
    slow.is_good()
    phone.create({"n": 7})
    phone.sync()

    other.sync()

    assert fields(other) == fields(phone)
    asked = [request.url for request in slow.requests if request.url.params.get("_sync") == ""]
    assert len(asked) == 1


def test_a_service_that_is_down_is_asked_again(network: Network, phone: Collection) -> None:
    failures = iter([True, True, False, False, False])
    network.lose_request = lambda request: next(failures)

    assert phone.sync().changes == []


# Starting again


def test_a_flushed_collection_is_read_again(
    app: TestApp, phone: Collection, laptop: Collection
) -> None:
    phone.create({"n": 1})
    exchange(phone, laptop)
    app.app.registry.storage.flush()
    record_id = laptop.create({"n": 2})

    laptop.sync()
    phone.sync()

    assert fields(phone) == fields(laptop) == {record_id: {"id": record_id, "n": 2}}


def test_an_edit_that_was_not_sent_survives_a_start(app: TestApp, phone: Collection) -> None:
    gone, kept = phone.create({"n": 1}), phone.create({"n": 2})
    phone.sync()
    phone.update(kept, {"n": 3})
    app.app.registry.storage.flush()

    (conflict,) = phone.sync().conflicts

    assert conflict.id == kept
    assert gone not in phone
    assert phone[kept]["n"] == 3


def test_another_user_gets_their_own_records(app: TestApp, tmp_path: Path) -> None:
    replica = Replica(tmp_path / "copy.sqlite")
    alice = device(Network(app), "alice", replica=replica)
    alice.create({"n": 1})
    alice.sync()

    bob = device(Network(app), "bob", replica=replica)
    bob.sync()

    assert fields(bob) == {}


def test_a_service_without_tokens_says_so() -> None:
    plain = device(Network(make_app(RESOURCES)))

    with pytest.raises(ClientError, match="sync_enabled"):
        plain.sync()


def test_wrong_credentials_lose_no_edit(app: TestApp) -> None:
    http = httpx.Client(transport=Network(app))
    stranger = Collection(f"{ROOT}/lichens", Replica(":memory:"), http=http)
    stranger.create({"n": 1})

    with pytest.raises(ClientError, match="401") as caught:
        stranger.sync()

    assert caught.value.status == 401
    assert caught.value.body["errno"] == 104
    assert len(stranger.edits) == 1


# The file


def test_a_copy_outlives_the_program(app: TestApp, tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    replica = Replica(path)
    first = device(Network(app), replica=replica)
    sent = first.create({"n": 1})
    first.sync()
    first.update(sent, {"n": 2})
    replica.close()

    network = Network(app)
    second = device(network, replica=Replica(path))

    assert second[sent]["n"] == 2
    assert second.sync().conflicts == []
    assert all(request.url.params.get("_sync") != "" for request in network.requests)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    replica = Replica(path)
    replica.execute("PRAGMA user_version = 99")
    replica.close()

    with pytest.raises(ValueError, match="version 99"):
        Replica(path)


# Everything at once


def steps(
    chosen: random.Random, devices: list[Collection], networks: list[Network]
) -> Iterator[None]:
    for number in range(150):
        each = chosen.choice(devices)
        ids = list(each)
        verb = chosen.choice(["create", "update", "update", "replace", "delete", "sync", "sync"])
        if verb == "sync":
            network = networks[devices.index(each)]
            network.is_bad(chosen.choice([0, 0.1, 0.5]), number)
            with contextlib.suppress(httpx.TransportError, ClientError):
                each.sync()
        elif verb == "create":
            each.create({"step": number, "seen": []})
        elif ids and verb == "delete":
            each.delete(chosen.choice(ids))
        elif ids:
            getattr(each, verb)(chosen.choice(ids), {"step": number, chosen.choice("ab"): number})
        yield


@pytest.mark.parametrize("seed", range(6))
def test_devices_on_a_bad_network_come_to_the_same_state(app: TestApp, seed: int) -> None:
    chosen = random.Random(seed)
    networks = [Network(app) for _ in range(3)]
    devices = [
        device(network, page_size=chosen.choice([1, 2, 100]), on_conflict=keep_local)
        for network in networks
    ]

    for _ in steps(chosen, devices, networks):
        pass
    for network in networks:
        network.is_good()
    exchange(*devices)

    assert [each.edits for each in devices] == [[], [], []]
    assert devices[0].items() == devices[1].items() == devices[2].items()
    for record in devices[0].values():
        path = f"/v0/lichens/{record['id']}"
        auth = networks[0].requests[0].headers["Authorization"]
        assert app.get(path, headers={"Authorization": auth}).json["data"] == record
