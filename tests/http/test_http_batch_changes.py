"""Changes of records that follow each other in a batch are made together (H-25.12).

Each test compares with an application without compiled endpoints, where each is a request of its
own.
"""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from pyramid.config import Configurator
from pyramid.threadlocal import get_current_request
from support import batches
from support.batches import statuses
from support.shared_apps import make_app
from support.statsd_server import StatsDServer
from webtest import TestApp

from cliquet import resource
from cliquet.authorization import AuthorizationPolicy
from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.resource import changing, writing
from cliquet.testing.web import basic_auth
from cliquet.testing.web import make_app as make_own_app

WAYS = ("true", "false")
IDS = [f"{n}f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4" for n in range(1, 10)]
OLD = 1_000_000
SEEN: list[Any] = []
SETTINGS = {
    "batch_max_requests": "100",
    "closed_create_principals": "system.Authenticated",
    "closed_sync_enabled": "true",
} | {
    f"open_{permission}_principals": "system.Authenticated"
    for permission in ("create", "read", "write")
}


class Own(resource.UserResource):
    """Records of one user, whose schema looks at the request that is served."""

    class OwnSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True
            readonly_fields = ("code",)

        name = colander.SchemaNode(
            colander.String(), missing="unnamed", validator=lambda node, value: _see(value)
        )
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = OwnSchema()


def _see(value: Any) -> None:
    request: Any = get_current_request()
    SEEN.append((request.path, request.matchdict, request.json_body, value))


class Open(resource.ShareableResource):
    """Records that settings open to all users."""

    class OpenSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing="unnamed")
        on = colander.SchemaNode(colander.Date(), missing=colander.drop)
        tags = colander.SchemaNode(colander.List(), missing=colander.drop)

    mapping = OpenSchema()


class Closed(resource.ShareableResource):
    """Records that only permissions open, which clients synchronise."""

    mapping = Open.OpenSchema()


@pytest.fixture(autouse=True)
def anew(own_settings: None) -> None:
    """Forget what other tests were told."""
    SEEN.clear()


def both(configure: Any = None, **settings: Any) -> list[TestApp]:
    """Return a client of the same application with and without compiled endpoints."""
    return [
        make_app(
            (Own, Open, Closed),
            settings={**SETTINGS, "compiled_endpoints": value, **settings},
            configure=configure,
        )
        for value in WAYS
    ]


@pytest.fixture(scope="module")
def on_postgresql(postgresql_module_url: str) -> Iterator[list[TestApp]]:
    """Give the two applications on one database."""
    backends = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (
            ("backend", f"cliquet.{kind}.postgresql"),
            ("url", postgresql_module_url),
        )
    }
    apps = [
        make_own_app(
            (Own, Open, Closed), settings={**SETTINGS, "compiled_endpoints": value, **backends}
        )
        for value in WAYS
    ]
    for kind in ("storage", "permission"):
        getattr(apps[0].app.registry, kind).initialize_schema()
    yield apps
    for app in apps:
        app.app.registry.storage.client.dispose()


def without_chance(value: Any) -> Any:
    """Return a JSON value with the same text for all times."""
    text = re.sub(r'"Last-Modified": "[^"]*"', '"Last-Modified": ""', json.dumps(value))
    return json.loads(re.sub(r"\b1[5-9][0-9]{11}\b", "0", text))


def each(method: str, ids: Any = IDS, **data: Any) -> list[dict[str, Any]]:
    """Return a request for each id; the text ``{n}`` in a value is its number."""
    body = json.dumps({"data": data})
    return [
        {"method": method, "path": f"/opens/{one}"}
        | ({} if method == "DELETE" else {"body": json.loads(body.replace("{n}", str(n)))})
        for n, one in enumerate(ids)
    ]


def shared(permission: str, *, ids: Any = IDS, user: str = "system.Authenticated") -> Any:
    """Return requests that share records."""
    return [
        {
            "method": "PUT",
            "path": f"/opens/{one}",
            "body": {"data": {}, "permissions": {permission: [user]}},
        }
        for one in ids
    ]


