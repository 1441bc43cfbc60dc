"""A resource that is spread over several counters, as its clients see it (E-23)."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from support.judged_statements import judging
from support.logged import capture_logs
from support.spread import ALICE, HOME, SHARDS, URL, Russula, Writer, elsewhere, in_thread, make
from support.statements import counted, record
from webtest import TestApp

from cliquet.resource import ResourceSchema, ShareableResource
from cliquet.resource.viewset import ShareableViewSet
from cliquet.settings import SettingError
from cliquet.storage import StorageBase
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import make_app


@pytest.fixture
def app(postgresql_url: str) -> Iterator[TestApp]:
    made = make(postgresql_url, russula_sync_enabled="true")
    registry = made.app.registry
    registry.storage.initialize_schema()
    registry.permission.initialize_schema()
    yield made
    registry.storage.client.dispose()


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each statement of a request speak of one collection (E-9.3)."""
    if "app" not in request.fixturenames:
        yield
        return
    registry = request.getfixturevalue("app").app.registry
    clients = registry.storage.client, registry.permission.client
    yield from judging(monkeypatch, *clients, has_shards=True)


def put(app: TestApp, name: str, **data: Any) -> dict[str, Any]:
    record: dict[str, Any] = app.put_json(f"{URL}/{name}", {"data": data}, headers=ALICE).json[
        "data"
    ]
    return record


def listed(app: TestApp, query: str = "", **headers: str) -> Any:
    return app.get(f"{URL}{query}", headers={**ALICE, **headers}, status="*")


def names(response: Any) -> list[str]:
    return [record["id"] for record in response.json["data"]]


@pytest.mark.clause("E-23.2")
def test_records_are_read_listed_filtered_sorted_and_counted(app: TestApp) -> None:
    for n in range(12):
        put(app, f"r{n:02}", n=n % 4)

    assert app.get(f"{URL}/r07", headers=ALICE).json["data"]["n"] == 3
    assert names(listed(app, "?_sort=n,-id&min_n=2")) == ["r10", "r06", "r02", "r11", "r07", "r03"]
    page = listed(app, "?_sort=-id&_limit=5")
    found = names(page)
    while "Next-Page" in page.headers:
        assert page.headers["Total-Records"] == "12"
        page = app.get(page.headers["Next-Page"], headers=ALICE)
        found += names(page)
    assert found == [f"r{n:02}" for n in reversed(range(12))]


@pytest.mark.clause("E-23.2")
def test_writers_of_different_shards_do_not_wait_and_those_of_one_do(
    app: TestApp, postgresql_url: str
) -> None:
    impatient = make(postgresql_url, lock_timeout_seconds="0.2")
    other = elsewhere("one")
    with Writer(app.app.registry.storage, "one"):
        assert in_thread(lambda: put(app, other))["id"] == other
        assert names(in_thread(lambda: listed(app))) == [other]
        refused = in_thread(
            lambda: impatient.put_json(
                f"{URL}/one", {"data": {}}, headers=ALICE, status="*", expect_errors=True
            )
        )
    impatient.app.registry.storage.client.dispose()

    assert refused.status_code == 503


@pytest.mark.clause("E-23.3", "D-60")
def test_the_etag_is_the_horizon_while_an_earlier_write_is_under_way(app: TestApp) -> None:
    storage = app.app.registry.storage
    first = put(app, "one")
    other = elsewhere("one")
    with Writer(storage, "one") as early:
        late = in_thread(lambda: put(app, other))
        assert early["last_modified"] < late["last_modified"]

        during = in_thread(lambda: listed(app))
        etag = during.headers["ETag"]

        assert int(etag.strip('"')) < early["last_modified"]
        assert int(etag.strip('"')) >= first["last_modified"]
        assert {record["id"] for record in during.json["data"]} == {"one", other}
        # The later change is in the list, and a 304 would hide that there is an earlier one.
        again = in_thread(lambda: listed(app, **{"If-None-Match": etag}))
        assert again.status_code == 200
        assert in_thread(lambda: listed(app, **{"If-Match": etag})).status_code == 412

    after = listed(app, f"?_since={etag}")
    assert set(names(after)) == {"one", other}
    newest = after.headers["ETag"]
    assert newest == f'"{late["last_modified"]}"'
    assert listed(app, **{"If-None-Match": newest}).status_code == 304
    assert names(listed(app, f"?_since={newest}")) == []


