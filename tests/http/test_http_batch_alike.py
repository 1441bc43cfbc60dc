"""Requests of a batch that are alike are answered like single sub-requests (H-25.12).

What follows from their headers and their route is done once for all of them. Each test compares
with an application without compiled endpoints, where each of them is a sub-request of its own.
"""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import colander
import pytest
from pyramid.authentication import RemoteUserAuthenticationPolicy
from pyramid.config import Configurator
from pyramid.events import BeforeTraversal, ContextFound, NewRequest, NewResponse
from pyramid.httpexceptions import HTTPConflict, HTTPForbidden
from pyramid.request import Request
from pyramid.threadlocal import get_current_request
from support import batches
from support.batches import statuses
from support.shared_apps import make_app
from support.statsd_server import StatsDServer
from webtest import TestApp

from cliquet import resource
from cliquet.events import AfterResourceChanged, AfterResourceRead, ResourceChanged, ResourceRead
from cliquet.testing.web import basic_auth
from cliquet.testing.web import make_app as make_own_app
from cliquet.web.requests import build_request
from cliquet.web.service import Service

WAYS = {"compiled": "true", "layers": "false"}
A, B, C, D = (f"{n}f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4" for n in "1234")
OLD = 1_448_000_000_000
OPEN = {"batch_max_requests": "100", "closed_create_principals": "system.Authenticated"} | {
    f"{name}_{permission}_principals": "system.Authenticated"
    for name in ("open", "hooked")
    for permission in ("create", "read", "write")
}


class Own(resource.UserResource):
    """Records of one user."""

    class OwnSchema(resource.ResourceSchema):
        class Options:
            readonly_fields = ("code",)
            unique_fields = ("nick",)

        name = colander.SchemaNode(colander.String(), missing="unnamed")
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        nick = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = OwnSchema()


class Open(resource.ShareableResource):
    """Records that settings open to all users."""

    class OpenSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

        name = colander.SchemaNode(colander.String(), missing="unnamed")
        on = colander.SchemaNode(colander.Date(), missing=colander.drop)

    mapping = OpenSchema()


class Closed(resource.ShareableResource):
    """Records that only permissions open."""

    mapping = Open.OpenSchema()


class Hooked(resource.ShareableResource):
    """A resource whose hooks look at everything, and change what they can."""

    mapping = Open.OpenSchema()

    def __init__(self, request: Request, context: Any = None) -> None:
        super().__init__(request, context)
        self.seen = (request.path, request.body.decode(), sorted(vars(request).get("mine", ())))
        request.mine = ["one"]
        request.environ["mine"] = "one"
        request.add_finished_callback(lambda one: TOLD.append(("finished", one.path)))

    def process_record(self, new: Any, old: Any = None) -> Any:
        new = super().process_record(new, old)
        current: Any = get_current_request()
        name = new.get("name")
        if name == "forbidden":
            raise HTTPForbidden
        if name == "conflict":
            self.model.create_record({"name": "left over"})
            raise HTTPConflict
        if name == "varied":
            self.request.response.headers["Vary"] = "X-Tool"
        if name == "called back":
            self.request.add_response_callback(_mark)
        return {**new, "seen": [*self.seen, current.path, current.matchdict, name]}

    def get(self) -> Any:
        body = super().get()
        return {**body, "mine": [self.seen[0], self.seen[2], self.request.environ.get("before")]}


TOLD: list[Any] = []


def _mark(request: Request, response: Any) -> None:
    response.headers["X-Mark"] = request.path


@pytest.fixture(autouse=True)
def anew(own_settings: None) -> None:
    """Forget what other tests were told."""
    TOLD.clear()


def both(configure: Any = None, **settings: Any) -> list[TestApp]:
    """Return a client of the same application with and without compiled endpoints."""
    return [
        make_app(
            (Own, Open, Closed, Hooked),
            settings={**OPEN, "compiled_endpoints": value, **settings},
            configure=configure,
        )
        for value in WAYS.values()
    ]


