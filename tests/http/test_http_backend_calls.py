"""What a request asks of its backends, counted in calls.

The storage and the permissions are wrapped. Entering a storage transaction is free, since the lock
comes with what is first read in it; so is looking for the tombstone of the record just missed.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPConflict
from pyramid.interfaces import IAuthorizationPolicy
from pyramid.security import NO_PERMISSION_REQUIRED
from support.request_costs import (
    HEADERS,
    KINDS,
    NEW_ID,
    SCENARIOS,
    STRANGER,
    batch,
    make_site,
)
from support.sharing import grant, user_id

from cliquet import Service, events
from cliquet.permission import PermissionBase
from cliquet.storage import StorageBase
from cliquet.storage.base import Page
from cliquet.web import requests


def counting(base: Any, backend: Any, calls: Any) -> Any:
    """Return a backend that writes down each call, and leaves the answer to another."""

    def forward(name: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append((name, kwargs.get("object_id")))
            answer = getattr(backend, name)(*args, **kwargs)
            if name == "get_all" and answer[0].claim is not None:
                page = Page(answer[0])
                page.timestamp = answer[0].timestamp
                page.claim = lambda: calls.append(("claim", None)) or answer[0].claim()
                return page, answer[1]
            return answer

        return call

    names = [name for name in dir(base) if not name.startswith("_")]
    methods = {
        name: forward(name)
        for name in names
        if callable(getattr(base, name)) and name != "id_generator"
    }
    # What the backend says of itself, as that it joins no transactions.
    facts = {name: getattr(backend, name) for name in names if name not in methods}
    return type("Counting", (base,), {**methods, **facts})()


# They ask nobody.
FREE = ("atomic", "with_effects", "can_join", "can_join_aces", "select_aces")


def cost(calls: Any) -> Any:
    """Return the calls that make a round trip."""
    paid = []
    for number, (name, object_id) in enumerate(calls):
        read = [(name, object_id) for name in ("get", "find_with_aces")]
        is_read = number > 0 and calls[number - 1] in read
        if name in FREE or (name == "find_tombstone" and is_read):
            continue
        if name == "accessible_ids":
            # It asks nobody: it makes the query, or does not know one.
            continue
        if name == "first_ids":
            name = "principals_accessible_objects"
        paid.append(name)
    return paid


@pytest.fixture
def calls() -> list[Any]:
    return []


@pytest.fixture
def make(own_settings: None, calls: list[Any]) -> Callable[..., Any]:
    """Return a function that makes a site whose calls are counted."""

    def connect(registry: Any) -> None:
        registry.storage = counting(StorageBase, registry.storage, calls)
        registry.permission = counting(PermissionBase, registry.permission, calls)

    def make(kind: str = "shareable", **options: Any) -> Any:
        site = make_site(kind, connect=connect, **options)
        calls.clear()
        return site

    return make


@pytest.mark.slow
@pytest.mark.clause("P-34.27", "B-20.5", "B-20.7", "P-35.15")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_request_asks_more_than_the_table_allows(
    make: Callable[..., Any], calls: list[Any], name: str, kind: str
) -> None:
    scenario = SCENARIOS[name]
    site = make(kind)
    scenario.prepare(site)
    calls.clear()

    scenario.send(site)

    paid, most = cost(calls), getattr(scenario, kind)
    if name == "batch of POST" and site.app.app.registry.permission.is_written_after_records:
        # A run of creations is stored at once where permissions are part of its transaction.
        most = {"user": most, "shareable": 52}[kind]
    # Backends of one database may read a record together with its permissions, and PostgreSQL
    # replaces one without reading it (B-23.27).
    joined = paid.count("find_with_aces") + paid.count("update_seen")
    assert most - joined <= len(paid) <= most, calls


@pytest.mark.clause("H-9.3", "H-9.8")
@pytest.mark.parametrize(
    ("kind", "paid"),
    [
        ("user", ["get_all", "claim"]),
        ("shareable", ["user_principals", "check_permission", "get_all", "claim"]),
    ],
)
def test_a_first_access_asks_once_more(
    make: Callable[..., Any], calls: list[Any], kind: str, paid: list[Any]
) -> None:
    site = make(kind)
    site.app.app.registry.storage.flush()
    calls.clear()

    first = site.send("GET", site.url)
    assert cost(calls) == paid

    calls.clear()
    assert site.send("GET", site.url).headers["ETag"] == first.headers["ETag"]
    assert cost(calls) == paid[:-1]


@pytest.mark.clause("H-5.12", "B-20.8", "H-9.8")
def test_a_shared_listing_asks_once_more(make: Callable[..., Any], calls: list[Any]) -> None:
    site = make()
    grant(site.app, site.record_url.removeprefix("/v0"), "read", user_id(site.app, STRANGER))
    calls.clear()

    response = site.send("GET", site.url, headers=STRANGER)

    assert response.headers["Total-Records"] == "1"
    names = {name for name, _ in calls}
    # The timestamp comes with the ids, or before them and before what is being committed. That the
    # user has no further groups comes with the ids, too, or is asked after the timestamp.
    is_together = "first_ids" in names
    assert cost(calls) == [
        "user_principals",
        "check_permission",
        *([] if is_together else ["collection_positions", "wait_for_commits"]),
        "principals_accessible_objects",
        *([] if is_together else ["user_principals"]),
        "get_all",
    ]

    since, asked = response.headers["ETag"], len(cost(calls)) - (not is_together)
    calls.clear()
    site.send("GET", f"{site.url}?_since={since}", headers=STRANGER)
    # Where nothing has changed, further groups do not matter.
    assert len(cost(calls)) == asked


@pytest.mark.clause("X-3")
@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("GET list", ["get_all"]),
        ("GET record", ["get", "object_permissions"]),
        ("POST", ["create", "write_object_permissions"]),
        (
            "PATCH",
            ["get", "object_permissions", "update", "write_object_permissions"],
        ),
    ],
)
def test_what_a_setting_allows_is_not_asked(
    make: Callable[..., Any], calls: list[Any], name: str, paid: list[Any]
) -> None:
    allowed = {f"bolete_{p}_principals": "system.Authenticated" for p in ("write", "create")}
    site = make(settings=allowed)

    SCENARIOS[name].send(site)

    together = {"find_with_aces": ["get", "object_permissions"]}
    asked = [one for call in cost(calls) for one in together.get(call, [call])]
    # A storage that joins no transaction commits last.
    assert sorted(asked) == sorted(paid)


@pytest.mark.clause("H-5.1", "H-5.3")
@pytest.mark.parametrize("kind", KINDS)
def test_an_anonymous_user_has_no_groups_to_look_up(
    make: Callable[..., Any], calls: list[Any], kind: str
) -> None:
    site = make(kind)

    site.send("GET", site.url, headers={}, status=401)

    assert "user_principals" not in cost(calls)


@pytest.mark.clause("P-9.11", "X-10")
@pytest.mark.parametrize("listens", [False, True])
def test_the_timestamp_of_an_event_is_read_where_somebody_listens(
    make: Callable[..., Any], calls: list[Any], listens: bool
) -> None:
    def configure(config: Any) -> None:
        if listens:
            config.add_subscriber(lambda event: None, events.ResourceChanged)

    site = make("user", configure=configure)

    SCENARIOS["POST"].send(site)

    created, *others = cost(calls)
    # If nothing can follow it, PostgreSQL creates the record and commits at once (B-23.24).
    alone = "create" if listens else "create_alone"
    assert created in ("create", alone)
    assert others == ["collection_timestamp"] * listens


@pytest.mark.clause("P-25.4", "H-5.11")
def test_the_permissions_of_other_objects_are_asked_where_its_own_do_not_grant(
    make: Callable[..., Any], calls: list[Any]
) -> None:
    site = make()
    policy = site.app.app.registry.queryUtility(IAuthorizationPolicy)
    policy.get_bound_permissions = lambda object_id, permission: [
        (object_id, permission),
        (object_id, "write"),
        ("/forest", permission),
    ]
    grant(site.app, "/forest", "read", user_id(site.app, STRANGER))
    calls.clear()

    site.send("GET", site.record_url)
    # Backends of one database may read a record together with its permissions.
    joined, apart = ["find_with_aces"], ["object_permissions", "get"]
    assert cost(calls) in (["user_principals", *joined], ["user_principals", *apart])

    calls.clear()
    site.send("GET", site.record_url, headers=STRANGER)
    # Where its own may have been a moment old, they are not what the response shows.
    may_be_old = site.app.app.registry.permission.is_written_after_records
    apart = ["object_permissions", "check_permission", "get", *["object_permissions"] * may_be_old]
    joined = ["find_with_aces", "check_permission"]
    assert cost(calls) in (["user_principals", *joined], ["user_principals", *apart])


# Where an answer may not be kept


@pytest.mark.clause("X-23", "H-25.12", "H-24.8")
def test_in_a_batch_permissions_that_a_request_changes_are_asked_again(
    make: Callable[..., Any],
) -> None:
    site = make()
    record = {"path": site.record_url, "headers": STRANGER}
    shared = {"permissions": {"read": [user_id(site.app, STRANGER)]}}
    hidden = {"permissions": {"read": []}}

    answers = batch(
        site,
        record,
        {"method": "PATCH", "path": site.record_url, "body": shared},
        record,
        {"method": "PATCH", "path": site.record_url, "body": hidden},
        record,
    ).json["responses"]

    assert [answer["status"] for answer in answers] == [403, 200, 200, 200, 403]


def add_service(config: Any, path: str, **views: Any) -> None:
    service = Service(name=path, path=path)
    for method, view in views.items():
        service.add_view(method, view, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(service)


@pytest.mark.clause("X-23", "H-25.12")
def test_in_a_batch_permissions_that_a_service_changes_are_asked_again(
    make: Callable[..., Any],
) -> None:
    def configure(config: Any) -> None:
        permission = config.registry.permission

        def give(request: Any) -> dict[Any, Any]:
            permission.add_principal_to_ace("/boletes", "bolete:create", stranger)
            return {}

        def take(request: Any) -> dict[Any, Any]:
            permission.remove_principal_from_ace("/boletes", "bolete:create", stranger)
            return {}

        add_service(config, "/rights", POST=give, DELETE=take)

    site = make(configure=configure)
    stranger = user_id(site.app, STRANGER)
    post = {"method": "POST", "path": site.url, "body": {"data": {}}, "headers": STRANGER}

    answers = batch(
        site,
        post,
        {"method": "POST", "path": "/rights"},
        post,
        post,
        {"method": "DELETE", "path": "/rights"},
        post,
    ).json["responses"]

    assert [answer["status"] for answer in answers] == [403, 200, 201, 201, 200, 403]


@pytest.mark.clause("X-23")
def test_what_was_granted_by_a_request_that_is_undone_is_asked_again(
    make: Callable[..., Any],
) -> None:
    def configure(config: Any) -> None:
        def give_use_and_fail(request: Any) -> None:
            permission = config.registry.permission
            permission.add_principal_to_ace("/boletes", "bolete:create", stranger)
            response, _ = requests.follow_subrequest(
                request, requests.build_request(request, post), use_tweens=False
            )
            assert response.status_code == 201
            raise HTTPConflict

        add_service(config, "/rights", POST=give_use_and_fail)

    site = make(configure=configure)
    stranger = user_id(site.app, STRANGER)
    post = {"method": "POST", "path": site.url, "body": {"data": {}}, "headers": STRANGER}

    rights = {"method": "POST", "path": "/rights"}
    answers = batch(site, {"path": site.url}, rights, post).json["responses"]

    assert [answer["status"] for answer in answers] == [200, 409, 403]


@pytest.mark.clause("X-3", "H-5.9", "B-15.10")
def test_a_check_that_an_application_has_replaced_is_the_one_that_is_asked(
    make: Callable[..., Any],
) -> None:
    site = make()
    registry = site.app.app.registry
    registry.permission.check_permission = lambda *args, **kwargs: True

    site.send("GET", site.record_url, headers=STRANGER)
    site.send("PATCH", site.record_url, body={"data": {}}, headers=STRANGER)

    registry.permission.check_permission = lambda *args, **kwargs: False
    site.send("GET", site.record_url, status=403)


@pytest.mark.clause("P-14.3", "B-20.4")
def test_a_method_of_the_backend_that_an_application_has_replaced_is_called(
    make: Callable[..., Any],
) -> None:
    site = make()
    permission = site.app.app.registry.permission
    replaced = []
    permission.replace_object_permissions = lambda *args: replaced.append(args)

    body = {"data": {}, "permissions": {"read": ["a"]}}
    response = site.send("PUT", f"{site.url}/{NEW_ID}", body=body, status=201)

    assert replaced == [(f"/boletes/{NEW_ID}", {"read": ["a"], "write": []})]
    assert response.json["permissions"] == {"write": [user_id(site.app, HEADERS)]}
