"""Lists of many shared records, which the storage finds itself where it can (H-5.12)."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request
from servers.processes import temporary_folder
from support.garbage import uncollected
from support.sharing import (
    BODY,
    CAP,
    COLLECTION,
    FORBIDDEN,
    URL,
    Amanita,
    Toadstool,
    contents,
    error,
    grant,
    ids,
    make_sharing_app,
    object_id,
    permissions_of,
    store,
    user_id,
)
from support.statements import counted, record, run
from webtest import TestApp

from cliquet import resource, storage
from cliquet.authorization import RouteFactory
from cliquet.connections import selected_ids
from cliquet.security import shared_listing

# Storage and permissions of one database, of two, and of none.
FAMILIES = ["sqlite", "postgresql", "sqlite beside", "sqlite and memory", "memory", "redis"]
JOINED = FAMILIES[:2]
# The ids are found before their records, and not each record asked.
FEW = [f"{family}, few" for family in JOINED]


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Any:
    """Settings of the pair of a family."""
    family = getattr(request, "param", "sqlite")
    family = family.removesuffix(", few")
    names, more = (family, family), {}
    if family == "memory":
        urls = ("", "")
    elif family == "redis":
        urls = (f"{request.getfixturevalue('redis_server')}/2",) * 2
    elif family == "postgresql":
        urls = (request.getfixturevalue("postgresql_module_url"),) * 2
    else:
        folder = request.getfixturevalue("folder")
        names = ("sqlite", "memory" if family == "sqlite and memory" else "sqlite")
        own = f"sqlite:///{folder}/{family.replace(' ', '-')}.db"
        urls = (own, f"sqlite:///{folder}/permissions.db" if "beside" in family else own)
    for kind, name, url in zip(("storage", "permission"), names, urls, strict=True):
        more[f"{kind}_backend"] = f"cliquet.{kind}.{name}"
        if name != "memory":
            more[f"{kind}_url"] = url
    return more


@pytest.fixture(scope="module")
def folder() -> Iterator[Any]:
    with temporary_folder("shared", in_memory=True) as folder:
        yield folder


@pytest.fixture
def make(pair: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """Return a function that makes an application whose lists of three are long ones."""
    monkeypatch.setattr(shared_listing, "MAX_TRAVELLING", 2)
    if "few" not in request.node.name:
        monkeypatch.setattr(selected_ids, "FEW", 2)

    def make(settings: Any = None, **options: Any) -> Any:
        app = make_sharing_app({**pair, **(settings or {})}, **options)
        registry = app.app.registry
        for backend in (registry.storage, registry.permission):
            backend.initialize_schema()
            backend.flush()
        return app

    return make


@pytest.fixture
def app(make: Any) -> Any:
    return make()


@pytest.fixture
def shared(app: Any, headers: dict[str, str]) -> TestApp:
    """Store eight records of which six are shared with the user, and return these."""
    return share_six(app, user_id(app, headers))


def share_six(app: TestApp, me: Any, permission: str = "read") -> Any:
    records = [store(app, name=f"n{n}", code=f"{n}") for n in range(8)]
    for number, entry in enumerate(records[:6]):
        principals = [me, "system.Authenticated"] if number % 2 else [me]
        grant(app, object_id(entry["url"]), permission, *principals)
    return records[:6]


def pages(app: TestApp, url: Any, headers: Any) -> Any:
    """Return the records of all pages, and the totals that each has told."""
    records, totals = [], set()
    while url:
        response = app.get(url, headers=headers, status=200)
        records += response.json["data"]
        totals.add(response.headers["Total-Records"])
        url = response.headers.get("Next-Page")
    return records, totals


on_all = pytest.mark.parametrize("pair", FAMILIES, indirect=True)
in_all_ways = pytest.mark.parametrize("pair", [*FAMILIES, *FEW], indirect=True)
joined = pytest.mark.parametrize("pair", JOINED, indirect=True)


@pytest.mark.slow
@pytest.mark.clause("H-5.12", "H-5.13", "H-14.7", "X-34")
@in_all_ways
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "012345"),
        ("?_sort=name&_limit=2", "012345"),
        ("?_sort=-name&_limit=4", "543210"),
        ("?_since=0&_sort=name", "012345"),
        ("?in_name=n1,n2,n7&_sort=name", "12"),
        ("?name=n7", ""),
        ("?not_name=n0&_limit=1&_sort=name", "12345"),
        ("?_sort=deleted,name&_limit=2", "012345"),
    ],
)
def test_a_long_shared_list_is_as_a_short_one(
    app: TestApp, headers: dict[str, str], shared: TestApp, query: str, names: str
) -> None:
    timestamp = contents(app)[1]

    listed, totals = pages(app, URL + query, headers)

    found = [item["name"].removeprefix("n") for item in listed]
    assert (found if "_sort" in query else sorted(found)) == list(names)
    assert totals == {str(len(names))}
    response = app.head(URL + query, headers=headers, status=200)
    assert response.headers["ETag"] == f'"{timestamp}"'
    etag = {**headers, "If-None-Match": response.headers["ETag"]}
    app.get(URL + query, headers=etag, status=304)


@pytest.mark.clause("H-5.12", "H-17.4", "X-15", "H-5.18")
@in_all_ways
@pytest.mark.parametrize("query", ["", "?in_name=n1,n2,n3,n7", "?_sort=name&_limit=2"])
def test_a_long_shared_deletion_deletes_what_is_shared(
    app: TestApp, headers: dict[str, str], query: str
) -> None:
    me = user_id(app, headers)
    records = share_six(app, me, "write")
    expected = {"": "012345", "?in_name=n1,n2,n3,n7": "123"}.get(query, "01")

    deleted = app.delete(URL + query, headers=headers, status=200).json["data"]

    gone = {item["id"] for item in records if item["name"][1] in expected}
    assert {item["id"] for item in deleted} == gone
    left = {item["id"] for item in contents(app)[0] if "deleted" not in item}
    assert len(left) == 8 - len(gone)
    assert not left & gone
    for item in records:
        assert bool(permissions_of(app, object_id(item["url"]))) is (item["id"] in left)


@pytest.mark.clause("H-5.14")
@on_all
def test_who_shares_nothing_is_refused(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str], shared: list[Any]
) -> None:
    app.get(URL, headers=headers, status=200)
    assert error(app.delete(URL, headers=headers, status=403)) == FORBIDDEN
    # Three are shared with everybody who is known.
    assert len(app.get(URL, headers=other_headers, status=200).json["data"]) == 3
    app.get(URL, status=401)


@pytest.mark.clause("D-48", "D-51", "B-15.12")
@in_all_ways
def test_what_resembles_a_record_is_not_shared(
    app: TestApp, headers: dict[str, str], shared: list[Any]
) -> None:
    me = user_id(app, headers)
    hidden = store(app, name="hidden")
    uri = object_id(hidden["url"])
    slashed = app.app.registry.storage.create("toadstool", "", {"id": "a/b", "name": "x"})
    looks = [f"{uri}0", f"{uri}/parts/2", f"/x{uri}", uri[:-1], uri.upper(), "/*", "*", "/%", "/_"]
    looks += [
        f"{COLLECTION}/{slashed['id']}",
        f"{COLLECTION}/*",
        f"{COLLECTION}/%",
        COLLECTION + "/",
    ]
    for look in looks:
        grant(app, look, "read", me)
    for permission in ("xread", "toadstool:read", "read:x", "*", "READ"):
        grant(app, uri, permission, me)
    for principal in (me.upper(), f"{me}x", me[:-1], "*", "%"):
        grant(app, uri, "read", principal)

    assert ids(app.get(URL, headers=headers)) == {item["id"] for item in shared}


@pytest.mark.clause("D-48", "D-51")
@in_all_ways
@pytest.mark.parametrize("forest", ["oak", "o'k", "%25", "_", "%C3%A9"])
def test_the_records_of_one_parent_are_not_those_of_another(
    app: TestApp, headers: dict[str, str], forest: str
) -> None:
    me = user_id(app, headers)
    url, decoy = f"/v0/forests/{forest}/caps", "/forests/elm/caps"
    parent = unquote(url.removeprefix("/v0").removesuffix("/caps"))
    for n in range(4):
        name = f"00000000-0000-4000-8000-{n:012}"
        for home, path in ((parent, f"{parent}/caps"), ("/forests/elm", decoy)):
            app.app.registry.storage.create("cap", home, {"id": name, "name": home})
            if home == parent and n < 3:
                grant(app, f"{path}/{name}", "read", me)

    listed, totals = pages(app, url, headers)

    assert [item["name"] for item in listed] == [parent] * 3
    assert totals == {"3"}
    app.get("/v0/forests/elm/caps", headers=headers, status=403)


@pytest.mark.clause("H-5.11", "B-15.11")
@in_all_ways
@pytest.mark.parametrize(
    "bound",
    [
        lambda uri, permission: [(uri, permission), (uri, "own"), ("/parent", permission)],
        lambda uri, permission: [(uri, "own")],
        lambda uri, permission: [(uri, "own"), (f"/elsewhere{uri}", "own")],
    ],
)
def test_a_rule_of_inheritance_grants_shared_records(
    make: Callable[..., Any], headers: dict[str, str], bound: Callable[..., Any]
) -> None:
    app = make()
    app.app.registry.queryUtility(IAuthorizationPolicy).get_bound_permissions = bound
    shared = share_six(app, user_id(app, headers), "own")
    # What a parent grants is not tied to one record.
    grant(app, "/parent/1", "read", "system.Everyone")
    grant(app, f"/elsewhere{COLLECTION}/x", "own", user_id(app, headers))

    listed, totals = pages(app, f"{URL}?_limit=4", headers)

    assert {item["id"] for item in listed} == {item["id"] for item in shared}
    assert totals == {"6"}


# What applications change


@pytest.mark.clause("P-25.9", "P-25.6")
@joined
def test_who_asks_for_the_ids_gets_them(make: Callable[..., Any], headers: dict[str, str]) -> None:
    seen = []

    class Reading(Toadstool):
        def _extract_filters(self, queryparams: Any = None) -> Any:
            seen.append(sorted(self.context.shared_ids))
            return super()._extract_filters(queryparams)

    app = make(resources=[(Reading, {"name": "toadstool"}), Amanita, CAP])
    me = user_id(app, headers)
    for n in range(4):
        app.app.registry.storage.create("reading", "", {"id": f"{n}", "name": "x"})
        grant(app, f"{COLLECTION}/{n}", "read", me)

    assert ids(app.get(URL, headers=headers)) == {"0", "1", "2", "3"}
    assert seen == [["0", "1", "2", "3"]]


@pytest.mark.clause("P-12.4", "P-25.9")
@joined
def test_an_application_finds_the_ids_of_the_filter_in_a_list(
    make: Callable[..., Any], headers: dict[str, str]
) -> None:
    seen: list[Any] = []

    class Reading(Toadstool):
        def _extract_filters(self, queryparams: Any = None) -> Any:
            filters = super()._extract_filters(queryparams)
            value = filters[0].value
            seen.append((len(value), "1" in value, json.loads(json.dumps(sorted(value)))))
            return filters

    app = make(resources=[(Reading, {"name": "toadstool"}), Amanita, CAP])
    me = user_id(app, headers)
    for n in range(4):
        app.app.registry.storage.create("reading", "", {"id": f"{n}", "name": "x"})
        grant(app, f"{COLLECTION}/{n}", "read", me)

    assert ids(app.get(URL, headers=headers)) == {"0", "1", "2", "3"}
    assert seen == [(4, True, ["0", "1", "2", "3"])]


def through(factory: Any) -> list[Any]:
    """Return the resources, of which the first has a context of the application's."""

    class OwnViewSet(resource.ShareableViewSet):
        def get_service_arguments(self) -> dict[Any, Any]:
            return {**super().get_service_arguments(), "factory": factory}

    return [(Toadstool, {"viewset": OwnViewSet()}), Amanita, CAP]