ALL = each("PUT", name="{n}")
SIX = ("mat", each("PUT", IDS[:6], name="{n}"))
MIXED = ("mat", each("PUT", [IDS[n] for n in (0, 6, 1, 7, 2, 8, 3)], name="new {n}"))
# By name: users, and what each of them sends.
SCENARIOS: dict[str, list[tuple[str, list[dict[str, Any]]]]] = {
    "replacements and creations": [SIX, MIXED, MIXED],
    "creations by two users": [SIX, ("alice", MIXED[1]), ("mat", ALL)],
    "defaults and lists": [
        SIX,
        ("mat", each("PUT", on="2026-11-29", tags=[{"a": "é"}, 1.5, None])),
        ("mat", each("PUT")),
        ("mat", each("PATCH", tags=["{n}"])),
    ],
    "equal ids": [SIX, ("mat", [{**one, "body": {"data": {"id": IDS[1]}}} for one in SIX[1]])],
    "their own ids": [("mat", [{**put, "body": {"data": {"id": put["path"][7:]}}} for put in ALL])],
    "one id twice": [SIX, ("mat", [*ALL[:4], *ALL[2:5], *ALL[:3]])],
    "refused between": [
        SIX,
        ("mat", [*ALL[:4], {**ALL[4], "body": {"data": {"on": "never"}}}, *ALL[5:]]),
        ("mat", [*ALL[:3], {**ALL[3], "body": {"data": {"last_modified": 2**60}}}, *ALL[4:]]),
        ("mat", [*ALL[:3], {**ALL[3], "body": {}}, {**ALL[4], "body": {"data": []}}, *ALL[5:]]),
        ("mat", [*ALL[:3], {**ALL[3], "path": "/opens/*"}, *ALL[4:]]),
        ("mat", [*ALL[:3], {**ALL[3], "path": "/opens/-a"}, *ALL[4:]]),
    ],
    "timestamps sent back": [
        ("mat", each("PUT", IDS[:6], name="{n}", last_modified=OLD)),
        ("mat", each("PUT", IDS[:6], name="new {n}", last_modified=OLD)),
        ("mat", each("PATCH", IDS[:6], name="new {n}", last_modified=OLD)),
        ("mat", each("PATCH", IDS[:6], name="new {n}", last_modified=OLD - 1)),
        ("mat", each("PUT", IDS[:6], name="{n}", last_modified=2 * OLD)),
        ("mat", each("PATCH", IDS[:6], last_modified=3 * OLD)),
        ("mat", each("PUT", last_modified=-1)),
        ("mat", each("PUT", last_modified=None)),
        ("mat", each("PUT", last_modified="1")),
    ],
    "shared after a creation": [
        SIX,
        ("mat", [*each("PUT", [IDS[7]]), *shared("read", ids=IDS[:4])]),
    ],
    "too large": [SIX, ("mat", [*ALL[:3], *each("PUT", IDS[3:5], name="x" * 3000), *ALL[5:]])],
    "permissions between": [
        SIX,
        ("mat", [*ALL[:3], *shared("read", ids=IDS[3:6]), *ALL[6:]]),
        ("mat", each("PATCH", name="p{n}")),
    ],
    "changes": [SIX, ("mat", each("PATCH", name="{n}")), ("mat", each("PATCH", name="p{n}"))],
    "changes of nothing": [SIX, ("mat", each("PATCH", IDS[:6], name="{n}"))],
    "changes of some": [SIX, ("mat", each("PATCH", [*IDS[1:6], IDS[0]], name="{n}"))],
    "changes of read-only members": [
        SIX,
        ("mat", each("PATCH", code=1)),
        ("mat", [*each("PATCH", IDS[:3], code=1), *each("PATCH", IDS[3:6], code=2)]),
    ],
    "light changes": [
        SIX,
        (
            "mat",
            [{**p, "headers": {"Response-Behavior": "light"}} for p in each("PATCH", name="x")],
        ),
    ],
    "deletions": [SIX, ("mat", each("DELETE")), ("mat", ALL), ("mat", each("DELETE", IDS[3:]))],
    "deletions between": [
        ("mat", ALL),
        ("mat", [*each("DELETE", IDS[:4]), *MIXED[1], *each("DELETE"), *ALL]),
    ],
    "deletions of one twice": [SIX, ("mat", [*each("DELETE", IDS[:3]), *each("DELETE")])],
    "conditions": [
        SIX,
        ("mat", [{**put, "headers": {"If-Match": "*"}} for put in ALL]),
        ("mat", [{**put, "headers": {"If-None-Match": "*"}} for put in ALL]),
    ],
    "shared to write": [
        SIX,
        ("mat", shared("write", ids=[IDS[n] for n in (0, 1, 2, 4, 5)])),
        ("alice", each("PUT", IDS[:6], name="alice")),
        ("alice", each("PATCH", IDS[:6], name="mine")),
        ("alice", each("DELETE", IDS[:6])),
        ("mat", each("DELETE")),
    ],
    "shared to read": [
        ("mat", shared("read")),
        ("alice", each("PUT")),
        ("alice", each("DELETE")),
        ("mat", each("PUT")),
        ("mat", each("DELETE", IDS[:5])),
        ("alice", each("PUT")),
    ],
    "former permissions": [
        SIX,
        ("mat", each("DELETE", IDS[:5])),
        ("mat", each("PUT", [*IDS[3:6], IDS[0], IDS[7], IDS[1]])),
    ],
}


