"""Compiled endpoints answer as all layers of Pyramid do, and leave to it what others add."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pyramid.router
import pyramid.tweens
import pyramid.viewderivers
import pytest
from pyramid.authorization import Everyone
from pyramid.config import Configurator
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.events import BeforeRender, BeforeTraversal, ContextFound, NewRequest, NewResponse
from pyramid.interfaces import IResponse, ITraverser
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.traversal import ResourceTreeTraverser
from support.clocks import Clock
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp
from zope.interface import Interface, implementer

from cliquet import Service
from cliquet.testing.web import basic_auth

SHORT, LONG = {"compiled_endpoints": "true"}, {"compiled_endpoints": "false"}
both = pytest.mark.parametrize("way", [SHORT, LONG], ids=["compiled", "layers"])

MUSHROOM = "/v0/mushrooms/2f3f5fa0-ab3b-4e3f-9e4c-8f7ea4b8e2f4"
# Functions of Pyramid that a compiled endpoint stands for.
LAYERS = {
    "_call_view",
    "predicate_wrapper",
    "secured_view",
    "rendered_view",
    "_requestonly_view",
    "render_to_response",
    "handle_request",
}

Configure = Callable[[Configurator], None]

VARIABLE = "CLIQUET_COMPILED_ENDPOINTS"


pytestmark = pytest.mark.usefixtures("own_settings")


def calls_of(app: TestApp, method: str, path: str, **headers: str) -> tuple[Any, set[str]]:
    """Return the answer to a request, and the names of the functions that it called."""
    request = Request.blank(path, method=method, headers={**basic_auth(), **headers})
    called = set()

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            called.add(frame.f_code.co_name)

    former = sys.getprofile()
    sys.setprofile(watch)
    try:
        response = request.get_response(app.app)
    finally:
        sys.setprofile(former)
    return response, called


def things(configure: Configure | None = None, **arguments: Any) -> Configure:
    """Return a configuration with a service, and what `configure` adds before it."""

    def add(config: Configurator) -> None:
        if configure is not None:
            configure(config)
        service = Service(name="things", path="/things/{name}")
        options = {"permission": NO_PERMISSION_REQUIRED, **arguments}
        service.add_view("GET", lambda request: {"name": request.matchdict["name"]}, **options)
        config.add_cornice_service(service)

    return add


def served(way: Mapping[str, str], configure: Configure, **settings: str) -> TestApp:
    """Return a client of an application with a service."""
    return make_app(settings={**way, **settings}, configure=configure)


# The short way


@pytest.mark.setting("compiled_endpoints")
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v0/"), ("GET", "/v0/mushrooms"), ("PUT", MUSHROOM)]
)
def test_the_layers_of_pyramid_are_only_called_where_the_setting_asks_for_them(
    method: str, path: str
) -> None:
    app, layered = (make_app(RESOURCES, settings=way) for way in (SHORT, LONG))

    assert calls_of(app, method, path)[1] & LAYERS == set()
    assert calls_of(layered, method, path)[1] & LAYERS >= {"_call_view", "handle_request"}


@both
def test_who_replaces_the_notification_of_a_running_application_is_told(
    way: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(RESOURCES, settings=way)
    registry = app.app.registry
    app.get("/v0/mushrooms", headers=basic_auth())
    told: list[str] = []
    notify = registry.notify

    def noting(event: Any) -> None:
        told.append(type(event).__name__)
        notify(event)

    monkeypatch.setattr(registry, "notify", noting)
    app.get("/v0/mushrooms", headers=basic_auth())
    by_stand_in = told.copy()
    monkeypatch.undo()
    app.get("/v0/mushrooms", headers=basic_auth())

    assert by_stand_in == [
        *("NewRequest", "BeforeTraversal", "ContextFound", "MultiAuthPolicySelected"),
        *("BeforeRender", "BeforeCommit", "ResourceRead", "NewResponse"),
    ]
    assert told == by_stand_in


def test_the_requests_of_a_batch_go_the_short_way_too() -> None:
    app = make_app(RESOURCES, settings=SHORT)
    names: list[str] = []

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)

    former = sys.getprofile()
    sys.setprofile(watch)
    try:
        answer = app.post_json(
            "/v0/batch", {"requests": [{"path": "/mushrooms"}]}, headers=basic_auth()
        )
    finally:
        sys.setprofile(former)

    assert answer.json["responses"][0]["status"] == 200
    assert LAYERS.isdisjoint(names)


REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/v0/", {}),
    ("HEAD", "/v0/mushrooms", {}),
    ("GET", "/v0/mushrooms", {"Accept": "application/json;q=0.5, text/html"}),
    ("GET", "/v0/mushrooms", {"Accept": "text/html"}),
    ("GET", "/v0/mushrooms", {"Authorization": ""}),
    ("GET", "/v0/mushrooms", {"Origin": "http://page"}),
    ("GET", "/v0/mushrooms/", {}),
    ("GET", "/mushrooms", {}),
    ("GET", "/v0/nothing", {}),
    ("GET", "/v0/nothing/at/all", {}),
    ("GET", "/v1/mushrooms", {}),
    ("GET", MUSHROOM, {}),
    ("GET", f"{MUSHROOM}/", {}),
    ("GET", f"{MUSHROOM}%0A", {}),
    ("GET", "/v0/mushrooms/caf%C3%A9", {}),
    ("GET", "/v0/mushrooms/%FF", {}),
    ("GET", "/v0/mushrooms?_fields=name", {"If-None-Match": '"1"'}),
    ("PUT", MUSHROOM, {"Content-Type": "text/plain"}),
    ("POST", "/v0/mushrooms", {}),
    ("OPTIONS", "/v0/mushrooms", {}),
    ("OPTIONS", "/v0/mushrooms", {"Origin": "a", "Access-Control-Request-Method": "GET"}),
    ("PATCH", "/v0/mushrooms", {}),
    ("BREW", "/v0/mushrooms", {}),
    ("GET", "/v0/mushrooms", {"X-Vhm-Root": "/a/b"}),
    ("GET", "/v0/toadstools", {"Authorization": ""}),
    ("GET", "/v0/__heartbeat__", {}),
    ("GET", "", {}),
]


@pytest.mark.parametrize(("method", "path", "headers"), REQUESTS)
def test_both_ways_give_the_same_answer(
    method: str, path: str, headers: dict[str, str], apps: tuple[TestApp, TestApp], clock: Clock
) -> None:
    def described(app: TestApp) -> tuple[Any, ...]:
        request = Request.blank(path, method=method, headers={**basic_auth(), **headers})
        answer = request.get_response(app.app)
        random = ("X-Request-Id", "Last-Modified", "ETag")
        kept = [(name, value) for name, value in answer.headerlist if name not in random]
        return answer.status, kept, answer.body

    compiled, layered = map(described, apps)

    assert compiled == layered


@pytest.fixture(scope="module")
def apps() -> tuple[TestApp, TestApp]:
    """One application on each way."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(VARIABLE, raising=False)
        compiled, layered = (make_app(RESOURCES, settings=way) for way in (SHORT, LONG))
    return compiled, layered