def send(app: TestApp, requests: Any, **arguments: Any) -> Any:
    """Send a batch to an application without records; it may share its database with another."""
    for backend in (app.app.registry.storage, app.app.registry.permission):
        backend.flush()
    return batches.send(app, requests, **arguments)


def without_chance(value: Any) -> Any:
    """Return a JSON value with the same text for all generated ids, and for all new times."""
    text = re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda found: found[0] if found[0] in (A, B, C, D) else "ID",
        json.dumps(value),
    )
    text = re.sub(r'"(Last-Modified|Expires)": "[^"]*"', r'"\1": ""', text)
    return json.loads(re.sub(r"\b1[5-9][0-9]{11}\b", "0", text))


def one(method: str, record: str, data: Any = None, path: str = "/opens", **more: Any) -> Any:
    item = {"method": method, "path": f"{path}/{record}", **more}
    return item if data is None else {**item, "body": {"data": data}}


put, patch = partial(one, "PUT"), partial(one, "PATCH")
get, delete = partial(one, "GET"), partial(one, "DELETE")
ALL = [
    put(record, {"name": record[0], "last_modified": OLD + n}) for n, record in enumerate((A, B, C))
]
STRANGER = {"Authorization": basic_auth("somebody")["Authorization"]}
NOBODY = {"Authorization": ""}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
RENAMED = [{"op": "replace", "path": "/data/name", "value": "patched"}]