def only_first(found: Any) -> Any:
    return sorted(found)[:1]


class OwnFetch(RouteFactory):
    def fetch_shared_records(
        self, perm: Any, principals: Any, get_bound_permissions: Any = None
    ) -> Any:
        self.shared_ids = only_first(
            super().fetch_shared_records(perm, principals, get_bound_permissions)
        )
        return self.shared_ids


class OwnSearch(RouteFactory):
    def __init__(self, request: Any) -> None:
        super().__init__(request)
        search = self.get_shared_ids
        if search is not None:
            self.get_shared_ids = lambda **options: only_first(search(**options))


class OwnEnd(RouteFactory):
    def extract_object_id(self, object_uri: Any) -> Any:
        return super().extract_object_id(object_uri).replace("-", "_")


@pytest.mark.clause("P-25.9", "P-25.6")
@joined
@pytest.mark.parametrize(("factory", "number"), [(OwnFetch, 1), (OwnSearch, 1), (OwnEnd, 0)])
def test_an_application_may_find_them_in_its_own_way(
    make: Callable[..., Any], headers: dict[str, str], factory: type[Any], number: int
) -> None:
    app = make(resources=through(factory))
    share_six(app, user_id(app, headers))

    response = app.get(URL, headers=headers, status=200)

    assert len(response.json["data"]) == number
    assert response.headers["Total-Records"] == str(number)


