"""Who joins a group, and gets what is shared with it from then on, misses nothing (H-9.8)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.combinations import running_combination
from support.shared_moments import CAPS, OWNER, PAIRS, READER, Clocked, Replaced, create
from support.sharing import CAP, URL, Amanita, Toadstool, user_id

from cliquet import resource
from cliquet.authorization import groupfinder
from cliquet.testing.bounded import Threads

GROUP = "group:foresters"


class Kept(resource.ShareableResource):
    """Is kept in copies by clients that know nothing of tokens."""

    mapping = Amanita.mapping


class Spread(resource.ShareableResource):
    """Has several parts, whose writers do not wait for each other."""

    mapping = Amanita.mapping
    shards = 3


RESOURCES = (Toadstool, CAP, Clocked, Replaced, Kept)
KEPT = "/v0/kepts"
WAYS = (URL, CAPS, "/v0/clockeds", "/v0/replaceds", KEPT)
NAMES = ("toadstool", "cap", "clocked", "replaced", "kept")
SETTINGS = {
    **{f"{name}_create_principals": "system.Authenticated" for name in NAMES},
    "kept_sync_departures": "true",
    "toadstool_sync_enabled": "true",
}


@pytest.fixture(scope="module", params=PAIRS)
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running_combination(request.param, request, resources=RESOURCES, **SETTINGS) as app:
        yield app


@pytest.fixture
def meanwhile(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let another client do something after the groups of a user were read."""
    yield from after_groups(app, monkeypatch)