# What an application adds


@both
def test_subscribers_are_told_in_order_of_all_that_happens(way: dict[str, str]) -> None:
    told: list[Any] = []

    def tell(event: Any) -> None:
        request = getattr(event, "request", None) or event["request"]
        known = sorted(
            {"matchdict", "matched_route", "root", "context", "view_name", "subpath", "traversed"}
            & request.__dict__.keys()
        )
        told.append((type(event), known))

    def subscribe(config: Configurator) -> None:
        for event in (NewRequest, BeforeTraversal, ContextFound, BeforeRender, NewResponse):
            config.add_subscriber(tell, event)

    served(way, things(subscribe)).get("/v0/things/a")

    routed = ["matchdict", "matched_route"]
    found = ["context", *routed, "root", "subpath", "traversed", "view_name"]
    assert told == [
        (NewRequest, []),
        (BeforeTraversal, routed),
        (ContextFound, found),
        (BeforeRender, found),
        (NewResponse, found),
    ]


@both
@pytest.mark.parametrize("event", [NewRequest, BeforeTraversal, ContextFound, BeforeRender])
def test_a_subscriber_of_a_running_application_counts(way: dict[str, str], event: type) -> None:
    told: list[Any] = []
    app = served(way, things())
    app.get("/v0/things/a")

    app.app.registry.registerHandler(told.append, (event,))
    app.get("/v0/things/a")

    assert [type(one) for one in told] == [event]