BATCHES: dict[str, list[dict[str, Any]]] = {
    "reads": [*ALL, get(A), get(B), get(D), get(C), get("*"), get(A), get("a b"), get(B)],
    "reads without a method": [*ALL, *[{"path": f"/opens/{one}"} for one in (A, B, D, C)]],
    "reads of members": [*ALL, *[get(f"{one}?_fields=name") for one in (A, B, D, C)]],
    "reads with a wrong member": [*ALL, *[get(f"{one}?_fields=nothing") for one in (A, B)]],
    "reads that nothing needs": [
        *ALL,
        *[get(one, headers={"If-None-Match": f'"{OLD}"'}) for one in (C, A, A, B, A, D)],
    ],
    "heads": [*ALL, *[one("HEAD", record) for record in (A, B, D, C)]],
    "with the version": [*ALL, *[get(one, path="/v0/opens") for one in (A, B)], get(A), get(B)],
    "other versions": [
        *ALL,
        get(A),
        *[get(one, path=f"/{v}/opens") for v in ("v1", "v0x") for one in (A, B)],
    ],
    "escapes": [*ALL, get(A), get("%31" + B[1:]), get(B.replace("-", "%2D")), get(f"{B}/"), get(B)],
    "odd segments": [
        *ALL,
        get(A),
        get("."),
        get(".."),
        get(f"{A}/../{B}"),
        get(""),
        get("/"),
        get(B),
    ],
    "replacements": [
        *ALL,
        *[put(one, {"name": "new", "more": [1.5, {"a": "é"}]}) for one in (A, B, C, D)],
    ],
    "refused replacements": [
        *ALL,
        put(A, {"name": "a"}),
        put(B, {"name": ["b"]}),
        put(C, {"name": "c", "id": A}),
        put(C, {"on": "never"}),
        put(C, {"on": "2026-11-29"}),
        put("*", {"name": "d"}),
        {**put(A), "body": {}},
        put(A),
        {**put(A), "body": {"data": 3}},
        {**put(A), "body": {"permissions": {"fly": []}}},
        put(A, {"last_modified": 2**60}),
        put(B, {"name": "b"}),
    ],
    "conditional replacements": [
        *ALL,
        *[
            put(one, {"name": "new"}, headers={"If-Match": f'"{OLD + 1}"'})
            for one in (A, B, B, C, D)
        ],
        *[put(one, {"name": "new"}, headers={"If-None-Match": "*"}) for one in (A, D, D)],
    ],
    "one twice": [*ALL, *[put(A, {"name": name}) for name in "abc"], get(A), get(A)],
    "changes": [*ALL, *[patch(one, {"name": "new"}) for one in (A, B, D, C)], get(A), get(D)],
    "changes of nothing": [*ALL, *[patch(one, {"name": one[0]}) for one in (A, B, C)]],
    "refused changes": [
        *ALL,
        patch(A, {"name": "new"}),
        patch(B, {"name": []}),
        patch(C, {"id": A}),
        patch(C),
        patch(C, {"last_modified": "x"}),
        patch(C, {"name": "new"}),
    ],
    "light changes": [
        *ALL,
        *[patch(one, {"name": "new"}, headers={"Response-Behavior": "light"}) for one in (A, B)],
        *[patch(one, {"name": "x"}, headers={"Response-Behavior": "diff"}) for one in (A, D, B)],
    ],
    "patches": [
        *ALL,
        *[patch(one, headers=JSON_PATCH) | {"body": RENAMED} for one in (A, D, B)],
        *[patch(one, headers=MERGE_PATCH) | {"body": {"data": {"more": 1}}} for one in (A, D, B)],
        *[patch(one, {"name": "new"}) for one in (A, B)],
    ],
    "deletions": [
        *ALL,
        delete(A),
        delete(D),
        delete(B),
        delete(A),
        get(A),
        get(C),
        put(A, {}),
        get(A),
    ],
    "deletions at a time": [*ALL, *[delete(f"{one}?last_modified={OLD * 2}") for one in (A, D, B)]],
    "conditional deletions": [
        *ALL,
        *[delete(one, headers={"If-Match": f'"{OLD + 1}"'}) for one in (A, B, B, C)],
    ],
    "mixed": [
        request
        for record in (A, B, C, D)
        for request in (
            get(record),
            put(record, {"name": "new"}),
            {"method": "POST", "path": "/opens", "body": {"data": {"name": record}}},
            patch(record, {"more": record}),
            {"path": "/opens?_sort=name"},
            delete(record),
            get(record),
        )
    ],
    "other users": [
        *ALL,
        *[get(one, headers=STRANGER) for one in (A, D, B)],
        *[put(one, {"name": "new"}, headers=STRANGER) for one in (A, D, B)],
        *[patch(one, {"name": "mine"}, headers=STRANGER) for one in (A, D, B)],
        *[delete(one, headers=STRANGER) for one in (A, D, B)],
        *[get(one, headers=NOBODY) for one in (A, D, B)],
        *[put(one, {}, headers=NOBODY) for one in (A, D, B)],
        *[get(one) for one in (A, D, B)],
    ],
    "permissions": [
        *ALL,
        {**put(A, {"name": "a"}), "body": {"permissions": {"read": ["system.Authenticated"]}}},
        {**put(B, {"name": "b"}), "body": {"permissions": {"write": ["system.Everyone"]}}},
        *[get(one, headers=STRANGER) for one in (A, B, C)],
        *[patch(one, {"name": "x"}, headers=STRANGER) for one in (A, B, C)],
        {**patch(A), "body": {"permissions": {"read": []}}},
        *[get(one, headers=STRANGER) for one in (A, B, C)],
        *[delete(one, headers=STRANGER) for one in (A, B, C)],
    ],
    "headers": [
        *ALL,
        *[get(one, headers={"Accept": "text/html"}) for one in (A, B)],
        *[get(one, headers={"Accept": "application/json;q=0.5"}) for one in (A, B)],
        *[get(one, headers={"Origin": "http://page"}) for one in (A, D, B)],
        *[put(one, {}, headers={"Content-Type": "text/plain"}) for one in (A, B)],
        *[get(one, headers={"X-Tool": "1", "Cache-Control": "no-cache"}) for one in (A, B)],
    ],
    "other collections": [
        *[put(one, {"name": "a"}, path=path) for one in (A, B) for path in ("/opens", "/owns")],
        *[get(one, path=path) for one in (A, D, B) for path in ("/opens", "/owns", "/nothing")],
    ],
    "equal values": [
        *[put(one, {"nick": "n", "code": 1}, path="/owns") for one in (A, B)],
        *[patch(one, {"nick": "m"}, path="/owns") for one in (A, B)],
        *[patch(one, {"code": 2}, path="/owns") for one in (A, B)],
    ],
    "another route in the way": [
        *ALL,
        get(A),
        get("special"),
        get(B),
        get("special"),
        put("special", {}),
    ],
    "other methods": [*ALL, *[one(m, r, {}) for m in ("POST", "TRACE", "GET") for r in (A, B)]],
}


