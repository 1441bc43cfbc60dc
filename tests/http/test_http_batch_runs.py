"""Creations that follow each other in a batch are answered like single sub-requests (H-25.12).

The library does for all but the first only what depends on their bodies. Each test compares with an
application without compiled endpoints, where each of them is a sub-request of its own.
"""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import colander
import pytest
from pyramid.config import Configurator
from pyramid.events import BeforeRender, BeforeTraversal, ContextFound, NewRequest, NewResponse
from pyramid.httpexceptions import HTTPForbidden
from pyramid.threadlocal import get_current_request
from pyramid_multiauth import MultiAuthPolicySelected
from support import batches
from support.batches import creation, statuses
from support.shared_apps import make_app
from support.statsd_server import StatsDServer
from testapp import RESOURCES, Truffle
from webtest import TestApp

from cliquet import resource
from cliquet.authorization import AuthorizationPolicy
from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.resource import writing
from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request

WAYS = {"compiled": "true", "layers": "false"}
CEP = "2f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4"
OPEN = {
    "shared_create_principals": "system.Everyone",
    "shared_read_principals": "system.Authenticated",
    "plain_create_principals": "system.Everyone",
    "plain_read_principals": "system.Authenticated",
}


class Shared(resource.ShareableResource):
    """Records with permissions, which settings let anybody create."""

    class SharedSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)

        name = colander.SchemaNode(colander.String(), missing="unnamed")
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = SharedSchema()


class Plain(resource.ShareableResource):
    """The same without unique fields, so that the records are stored together."""

    class PlainSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

        name = colander.SchemaNode(colander.String(), missing="unnamed")
        on = colander.SchemaNode(colander.Date(), missing=colander.drop)

    mapping = PlainSchema()


pytestmark = pytest.mark.usefixtures("own_settings")