@both
def test_a_view_or_a_route_of_a_running_application_counts(way: dict[str, str]) -> None:
    app = served(way, things())
    app.get("/v0/things/a")
    app.get("/v0/others", status=404)

    config = Configurator(app.app.registry)
    config.add_view(lambda request: Response("own"), route_name="things", request_method="GET")
    config.add_route("others", "/v0/others")
    config.add_view(lambda request: Response("other"), route_name="others")
    config.commit()

    assert app.get("/v0/things/a").text == "own"
    assert app.get("/v0/others").text == "other"


def shout(view: Any, info: Any) -> Any:
    """Add a header to the responses of a view; this is a view deriver."""

    def shouted(context: Any, request: Request) -> Any:
        answer = view(context, request)
        answer.headers["X-Shout"] = "loud"
        return answer

    return shouted


@both
@pytest.mark.parametrize(
    "position",
    [
        {"under": "decorated_view", "over": "rendered_view"},
        {"under": pyramid.viewderivers.INGRESS, "over": "compiled_view"},
        # It replaces the layer of Pyramid with this name.
        {"name": "csrf_view", "under": "secured_view", "over": "owrapped_view"},
    ],
    ids=["inner", "outer", "replaced"],
)
def test_a_deriver_of_the_application_is_around_the_view(
    way: dict[str, str], position: dict[str, str]
) -> None:
    app = served(way, things(lambda config: config.add_view_deriver(shout, **position)))

    assert app.get("/v0/things/a").headers["X-Shout"] == "loud"


def decorated(view: Any) -> Any:
    """Return a view with one more header."""

    def with_header(context: Any, request: Request) -> Any:
        answer = view(context, request)
        answer.headers["X-Decorated"] = "yes"
        return answer

    return with_header


@both
def test_options_of_views_work(way: dict[str, str]) -> None:
    cached = served(way, things(http_cache=60)).get("/v0/things/a")
    assert cached.headers["Cache-Control"] == "max-age=60"
    assert "X-Decorated" in served(way, things(decorator=decorated)).get("/v0/things/a").headers
    text = served(way, things(renderer="string")).get("/v0/things/a")
    assert (text.content_type, text.text) == ("text/plain", "{'name': 'a'}")


@both
def test_a_view_mapper_of_the_application_calls_the_view(way: dict[str, str]) -> None:
    class Mapper:
        def __init__(self, **options: Any) -> None: ...

        def __call__(self, view: Any) -> Any:
            return lambda context, request: {**view(request), "mapped": True}

    app = served(way, things(lambda config: config.set_view_mapper(Mapper)))

    assert app.get("/v0/things/a").json == {"name": "a", "mapped": True}


@both
def test_a_check_of_forged_requests_is_made(way: dict[str, str]) -> None:
    def add(config: Configurator) -> None:
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        config.set_default_csrf_options(require_csrf=True, safe_methods=())

    served(way, things(add)).get("/v0/things/a", status=400)


@both
def test_the_renderer_of_the_application_writes_the_answer(way: dict[str, str]) -> None:
    def factory(info: Any) -> Any:
        return lambda value, system: f"{info.name}: {sorted(value)} {system['renderer_name']}"

    app = served(way, things())
    assert app.get("/v0/things/a").json == {"name": "a"}
    config = Configurator(app.app.registry)
    config.add_renderer("json", factory)
    config.commit()
    assert app.get("/v0/things/a").text == "json: ['name'] json"


@both
def test_a_request_may_choose_its_renderer(way: dict[str, str]) -> None:
    def choose(event: Any) -> None:
        event.request.override_renderer = "string"

    app = served(way, things(lambda config: config.add_subscriber(choose, NewRequest)))

    assert app.get("/v0/things/a").text == "{'name': 'a'}"


@both
def test_the_application_may_make_the_responses(way: dict[str, str]) -> None:
    class Own(Response):
        pass

    seen: list[Any] = []

    def add(config: Configurator) -> None:
        config.set_response_factory(lambda request: Own(headers={"X-Own": "yes"}))
        config.add_subscriber(lambda event: seen.append(event.response), NewResponse)

    assert served(way, things(add)).get("/v0/things/a").headers["X-Own"] == "yes"
    assert type(seen[-1]) is Own

    def adapt(config: Configurator) -> None:
        config.add_response_adapter(lambda value: Response(f"adapted {value['name']}"), dict)

    assert served(way, things(adapt)).get("/v0/things/a").text == "adapted a"


