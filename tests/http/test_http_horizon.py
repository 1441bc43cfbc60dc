"""What a client that polls is told when deletions were forgotten (E-13)."""

from typing import Any

import pytest
from support.listings import LICHENS, store
from support.origins import ORIGIN
from support.shared_apps import make_app
from support.sharing import URL as SHARED_URL
from support.sharing import grant, make_sharing_app, object_id
from support.sharing import store as store_shared
from testapp import RESOURCES
from webtest import TestApp

from cliquet.core.globs import Pattern
from cliquet.storage.base import StorageBase
from cliquet.testing.faults import FaultyBackend
from cliquet.testing.web import basic_auth

STRICT = {"Prefer": "handling=strict"}


def purge(app: TestApp, collection_id: str = "lichen") -> int:
    """Purge the tombstones of a collection of all users."""
    storage: StorageBase = app.app.registry.storage
    return storage.purge_deleted(collection_id, Pattern("*"))


@pytest.fixture
def forgotten(app: TestApp, headers: dict[str, str]) -> dict[str, Any]:
    """Store two records, delete one of them, and purge its tombstone, which is returned."""
    kept, gone = store(app, headers, LICHENS, {"name": "kept"}, {"name": "gone"})
    tombstone = app.delete(f"{LICHENS}/{gone['id']}", headers=headers).json["data"]
    assert purge(app) == 1
    return {"before": kept["last_modified"], "at": tombstone["last_modified"]}


def horizon(response: Any) -> str | None:
    value: str | None = response.headers.get("Sync-Horizon")
    return value


@pytest.mark.clause("E-13.2")
def test_nothing_is_said_as_long_as_nothing_is_forgotten(
    app: TestApp, headers: dict[str, str]
) -> None:
    (record,) = store(app, headers, LICHENS, {"name": "a"})
    app.delete(f"{LICHENS}/{record['id']}", headers=headers)

    for prefer in ({}, STRICT):
        response = app.get(f"{LICHENS}?_since=0", headers={**headers, **prefer}, status=200)
        assert len(response.json["data"]) == 1
        assert "Sync-Horizon" not in response.headers


@pytest.mark.clause("E-13.2")
@pytest.mark.parametrize("query", ["_since=0", "_since=%220%22&_limit=1", "name=kept&_since=1"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_lists_of_changes_have_the_horizon(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any], query: str, method: str
) -> None:
    response = getattr(app, method)(f"{LICHENS}?{query}", headers=headers, status=200)

    assert horizon(response) == f'"{forgotten["at"]}"'
    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("E-13.2")
@pytest.mark.parametrize("query", ["", "?_before=99999999999999", "?min_last_modified=0"])
def test_other_lists_do_not_have_it(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any], query: str
) -> None:
    response = app.get(f"{LICHENS}{query}", headers={**headers, **STRICT}, status=200)

    assert "Sync-Horizon" not in response.headers
    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("E-13.2")
def test_the_list_of_another_user_has_its_own_horizon(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str], forgotten: dict[str, Any]
) -> None:
    response = app.get(f"{LICHENS}?_since=0", headers={**other_headers, **STRICT}, status=200)

    assert "Sync-Horizon" not in response.headers
    assert response.headers["Preference-Applied"] == "handling=strict"


@pytest.mark.clause("E-13.2", "E-11.5")
@pytest.mark.parametrize(
    "prefer", ["handling=strict", 'wait=3, Handling = "strict"; x=1', "handling=strict,count=none"]
)
def test_a_strict_client_learns_that_it_may_have_missed_a_deletion(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any], prefer: str
) -> None:
    url = f"{LICHENS}?_since={forgotten['before']}&_limit=5&name=a%3Eb&_sort=name"
    response = app.get(url, headers={**headers, "Prefer": prefer}, status=410)

    assert response.json == {
        "code": 410,
        "errno": 131,
        "error": "Gone",
        "message": (
            "The changes since then can no longer be told in full: start again from the whole list."
        ),
        "details": {"reason": "horizon"},
    }
    assert horizon(response) == f'"{forgotten["at"]}"'
    assert response.headers["Preference-Applied"] == "handling=strict"
    assert response.headers["Cache-Control"] == "no-store"
    full = f"http://localhost{LICHENS}?_limit=5&name=a%3Eb&_sync="
    assert response.headers["Link"] == f'<{full}>; rel="full"'
    app.get(full, headers=headers, status=200)


@pytest.mark.clause("E-13.2")
def test_a_client_that_has_seen_the_deletion_goes_on(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any]
) -> None:
    for since in (forgotten["at"], forgotten["at"] + 1):
        url = f"{LICHENS}?_since={since}"
        response = app.get(url, headers={**headers, **STRICT}, status=200)
        assert response.json["data"] == []
        assert horizon(response) == f'"{forgotten["at"]}"'
        assert response.headers["Preference-Applied"] == "handling=strict"

    both = {**headers, "Prefer": "count=none, handling=strict"}
    response = app.get(url, headers=both, status=200)
    assert response.headers["Preference-Applied"] == "handling=strict, count=none"