def both(
    resources: Any = (*RESOURCES, Shared, Plain), configure: Any = None, **settings: Any
) -> list[TestApp]:
    """Return a client of the same application with and without compiled endpoints."""
    return [
        make_app(
            resources,
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
    """Return a JSON value with the same text for all ids, and for all times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", json.dumps(value))
    text = re.sub(r'"Last-Modified": "[^"]*"', '"Last-Modified": ""', text)
    return json.loads(re.sub(r"\b1[0-9]{12}\b", "0", text))


Told = list[Any]
Configure = Callable[..., None]


def subscribed_to(event: type, *, kept: bool = False) -> Configure:
    """Return a configuration that tells of each event of one kind, or keeps the event itself."""

    def configure(config: Configurator, told: Told) -> None:
        config.add_subscriber(lambda one: told.append(one if kept else type(one)), event)

    return configure


def shared(code: int | None = None, path: str = "/shareds", **more: Any) -> dict[str, Any]:
    body = {"data": {} if code is None else {"code": code}}
    return {"method": "POST", "path": path, "body": body, **more}


DATES = [{"on": "2026-11-29"}, {"on": "never"}, {"on": None}, {"more": [1.5, {"a": "é"}]}]
FAULTY = {"method": "POST", "path": "/mushrooms", "body": {"data": {"name": 3.5, "size": []}}}
BATCHES: dict[str, list[dict[str, Any]]] = {
    "equal": [creation(name="cep")] * 4,
    "other members": [creation(name="cep", more=1), creation(more=[2], name="é\u2028"), creation()],
    "dates and more": [{**shared(), "body": {"data": data}} for data in DATES],
    "more than are stored together": [shared(n) for n in range(60)],
    "a fault in between": [creation(name="a"), creation(name="b"), FAULTY, creation(name="c")],
    "a fault first": [FAULTY, creation(name="a"), creation(name="b")],
    "no data": [creation(name="a"), {**creation(name="b"), "body": {}}, creation(name="c")],
    "no body": [creation(name="a"), {"method": "POST", "path": "/mushrooms"}],
    "other collections": [creation(name="a"), shared(), creation(name="b"), shared(), shared()],
    "other paths to one": [creation(name="a"), {**creation(name="b"), "path": "/v0/mushrooms"}],
    "a query string": [{**creation(name="a"), "path": "/mushrooms?a=b"}] * 2,
    "one redirection": [{**creation(name="a"), "path": "/mushrooms/"}] * 3,
    "own ids": [shared(1), {**shared(), "body": {"data": {"id": CEP}}}, shared(3)],
    "one id twice": [{**shared(), "body": {"data": {"id": CEP}}}] * 3,
    "one id in between": [shared(), *[{**shared(), "body": {"data": {"id": CEP}}}] * 2, shared()],
    "a bad id": [shared(), {**shared(), "body": {"data": {"id": "*"}}}, shared()],
    "a timestamp far ahead": [shared(), {**shared(), "body": {"data": {"last_modified": 2**60}}}],
    "a unique value twice": [shared(1), shared(2), shared(1), shared(3), shared(3)],
    "permissions": [
        shared(),
        {**shared(), "body": {"data": {}, "permissions": {"read": ["system.Everyone", "a"]}}},
        {**shared(), "body": {"data": {}, "permissions": {"fly": ["a"]}}},
        shared(),
    ],
    "equal headers": [shared(headers={"X-Tool": "1"})] * 3,
    "other headers": [shared(), shared(headers={"Authorization": ""}), shared(), shared()],
    "another origin": [shared(headers={"Origin": "http://page"})] * 3,
    "another type": [shared(headers={"Content-Type": "text/plain"})] * 3,
    "not acceptable": [shared(headers={"Accept": "text/html"})] * 2,
    "only if new": [shared(1, headers={"If-None-Match": "*"})] * 3,
    "only if unchanged": [shared(headers={"If-Match": '"1"'})] * 2,
    "refused": [shared(headers={"Authorization": ""}), shared(), shared()],
    "other methods": [
        shared(),
        {"path": "/shareds"},
        shared(),
        {"method": "DELETE", "path": "/shareds"},
        shared(),
    ],
}


@pytest.mark.clause("H-25.12", "X-23")
@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize(
    ("user", "path"), [("mat", "/shareds"), (None, "/shareds"), ("mat", "/plains")]
)
def test_answers_and_records_are_those_of_single_sub_requests(
    name: str, user: str | None, path: str
) -> None:
    found = []
    batch = [
        {**item, "path": path if item["path"] == "/shareds" else item["path"]}
        for item in BATCHES[name]
    ]
    for app in both(batch_max_requests="100"):
        headers = basic_auth(user) if user else {}
        answers = send(app, batch, headers=headers)
        urls = ("/v0/mushrooms", f"/v0{path}")
        kept = [app.get(url, headers=basic_auth()).json["data"] for url in urls]
        found.append(without_chance([answers, kept]))

    assert found[0] == found[1]


@pytest.mark.clause("E-17.1", "H-25.12")
@pytest.mark.parametrize("path", ["/shareds", "/plains"])
def test_each_of_them_has_the_url_of_its_own_record(path: str) -> None:
    for app in both():
        answers = send(app, [shared(code, path=path) for code in range(3)])

        urls = [answer["headers"]["Location"] for answer in answers]
        assert [app.get(url, headers=basic_auth()).json["data"]["code"] for url in urls] == [
            0,
            1,
            2,
        ]


@pytest.mark.parametrize(
    ("path", "requests", "operations"),
    [("/shareds", 1, 5), ("/mushrooms", 1, 1), ("/plains", 1, 1)],
)
def test_only_the_first_of_them_is_a_request(path: str, requests: int, operations: int) -> None:
    called = Counter[Any]()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            called[frame.f_code] += 1

    found = []
    for client in both():
        called.clear()
        former = sys.getprofile()
        sys.setprofile(watch)
        try:
            answers = send(client, [creation(path, name="a")] * 5)
        finally:
            sys.setprofile(former)
        assert statuses(answers) == [201] * 5
        found.append((called[build_request.__code__], called[writing.post_record.__code__]))

    assert found == [(requests, operations), (5, 5)]


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
        app = make_app([Shared], settings={**OPEN, **more})
        entries.clear()
        send(
            app,
            [shared(1), shared(2), shared(1), {"path": "/"}],
            headers={"X-Request-Id": "a" * 32},
        )
        found.append(entries)

    assert [entry["event"] for entry in found[0]] == ["subrequest.summary"] * 4 + [
        "request.summary"
    ]
    assert found[0] == found[1]


@pytest.mark.clause("X-9", "X-23")
@pytest.mark.parametrize("event", [ResourceChanged, AfterResourceChanged])
def test_subscribers_of_resources_are_told_of_all_of_them_at_once(event: type) -> None:
    found = []
    for value in WAYS.values():
        told: list[Any] = []
        app = make_app(
            [Shared],
            settings={**OPEN, "compiled_endpoints": value},
            configure=partial(subscribed_to(event, kept=True), told=told),
        )
        send(app, [shared(1), shared(2), shared(1), {**shared(), "body": {"data": 1}}, shared(3)])
        found.append(without_chance([[one.payload, one.impacted_records] for one in told]))

    assert [len(records) for _, records in found[0]] == [3]
    assert found[0] == found[1]


@pytest.mark.clause("S-20.1", "S-20.4", "E-6.2")
@pytest.mark.parametrize("path", ["/shareds", "/plains"])
def test_metrics_count_each_of_them(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def build(*arguments: Any) -> Any:
        made.append(arguments)
        return build_request(*arguments)

    monkeypatch.setattr("cliquet.web.requests.build_request", build)
    requests = [shared(n, path=path) for n in (1, 2, 1, 3)]
    requests += [{**shared(path=path), "body": {"data": 1}}, shared(4, path=path), {"path": "/"}]
    counted = []
    for value in WAYS.values():
        server = StatsDServer()
        app = make_app(
            [Shared, Plain],
            settings={
                **OPEN,
                "compiled_endpoints": value,
                "statsd_url": server.url,
                "prometheus_enabled": "true",
            },
        )
        server.watch(app.app.registry)
        server.received()
        send(app, requests)
        of_statsd = Counter(metric for metric in server.received() if metric[2] != "ms")
        server.close()
        text = app.get("/__metrics__").text
        of_prometheus = [one for one in text.splitlines() if "requests_total{" in one]
        counted.append((of_statsd, of_prometheus))
        made.append(None)

    assert counted[0] == counted[1]
    of_statsd, of_prometheus = counted[0]
    service = f"{path[1:-1]}-collection"
    # Those that failed are no operations.
    assert of_statsd[f"testapp.view.{service}.POST", "1", "c"] == 5
    assert any(service in one and '"201"' in one for one in of_prometheus)
    # Not every one of them was made a request, as it is the other way.
    first_way = made.index(None)
    assert first_way < made.index(None, first_way + 1) - first_way - 1


# Code of the application takes part


def with_deriver(config: Configurator, told: Told) -> None:
    def deriver(view: Any, info: Any) -> Any:
        def derived(context: Any, request: Any) -> Any:
            told.append(request.path)
            return view(context, request)

        return derived

    config.add_view_deriver(deriver)


class EverySecondTime(AuthorizationPolicy):
    """Permits each second request."""

    asked = 0

    def permits(self, context: Any, principals: Any, permission: Any) -> bool:
        self.asked += 1
        return self.asked % 2 == 1


EVENTS = (
    NewRequest,
    BeforeTraversal,
    ContextFound,
    BeforeRender,
    NewResponse,
    MultiAuthPolicySelected,
)


@pytest.mark.clause("H-25.12")
@pytest.mark.parametrize(
    "configure", [*map(subscribed_to, EVENTS), with_deriver], ids=lambda one: one.__qualname__
)
def test_code_of_the_application_sees_each_of_them(configure: Configure) -> None:
    found = []
    for value in WAYS.values():
        told: Told = []
        app = make_app(
            [Shared],
            settings={**OPEN, "compiled_endpoints": value},
            configure=partial(configure, told=told),
        )
        told.clear()
        send(app, [shared()] * 3)
        found.append(told)

    assert len(found[0]) >= 3
    assert found[0] == found[1]


class Hooked(Shared):
    """A resource that refuses each second record, and counts what it made."""

    mapping = Shared.SharedSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        new = super().process_record(new, old)
        if new.get("code") == 2:
            raise HTTPForbidden
        return {**new, "name": str(vars(self).setdefault("seen", len(vars(self)) > 0))}


class Bound(resource.UserResource):
    """A schema that code of the application makes for each request."""

    class BoundSchema(resource.ResourceSchema):
        name = colander.SchemaNode(
            colander.String(),
            missing=colander.deferred(lambda node, kw: str(id(kw["request"]) > 0)),
        )

    mapping = BoundSchema()


class Seeing(resource.UserResource):
    """A field whose validator asks for the request."""

    class SeeingSchema(resource.ResourceSchema):
        name = colander.SchemaNode(
            colander.String(),
            validator=lambda node, value: _refuse(node, get_current_request().path),
        )

    mapping = SeeingSchema()


def _refuse(node: Any, path: str) -> None:
    if path != "/v0/seeings":
        raise colander.Invalid(node, path)


@pytest.mark.clause("P-11.2")
@pytest.mark.parametrize("cls", [Hooked, Bound, Seeing])
def test_hooks_and_schemas_of_the_application_are_asked_for_each(cls: type) -> None:
    path = f"/{cls.__name__.lower()}s"
    items = [
        {"method": "POST", "path": path, "body": {"data": {"code": code, "name": "a"}}}
        for code in (1, 2, 3, 4)
    ]
    settings = {f"{cls.__name__.lower()}_create_principals": "system.Authenticated"}

    compiled, layered = (send(app, items) for app in both([cls], **settings))

    assert without_chance(compiled) == without_chance(layered)
    assert statuses(compiled) == [201, 403 if cls is Hooked else 201, 201, 201]


@pytest.mark.clause("P-11.2")
def test_a_hook_that_is_replaced_later_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = both([Truffle])
    items = [creation(name="a", path="/truffles")] * 2
    send(app, items)

    def renamed(self: Any, new: Any, old: Any = None) -> Any:
        return {**new, "name": "b"}

    monkeypatch.setattr(Truffle, "process_record", renamed)

    assert [one["body"]["data"]["name"] for one in send(app, items)] == ["b", "b"]


@pytest.mark.clause("P-25.3")
def test_the_authorization_policy_of_the_application_is_asked_for_each() -> None:
    policy = {"multiauth.authorization_policy": EverySecondTime}

    compiled, layered = (statuses(send(app, [shared()] * 4)) for app in both([Shared], **policy))

    assert compiled == layered == [201, 403, 201, 403]