@both
def test_the_response_of_the_request_keeps_what_code_sets_on_it(way: dict[str, str]) -> None:
    def choose(event: Any) -> None:
        event.request.response.status_int = 202
        event.request.response.headers["X-Early"] = "yes"
        event.request.response.content_md5 = "of nothing"

    app = served(way, things(lambda config: config.add_subscriber(choose, ContextFound)))
    answer = app.get("/v0/things/a", status=202)

    assert (answer.headers["X-Early"], answer.json) == ("yes", {"name": "a"})
    assert "Content-MD5" not in answer.headers
    assert answer.headers.getall("Content-Type") == ["application/json; charset=UTF-8"]
    assert answer.headers.getall("Content-Length") == [str(len(answer.body))]


@both
def test_a_response_of_a_view_stays_as_it_is(way: dict[str, str]) -> None:
    @implementer(IResponse)
    class Foreign(Response):
        pass

    def add(config: Configurator) -> None:
        service = Service(name="plain", path="/plain/{kind}")
        kinds = {"plain": Response("plain"), "foreign": Foreign("foreign"), "list": [1]}
        service.add_view(
            "GET",
            lambda request: kinds[request.matchdict["kind"]],
            permission=NO_PERMISSION_REQUIRED,
        )
        config.add_cornice_service(service)

    app = served(way, add)

    assert app.get("/v0/plain/plain").text == "plain"
    assert app.get("/v0/plain/foreign").text == "foreign"
    assert app.get("/v0/plain/list").json == [1]


@both
def test_the_permission_of_a_view_is_asked_for(way: dict[str, str]) -> None:
    class Root:
        def __init__(self, request: Request) -> None:
            self.allowed_principals = [Everyone] if "open" in request.matchdict["name"] else []

        required_permission = "read"
        resource_name = None
        on_collection = False

        def get_prefixed_userid(self) -> None:
            return None

        def check_permission(self, *args: Any, **kwargs: Any) -> bool:
            return False

    def add(config: Configurator) -> None:
        service = Service(name="rooms", path="/rooms/{name}", factory=Root)
        service.add_view("GET", lambda request: {}, permission="read")
        config.add_cornice_service(service)

    app = served(way, add)

    app.get("/v0/rooms/open")
    app.get("/v0/rooms/closed", status=401)
    app.get("/v0/rooms/closed", headers=basic_auth(), status=403)


class IPlace(Interface):
    """Marks a context."""


@implementer(IPlace)
class Place(dict[str, Any]):
    """A context with others below it."""

    def __init__(self, request: Any) -> None:
        super().__init__()