@pytest.mark.clause("E-23.4", "E-11.3")
def test_tokens_tell_each_change_once_and_none_too_early(app: TestApp) -> None:
    storage = app.app.registry.storage
    put(app, "one")
    other = elsewhere("one")
    start = listed(app, "?_sync=")
    token = start.headers["Sync-Token"]
    with Writer(storage, "one"):
        in_thread(lambda: put(app, other))
        during = in_thread(lambda: listed(app, f"?_sync={token}"))
        assert names(during) == []

    after = listed(app, f"?_sync={during.headers['Sync-Token']}")
    assert names(after) == ["one", other]
    assert names(listed(app, f"?_sync={after.headers['Sync-Token']}")) == []


@pytest.mark.clause("E-23.3")
def test_an_etag_of_another_process_is_not_followed_by_an_earlier_one(
    app: TestApp, postgresql_url: str
) -> None:
    storage = app.app.registry.storage
    put(app, "one")
    newest = put(app, elsewhere("one"))["last_modified"]
    another = make(postgresql_url)
    with Writer(storage, "one"):
        assert listed(another).headers["ETag"] < f'"{newest}"'
        response = listed(another, f'?_since="{newest}"')
    another.app.registry.storage.client.dispose()

    assert response.headers["ETag"] == f'"{newest}"'


@pytest.mark.clause("E-23.5", "X-24")
def test_a_deletion_of_the_list_keeps_its_condition(app: TestApp) -> None:
    etag = f'"{put(app, "one")["last_modified"]}"'
    put(app, "two")

    refused = app.delete(URL, headers={**ALICE, "If-Match": etag}, status=412)
    etag = refused.headers["ETag"]
    deleted = app.delete(URL, headers={**ALICE, "If-Match": etag}).json["data"]

    assert [one["id"] for one in deleted] == ["one", "two"]
    stamps = [one["last_modified"] for one in deleted]
    assert stamps == sorted(set(stamps))
    assert [one["deleted"] for one in listed(app, f"?_since={etag}").json["data"]] == [True, True]


@pytest.mark.clause("E-23.5")
def test_a_batch_writes_to_all_shards_or_to_none(app: TestApp) -> None:
    requests = [
        {"method": "PUT", "path": f"{URL}/b{n}", "body": {"data": {"n": n}}} for n in range(8)
    ]
    answers = app.post_json("/v0/batch", {"requests": requests}, headers=ALICE).json["responses"]

    assert {one["status"] for one in answers} == {201}
    assert len(names(listed(app))) == 8
    assert len({one["body"]["data"]["last_modified"] for one in answers}) == 8


# Settings and mistakes


class Unique(ShareableResource):
    class UniqueSchema(ResourceSchema):
        class Options:
            preserve_unknown = True
            unique_fields = ("code",)

    mapping = UniqueSchema()


@pytest.mark.clause("E-23.1")
@pytest.mark.parametrize("given", [0, 65, "8", True, None, 1.5])
def test_another_number_stops_the_start(given: object) -> None:
    wrong = type("Wrong", (Russula,), {"shards": given})
    with pytest.raises(ConfigurationError, match="allowed: a number from 1 to 64"):
        make_app([wrong])


@pytest.mark.clause("E-23.1", "P-8.1")
def test_the_keyword_wins_over_the_class_and_the_setting_over_both() -> None:
    def number(*registrations: Any, **settings: str) -> int:
        app = make_app(registrations, settings=settings)
        found: int = app.app.registry.resource_shards[Russula]
        return found

    assert number(Russula) == SHARDS
    assert number((Russula, {"shards": 2})) == 2
    assert number((Russula, {"viewset": ShareableViewSet(shards=3)})) == 3
    assert number((Russula, {"shards": 2}), russula_shards="5") == 5


@pytest.mark.clause("E-23.1")
@pytest.mark.parametrize("given", [0, 65, "8", True, None, 1.5])
def test_a_wrong_keyword_stops_the_start_as_the_class_does(given: object) -> None:
    with pytest.raises(ConfigurationError, match=r"Russula: shards is .*: a number from 1 to 64"):
        make_app([(Russula, {"shards": given})])
    with pytest.raises(ConfigurationError, match="it has 2 shards, and the unique fields code"):
        make_app([(Unique, {"shards": 2})])