def after_groups(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    backend = app.app.registry.permission
    backend.remove_principal(GROUP)
    reader = user_id(app, READER)
    threads = Threads(1)
    waiting: list[Callable[[], Any]] = []
    read = backend.user_principals

    def followed(user: str) -> set[str]:
        found: set[str] = read(user)
        if waiting and user == reader:
            threads.submit(waiting.pop()).result()
        return found

    monkeypatch.setattr(backend, "user_principals", followed)
    yield waiting.append
    assert not waiting
    threads.shutdown()


def share(app: Any, url: str, record_id: str, *readers: str) -> None:
    body = {"permissions": {"read": list(readers)}}
    app.patch_json(f"{url}/{record_id}", body, headers=OWNER, status=200)


def join(app: Any) -> None:
    app.app.registry.permission.add_user_principal(user_id(app, READER), GROUP)


def ids(response: Any) -> set[str]:
    return {record["id"] for record in response.json["data"] if "deleted" not in record}


def told(app: Any, url: str, response: Any) -> set[str]:
    """Return the ids that a client gets in a response, or with the ETag of that."""
    etag = response.headers["ETag"]
    return ids(response) | ids(app.get(f"{url}?_since={etag}", headers=READER, status=200))


@pytest.mark.clause("H-9.8", "H-5.12")
@pytest.mark.parametrize("way", ["create", "share"])
@pytest.mark.parametrize("url", WAYS)
def test_what_is_shared_with_a_group_that_was_joined_meanwhile_is_told(
    app: Any, meanwhile: Callable[..., None], url: str, way: str
) -> None:
    create(app, url, user_id(app, READER))
    others = [create(app, url)]

    def act() -> None:
        join(app)
        if way == "create":
            others.append(create(app, url, GROUP))
        else:
            share(app, url, others[0], GROUP)

    meanwhile(act)
    response = app.get(url, headers=READER, status=200)

    assert others[-1] in told(app, url, response)


@pytest.mark.clause("H-9.8", "H-5.12")
@pytest.mark.parametrize("url", WAYS)
@pytest.mark.parametrize("query", ["?_since=%s", "?_limit=1", "?_sort=id&_before=9007199254740991"])
def test_each_kind_of_list_tells_of_it(
    app: Any, meanwhile: Callable[..., None], url: str, query: str
) -> None:
    create(app, url, user_id(app, READER))
    known = app.get(url, headers=READER)
    if "%s" in query:
        query %= known.headers["ETag"]
    created: list[str] = []

    def act() -> None:
        join(app)
        created.append(create(app, url, GROUP))

    meanwhile(act)
    response = app.get(url + query, headers=READER, status=200)

    assert set(created) <= told(app, url, response)


@pytest.mark.clause("H-9.8", "H-5.12", "H-33.1")
@pytest.mark.parametrize("url", [URL, CAPS])
@pytest.mark.parametrize("way", ["HEAD", "If-None-Match", "If-Match", "batch"])
def test_each_kind_of_request_tells_of_it(
    app: Any, meanwhile: Callable[..., None], way: str, url: str
) -> None:
    me = user_id(app, READER)
    create(app, url, me)
    etag = app.get(url, headers=READER).headers["ETag"]
    if way == "If-None-Match":
        create(app, url, me)
    created: list[str] = []

    def act() -> None:
        join(app)
        created.append(create(app, url, GROUP))

    meanwhile(act)
    if way == "batch":
        requests = [{"path": url.removeprefix("/v0"), "headers": READER}] * 2
        body = app.post_json("/v0/batch", {"requests": requests}, headers=READER).json
        answer = body["responses"][-1]
        known, latest = {one["id"] for one in answer["body"]["data"]}, answer["headers"]["ETag"]
    else:
        conditions = {"If-None-Match": etag, "If-Match": "*"}
        headers = {**READER, way: conditions[way]} if way in conditions else READER
        method = app.head if way == "HEAD" else app.get
        response = method(url, headers=headers, status=200)
        if way == "HEAD":
            # Its answer is that of a list after the creation.
            total = app.head(url, headers=READER).headers["Total-Records"]
            assert response.headers["Total-Records"] == total
            return
        known = ids(response)
        latest = response.headers["ETag"]

    told = ids(app.get(f"{url}?_since={latest}", headers=READER, status=200))
    assert set(created) <= known | told


@pytest.mark.clause("H-9.8", "H-5.12")
@pytest.mark.parametrize("url", WAYS)
def test_who_may_list_all_from_then_on_is_told(
    app: Any, meanwhile: Callable[..., None], url: str
) -> None:
    create(app, url, user_id(app, READER))
    created: list[str] = []
    uri = url.removeprefix("/v0")
    app.app.registry.permission.add_principal_to_ace(uri, "read", GROUP)

    def act() -> None:
        join(app)
        created.append(create(app, url))

    meanwhile(act)
    try:
        response = app.get(url, headers=READER, status=200)
        assert set(created) <= told(app, url, response)
    finally:
        app.app.registry.permission.remove_principal_from_ace(uri, "read", GROUP)


@pytest.mark.clause("E-12.4", "E-12.2")
def test_a_departure_for_a_group_that_was_joined_again_is_told(
    app: Any, meanwhile: Callable[..., None]
) -> None:
    create(app, KEPT, user_id(app, READER))
    target = create(app, KEPT, GROUP)
    join(app)
    known = app.get(KEPT, headers=READER)
    assert target in ids(known)
    app.app.registry.permission.remove_user_principal(user_id(app, READER), GROUP)

    def act() -> None:
        join(app)
        share(app, KEPT, target)

    meanwhile(act)
    told: set[str] = set()
    etag = known.headers["ETag"]
    for _ in range(2):
        response = app.get(f"{KEPT}?_since={etag}", headers=READER, status=200)
        told |= {record["id"] for record in response.json["data"] if "deleted" in record}
        etag = response.headers["ETag"]

    assert told == {target}


@pytest.mark.clause("E-11.3", "E-11.5")
@pytest.mark.parametrize("start", [True, False])
def test_a_client_with_tokens_is_told_or_begins_again(
    app: Any, meanwhile: Callable[..., None], start: bool
) -> None:
    create(app, URL, user_id(app, READER))
    token = "" if start else app.get(f"{URL}?_sync=", headers=READER).headers["Sync-Token"]
    created: list[str] = []

    def act() -> None:
        join(app)
        created.append(create(app, URL, GROUP))

    meanwhile(act)
    response = app.get(f"{URL}?_sync={token}", headers=READER, status=200)

    after = app.get(f"{URL}?_sync={response.headers['Sync-Token']}", headers=READER, status="*")
    assert after.status_code == 410 or set(created) <= ids(response) | ids(after)


def find_groups(userid: str, request: Any) -> list[str]:
    """Find what the library finds, and one group more."""
    return [*groupfinder(userid, request), "group:all"]


@pytest.mark.clause("P-25.2", "H-9.8")
@pytest.mark.parametrize("family", ["memory", "sqlite"])
def test_a_group_finder_of_the_application_is_asked_again(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    settings = {"multiauth.groupfinder": f"{__name__}.find_groups", **SETTINGS}
    with running_combination((family, family, True), request, **settings) as app:
        steps = after_groups(app, monkeypatch)
        meanwhile = next(steps)
        create(app, URL, user_id(app, READER))
        created: list[str] = []

        def act() -> None:
            join(app)
            created.append(create(app, URL, GROUP))

        meanwhile(act)
        response = app.get(URL, headers=READER, status=200)

        assert set(created) <= told(app, URL, response)
        next(steps, None)


@pytest.mark.clause("H-9.8", "E-23.4")
@pytest.mark.parametrize("query", ["", "?_since=0"])
def test_lists_of_spread_collections_tell_of_it(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    processes: None,
    query: str,
) -> None:
    pair, url = ("postgresql", "postgresql", True), "/v0/spreads"
    allowed = {"spread_create_principals": "system.Authenticated"}
    with running_combination(pair, request, resources=(Spread,), **allowed) as app:
        steps = after_groups(app, monkeypatch)
        meanwhile = next(steps)
        create(app, url, user_id(app, READER))
        created: list[str] = []

        def act() -> None:
            join(app)
            created.extend(create(app, url, GROUP) for _ in range(6))

        meanwhile(act)
        response = app.get(url + query, headers=READER, status=200)

        assert set(created) <= told(app, url, response)
        next(steps, None)