@both
def test_a_view_for_a_context_is_found(way: dict[str, str]) -> None:
    def add(config: Configurator) -> None:
        config.add_route("place", "/place", factory=Place)
        service = Service(name="place", pyramid_route="place")
        service.add_view("GET", lambda request: {"any": 1}, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        config.add_view(
            lambda context, request: Response(f"of {type(context).__name__}"),
            route_name="place",
            context=IPlace,
            permission=NO_PERMISSION_REQUIRED,
        )

    assert served(way, add).get("/v0/place").text == "of Place"


@both
def test_a_route_may_be_traversed(way: dict[str, str]) -> None:
    class House(dict[str, Any]):
        def __init__(self, request: Any) -> None:
            super().__init__(attic=Place(request))

    def add(config: Configurator) -> None:
        config.add_route("house", "/house*traverse", factory=House)
        config.add_view(
            lambda context, request: Response(f"{type(context).__name__} {request.traversed}"),
            route_name="house",
            permission=NO_PERMISSION_REQUIRED,
        )
        config.add_route("attic", "/attic", factory=House, traverse="/attic")
        service = Service(name="attic", pyramid_route="attic")
        service.add_view(
            "GET",
            lambda request: {"context": type(request.context).__name__},
            permission=NO_PERMISSION_REQUIRED,
        )
        config.add_cornice_service(service)

    app = served(way, add)

    assert app.get("/v0/house/attic").text == "Place ('attic',)"
    app.get("/v0/house/cellar", status=404)
    assert app.get("/v0/attic").json == {"context": "Place"}


@both
def test_a_traverser_of_the_application_finds_the_context(way: dict[str, str]) -> None:
    class Traverser(ResourceTreeTraverser):
        def __call__(self, request: Request) -> Any:
            return {**super().__call__(request), "subpath": ("own",)}

    def add(config: Configurator) -> None:
        config.registry.registerAdapter(Traverser, (Interface,), ITraverser)
        service = Service(name="paths", path="/paths")
        service.add_view(
            "GET", lambda request: {"subpath": request.subpath}, permission=NO_PERMISSION_REQUIRED
        )
        config.add_cornice_service(service)

    assert served(way, add).get("/v0/paths").json == {"subpath": ["own"]}


@both
def test_routes_are_tried_in_their_order(way: dict[str, str]) -> None:
    def view(text: str) -> Any:
        return lambda request: Response(f"{text} {request.matchdict}")

    def add(config: Configurator) -> None:
        patterns: dict[str, tuple[str, bool]] = {
            "predicated": ("/shelf/{name}", True),
            "number": (r"/shelf/{number:\d+}", False),
            "first": ("/shelf/one", False),
            "wild": ("/{shelf}/two", False),
            "name": ("/shelf/{name}", False),
            "rest": ("/shelf/{name}/*rest", False),
            "spaced": ("/a b/{name}", False),
        }
        config.add_route_predicate("asks", _Asks)
        for name, (pattern, asks) in patterns.items():
            config.add_route(name, pattern, **({"asks": "own"} if asks else {}))
            config.add_view(view(name), route_name=name, permission=NO_PERMISSION_REQUIRED)

    app = served(way, add)
    expected = {
        "/v0/shelf/one?own=1": "predicated {'name': 'one'}",
        "/v0/shelf/12": "number {'number': '12'}",
        "/v0/shelf/one": "first {}",
        "/v0/shelf/two": "wild {'shelf': 'shelf'}",
        "/v0/shelf/x": "name {'name': 'x'}",
        "/v0/shelf/x/y/z": "rest {'name': 'x', 'rest': ('y', 'z')}",
        "/v0/a%20b/c": "spaced {'name': 'c'}",
        "/v0/shelf/%C3%A9": "name {'name': 'é'}",
    }

    assert {path: app.get(path).text for path in expected} == expected


class _Asks:
    """A predicate of routes on a parameter of the query."""

    def __init__(self, name: str, config: Any) -> None:
        self.name = name

    def text(self) -> str:
        return f"asks = {self.name}"

    phash = text

    def __call__(self, info: Any, request: Request) -> bool:
        return self.name in request.GET


def innermost_tween_factory(handler: Any, registry: Any) -> Any:
    """Return a tween of an application, which comes right before the router."""

    def innermost_tween(request: Request) -> Response:
        response = handler(request)
        response.headers["X-Innermost"] = "yes"
        return response

    return innermost_tween


@both
def test_a_tween_next_to_the_router_is_called(way: dict[str, str]) -> None:
    def add(config: Configurator) -> None:
        config.add_tween(
            f"{__name__}.innermost_tween_factory",
            under="cliquet.web.dispatch.dispatch_tween_factory",
            over=pyramid.tweens.MAIN,
        )

    assert served(way, things(add)).get("/v0/things/a").headers["X-Innermost"] == "yes"


@both
def test_who_observes_the_views_of_pyramid_sees_them(
    way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    call_view = pyramid.router._call_view

    @functools.wraps(call_view)
    def observed(registry: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        seen.append(request.matched_route.name)
        return call_view(registry, request, *args, **kwargs)

    app = served(way, things())
    # `sentry-sdk` does this.
    monkeypatch.setattr(pyramid.router, "_call_view", observed)

    assert app.get("/v0/things/a").json == {"name": "a"}
    assert seen == ["things"]


@both
def test_who_puts_a_function_around_views_is_called(
    way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    derive = Configurator._derive_view

    def observing(self: Any, view: Any, *args: Any, **kwargs: Any) -> Any:
        derived = derive(self, view, *args, **kwargs)

        @functools.wraps(derived)
        def observed(context: Any, request: Request) -> Any:
            seen.append(request.path)
            return derived(context, request)

        return observed

    # New Relic does this.
    monkeypatch.setattr(Configurator, "_derive_view", observing)

    served(way, things()).get("/v0/things/a")

    assert seen.count("/v0/things/a") == 1


@both
@pytest.mark.parametrize("setting", ["debug_authorization", "debug_routematch", "debug_notfound"])
def test_the_messages_of_pyramid_for_finding_faults_are_written(
    way: dict[str, str], setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    def add(config: Configurator) -> None:
        config.add_settings({setting: True, f"pyramid.{setting}": True})

    app = served(way, things(add), **{f"pyramid.{setting}": "true"})
    with caplog.at_level("DEBUG"):
        app.get("/v0/things/a")
        app.get("/v0/nothing", status=404)

    assert setting in caplog.text or "route matched for url" in caplog.text