@pytest.mark.clause("E-13.2")
@pytest.mark.parametrize(
    "prefer", ["handling=lenient", "handling=strictly", "mishandling=strict", "handling", ""]
)
def test_other_clients_go_on_as_before(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any], prefer: str
) -> None:
    response = app.get(f"{LICHENS}?_since=0", headers={**headers, "Prefer": prefer}, status=200)

    assert [record["name"] for record in response.json["data"]] == ["kept"]
    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("E-13.2")
def test_a_purge_between_two_pages_is_told(app: TestApp, headers: dict[str, str]) -> None:
    records = store(app, headers, LICHENS, *({"name": str(n)} for n in range(4)))
    strict = {**headers, **STRICT}
    first = app.get(f"{LICHENS}?_since=0&_limit=2", headers=strict, status=200)
    app.delete(f"{LICHENS}/{records[0]['id']}", headers=headers)
    purge(app)

    second = app.get(first.headers["Next-Page"], headers=strict, status=410)

    assert "_token" not in second.headers["Link"]


@pytest.mark.clause("E-13.2")
def test_a_client_whose_copy_is_current_needs_no_list(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any]
) -> None:
    etag = app.get(f"{LICHENS}?_since=0", headers=headers).headers["ETag"]

    for value in (etag, '"12"'):
        conditional = {**headers, **STRICT, "If-None-Match": value}
        app.get(f"{LICHENS}?_since=0", headers=conditional, status=304 if value == etag else 410)


@pytest.mark.clause("E-13.2", "H-25.1")
def test_it_is_the_same_in_a_batch(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any]
) -> None:
    requests = [
        {"path": f"{LICHENS}?_since=0", "headers": STRICT},
        {"path": f"{LICHENS}?_since=0"},
    ]

    strict, lenient = app.post_json("/v0/batch", {"requests": requests}, headers=headers).json[
        "responses"
    ]

    assert (strict["status"], strict["body"]["errno"]) == (410, 131)
    assert strict["headers"]["Link"].endswith('?_sync=>; rel="full"')
    assert (lenient["status"], lenient["headers"]["Sync-Horizon"]) == (200, f'"{forgotten["at"]}"')


@pytest.mark.clause("E-13.2", "H-29.6")
def test_scripts_of_other_origins_may_read_it(
    app: TestApp, headers: dict[str, str], forgotten: dict[str, Any]
) -> None:
    def exposed(query: str, status: int, prefer: Any = STRICT) -> set[str]:
        asked = {**headers, **prefer, "Origin": ORIGIN}
        response = app.get(f"{LICHENS}{query}", headers=asked, status=status)
        names = response.headers["Access-Control-Expose-Headers"].split(",")
        return {name.strip() for name in names}

    more = {"Sync-Horizon", "Preference-Applied", "Link"}
    assert more <= exposed("?_since=0", 410)
    assert more <= exposed("?_since=0", 200, {})
    assert not more & exposed("", 200)


@pytest.mark.clause("E-13.2", "E-17.2")
def test_scripts_may_read_that_nothing_was_forgotten(app: TestApp, headers: dict[str, str]) -> None:
    asked = {**headers, **STRICT, "Origin": ORIGIN}

    response = app.get(f"{LICHENS}?_since=0", headers=asked)

    assert response.headers["Preference-Applied"] == "handling=strict"
    assert "Sync-Horizon" not in response.headers
    names = ", ".join(response.headers.getall("Access-Control-Expose-Headers"))
    assert "Preference-Applied" in names.split(", ")


@pytest.mark.clause("E-13.2", "H-5.12")
def test_shared_records_have_the_horizon_of_their_collection() -> None:
    app = make_sharing_app()
    reader = basic_auth("reader")
    me = app.get("/v0/", headers=reader).json["user"]["id"]
    shared, gone = store_shared(app, name="n0"), store_shared(app, name="n1")
    grant(app, object_id(shared["url"]), "read", me)
    tombstone = app.app.registry.storage.delete("toadstool", "", gone["id"])
    purge(app, "toadstool")

    response = app.get(f"{SHARED_URL}?_since=0", headers=reader, status=200)
    assert horizon(response) == f'"{tombstone["last_modified"]}"'
    app.get(f"{SHARED_URL}?_since=0", headers={**reader, **STRICT}, status=410)


@pytest.mark.clause("E-13.3")
def test_a_storage_that_knows_no_horizon_works(headers: dict[str, str]) -> None:
    app = make_app(RESOURCES)
    storage = app.app.registry.storage

    def plain(*args: Any, **kwargs: Any) -> Any:
        page, total = storage.get_all(*args, **kwargs)
        return list(page), total

    app.app.registry.storage = FaultyBackend(storage, get_all=plain)
    (record,) = store(app, headers, LICHENS, {"name": "a"})
    app.delete(f"{LICHENS}/{record['id']}", headers=headers)
    purge(app)

    response = app.get(f"{LICHENS}?_since=0", headers={**headers, **STRICT}, status=200)

    assert "Sync-Horizon" not in response.headers
    assert "Preference-Applied" not in response.headers