@pytest.mark.clause("P-25.6")
@joined
@pytest.mark.parametrize("in_place", [False, True])
def test_an_application_may_say_which_they_are(
    make: Callable[..., Any], headers: dict[str, str], in_place: bool
) -> None:
    class Saying(RouteFactory):
        def select_shared_records(self, *args: Any, **options: Any) -> Any:
            is_found = super().select_shared_records(*args, **options)
            if in_place:
                del self.shared_ids[2:]
            else:
                self.shared_ids = sorted(self.shared_ids)[:2]
            return is_found

    app = make(resources=through(Saying))
    share_six(app, user_id(app, headers))

    assert len(app.get(URL, headers=headers, status=200).json["data"]) == 2


def are_lists(filters: Any) -> bool:
    return all(isinstance(item.value, list) for item in filters if item.field == "id")


class Listening(resource.ShareableModel):
    """Looks at the filters."""

    seen = []

    def get_records(self, filters: Any = None, **options: Any) -> Any:
        self.seen.append(are_lists(filters))
        return super().get_records(filters=filters, **options)


@pytest.mark.clause("P-14", "B-6.12")
@joined
def test_models_that_see_the_filters_see_ids(
    make: Callable[..., Any], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toadstool, "default_model", Listening)
    monkeypatch.setattr(Listening, "seen", [])
    app = make()
    share_six(app, user_id(app, headers))

    assert len(app.get(URL, headers=headers, status=200).json["data"]) == 6
    assert Listening.seen
    assert all(Listening.seen)


