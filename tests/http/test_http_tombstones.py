"""What deletions leave behind (H-22)."""

import uuid
from typing import Any

import pytest
from support.listings import LICHENS, listed, state, store, walk
from webtest import TestApp

TRUFFLES = "/v0/truffles"


@pytest.fixture
def tombstone(app: TestApp, headers: dict[str, str]) -> Any:
    """Store a record and delete it."""
    (record,) = store(app, headers, LICHENS, {"name": "a", "secret": {"b": 1}})
    return app.delete(f"{LICHENS}/{record['id']}", headers=headers).json["data"]


@pytest.mark.clause("H-22.1")
@pytest.mark.parametrize("whole_collection", [False, True])
def test_a_tombstone_keeps_nothing_of_the_record(
    app: TestApp, headers: dict[str, str], whole_collection: bool
) -> None:
    (record,) = store(app, headers, LICHENS, {"name": "a", "secret": {"b": 1}})

    app.delete(LICHENS if whole_collection else f"{LICHENS}/{record['id']}", headers=headers)

    (entry,), _ = state(app, headers, LICHENS)
    assert entry.keys() == {"id", "last_modified", "deleted"}
    assert entry["id"] == record["id"]
    assert entry["deleted"] is True
    assert entry["last_modified"] > record["last_modified"]


@pytest.mark.clause("H-22.2")
def test_tombstones_are_neither_listed_counted_nor_fetched(
    app: TestApp, headers: dict[str, str], tombstone: dict[str, Any]
) -> None:
    plain = app.get(LICHENS, headers=headers)
    polled = app.get(f"{LICHENS}?_since=0", headers=headers)

    assert plain.json["data"] == []
    assert polled.json["data"] == [tombstone]
    assert plain.headers["Total-Records"] == polled.headers["Total-Records"] == "0"
    app.get(f"{LICHENS}/{tombstone['id']}", headers=headers, status=404)


@pytest.mark.clause("H-22.2", "H-23.1")
@pytest.mark.parametrize("method", ["post_json", "put_json"])
def test_tombstones_take_no_part_in_unicity(
    app: TestApp, headers: dict[str, str], method: str
) -> None:
    (record,) = store(app, headers, TRUFFLES, {"name": "black", "email": "a@b", "code": 1})
    app.delete(f"{TRUFFLES}/{record['id']}", headers=headers)
    url = TRUFFLES if method == "post_json" else f"{TRUFFLES}/{uuid.uuid4()}"

    body = {"data": {"name": "white", "email": "a@b", "code": 1}}
    getattr(app, method)(url, body, headers=headers, status=201)


@pytest.mark.clause("H-22.3", "D-74")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_record_made_anew_replaces_its_tombstone(
    app: TestApp, headers: dict[str, str], tombstone: dict[str, Any], method: str
) -> None:
    data = {"name": "new", "id": tombstone["id"]}
    if method == "POST":
        response = app.post_json(LICHENS, {"data": data}, headers=headers, status=201)
    else:
        url = f"{LICHENS}/{tombstone['id']}"
        response = app.put_json(url, {"data": data}, headers=headers, status=201)

    record = response.json["data"]
    assert record["last_modified"] > tombstone["last_modified"]
    assert state(app, headers, LICHENS)[0] == [record]
    polled = app.get(f"{LICHENS}?_since={tombstone['last_modified']}", headers=headers)
    assert polled.json["data"] == [record]
    assert polled.headers["Total-Records"] == "1"


@pytest.mark.clause("D-74", "D-61", "H-22.3")
def test_a_record_may_come_and_go_many_times(app: TestApp, headers: dict[str, str]) -> None:
    url = f"{LICHENS}/{uuid.uuid4()}"

    for _ in range(3):
        app.put_json(url, {"data": {}}, headers=headers, status=201)
        app.delete(url, headers=headers, status=200)
        app.delete(url, headers=headers, status=404)

    (entry,), etag = state(app, headers, LICHENS)
    assert entry["deleted"] is True
    assert etag == f'"{entry["last_modified"]}"'


@pytest.mark.clause("H-22.4")
def test_a_purge_removes_tombstones_and_leaves_the_timestamp(
    app: TestApp, headers: dict[str, str], tombstone: dict[str, Any]
) -> None:
    (record,) = store(app, headers, LICHENS, {"name": "live"})
    (gone,) = store(app, headers, LICHENS, {"name": "gone"})
    app.delete(f"{LICHENS}/{gone['id']}", headers=headers)
    records, before = state(app, headers, LICHENS)
    user_id = app.get("/v0/", headers=headers).json["user"]["id"]

    app.app.registry.storage.purge_deleted(collection_id="lichen", parent_id=user_id)

    assert len(records) == 3
    assert state(app, headers, LICHENS) == ([record], before)


@pytest.mark.clause("H-22.4")
def test_without_a_purge_tombstones_stay(
    app: TestApp, headers: dict[str, str], tombstone: dict[str, Any]
) -> None:
    store(app, headers, LICHENS, *({"n": n} for n in range(5)))
    app.delete(LICHENS, headers=headers)
    store(app, headers, LICHENS, {"n": 9})

    assert tombstone in state(app, headers, LICHENS)[0]


@pytest.mark.clause("D-25", "H-22.2")
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_paging_reaches_all_tombstones(app: TestApp, headers: dict[str, str], limit: int) -> None:
    store(app, headers, LICHENS, *({"n": n} for n in range(6)))
    app.delete(f"{LICHENS}?min_n=1", headers=headers)

    pages = walk(app, headers, f"{LICHENS}?_since=0&_limit={limit}")

    found = [item["id"] for page in pages for item in page.json["data"]]
    assert found == listed(app, headers, f"{LICHENS}?_since=0")
    assert len(found) == 6
    assert {page.headers["Total-Records"] for page in pages} == {"1"}