def with_service(config: Configurator) -> None:
    """Add a service whose path could be that of a record."""
    special = Service(name="special", path="/opens/special")
    special.add_view("GET", lambda request: {"special": True})
    config.add_cornice_service(special)


@pytest.mark.clause("H-25.12", "X-23")
@pytest.mark.parametrize("path", ["/opens", "/owns", "/closeds", "/hookeds"])
@pytest.mark.parametrize("name", BATCHES)
def test_answers_and_records_are_those_of_single_sub_requests(name: str, path: str) -> None:
    batch = [{**item, "path": re.sub("/opens\\b", path, item["path"])} for item in BATCHES[name]]
    found = []
    for app in both(with_service):
        answers = send(app, batch)
        everything = f"/v0{path}?_sort=last_modified&_since=0"
        kept = app.get(everything, headers=basic_auth(), expect_errors=True)
        found.append(without_chance([answers, kept.json, TOLD]))
        TOLD.clear()

    assert found[0] == found[1]


WRITING = (
    "replacements",
    "refused replacements",
    "conditional replacements",
    "one twice",
    "changes",
    "refused changes",
    "deletions",
    "permissions",
    "other users",
    "mixed",
)


@pytest.fixture(scope="module")
def on_postgresql(postgresql_module_url: str) -> Iterator[list[TestApp]]:
    """Give the two applications on one database, where records are read together."""
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
            (Own, Open, Closed), settings={**OPEN, "compiled_endpoints": value, **backends}
        )
        for value in WAYS.values()
    ]
    for kind in ("storage", "permission"):
        getattr(apps[0].app.registry, kind).initialize_schema()
    yield apps
    for app in apps:
        app.app.registry.storage.client.dispose()


@pytest.mark.clause("H-25.12", "X-23", "X-24")
@pytest.mark.parametrize("path", ["/opens", "/owns", "/closeds"])
@pytest.mark.parametrize("name", WRITING)
def test_they_are_the_same_where_records_are_read_together(
    name: str, path: str, on_postgresql: list[TestApp]
) -> None:
    batch = [{**item, "path": re.sub("/opens\\b", path, item["path"])} for item in BATCHES[name]]
    found = []
    for app in on_postgresql:
        answers = send(app, batch)
        everything = f"/v0{path}?_sort=last_modified&_since=0"
        kept = app.get(everything, headers=basic_auth(), expect_errors=True)
        found.append(without_chance([answers, kept.json]))

    assert found[0] == found[1]


@pytest.mark.clause("H-25.12")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_only_the_first_of_them_goes_the_way_of_all_requests(method: str) -> None:
    called = Counter[Any]()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            called[frame.f_code] += 1

    data = None if method in ("GET", "DELETE") else {"name": "new"}
    found = []
    for client in both():
        send(client, ALL)
        called.clear()
        former = sys.getprofile()
        sys.setprofile(watch)
        try:
            answers = batches.send(client, [one(method, record, data) for record in (A, B, C)])
        finally:
            sys.setprofile(former)
        assert statuses(answers) == [200] * 3
        found.append(called[build_request.__code__])

    assert found == [1, 3]