@pytest.mark.clause("B-6.12")
def test_storages_that_see_the_filters_see_ids(
    make: Callable[..., Any], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    app = make()
    get_all = app.app.registry.storage.get_all

    def listening(*args: Any, filters: Any = None, **options: Any) -> Any:
        seen.append(are_lists(filters))
        return get_all(*args, filters=filters, **options)

    share_six(app, user_id(app, headers))
    monkeypatch.setattr(app.app.registry.storage, "get_all", listening)

    assert len(app.get(URL, headers=headers, status=200).json["data"]) == 6
    assert seen
    assert all(seen)


@pytest.mark.clause("B-6.12")
def test_a_query_is_no_operand_of_other_filters(
    make: Callable[..., Any], headers: dict[str, str]
) -> None:
    app = make()
    registry = app.app.registry
    selected = registry.permission.accessible_ids(
        ["a"], "read", f"{COLLECTION}/*", prefix=f"{COLLECTION}/"
    )
    assert registry.storage.can_join(selected)
    for item in (("name", storage.query.COMPARISON.IN), ("id", storage.query.COMPARISON.EXCLUDE)):
        with pytest.raises(ValueError, match="query"):
            registry.storage.list_all(
                "toadstool", "", filters=[storage.Filter(item[0], selected, item[1])]
            )


# What happens meanwhile


@pytest.mark.clause("H-5.12", "H-5.14")
@joined
@pytest.mark.parametrize("is_read", [False, True])
def test_what_is_taken_back_meanwhile_opens_nothing(
    make: Callable[..., Any], headers: dict[str, str], is_read: bool
) -> None:
    class Late(Toadstool):
        def _extract_limit(self) -> Any:
            # The filters are made already.
            app.app.registry.permission.flush()  # type: ignore[attr-defined]
            return self.context.shared_ids if is_read else super()._extract_limit()

    app = make(resources=[(Late, {"name": "toadstool"}), Amanita, CAP])
    me = user_id(app, headers)
    for n in range(4):
        app.app.registry.storage.create("late", "", {"id": f"{n}", "name": "x"})
        grant(app, f"{COLLECTION}/{n}", "read", me)

    response = app.get(URL, headers=headers, status="*")

    assert response.status_code == 403 if is_read else response.json == {"data": []}


# What it costs


@pytest.mark.clause("B-23.16", "H-5.12", "X-34")
@pytest.mark.parametrize("pair", ["postgresql"], indirect=True)
@pytest.mark.parametrize("travels", [False, True])
def test_a_long_shared_list_sends_no_more_than_a_short_one(
    app: TestApp,
    headers: dict[str, str],
    shared: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    travels: bool,
) -> None:
    monkeypatch.setattr(shared_listing, "MAX_TRAVELLING", 100 if travels else 2)
    sent = record(app.app.registry.storage.client, monkeypatch)

    for query in ("", "?_limit=2", "?name=n1"):
        sent.clear()
        app.get(URL + query, headers=headers, status=200)

        assert len(counted(sent)) <= 4, sent
        assert (shared[3]["id"] in "".join(sent)) is travels


@pytest.mark.clause("B-23.16", "H-5.12", "H-10.8")
@pytest.mark.parametrize("pair", ["postgresql"], indirect=True)
def test_a_304_of_a_shared_list_reads_no_more_if_many_are_shared(
    app: TestApp, headers: dict[str, str], shared: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selected_ids, "FEW", 987)
    etag = app.get(URL, headers=headers).headers["ETag"]
    sent = record(app.app.registry.storage.client, monkeypatch)

    app.get(URL, headers={**headers, "If-None-Match": etag}, status=304)
    assert len(counted(sent)) == 3, sent
    assert "LIMIT 988" not in "".join(sent)

    sent.clear()
    app.get(URL, headers={**headers, "If-None-Match": '"1"'}, status=200)
    # How many there are is asked for the list itself.
    assert len(counted(sent)) == 5, sent
    assert "LIMIT 988" in "".join(sent)


@pytest.mark.clause("E-11.9", "B-23.16")
@pytest.mark.parametrize("pair", ["postgresql"], indirect=True)
def test_a_conditional_request_with_a_token_asks_no_more(
    make: Callable[..., Any], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make({"toadstool_sync_enabled": "true"})
    share_six(app, user_id(app, headers))
    etag = app.get(URL, headers=headers).headers["ETag"]
    token = app.get(f"{URL}?_sync=", headers=headers).headers["Sync-Token"]
    sent = record(app.app.registry.storage.client, monkeypatch)

    numbers = []
    for condition in ({}, {"If-None-Match": etag}):
        sent.clear()
        app.get(f"{URL}?_sync={token}", headers={**headers, **condition}, status=200)
        numbers.append(len(counted(sent)))

    assert numbers == [4, 4], sent


@pytest.mark.clause("B-23.16", "H-5.12")
@pytest.mark.parametrize("pair", ["sqlite"], indirect=True)
def test_a_total_of_shared_records_looks_them_up_in_sqlite(
    app: TestApp, headers: dict[str, str], shared: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.app.registry.storage.client
    rows, sent = client.rows, []

    def recorded(text: str, parameters: Any = (), **options: Any) -> Any:
        sent.append((text, parameters))
        return rows(text, parameters, **options)

    monkeypatch.setattr(client, "rows", recorded)
    response = app.get(f"{URL}?_limit=1", headers=headers, status=200)

    text, parameters = sent[-1]
    total = text[: text.index(" AS entries")].partition("(SELECT count(*)")[2]
    plan = [row[-1] for row in rows(f"EXPLAIN QUERY PLAN {text}", parameters)]
    assert response.headers["Total-Records"] == "6"
    assert "INTERSECT" not in total
    # The other one finds the records of the page.
    assert any("(parent_id=? AND collection_id=? AND id=?)" in line for line in plan), plan


@pytest.mark.clause("B-23.16", "H-5.12")
@pytest.mark.parametrize("pair", ["postgresql", "postgresql, few"], indirect=True)
def test_a_shared_page_and_its_total_are_found_by_indexes(
    pair: dict[str, Any],
    app: TestApp,
    headers: dict[str, str],
    shared: list[Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = app.app.registry.storage
    # With fewer rows, no index would be worth it.
    run(
        storage,
        "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
        " SELECT '', 'toadstool', 'x' || n, n, '{\"name\": \"other\"}'"
        " FROM generate_series(1, 5000) AS n",
    )
    run(storage, "ANALYZE")
    sent = record(storage.client, monkeypatch)

    for parameters in ("?_limit=2", "?_limit=2&name=n1"):
        app.get(URL + parameters, headers=headers, status=200)
        query = "SELECT" + sent[-1].partition("SELECT")[2]
        rows = run(storage, f"EXPLAIN {query}")
        plan = "\n".join(line for (line,) in rows)

        if "few" in request.node.name:
            # Both look up the records whose ids are in an array.
            assert len(re.findall(r"Index Cond: .*\(id = ANY \(", plan)) == 2
        else:
            # Without filters, all the records and all the ids are compared at once.
            assert ("SetOp Intersect" in plan) is (parameters == "?_limit=2")


@pytest.mark.clause("X-34")
@on_all
def test_creating_and_sharing_in_one_batch_is_seen_by_its_list(
    make: Callable[..., Any], headers: dict[str, str]
) -> None:
    app = make({"toadstool_create_principals": "system.Authenticated"})
    share = {"method": "POST", "path": COLLECTION, "body": BODY}
    listing = {"method": "GET", "path": f"{COLLECTION}?_limit=3"}

    response = app.post_json("/v0/batch", {"requests": [share] * 4 + [listing]}, headers=headers)

    answer = response.json["responses"][-1]
    assert answer["status"] == 200
    assert (len(answer["body"]["data"]), answer["headers"]["Total-Records"]) == (3, "4")


def test_a_shared_record_in_memory_costs_few_calls(headers: dict[str, str]) -> None:
    app = make_sharing_app()
    me = user_id(app, headers)

    def calls_with(number: int) -> int:
        """Return the number of Python calls of a list when `number` more records are shared."""
        for _ in range(number):
            grant(app, object_id(store(app)["url"]), "read", me)
        request = Request.blank(f"{URL}?_limit=1&_sort=-last_modified", headers=headers)
        calls = 0

        def profile(frame: Any, event: Any, argument: Any) -> None:
            nonlocal calls
            calls += event == "call"

        with uncollected():
            sys.setprofile(profile)
            try:
                response = request.get_response(app.app)
            finally:
                sys.setprofile(None)
        assert response.status_code == 200
        return calls

    calls_with(10)
    before = calls_with(10)

    # The URI becomes an id, the filter has it as a value, and the record is compared with it.
    assert calls_with(100) - before <= 4 * 100
