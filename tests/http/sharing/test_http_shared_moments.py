"""What changes between the search for shared records and their list reaches who polls (H-9.8)."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.combinations import running_combination
from support.shared_moments import CAPS, OWNER, PAIRS, READER, Clocked, Replaced, create
from support.sharing import BODY, CAP, URL, Amanita, Toadstool, user_id

from cliquet import resource
from cliquet.authorization import RouteFactory
from cliquet.security.shared_listing import SharedListing
from cliquet.testing.bounded import Threads


class Looking(resource.ShareableModel):
    """Sees the filters."""

    def get_records(self, *args: Any, **options: Any) -> Any:
        return super().get_records(*args, **options)


class Modelled(resource.ShareableResource):
    """Has a model of its own."""

    mapping = Amanita.mapping
    default_model = Looking


class OwnFetch(RouteFactory):
    def fetch_shared_records(
        self, perm: Any, principals: Any, get_bound_permissions: Any = None
    ) -> Any:
        found = super().fetch_shared_records(perm, principals, get_bound_permissions)
        self.shared_ids = sorted(found)
        return self.shared_ids


class Contextual(resource.ShareableResource):
    """Has a context of its own."""

    mapping = Amanita.mapping


class OwnViewSet(resource.ShareableViewSet):
    def get_service_arguments(self) -> dict[Any, Any]:
        return {**super().get_service_arguments(), "factory": OwnFetch}


class Choosing(resource.ShareableResource):
    """Chooses among the shared records."""

    mapping = Amanita.mapping

    def collection_get(self) -> Any:
        if self.context.shared_ids:
            self.context.shared_ids[:] = sorted(self.context.shared_ids, reverse=True)
        return super().collection_get()


RESOURCES = (
    Toadstool,
    CAP,
    Clocked,
    Replaced,
    Modelled,
    (Contextual, {"viewset": OwnViewSet()}),
    Choosing,
)
OWN_NAMES = ("clocked", "replaced", "modelled", "contextual", "choosing")
WAYS = (URL, CAPS, *(f"/v0/{name}s" for name in OWN_NAMES))


@pytest.fixture(scope="module", params=PAIRS)
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    names = ("toadstool", "cap", *OWN_NAMES)
    settings = {f"{name}_create_principals": "system.Authenticated" for name in names}
    with running_combination(request.param, request, resources=RESOURCES, **settings) as app:
        yield app


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let another client do something after the next search for shared records."""
    threads = Threads(1)
    waiting: list[Callable[[], Any]] = []

    def followed(search: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            found = search(*args, **options)
            if found is not None and waiting:
                threads.submit(waiting.pop()).result()
            return found

        return run

    for name in ("select_shared_records", "fetch_shared_records"):
        monkeypatch.setattr(SharedListing, name, followed(getattr(SharedListing, name)))
    yield waiting.append
    assert not waiting
    threads.shutdown()


def change(app: Any, url: str, record_id: str, **body: Any) -> str:
    app.patch_json(f"{url}/{record_id}", body, headers=OWNER, status=200)
    return record_id


def ids(response: Any) -> set[str]:
    return {record["id"] for record in response.json["data"]}


def told(app: Any, url: str, response: Any) -> set[str]:
    """Return the ids that a client gets in a response, or with the ETag of that."""
    known, etag = ids(response), response.headers["ETag"]
    later = ids(app.get(f"{url}?_since={etag}", headers=READER, status=200))
    if later - known:
        app.get(url, headers={**READER, "If-None-Match": etag}, status=200)
    return known | later


@pytest.mark.clause("H-9.8", "H-5.12", "D-60")
@pytest.mark.parametrize("url", WAYS)
def test_a_record_that_is_created_and_shared_meanwhile_is_told(
    app: Any, meanwhile: Callable[..., None], url: str
) -> None:
    me = user_id(app, READER)
    create(app, url, me)
    created: list[str] = []
    meanwhile(lambda: created.append(create(app, url, "system.Everyone")))

    response = app.get(url, headers=READER, status=200)

    assert created
    assert set(created) <= told(app, url, response)


@pytest.mark.clause("H-9.8", "H-5.12", "D-60")
@pytest.mark.parametrize("way", ["share", "change", "share again"])
def test_a_record_that_is_shared_or_changed_meanwhile_is_told(
    app: Any, meanwhile: Callable[..., None], way: str
) -> None:
    me = user_id(app, READER)
    create(app, URL, me)
    readers = {"read": [me]}
    target = create(app, URL, *([] if way == "share" else [me]))

    def act() -> None:
        if way == "change":
            change(app, URL, target, data={"name": "changed"})
            return
        if way == "share again":
            change(app, URL, target, permissions={"read": []})
        change(app, URL, target, permissions=readers)

    meanwhile(act)
    response = app.get(URL, headers=READER, status=200)

    later = app.get(f"{URL}?_since={response.headers['ETag']}", headers=READER).json["data"]
    known = {one["id"]: one for one in [*response.json["data"], *later]}
    assert known[target]["name"] == ("changed" if way == "change" else BODY["data"]["name"])


@pytest.mark.clause("H-9.8", "H-5.12", "D-60")
@pytest.mark.parametrize("query", ["?_since=0", "?_limit=1", "?_sort=name&name=death cap"])
def test_each_kind_of_list_tells_of_it(
    app: Any, meanwhile: Callable[..., None], query: str
) -> None:
    me = user_id(app, READER)
    create(app, URL, me)
    created: list[str] = []
    meanwhile(lambda: created.append(create(app, URL, me)))

    response = app.get(URL + query, headers=READER, status=200)

    assert set(created) <= told(app, URL, response)


@pytest.mark.clause("H-9.8", "H-5.12", "D-60", "H-33.1")
@pytest.mark.parametrize("way", ["HEAD", "If-None-Match", "If-Match", "batch"])
def test_each_kind_of_request_tells_of_it(
    app: Any, meanwhile: Callable[..., None], way: str
) -> None:
    me = user_id(app, READER)
    create(app, URL, me)
    etag = app.get(URL, headers=READER).headers["ETag"]
    if way == "If-None-Match":
        create(app, URL, me)
    created: list[str] = []
    meanwhile(lambda: created.append(create(app, URL, me)))

    if way == "batch":
        requests = [{"path": URL.removeprefix("/v0"), "headers": READER}]
        body = app.post_json("/v0/batch", {"requests": requests}, headers=READER).json
        (answer,) = body["responses"]
        known, latest = {one["id"] for one in answer["body"]["data"]}, answer["headers"]["ETag"]
    else:
        conditions = {"If-None-Match": etag, "If-Match": "*"}
        headers = {**READER, way: conditions[way]} if way in conditions else READER
        method = app.head if way == "HEAD" else app.get
        response = method(URL, headers=headers, status=200)
        # A client that has asked with HEAD knows the number alone.
        known = set() if way == "HEAD" else ids(response)
        latest = response.headers["ETag"]

    told = ids(app.get(f"{URL}?_since={latest}", headers=READER, status=200))
    assert set(created) <= known | told


@pytest.mark.clause("H-9.8", "H-13.1")
def test_a_walk_through_pages_tells_of_it(app: Any, meanwhile: Callable[..., None]) -> None:
    me = user_id(app, READER)
    records = {create(app, URL, me) for _ in range(3)}
    created: list[str] = []
    meanwhile(lambda: created.append(create(app, URL, me)))

    response = app.get(f"{URL}?_limit=2", headers=READER, status=200)
    first, seen = response, ids(response)
    while "Next-Page" in response.headers:
        response = app.get(response.headers["Next-Page"], headers=READER, status=200)
        seen |= ids(response)

    assert records | set(created) <= seen | told(app, URL, first)


@pytest.mark.clause("H-9.8", "E-12.4")
def test_who_could_read_nothing_before_is_told(
    request: pytest.FixtureRequest, meanwhile: Callable[..., None]
) -> None:
    settings = {"toadstool_sync_departures": "true"}
    with running_combination(("sqlite", "sqlite", True), request, **settings) as app:
        me = user_id(app, READER)
        created: list[str] = []
        meanwhile(lambda: created.append(create(app, URL, me)))

        response = app.get(URL, headers=READER, status=200)

        assert set(created) <= told(app, URL, response)


@pytest.mark.slow
@pytest.mark.clause("H-9.8", "H-5.12", "D-60")
@pytest.mark.parametrize("url", [URL, CAPS])
def test_who_polls_while_many_create_misses_nothing(app: Any, url: str) -> None:
    me = user_id(app, READER)
    create(app, url, me)
    finished = threading.Event()

    def poll() -> set[str]:
        """Return what a client knows after the last creation."""
        known: set[str] = set()
        since, is_last = "0", False
        while not is_last:
            is_last = finished.is_set()
            response = app.get(f"{url}?_since={since}", headers=READER, status=200)
            known |= ids(response)
            since = response.headers["ETag"].strip('"')
        return known

    def create_some() -> set[str]:
        return {create(app, url, me) for _ in range(40)}

    threads = Threads(5)
    polling = [threads.submit(poll) for _ in range(2)]
    creating = [threads.submit(create_some) for _ in range(3)]
    try:
        created = set().union(*(one.result() for one in creating))
    finally:
        finished.set()
    for one in polling:
        assert created <= one.result()
    threads.shutdown()