@pytest.mark.clause("H-25.12", "P-11.7")
@pytest.mark.parametrize(
    "replaced",
    [
        "get",
        "postprocess",
        "_add_cache_header",
        "_add_timestamp_header",
        "_bare",
        "_extract_partial_fields",
        "_get_record_or_404",
        "_raise_304_if_not_modified",
        "_raise_400_if_invalid_id",
        "_raise_412_if_modified",
    ],
)
def test_a_method_that_an_application_replaces_is_called_for_each_read(replaced: str) -> None:
    called = []

    def method(self: Any, *args: Any, **options: Any) -> Any:
        called.append(self.record_id)
        return getattr(resource.ShareableResource, replaced)(self, *args, **options)

    own = type("Open", (resource.ShareableResource,), {"mapping": Open.mapping, replaced: method})
    found = []
    for value in WAYS.values():
        app = make_own_app((own,), settings={**OPEN, "compiled_endpoints": value})
        send(app, [put(one, {}) for one in (A, B, C)])
        called.clear()
        answers = batches.send(app, [get(one) for one in (A, B, C)])
        assert statuses(answers) == [200] * 3
        found.append([*called])

    assert found[0] == found[1]


@pytest.mark.clause("X-23")
@pytest.mark.parametrize("name", ["forbidden", "conflict"])
def test_one_that_fails_leaves_nothing(name: str) -> None:
    items = [put(A, {"name": "a"}), put(B, {"name": name}), put(C, {"name": "c"})]
    for app in both():
        answers = send(
            app, [{**item, "path": item["path"].replace("opens", "hookeds")} for item in items]
        )

        assert statuses(answers)[::2] == [201, 201]
        kept = app.get("/v0/hookeds?_sort=name", headers=basic_auth()).json["data"]
        assert [record["name"] for record in kept] == ["a", "c"]


@pytest.mark.clause("S-18.5")
def test_the_log_has_a_line_for_each_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cliquet")
    found = []
    for value in WAYS.values():
        entries: list[dict[str, Any]] = []

        def renderer(settings: Any = None, kept: Any = entries) -> Any:
            def render(logger: Any, name: Any, entry: Any) -> Any:
                kept.append({k: v for k, v in entry.items() if k not in ("t", "time")})
                return entry["event"]

            return render

        more = {"compiled_endpoints": value, "logging_renderer": renderer}
        app = make_app([Open], settings={**OPEN, **more})
        entries.clear()
        send(app, BATCHES["mixed"] + BATCHES["other users"][3:], headers={"X-Request-Id": "a" * 32})
        found.append(without_chance(entries))

    assert len(found[0]) > 40
    assert found[0] == found[1]


@pytest.mark.clause("X-9", "X-23")
@pytest.mark.parametrize(
    "event", [ResourceChanged, AfterResourceChanged, ResourceRead, AfterResourceRead]
)
@pytest.mark.parametrize("name", ["mixed", "deletions", "refused replacements", "permissions"])
def test_subscribers_of_resources_are_told_the_same(event: type, name: str) -> None:
    records = "read_records" if "Read" in event.__name__ else "impacted_records"

    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda e: TOLD.append([e.payload, getattr(e, records)]), event)

    found = []
    for app in both(configure):
        TOLD.clear()
        send(app, BATCHES[name])
        found.append(without_chance(TOLD))

    # Nothing of a batch of deletions is told as read, for example.
    assert found[0] or name != "mixed"
    assert found[0] == found[1]


@pytest.mark.clause("S-20.1", "S-20.4", "E-6.2")
def test_metrics_count_each_of_them() -> None:
    counted = []
    for value in WAYS.values():
        server = StatsDServer()
        app = make_app(
            [Open],
            settings={
                **OPEN,
                "compiled_endpoints": value,
                "statsd_url": server.url,
                "prometheus_enabled": "true",
            },
        )
        server.watch(app.app.registry)
        server.received()
        send(app, BATCHES["mixed"] + BATCHES["refused replacements"][3:6])
        of_statsd = Counter(m for m in server.received() if m[2] != "ms" and "view" in m[0])
        server.close()
        text = app.get("/__metrics__").text
        counted.append((of_statsd, [n for n in text.splitlines() if "requests_total{" in n]))

    assert counted[0] == counted[1]
    assert counted[0][0]["testapp.view.open-record.PUT", "1", "c"] >= 5