def happened(app: TestApp, scenario: Any, path: str = "/opens", **before: Any) -> Any:
    """Send the batches of a scenario; return all that can be seen of it."""
    registry = app.app.registry
    registry.storage.flush()
    registry.permission.flush()
    SEEN.clear()
    for uri, principal in before.items():
        registry.permission.add_principal_to_ace(f"{path}/{uri}", "read", principal)
    found: list[Any] = []
    for user, items in scenario:
        batch = [{**item, "path": item["path"].replace("/opens", path)} for item in items]
        found.append(batches.send(app, batch, headers=basic_auth(user)))
        url = f"/v0{path}?_sort=last_modified&_since=0"
        found.append(app.get(url, headers=basic_auth(user), expect_errors=True).json)
        found.append(app.get(url, headers=basic_auth(user), expect_errors=True).status)
        found.append(app.head(f"/v0{path}", headers=basic_auth(user), expect_errors=True).status)
    uris = [f"{path}/{one}" for one in IDS]
    aces = registry.permission.get_objects_permissions(uris)
    found.append([{name: sorted(given) for name, given in one.items()} for one in aces])
    departures = registry.storage.list_departures(
        path[1:-1], "", after=0, principals=["system.Authenticated", "somebody"]
    )
    found.append([one.id for one in departures])
    parents = sorted(registry.storage.all_resources_timestamps(path[1:-1]))
    found.append([registry.storage.count_all(path[1:-1], parent) for parent in parents])
    # What is refused may be looked at more than once.
    seen = list(dict.fromkeys(json.dumps(one) for one in SEEN))
    return without_chance([*found, seen])


@pytest.mark.clause("H-25.12", "H-25.25", "X-23", "X-24")
@pytest.mark.parametrize("path", ["/opens", "/owns"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_they_are_like_requests_one_after_the_other(name: str, path: str) -> None:
    more = {"max_record_bytes": "2000"} if name == "too large" else {}
    before = {IDS[7]: "somebody"} if name == "former permissions" and path != "/owns" else {}

    compiled, layered = (happened(app, SCENARIOS[name], path, **before) for app in both(**more))

    assert compiled == layered


@pytest.mark.clause("H-25.12", "H-25.25", "X-23", "E-12.1")
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "too large"])
def test_they_are_so_where_they_are_few_statements(name: str, on_postgresql: list[TestApp]) -> None:
    before = {IDS[7]: "somebody"} if name == "former permissions" else {}

    compiled, layered = (
        happened(app, SCENARIOS[name], "/closeds", **before) for app in on_postgresql
    )

    assert compiled == layered


class Inheriting(AuthorizationPolicy):
    """Lets those who may read the first record write the others."""

    def get_bound_permissions(self, object_id: str, permission: str) -> Any:
        return [(object_id, permission), (f"/closeds/{IDS[0]}", "read")]


@pytest.mark.clause("E-18.3", "H-5.11")
@pytest.mark.parametrize(
    "more", [{"explicit_permissions": "false"}, {"multiauth.authorization_policy": Inheriting}]
)
def test_settings_say_who_may_write_and_becomes_an_owner(more: dict[str, Any]) -> None:
    compiled, layered = (
        happened(app, SCENARIOS["shared to write"], "/closeds", **{IDS[0]: "system.Authenticated"})
        for app in both(**more)
    )

    assert compiled == layered