@pytest.mark.clause("E-23.1", "P-8.7")
def test_registrations_of_one_class_have_one_number() -> None:
    with pytest.raises(ConfigurationError, match=r"it has 2 shards, and another .* has 4; allowed"):
        make_app([Russula, (Russula, {"name": "brittlegill", "shards": 2})])
    with pytest.raises(ConfigurationError, match=r"it has 3 shards, and another .* has 4; allowed"):
        make_app(
            [Russula, (Russula, {"name": "brittlegill"})], settings={"brittlegill_shards": "3"}
        )


@pytest.mark.clause("E-23.1")
@pytest.mark.setting("{resource_name}_shards")
@pytest.mark.parametrize("given", ["0", "65", "many"])
def test_so_does_the_setting(given: str) -> None:
    refusal = f"'russula_shards' is '?{given}'?; allowed: a whole number from 1 to 64, or nothing"
    with pytest.raises(SettingError, match=refusal):
        make_app([Russula], settings={"russula_shards": given})


@pytest.mark.clause("E-23.1")
def test_unique_fields_and_shards_exclude_each_other() -> None:
    both = type("Both", (Unique,), {"shards": 2})
    with pytest.raises(ConfigurationError, match="it has 2 shards, and the unique fields code"):
        make_app([both])
    with pytest.raises(ConfigurationError, match="it has 3 shards"):
        make_app([Unique], settings={"unique_shards": "3"})
    make_app([both], settings={"both_shards": "1"})


@pytest.mark.clause("E-23.2")
def test_storages_with_one_lock_accept_the_option() -> None:
    in_memory = {f"{kind}_backend": f"cliquet.{kind}.memory" for kind in ("storage", "permission")}
    opened = {"russula_create_principals": "system.Authenticated"}
    app = make_app([Russula], settings={**in_memory, **opened})
    app.post_json(URL, {"data": {}}, headers=ALICE, status=201)


# The number in the database


@pytest.mark.clause("E-23.6")
def test_a_collection_with_another_number_is_refused_and_moved_by_migrate(
    app: TestApp, postgresql_url: str
) -> None:
    for n in range(10):
        put(app, f"r{n}", n=n)
    app.delete(f"{URL}/r3", headers=ALICE)
    before = listed(app, "?_since=0&_sort=id")
    token = listed(app, "?_sync=").headers["Sync-Token"]
    for number in (1, 7, 2):
        with capture_logs() as logged:
            other = make(postgresql_url, russula_shards=str(number), russula_sync_enabled="true")
        assert any("number of shards" in str(one) for one in logged)
        assert listed(other).status_code == 503
        other.put_json(f"{URL}/r0", {"data": {}}, headers=ALICE, status=503)

        storage: StorageBase = other.app.registry.storage
        storage.initialize_schema(dry_run=True)
        assert listed(other).status_code == 503
        storage.initialize_schema()

        after = listed(other, "?_since=0&_sort=id")
        assert after.json == before.json
        assert after.headers["ETag"] == before.headers["ETag"]
        assert listed(other).headers["Total-Records"] == "9"
        assert names(listed(other, f"?_sync={token}")) == []
        changed = put(other, "r5", n=number)
        assert f'"{changed["last_modified"]}"' > before.headers["ETag"]
        before = listed(other, "?_since=0&_sort=id")
        token = listed(other, "?_sync=").headers["Sync-Token"]
        storage.client.dispose()
    assert storage.differing_shards() == []


# Costs


@pytest.mark.clause("E-23.2")
def test_writes_take_as_many_round_trips_as_without_shards(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = app.app.registry.storage
    put(app, "warm")
    listed(app)
    sent = record(storage.client, monkeypatch)

    def cost(send: Any) -> int:
        sent.clear()
        send()
        return len(counted(sent))

    assert cost(lambda: listed(app)) == 2
    assert cost(lambda: put(app, "new")) <= 4
    assert cost(lambda: app.get(f"{URL}/new", headers=ALICE)) <= 3


@pytest.mark.clause("E-23.5")
def test_the_storage_has_no_unique_values_there(app: TestApp) -> None:
    storage = app.app.registry.storage
    with pytest.raises(ValueError, match="no unique fields"):
        storage.create(**HOME, record={"code": 1}, unique_fields=("code",))
    with pytest.raises(BackendError, match="russula"):
        next(storage.export())