# Code of the application takes part

Configure = Callable[..., None]


def subscribed_to(event: type) -> Configure:
    """Return a configuration that tells of each event of one kind."""

    def configure(config: Configurator) -> None:
        config.add_subscriber(lambda one: TOLD.append((event.__name__, one.request.path)), event)

    return configure


def with_deriver(config: Configurator) -> None:
    def deriver(view: Any, info: Any) -> Any:
        def derived(context: Any, request: Any) -> Any:
            TOLD.append(request.path)
            return view(context, request)

        return derived

    config.add_view_deriver(deriver)


def with_request_method(config: Configurator) -> None:
    def before(request: Any) -> str:
        TOLD.append(("method", request.path))
        return str(request.path)

    config.add_request_method(before, reify=True)


class ByPath(RemoteUserAuthenticationPolicy):
    """Recognises a user by the URL, as no policy of the library does."""

    def unauthenticated_userid(self, request: Any) -> str:
        return str(request.path.rpartition("/")[2])


@pytest.mark.clause("H-25.12")
@pytest.mark.parametrize(
    "configure",
    [
        *map(subscribed_to, (NewRequest, BeforeTraversal, ContextFound, NewResponse)),
        with_deriver,
        with_request_method,
    ],
    ids=lambda one: one.__qualname__,
)
def test_code_of_the_application_sees_each_of_them(configure: Configure) -> None:
    found = []
    for app in both(configure):
        TOLD.clear()
        answers = send(app, [*ALL, get(A), get(B), get(D), get(C)])
        found.append(without_chance([answers, TOLD]))

    assert found[0] == found[1]


@pytest.mark.clause("S-16.1", "S-16.9")
@pytest.mark.parametrize("monitoring", [{}, {"statsd_url": "udp://127.0.0.1:9"}], ids=len)
def test_a_policy_of_the_application_is_asked_for_each_of_them(monitoring: dict[str, str]) -> None:
    policies = {
        **monitoring,
        "multiauth.policies": "bypath",
        "multiauth.policy.bypath.use": f"{__name__}.ByPath",
    }
    for app in both(**policies):
        answers = send(app, [put(one, {}, path="/owns") for one in (A, B)])

        assert statuses(answers) == [201, 201]
        # Each user has a record, and nobody has both.
        for one in (A, B):
            app.get(f"/v0/owns/{one}", status=200)


def groups_by_path(userid: str, request: Request) -> list[str]:
    return ["group:first"] if A in request.path else []


@pytest.mark.clause("S-16.5", "H-25.12")
@pytest.mark.parametrize("monitoring", [{}, {"statsd_url": "udp://127.0.0.1:9"}], ids=len)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_groups_of_the_application_are_asked_for_each_of_them(
    method: str, monitoring: dict[str, str]
) -> None:
    settings = {
        **monitoring,
        "multiauth.groupfinder": f"{__name__}.groups_by_path",
        "open_write_principals": "group:first",
    }
    for app in both(**settings):
        for backend in (app.app.registry.storage, app.app.registry.permission):
            backend.flush()
        for record in (A, B):
            app.app.registry.storage.update("open", "", record, {"name": "there"})
        body = None if method == "DELETE" else {"name": "new"}

        answers = batches.send(app, [one(method, record, body) for record in (A, A, B, B)])

        assert statuses(answers)[2:] == [403, 403]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("limit", ["500", "1000", "2000"])
def test_reads_end_where_the_answer_is_full(limit: str) -> None:
    found = [
        without_chance(send(app, [*ALL, *[get(one) for one in (A, B, C) for _ in range(4)]]))
        for app in both(max_response_bytes=limit)
    ]

    assert 503 in statuses(found[0])
    assert found[0] == found[1]