@pytest.mark.clause("H-25.12")
@pytest.mark.parametrize(
    ("method", "path", "number"),
    [
        ("PUT", "/opens", 1),
        ("PUT", "/owns", 1),
        ("PUT", "/closeds", 1),
        ("PATCH", "/opens", 1),
        ("PATCH", "/closeds", 1),
        ("DELETE", "/owns", 1),
        ("DELETE", "/closeds", 1),
    ],
)
def test_only_the_first_of_them_is_a_request(method: str, path: str, number: int) -> None:
    endpoint = getattr(writing, f"{method.lower()}_record").__code__
    called = Counter[Any]()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            called[frame.f_code] += 1

    found = []
    for app in both():
        happened(app, [("mat", ALL)], path)
        called.clear()
        items = [
            {**item, "path": item["path"].replace("/opens", path)}
            for item in each(method, name="new")
        ]
        former = sys.getprofile()
        sys.setprofile(watch)
        try:
            answers = batches.send(app, items)
        finally:
            sys.setprofile(former)
        assert statuses(answers) == [200] * 9
        found.append((called[endpoint], called[changing.change_all.__code__]))

    # What a storage writes by itself cannot be undone with the request.
    together = app.app.registry.storage.joins_transactions
    assert found == [(number, 1) if together else (9, 0), (9, 0)]


@pytest.mark.clause("X-9", "X-23")
@pytest.mark.parametrize("event", [ResourceChanged, AfterResourceChanged])
@pytest.mark.parametrize("name", ["replacements and creations", "deletions between", "changes"])
def test_subscribers_are_told_the_same(event: type, name: str) -> None:
    told: list[Any] = []

    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda e: told.append([e.payload, e.impacted_records]), event)

    found = []
    for app in both(configure):
        told.clear()
        happened(app, SCENARIOS[name], "/closeds")
        found.append(without_chance(told))

    assert found[0] == found[1]
    assert found[0]


@pytest.mark.clause("S-18.5")
def test_the_log_has_a_line_for_each_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cliquet")
    found = []
    for value in WAYS:
        entries: list[dict[str, Any]] = []

        def renderer(settings: Any = None, kept: Any = entries) -> Any:
            def render(logger: Any, name: Any, entry: Any) -> Any:
                kept.append({k: v for k, v in entry.items() if k not in ("t", "time")})
                return entry["event"]

            return render

        more = {"compiled_endpoints": value, "logging_renderer": renderer}
        app = make_app([Open], settings={**SETTINGS, **more})
        entries.clear()
        headers = {**basic_auth(), "X-Request-Id": "a" * 32}
        for _, items in (SIX, MIXED, ("mat", each("DELETE"))):
            batches.send(app, items, headers=headers)
        found.append(without_chance(entries))

    assert len(found[0]) == 6 + 7 + 9 + 3
    assert found[0] == found[1]


@pytest.mark.clause("S-20.1", "S-20.4", "E-6.2")
def test_metrics_count_each_of_them_with_its_status() -> None:
    counted = []
    for value in WAYS:
        server = StatsDServer()
        more = {"statsd_url": server.url, "prometheus_enabled": "true"}
        app = make_app([Open], settings={**SETTINGS, "compiled_endpoints": value, **more})
        server.watch(app.app.registry)
        server.received()
        for _, items in (SIX, MIXED, ("mat", each("DELETE"))):
            batches.send(app, items)
        of_statsd = Counter(m for m in server.received() if m[2] != "ms" and "view" in m[0])
        server.close()
        text = app.get("/__metrics__").text
        counted.append((of_statsd, [n for n in text.splitlines() if "requests_total{" in n]))

    assert counted[0] == counted[1]
    assert counted[0][0]["testapp.view.open-record.PUT", "1", "c"] == 13


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("limit", ["1000", "3000", "9000", "12000"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_they_end_where_the_answer_is_full(limit: str, method: str) -> None:
    found = []
    for app in both(max_response_bytes=limit):
        items = each(method, name="x" * 300)
        happened(app, [("mat", ALL)])
        answers = batches.send(app, items)
        kept = app.get("/v0/opens?_sort=id", headers=basic_auth()).json
        found.append(without_chance([answers, kept]))

    assert found[0] == found[1]
    assert method == "DELETE" or int(limit) > 3000 or 503 in statuses(found[0][0])
